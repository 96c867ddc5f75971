import json

import pytest

from lihil_cli.wstest.network.handshake import Refusal
from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.journal import line_of
from lihil_cli.wstest.repl.log import Step

REFUSAL = Refusal("ws://h/x", 422, "Unprocessable Content", [("X-A", "1")], b"no")


def written(step: Step, payload: Payload | None = None, peer: str = "") -> dict[str, object]:
    line = b"".join(line_of(step, payload, 1.5, peer))
    assert line.count(b"\n") == 1
    return json.loads(line)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("step", "payload", "event"),
    [
        (
            Step("open", "ws", 0.0, detail="ws://h/x", subprotocol="v2", seconds=0.0038),
            None,
            {"ev": "open", "url": "ws://h/x", "status": 101, "subprotocol": "v2", "connect_ms": 3.8},
        ),
        (Step("send", "ws", 0.0), "h\ni", {"ev": "send", "kind": "text", "data": "h\ni"}),
        (Step("recv", "ws", 0.0, 7), b"\x00\x01", {"ev": "recv", "n": 7, "kind": "binary", "b64": "AAE=", "len": 2}),
        (Step("recv", "ws", 0.0, 8), None, {"ev": "recv", "n": 8, "kind": "text", "data": ""}),
        (Step("send", "ws", 0.0, is_text=False), None, {"ev": "send", "kind": "binary", "b64": "", "len": 0}),
        (Step("ping", "ws", 0.0, seconds=0.00031), None, {"ev": "pong", "rtt_ms": 0.31}),
        (
            Step("close", "ws", 0.0, code=4001, detail="kicked", by="server"),
            None,
            {"ev": "close", "code": 4001, "reason": "kicked", "by": "server", "clean": True},
        ),
        (
            Step("refused", "ws", 0.0, refusal=REFUSAL),
            None,
            {"ev": "refused", "status": 422, "headers": [["X-A", "1"]], "body": "no"},
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Step) else "",
)
def test_a_step_is_a_line(step: Step, payload: Payload | None, event: dict[str, object]) -> None:
    assert written(step, payload) == {"t": 1.5, **event}
    assert written(step, payload, "bob") == {"t": 1.5, **event, "peer": "bob"}
