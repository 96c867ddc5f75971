"""One worker of the dev server: it waits, ready but for the user's code; it loads that code; it serves it; it leaves.

What it is told and what it answers are the words and events of `devserver.events`.
"""

import asyncio
import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from uvicorn import Config

from lihil.rfc6455.events import Close
from lihil.server.serve import RELOAD, STOP, make_config
from lihil_cli.devserver.debugger import lend_keyboard
from lihil_cli.devserver.events import Word
from lihil_cli.devserver.failure import failure_message
from lihil_cli.devserver.imports import ImportRecord
from lihil_cli.devserver.inside import DevApp
from lihil_cli.devserver.introduction import routes_of, schema_of
from lihil_cli.devserver.messages import Link, Message
from lihil_cli.devserver.plan import DevPlan
from lihil_cli.devserver.serving import Service
from lihil_cli.devserver.sockets import WatchedWebSocket
from lihil_cli.envfile import apply_env_files
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.loader import App, Target, load_app
from lihil_cli.proxies import parse_proxies
from lihil_cli.serving.ending import ignore_signal
from lihil_cli.serving.forwarded import ForwardedApp
from lihil_cli.serving.lifespan import WatchedApp
from lihil_cli.serving.logs import logging_config
from lihil_cli.serving.tls import Certificate, context_factory

# A reload is a person who waits, and so is Ctrl-C.
RELOAD_GRACE_S = 0.5
STOP_GRACE_S = 0.3
_ORPHAN_GRACE_S = 0.8
_LAST_WORDS_S = 0.2
_DESCRIBE_AFTER_S = 0.15


class Prepared:
    """All that a worker needs and that can be there before the user's code: a zygote makes it once for all of them.

    `failure` is why no worker can serve with it: a file that the settings name is gone, or wrong, since they were read.
    """

    def __init__(self, plan: DevPlan) -> None:
        self.plan = plan
        self.record = ImportRecord(plan.target.root)
        self.watched = WatchedApp(_no_app, plan.target.root)
        self.dev = DevApp(self.watched, plan.target.root, plan.token)
        self.failure: CliError | None = None
        with self._noting_failure():
            apply_env_files([Path(file) for file in plan.env_files])
        self.config: Config = make_config(
            self.dev if plan.proxies is None else ForwardedApp(self.dev, parse_proxies(plan.proxies)),
            ws=WatchedWebSocket,
            log_config=logging_config(colour=plan.colour, level=plan.log_level),
            log_level=plan.log_level,
            access_log=plan.access_log,
            root_path=plan.root_path,
            ssl_context_factory=None if plan.certificate is None else context_factory(_certificate(*plan.certificate)),
        )
        with self._noting_failure():
            self.config.load()
        self.record.settle()

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except CliError as error:
            self.failure = error


def _certificate(chain: str, key: str | None, password: str) -> Certificate:
    return Certificate(Path(chain), None if key is None else Path(key), password)


def live(prepared: Prepared, link: Link, listener: socket.socket, messages: Sequence[Message] = ()) -> None:
    """The whole life of a worker; `messages` came already.

    Never returns: the process ends here, whatever threads the app has left behind.
    """
    code = int(ExitCode.FAILED)
    try:
        _take_signals()
        lend_keyboard(link)
        code = _Worker(prepared, link, listener).run(list(messages))
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _leave(code)


def _take_signals() -> None:
    signal.signal(signal.SIGINT, ignore_signal)  # Ctrl-C reaches the supervisor as well, which decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def end_with_supervisor(link: Link) -> None:
    """Begin to watch: without a supervisor nobody would ever end this process, which may be too busy to notice."""

    def watch() -> None:
        link.wait_for_end()
        time.sleep(_ORPHAN_GRACE_S)
        os._exit(ExitCode.FAILED)

    threading.Thread(target=watch, daemon=True).start()


def _leave(code: int) -> None:
    """Tidy up as an interpreter does, but wait for no thread."""
    if "multiprocessing.process" in sys.modules:
        import multiprocessing

        for child in multiprocessing.active_children():
            child.terminate()
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


