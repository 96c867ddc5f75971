"""How connections come, go and come back: the rules for what the shell tells of them."""

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.repl.desk import FIRST_PEER, Desk
from lihil_cli.wstest.repl.events import (
    About,
    Action,
    Closed,
    Drop,
    Failed,
    FetchTrace,
    Mark,
    Note,
    Opened,
    Reloaded,
    Say,
    Traced,
)
from lihil_cli.wstest.repl.peer import Life, Peer
from lihil_cli.wstest.returning import LONGEST_WAIT_S, NEAR_WAIT_S

_FAILED = 1011
_NAMED = 3  # changed files, before the rest is only counted


def open_peer(desk: Desk, event: Opened, now: float) -> list[Action]:
    """The handshake is done: say so, and send what every connection begins with."""
    peer = desk.peers.get(event.peer)
    if peer is None or peer.life is not Life.CONNECTING:
        return []
    actions = desk.note(*_greeting(peer, event.about, now), peer.name)
    if desk.setup.is_verbose:
        actions += desk.display(*(Note(f"{name}: {value}") for name, value in event.about.headers))
    peer.open(event.about, now)
    peer.target = event.about.url
    about = event.about
    desk.step(
        *("open", peer.name, now),
        detail=about.url,
        subprotocol=about.subprotocol,
        seconds=about.connect_s,
        headers=(*desk.setup.offers, *desk.headers_with(peer.headers)),
    )
    # What was given on the command line belongs to the connection that the command line asked for.
    for message in desk.setup.messages if peer.name == FIRST_PEER else ():
        typed = message if isinstance(message, str) else f"/hex {message.hex(' ')}"
        actions += desk.say(peer, Say(message, typed), now)
    return actions


def _greeting(peer: Peer, about: About, now: float) -> tuple[str, Mark]:
    if peer.has_been_open and peer.lost_by is Life.RELOADING:
        generation = f", generation {about.generation}" if about.generation is not None else ""
        reason = _changed(about.changed)
        return f"server reloading{reason} … reconnected in {now - peer.lost_at:.2f} s{generation}", "reload"
    if peer.has_been_open and peer.lost_by is Life.WAITING:
        return f"reconnected after {now - peer.lost_at:.1f} s", "reload"
    subprotocol = f"subprotocol {about.subprotocol}" if about.subprotocol else "no subprotocol"
    parts = [f"open in {about.connect_s * 1000:.1f} ms", subprotocol, *filter(None, [about.extensions])]
    return " · ".join(parts), "ok"


def _changed(files: tuple[str, ...]) -> str:
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    return f" ({', '.join(files[:_NAMED])}{more} changed)" if files else ""


def fail_peer(desk: Desk, event: Failed, now: float) -> list[Action]:
    """No connection: wait for a server that is not there yet, and give up where it said no."""
    peer = desk.peers.get(event.peer)
    if peer is None or peer.life is not Life.CONNECTING:
        return []
    if event.refusal is not None:
        desk.step("refused", peer.name, now, refusal=event.refusal)
    returns = peer.has_been_open and (desk.setup.reconnects or peer.is_moved)
    comes_back = peer.lost_by in {Life.RELOADING, Life.WAITING}
    if desk.setup.reconnects and (event.absent or (comes_back and event.code == ExitCode.CANNOT_CONNECT)):
        told, peer.has_news = peer.has_news or comes_back, True
        peer.code = peer.code if comes_back else event.code
        peer.wait(now, NEAR_WAIT_S if event.near else LONGEST_WAIT_S)
        is_alone = not any(one.is_open for one in desk.peers.values())
        how = "Ctrl-C stops" if is_alone else f"@{peer.name} /close gives it up"
        return [] if told else desk.note(f"{event.lines[0]}; retrying, {how}", "bad", peer.name)
    peer.code = event.code
    first, *rest = event.lines
    actions = [*desk.note(first, "bad", peer.name), *desk.display(*map(Note, rest))]
    peer.life = Life.IDLE if returns else Life.ENDED
    return actions + _after_end(desk, peer)


def give_up(desk: Desk, peer: Peer) -> list[Action]:
    """The user waits for it no longer."""
    actions: list[Action] = [Drop(peer.name)] if peer.life is Life.CONNECTING else []
    peer.end()
    if not peer.has_been_open:
        peer.code = ExitCode.CANNOT_CONNECT
    return [*actions, *desk.note("given up", "end", peer.name), *_after_end(desk, peer)]


