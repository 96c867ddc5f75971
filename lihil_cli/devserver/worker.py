"""One process that serves: import the app, run uvicorn on a socket it is given, end within a bound."""

import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import FrameType
from typing import cast

import uvicorn

from lihil_cli.console import escape_terminal
from lihil_cli.devserver.lifespan import WatchedApp
from lihil_cli.devserver.logs import logging_config
from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.loader import App, Target, load_app

# Ctrl-C is a person who waits, and so is a reload: enough for a handler to send its last words, and with uvicorn's own
# 0.2 s below one second. SIGTERM is an orchestrator, which gives ten seconds or more before it kills.
QUICK_GRACE_S = 0.3
DRAIN_GRACE_S = 5.0

_HINTS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """How to serve one app. `grace_s` is what open connections get after SIGTERM; after Ctrl-C it is QUICK_GRACE_S."""

    target: Target
    log_level: str
    grace_s: float
    colour: bool


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and hurries when a person is waiting."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_ready = on_ready

    async def main_loop(self) -> None:
        # Not at the end of startup(): a signal that came right after it would end uvicorn without the app's shutdown.
        self.on_ready()
        await super().main_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT:
            self.config.timeout_graceful_shutdown = _seconds(QUICK_GRACE_S)
        super().handle_exit(sig, frame)


def serve(plan: Plan, listener: socket.socket, on_ready: Callable[[App], None]) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` gets the app once it accepts connections.

    Raises CliError when the app cannot be imported or its lifespan fails; a signal comes out as uvicorn leaves it, by
    way of the handler that was set before.
    """
    app = load_app(plan.target)
    watched = WatchedApp(app, plan.target.root)
    config = uvicorn.Config(
        watched,
        interface="asgi3",
        log_config=logging_config(colour=plan.colour, level=plan.log_level, drains=plan.grace_s > QUICK_GRACE_S),
        log_level=plan.log_level,
        timeout_graceful_shutdown=_seconds(plan.grace_s),
        server_header=False,
        workers=1,
    )
    try:
        _Server(config, lambda: on_ready(app)).run(sockets=[listener])
    except SystemExit:
        if not watched.failure:
            raise
    finally:
        if watched.failure:
            raise CliError(watched.failure)


def _seconds(grace_s: float) -> int:
    """uvicorn declares whole seconds, and hands them to `asyncio.wait_for`, which takes parts of one as well."""
    return cast("int", grace_s)


def run_child(plan: Plan, listener: socket.socket, link: Connection) -> None:
    """The whole life of a worker process: serve, tell `link` when ready, and end when the parent has ended.

    Exit codes: 0 after a signal, 1 when the app cannot be served; the reason is on stderr.
    """
    signal.signal(signal.SIGINT, _ignore)  # Ctrl-C reaches the parent as well, which decides
    signal.signal(signal.SIGTERM, _raise_terminated)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the parent held it until here
    threading.Thread(target=_follow_parent, args=(link,), daemon=True).start()
    try:
        serve(plan, listener, lambda app: link.send(talk_hints(app)))
    except CliError as error:
        print(escape_terminal(error.text), file=sys.stderr, flush=True)  # noqa: T201 - no other reports it
        sys.exit(ExitCode.FAILED)
    except Terminated:
        sys.exit(ExitCode.OK)


def talk_hints(app: App) -> tuple[str, ...]:
    """How to talk to the first few WebSocket routes of a lihil app, as lines for the banner; () for any other app."""
    lihil = sys.modules.get("lihil")  # an app that is a Lihil has imported it
    if lihil is None or not isinstance(app, lihil.Lihil):
        return ()
    paths = [endpoint.pattern.path for endpoint in app.endpoints() if endpoint.kind == "websocket"]
    return tuple(f"lihil ws-test {shlex.quote(path)}" for path in paths[:_HINTS])


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _ignore(signum: int, frame: FrameType | None) -> None:
    """A handler, where SIG_IGN would be inherited by the processes that the app starts."""


def _follow_parent(link: Connection) -> None:
    try:
        link.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
