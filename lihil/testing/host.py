"""What all requests of one test client share: the app, its state, its address, the loop."""

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

from lihil.asgi import ASGIApp
from lihil.testing.call import Wait
from lihil.testing.loop import LoopThread

# What an app gets to end by itself when its test has failed already.
ABORT_GRACE_S = 1.0


class Host:
    """The app behind a test client, served on one loop while the client is entered, else on one loop per use."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        client: tuple[str, int],
        root_path: str,
        timeout_s: float,
        raise_server_exceptions: bool,
    ) -> None:
        if not 0 < timeout_s < float("inf"):
            raise ValueError(f"timeout_s is a number of seconds above 0, not {timeout_s!r}; to debug, use 3600")
        self.app = app
        self.client = client
        self.root_path = root_path
        self.timeout_s = timeout_s
        self.raise_server_exceptions = raise_server_exceptions
        self.loop: LoopThread | None = None
        self.state: dict[str, Any] = {}
        self._aborts: set[Callable[[], None]] = set()

    def borrow(self, abort: Callable[[], None]) -> LoopThread:
        """The client's loop, or a new one that `give_back` ends. `abort` makes the borrower let go before its time."""
        loop = self.loop or LoopThread(self.timeout_s)
        self._aborts.add(abort)
        return loop

    def give_back(
        self, abort: Callable[[], None], loop: LoopThread, leave: Coroutine[Any, Any, None], grace_s: float
    ) -> None:
        """Run `leave` as the last thing that the borrower known by `abort` does on `loop`.

        Raises AppTimeout when the app does not end within `grace_s`, nor within that time again when it is cancelled,
        or when the loop, where it is the borrower's own, does not end.
        """
        self._aborts.discard(abort)
        with ExitStack() as ending:
            if loop is not self.loop:
                ending.push(loop)
            loop.run(leave, Wait("the app to end", 2 * grace_s))

    def abort_all(self) -> None:
        """Make every open response and WebSocket let go of its loop."""
        for abort in tuple(self._aborts):
            abort()
