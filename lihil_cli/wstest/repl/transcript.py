"""From what was said to a file, and from a file to what is sent again: scripts (.wst) and records (.jsonl)."""

from collections.abc import Iterable, Iterator

from lihil_cli.wstest.closing import NORMAL
from lihil_cli.wstest.closing import Closed as Ending
from lihil_cli.wstest.patterns.match import SourceError
from lihil_cli.wstest.patterns.template import UnknownNameError
from lihil_cli.wstest.repl.desk import Desk
from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.journal import line_of
from lihil_cli.wstest.repl.log import Step
from lihil_cli.wstest.repl.peer import RELOAD
from lihil_cli.wstest.script.outgoing import fill_text
from lihil_cli.wstest.script.parse import locate, parse_script
from lihil_cli.wstest.script.saving import Arrived, Opened, Sent, SessionEvent, format_script
from lihil_cli.wstest.script.steps import Repeat, Send, SendBytes, SendText
from lihil_cli.wstest.script.steps import Step as ScriptStep
from lihil_cli.wstest.steps import Say, Sleep, steps_of_record

_GONE = frozenset({1001, 1012})  # RFC 6455, section 7.4: the server goes away, or is started again


def transcript(desk: Desk, *, as_script: bool) -> tuple[str, int]:
    """The text of the file, and how many steps are in it: what was sent, what came, and the closes."""
    steps = list(desk.log.steps())
    count = sum(step.kind in {"send", "recv", "close"} for step in steps)
    if as_script:
        messages = [step for step in steps if step.kind not in {"ping", "refused"}]
        return format_script(list(_session(desk, messages))), count
    begin = steps[0].at if steps else 0.0
    lines = (line_of(step, desk.log.payload(step), step.at - begin, desk.shown(step.peer)) for step in steps)
    return "".join(b"".join(line).decode() for line in lines), count


def _session(desk: Desk, steps: list[Step]) -> Iterator[SessionEvent]:
    """What a script is made from; a message that is not kept any longer cannot be part of it."""
    last_opened = {step.peer: at for at, step in enumerate(steps) if step.kind == "open"}
    for at, step in enumerate(steps):
        name = desk.shown(step.peer)
        if step.kind == "open":
            yield Opened(name, step.detail, step.headers)
        elif step.kind == "close":
            yield from _end(step, name, returns=last_opened.get(step.peer, at) > at)
        elif (message := desk.log.payload(step)) is not None:
            if step.kind == "send":
                yield Sent(name, message)
            else:
                yield Arrived(name, message, desk.expected.get(step.number, ""))


def _end(step: Step, name: str, *, returns: bool) -> Iterator[SessionEvent]:
    """How a connection ended.

    A drop, a loss, a server that stops or reloads: no script can bring that about, so before the connection is opened
    again there is a close of ours, with any answer. It also takes a close that the app made with the code of these.
    """
    if step.by == "client" and step.asked:
        yield Sent(name, Ending(step.code, step.detail))
        yield Arrived(name, Ending(step.code))
    elif (step.by == "nobody" or step.code in _GONE) and (step.asked or returns):
        yield Sent(name, Ending(NORMAL))
        yield Arrived(name, Ending(NORMAL), "close")
    elif step.by != "nobody" and (step.code, step.detail) != RELOAD:
        yield Arrived(name, Ending(step.code, step.detail))


def parse_transcript(text: str, path: str) -> list[tuple[float, Payload]]:
    """The messages that were sent, each with its time in seconds; those of a script have none.

    Raises ValueError, naming the line, for what is neither a record nor, if the file is called so, a script.
    """
    return (
        [(0.0, payload) for payload in _sends_of_script(text)]
        if path.endswith(".wst")
        else list(_sends_of_record(text))
    )


def _sends_of_record(text: str) -> Iterator[tuple[float, Payload]]:
    at = 0.0
    for step in steps_of_record(text.split("\n"), 1.0):
        if isinstance(step, Sleep):
            at += step.seconds
        elif isinstance(step, Say):
            yield at, step.payload


def _sends_of_script(text: str) -> list[Payload]:
    try:
        return list(_sends(parse_script(text).steps))
    except SourceError as error:
        place = locate(text, error.at)
        raise ValueError(f"line {place.line}: {error}") from None
    except UnknownNameError as error:
        raise ValueError(f"${{{error.name}}} is known only while the script runs: `lihil ws-test FILE.wst`") from None


def _sends(steps: Iterable[ScriptStep]) -> Iterator[Payload]:
    for step in steps:
        match step:
            case Repeat():
                for _ in range(step.count):
                    yield from _sends(step.steps)
            case Send(outgoing=SendText() as outgoing):
                yield fill_text(outgoing, {})
            case Send(outgoing=SendBytes(data)):
                yield data
