"""The prompt as a person sees it."""

import asyncio
import os
import signal
import termios
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from tests.lihil_cli.wstest.conftest import Servers
from tests.lihil_cli.wstest.repl.person import PATIENCE_S, Sit, ends_with_prompt, has_prompt, has_row, shows

TYPED = "a half-typed line, longer than a narrow terminal is wide"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def hanging(text: str, head: str, columns: int) -> list[str]:
    """The rows of a message: the first behind its head, the others behind an indent."""
    room = columns - len(head)
    rows = [head + text[:room]]
    rest = text[room:]
    while rest:
        rows.append("  " + rest[: columns - 2])
        rest = rest[columns - 2 :]
    return [row.rstrip() for row in rows]


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_a_half_typed_line_survives_what_arrives(servers: Servers, sit: Sit, columns: int) -> None:
    messages = [f"message {number} {'x' * (number * 7 % 130)}." for number in range(60)]
    received: list[str | bytes] = []

    async def speak(connection: ServerConnection) -> None:
        await connection.recv()
        for message in messages:
            await connection.send(message)
            await asyncio.sleep(0.02)
        received.append(await connection.recv())
        await connection.close()

    person = sit(columns, f":{servers.websocket(speak)}/")
    person.wait_for(has_prompt)
    person.type("go\r")
    first, second = TYPED[:30], TYPED[30:]
    person.wait_for(shows("message 5"))
    person.type(first)
    person.wait_for(shows("message 20"))
    person.type("\x1b[D\x1b[C")  # a step to the left and back, which changes nothing
    person.wait_for(shows("message 40"))
    person.type(second)
    person.wait_for(lambda rows: shows("message 59")(rows) and ends_with_prompt(TYPED, columns)(rows))
    person.type("\r")
    assert person.end() == 0
    servers.finish()
    assert received == [TYPED]
    rows = person.rows()
    number = 0
    at = rows.index("› go") + 1
    for number, message in enumerate(messages, 1):
        head = rows[at].partition("‹ ")[0] + "‹ "
        assert head.startswith(f"#{number} ")
        expected = hanging(message, head, columns)
        assert rows[at : at + len(expected)] == expected
        at += len(expected)
    assert ends_with_prompt(TYPED, columns)(rows[at : at + -(-len(TYPED) // (columns - 2))])
    assert shows("closed by server 1000 (normal closure)")(rows[at:])


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_what_the_server_says_cannot_steer_the_terminal_or_pass_for_ours(
    servers: Servers, sit: Sit, columns: int
) -> None:
    evil = "\x1b]0;owned\x07\x1b[31m\r\u202e\x9b2J\n› forged\n⚑ closed by server 1000" + " " * 300 + "› forged"

    async def attack(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(evil)
        await connection.send('{"a":"' + evil.replace("\n", "").replace("\r", "")[:40].replace("\x1b", "") + '"}')
        await connection.close(4001, "\x1b[31mred")

    person = sit(columns, f":{servers.websocket(attack)}/", NO_COLOR="1")
    person.wait_for(has_prompt)
    person.type("go\r")
    assert person.end() == 5
    rows = person.rows()
    assert shows(r"\x1b]0;owned\x07")(rows)
    assert shows(r"\x1b[31mred")(rows)
    assert [row for row in rows if row.startswith("›")] == ["› go"]
    assert [row[:11] for row in rows if row.startswith("⚑")] == ["⚑ closed by"]
    assert b"\x1b]0;owned" not in person.raw
    assert b"\x1b[31m" not in person.raw
    assert "\u202e".encode() not in person.raw


def test_ctrl_c_clears_the_line_then_hints_then_leaves(servers: Servers, sit: Sit) -> None:
    person = sit(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    person.type("half")
    person.wait_for(ends_with_prompt("half", 80))
    person.type("\x12else")  # what is looked for and not found is left in the same way, and costs no line
    person.wait_for(shows("I-search backward: else"))
    person.type("\x03")
    person.wait_for(ends_with_prompt("half", 80))
    person.type("\x03")
    person.wait_for(has_prompt)
    person.say("whole", has_row("‹ whole"))
    person.type("\x03")
    person.wait_for(shows("Ctrl-C once more leaves"))
    person.type("\x03")
    assert person.end() == 0
    assert person.rows()[-1].startswith("⚑ closed 1000 (normal closure) after ")


def test_history_lasts_from_one_run_to_the_next_and_can_be_searched(servers: Servers, sit: Sit, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    port = servers.websocket(echo)
    for keys in ('remember me\r{"password":"hunter2"}\r', "\x12remem\r\r"):
        person = sit(80, f":{port}/")
        person.wait_for(has_prompt)
        person.type(keys)
        person.wait_for(has_row("‹ remember me"))
        person.type("\x04")
        assert person.end() == 0
    kept = (tmp_path / ".lihil" / "history").read_text()
    assert "remember me" in kept
    assert "hunter2" not in kept


def test_a_history_that_cannot_be_written_costs_nothing(servers: Servers, sit: Sit, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    person = sit(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    (tmp_path / ".lihil" / "history").unlink()
    (tmp_path / ".lihil" / "history").mkdir()
    person.say("hello", has_row("‹ hello"))
    person.type("\x04")
    assert person.end() == 0


def test_json_that_is_not_complete_goes_on_in_the_next_line(servers: Servers, sit: Sit) -> None:
    person = sit(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    person.type('{"type":"say",\r')
    person.wait_for(lambda rows: rows[-1] == "…")
    person.say('"text":"привет"}', has_row('‹ {"type":"say","text":"привет"}'))
    rows = person.rows()
    assert rows[rows.index('› {"type":"say",') + 1] == '… "text":"привет"}'
    person.type("{ open\x1b\r")  # Alt-Enter
    person.wait_for(has_row("‹ { open"))


def test_tab_completes_what_is_known(servers: Servers, sit: Sit) -> None:
    person = sit(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    person.type("/stat\t")
    person.wait_for(shows("/status"))
    person.type("\r")
    person.wait_for(shows("· open · for"))
    person.type("/p\t")
    person.wait_for(shows("show nothing until the next /pause"))


def test_the_name_of_a_file_is_completed(servers: Servers, sit: Sit, tmp_path: Path) -> None:
    (tmp_path / "message.txt").write_text("from a file")
    person = sit(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    person.type("@ws /file mess\t")
    person.wait_for(ends_with_prompt("@ws /file message.txt", 80))
    person.say("", has_row("‹ from a file"))


def test_a_message_can_be_written_in_the_editor(servers: Servers, sit: Sit, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf " and more" >> "$1"\n')
    editor.chmod(0o700)
    person = sit(80, f":{servers.websocket(echo)}/", EDITOR=str(editor), VISUAL="")
    person.wait_for(has_prompt)
    person.type("some\x18\x05")  # Ctrl-X Ctrl-E
    person.wait_for(ends_with_prompt("some and more", 80))
    person.say("", has_row("‹ some and more"))
    person.type("/edit draft\r")
    person.wait_for(ends_with_prompt("draft and more", 80))


def test_a_server_that_closes_while_the_editor_is_open_is_told_when_it_is_closed(
    servers: Servers, sit: Sit, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").touch()
    closes, ends = tmp_path / "closes", tmp_path / "ends"
    editor = tmp_path / "editor"
    waits = f"trap '' INT; echo editing; until test -e {ends}; do sleep 0.02; done"
    editor.write_text(f"#!/bin/sh\n{waits}\nprintf ' more' >> \"$1\"\n")
    editor.chmod(0o700)

    async def close(connection: ServerConnection) -> None:
        while not closes.exists():
            await asyncio.sleep(0.01)
        await connection.send("last words")
        await connection.close()
        ends.touch()

    person = sit(80, f":{servers.websocket(close)}/chat", EDITOR=str(editor), VISUAL="")
    person.wait_for(has_prompt)
    person.type("some\x18\x05")  # Ctrl-X Ctrl-E
    person.wait_for(shows("editing"))
    person.type("\x03")  # the editor's, whatever it makes of it
    closes.touch()
    assert person.end() == 0
    rows = person.rows()
    assert [row for row in rows if row.endswith(("last words", "not sent:", "some more"))] == rows[-4:-3] + rows[-2:]
    assert rows[-3].startswith("⚑ closed by server 1000 (normal closure) after ")
    assert '["/chat", "some more"]' in (tmp_path / ".lihil" / "history").read_text()


@pytest.mark.parametrize("chosen", ["inputrc", "command"])
def test_the_keys_can_be_those_of_vi(servers: Servers, sit: Sit, tmp_path: Path, chosen: str) -> None:
    if chosen == "inputrc":
        (tmp_path / ".inputrc").write_text("set editing-mode vi\n")
    person = sit(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    if chosen == "command":
        person.say("/keys vi", shows("the keys are those of vi"))
        person.wait_for(has_prompt)
    person.type("wrong word\x1b")
    person.wait_for(ends_with_prompt("wrong word", 80))
    person.type("bcwright\r")  # back one word, change it
    person.wait_for(has_row("‹ wrong right"))


def test_the_screen_is_wiped_when_asked(servers: Servers, sit: Sit) -> None:
    person = sit(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    person.say("hello", has_row("‹ hello"))
    person.say("/clear", lambda rows: rows == ["›"])
    person.say("/last", has_row("‹ hello"))


def test_sigterm_gives_the_terminal_back_as_it_was(servers: Servers, sit: Sit) -> None:
    person = sit(80, f":{servers.websocket(echo)}/")
    before = termios.tcgetattr(person.master)
    person.wait_for(has_prompt)
    assert termios.tcgetattr(person.master) != before
    person.process.send_signal(signal.SIGTERM)
    assert person.end() == 143
    assert termios.tcgetattr(person.master) == before


def test_a_terminal_that_goes_ends_it_without_a_word(servers: Servers, sit: Sit) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it; otherwise the signal is the end
    try:
        person = sit(80, f":{servers.websocket(echo)}/")
    finally:
        signal.signal(signal.SIGHUP, before)
    person.wait_for(has_prompt)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), person.master)
    assert person.process.wait(PATIENCE_S) == 141
