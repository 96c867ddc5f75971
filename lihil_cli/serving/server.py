"""One process that serves: import the app, run uvicorn on a socket it is given, end within a bound."""

import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from uvicorn import Config

from lihil.server.drain import Drain
from lihil.server.serve import RELOAD, Server, make_config
from lihil_cli.envfile import apply_env_file
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.loader import App, Target, load_app
from lihil_cli.proxies import Proxies
from lihil_cli.serving.forwarded import ForwardedApp
from lihil_cli.serving.hard_end import HardEnd
from lihil_cli.serving.lifespan import WatchedApp
from lihil_cli.serving.logs import logging_config
from lihil_cli.serving.orders import Order
from lihil_cli.serving.tls import Certificate, context_factory

_HINTS = 3
_HURRY_S = 0.7  # for everything but a lifespan's shutdown, once a person has pressed Ctrl-C
_LEAVE_S = 0.2  # for the event loop and the threads of a process whose server has ended


@dataclass(slots=True)
class Orders:
    """The parent's latest word; the server looks at it when SIGTERM arrives.

    `on_order` is called in the thread that hears it: a main thread that blocks may not notice a signal, because one
    that comes just before it begins to wait does not wake it.
    """

    latest: Order = Order.STOP
    on_order: Callable[[Order], None] = lambda order: None

    def give(self, order: Order) -> None:
        """Pass on an order, from any thread."""
        self.latest = order
        self.on_order(order)
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to serve one app. Everything in it can be sent to another process."""

    target: Target
    log_level: str
    drain: Drain
    colour: bool
    certificate: Certificate | None = None
    proxies: Proxies | None = None
    env_file: Path | None = None
    root_path: str = ""
    access_log: bool = True


class _Server(Server):
    """The server, which says when it is ready, obeys a parent, and leaves in any case."""

    def __init__(self, config: Config, plan: Plan, on_ready: Callable[[], None], orders: Orders | None) -> None:
        super().__init__(config, plan.drain)
        self.on_ready = on_ready
        self.orders = orders
        self.hard_end: HardEnd
        self._code = ExitCode.OK
        self._is_hurried = False

    async def main_loop(self) -> None:
        # Not at the end of startup(): a signal that came right after it would end uvicorn without the app's shutdown.
        self.on_ready()
        await super().main_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._captured_signals.append(sig)
        order = self.orders.latest if self.orders else Order.STOP
        is_hurried = sig == signal.SIGINT or order is Order.HURRY
        if not self.should_exit:
            self._code = ExitCode.OK if self.orders or is_hurried else ExitCode.TERMINATED
            self.hard_end.within(self.drain.end_s, self._code)
        if is_hurried:
            # What a person waits for, but for a lifespan's shutdown; the second time they do not wait for that either.
            self.hard_end.within(0 if self._is_hurried and not self.orders else _HURRY_S, self._code)
        self._is_hurried = self._is_hurried or is_hurried
        self.stop(RELOAD if order is Order.REPLACE else None, hurried=is_hurried)

    def expect_end(self, order: Order) -> None:
        """The end is in sight, even if the main thread has not noticed yet."""
        self.hard_end.within(_HURRY_S if order is Order.HURRY else self.drain.end_s, self._code)

    async def _end_lifespan(self, timeout_s: float) -> None:
        self.hard_end.within(timeout_s, self._code)
        await super()._end_lifespan(timeout_s)
        self.hard_end.within(_LEAVE_S, self._code)


def serve(
    plan: Plan,
    listener: socket.socket,
    on_ready: Callable[[App], None],
    *,
    orders: Orders | None = None,
    tidy: Sequence[Callable[[], None]] = (),
) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` gets the app once it accepts connections.

    A process with a parent has `orders`: its SIGTERM is then the parent's word. What is in `tidy` is called where
    something that does not end leaves no other way out than to drop it. Raises CliError when the app cannot be
    imported or its lifespan fails; a signal comes out as uvicorn leaves it, by way of the handler that was set before.
    """
    if plan.env_file is not None:
        apply_env_file(plan.env_file)
    app = load_app(plan.target)
    watched = WatchedApp(app, plan.target.root)
    config = make_config(
        watched if plan.proxies is None else ForwardedApp(watched, plan.proxies),
        log_config=logging_config(colour=plan.colour, level=plan.log_level),
        log_level=plan.log_level,
        access_log=plan.access_log,
        root_path=plan.root_path,
        ssl_context_factory=None if plan.certificate is None else context_factory(plan.certificate),
    )
    server = _Server(config, plan, lambda: on_ready(app), orders)
    server.hard_end = HardEnd(tidy)
    if orders is not None:
        orders.on_order = server.expect_end
    try:
        server.run(sockets=[listener])
    except SystemExit:
        if not watched.failure:
            raise
    finally:
        if watched.failure:
            raise CliError(watched.failure)


def talk_hints(app: App) -> tuple[str, ...]:
    """How to talk to the first few WebSocket routes of a lihil app, as lines for the banner; () for any other app."""
    lihil = sys.modules.get("lihil")  # an app that is a Lihil has imported it
    if lihil is None or not isinstance(app, lihil.Lihil):
        return ()
    paths = [endpoint.pattern.path for endpoint in app.endpoints() if endpoint.kind == "websocket"]
    return tuple(f"lihil ws-test {shlex.quote(path)}" for path in paths[:_HINTS])
