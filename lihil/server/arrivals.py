"""TLS connections whose handshake is under way: no protocol of the server's has heard of them yet.

A transport tells its protocol of a connection when the handshake is over, and nothing at all of one that fails. A
server that ends without knowing of them resets them, where a plain connection is still asked what it was made for.
"""

from asyncio import BaseTransport, Protocol, Transport
from collections.abc import Callable
from typing import Any, cast
from weakref import WeakSet

from lihil.server.http_protocol import HTTPProtocol


class Arrivals:
    """Those that one server waits for. Its length is their number."""

    def __init__(self) -> None:
        # A transport whose handshake fails just lets go of its protocol: uvloop's at once, asyncio's own in a cycle.
        self._waiting: WeakSet[_Arrival] = WeakSet()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def patience_s(self) -> float:
        """How long a server that ends waits for them: a handshake is one flight more than a request."""
        return 2 * HTTPProtocol.patience_s

    def ahead_of(self, make: Callable[..., Any]) -> Callable[..., Protocol]:
        """A factory of protocols that give way to what `make` makes of the same arguments, once it can be told."""

        def arrive(**given: Any) -> Protocol:
            arrival = _Arrival(lambda: cast(Protocol, make(**given)), self._waiting)
            self._waiting.add(arrival)
            return arrival

        return arrive


class _Arrival(Protocol):
    def __init__(self, make: Callable[[], Protocol], waiting: "WeakSet[_Arrival]") -> None:
        self._make = make
        self._waiting = waiting

    def connection_made(self, transport: BaseTransport) -> None:
        self._waiting.discard(self)
        protocol = self._make()
        cast(Transport, transport).set_protocol(protocol)
        protocol.connection_made(transport)
