"""From what was said to a file, and from a file to what is sent again: scripts (.wst) and records (.jsonl)."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from lihil_cli.wstest.repl.desk import Desk
from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.log import Step


def transcript(desk: Desk, *, as_script: bool) -> tuple[str, int]:
    """The text of the file, and how many steps are in it: what was sent, what came, and the closes."""
    steps = [step for step in desk.log.steps() if as_script is False or step.kind != "ping"]
    lines = _script(desk, steps) if as_script else _record(desk, steps)
    return "".join(f"{line}\n" for line in lines), sum(step.kind in {"send", "recv", "close"} for step in steps)


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


def _script(desk: Desk, steps: list[Step]) -> Iterator[str]:
    raise NotImplementedError


def parse_transcript(text: str, path: str) -> list[tuple[float, Payload]]:
    """The messages that were sent, each with its time in seconds. Raises ValueError, naming the line, for no record."""
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
