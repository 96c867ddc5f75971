"""The app as uvicorn gets it: the same, but for a lifespan whose failure is kept instead of logged as a traceback."""

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

from lihil_cli.loader import App, explain

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class WatchedApp:
    """An ASGI application that remembers in `failure` why its start-up or its shutdown went wrong; "" while it has not.

    `error` is the exception behind it, where there is one.

    An app that raises without having taken the start-up event, or that answers it with an event of another protocol,
    knows no lifespan, and is served without one (ASGI lifespan protocol 2.0, "Scope").
    """

    def __init__(self, app: App, root: Path) -> None:
        self.app = app
        self.root = root
        self.failure = ""
        self.error: Exception | None = None

    def __call__(self, scope: Message, receive: Receive, send: Send) -> Awaitable[None]:
        # Not a coroutine function: a request pays one comparison for passing through here, not one more frame.
        if scope["type"] == "lifespan":
            return self._lifespan(scope, receive, send)
        return self.app(scope, receive, send)

    async def _lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        stage = ""
        raised: list[Exception] = []
        # lihil hands the exception itself to this hook; what an app sends with its failure is but text.
        scope["extensions"] = {**scope.get("extensions", {}), "lihil.error": raised.append}

        async def watched_receive() -> Message:
            nonlocal stage
            message = await receive()
            stage = "start-up" if message["type"] == "lifespan.startup" else "shutdown"
            return message

        async def watched_send(message: Message) -> None:
            nonlocal stage
            if not message["type"].startswith("lifespan."):
                stage = ""
            if message["type"].endswith(".failed"):
                text = f"{_headline(stage)}\n{message.get('message', '')}".rstrip()
                self.error = raised[-1] if raised else None
                self.failure = explain(raised[-1], self.root, _headline(stage)) if raised else text
                message = {"type": message["type"]}
            await send(message)

        try:
            await self.app(scope, watched_receive, watched_send)
        except Exception as error:
            if not stage:
                raise
            told = bool(self.failure)
            self.error = error
            self.failure = explain(error, self.root, _headline(stage))
            if not told:
                await send({"type": f"lifespan.{'startup' if stage == 'start-up' else 'shutdown'}.failed"})


def _headline(stage: str) -> str:
    return f"the app's {stage} failed"
