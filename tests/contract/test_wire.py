"""What goes over the wire: the same app, the same assertions, in memory and through a real server."""

import asyncio
import json
import logging
import queue
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import product
from typing import Annotated, Any
from uuid import uuid4

import pytest

from lihil import AsyncResource, HTTPException, Ignore, Lihil, Param, Route, Struct, WebSocket, WebSocketRoute, use
from lihil.websocket.watch import DisconnectWatch
from tests.contract.transports import (
    TRANSPORTS,
    Answer,
    Call,
    Conversation,
    Ended,
    OverUvicorn,
    Transport,
    over_uvicorn,
    raw_exchange,
)

SECRET = "password=hunter2"
LINES: dict[str, "queue.SimpleQueue[str]"] = defaultdict(queue.SimpleQueue)


class Page(Struct):
    """A parameter pack."""

    size: int
    start: int = 0


async def told(ws: Ignore[WebSocket], tag: str) -> Ignore[AsyncResource[WebSocket]]:
    """Writes down when the connection's resource is opened and closed."""
    await ws.accept()
    LINES[tag].put("opened")
    try:
        yield ws
    finally:
        LINES[tag].put("closed")


async def sleeps(ws: WebSocket) -> None:
    await asyncio.sleep(3600)


async def receives(ws: WebSocket) -> None:
    await ws.receive_text()


async def sends(ws: WebSocket) -> None:
    while True:
        await ws.send_text("tick")
        await asyncio.sleep(0.01)


async def waits_in_a_group(ws: WebSocket) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(3600))
        group.create_task(asyncio.Event().wait())


async def receives_in_a_group(ws: WebSocket) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(ws.receive_text())
        group.create_task(asyncio.sleep(3600))


async def returns(ws: WebSocket) -> None:
    return


async def closes(ws: WebSocket) -> None:
    await ws.close(4000, "as I like")


async def fails(ws: WebSocket) -> None:
    raise ValueError(SECRET)


async def refuses(ws: WebSocket) -> None:
    raise HTTPException(403, "not yours")


ACTS: dict[str, Callable[[WebSocket], Any]] = {
    act.__name__: act
    for act in (
        sleeps,
        receives,
        sends,
        waits_in_a_group,
        receives_in_a_group,
        returns,
        closes,
        fails,
        refuses,
    )
}


async def open_act(ws: Annotated[WebSocket, use(told)], act: str) -> None:
    await ACTS[act](ws)


async def early_act(ws: WebSocket, act: str) -> None:
    await ACTS[act](ws)


async def typed(
    ws: WebSocket,
    room: int,
    max_users: int,
    page: Annotated[Page, Param("query")],
    tags: list[str] | None = None,
    flag: bool = False,
    token: Annotated[str, Param("header", alias="x-token")] = "none",
    session: Annotated[str, Param("cookie")] = "none",
) -> None:
    await ws.accept()
    await ws.send_json([room, max_users, page, tags, flag, token, session])


async def echo(ws: WebSocket) -> None:
    await ws.accept("v2" if "v2" in ws.subprotocols else None, headers=[(b"x-served-by", b"lihil")])
    async for text in ws.iter_text():
        await ws.send_text(text)


async def read() -> str:
    return "page"


def make_app() -> Lihil:
    app = Lihil(allowed_hosts=["testserver"], allowed_origins=["https://page.example"])
    handlers: dict[str, Callable[..., Any]] = {
        "open/{act}": open_act,
        "early/{act}": early_act,
        "typed/{room}": typed,
        "echo": echo,
        "files/{name:path}": echo,
    }
    for path, handler in handlers.items():
        route = WebSocketRoute(path)
        route.ws_handler(handler)
        app.include(route)
    page = Route("page")
    page.get(read)
    return app.include(page)


@pytest.fixture(scope="module", params=TRANSPORTS)
def wire(request: pytest.FixtureRequest) -> Iterator[Transport]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DisconnectWatch, "tick_s", 0.02)
        with TRANSPORTS[request.param](make_app()) as transport:
            yield transport


