"""From what was said to a file, and from a file to what is sent again: scripts (.wst) and records (.jsonl)."""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

from lihil_cli.wstest.events import Closed as Ending
from lihil_cli.wstest.repl.desk import Desk
from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.log import Step
from lihil_cli.wstest.script.match import SourceError
from lihil_cli.wstest.script.outgoing import fill_text
from lihil_cli.wstest.script.parse import locate, parse_script
from lihil_cli.wstest.script.patterns.template import UnknownNameError
from lihil_cli.wstest.script.saving import Arrived, Opened, Sent, SessionEvent, format_script
from lihil_cli.wstest.script.steps import Repeat, Send, SendBytes, SendText
from lihil_cli.wstest.script.steps import Step as ScriptStep


def transcript(desk: Desk, *, as_script: bool) -> tuple[str, int]:
    """The text of the file, and how many steps are in it: what was sent, what came, and the closes."""
    steps = list(desk.log.steps())
    count = sum(step.kind in {"send", "recv", "close"} for step in steps)
    if as_script:
        messages = [step for step in steps if step.kind != "ping"]
        return format_script(list(_session(desk, messages))), count
    return "".join(f"{line}\n" for line in _record(desk, steps)), count


def _record(desk: Desk, steps: list[Step]) -> Iterator[str]:
    """One event a line; `t` counts seconds from the first one."""
    begin = steps[0].at if steps else 0.0
    for step in steps:
        event: dict[str, Any] = {"t": round(step.at - begin, 4), **_event(desk, step)}
        if len(desk.peers) > 1:
            event["peer"] = step.peer
        yield json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _event(desk: Desk, step: Step) -> dict[str, Any]:
    match step.kind:
        case "open":
            return {"ev": "open", "url": step.detail, "status": 101}
        case "close":
            return {
                "ev": "close",
                "code": step.code,
                "reason": step.detail,
                "by": step.by,
                "clean": step.by != "nobody",
            }
        case "ping":
            return {"ev": "pong", "rtt_ms": round(step.rtt_s * 1000, 3)}
    number = {"n": step.number} if step.kind == "recv" else {}
    payload = desk.log.payload(step)
    if isinstance(payload, str):
        return {"ev": step.kind, **number, "kind": "text", "data": payload}
    data = payload or b""
    return {"ev": step.kind, **number, "kind": "binary", "b64": base64.b64encode(data).decode(), "len": step.size}


def _session(desk: Desk, steps: list[Step]) -> Iterator[SessionEvent]:
    """What a script is made from; a message that is not kept any longer cannot be part of it."""
    for step in steps:
        name = desk.shown(step.peer)
        if step.kind == "open":
            yield Opened(name, step.detail, desk.setup.headers)
            continue
        message = Ending(step.code, step.detail) if step.kind == "close" else desk.log.payload(step)
        if message is None:
            continue
        if step.kind == "send" or (step.kind == "close" and step.by == "client"):
            yield Sent(name, message)
        elif step.by != "nobody":
            yield Arrived(name, message, desk.expected.get(step.number, ""))


def parse_transcript(text: str, path: str) -> list[tuple[float, Payload]]:
    """The messages that were sent, each with its time in seconds; those of a script have none.

    Raises ValueError, naming the line, for what is neither a record nor, if the file is called so, a script.
    """
    return [(0.0, payload) for payload in _sends_of_script(text)] if path.endswith(".wst") else _sends_of_record(text)


def _sends_of_record(text: str) -> list[tuple[float, Payload]]:
    found: list[tuple[float, Payload]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            event = json.loads(line)
            if event["ev"] == "send":
                payload = event["data"] if event["kind"] == "text" else base64.b64decode(event["b64"])
                found.append((float(event["t"]), payload))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError(f"line {number} is no event of a record") from None
    return found


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