class _Worker:
    def __init__(self, prepared: Prepared, link: Link, listener: socket.socket) -> None:
        self._plan = prepared.plan
        self._link = link
        self._listener = listener
        self._record = prepared.record
        self._watched = prepared.watched
        self._dev = prepared.dev
        self._config = prepared.config
        self._failure = prepared.failure
        self._telling: asyncio.TimerHandle | None = None

    def run(self, messages: list[Message] | None) -> int:
        """Wait for the word, load the code, serve it until told otherwise; returns the exit code."""
        while not messages:
            messages = self._link.receive()
            if messages is None:
                return ExitCode.OK
        self._link.send({"loading": True})
        if self._failure is not None:
            self._fail(self._failure, None, at_start_up=False)
            return ExitCode.FAILED
        app = self._load()
        if self._record.is_misled:  # whether it could be loaded or not
            self._link.send({"misled": True})
            return ExitCode.OK
        if isinstance(app, CliError):
            self._fail(app, app.__cause__, at_start_up=False)
            return ExitCode.FAILED
        self._watched.app = app
        # Never closed: that would wait for the threads that the app has left behind.
        runner = asyncio.Runner(loop_factory=self._config.get_loop_factory())
        return runner.run(self._live(app, messages[0]))

    def _load(self) -> App | CliError:
        try:
            return self._record.watch(lambda: load_app(self._plan.target))
        except CliError as error:
            return error

    def _fail(self, error: CliError, cause: BaseException | None, *, at_start_up: bool) -> None:
        message = failure_message(error, cause, self._plan.target.root, at_start_up=at_start_up)
        self._link.send({**message, "imports": self._record.as_message()})

    async def _live(self, app: App, first: Message) -> int:
        try:
            return await self._serve(app, first)
        finally:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            if rest:
                await asyncio.wait(rest, timeout=_LAST_WORDS_S)

    async def _serve(self, app: App, first: Message) -> int:
        self._service = Service(self._config, self._listener, self._look)
        if not await self._start():
            return ExitCode.FAILED
        routes = routes_of(app) if first.get("first") else None
        self._link.send({"ready": {"routes": routes}})
        orders: asyncio.Queue[Message | None] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(self._link.fileno(), self._listen, orders)
        while (order := await orders.get()) is not None:
            if await self._obey(order, app):
                return ExitCode.OK
        await self._end(STOP, STOP_GRACE_S)
        return ExitCode.OK

    async def _start(self) -> bool:
        if await self._service.start():
            return True
        self._fail(CliError(self._watched.failure), self._watched.error, at_start_up=True)
        return False

    def _listen(self, orders: "asyncio.Queue[Message | None]") -> None:
        messages = self._link.receive()
        if messages is None:
            asyncio.get_running_loop().remove_reader(self._link.fileno())
            orders.put_nowait(None)
            return
        for message in messages:
            orders.put_nowait(message)

    async def _obey(self, order: Message, app: App) -> bool:
        """Carry out one order; True when it was the last."""
        match order.get("word"):
            case Word.OPEN.value:
                if not self._service.is_started and not await self._start():
                    return True
                await self._service.open()
                self._link.send({"now": "accepting"})
                asyncio.get_running_loop().call_later(_DESCRIBE_AFTER_S, self._tell_schema, app)
            case Word.CLOSE.value:
                await self._service.close()
                self._link.send({"now": "closed"})
            case Word.SUSPEND.value:
                await self._end(RELOAD, RELOAD_GRACE_S)
                self._link.send({"now": "suspended"})
            case Word.DRAIN.value:
                await self._end(RELOAD, RELOAD_GRACE_S)
                return True
            case Word.STOP.value:
                await self._end(STOP, STOP_GRACE_S)
                return True
            case "news":
                self._dev.news = {**self._dev.news, **order["news"]}
            case "sockets":
                self._link.send({"sockets": self._open_sockets()})
        return False

    async def _end(self, close: Close, grace_s: float) -> None:
        await self._service.close()
        self._count_sockets(close)
        try:
            await self._service.say_goodbye(close, grace_s=grace_s)
        finally:  # the app tidies up, whatever its clients do
            self._link.send({"now": "shutting down"})
            await self._service.stop()
        if self._watched.failure:
            self._link.send({"note": self._watched.failure})
            self._watched.failure = ""

    def _count_sockets(self, close: Close) -> None:
        """A thousand sockets that are closed for one reason are one line, and not in the way of closing them."""
        found = [c for c in self._service.state.connections if isinstance(c, WatchedWebSocket) and c.is_open]
        for connection in found:
            connection.forget_opening()
        if found:
            plural = "" if len(found) == 1 else "s"
            self._link.send({"note": f"closed {len(found)} WebSocket{plural} with {int(close.code)} {close.reason}"})

    def _look(self) -> None:
        """A handler may import more of the code, which is to be followed too. Never in the way of a switch."""
        if self._telling is None and self._record.has_grown():
            self._telling = asyncio.get_running_loop().call_later(_DESCRIBE_AFTER_S, self._tell_imports)

    def _tell_imports(self) -> None:
        """What the supervisor judges changes by."""
        self._telling = None
        self._link.send({"imports": self._record.as_message()})

    def _tell_schema(self, app: App) -> None:
        """What other commands read."""
        self._link.send({"schema": schema_of(app, str(self._plan.target))})

    def _open_sockets(self) -> list[Message]:
        found = [c.as_open for c in self._service.state.connections if isinstance(c, WatchedWebSocket)]
        return [
            {"connection": one.connection, "peer": one.peer, "target": one.target, "age_s": one.age_s}
            for one in found
            if one is not None
        ]


async def _no_app(scope: object, receive: object, send: object) -> None:
    raise RuntimeError("the app is not loaded yet")


def warm_up() -> None:
    """Load everything that a worker needs beside the user's code and what that imports."""
    import concurrent.futures.thread

    del concurrent
    plan = DevPlan(Target("", "", Path.cwd()), log_level="critical", colour=False, token="", argv=())
    Prepared(plan).config.get_loop_factory()