@pytest.fixture(scope="module")
def server() -> Iterator[OverUvicorn]:
    with over_uvicorn(make_app()) as transport:
        yield transport


def refusal(wire: Transport, target: str, **options: Any) -> Answer:
    with wire.dial(Call(target, **options)) as answer:
        assert isinstance(answer, Answer)
        return answer


def problem_of(answer: Answer) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.body))
    problem: dict[str, Any] = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert SECRET.encode() not in answer.body
    return problem


def opened(answer: Conversation | Answer) -> Conversation:
    assert not isinstance(answer, Answer), answer
    return answer


def said_by_us(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What lihil logged; a server logs on its own, and later."""
    return [record for record in caplog.records if record.name.startswith("lihil")]


def last_line(tag: str) -> list[str]:
    """All that the connection's resource wrote, once it is closed."""
    lines = [LINES[tag].get(timeout=20)]
    while lines[-1] != "closed":
        lines.append(LINES[tag].get(timeout=20))
    return lines


# Parameters.


def test_every_missing_and_invalid_parameter_is_named_in_a_422(wire: Transport) -> None:
    problem = problem_of(
        refusal(wire, "/typed/x?max_users=abc&size=big&flag=perhaps", headers={"cookie": "other=1", "x-token": SECRET})
    )
    assert (problem["status"], problem["type"], problem["title"]) == (422, "invalid-parameters", "Invalid parameters")
    assert problem["instance"] == "/typed/x"
    assert [(error["type"], error["location"], error["param"]) for error in problem["errors"]] == [
        ("InvalidDataType", "path", "room"),
        ("InvalidDataType", "query", "max_users"),
        ("InvalidDataType", "query", "size"),
        ("InvalidDataType", "query", "flag"),
    ]


def test_a_missing_parameter_is_named_with_its_type(wire: Transport) -> None:
    problem = problem_of(refusal(wire, "/typed/1"))
    assert [error["message"] for error in problem["errors"]] == ["missing, expected int"] * 2


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("max_users=5&size=2", {}, [7, 5, {"size": 2, "start": 0}, None, False, "none", "none"]),
        (
            "max_users=5&size=2&start=1&tags=a&tags=b,c&flag=true",
            {"x-token": "t", "cookie": "session=s; other=o"},
            [7, 5, {"size": 2, "start": 1}, ["a", "b,c"], True, "t", "s"],
        ),
        ("max_users=-1&size=2&flag=1", {"cookie": ""}, [7, -1, {"size": 2, "start": 0}, None, True, "none", "none"]),
    ],
)
def test_parameters_arrive_typed_from_path_query_header_and_cookie(
    wire: Transport, query: str, headers: dict[str, str], expected: list[Any]
) -> None:
    with wire.dial(Call(f"/typed/7?{query}", headers=headers)) as answer:
        data = opened(answer).receive()
        assert isinstance(data, str)
        assert json.loads(data) == expected


# Paths and protocols.


def test_an_unknown_path_is_a_404(wire: Transport) -> None:
    for answer in (refusal(wire, "/nowhere"), wire.request(Call("/nowhere"))):
        assert problem_of(answer)["detail"] == "nothing answers on this path"
        assert answer.status == 404


def test_a_trailing_slash_is_a_404_with_a_hint(wire: Transport) -> None:
    assert problem_of(refusal(wire, "/echo/"))["detail"].endswith("without the trailing slash: /echo")


def test_http_on_a_websocket_path_is_a_426(wire: Transport) -> None:
    for method in ("GET", "POST"):
        answer = wire.request(Call("/echo", method))
        assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")
        assert problem_of(answer)["title"] == "Upgrade Required"


def test_a_websocket_on_an_http_path_is_a_404_that_says_what_the_path_answers(wire: Transport) -> None:
    answer = refusal(wire, "/page")
    assert answer.status == 404
    assert "upgrade" not in answer.headers
    assert "it answers GET, HEAD, OPTIONS over plain HTTP" in problem_of(answer)["detail"]


# Host and Origin.


