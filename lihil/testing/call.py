"""One call of an ASGI app inside the test client's loop: its task, what it raised, what it was last seen doing."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect

from lihil.asgi import ERROR_HOOK, ASGIApp, Message, Receive, Scope, Send
from lihil.errors import WebSocketDisconnect
from lihil.testing.errors import AppTimeout, shortened
from lihil.testing.position import task_position

__tracebackhide__ = True  # pytest shows the line of the test instead

_JOURNAL_MAX = 6
_OTHER_TASKS_MAX = 3


class ClientGoneError(OSError):
    """The client has closed the connection: raised by the app's `send` (ASGI, WebSocket spec 2.4)."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a test waits for, for how many seconds at most, and what is raised when it does not come.

    `left_s` is what remains of the time when some of it has been used.
    """

    what: str
    timeout_s: float
    error: type[AppTimeout] = AppTimeout
    left_s: float | None = None


class AppCall:
    """The app, called once with `scope`; everything here but the constructor runs on the client's loop.

    `state` is the connection's state in words; whoever drives the call keeps it true. `failure` is what the app
    raised, or what a framework caught and reported through the scope's error hook; `has_raised` tells them apart.
    """

    def __init__(self, app: ASGIApp, scope: Scope, *, title: str, state: str) -> None:
        self.title = title
        self.state = state
        self.failure: BaseException | None = None
        self.has_raised: bool = False
        self._is_observed = False
        self._was_cancelled = False
        self._app = app
        self._scope = scope
        self._journal: deque[str] = deque(maxlen=_JOURNAL_MAX)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._older_tasks: set[asyncio.Task[Any]] = set()

    def start(self, receive: Receive, send: Send) -> None:
        """Call the app with a scope of its own that carries the error hook."""
        self._older_tasks = asyncio.all_tasks()
        extensions = {**self._scope.get("extensions", {}), ERROR_HOOK: self.report}
        self._task = asyncio.create_task(self._run({**self._scope, "extensions": extensions}, receive, send))
        self._task.add_done_callback(lambda _: self.changed())

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def report(self, exception: BaseException) -> None:
        """Keep an exception that the framework caught itself; the first one is the cause of those that follow."""
        self.failure = self.failure or exception

    def observe(self, *, has_left: bool) -> BaseException | None:
        """The app's exception, which from now on counts as shown; None when it only says that the peer `has_left`."""
        if self.failure is None or (has_left and is_hangup(self.failure)):
            return None
        self._is_observed = True
        return self.failure

    def unobserved(self, *, has_left: bool) -> BaseException | None:
        """The app's exception when no one has been shown it."""
        return None if self._is_observed else self.observe(has_left=has_left)

    def note(self, who: str, message: Message) -> None:
        """Remember a message for the text of a later timeout."""
        data = message.get("text") or message.get("bytes") or message.get("body") or ""
        details = [f"{key}={message[key]!r}" for key in ("code", "reason", "status") if message.get(key)]
        details += [shortened(data)] if data else []
        self._journal.append(" ".join([who, message["type"], *details]))

    def changed(self) -> None:
        """Wake everyone who waits for a condition to come true."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def when(self, condition: Callable[[], bool]) -> None:
        """Wait without a limit: for the app's side, which is stopped from outside."""
        while not condition():
            await self._changed.wait()

    async def until(self, condition: Callable[[], bool], wait: Wait) -> None:
        """Wait within a limit: for the test's side. Raises `wait.error` with the whole story."""
        limit_s = wait.timeout_s if wait.left_s is None else wait.left_s
        if limit_s <= 0:  # the time is up also when the condition holds: an endless stream always has more
            raise wait.error(self.explain(wait))
        try:
            async with asyncio.timeout(limit_s):
                await self.when(condition)
        except TimeoutError:
            raise wait.error(self.explain(wait)) from None

    async def stop(self, grace_s: float) -> None:
        """Let the app end within `grace_s`, then cancel it; AppTimeout when it survives that as well."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=grace_s)
            await self.cancel(grace_s)

    async def cancel(self, grace_s: float) -> None:
        """Cancel the app if it still runs; AppTimeout when it has not ended `grace_s` later."""
        task = self._task
        if task is None or task.done():
            return
        self._was_cancelled = True
        task.cancel()
        await asyncio.wait([task], timeout=grace_s)
        if not task.done():
            raise AppTimeout(self.explain(Wait("the app to end after it was cancelled", grace_s)))

    def explain(self, wait: Wait) -> str:
        """Everything known about the connection and the app, one fact a line."""
        place = task_position(self._task) if self._task is not None else ""
        lines = [
            f"waited {wait.timeout_s:g} s for {wait.what}",
            f"connection: {self.title}, {self.state}",
            f"app: still running, at {place}" if place else "app: has ended",
            *(f"another task of the app: at {place}" for place in self._other_places()),
            "last messages:" if self._journal else "no messages yet",
            *(f"  {line}" for line in self._journal),
        ]
        return "\n  ".join(lines)

    def _other_places(self) -> list[str]:
        mine = {self._task, asyncio.current_task()}
        tasks = asyncio.all_tasks() - self._older_tasks - mine
        return [place for place in sorted(map(task_position, tasks)) if place][:_OTHER_TASKS_MAX]

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError as exc:
            if not self._was_cancelled:
                self._fail(exc)
        except BaseException as exc:  # all of them: pytest's own outcomes and SystemExit belong to the test as well
            self._fail(exc)

    def _fail(self, exception: BaseException) -> None:
        self.has_raised = True
        self.report(exception)


def is_hangup(exception: BaseException) -> bool:
    """Whether an exception says no more than that the peer has left."""
    if isinstance(exception, BaseExceptionGroup):
        return all(map(is_hangup, exception.exceptions))
    return isinstance(exception, WebSocketDisconnect | ClientDisconnect | ClientGoneError)
