import asyncio
from pathlib import Path

import pytest

from lihil_cli.wstest.repl.desktop import clipboard_command, copy_text, read_file, write_file
from lihil_cli.wstest.repl.events import FileRead, ReadFile, Told, WriteFile


def test_a_file_is_read_or_the_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x00\xff")
    found = ReadFile(str(tmp_path / "a.bin"), "bin", "ws")
    missing = ReadFile(str(tmp_path / "b.bin"), "bin", "ws")
    assert asyncio.run(read_file(found)) == FileRead(found, b"\x00\xff")
    assert asyncio.run(read_file(missing)) == FileRead(missing, reason="No such file or directory")
    for path in ("a\0b", "~nobody-of-that-name/x"):
        assert asyncio.run(read_file(ReadFile(path, "bin", "ws"))).reason
        assert asyncio.run(write_file(WriteFile(path, "x", "saved"))).mark == "bad"


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "tests" / "say.wst"
    assert asyncio.run(write_file(WriteFile(str(path), "é\n", "saved 4 steps"))) == Told("saved 4 steps")
    assert path.read_bytes() == "é\n".encode()
    told = asyncio.run(write_file(WriteFile(str(tmp_path), "x", "saved")))
    assert told == Told(f"cannot write {tmp_path}: Is a directory", "bad")


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)


@pytest.mark.parametrize(
    ("environ", "platform", "known", "command"),
    [
        ({"DISPLAY": ":0"}, "linux", ["xclip"], ("xclip", "-selection", "clipboard")),
        ({"DISPLAY": ":0"}, "linux", ["xsel"], ("xsel", "--clipboard", "--input")),
        ({"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}, "linux", ["xclip", "wl-copy"], ("wl-copy",)),
        ({}, "darwin", ["pbcopy"], ("pbcopy",)),
        ({}, "linux", ["clip.exe", "xclip"], ("clip.exe",)),
        ({}, "linux", ["xclip"], None),
    ],
)
def test_the_clipboard_is_that_of_the_screen(
    tmp_path: Path, environ: dict[str, str], platform: str, known: list[str], command: object
) -> None:
    for name in known:
        program(tmp_path, name, "")
    assert clipboard_command({**environ, "PATH": str(tmp_path)}, platform) == command


def copy(text: str) -> tuple[Told, list[str]]:
    written: list[str] = []
    return asyncio.run(copy_text(text, written.append)), written


def test_text_is_copied_by_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "xclip", f"/bin/cat > {tmp_path}/copied")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert copy("é") == (Told("1 character copied"), [])
    assert (tmp_path / "copied").read_text() == "é"


@pytest.mark.parametrize("script", ["exit 1", None])
def test_without_one_that_works_the_terminal_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    program(tmp_path, "xclip", script or "")
    if script is None:
        (tmp_path / "xclip").write_text("#!/nowhere/at/all\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert copy("hi") == (Told("2 characters given to the terminal to be copied"), ["\x1b]52;c;aGk=\x07"])
    told, written = copy("x" * 100_000)
    assert (told.mark, written) == ("bad", [])
