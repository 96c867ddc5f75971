"""From a request to its handler: what is found, and what is said when nothing is."""

import json
import logging
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil import Lihil, Param, Route, SetupError, WebSocket, WebSocketRoute
from lihil.asgi import Message
from lihil.vendors import TestClient
from tests.lihil.websocket.peer import Peer, kinds, run, texts


async def where(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_text(json.dumps([ws.scope["path"], ws.path_params], default=str))


async def page() -> str:
    return "page"


def socket(path: str) -> WebSocketRoute:
    route = WebSocketRoute(path)
    route.ws_handler(where)
    return route


def http(path: str, *methods: str) -> Route:
    route = Route(path)
    for method in methods:
        getattr(route, method)(page)
    return route


def ask(app: Lihil, method: str, path: str, **scope: Any) -> tuple[int, dict[str, str], bytes]:
    """One HTTP request by hand: status, headers, body."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    request = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [],
        "client": None,
        "server": ("192.0.2.1", 80),
        **scope,
    }
    run(app(request, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message["body"] for message in sent[1:])


def dial(app: Lihil, path: str, **scope: Any) -> Any:
    """One WebSocket by hand: what `where` says, or the problem of the refusal."""
    sent = run(Peer(app, path, **scope).finish())
    if kinds(sent)[0] == "accept":
        return json.loads(texts(sent)[0])
    return json.loads(sent[1]["body"])


def problem_of(answer: tuple[int, dict[str, str], bytes]) -> dict[str, Any]:
    status, headers, body = answer
    assert headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(body)
    assert problem["status"] == status
    assert headers["content-length"] == str(len(body))
    return problem


# Nothing there.


def test_an_unknown_path_is_a_404_for_both_kinds() -> None:
    app = Lihil(socket("ws"), http("page", "get"))
    for problem in (dial(app, "/other"), problem_of(ask(app, "GET", "/other"))):
        assert (problem["status"], problem["title"], problem["instance"]) == (404, "Not Found", "/other")
        assert problem["detail"] == "nothing answers on this path"


@pytest.mark.parametrize(
    ("path", "hint"), [("/ws/", "/ws"), ("/ws//", "/ws"), ("/page/", "/page"), ("/rooms/7/", "/rooms/7")]
)
def test_a_trailing_slash_is_a_404_that_says_what_to_ask_for(path: str, hint: str) -> None:
    app = Lihil(socket("ws"), http("page", "get"), socket("rooms/{name}"))
    for problem in (dial(app, path), problem_of(ask(app, "GET", path))):
        assert (problem["status"], problem["detail"].rpartition(": ")[2]) == (404, hint)


def test_the_hint_holds_the_path_as_the_client_sees_it() -> None:
    problem = dial(Lihil(socket("ws")), "/api/ws/", root_path="/api")
    assert problem["detail"].endswith(": /api/ws")


@pytest.mark.parametrize("path", ["", "*", "//", "/\x00", "/%00", "/../ws", "/ws\n", "http://x/ws", "/" * 1000])
def test_odd_paths_are_a_404_and_never_an_error(path: str) -> None:
    app = Lihil(socket("ws"))
    assert dial(app, path)["status"] == 404
    assert problem_of(ask(app, "GET", path))["status"] == 404


# The wrong protocol, the wrong method.


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
def test_http_on_a_websocket_path_is_426_with_the_protocol_to_use(method: str) -> None:
    status, headers, body = ask(Lihil(socket("ws")), method, "/ws")
    assert (status, headers["upgrade"], headers["connection"]) == (426, "websocket", "Upgrade")
    assert json.loads(body)["detail"] == "this path speaks WebSocket only"


def test_a_head_request_gets_the_headers_alone() -> None:
    status, headers, body = ask(Lihil(socket("ws")), "HEAD", "/ws")
    assert (status, body) == (426, b"")
    assert int(headers["content-length"]) > 0


def test_a_websocket_on_an_http_path_is_told_what_the_path_answers() -> None:
    problem = dial(Lihil(http("page", "get", "post")), "/page")
    assert problem["status"] == 404
    assert problem["detail"] == (
        "there is no WebSocket on this path; it answers GET, HEAD, OPTIONS, POST over plain HTTP"
    )


@pytest.mark.parametrize(
    ("methods", "asked", "status", "allow"),
    [
        (["get"], "POST", 405, "GET, HEAD, OPTIONS"),
        (["post"], "GET", 405, "OPTIONS, POST"),
        (["post"], "HEAD", 405, "OPTIONS, POST"),
        (["get"], "BREW", 405, "GET, HEAD, OPTIONS"),
        (["get"], "get", 405, "GET, HEAD, OPTIONS"),
        (["get", "put"], "OPTIONS", 204, "GET, HEAD, OPTIONS, PUT"),
    ],
)
def test_a_method_that_a_path_does_not_know_is_answered_with_those_it_knows(
    methods: list[str], asked: str, status: int, allow: str
) -> None:
    answer = ask(Lihil(http("page", *methods), socket("page")), asked, "/page")
    assert (answer[0], answer[1]["allow"]) == (status, allow)
    if status == 204:
        assert (answer[2], set(answer[1])) == (b"", {"allow"})


def test_both_kinds_may_share_a_path_under_different_names() -> None:
    app = Lihil(http("rooms/{id}", "get"), socket("rooms/{name}"))
    assert dial(app, "/rooms/7") == ["/rooms/7", {"name": "7"}]
    assert ask(app, "GET", "/rooms/7")[0] == 200


def test_a_plain_path_of_one_kind_does_not_hide_a_pattern_of_the_other() -> None:
    app = Lihil(http("rooms/new", "get"), socket("rooms/{name}"))
    assert dial(app, "/rooms/new") == ["/rooms/new", {"name": "new"}]
    app = Lihil(socket("rooms/live"), http("rooms/{name}", "get"))
    assert ask(app, "GET", "/rooms/live")[0] == 200


@pytest.mark.parametrize("same", ["a/{x}", "/a/{y:str}"])
def test_two_handlers_in_one_place_are_a_set_up_error_that_names_both(same: str) -> None:
    async def other(ws: WebSocket) -> None: ...

    second = WebSocketRoute(same)
    second.ws_handler(other)
    words = (
        r"test_dispatch.py:\d+: other: WebSocket /a/{.*} is taken by where \(.*test_dispatch.py:\d+\)\n.*another path"
    )
    with pytest.raises(SetupError, match=words), TestClient(Lihil(socket("a/{x}"), second)):
        pass


def test_a_route_that_is_included_twice_is_told_so() -> None:
    route = socket("a")
    with pytest.raises(SetupError, match="fix: include the route once"), TestClient(Lihil(route, route)):
        pass


@pytest.mark.parametrize(
    ("parent", "child", "words"),
    [("{x}", "{x}", r"\{x\} stands twice in '/\{x\}/\{x\}'"), ("{p:path}", "more", "must come last")],
)
def test_parts_that_do_not_fit_together_are_a_set_up_error(parent: str, child: str, words: str) -> None:
    above = WebSocketRoute(parent)
    above.merge(socket(child))
    with pytest.raises(SetupError, match=words), TestClient(Lihil(above)):
        pass


# Paths on the wire, and mounts.


@pytest.mark.parametrize(
    ("pattern", "asked", "expected"),
    [
        ("/", "/", {}),
        ("caf\xe9", "/caf%C3%A9", {}),
        ("{x}", "/a%20b", {"x": "a b"}),
        ("{x}", "/%E2%82%AC", {"x": "€"}),
        ("{x}", "/%ff", {"x": "\ufffd"}),
        ("{x}/{y}", "/a%2Fb", {"x": "a", "y": "b"}),
        ("{x}", "/a%3Fb", {"x": "a?b"}),
        ("{p:path}", "/a//b", {"p": "a//b"}),
    ],
)
def test_paths_are_matched_as_the_server_decodes_them(pattern: str, asked: str, expected: dict[str, str]) -> None:
    with TestClient(Lihil(socket(pattern))).websocket_connect(asked) as ws:
        assert ws.receive_json()[1] == expected


@pytest.mark.parametrize(
    ("root", "path", "found"),
    [
        ("", "/ws", True),
        ("/api", "/api/ws", True),
        ("/api/", "/api/ws", True),
        ("/api", "/apiws", False),
        ("/api", "/api/api/ws", False),
        ("/api", "/ws", True),
        ("/ws", "/ws/ws", True),
    ],
)
def test_a_root_path_is_left_out(root: str, path: str, found: bool) -> None:
    answer = dial(Lihil(socket("ws")), path, root_path=root)
    assert answer == [path, {}] if found else answer["status"] == 404


def test_the_root_of_a_mounted_app_is_its_root_path() -> None:
    assert dial(Lihil(socket("/")), "/api", root_path="/api") == ["/api", {}]


def test_parameters_of_an_outer_mount_are_kept() -> None:
    answer = dial(Lihil(socket("{x}")), "/7", path_params={"tenant": "t", "x": "outer"})
    assert answer == ["/7", {"tenant": "t", "x": "7"}]


# Host and Origin.

LOCAL = ("127.0.0.1", 8000)
Fields = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    "fields",
    [
        [(b"host", b"localhost"), (b"host", b"localhost")],
        [(b"host", b"localhost"), (b"host", b"evil.example")],
        [(b"host", b"")],
        [(b"host", b"a b")],
        [(b"host", b"\xff\xfe")],
        [(b"host", b"user@localhost")],
        [(b"host", b"localhost:99999")],
        [(b"host", b"[::1")],
        [(b"host", b"localhost, evil.example")],
    ],
)
@pytest.mark.parametrize("allowed", [None, "*", ["localhost"]])
def test_a_host_field_that_is_none_or_stands_twice_is_a_400_whatever_is_allowed(fields: Fields, allowed: Any) -> None:
    app = Lihil(socket("ws"), http("page", "get"), allowed_hosts=allowed)
    assert dial(app, "/ws", headers=fields)["status"] == 400
    assert problem_of(ask(app, "GET", "/page", headers=fields))["status"] == 400


def test_a_foreign_host_is_a_421_and_one_log_line_says_how_to_allow_it(caplog: pytest.LogCaptureFixture) -> None:
    app = Lihil(socket("ws"), http("page", "get"))
    fields = [(b"host", b"evil.example")]
    assert dial(app, "/ws", headers=fields, server=LOCAL)["status"] == 421
    assert problem_of(ask(app, "GET", "/page", headers=fields, server=LOCAL))["status"] == 421
    assert [record.getMessage() for record in caplog.records] == [
        f"host 'evil.example' refused for '{path}'; allow it with Lihil(allowed_hosts=[...])"
        for path in ("/ws", "/page")
    ]
    assert dial(app, "/ws", headers=[(b"host", b"localhost:8000")], server=LOCAL) == ["/ws", {}]
    allowing = Lihil(socket("ws"), allowed_hosts=["evil.example"])
    assert dial(allowing, "/ws", headers=fields, server=LOCAL) == ["/ws", {}]


@pytest.mark.parametrize("server", [None, ("/run/app.sock", None)])
def test_a_server_without_an_address_takes_any_host(server: Any) -> None:
    assert dial(Lihil(socket("ws")), "/ws", headers=[(b"host", b"example.com")], server=server) == ["/ws", {}]


@pytest.mark.parametrize(
    "origins", [[b"https://evil.example"], [b"null"], [b""], [b"\xff"], [b"http://example.com", b"http://example.com"]]
)
def test_a_foreign_origin_is_a_403_and_one_log_line_says_how_to_allow_it(
    origins: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    fields = [(b"host", b"example.com"), *((b"origin", origin) for origin in origins)]
    problem = dial(Lihil(socket("ws")), "/ws", headers=fields)
    assert (problem["status"], problem["title"]) == (403, "Forbidden")
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "lihil.app")
    assert record.getMessage().endswith("refused for '/ws'; allow it with Lihil(allowed_origins=[...])")


def test_an_origin_of_the_same_host_or_on_the_list_is_accepted() -> None:
    app = Lihil(socket("ws"), allowed_origins=["https://page.example"])
    for origin in (b"http://example.com", b"https://page.example"):
        assert dial(app, "/ws", headers=[(b"host", b"example.com"), (b"origin", origin)]) == ["/ws", {}]


def test_the_origin_of_a_plain_request_is_left_to_the_browser() -> None:
    fields = [(b"host", b"example.com"), (b"origin", b"https://evil.example")]
    assert ask(Lihil(http("page", "get")), "GET", "/page", headers=fields)[0] == 200


def test_what_a_client_sends_is_logged_without_its_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    fields = [(b"host", b"example.com"), (b"origin", b"\x1b]0;title\x07\x9b2J")]
    dial(Lihil(socket("ws")), "/\x1b[2J\u202e\nforged", headers=fields)
    [record] = caplog.records
    assert record.getMessage().isascii()
    assert record.getMessage().isprintable()


# Whatever a client sends, it is never the server's fault.

TEXT = st.text(max_size=30)
BYTES = st.one_of(st.binary(max_size=30), TEXT.map(lambda text: text.encode(errors="replace")))
NAMES = st.sampled_from([b"host", b"origin", b"cookie", b"x-n", b"sec-websocket-protocol", b"content-length"])


async def typed(
    ws: WebSocket,
    name: str,
    n: int,
    tags: list[int] | None = None,
    ratio: float = 0,
    when: Any = None,
    *,
    agent: Annotated[int, Param("header", alias="x-n")] = 0,
    session: Annotated[str, Param("cookie")] = "",
) -> None:
    await ws.accept()


def fuzzed() -> Lihil:
    route = WebSocketRoute("t/{name}")
    route.ws_handler(typed)
    return Lihil(route, socket("ws"), socket("i/{n:int}/{u:uuid}/{f:float}"), http("page/{p:path}", "get"))


APP = fuzzed()
PATHS = st.one_of(
    TEXT,
    TEXT.map(lambda text: f"/t/{text}"),
    TEXT.map(lambda text: f"/page/{text}"),
    st.from_regex(r"/i/[0-9]{1,9}/[0-9a-f]{32}/[0-9.]{1,9}"),
)
QUERIES = st.one_of(BYTES, BYTES.map(lambda data: b"n=" + data), st.just(b"n=" + b"9" * 5000), st.just(b"&" * 1000))


@given(PATHS, QUERIES, st.lists(st.tuples(NAMES, BYTES), max_size=4), st.sampled_from(["GET", "OPTIONS", "\x00"]))
def test_no_request_gets_a_5xx(path: str, query: bytes, headers: Fields, method: str) -> None:
    scope = {"query_string": query, "headers": headers}
    sent = run(Peer(APP, path, **scope).finish())  # type: ignore[arg-type]
    assert kinds(sent)[0] == "accept" or sent[0]["status"] < 500
    assert ask(APP, method, path, **scope)[0] < 500
