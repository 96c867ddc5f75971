"""The two commands that a fresh clone starts with."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from tests import gates

ROOT = Path(__file__).resolve().parents[1]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def dev_py(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, ROOT / "dev.py", *arguments], capture_output=True, text=True, check=False)


def pytest_in(folder: Path, source: str, *options: str) -> dev.Outcome:
    (folder / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pytest.ini", *options]
    (folder / "pytest.ini").write_text("[pytest]\n")
    return gates.judge_tests(dev.run(command, cwd=folder))


def test_an_old_python_can_read_the_file_far_enough_to_say_that_it_is_too_old() -> None:
    ast.parse((ROOT / "dev.py").read_text("utf-8"), feature_version=(3, 6))


def test_only_the_standard_library_is_needed() -> None:
    tree = ast.parse((ROOT / "dev.py").read_text("utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in plain | modules} <= sys.stdlib_module_names


def test_an_unknown_task_is_a_usage_error() -> None:
    assert dev_py("tset").returncode == 2


def test_help_names_both_commands() -> None:
    shown = dev_py("--help")
    assert shown.returncode == 0
    assert "python3 dev.py test [--fast] [-- ARGS]" in shown.stdout


def test_a_command_that_fails_is_shown_with_what_it_said(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = dev.report("lint", lambda: dev.run(python("print('line 3 is bad'); raise SystemExit(1)")))
    line, *below = capsys.readouterr().out.splitlines()
    assert not outcome.ok
    assert line.startswith("FAILED  lint ")
    assert "line 3 is bad" in below


def test_a_command_that_succeeds_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.report("lint", lambda: dev.run(python("print('all is well')"))).ok
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_program_that_is_missing_is_a_failure_not_a_traceback(tmp_path: Path) -> None:
    outcome = dev.run([tmp_path / "absent"])
    assert not outcome.ok
    assert "absent" in outcome.output


def test_a_needed_step_that_fails_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        dev.need("set up", lambda: dev.Outcome(ok=False, output="no space left"))
    assert ended.value.code == 1
    assert "no space left" in capsys.readouterr().out


def test_a_group_holds_the_groups_that_it_includes() -> None:
    assert set(dev.group("test")) < set(dev.group("dev"))


def test_the_virtual_environment_of_the_caller_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    assert dev.run(python("import os; raise SystemExit('VIRTUAL_ENV' in os.environ)")).ok


@pytest.mark.parametrize(
    ("source", "options", "ok", "note"),
    [
        ("def test_a(): pass\n", [], True, "1 passed"),
        ("def test_a(): pass\ndef test_b(): assert False\n", [], False, "1 failed, 1 passed"),
        ("x = 1\n", [], False, "no test ran"),
        ("def test_a(): pass\n", ["--collect-only"], False, "1 test collected"),
        ("def test_a(): pass\n", ["-k", "absent"], False, "1 deselected"),
        ("import absent\n", [], False, "1 error"),
    ],
    ids=["one passes", "one fails", "none there", "only collected", "none chosen", "cannot be imported"],
)
def test_a_run_counts_only_when_tests_ran_and_all_passed(
    tmp_path: Path, source: str, options: list[str], ok: bool, note: str
) -> None:
    outcome = pytest_in(tmp_path, source, *options)
    assert (outcome.ok, outcome.note) == (ok, note)


def test_a_version_range_without_uv_is_skipped_with_the_reason() -> None:
    outcome = gates.try_range(None, gates.RANGES[0])
    assert (outcome.skipped, outcome.note) == (True, "uv is not available")


def test_the_tally_counts_failures_and_leaves_out_what_was_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, skipped = dev.Outcome(ok=True), dev.Outcome(ok=False), dev.Outcome(ok=True, skipped=True)
    assert gates.conclude([good, bad, skipped, good]) == 1
    assert capsys.readouterr().out == "2 passed, 1 failed\n"


def test_a_run_in_which_nothing_was_checked_has_failed() -> None:
    assert gates.conclude([dev.Outcome(ok=True, skipped=True)]) == 1


def test_good_gates_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert gates.conclude([dev.Outcome(ok=True)]) == 0
    assert capsys.readouterr().out == "1 passed, 0 failed\n"


@pytest.mark.slow
def test_the_demo_shows_the_greeting_and_leaves_nothing_behind(tmp_path: Path) -> None:
    script = "import dev, sys; sys.exit(dev.demo())"
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, input="")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Hello, world!" in shown.stdout
    assert [line.split()[0] for line in shown.stdout.splitlines() if line.startswith(("ok", "FAILED"))] == ["ok"] * 3
    assert list(tmp_path.iterdir()) == []
