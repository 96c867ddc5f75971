"""The life of one request: parameters, resources, results of every kind, and everything that can fail."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Any

import pytest
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.websockets import WebSocket as StarletteWebSocket

from lihil import (
    HTML,
    AsyncResource,
    AsyncScope,
    Graph,
    HTTPException,
    Lihil,
    Param,
    Request,
    Resource,
    Response,
    Route,
    SetupError,
    Struct,
    Text,
    WebSocket,
    use,
)
from lihil.errors import ResourceError
from lihil.vendors import TestClient


class Session(Struct):
    user: str


def client_of(*routes: Any, graph: Graph | None = None, is_quiet: bool = False) -> TestClient:
    """A client; a quiet one shows a 500 as a server would, and does not raise what the app raised."""
    return TestClient(Lihil(*routes, graph=graph), raise_server_exceptions=not is_quiet)


def route_of(handler: Callable[..., Any], path: str = "x", **options: Any) -> Route:
    route = Route(path)
    route.get(**options)(handler)
    return route


def problems_of(handler: Callable[..., Any], path: str = "x", **options: Any) -> str:
    with pytest.raises(SetupError) as refused, client_of(route_of(handler, path, **options)):
        pass
    return str(refused.value)


def test_parameters_come_from_path_query_header_and_cookie() -> None:
    async def handler(
        room: str,
        limit: int,
        user_agent: Annotated[str, Param("header")],
        theme: Annotated[str, Param("cookie")] = "light",
    ) -> list[str | int]:
        return [room, limit, user_agent, theme]

    with client_of(route_of(handler, "rooms/{room}")) as client:
        assert client.get("/rooms/blue?limit=3").json() == ["blue", 3, "testclient", "light"]
        client.cookies.set("theme", "dark")
        assert client.get("/rooms/blue?limit=3").json()[-1] == "dark"


def test_every_wrong_parameter_is_named_in_one_422_and_nothing_is_built() -> None:
    built: list[str] = []

    def session(x_user: Annotated[str, Param("header")]) -> Session:
        built.append(x_user)
        return Session(x_user)

    async def handler(number: int, limit: int, session: Annotated[Session, use(session)]) -> None: ...

    with client_of(route_of(handler, "x/{number}")) as client:
        response = client.get("/x/one?limit=many")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert (told["status"], told["instance"], built) == (422, "/x/one", [])
    named = {(issue["location"], issue["param"]) for issue in told["errors"]}
    assert named == {("path", "number"), ("query", "limit"), ("header", "x-user")}


def test_the_request_the_app_the_graph_and_the_scope_are_at_hand() -> None:
    async def handler(
        request: Request, connection: HTTPConnection, app: Lihil, graph: Graph, scope: AsyncScope
    ) -> list[object]:
        is_app = request.app is app and app.graph is graph
        return [request.url.path, connection is request, is_app, isinstance(scope, AsyncScope)]

    with client_of(route_of(handler)) as client:
        assert client.get("/x").json() == ["/x", True, True, True]


class OtherRequest(Request):
    """A request of the app's own making, which nobody here can make."""


@pytest.mark.parametrize("kind", [WebSocket, StarletteWebSocket, OtherRequest])
def test_a_type_of_the_other_protocol_is_refused_when_the_app_starts(kind: type) -> None:
    async def handler(connection: Any) -> None: ...

    handler.__annotations__["connection"] = kind
    told = problems_of(handler)
    assert "handler(connection): there is no " in told
    assert f"{kind.__name__} on this kind of route" in told
    assert "fix: take `request: Request`, or serve a WebSocket by a WebSocketRoute" in told


def test_all_that_is_wrong_with_a_handler_is_said_at_once() -> None:
    async def handler(nobody, other: WebSocket) -> Annotated[Text, 204]:  # type: ignore[no-untyped-def]
        return ""

    told = problems_of(handler)
    assert "3 set-up problems" in told
    assert "handler(nobody): it has no annotation" in told
    assert "handler(other): there is no " in told
    assert "handler: a response of status 204 has no content" in told


def test_an_annotation_that_does_not_resolve_is_said_once() -> None:
    async def handler(x: int) -> "Nowhere":  # type: ignore[name-defined]  # noqa: F821
        ...

    assert problems_of(handler).count("'Nowhere' is not defined") == 1


def test_a_sync_handler_runs_in_a_thread_while_the_loop_serves_others() -> None:
    answered = threading.Event()

    def slow() -> Text:
        return "served meanwhile" if answered.wait(5) else "blocked"

    async def quick() -> None:
        answered.set()

    results: list[str] = []
    with client_of(route_of(slow, "slow"), route_of(quick, "quick")) as client:
        asking = threading.Thread(target=lambda: results.append(client.get("/slow").text))
        asking.start()
        client.get("/quick")
        asking.join()
    assert results == ["served meanwhile"]


