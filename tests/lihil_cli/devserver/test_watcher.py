import importlib.util
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lihil_cli.devserver.inotify import Seen
from lihil_cli.devserver.watcher import Notified, Source, forget_bytecode, open_sources, read_file

DEADLINE_S = 60
PATH_MAX = 4096  # limits.h


class Watching:
    """A source of changes, and what it has told so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.seen: list[Seen] = []

    def wait_for(self, path: Path, *, is_gone: bool = False) -> None:
        while not any(seen.path == str(path) and seen.is_gone == is_gone for seen in self.seen):
            ready, _, _ = select.select([self.source], [], [], DEADLINE_S)
            assert ready, f"nothing was told of {path}; this was: {self.seen}"
            self.seen += self.source.changes()

    @property
    def paths(self) -> set[str]:
        return {seen.path for seen in self.seen}


@contextmanager
def watching(folder: Path) -> Iterator[Watching]:
    (source,) = open_sources(folder)
    try:
        yield Watching(source)
    finally:
        source.close()


def test_a_write_a_rename_and_a_removal_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    with watching(tmp_path) as watch:
        file.write_text("x = 1")
        watch.wait_for(file)
        file.rename(tmp_path / "moved.py")
        watch.wait_for(file, is_gone=True)
        watch.wait_for(tmp_path / "moved.py")
        (tmp_path / "moved.py").unlink()
        watch.wait_for(tmp_path / "moved.py", is_gone=True)


def test_a_file_counts_when_its_writing_has_ended(tmp_path: Path) -> None:
    with watching(tmp_path) as watch:
        with (tmp_path / "main.py").open("w") as stream:
            stream.write("half")
            stream.flush()
            (tmp_path / "other.py").write_text("")
            watch.wait_for(tmp_path / "other.py")
            assert str(tmp_path / "main.py") not in watch.paths
        watch.wait_for(tmp_path / "main.py")


def test_a_folder_is_told_of_by_every_name_that_it_is_followed_by(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to("folder")
    with watching(tmp_path) as watch:
        assert watch.source.follow(str(link))
        assert not watch.source.follow(str(link))
        (link / "main.py").write_text("")
        watch.wait_for(link / "main.py")
        watch.wait_for(tmp_path / "folder" / "main.py")
        (tmp_path / "folder").rename(tmp_path / "moved")
        watch.wait_for(tmp_path / "folder", is_gone=True)
        (tmp_path / "moved" / "late.py").write_text("")
        watch.wait_for(tmp_path / "moved" / "late.py")


def test_folders_that_come_later_are_followed_with_all_that_is_in_them(tmp_path: Path) -> None:
    staged = tmp_path.with_name(f"{tmp_path.name}-staged")
    (staged / "deep").mkdir(parents=True)
    (staged / "deep" / "module.py").write_text("")
    with watching(tmp_path) as watch:
        staged.rename(tmp_path / "package")
        watch.wait_for(tmp_path / "package" / "deep" / "module.py")
        (tmp_path / "package" / "deep" / "late.py").write_text("")
        watch.wait_for(tmp_path / "package" / "deep" / "late.py")
        (tmp_path / "package").rename(staged)
        watch.wait_for(tmp_path / "package", is_gone=True)
        (staged / "deep" / "elsewhere.py").write_text("")
        (tmp_path / "main.py").write_text("")
        watch.wait_for(tmp_path / "main.py")
    assert not any("elsewhere" in path for path in watch.paths)


def test_a_link_that_is_put_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("")
    with watching(tmp_path) as watch:
        (tmp_path / "link.py").symlink_to("real.py")
        watch.wait_for(tmp_path / "link.py")


@pytest.mark.parametrize("folder", ["__pycache__", ".venv/lib", ".lihil", ".git", "node_modules/x", "env/lib"])
def test_what_is_no_source_of_the_users_is_not_even_watched(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "env").mkdir(exist_ok=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    with watching(tmp_path) as watch:
        (tmp_path / folder / "x.py").write_text("x = 1")
        (tmp_path / "main.py").write_text("x = 1")
        watch.wait_for(tmp_path / "main.py")
        assert str(tmp_path / folder / "x.py") not in watch.paths
        watch.source.follow(str(tmp_path / folder))  # unless the app has imported something from there
        watch.source.follow(str(tmp_path / "gone"))
        (tmp_path / folder / "y.py").write_text("x = 1")
        watch.wait_for(tmp_path / folder / "y.py")


@pytest.mark.parametrize("polls", [True, False])
def test_elsewhere_and_on_silent_file_systems_the_same_is_told(tmp_path: Path, polls: bool) -> None:
    top, beside = tmp_path / "app", tmp_path / "beside"
    for folder in (top / "node_modules", top / ".hidden", beside / "deep"):
        folder.mkdir(parents=True)
    source = Notified([str(top)], polls=polls)
    try:
        watch = Watching(source)
        folders = (top, beside, beside, top / ".hidden", tmp_path / "gone")
        assert [source.follow(str(folder)) for folder in folders] == [False, True, False, True, False]
        (top / "node_modules" / "x.py").write_text("")
        (beside / "deep" / "x.py").write_text("")
        (top / "main.py").write_text("")
        (beside / "common.py").write_text("")
        (top / ".hidden" / "x.py").write_text("")
        for file in (top / "main.py", beside / "common.py", top / ".hidden" / "x.py"):
            watch.wait_for(file)
        (top / "main.py").unlink()
        watch.wait_for(top / "main.py", is_gone=True)
    finally:
        source.close()
    assert not any("node_modules/" in path or "deep/" in path for path in watch.paths)


def test_a_platform_without_inotify_gets_watchfiles(tmp_path: Path) -> None:
    (source,) = open_sources(tmp_path, platform="darwin")
    assert isinstance(source, Notified)
    source.close()


def test_a_watch_that_cannot_be_set_up_is_an_error_in_words(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from lihil_cli.devserver.watcher import open_sources

import ctypes
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    open_sources(Path(sys.argv[1]))
except OSError as error:
    print(error.strerror)
"""
    ran = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert ran.stdout == "the limit of watchers is reached (fs.inotify.max_user_instances)\n"