@pytest.mark.parametrize(
    ("headers", "status", "hint"),
    [
        ({"origin": "https://evil.example"}, 403, "origin 'https://evil.example' refused for '/echo'; allow it with"),
        ({"origin": "null"}, 403, "origin 'null' refused for '/echo'; allow it with Lihil(allowed_origins=[...])"),
        ({"host": "evil.example"}, 421, "host 'evil.example' refused for '/echo'; allow it with Lihil(allowed_hosts"),
    ],
)
def test_a_foreign_page_is_refused_and_one_log_line_says_how_to_allow_it(
    wire: Transport, headers: dict[str, str], status: int, hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert problem_of(refusal(wire, "/echo", headers=headers))["status"] == status
    [record] = said_by_us(caplog)
    assert record.getMessage().startswith(hint)


def test_a_foreign_host_is_refused_over_http_too(wire: Transport) -> None:
    assert problem_of(wire.request(Call("/page", headers={"host": "evil.example"})))["status"] == 421


def test_a_page_on_the_list_and_a_client_without_an_origin_are_accepted(wire: Transport) -> None:
    for headers in ({"origin": "https://page.example"}, {}):
        with wire.dial(Call("/echo", headers=headers)) as answer:
            opened(answer).send("hello")
            assert opened(answer).receive() == "hello"


# The handler decides.


def test_what_accept_says_reaches_the_client(wire: Transport) -> None:
    with wire.dial(Call("/echo", subprotocols=["v1", "v2"])) as answer:
        assert opened(answer).subprotocol == "v2"
        assert opened(answer).headers["x-served-by"] == "lihil"


def test_a_path_parameter_may_hold_slashes_and_any_text(wire: Transport) -> None:
    with wire.dial(Call("/files/a/b%20c/%E2%82%AC")) as answer:
        opened(answer).send("hello")
        assert opened(answer).receive() == "hello"


@pytest.mark.parametrize(
    ("act", "status", "title"),
    [("refuses", 403, "Forbidden"), ("fails", 500, "Internal Server Error")],
)
def test_before_accept_an_exception_is_a_denial_response(wire: Transport, act: str, status: int, title: str) -> None:
    problem = problem_of(refusal(wire, f"/early/{act}"))
    assert (problem["status"], problem["title"], problem["instance"]) == (status, title, f"/early/{act}")
    assert problem.get("detail") == ("not yours" if act == "refuses" else None)


@pytest.mark.parametrize("act", ["returns", "closes"])
def test_a_handler_that_does_not_accept_is_a_403(wire: Transport, act: str) -> None:
    assert refusal(wire, f"/early/{act}").status == 403


def test_a_handler_that_does_not_accept_is_named_in_a_warning(
    wire: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    refusal(wire, "/early/returns")
    [record] = said_by_us(caplog)
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("early_act returned without accepting /early/{act} (")


@pytest.mark.parametrize(
    ("act", "ended"),
    [
        ("returns", Ended(1000)),
        ("closes", Ended(4000, "as I like")),
        ("refuses", Ended(4403, "Forbidden")),
        ("fails", Ended(1011, "Internal Server Error")),
    ],
)
def test_after_accept_the_client_gets_a_close_frame_and_resources_are_closed_once(
    wire: Transport, act: str, ended: Ended
) -> None:
    tag = uuid4().hex
    with wire.dial(Call(f"/open/{act}?tag={tag}")) as answer:
        assert opened(answer).receive() == ended
    assert last_line(tag) == ["opened", "closed"]
    assert LINES[tag].empty()


def test_an_exception_is_logged_with_route_and_connection(wire: Transport, caplog: pytest.LogCaptureFixture) -> None:
    refusal(wire, "/early/fails")
    [record] = said_by_us(caplog)
    assert (record.name, record.levelno) == ("lihil.websocket", logging.ERROR)
    assert record.getMessage().startswith("early_act failed on /early/{act} ('")
    assert record.exc_info is not None
    assert SECRET in str(record.exc_info[1])


# The client goes.


@pytest.mark.parametrize(
    ("act", "way"),
    [
        *product(("receives", "receives_in_a_group"), ("closes", "drops")),
        *product(("sends", "sleeps", "waits_in_a_group"), ("closes", "drops", "closes after unread messages")),
    ],
)
def test_a_client_that_goes_ends_the_handler_and_closes_its_resources_once(
    wire: Transport, act: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    tag = uuid4().hex
    with wire.dial(Call(f"/open/{act}?tag={tag}")) as answer:
        conversation = opened(answer)
        if way == "closes after unread messages":
            for number in range(5):
                conversation.send(str(number))
        conversation.drop() if way == "drops" else conversation.close(1001, "away")
        assert last_line(tag) == ["opened", "closed"]
    assert LINES[tag].empty()
    assert said_by_us(caplog) == []


# Nasty bytes, and what only a real server shows.

HANDSHAKE = (
    b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def request(target: bytes = b"/echo", *, more: bytes = b"", host: bytes = b"Host: 127.0.0.1\r\n") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HANDSHAKE.replace(b"Host: 127.0.0.1\r\n", host) + more + b"\r\n"


NASTY = {
    "two hosts": request(host=b"Host: 127.0.0.1\r\nHost: evil.example\r\n"),
    "the same host twice": request(host=b"Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n"),
    "an empty host": request(host=b"Host:\r\n"),
    "no host": request(host=b""),
    "a host with userinfo": request(host=b"Host: user@127.0.0.1\r\n"),
    "high bytes in the host": request(host=b"Host: \xff\xfe\r\n"),
    "two origins": request(more=b"Origin: http://127.0.0.1\r\nOrigin: http://evil.example\r\n"),
    "high bytes in the origin": request(more=b"Origin: \xff\xfe\r\n"),
    "a traversal": request(b"/../../etc/passwd"),
    "an encoded slash": request(b"/echo%2f"),
    "a NUL in the path": request(b"/echo%00"),
    "bad UTF-8 in the path": request(b"/typed/%ff%fe?max_users=1&size=1"),
    "a broken percent in the path": request(b"/typed/%zz?max_users=1&size=1"),
    "line breaks in the path": request(b"/typed/%0d%0aset-cookie:x?max_users=1&size=1"),
    "the absolute form": request(b"http://evil.example/nowhere"),
    "bad UTF-8 in the query": request(b"/typed/1?max_users=%ff&size=%c0%80"),
    "a NUL in the query": request(b"/typed/1?max_users=%00&size=1"),
    "a number of 5,000 digits": request(b"/typed/1?max_users=" + b"9" * 5000 + b"&size=x"),
    "a path number of 5,000 digits": request(b"/typed/" + b"9" * 5000),
    "1,000 parameters": request(b"/typed/1?" + b"x=1&" * 1000),
    "a long query": request(b"/typed/1?max_users=" + b"a" * 7000),
    "cookies without sense": request(b"/typed/1", more=b"Cookie: =;;==; session; \xff=\xfe\r\n"),
    "a latin-1 header": request(b"/typed/1", more=b"X-Token: \xe9\r\n"),
    "junk extensions": request(b"/typed/1", more=b"Sec-WebSocket-Extensions: ;;,=,\x80\r\n"),
    "a subprotocol with high bytes": request(b"/typed/1", more=b"Sec-WebSocket-Protocol: \xff, ,\r\n"),
    "an old version": request().replace(b"Version: 13", b"Version: 12"),
    "no key": request().replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_bytes_get_a_4xx_and_the_server_lives(name: str, server: OverUvicorn) -> None:
    answer = raw_exchange(server.port, NASTY[name])
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert b"Traceback" not in answer
    with server.dial(Call("/echo")) as healthy:
        opened(healthy).send("still here")
        assert opened(healthy).receive() == "still here"


@pytest.mark.parametrize("name", ["two hosts", "the same host twice", "an empty host", "high bytes in the host"])
def test_a_host_that_is_none_is_a_400(name: str, server: OverUvicorn) -> None:
    assert raw_exchange(server.port, NASTY[name]).startswith(b"HTTP/1.1 400")
