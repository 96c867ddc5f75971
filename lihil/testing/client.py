"""TestClient: drives an ASGI app in memory, over HTTP and WebSocket, from code that does not await."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from secrets import token_bytes
from types import TracebackType
from typing import Any, Self, TypeAlias

from lihil.asgi import ASGIApp, RawHeaders
from lihil.testing.call import Wait
from lihil.testing.errors import AppTimeout
from lihil.testing.host import ABORT_GRACE_S, Host
from lihil.testing.library import httpx
from lihil.testing.lifespan import LifespanRun
from lihil.testing.loop import LoopThread
from lihil.testing.transport import READ_WHOLE, AppTransport, head_of
from lihil.testing.websocket import WebSocketSession

__tracebackhide__ = True  # pytest shows the line of the test instead

HeaderArgument: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]
CookieArgument: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]
ParamValue: TypeAlias = str | int | float | bool | None
ParamArgument: TypeAlias = Mapping[str, ParamValue | Sequence[ParamValue]]

_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


class TestClient(httpx.Client):
    """An HTTP and WebSocket client whose server is `app`, called directly; no socket is opened.

    Entered with `with`, it runs the app's lifespan and serves every request on one loop, in a thread of its own; it
    may be entered again later. Without, each request has a loop of its own and no lifespan is run. Nothing waits
    longer than `timeout_s` seconds: then AppTimeout tells where the app is. An exception that the app raises is
    raised in the test, or answered with 500 as a server would when `raise_server_exceptions` is False.
    """

    __test__ = False  # not a test class, whatever its name makes pytest think

    def __init__(  # noqa: PLR0913 - one keyword per fact of the connection reads better than a nested record
        self,
        app: ASGIApp,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        *,
        headers: HeaderArgument | None = None,
        cookies: CookieArgument | None = None,
        timeout_s: float = 5.0,
        client: tuple[str, int] = ("testclient", 50000),
        follow_redirects: bool = True,
    ) -> None:
        self.app = app
        self._host = Host(
            app,
            client=client,
            root_path=root_path,
            timeout_s=timeout_s,
            raise_server_exceptions=raise_server_exceptions,
        )
        self._lifespan: LifespanRun | None = None
        super().__init__(
            base_url=base_url,
            headers=_with_user_agent(headers),
            cookies=dict(cookies or {}),
            timeout=timeout_s,
            follow_redirects=follow_redirects,
            transport=AppTransport(self._host),
            trust_env=False,  # a test does not depend on the machine's proxies and passwords
        )

    def websocket_connect(
        self,
        url: str,
        subprotocols: Sequence[str] | None = None,
        *,
        headers: HeaderArgument | None = None,
        cookies: CookieArgument | None = None,
        params: ParamArgument | None = None,
        timeout_s: float | None = None,
    ) -> WebSocketSession:
        """A WebSocket to `url`, connected on entering: `with client.websocket_connect("/ws") as ws`.

        `url` is a path with or without a query, or a whole ws://, wss://, http:// or https:// URL. The client's
        headers and cookies are sent as well; `params` are added to the query.
        """
        if isinstance(subprotocols, str):
            raise TypeError(f"subprotocols is a list of names: write [{subprotocols!r}]")
        request = self._handshake(url, subprotocols or (), headers, cookies, params)

        def keep_cookies(status: int, answered: RawHeaders) -> None:
            self.cookies.extract_cookies(httpx.Response(status, headers=list(answered), request=request))

        return WebSocketSession(
            head_of(request),
            self._host,
            timeout_s=self._host.timeout_s if timeout_s is None else timeout_s,
            on_answer=keep_cookies,
        )

    def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """As httpx.Client.send; a response that is not streamed has to end within the timeout."""
        request.extensions = {**request.extensions, READ_WHOLE: not stream}
        return super().send(request, stream=stream, **options)

    def __enter__(self) -> Self:
        if self._host.loop is not None:
            raise RuntimeError("this TestClient has been entered already")
        loop = self._host.loop = LoopThread(self._host.timeout_s)
        self._host.state = {}
        lifespan = self._lifespan = LifespanRun(self.app, self._host.state)
        wait = self._wait("startup")
        try:
            loop.run(lifespan.startup(wait), replace(wait, timeout_s=2 * wait.timeout_s))
        except BaseException:
            self._end_after_failure(loop, lifespan)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Abort what is open, shut the app down, end the loop. What fails then never hides the block's exception."""
        try:
            self._shut_down()
        except BaseException as failure:
            if exc_value is None:
                raise
            exc_value.add_note(f"the app's shutdown failed as well: {failure!r}")

    def _handshake(
        self,
        url: str,
        subprotocols: Sequence[str],
        headers: HeaderArgument | None,
        cookies: CookieArgument | None,
        params: ParamArgument | None,
    ) -> httpx.Request:
        """The request that opens a WebSocket (RFC 6455, section 4.1). Built as http, so that cookies and Host fit."""
        target = httpx.URL(url)
        if target.scheme in _HTTP_SCHEMES:
            target = target.copy_with(scheme=_HTTP_SCHEMES[target.scheme])
        if params:
            target = target.copy_merge_params(httpx.QueryParams(params))
        request = self.build_request("GET", target, headers=headers, cookies=dict(cookies or {}))
        request.headers["connection"] = "Upgrade"
        request.headers["upgrade"] = "websocket"
        request.headers["sec-websocket-key"] = b64encode(token_bytes(16)).decode()
        request.headers["sec-websocket-version"] = "13"
        if subprotocols:
            request.headers["sec-websocket-protocol"] = ", ".join(subprotocols)
        return request

    def _shut_down(self) -> None:
        self._host.abort_all()
        loop, lifespan = self._host.loop, self._lifespan
        if loop is None or lifespan is None:
            return
        wait = self._wait("shutdown")
        self._host.loop = None
        with loop:
            loop.run(lifespan.shutdown(wait), replace(wait, timeout_s=3 * wait.timeout_s))

    def _end_after_failure(self, loop: LoopThread, lifespan: LifespanRun) -> None:
        """End everything after a startup that failed or hangs; its exception is the one to see."""
        self._host.loop = None
        with suppress(AppTimeout), loop:
            loop.run(lifespan.cancel(ABORT_GRACE_S), Wait("the app to end", ABORT_GRACE_S))

    def _wait(self, phase: str) -> Wait:
        return Wait(f"the app's {phase} (lifespan)", self._host.timeout_s)


def _with_user_agent(headers: HeaderArgument | None) -> httpx.Headers:
    merged = httpx.Headers({"user-agent": "testclient"})
    merged.update(headers)
    return merged
