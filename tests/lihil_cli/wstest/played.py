"""A session at play: what events lead to, without a connection or a clock."""

from collections.abc import Sequence

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.events import (
    Action,
    Event,
    Exit,
    Given,
    Note,
    Print,
)
from lihil_cli.wstest.pattern import parse_pattern
from lihil_cli.wstest.session import (
    Session,
)
from lihil_cli.wstest.settings import Options
from lihil_cli.wstest.steps import Expect, Say

PIPE = Options()
BY_US = Closed(1000, by="client")
LOST = Closed(1006, by="nobody")


def replay(options: Options, *steps: Event | float) -> list[Action]:
    """The actions that the steps lead to, in a row; a number lets that many seconds pass."""
    now = 100.0
    session = Session(options, now)
    actions: list[Action] = []
    for step in steps:
        if isinstance(step, float):
            now += step
        else:
            actions += session.handle(step, now)
    return [Print(action.payload) if isinstance(action, Print) else action for action in actions]


def said(text: str | bytes) -> Given:
    return Given(Say(text))


def exit_code(actions: Sequence[Action]) -> int:
    assert isinstance(actions[-1], Exit)
    return actions[-1].code


def last_note(actions: Sequence[Action]) -> str:
    return [action.text for action in actions if isinstance(action, Note)][-1]


def expected(pattern: str) -> Given:
    return Given(Expect(parse_pattern(pattern)))