def test_a_folder_that_cannot_be_watched_later_on_is_said_once_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path
    while len(f"{folder}/{'x' * 200}") < PATH_MAX:
        folder /= "x" * 200
    folder.mkdir(parents=True)
    names = ["a" * 255, "b" * 255]  # with which a path is too long for the kernel
    with watching(tmp_path) as watch:
        above = os.open(folder, os.O_RDONLY)
        for name in names:
            os.mkdir(name, dir_fd=above)
        watch.wait_for(folder / names[1])
        (tmp_path / "main.py").write_text("")
        watch.wait_for(tmp_path / "main.py")
        assert not watch.source.follow(str(folder / names[0]))
        for name in names:
            os.rmdir(name, dir_fd=above)
        os.close(above)
    said = capsys.readouterr().err
    assert said.startswith("note: ")
    assert said.count("\n") == 1
    why = "File name too long; a change there comes with the next one elsewhere"
    assert f"/{names[0]} cannot be watched, and may not be the only one: {why}\n" in said


def test_the_content_of_a_file_that_is_gone_is_none(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(b"x")
    assert read_file(str(tmp_path / "main.py")) == b"x"
    assert read_file(str(tmp_path / "gone.py")) is None


def test_cached_bytecode_is_removed_and_its_absence_is_fine(tmp_path: Path) -> None:
    source = tmp_path / "main.py"
    cached = Path(importlib.util.cache_from_source(str(source)))
    cached.parent.mkdir()
    cached.write_bytes(b"")
    forget_bytecode(str(source))
    assert not os.path.exists(cached)
    forget_bytecode(str(source))
