"""The app's lifespan as a test client runs it: started on entering, ended on leaving, never silently failed."""

from typing import Any

from lihil.asgi import (
    LIFESPAN,
    LIFESPAN_SHUTDOWN,
    LIFESPAN_SHUTDOWN_COMPLETE,
    LIFESPAN_SHUTDOWN_FAILED,
    LIFESPAN_STARTUP,
    LIFESPAN_STARTUP_COMPLETE,
    LIFESPAN_STARTUP_FAILED,
    ASGIApp,
    Message,
)
from lihil.testing.call import AppCall, Wait
from lihil.testing.errors import LifespanError
from lihil.testing.host import ABORT_GRACE_S

__tracebackhide__ = True  # pytest shows the line of the test instead

_ANSWERS = {
    "startup": {LIFESPAN_STARTUP_COMPLETE, LIFESPAN_STARTUP_FAILED},
    "shutdown": {LIFESPAN_SHUTDOWN_COMPLETE, LIFESPAN_SHUTDOWN_FAILED},
}


class LifespanRun:
    """One lifespan of an app; `state` is filled by the app while it starts (ASGI lifespan spec 2.0)."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        scope = {"type": LIFESPAN, "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self.call: AppCall = AppCall(app, scope, title="lifespan", state="starting up")
        self._phase = "startup"
        self._is_unaware = True
        self._was_told: set[str] = set()
        self._answers: dict[str, Message] = {}

    async def startup(self, wait: Wait) -> None:
        """Start the app. Raises what the app raised, or LifespanError with the app's message.

        An app that raises before it takes `lifespan.startup`, or that answers with a message of another protocol,
        knows no lifespan and is served without one (ASGI lifespan spec); so is one that returns without an answer.
        """
        self.call.start(self._receive, self._send)
        await self._finish_phase(wait)
        if self._is_unaware:
            self.call.observe(has_left=False)
            return
        self.call.state = "started"

    async def shutdown(self, wait: Wait) -> None:
        """Let the app shut down. Raises what it raised, now or since its startup, or LifespanError."""
        self.call.state = "shutting down"
        self._phase = "shutdown"
        self.call.changed()
        await self._finish_phase(wait)
        await self.call.stop(wait.timeout_s)
        self._raise_failure()

    async def cancel(self, grace_s: float) -> None:
        """Give up on the app, after a startup that failed or hangs."""
        await self.call.cancel(grace_s)

    async def _finish_phase(self, wait: Wait) -> None:
        phase = self._phase
        await self.call.until(lambda: phase in self._answers or not self.call.is_running, wait)
        answer = self._answers.get(phase)
        if answer is not None and answer["type"].endswith(".failed"):
            await self.call.stop(min(wait.timeout_s, ABORT_GRACE_S))
            self._raise_failure()
            raise LifespanError(f"the app's {phase} failed: {answer.get('message') or 'it gave no message'}")
        if not self._is_unaware:
            self._raise_failure()

    def _raise_failure(self) -> None:
        failure = self.call.unobserved(has_left=False)
        if failure is not None:
            raise failure

    async def _receive(self) -> Message:
        if "startup" not in self._was_told:
            self._was_told.add("startup")
            self._is_unaware = False
            return {"type": LIFESPAN_STARTUP}
        await self.call.when(lambda: self._phase == "shutdown" and "shutdown" not in self._was_told)
        self._was_told.add("shutdown")
        return {"type": LIFESPAN_SHUTDOWN}

    async def _send(self, message: Message) -> None:
        if message["type"] not in _ANSWERS[self._phase] or self._phase in self._answers:
            self._is_unaware = self._is_unaware or not message["type"].startswith("lifespan.")
            allowed = " or ".join(sorted(_ANSWERS[self._phase]))
            raise RuntimeError(f"the app sent {message['type']!r}; a lifespan in its {self._phase} takes one {allowed}")
        self.call.note("the app sent", message)
        self._answers[self._phase] = message
        self.call.changed()
