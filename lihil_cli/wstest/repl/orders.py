"""What each command does: one function a command, from the desk and the order to actions."""

from collections.abc import Callable
from itertools import repeat
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from lihil_cli.errors import CliError
from lihil_cli.wstest.closing import NORMAL
from lihil_cli.wstest.network.target import encode_path, whole_target
from lihil_cli.wstest.place.address import address_of
from lihil_cli.wstest.place.schema import NO_SCHEMA, complaints
from lihil_cli.wstest.repl import commands, guide, review
from lihil_cli.wstest.repl.desk import Desk, Job, Pinging
from lihil_cli.wstest.repl.events import (
    Action,
    ClearScreen,
    Drop,
    Prefill,
    ReadFile,
    Say,
    SendPing,
    SendPong,
    SendRaw,
    Stall,
    TraceFrames,
)
from lihil_cli.wstest.repl.lifecycle import give_up
from lihil_cli.wstest.repl.peer import Life, Peer
from lihil_cli.wstest.repl.typed import parse_typed

MAX_PEERS = 100

_BUSY = frozenset({Life.CONNECTING, Life.CLOSING})


def obey(desk: Desk, line: str, now: float) -> list[Action]:
    """Do what a typed line says. Where there is no connection for it, the line goes back into the prompt."""
    line = line.removesuffix("\n")  # what is pasted often has it
    try:
        return _obey(desk, parse_typed(line), line, now)
    except Exception as error:  # whatever it is, it must not cost the session
        return [*guide.admit(desk, error), Prefill(line)]


def _obey(desk: Desk, command: commands.Command, line: str, now: float) -> list[Action]:
    if isinstance(command, commands.To):
        return _address(desk, command, now)
    needs, order = _PLAIN[command.name] if isinstance(command, commands.Plain) else _ORDERS[type(command)]
    if needs and not desk.peer.is_open and not (order in {_close, _drop} and desk.peer.is_awaited):
        return [*desk.note(f"{_why_not(desk.peer)}; the line is kept", "bad"), Prefill(line)]
    return order(desk, command, now)


def _why_not(peer: Peer) -> str:
    match peer.life:
        case Life.CONNECTING:
            return f"{peer.name} is still connecting"
        case Life.RELOADING:
            return "the server is reloading"
        case Life.WAITING:
            return "there is no server yet"
        case Life.CLOSING:
            return f"{peer.name} is being closed"
    return f"{peer.name} is not connected: /reconnect connects again"


def _address(desk: Desk, command: commands.To, now: float) -> list[Action]:
    if command.name not in desk.peers:
        if len(desk.peers) == 1:
            return _obey(desk, Say(command.line, command.line), command.line, now)
        return [*desk.note(f"there is no connection {command.name}: {_names(desk)}", "bad"), Prefill(command.line)]
    before, desk.current = desk.current, command.name
    addressed = parse_typed(command.rest)
    try:
        return _obey(desk, addressed, command.line, now)
    finally:
        goes_there = isinstance(addressed, commands.Use | commands.Open) and desk.current != command.name
        if before != command.name and not goes_there:
            desk.current = before


def _names(desk: Desk) -> str:
    return ", ".join(desk.peers)


# Messages out


def _say(desk: Desk, order: Say, now: float) -> list[Action]:
    return desk.say(desk.peer, order.but(payload=desk.outgoing(order.payload)), now)


def _say_file(desk: Desk, order: commands.SayFile, now: float) -> list[Action]:
    return [ReadFile(order.path, order.kind, desk.current)]


def _raw(desk: Desk, order: commands.RawBytes, now: float) -> list[Action]:
    return [*desk.note(f"{len(order.data)} bytes written past the protocol"), SendRaw(desk.current, order.data)]


def _repeat(desk: Desk, order: commands.Repeat, now: float) -> list[Action]:
    delays = (0.0 if index == 0 else order.every_s for index in range(order.count))
    say = order.say.but(payload=desk.outgoing(order.say.payload))
    steps = zip(delays, repeat(say), strict=False)
    desk.jobs.append(Job(desk.current, steps, now, "repeat"))
    return [*desk.note(f"{order.say.typed}  ×{order.count}"), *desk.run_jobs(now)]


def _replay(desk: Desk, order: commands.Replay, now: float) -> list[Action]:
    return [ReadFile(order.path, "replay", desk.current, order.speed)]


# The connection


def _ping(desk: Desk, order: commands.Ping, now: float) -> list[Action]:
    desk.pings[desk.current] = Pinging(order.count)
    return [SendPing(desk.current)]


def _pong(desk: Desk, order: commands.Pong, now: float) -> list[Action]:
    return [*desk.note("pong sent"), SendPong(desk.current, order.data)]


def _close(desk: Desk, order: commands.Close, now: float) -> list[Action]:
    return desk.close(desk.peer, order.code, order.reason) if desk.peer.is_open else give_up(desk, desk.peer)


