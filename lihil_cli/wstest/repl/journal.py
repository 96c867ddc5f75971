"""One step of a session as a line of its record: `--record` writes it as it happens, `/save FILE.jsonl` afterwards."""

from collections.abc import Iterable, Iterator

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.jsonl import close_event, dump, open_event, pong_event, recv_event, refused_event, send_event
from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.log import Step


def line_of(step: Step, payload: Payload | None, t: float, peer: str = "") -> Iterator[bytes]:
    """The line in pieces, `t` seconds after the beginning; with the name of the connection where there are several.

    A message that is not kept any longer is written as an empty one.
    """
    pieces = _event(step, payload, t)
    if not peer:
        yield from pieces
        return
    last = b""
    for piece in pieces:
        yield last
        last = piece
    yield last.removesuffix(b"}\n") + f',"peer":{dump(peer)}}}\n'.encode()


def _event(step: Step, payload: Payload | None, t: float) -> Iterable[bytes]:
    if payload is None:
        payload = "" if step.is_text else b""
    match step.kind:
        case "recv":
            return recv_event(t, payload, step.number)
        case "send":
            return send_event(t, payload)
        case "open":
            return [open_event(t, step.detail, subprotocol=step.subprotocol, connect_s=step.seconds)]
        case "ping":
            return [pong_event(t, step.seconds)]
    if step.refusal is not None:
        return [refused_event(t, step.refusal)]
    return [close_event(t, Closed(step.code, step.detail, step.by))]
