"""The commands about what was said: show, copy, compare, filter, expect and save it."""

import difflib

from lihil_cli.wstest.repl import commands
from lihil_cli.wstest.repl.desk import Desk, Expectation
from lihil_cli.wstest.repl.events import Action, Copy, Message, Note, Payload, WriteFile
from lihil_cli.wstest.repl.log import Step
from lihil_cli.wstest.repl.pattern import make_expectation, make_filter
from lihil_cli.wstest.repl.payload import payload_lines
from lihil_cli.wstest.repl.transcript import transcript

_DIFF_WIDTH = 100
_DIFF_LINES = 200


def show(desk: Desk, order: commands.Show, now: float) -> list[Action]:
    found = _find(desk, order.number)
    if isinstance(found, str):
        return desk.note(found, "bad")
    step, payload = found
    return desk.display(
        Message(step.number, payload, step.at, None, desk.shown(step.peer), whole=True, form=order.form)
    )


def copy(desk: Desk, order: commands.CopyMessage, now: float) -> list[Action]:
    found = _find(desk, order.number)
    if isinstance(found, str):
        return desk.note(found, "bad")
    payload = found[1]
    return [Copy(payload if isinstance(payload, str) else payload.hex())]


def diff(desk: Desk, order: commands.Diff, now: float) -> list[Action]:
    left, right = _find(desk, order.left), _find(desk, order.right)
    if isinstance(left, str) or isinstance(right, str):
        return desk.note(left if isinstance(left, str) else str(right), "bad")
    lines = difflib.unified_diff(_readable(left[1]), _readable(right[1]), f"#{order.left}", f"#{order.right}", n=2)
    shown = [line.rstrip("\n") for line in lines][:_DIFF_LINES]
    return desk.display(*map(Note, shown)) if shown else desk.note("they are the same")


def _readable(payload: Payload) -> list[str]:
    """The lines of a message, JSON opened to one member a line so that a difference is a line."""
    return ["".join(text for _, text in line) for line in payload_lines(payload, _DIFF_WIDTH, first=0)]


def _find(desk: Desk, number: int | None) -> tuple[Step, Payload] | str:
    """The message of that number, the last one for None; or why there is none."""
    step = desk.log.last if number is None else desk.log.find(number)
    if step is None:
        if number is None or number > desk.log.received:
            last = f"the last one is #{desk.log.received}" if desk.log.received else "none has arrived yet"
            return f"there is no message #{number or 1}: {last}"
        return f"#{number} is not kept any longer"
    payload = desk.log.payload(step)
    return f"#{step.number} is not kept any longer" if payload is None else (step, payload)


def narrow(desk: Desk, order: commands.Filter, now: float) -> list[Action]:
    if not order.pattern:
        desk.flow.matches = None
        return desk.note("everything is shown")
    try:
        desk.flow.matches = make_filter(order.pattern)
    except ValueError as error:
        return desk.note(str(error), "bad")
    return desk.note(f"only what matches {order.pattern} is shown; everything is kept")


def only(desk: Desk, order: commands.Only, now: float) -> list[Action]:
    desk.flow.only = order.direction
    words = {"in": "what arrives", "out": "what is sent", "all": "both directions"}
    return desk.note(f"{words[order.direction]} {'are' if order.direction == 'all' else 'is'} shown")


def pause(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    return desk.display(desk.flow.pause(desk.log.received))


def expect(desk: Desk, order: commands.Expect, now: float) -> list[Action]:
    try:
        check = make_expectation(order.pattern)
    except ValueError as error:
        return desk.note(str(error), "bad")
    desk.expectations.append(Expectation(desk.current, order.pattern, check, now + order.within_s))
    return []


def save(desk: Desk, order: commands.Save, now: float) -> list[Action]:
    text, steps = transcript(desk, as_script=order.path.endswith(".wst"))
    lost = f"; {desk.log.forgotten} older ones are not kept any longer" if desk.log.forgotten else ""
    return [WriteFile(order.path, text, f"saved {steps} step{'' if steps == 1 else 's'}{lost}")]