def test_a_sync_handler_gets_its_parameters_and_dependencies() -> None:
    def session(x_user: Annotated[str, Param("header")]) -> Resource[Session]:
        yield Session(x_user)

    def handler(number: int, session: Annotated[Session, use(session)]) -> Text:
        return f"{session.user} {number}"

    with client_of(route_of(handler, "x/{number}")) as client:
        assert client.get("/x/3", headers={"x-user": "ada"}).text == "ada 3"


def test_an_endpoint_describes_its_parameters() -> None:
    async def handler(number: int, item: Session) -> None: ...

    (endpoint,) = Lihil(route_of(handler, "x/{number}")).endpoints()
    assert (endpoint.kind, endpoint.method, endpoint.pattern.path) == ("http", "GET", "/x/{number}")
    specs = {spec.name: spec.source for spec in endpoint.signature().specs}
    assert specs == {"number": "path", "item": "body"}


# Results and resources.


def test_a_response_passes_whatever_the_return_type_says() -> None:
    async def handler(where: str) -> HTML | Response:
        if where == "here":
            return "<p>here</p>"
        return RedirectResponse("/x?where=here", status_code=303, headers={"x-mine": "1"})

    with client_of(route_of(handler)) as client:
        response = client.get("/x?where=there", follow_redirects=False)
        assert (response.status_code, response.headers["x-mine"]) == (303, "1")
        assert client.get("/x?where=there").text == "<p>here</p>"


def test_a_streaming_response_keeps_the_resources_open_to_its_end() -> None:
    said: list[str] = []

    async def connection() -> AsyncResource[str]:
        yield "row"
        said.append("closed")

    async def handler(connection: Annotated[str, use(connection)]) -> Response:
        async def rows() -> AsyncIterator[str]:
            for number in range(2):
                said.append(f"row {number}")
                yield connection

        return StreamingResponse(rows())

    with client_of(route_of(handler)) as client:
        assert client.get("/x").text == "rowrow"
    assert said == ["row 0", "row 1", "closed"]


def test_a_background_task_runs_while_the_resources_are_open() -> None:
    said: list[str] = []

    async def connection() -> AsyncResource[str]:
        yield "open"
        said.append("closed")

    async def handler(connection: Annotated[str, use(connection)]) -> Response:
        return PlainTextResponse("later", background=BackgroundTask(said.append, "background"))

    with client_of(route_of(handler)) as client:
        assert client.get("/x").text == "later"
    assert said == ["background", "closed"]


@pytest.mark.parametrize("result", [{"saved": True}, JSONResponse({"saved": True})], ids=["value", "response"])
def test_no_success_is_sent_before_a_resource_has_committed(result: object) -> None:
    async def transaction() -> AsyncResource[str]:
        yield "open"
        raise ValueError("commit failed")

    async def handler(transaction: Annotated[str, use(transaction)]) -> Any:
        return result

    with client_of(route_of(handler), is_quiet=True) as client:
        assert client.get("/x").status_code == 500


def test_resources_see_what_the_handler_raised() -> None:
    said: list[str] = []

    async def transaction() -> AsyncResource[str]:
        try:
            yield "open"
        except HTTPException as exc:
            said.append(f"rolled back: {exc.detail}")
            raise

    async def handler(transaction: Annotated[str, use(transaction)]) -> None:
        raise HTTPException(409, "taken")

    with client_of(route_of(handler)) as client:
        assert client.get("/x").status_code == 409
    assert said == ["rolled back: taken"]


def test_a_test_can_put_a_fake_in_a_providers_place_and_take_it_back() -> None:
    graph = Graph()

    @graph.node
    def session() -> Session:
        return Session("real")

    async def handler(session: Session) -> Text:
        return session.user

    with client_of(route_of(handler), graph=graph) as client:
        assert client.get("/x").text == "real"
        with graph.override(Session, value=Session("fake")):
            assert client.get("/x").text == "fake"
        assert client.get("/x").text == "real"


def test_head_is_answered_by_the_get_handler_without_content() -> None:
    async def handler() -> Text:
        return "content"

    with client_of(route_of(handler)) as client:
        got, headed = client.get("/x"), client.head("/x")
    assert headed.headers == got.headers
    assert (headed.status_code, headed.content) == (200, b"")


# What can fail.


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (HTTPException(404, "no such room", headers={"x-hint": "1"}), 404, "no such room"),
        (StarletteHTTPException(418, "tea", headers={"x-hint": "1"}), 418, "tea"),
    ],
    ids=["lihil's", "starlette's"],
)
def test_a_status_that_was_raised_is_answered_as_problem_details(
    error: Exception, status: int, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler() -> None:
        raise error

    with client_of(route_of(handler)) as client:
        response = client.get("/x")
    assert (response.status_code, response.headers["x-hint"]) == (status, "1")
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.json()["detail"], response.json()["instance"]) == (detail, "/x")
    assert [record for record in caplog.records if record.name == "lihil.http"] == []


