import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from lihil.version import VERSION
from lihil_cli.__main__ import main
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.main import PANELS, run

HEAVY = (
    "rich",
    "httpx",
    "starlette",
    "uvicorn",
    "watchfiles",
    "msgspec",
    "pydantic",
    "prompt_toolkit",
    "websockets",
    "asyncio",
    "lihil",
)


def lihil(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lihil_cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environ},
    )


def loaded_after(code: str) -> set[str]:
    """The heavy modules that are loaded once `code` has run."""
    report = f"{code}\nimport sys\nprint('\\n' + '\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(ran.stdout.splitlines()) & {*HEAVY, "typer", "pathlib"}


def on_a_terminal(*arguments: str, **environ: str) -> str:
    """What `lihil ARGUMENTS` writes to stdout when that is a terminal."""
    leader, follower = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    with subprocess.Popen(
        [sys.executable, "-m", "lihil_cli", *arguments], stdout=follower, env={**clean, "TERM": "xterm", **environ}
    ):
        os.close(follower)
        written = bytearray()
        try:
            while chunk := os.read(leader, 4096):
                written += chunk
        except OSError:  # how Linux says that the other end has closed
            pass
    os.close(leader)
    return written.decode()


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_told_before_anything_is_loaded(flag: str) -> None:
    assert lihil(flag).stdout == f"lihil {VERSION}\n"
    code = f"""
import sys
sys.argv = ["lihil", "{flag}"]
from lihil_cli.__main__ import main
try:
    main()
except SystemExit as ended:
    assert ended.code == 0
"""
    assert loaded_after(code) <= {"pathlib"}  # an editable install's start-up loads pathlib


def test_the_version_is_told_among_other_options_too() -> None:
    assert lihil("--version", "run").stdout == f"lihil {VERSION}\n"


def test_no_command_pulls_in_the_engine_of_another() -> None:
    assert loaded_after("from lihil_cli.main import load_commands; load_commands([])") <= {"typer", "pathlib"}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_names_every_command_and_shows_examples(arguments: list[str]) -> None:
    ran = lihil(*arguments)
    assert ran.returncode == 0
    assert all(name in ran.stdout for name in PANELS)
    assert "lihil run --reload" in ran.stdout


@pytest.mark.parametrize("command", PANELS)
def test_each_command_has_help_with_examples(command: str) -> None:
    ran = lihil(command, "-h")
    assert ran.returncode == 0
    shown = " ".join(ran.stdout.partition("Options:")[0].split())
    assert shown.count(f"lihil {command}") >= 3  # the usage line and two examples


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_was_closed_from_the_start_is_no_reason_to_fail(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, name, None)
    monkeypatch.setattr(sys, "argv", ["lihil", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    with getattr(sys, name) as opened:
        assert opened.name == os.devnull


def test_help_in_a_pipe_is_plain_where_a_build_server_would_force_colour() -> None:
    ran = lihil("run", "--help", GITHUB_ACTIONS="true", FORCE_COLOR="1")
    assert "\x1b" not in ran.stdout
    assert "╭" not in ran.stdout


def test_help_on_a_terminal_is_coloured() -> None:
    shown = on_a_terminal("run", "--help")
    assert "\x1b[" in shown
    assert "[tool.lihil]" in shown
    assert "lihil run --reload" in shown
    assert "\b" not in shown


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["new", "--help"]])
def test_no_color_means_no_escape_even_on_a_terminal(arguments: list[str]) -> None:
    assert "\x1b" not in on_a_terminal(*arguments, NO_COLOR="1", GITHUB_ACTIONS="true")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["rum"], "No such command 'rum'. Did you mean 'run'?", "lihil --help"),
        (["run", "--prt", "1"], "No such option: --prt", "lihil run --help"),
        (["run", "--port", "x"], "Invalid value for '--port'", "lihil run --help"),
        (["run", "a:b", "c:d"], "Got unexpected extra argument(s) (c:d)", "lihil run --help"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_one_clear_message(arguments: list[str], message: str, hint: str) -> None:
    ran = lihil(*arguments)
    assert ran.returncode == 2
    assert ran.stdout == ""
    error, hinted = ran.stderr.splitlines()
    assert error.startswith(f"error: {message}")
    assert hinted == f"hint: {hint}"


def test_a_pipe_that_nobody_reads_ends_the_command_quietly_with_141() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-m", "lihil_cli", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_command_that_prints_into_a_broken_pipe_ends_with_141_too(unbuffered: str) -> None:
    code = """
import sys
from lihil_cli.main import run

def greet() -> None:
    print("hello")

sys.exit(run(["greet"], commands=(("greet", greet, "Try"), ("other", greet, "Try"))))
"""
    reader, writer = os.pipe()
    os.close(reader)
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    ran = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False, env=environ)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def run_raising(error: BaseException) -> int:
    """The exit code of a command line whose command raises `error`."""
    return run(["fail"], commands=(("fail", raising(error), "Try"), ("other", raising(error), "Try")))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (typer.Exit(6), 6),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (typer.Abort(), ExitCode.INTERRUPTED),
        (SystemExit(4), 4),
        (SystemExit(), 0),
    ],
)
def test_an_ending_without_an_error_says_nothing(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_raising(error) == code
    assert capsys.readouterr().err == ""


def test_a_users_mistake_is_an_error_line_a_hint_line_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = run_raising(CliError("bad \x1b[31mname", hint="take another", code=ExitCode.CANNOT_CONNECT))
    assert code == 3
    assert capsys.readouterr().err == "error: bad \\x1b[31mname\nhint: take another\n"


def test_a_bug_of_ours_asks_for_a_report_and_keeps_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIHIL_DEBUG", raising=False)
    assert run_raising(ZeroDivisionError("division by zero")) == ExitCode.BUG
    said = capsys.readouterr().err
    assert "error: ZeroDivisionError: division by zero" in said
    assert "bug" in said
    assert "report" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), CliError("bad name")])
def test_debugging_shows_the_traceback(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIHIL_DEBUG", "1")
    run_raising(error)
    assert "Traceback" in capsys.readouterr().err


def test_the_console_script_and_the_module_are_one_program(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("lihil")
    ran = subprocess.run([script, "rum"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (2, lihil("rum").stderr)
