import io
import os
from pathlib import Path

import pytest

from lihil_cli.devfile import find_dev_file
from lihil_cli.serving.report import Place, say, show_banner, traces, warn_if_open


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def place(root: Path, host: str = "127.0.0.1") -> Place:
    return Place("main:app", host, 8000, root)


def test_the_banner_names_app_and_url_and_how_to_stop(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    show_banner(place(tmp_path), ["2 workers", "a \x1b[31mnote"])
    assert capsys.readouterr().err == (
        "lihil serves main:app\n  http://127.0.0.1:8000\n  2 workers\n  a \\x1b[31mnote\n  Ctrl-C stops it\n"
    )


def test_on_a_terminal_only_the_url_is_emphasised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    show_banner(place(tmp_path), ["\x1b[1mforged"])
    assert "\x1b[1mhttp://127.0.0.1:8000\x1b[0m" in stream.getvalue()
    assert "\\x1b[1mforged" in stream.getvalue()


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:8000"), ("::", "http://[::1]:8000"), ("web.test", "http://web.test:8000")],
)
def test_the_url_is_one_to_open_on_this_machine(host: str, url: str, tmp_path: Path) -> None:
    assert place(tmp_path, host).url == url


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True), ("192.168.0.7", True)])
def test_only_an_open_host_is_warned_of(
    host: str, warned: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    warn_if_open(place(tmp_path, host))
    assert capsys.readouterr().err.startswith(f"warning: listening on {host}") is warned


def test_what_is_said_is_made_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    say("changed: \x1b[2J.py")
    assert capsys.readouterr().err == "changed: \\x1b[2J.py\n"


def test_the_record_lives_as_long_as_the_server(tmp_path: Path) -> None:
    with traces(place(tmp_path, "0.0.0.0")) as left:
        first = find_dev_file(tmp_path)
        assert first is not None
        assert (first.pid, first.host, first.generation) == (os.getpid(), "127.0.0.1", 1)
        left.write(2)
        second = find_dev_file(tmp_path)
        assert second is not None
        assert (second.generation, second.token) == (2, first.token)
    assert find_dev_file(tmp_path) is None


def test_every_server_has_a_token_of_its_own(tmp_path: Path) -> None:
    tokens = set()
    for _ in range(2):
        with traces(place(tmp_path)):
            record = find_dev_file(tmp_path)
            tokens.add(record and record.token)
    assert len(tokens) == 2
