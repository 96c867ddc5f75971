import json
import subprocess
import sys
from pathlib import Path

import pytest

APP = '''\
from typing import Annotated

from lihil import Lihil, Param, WebSocket, WebSocketRoute

rooms = WebSocketRoute("rooms/{name}")


@rooms.ws_handler
async def talk(
    ws: WebSocket, name: str, limit: int = 10, since: str | None = None, agent: Annotated[str, Param("header")] = "?"
) -> None:
    """Talk in a room.

    At length.
    """


clock = WebSocketRoute("clock")


@clock.ws_handler
async def tick(ws: WebSocket) -> None: ...


app = Lihil(rooms, clock)
'''


def routes(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "main.py").write_text(source)
    command = [sys.executable, "-m", "lihil_cli", "routes", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_every_route_is_a_line_with_its_typed_parameters_and_its_place(tmp_path: Path) -> None:
    ran = routes(tmp_path, APP)
    assert (ran.returncode, ran.stderr) == (0, "")
    clock, rooms = ran.stdout.splitlines()
    assert clock.split() == ["WS", "/clock", "-", "main:tick", "main.py:21"]
    params = "name: str (path), limit: int = 10 (query), since: str | None = None (query), agent: str = '?' (header)"
    assert rooms == f"WS  /rooms/{{name}}  {params}  main:talk  main.py:8"


def test_the_columns_are_aligned(tmp_path: Path) -> None:
    clock, rooms = routes(tmp_path, APP, "main:app").stdout.splitlines()
    assert clock.index("main:tick") == rooms.index("main:talk")


def test_json_is_for_programs(tmp_path: Path) -> None:
    ran = routes(tmp_path, APP, "--json")
    assert ran.returncode == 0
    model = json.loads(ran.stdout)
    assert model["title"] == "main:app"
    route = model["routes"][1]
    assert (route["kind"], route["path"], route["method"]) == ("websocket", "/rooms/{name}", "")
    assert (route["file"], route["line"], route["summary"]) == ("main.py", 8, "Talk in a room.")
    name, limit, *_ = route["params"]
    assert (name["name"], name["location"], name["type"], name["required"]) == ("name", "path", "str", True)
    assert (limit["required"], limit["default"]) == (False, "10")


def test_an_app_without_routes_says_so(tmp_path: Path) -> None:
    ran = routes(tmp_path, "from lihil import Lihil\napp = Lihil()\n")
    assert (ran.returncode, ran.stdout) == (0, "main:app has no routes\n")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("async def app(scope, receive, send): ...\n", "only the routes of a lihil.Lihil can be listed"),
        ("import fooo\n", "ModuleNotFoundError: No module named 'fooo'"),
        (
            APP.replace("limit: int = 10", "limit: object"),
            "main.py:8: talk(limit): nothing provides limit: object",
        ),
    ],
)
def test_what_cannot_be_listed_or_would_not_start_ends_with_1_and_words(
    tmp_path: Path, source: str, words: str
) -> None:
    ran = routes(tmp_path, source)
    assert ran.returncode == 1
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
