"""Files that are really watched, and a worker of whom it is only said what it has loaded, and when."""

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lihil_cli.devserver.following import Following
from lihil_cli.devserver.watcher import Source, open_sources

LONG_S = 60  # after a file was written


class App:
    """One that is followed, with a folder of its own and one beside that."""

    def __init__(self, folder: Path, source: Source) -> None:
        self.root, self.elsewhere = folder / "app", folder / "elsewhere"
        self.following = Following(self.root, [source])
        self._source = source

    def has_loaded(self, *files: Path, missing: str = "", since: float | None = None) -> None:
        """A worker has loaded these files, and began to read them at this time; None: long after they were written."""
        self.see()
        imports = {"files": list(map(str, files)), "inherited": [], "missing": [missing]}
        self.following.learn(imports, time.time() + LONG_S if since is None else since, whole=True)

    def see(self) -> None:
        """Take all that was told; the kernel tells of a write before that returns."""
        while select.select([self._source], [], [], 0)[0]:
            self.following.see(self._source)

    @property
    def change(self) -> list[Path]:
        """The files of the change that has come about."""
        self.see()
        if self.following.deadline is None:
            return []
        change = self.following.judge(self.following.deadline)
        return [] if change is None else list(map(Path, change.files))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    for folder in ("app", "elsewhere"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "main.py").write_text("1")
        (tmp_path / folder / "helper.py").write_text("1")
    (source,) = open_sources(tmp_path / "app")
    made = App(tmp_path, source)
    made.has_loaded(made.root / "main.py")
    assert made.change == []
    yield made
    source.close()


def test_a_module_that_changes_before_it_is_known_to_be_one_is_loaded_again(app: App) -> None:
    began = time.time()
    (app.root / "helper.py").write_text("2")
    (app.root / "local.py").write_text("")
    (app.root / "unused.py").write_text("")
    assert app.change == []
    app.has_loaded(app.root / "main.py", app.root / "helper.py", missing="local", since=began)
    assert app.change == [app.root / "helper.py", app.root / "local.py"]


def test_one_that_was_saved_together_with_the_change_that_brought_it_is_loaded_once(app: App) -> None:
    (app.root / "helper.py").write_text("2")
    assert app.change == []
    app.has_loaded(app.root / "main.py", app.root / "helper.py", since=time.time())
    assert app.change == []


def test_one_in_a_folder_that_was_not_watched_counts_by_its_time(app: App) -> None:
    app.has_loaded(app.elsewhere / "main.py", app.elsewhere / "helper.py")
    assert app.change == []
    began = time.time()
    folder = app.elsewhere / "package"
    folder.mkdir()
    (folder / "early.py").write_text("")
    app.has_loaded(folder / "early.py", since=began)
    assert app.change == [folder / "early.py"]


def test_git_is_waited_for_while_it_changes_files_unless_it_has_left_its_lock_behind(app: App) -> None:
    lock = app.root / ".git" / "index.lock"
    lock.parent.mkdir()
    lock.touch()
    (app.root / "main.py").write_text("2")
    assert app.change == []
    os.utime(lock, (0, time.time() - 60))
    assert app.change == [app.root / "main.py"]


def test_one_that_is_imported_again_after_a_while_is_a_new_one(app: App) -> None:
    app.has_loaded(app.root / "main.py", app.root / "helper.py")
    app.has_loaded(app.root / "main.py")
    (app.root / "helper.py").write_text("2")
    app.has_loaded(app.root / "main.py", app.root / "helper.py")
    (app.root / "helper.py").write_text("1")
    assert app.change == [app.root / "helper.py"]


def test_a_module_that_is_a_link_changes_with_what_it_leads_to(app: App) -> None:
    link = app.root / "common.py"
    link.symlink_to(app.elsewhere / "helper.py")
    app.has_loaded(app.root / "main.py", link)
    assert app.change == []
    (app.elsewhere / "helper.py").write_text("2")
    (app.elsewhere / "main.py").write_text("2")
    assert app.change == [link]
    link.unlink()
    link.symlink_to(app.elsewhere / "main.py")
    (app.elsewhere / "main.py").write_text("3")
    assert app.change == [link]


def test_a_package_that_is_a_link_changes_with_what_it_leads_to_and_when_it_leads_elsewhere(app: App) -> None:
    package = app.root / "package"
    package.symlink_to(app.elsewhere)
    app.has_loaded(app.root / "main.py", package / "helper.py")
    (app.elsewhere / "helper.py").write_text("2")
    assert app.change == [package / "helper.py"]
    beside = app.elsewhere / "beside"
    beside.mkdir()
    (beside / "helper.py").write_text("3")
    (app.root / "package.new").symlink_to(beside)
    (app.root / "package.new").rename(package)
    assert app.change == [package / "helper.py"]
    app.has_loaded(app.root / "main.py", package / "helper.py")
    beside.rename(app.elsewhere.with_name("aside"))
    app.elsewhere.with_name("aside").rename(beside)
    (beside / "helper.py").write_text("4")
    assert app.change == [package / "helper.py"]


def test_a_folder_that_has_another_name_too_is_followed_under_both(app: App) -> None:
    also = app.root.with_name("also")
    also.symlink_to(app.root)
    settings = app.root / ".." / "app" / ".env"
    settings.write_text("A=1")
    app.following.follow_settings([str(settings)])
    app.has_loaded(app.root / "main.py", also / "helper.py")
    assert app.change == []
    (app.root / "main.py").write_text("2")
    (app.root / "helper.py").write_text("2")
    settings.write_text("A=2")
    assert app.change == [app.root / "main.py", also / "helper.py", settings]
