import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lihil_cli.devfile import DevFile, write_dev_file
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.place.locate import Located, Place, find_schema, locate

APP = "app = 1\n"


@pytest.fixture
def port() -> Iterator[int]:
    """Something that listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nobody listens, and that nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def record(port: int, uds: str | None = None) -> DevFile:
    return DevFile(os.getpid(), "127.0.0.1", port, False, uds, "main:app", 3, "token")


def found(text: str, folder: Path, place: Place | None = None, **environ: str) -> Located:
    return locate(text, place or Place(), folder, environ=environ)


def test_a_whole_address_is_taken_as_it_is(tmp_path: Path) -> None:
    for text, url in {
        "ws://h/x": "ws://h/x",
        "https://h/x": "wss://h/x",
        ":9/x": "ws://127.0.0.1:9/x",
        "example.com/chat": "ws://example.com/chat",
        "10.0.0.1/x?y=1": "ws://10.0.0.1/x?y=1",
        "localhost/x": "ws://localhost/x",
    }.items():
        assert found(text, tmp_path).target.url == url
    unix = found("unix:/tmp/s:/chat?x=1", tmp_path).target
    assert (unix.url, unix.uds) == ("ws://localhost/chat?x=1", "/tmp/s")
    assert found("unix:/tmp/s", tmp_path).target.url == "ws://localhost/"


@pytest.mark.parametrize(
    ("place", "url", "uds"),
    [
        (Place(url="http://h:9/base/"), "ws://h:9/base/chat", None),
        (Place(url="unix:/tmp/s"), "ws://localhost/chat", "/tmp/s"),
        (Place(port=9), "ws://127.0.0.1:9/chat", None),
        (Place(uds="/tmp/s"), "ws://localhost/chat", "/tmp/s"),
    ],
)
def test_an_option_names_the_server(tmp_path: Path, place: Place, url: str, uds: str | None) -> None:
    target = found("/chat", tmp_path, place).target
    assert (target.url, target.uds) == (url, uds)


def test_items_join_the_query_url_encoded(tmp_path: Path) -> None:
    place = locate(":9/x?a=1", Place(), tmp_path, query=[("b c", "ü&=")], environ={})
    assert place.target.url == "ws://127.0.0.1:9/x?a=1&b%20c=%C3%BC%26%3D"
    assert locate(":9/x", Place(), tmp_path, query=[("b", "/?")], environ={}).target.path == "/x?b=%2F%3F"


def test_the_running_dev_server_is_found_from_below_and_its_schema_with_it(tmp_path: Path, port: int) -> None:
    write_dev_file(tmp_path, record(port))
    (tmp_path / ".lihil" / "schema.json").write_text("{}")
    (tmp_path / "src").mkdir()
    for place in (found("/chat", tmp_path / "src"), found(f":{port}/chat", tmp_path / "src")):
        assert place.target.url == f"ws://127.0.0.1:{port}/chat"
        assert place.server == record(port)
        assert place.schema == tmp_path / ".lihil" / "schema.json"
    assert f"pid {os.getpid()}, main:app" in found("/chat", tmp_path).how
    assert found("ws://example.com/x", tmp_path).server is None


def test_a_dev_server_on_a_unix_socket_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(path)
        server.listen()
        write_dev_file(tmp_path, record(0, path))
        assert found("/chat", tmp_path).target.uds == path
        assert found("/chat", tmp_path, Place(uds=path)).server is not None
        assert found(":9/chat", tmp_path).server is None


def test_a_dev_server_that_does_not_listen_does_not_count(tmp_path: Path, closed_port: int, port: int) -> None:
    write_dev_file(tmp_path, record(closed_port))
    assert found("/chat", tmp_path, LIHIL_PORT=str(port)).target.url == f"ws://127.0.0.1:{port}/chat"


def test_a_setting_says_where_the_server_is(tmp_path: Path, port: int) -> None:
    assert found("/chat", tmp_path, LIHIL_URL="https://h/base").target.url == "wss://h/base/chat"
    (tmp_path / "pyproject.toml").write_text(f"[tool.lihil]\nport = {port}\n")
    place = found("/chat", tmp_path)
    assert (place.target.url, place.app) == (f"ws://127.0.0.1:{port}/chat", None)


@pytest.mark.parametrize("named", [True, False])
def test_without_a_server_the_projects_app_runs_here(tmp_path: Path, closed_port: int, named: bool) -> None:
    app = 'app = "other:app"\n' if named else ""
    (tmp_path / "pyproject.toml").write_text(f"[tool.lihil]\nport = {closed_port}\n{app}")
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "sub").mkdir()
    place = found("/chat?x=1", tmp_path / "sub")
    assert (place.app, place.root, place.target.path) == ("other:app" if named else "", tmp_path, "/chat?x=1")
    assert f"no server listens on 127.0.0.1:{closed_port}" in place.how


def test_an_app_that_is_named_runs_here_whatever_listens(tmp_path: Path, port: int) -> None:
    write_dev_file(tmp_path, record(port))
    place = found("/chat", tmp_path, Place(app="main:app"))
    assert (place.app, place.root, place.how) == ("main:app", tmp_path, "--app")


def test_with_nothing_to_talk_to_it_says_what_to_start(tmp_path: Path, closed_port: int) -> None:
    with pytest.raises(CliError, match="start the server with `lihil run`, or name the app: --app main:app") as caught:
        found("/chat", tmp_path, LIHIL_PORT=str(closed_port))
    assert caught.value.code == ExitCode.CANNOT_CONNECT


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/x", Place(app="main:app", port=9)),
        ("/x", Place(url="http://h", uds="/tmp/s")),
        (":9/x", Place(app="main:app")),
        (":9/x", Place(port=9)),
        ("unix:/tmp/s", Place(uds="/tmp/s")),
        ("/x#y", Place(port=9)),
        ("", Place(app="main:app")),
    ],
)
def test_two_answers_to_one_question_are_wrong_use(tmp_path: Path, text: str, place: Place) -> None:
    with pytest.raises(CliError) as caught:
        found(text, tmp_path, place)
    assert caught.value.code == ExitCode.USAGE


def test_no_schema_is_no_schema(tmp_path: Path) -> None:
    assert find_schema(tmp_path) is None