def _drop(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    if not desk.peer.is_open:
        return give_up(desk, desk.peer)
    desk.peer.is_dropped = True
    return [Drop(desk.current)]


def _stall(desk: Desk, order: commands.Stall, now: float) -> list[Action]:
    return [*desk.note(f"reading nothing for {order.seconds:g} s"), Stall(desk.current, order.seconds)]


def _connect(desk: Desk, order: commands.ConnectTo, now: float) -> list[Action]:
    peer = desk.peer
    if peer.life in _BUSY:
        return desk.note(_why_not(peer), "bad")
    try:
        target, is_elsewhere = _destination(desk, peer, order)
    except ValueError as error:
        return desk.note(str(error), "bad")
    if order.target:
        peer.headers, peer.is_elsewhere = order.extras.headers, is_elsewhere
    return _move(desk, target)


def _reconnect(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    return desk.note(_why_not(desk.peer), "bad") if desk.peer.life in _BUSY else _move(desk, "")


def _move(desk: Desk, target: str) -> list[Action]:
    peer = desk.peer
    peer.is_moved = True
    if peer.is_open:
        peer.next_target = target
        return desk.close(peer, NORMAL)
    return desk.connect(peer, target)


def _destination(desk: Desk, like: Peer, order: commands.ConnectTo | commands.Open) -> tuple[str, bool]:
    """Where an order leads from a connection, and whether that is another server than the one that is known.

    Raises ValueError, saying what is wrong, for what is no target, for headers that cannot be filled in, and for what
    the app would not take: a connection that is open is not given up for a slip.
    """
    schema = desk.setup.schema or NO_SCHEMA
    target = address_of(schema, order.target, order.extras.query)
    try:
        if desk.setup.check_headers is not None:
            desk.setup.check_headers(order.extras.headers)
        is_elsewhere = like.is_elsewhere or (bool(target) and whole_target(target) is not None)
    except CliError as error:
        raise ValueError("; ".join(filter(None, (error.message, error.hint)))) from None
    if not target:
        return target, is_elsewhere
    if desk.setup.is_checked and schema is not NO_SCHEMA and not is_elsewhere:
        path = urlsplit(like.target).path if target.startswith("?") else ""
        found = complaints(schema, encode_path(path + target), desk.headers_with(order.extras.headers))
        if found:
            raise ValueError(f"{'; '.join(found)} (a session that began with --force would send it)")
    return target, is_elsewhere


def _open(desk: Desk, order: commands.Open, now: float) -> list[Action]:
    known = desk.peers.get(order.name)
    if known is not None and known.life is not Life.ENDED:
        return desk.note(f"there is a connection {order.name} already: /use {order.name}", "bad")
    if len(desk.peers) >= MAX_PEERS:
        return desk.note(f"{MAX_PEERS} connections are open, which is the most", "bad")
    try:
        target, is_elsewhere = _destination(desk, desk.peer, order)
    except ValueError as error:
        return desk.note(str(error), "bad")
    like, desk.current = desk.current, order.name
    peer = desk.peers[order.name] = Peer(order.name, target or desk.peers[like].target)
    peer.headers, peer.is_elsewhere = order.extras.headers, is_elsewhere
    return desk.connect(peer, target, like)


def _use(desk: Desk, order: commands.Use, now: float) -> list[Action]:
    if order.name not in desk.peers:
        return desk.note(f"there is no connection {order.name}: {_names(desk)}", "bad")
    desk.current = order.name
    return desk.note(f"lines go to {order.name} now")


def _frames(desk: Desk, order: commands.Frames, now: float) -> list[Action]:
    return [*desk.note(f"frames are {'shown' if order.on else 'not shown'}"), TraceFrames(order.on)]


# The terminal


def _clear(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    return [ClearScreen()]


def _quit(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    return desk.quit(now)


_Order: TypeAlias = tuple[bool, Callable[[Desk, Any, float], list[Action]]]

# Whether the command needs an open connection, and what it does.
_PLAIN: dict[str, _Order] = {
    "drop": (True, _drop),
    "reconnect": (False, _reconnect),
    "routes": (False, guide.routes),
    "pause": (False, review.pause),
    "status": (False, guide.status),
    "headers": (False, guide.headers),
    "clear": (False, _clear),
    "trace": (False, guide.trace),
    "quit": (False, _quit),
}

_ORDERS: dict[type, _Order] = {
    Say: (True, _say),
    commands.SayFile: (True, _say_file),
    commands.RawBytes: (True, _raw),
    commands.Repeat: (True, _repeat),
    commands.Replay: (True, _replay),
    commands.Ping: (True, _ping),
    commands.Pong: (True, _pong),
    commands.Close: (True, _close),
    commands.Stall: (True, _stall),
    commands.ConnectTo: (False, _connect),
    commands.Open: (False, _open),
    commands.Use: (False, _use),
    commands.Frames: (False, _frames),
    commands.Show: (False, review.show),
    commands.CopyMessage: (False, review.copy),
    commands.Diff: (False, review.diff),
    commands.Filter: (False, review.narrow),
    commands.Only: (False, review.only),
    commands.Expect: (False, review.expect),
    commands.Save: (False, review.save),
    commands.New: (False, guide.new),
    commands.Edit: (False, guide.edit),
    commands.Keys: (False, guide.keys),
    commands.Help: (False, guide.explain),
    commands.Mistake: (False, guide.mistake),
}
