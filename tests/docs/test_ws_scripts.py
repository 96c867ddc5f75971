"""docs/ws-scripts.md: each of its scripts passes, and each pattern in its tables is one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lihil_cli.wstest.patterns.match import parse_pattern
from lihil_cli.wstest.script.files import load_file
from lihil_cli.wstest.script.parse import parse_script
from lihil_cli.wstest.script.servers import in_process
from lihil_cli.wstest.script.suite import Options, run_script

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ws-scripts.md").read_text("utf-8")
SCRIPTS = re.findall(r"^```wst\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
APP = """\
import json
from typing import Annotated

from lihil import Lihil, Param, WebSocket, WebSocketRoute

chat = WebSocketRoute("chat/{room}")
members: dict[int, WebSocket] = {}


@chat.ws_handler
async def talk(ws: WebSocket, room: str, user: Annotated[str, Param("query", min_length=1)]) -> None:
    await ws.accept()
    number = len(members) + 1
    members[number] = ws
    await ws.send_text(json.dumps({"type": "welcome", "id": number, "user": user}))
    try:
        while (message := await ws.receive())["type"] != "websocket.disconnect":
            if message.get("bytes") is not None:
                return await ws.close(1003, "text only")
            await answer(ws, number, message["text"])
    finally:
        del members[number]
        await tell({"type": "left", "from": number})


async def answer(ws: WebSocket, number: int, text: str) -> None:
    if text == "ping":
        await ws.send_text("pong")
    elif text.startswith('{"type"'):
        await tell({"type": "said", "from": number, "text": json.loads(text)["text"]})
    else:
        await ws.send_text(text)


async def tell(message: dict[str, object]) -> None:
    for member in list(members.values()):
        await member.send_text(json.dumps(message))


app = Lihil(chat)
"""


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_every_script_of_the_page_passes(number: int, tmp_path: Path) -> None:
    (tmp_path / f"app_of_page_{number}.py").write_text(APP)
    path = tmp_path / "page.wst"
    path.write_text(SCRIPTS[number])
    outcome = run_script(
        load_file(str(path), {}), in_process(f"app_of_page_{number}:app", tmp_path), Options(environ={})
    )
    assert outcome.ending.failure is None


def first_cells(heading: str) -> Iterator[str]:
    """What stands in backquotes in the first column of a section's table."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE):
        yield from re.findall(r"`([^`]+)`", row)


def test_every_pattern_in_the_table_is_one() -> None:
    patterns = list(first_cells("Patterns"))
    assert len(patterns) > 10
    for pattern in patterns:
        assert parse_pattern(pattern).source == pattern


def test_every_message_in_the_table_can_be_sent() -> None:
    messages = list(first_cells("Messages"))
    assert len(messages) > 5
    assert len(parse_script("".join(["@client a /\n", *(f"a> {message}\n" for message in messages)])).steps) > len(
        messages
    )


def spelled(line: str) -> str:
    """A line of the table with something to stand in its places."""
    if line.endswith("{ ... }"):
        line = line.replace("...", "bob< x")
    for word, value in {"NAME": "bob", "...": "/x", "STATUS": "422", "N {": "3 {"}.items():
        line = line.replace(word, value)
    return line


def test_every_line_in_the_table_is_one() -> None:
    lines = [spelled(line) for line in first_cells("Lines")]
    first, *rest = lines
    assert first.startswith("@target ")
    script = parse_script("\n".join([first, *rest]))
    assert script.clients == ("bob",)
    assert len(script.steps) == len([line for line in rest if not line.startswith("#")])
