import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.network.handshake import CannotConnectError
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.opening import load_schema, open_place, unreachable
from lihil_cli.wstest.place.locate import Located, Place, locate
from tests.lihil_cli.wstest.place.test_schema import CONTENT, route

APP = """\
from lihil import Lihil, WebSocket, WebSocketRoute

rooms = WebSocketRoute("rooms/{name}")

@rooms.ws_handler
async def talk(ws: WebSocket, name: str, size: int) -> None:
    await ws.accept()

app = Lihil(rooms)
bare = lambda scope, receive, send: None
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "opened_app.py").write_text(APP)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("opened_app", None)


def opened(place: Located, *, is_forced: bool = False) -> tuple[Target, list[str]]:
    told: list[str] = []

    async def run() -> Target:
        async with open_place(place, (), is_forced=is_forced, is_verbose=True, tell=told.append) as target:
            return target

    return asyncio.run(run()), told


def at_dev_server(folder: Path, path: str, schema: str = json.dumps(CONTENT)) -> Located:
    (folder / "schema.json").write_text(schema)
    return Located(Target(f"ws://127.0.0.1:9{path}"), "dev server", schema=folder / "schema.json")


def test_the_dev_servers_schema_is_asked_before_anything_is_sent(tmp_path: Path) -> None:
    target, told = opened(at_dev_server(tmp_path, "/web_socket/a?max_users=5"))
    assert target.path == "/web_socket/a?max_users=5"
    assert told == ["-> ws://127.0.0.1:9/web_socket/a?max_users=5 (dev server)"]
    with pytest.raises(CliError, match=r"expected int, got 'x' \(--force sends it anyway\)") as caught:
        opened(at_dev_server(tmp_path, "/web_socket/a?max_users=x"))
    assert caught.value.code == ExitCode.USAGE
    assert opened(at_dev_server(tmp_path, "/web_socket/a?max_users=x"), is_forced=True)[0]


@pytest.mark.parametrize("schema", ["", "nonsense", "{}"])
def test_a_schema_that_is_none_says_nothing(tmp_path: Path, schema: str) -> None:
    assert opened(at_dev_server(tmp_path, "/anything", schema))[0]


def test_an_app_here_is_started_and_asked_too(project: Path) -> None:
    place = Located(Target("ws://localhost/rooms/a?size=1"), "--app", app="opened_app:app", root=project)
    target, told = opened(place)
    assert target.app is not None
    assert (target.address, told) == ("opened_app:app", ["-> /rooms/a?size=1 (--app)"])
    with pytest.raises(CliError, match="query size is missing: int"):
        opened(Located(Target("ws://localhost/rooms/a"), "--app", app="opened_app:app", root=project))


def test_a_routes_name_becomes_its_path_wherever_the_schema_comes_from(project: Path) -> None:
    for place in (Place(app="opened_app:app"), Place(url="http://h")):
        found = locate("talk", place, project, query=[("size", "1"), ("name", "a b")], environ={})
        (project / "schema.json").write_text(
            json.dumps({"title": "x", "routes": [route("/rooms/{name}", handler="m:talk")]})
        )
        found = found if found.app else found.but(schema=project / "schema.json")
        target, told = opened(found)
        assert target.path.endswith("/rooms/a%20b?size=1")
        assert told[0].startswith(f"-> {target.path if found.app else target.url} (")
        with pytest.raises(CliError, match=r"/rooms/\{name\} needs name==VALUE") as caught:
            opened(found.but(query=()), is_forced=True)
        assert caught.value.code == ExitCode.USAGE


def test_the_schema_of_a_place_can_be_had_alone(project: Path) -> None:
    place = Located(Target("ws://localhost/"), "--app", app="opened_app:app", root=project)
    assert [route.usage for route in load_schema(place).websockets] == ["/rooms/{name}?size:int"]
    assert load_schema(at_dev_server(project, "/")).title == "main:app"
    for unknown in (
        Located(Target("ws://h/"), "as named"),
        Located(place.target, "--app", app="opened_app:bare", root=project),
    ):
        with pytest.raises(CliError, match="nothing is known about the routes"):
            load_schema(unknown)


def test_where_nothing_answers_it_says_what_may_help() -> None:
    near, far = Target("ws://127.0.0.1:9/"), Target("ws://h/")
    assert (
        unreachable(CannotConnectError("cannot connect"), near).message
        == "cannot connect; start the server with `lihil run`"
    )
    assert unreachable(CannotConnectError("hung up"), near).message == "hung up"
    assert unreachable(CannotConnectError("no", "do this"), near).message == "no; do this"
    assert unreachable(CannotConnectError("no\x1b"), far).message == "no\\x1b"
