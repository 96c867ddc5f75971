"""All of a project on disk, or nothing: with real signals, real links and a real full disk."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.scaffold.plan import PlannedFile
from lihil_cli.scaffold.write import check_target, write_project

FILES = [PlannedFile("a.txt", b"a\n", 0o666), PlannedFile("bin/run.sh", b"#!/bin/sh\n", 0o777)]


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


WHOLE = {"a.txt": b"a\n", "bin/run.sh": b"#!/bin/sh\n"}


def refusal(target: Path) -> CliError:
    with pytest.raises(CliError) as raised:
        write_project(target, FILES)
    assert "\n" not in raised.value.message
    return raised.value


def test_a_project_stands_alone_with_its_files_and_modes(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert write_project(tmp_path / "x", FILES) == ""
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == ["x"]
    assert tree(tmp_path / "x") == WHOLE
    modes = {name: (tmp_path / "x" / name).stat().st_mode & 0o777 for name in (".", "a.txt", "bin/run.sh")}
    assert modes == {".": 0o750, "a.txt": 0o640, "bin/run.sh": 0o750}


def test_an_empty_folder_is_filled_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir(mode=0o700)
    write_project(tmp_path / "x", FILES)
    assert tree(tmp_path / "x") == WHOLE
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o700


def test_a_repository_is_part_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Person")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "person@h.example")
    assert write_project(tmp_path / "x", FILES, first_commit="Start") == ""
    shown = subprocess.run(
        ["git", "-C", tmp_path / "x", "show", "--format=%s", "--name-only"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["Start", "a.txt", "bin/run.sh"]


def test_a_folder_that_holds_something_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in "edcba":
        (tmp_path / "x" / name).touch()
    (tmp_path / "x_2").touch()
    error = refusal(tmp_path / "x")
    assert error.message == "the folder 'x' is not empty: it holds a, b, c, d and 1 more; try: lihil new x_3"
    assert error.code is ExitCode.FAILED
    assert sorted(os.listdir(tmp_path)) == ["x", "x_2"]


def test_what_a_folder_holds_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a\x1b[2J\nb").touch()
    assert "a\\x1b[2J\\nb;" in refusal(tmp_path / "x").message


def test_a_name_as_long_as_names_go_has_no_longer_one_to_offer(tmp_path: Path) -> None:
    (tmp_path / ("x" * 100)).touch()
    assert refusal(tmp_path / ("x" * 100)).message.endswith("is already a file; choose another name")


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    assert refusal(tmp_path / "x").message == "'x' is already a file; try: lihil new x_2"
    assert (tmp_path / "x").read_text() == "mine"


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_never_followed(tmp_path: Path, exists: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    if exists:
        elsewhere.mkdir()
    (tmp_path / "x").symlink_to(elsewhere)
    assert refusal(tmp_path / "x").message == "'x' is already a symbolic link; try: lihil new x_2"
    assert (tmp_path / "x").is_symlink()
    assert not elsewhere.exists() or os.listdir(elsewhere) == []


@pytest.mark.parametrize("late", ["folder", "file", "link"])
def test_what_appears_in_the_place_meanwhile_is_not_touched(tmp_path: Path, late: str) -> None:
    target = tmp_path / "x"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def files() -> Iterator[PlannedFile]:
        yield FILES[0]
        if late == "folder":
            target.mkdir()
            (target / "mine").touch()
        elif late == "file":
            target.touch()
        else:
            target.symlink_to(elsewhere)

    with pytest.raises(CliError, match=r"cannot make 'x' in .*; nothing was left behind"):
        write_project(target, files())
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "x"]
    assert os.listdir(elsewhere) == []


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_signal_leaves_nothing(tmp_path: Path, signum: signal.Signals, code: int, written: int) -> None:
    def files() -> Iterator[PlannedFile]:
        for number, file in enumerate(FILES):
            if number == written:
                os.kill(os.getpid(), signum)
            yield file
        if written == len(FILES):
            os.kill(os.getpid(), signum)

    (tmp_path / "x").mkdir()
    with pytest.raises(CliError) as raised:
        write_project(tmp_path / "x", files())
    assert raised.value.code == code
    assert raised.value.message == f"stopped by {signum.name}; nothing was left behind"
    assert os.listdir(tmp_path) == ["x"]
    assert os.listdir(tmp_path / "x") == []


def test_a_place_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = refusal(tmp_path / "file" / "x")
    assert error.message == f"cannot make 'x' in {tmp_path}/file: Not a directory; nothing was left behind"
    assert error.code is ExitCode.FAILED


def test_a_folder_that_is_gone_is_said_in_one_line(tmp_path: Path) -> None:
    assert "No such file or directory" in refusal(tmp_path / "gone" / "x").message


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    # A process may write no file longer than RLIMIT_FSIZE: the write fails as it does on a full disk, with an OSError.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(CliError, match=r"cannot make 'x' in .*: File too large; nothing was left behind"):
            write_project(tmp_path / "x", [*FILES, PlannedFile("large", b"x" * 65, 0o666)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert os.listdir(tmp_path) == []


def test_a_file_is_never_written_over_another(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="File exists"):
        write_project(tmp_path / "x", [FILES[0], FILES[0]])
    assert os.listdir(tmp_path) == []


def test_a_free_place_and_an_empty_folder_pass(tmp_path: Path) -> None:
    check_target(tmp_path)
    check_target(tmp_path / "x")


def test_a_bug_elsewhere_leaves_nothing_either(tmp_path: Path) -> None:
    def files() -> Iterator[PlannedFile]:
        yield FILES[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_project(tmp_path / "x", files())
    assert os.listdir(tmp_path) == []


def test_two_runs_for_one_name_make_one_whole_project(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from lihil_cli.errors import CliError
from lihil_cli.scaffold.plan import PlannedFile
from lihil_cli.scaffold.write import write_project
print("ready", flush=True)
sys.stdin.readline()
try:
    write_project(Path(sys.argv[1]), [PlannedFile(f"{n}.txt", sys.argv[2].encode(), 0o666) for n in range(100)])
except CliError as error:
    sys.exit(int(error.code))
"""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "x", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            text=True,
        )
        for text in ("one", "two")
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("\n")
        run.stdin.flush()
    for run in runs:
        run.communicate(timeout=60)
    assert sorted(run.returncode for run in runs) == [0, 1]
    winner = b"one" if runs[0].returncode == 0 else b"two"
    assert tree(tmp_path / "x") == {f"{number}.txt": winner for number in range(100)}
    assert os.listdir(tmp_path) == ["x"]
