"""The commands that tell what there is: help, routes, message types, the connections and what is known of them."""

from traceback import format_exception

from lihil_cli.wstest.place.schema import NO_SCHEMA, Schema
from lihil_cli.wstest.repl import commands
from lihil_cli.wstest.repl.desk import Desk
from lihil_cli.wstest.repl.events import Action, Note, Prefill, SetKeys
from lihil_cli.wstest.repl.peer import Peer
from lihil_cli.wstest.repl.render import delta_text

_ENOUGH_FOR_P99 = 10


def new(desk: Desk, order: commands.New, now: float) -> list[Action]:
    types = _schema(desk).messages_to(desk.peer.target)
    found = next((kind for kind in types if order.type in {kind.name, kind.tag}), None)
    if found is not None:
        return [Prefill(found.template())]
    if not types:
        return desk.note("the schema knows no message types of this route (.lihil/schema.json)", "bad")
    return [
        *(desk.note(f"there is no message type {order.type}", "bad") if order.type else []),
        *desk.display(*(Note(kind.words) for kind in types)),
    ]


def edit(desk: Desk, order: commands.Edit, now: float) -> list[Action]:
    return [Prefill(order.text or desk.last_sent, edit=True)]


def keys(desk: Desk, order: commands.Keys, now: float) -> list[Action]:
    return [*desk.note(f"the keys are those of {order.mode}"), SetKeys(order.mode)]


def explain(desk: Desk, order: commands.Help, now: float) -> list[Action]:
    return desk.display(*map(Note, commands.help_lines(order.name)))


def mistake(desk: Desk, order: commands.Mistake, now: float) -> list[Action]:
    return desk.note(order.message, "bad")


def admit(desk: Desk, error: Exception) -> list[Action]:
    """A bug of ours, which costs the line that was typed and nothing else."""
    desk.peer.trace = tuple(line for part in format_exception(error) for line in part.splitlines())
    bug = "This is a bug in lihil; please report it, with what /trace shows."
    return [*desk.note(f"{type(error).__name__}: {error}", "bad"), *desk.display(Note(bug))]


def routes(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    routes = _schema(desk).websockets
    if not routes:
        return desk.note("no routes are known: `lihil run --reload` writes them to .lihil/schema.json", "bad")
    width = max(len(route.usage) for route in routes)
    return desk.display(*(Note(f"{route.usage:{width}}  {route.summary}".rstrip()) for route in routes))


def _schema(desk: Desk) -> Schema:
    return desk.setup.schema or NO_SCHEMA


def status(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    return desk.display(*(Note(_about(desk, peer, now)) for peer in desk.peers.values()))


def _about(desk: Desk, peer: Peer, now: float) -> str:
    mark = "*" if peer.name == desk.current and len(desk.peers) > 1 else " " if len(desk.peers) > 1 else ""
    parts = [f"{mark}{peer.name} {peer.target}", peer.words]
    if peer.is_open and peer.about is not None:
        parts.append(f"for {delta_text(now - peer.opened_at).removeprefix('+')}")
        parts.append(f"subprotocol {peer.about.subprotocol}" if peer.about.subprotocol else "no subprotocol")
        parts += [peer.about.extensions] if peer.about.extensions else []
        parts += [f"generation {peer.about.generation}"] if peer.about.generation is not None else []
    parts.append(f"{peer.incoming} in, {peer.outgoing} out")
    if peer.rtts:
        parts.append(f"rtt {peer.rtts[-1] * 1000:.2f} ms")
    return " · ".join(parts)


def headers(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    about = desk.peer.about
    if about is None:
        return desk.note("there has been no handshake yet", "bad")
    return desk.display(*(Note(f"{name}: {value}") for name, value in about.headers))


def trace(desk: Desk, order: commands.Plain, now: float) -> list[Action]:
    trace = next((peer.trace for peer in (desk.peer, *desk.peers.values()) if peer.trace), ())
    if not trace:
        return desk.note("no handler has failed, as far as is known", "bad")
    return desk.display(*map(Note, trace))


def rtt_text(rtts: list[float]) -> str:
    """The times of pings, in milliseconds."""
    times = sorted(rtt * 1000 for rtt in rtts)
    if len(times) == 1:
        return f"rtt {times[0]:.2f} ms"
    average = sum(times) / len(times)
    # The nearest rank: the smallest time that 99 of 100 do not exceed.
    p99 = f"  p99 {times[-(-len(times) * 99 // 100) - 1]:.2f}" if len(times) >= _ENOUGH_FOR_P99 else ""
    return f"rtt min {times[0]:.2f}  avg {average:.2f}{p99}  max {times[-1]:.2f} ms"
