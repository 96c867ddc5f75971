"""TestClient as its users call it: addresses, headers, cookies, redirects, real frameworks, any loop around it."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from lihil.asgi import Receive, Scope, Send
from lihil.errors import WebSocketDisconnect
from lihil.testing import HandshakeRefused, TestClient
from lihil.testing.library import httpx

# What a server puts into a scope; frameworks add to it on the way.
SERVERS_KEYS = {
    *("type", "asgi", "http_version", "method", "scheme", "server", "client", "root_path", "path", "raw_path"),
    *("query_string", "headers", "state", "subprotocols"),
}


async def tell(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with its scope: as a response, or as the first message of a WebSocket."""
    told = {key: value for key, value in scope.items() if key in SERVERS_KEYS}
    text = json.dumps(plain(told | {"headers": dict(scope["headers"])}))
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close"})
    else:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": text.encode()})


def plain(value: Any) -> Any:
    """Bytes as text, all the way down."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def scope_of_websocket(client: TestClient, url: str, **options: Any) -> Any:
    with client.websocket_connect(url, **options) as ws:
        return ws.receive_json()


def test_the_scope_of_a_request_is_the_one_of_a_server() -> None:
    client = TestClient(tell, "https://example.org:8443", root_path="/api", client=("10.0.0.1", 4321))
    assert client.put("/a%20b/%D0%B4?x=%D0%B4", headers={"X-Mine": "1"}).json() == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "https",
        "server": ["example.org", 8443],
        "client": ["10.0.0.1", 4321],
        "root_path": "/api",
        "path": "/api/a b/д",
        "raw_path": "/api/a%20b/%D0%B4",
        "query_string": "x=%D0%B4",
        "state": {},
        "headers": {
            "host": "example.org:8443",
            "accept": "*/*",
            "accept-encoding": client.headers["accept-encoding"],
            "connection": "keep-alive",
            "user-agent": "testclient",
            "x-mine": "1",
            "content-length": "0",
        },
    }


@pytest.mark.parametrize(
    ("base_url", "url", "scheme", "server", "host", "path", "query"),
    [
        ("http://testserver", "/ws", "ws", ["testserver", 80], "testserver", "/ws", ""),
        ("http://testserver", "ws", "ws", ["testserver", 80], "testserver", "/ws", ""),
        ("https://testserver", "/ws?a=1&a=2", "wss", ["testserver", 443], "testserver", "/ws", "a=1&a=2"),
        ("http://testserver:81/api", "/ws", "ws", ["testserver", 81], "testserver:81", "/api/ws", ""),
        ("http://testserver", "ws://other:9/ws?q", "ws", ["other", 9], "other:9", "/ws", "q"),
        ("http://testserver", "wss://other/ws", "wss", ["other", 443], "other", "/ws", ""),
        ("http://testserver", "https://other/", "wss", ["other", 443], "other", "/", ""),
    ],
)
def test_a_websocket_goes_to_the_address_it_is_given(
    base_url: str, url: str, scheme: str, server: list[Any], host: str, path: str, query: str
) -> None:
    scope = scope_of_websocket(TestClient(tell, base_url), url)
    assert (scope["scheme"], scope["server"], scope["headers"]["host"]) == (scheme, server, host)
    assert (scope["path"], scope["query_string"]) == (path, query)


def test_a_websocket_carries_the_headers_of_a_handshake_and_those_of_the_test() -> None:
    client = TestClient(tell, headers=[("User-Agent", "mine"), ("x-client", "1")], cookies={"a": "1"})
    scope = scope_of_websocket(
        client, "/?x=1", headers={"Origin": "http://evil.test"}, cookies={"b": "2"}, params={"x": "2", "y": ["3", 4]}
    )
    headers = scope["headers"]
    assert len(base64.b64decode(headers.pop("sec-websocket-key"))) == 16
    assert headers.pop("accept-encoding") == client.headers["accept-encoding"]
    assert headers == {
        "host": "testserver",
        "accept": "*/*",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "user-agent": "mine",
        "x-client": "1",
        "origin": "http://evil.test",
        "cookie": "a=1; b=2",
    }
    assert scope["query_string"] == "x=2&y=3&y=4"


@pytest.mark.parametrize("header", [{}, {"sec-websocket-protocol": "a,b ,, c"}])
def test_offered_subprotocols_reach_the_app_as_a_clean_list(header: dict[str, str]) -> None:
    offered = None if header else ["a", "b", "c"]
    assert scope_of_websocket(TestClient(tell), "/", subprotocols=offered, headers=header)["subprotocols"] == [*"abc"]


def test_a_single_name_is_no_list_of_subprotocols() -> None:
    with pytest.raises(TypeError, match=r"write \['chat'\]"):
        TestClient(tell).websocket_connect("/", "chat")


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan")])
def test_a_timeout_is_a_finite_time(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="to debug, use 3600"):
        TestClient(tell, timeout_s=timeout_s)


async def home(request: Request) -> Response:
    return JSONResponse({"cookies": request.cookies, "query": str(request.query_params)})


async def log_in(request: Request) -> Response:
    response = RedirectResponse("/?from=login", status_code=303)
    response.set_cookie("session", "s3cret")
    return response


async def fail(request: Request) -> Response:
    raise LookupError("inner detail")


def in_a_thread(request: Request) -> Response:
    return PlainTextResponse("from a thread")


async def ticks(request: Request) -> Response:
    async def tick() -> Any:
        for n in range(10**9):
            yield f"data: {n}\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(tick(), media_type="text/event-stream")


async def later(request: Request) -> Response:
    return PlainTextResponse("ok", background=BackgroundTask(request.app.state.events.append, "background"))


async def echo(ws: WebSocket) -> None:
    await ws.accept(headers=[(b"set-cookie", b"seat=7; Path=/")])
    async for text in ws.iter_text():
        await ws.send_text(f"{ws.cookies.get('session')}: {text}")


async def careless(ws: WebSocket) -> None:
    await ws.accept()
    while True:
        await ws.send_text(await ws.receive_text())


async def deny(ws: WebSocket) -> None:
    await ws.send_denial_response(JSONResponse({"why": "no ticket"}, status_code=401, headers={"x-why": "ticket"}))


@pytest.fixture
def app() -> Starlette:
    http = [home, log_in, fail, in_a_thread, ticks, later]
    routes = [
        Route("/", home, methods=["GET", "POST"]),
        *(Route(f"/{endpoint.__name__}", endpoint, methods=["GET", "POST"]) for endpoint in http),
        *(WebSocketRoute(f"/{endpoint.__name__}", endpoint) for endpoint in (echo, careless, deny)),
        Mount("/told", app=tell),
    ]
    starlette = Starlette(routes=routes)
    starlette.state.events = []
    return starlette


@pytest.fixture(params=["entered", "bare"])
def client(request: pytest.FixtureRequest, app: Starlette) -> Iterator[TestClient]:
    if request.param == "bare":
        yield TestClient(app)
        return
    with TestClient(app) as entered:
        yield entered


def test_redirects_are_followed_and_cookies_kept(client: TestClient) -> None:
    response = client.post("/log_in")
    assert (response.status_code, response.url.path, response.request.method) == (200, "/", "GET")
    assert response.json() == {"cookies": {"session": "s3cret"}, "query": "from=login"}
    assert client.get("/log_in", follow_redirects=False).status_code == 303


def test_a_client_may_be_told_not_to_follow_redirects(app: Starlette) -> None:
    assert TestClient(app, follow_redirects=False).get("/log_in").headers["location"] == "/?from=login"


def test_cookies_go_from_http_to_websocket_and_back(client: TestClient) -> None:
    client.post("/log_in")
    with client.websocket_connect("/echo") as ws:
        ws.send_text("hello")
        assert ws.receive_text() == "s3cret: hello"
    assert client.get("/").json()["cookies"] == {"session": "s3cret", "seat": "7"}


def test_a_framework_s_exception_is_raised_or_answered(client: TestClient, app: Starlette) -> None:
    with pytest.raises(LookupError, match="inner detail"):
        client.get("/fail")
    response = TestClient(app, raise_server_exceptions=False).get("/fail")
    assert (response.status_code, response.text) == (500, "Internal Server Error")


def test_sync_endpoints_and_mounted_apps_answer(client: TestClient) -> None:
    assert client.get("/in_a_thread").text == "from a thread"
    assert client.get("/told/x").json()["path"] == "/told/x"
    assert client.get("/nowhere").status_code == 404


def test_a_framework_s_stream_is_left_half_way(client: TestClient) -> None:
    with client.stream("GET", "/ticks") as response:
        assert next(response.iter_lines()) == "data: 0"
    assert client.get("/in_a_thread").text == "from a thread"


def test_a_framework_s_background_task_has_run(client: TestClient, app: Starlette) -> None:
    assert client.get("/later").text == "ok"
    assert app.state.events == ["background"]


def test_a_framework_s_denial_is_told_in_full(client: TestClient) -> None:
    with pytest.raises(HandshakeRefused) as caught, client.websocket_connect("/deny"):
        pass
    assert (caught.value.status, caught.value.json()) == (401, {"why": "no ticket"})
    assert caught.value.headers["x-why"] == "ticket"


def test_an_unknown_path_is_refused(client: TestClient) -> None:
    with pytest.raises(HandshakeRefused) as caught, client.websocket_connect("/nowhere"):
        pass
    assert caught.value.status == 403


def test_a_handler_that_does_not_catch_the_disconnect_is_no_failure(client: TestClient) -> None:
    with client.websocket_connect("/careless") as ws:
        ws.send_text("a")
        assert ws.receive_text() == "a"


def test_two_websockets_of_one_client_are_open_together(client: TestClient) -> None:
    with client.websocket_connect("/echo") as one, client.websocket_connect("/echo") as two:
        one.send_text("1")
        two.send_text("2")
        assert (two.receive_text(), one.receive_text()) == ("None: 2", "None: 1")


@pytest.mark.parametrize("run", [asyncio.run, anyio.run])
def test_it_works_while_a_loop_runs_in_the_test(app: Starlette, run: Any) -> None:
    async def test() -> None:
        with TestClient(app) as client, client.websocket_connect("/echo") as ws:
            ws.send_text("a")
            assert ws.receive_text() == "None: a"
            assert client.get("/in_a_thread").text == "from a thread"

    run(test) if run is anyio.run else run(test())


def test_a_closed_client_lets_go_of_what_was_open(app: Starlette) -> None:
    client = TestClient(app)
    session = client.websocket_connect("/echo")
    session.__enter__()
    response = client.send(client.build_request("GET", "/ticks"), stream=True)
    client.close()
    with pytest.raises(RuntimeError, match="not connected"):
        session.receive()
    with pytest.raises(httpx.StreamClosed):
        response.read()


def test_leaving_a_client_that_was_not_entered_is_harmless(app: Starlette) -> None:
    client = TestClient(app)
    client.__exit__(None, None, None)
    assert client.get("/in_a_thread").text == "from a thread"


def test_a_disconnect_can_be_caught_as_starlette_s() -> None:
    from starlette.websockets import WebSocketDisconnect as StarletteDisconnect

    assert WebSocketDisconnect is StarletteDisconnect
    assert issubclass(HandshakeRefused, StarletteDisconnect)


def run_python(code: str, *paths: Path) -> str:
    """What a fresh interpreter with every warning an error prints."""
    root = Path(__file__).parents[3]
    script = f"import sys; sys.path[:0] = {[str(path) for path in (*paths, root)]!r}\n{code}"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


TALK = """
from lihil.vendors import TestClient
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"hello"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send(await receive() | {"type": "websocket.send"})
with TestClient(app) as client, client.websocket_connect("/") as ws:
    ws.send_text("echo")
    print(client.get("/").text, ws.receive_text(), "starlette.testclient" in sys.modules)
"""


def test_nothing_warns_and_starlette_s_client_stays_out() -> None:
    assert run_python(TALK) == "hello echo False"


def test_httpx2_is_used_where_it_is_installed(tmp_path: Path) -> None:
    if find_spec("httpx2") is None:  # then a stand-in: the same names under the other name
        tmp_path.joinpath("httpx2.py").write_text("from httpx import *\n")
    asked = "from lihil.testing.library import httpx\nprint(httpx.__name__)"
    assert run_python(f"{TALK}\n{asked}", tmp_path).splitlines() == ["hello echo False", "httpx2"]


FAILING = """
from lihil.vendors import TestClient
async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    raise LookupError("inner detail")
def test_it():
    with TestClient(app).websocket_connect("/") as ws:
        ws.receive_text()
"""


def test_a_failing_test_shows_its_own_lines_and_those_of_the_app(tmp_path: Path) -> None:
    file = tmp_path / "test_failing.py"
    file.write_text(FAILING)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(file)]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert "test_failing.py:6: LookupError" in done.stdout
    assert "test_failing.py:9: WebSocketDisconnect" in done.stdout
    assert "lihil/testing" not in done.stdout
