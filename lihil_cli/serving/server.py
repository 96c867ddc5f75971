"""One process that serves: import the app, run uvicorn on a socket it is given, end within a bound."""

import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from uvicorn import Config

from lihil.server.drain import Drain
from lihil.server.serve import RELOAD, Server, make_config
from lihil_cli.envfile import apply_env_files
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.loader import App, Target, load_app
from lihil_cli.proxies import Proxies
from lihil_cli.serving.ending import Orders
from lihil_cli.serving.forwarded import ForwardedApp
from lihil_cli.serving.lifespan import WatchedApp
from lihil_cli.serving.logs import logging_config
from lihil_cli.serving.orders import Order
from lihil_cli.serving.tls import Certificate, context_factory

_HINTS = 3
_HURRY_S = 0.7  # for everything but a lifespan's shutdown, once a person has pressed Ctrl-C
_WORD_S = 0.1  # of a lifespan's time, to say that it was not enough
_LOOP_S = 0.2  # for the event loop of a server that has ended, with the threads that it waits for
_EXIT_S = 0.2  # for what is called at the interpreter's exit, at least
_FAIL_S = 2.0  # to say why the app cannot be served; a thread that it has started may keep the process for ever


@dataclass(frozen=True, slots=True)
class Plan:
    """How to serve one app. Everything in it can be sent to another process."""

    target: Target
    log_level: str
    drain: Drain
    colour: bool
    certificate: Certificate | None = None
    proxies: Proxies | None = None
    env_files: tuple[Path, ...] = ()
    root_path: str = ""
    access_log: bool = True


class _Server(Server):
    """The server, which says when it is ready, and leaves in any case once it has been given an order."""

    def __init__(self, config: Config, plan: Plan, on_ready: Callable[[], None], orders: Orders) -> None:
        super().__init__(config, plan.drain)
        self.code = ExitCode.OK
        self._on_ready = on_ready
        self._orders = orders
        self._hard_end = orders.hard_end
        self._is_hurried = False
        self._end_at = 0.0
        orders.hand_to(self.obey)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's own handlers would raise each signal once more when all is over."""
        self._orders.hear_again()
        yield

    async def main_loop(self) -> None:
        # Not at the end of startup(): a signal that came right after it would end uvicorn without the app's shutdown.
        self._orders.hear_beside()
        self._on_ready()
        await super().main_loop()

    def obey(self, order: Order, code: ExitCode) -> None:
        """Begin the end or hurry it. For any thread, as the main one may be in a call that does not come back."""
        if not self.should_exit:
            self.code = code
            self._end_at = time.monotonic() + self.drain.end_s
            self._hard_end.within(self.drain.end_s, code)
        if order is Order.HURRY:
            # What a person waits for, but for a lifespan's shutdown; the second time they do not wait for that either.
            self._hard_end.within(0 if self._is_hurried else _HURRY_S, self.code)
            self._is_hurried = True
        self.stop(RELOAD if order is Order.REPLACE else None, hurried=order is Order.HURRY)

    async def _end_lifespan(self, timeout_s: float) -> None:
        self._hard_end.within(timeout_s, self.code)
        await super()._end_lifespan(max(timeout_s - _WORD_S, timeout_s / 2))
        self._hard_end.within(_LOOP_S, self.code)

    def expect_exit(self) -> None:
        """What the app has asked to be called at the interpreter's exit may take what is left of the drain."""
        left_s = 0.0 if self._is_hurried else self._end_at - time.monotonic()
        self._hard_end.within(max(left_s, _EXIT_S), self.code)


def serve(plan: Plan, listener: socket.socket, on_ready: Callable[[App], None], orders: Orders) -> ExitCode:
    """Serve until `orders` say otherwise; `on_ready` gets the app once it accepts connections.

    Returns the exit code that came with the first of them. Raises CliError when the app cannot be imported or its
    lifespan fails, SystemExit when the app leaves by itself. In the first two cases the process has little time left.
    """
    try:
        apply_env_files(plan.env_files)
        return _serve_app(load_app(plan.target), plan, listener, on_ready, orders)
    except CliError as error:
        orders.hard_end.within(_FAIL_S, error.code)
        raise


def _serve_app(
    app: App, plan: Plan, listener: socket.socket, on_ready: Callable[[App], None], orders: Orders
) -> ExitCode:
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
    try:
        server.run(sockets=[listener])
    except SystemExit:
        if not watched.failure:
            raise
    if watched.failure:
        raise CliError(watched.failure)
    server.expect_exit()
    return server.code


def talk_hints(app: App) -> tuple[str, ...]:
    """How to talk to the first few WebSocket routes of a lihil app, as lines for the banner; () for any other app."""
    lihil = sys.modules.get("lihil")  # an app that is a Lihil has imported it
    if lihil is None or not isinstance(app, lihil.Lihil):
        return ()
    paths = [endpoint.pattern.path for endpoint in app.endpoints() if endpoint.kind == "websocket"]
    return tuple(f"lihil ws-test {shlex.quote(path)}" for path in paths[:_HINTS])