def test_the_one_refusal_in_a_task_group_is_the_answer() -> None:
    async def handler() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.Event().wait())
            raise HTTPException(404, "no such room")

    with client_of(route_of(handler)) as client:
        assert client.get("/x").json()["detail"] == "no such room"


def test_a_header_that_cannot_be_sent_is_a_500() -> None:
    async def handler() -> None:
        raise HTTPException(404, headers={"x-\u2603": "1"})

    with client_of(route_of(handler)) as client, pytest.raises(UnicodeEncodeError):
        client.get("/x")


def raises_in_handler() -> Callable[..., Any]:
    async def handler() -> None:
        raise ValueError("the secret")

    return handler


def raises_in_a_thread() -> Callable[..., Any]:
    def handler() -> None:
        raise ValueError("the secret")

    return handler


def raises_in_a_dependency() -> Callable[..., Any]:
    def broken() -> str:
        raise ValueError("the secret")

    async def handler(value: Annotated[str, use(broken)]) -> None: ...

    return handler


def raises_a_status_that_refuses_nothing() -> Callable[..., Any]:
    async def handler() -> None:
        raise StarletteHTTPException(200, "the secret")

    return handler


def says_that_a_client_has_gone_which_is_there() -> Callable[..., Any]:
    async def handler() -> None:
        raise ClientDisconnect

    return handler


def returns_what_json_cannot_hold() -> Callable[..., Any]:
    class Secret:
        """No data."""

    async def handler() -> Any:
        return Secret()

    return handler


@pytest.mark.parametrize(
    "make",
    [
        raises_in_handler,
        raises_in_a_thread,
        raises_in_a_dependency,
        raises_a_status_that_refuses_nothing,
        says_that_a_client_has_gone_which_is_there,
        returns_what_json_cannot_hold,
    ],
)
def test_an_unexpected_exception_is_a_500_that_tells_the_log_everything_and_the_client_nothing(
    make: Callable[[], Callable[..., Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(route_of(make(), "x/{name}"), is_quiet=True) as client:
        response = client.get("/x/somebody")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text.lower()
    (record,) = (record for record in caplog.records if record.name == "lihil.http")
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "handler failed on GET /x/{name}")
    assert record.exc_info is not None


def test_a_test_client_shows_the_exception_itself() -> None:
    with client_of(route_of(raises_in_handler())) as client, pytest.raises(ValueError, match="the secret"):
        client.get("/x")


def test_a_resource_that_swallows_the_exception_leaves_nothing_to_answer_with() -> None:
    async def swallowing() -> AsyncResource[str]:
        with suppress(ValueError):
            yield "open"

    async def handler(value: Annotated[str, use(swallowing)]) -> None:
        raise ValueError("gone")

    with client_of(route_of(handler)) as client, pytest.raises(ResourceError, match="a resource of handler swallowed"):
        client.get("/x")


SCOPE = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"host", b"localhost")], "query_string": b""}


async def leave_in_the_middle(handler: Callable[..., Any]) -> list[str]:
    """What an app sends to a client that leaves inside its body."""
    app = Lihil(route_of(handler))
    sent: list[str] = []
    inbox = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return inbox.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app(dict(SCOPE), receive, send)
    return sent


def reads_a_parameter() -> Callable[..., Any]:
    async def handler(data: dict[str, int]) -> None: ...

    return handler


def reads_the_request() -> Callable[..., Any]:
    async def handler(request: Request) -> None:
        await request.body()

    return handler


def reads_in_a_task_group() -> Callable[..., Any]:
    async def handler(request: Request) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(request.body())

    return handler


def reads_under_a_resource_that_swallows() -> Callable[..., Any]:
    async def swallowing() -> AsyncResource[str]:
        with suppress(ClientDisconnect):
            yield "open"

    async def handler(request: Request, value: Annotated[str, use(swallowing)]) -> None:
        await request.body()

    return handler


@pytest.mark.parametrize(
    "make", [reads_a_parameter, reads_the_request, reads_in_a_task_group, reads_under_a_resource_that_swallows]
)
def test_a_client_that_leaves_inside_its_body_is_no_error_and_gets_no_answer(
    make: Callable[[], Callable[..., Any]], caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncio.run(leave_in_the_middle(make())) == []
    assert caplog.records == []


def test_a_refusal_that_no_client_waits_for_is_dropped() -> None:
    async def handler() -> None:
        raise HTTPException(404)

    async def main() -> None:
        async def send(message: Any) -> None:
            raise ConnectionResetError

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        await Lihil(route_of(handler))(dict(SCOPE), receive, send)

    asyncio.run(main())