def close_peer(desk: Desk, event: Closed, now: float) -> list[Action]:
    """A connection is over: say how it ended, unless there is more to find out about that first."""
    peer = desk.peers[event.peer]
    asked = peer.life is Life.CLOSING
    step = {"code": event.code, "detail": event.reason, "by": event.by, "asked": asked or peer.is_dropped}
    desk.step("close", peer.name, now, **step)
    text = peer.how_it_ended(event, now)
    settled = desk.settle()  # what came before the end is shown above it
    peer.close(event, now, reconnects=desk.setup.reconnects and not desk.is_leaving, ok_codes=desk.setup.ok_codes)
    if peer.next_target is not None:
        return [*settled, *desk.note(text, "end", peer.name), *desk.connect(peer, peer.next_target)]
    if peer.is_dropped:
        return settled + _after_drop(desk, peer)
    if peer.life is Life.RELOADING:
        return settled
    if event.code == _FAILED and event.by == "server" and not asked:
        peer.ending = text
        return [*settled, FetchTrace(peer.name)]
    if asked and event.by == "nobody":
        text = "the server did not answer the close (1006)"
    return [*settled, *desk.note(text, "end", peer.name), *_after_end(desk, peer)]


def _after_drop(desk: Desk, peer: Peer) -> list[Action]:
    peer.is_dropped, peer.code = False, ExitCode.OK
    peer.life = peer.lost_by = Life.ENDED if desk.is_leaving else Life.IDLE
    peer.retry_at = None
    told = desk.note("dropped without a close: the server sees 1006; /reconnect connects again", "end", peer.name)
    return told + (desk.end_if_over() if desk.is_leaving else [])


def _after_end(desk: Desk, peer: Peer) -> list[Action]:
    if peer.life is Life.IDLE:
        peer.follows_code = desk.setup.reconnects
        follows = ", as a change of the code does" if peer.follows_code else ""
        return desk.note(f"/reconnect connects again{follows}; Ctrl-D leaves")
    if peer.life is not Life.ENDED:
        return []
    if not desk.counts(peer):
        del desk.peers[peer.name]  # a slip in /open is no connection
    if desk.current == peer.name:  # lines go to a connection that is still there
        desk.current = next((name for name, one in desk.peers.items() if one.life is not Life.ENDED), FIRST_PEER)
    missed = [late for late in desk.expectations if late.peer == peer.name]
    return [action for late in missed for action in desk.miss(late, " before the end")] + desk.end_if_over()


def tell_trace(desk: Desk, event: Traced, now: float) -> list[Action]:
    """Why the handler failed is known now, or that it is not: say how the connection ended."""
    peer = desk.peers[event.peer]
    text, peer.ending, peer.trace = peer.ending, "", event.full
    raised = f" · handler {event.handler} raised" if event.handler else ""
    lines = list(event.full if desk.setup.is_verbose else event.short)
    if lines and not desk.setup.is_verbose:
        lines[-1] += "   /trace for all frames"
    actions = [*desk.note(text + raised, "end", peer.name), *desk.display(*map(Note, lines))]
    return actions + _after_end(desk, peer)


def follow(desk: Desk, event: Reloaded, now: float) -> list[Action]:
    """The dev server has something new: connect again, or say why its code cannot be served."""
    actions: list[Action] = []
    if event.error and event.error != desk.told_error:
        first, *rest = event.error
        actions += desk.note(f"the new code cannot be served: {first}", "bad")
        actions += desk.display(*map(Note, rest))
    desk.told_error = event.error
    is_back = not desk.had_server
    desk.had_server = event.generation is not None
    for peer in desk.peers.values():
        if event.generation is None and peer.life is Life.RELOADING:
            peer.wait(now)
        elif event.generation is not None and _wants_code(peer, event.generation, is_back=is_back):
            actions += desk.connect(peer)
    return actions


def _wants_code(peer: Peer, generation: int, *, is_back: bool) -> bool:
    """Whether what the dev server serves now is a reason to connect; a server that is new counts from 1 again."""
    is_new = is_back or (peer.has_been_open and generation != peer.generation)
    return is_new and (peer.life in {Life.RELOADING, Life.WAITING} or (peer.life is Life.IDLE and peer.follows_code))
