import pytest

from lihil_cli.devserver.changes import (
    BURST_LIMIT_S,
    BURST_QUIET_S,
    QUIET_S,
    Burst,
    Ledger,
    Verdict,
    is_settings,
    may_count,
)


@pytest.mark.parametrize("path", ["/p/main.py", "/p/conf.toml", "/p/pyproject.toml", "/p/.env", "/p/.env.local"])
def test_code_and_settings_may_count(path: str) -> None:
    assert may_count(path)


@pytest.mark.parametrize(
    "path",
    [
        "/p/a.html",
        "/p/a.css",
        "/p/a.json",
        "/p/README.md",
        "/p/main.py~",
        "/p/4913",
        "/p/.env~",
        "/p/.env.swp",
        "/p/.env.local.swx",
    ],
)
def test_nothing_else_may(path: str) -> None:
    assert not may_count(path)


def test_settings_are_what_is_read_before_any_code_runs() -> None:
    assert [
        path for path in ("a/.env", "a/.env.test", "a/pyproject.toml", "a/b.toml", "a/env.py") if is_settings(path)
    ] == [
        "a/.env",
        "a/.env.test",
        "a/pyproject.toml",
    ]


def test_a_save_is_over_after_a_moment_and_begins_with_its_first_file() -> None:
    burst = Burst()
    burst.add("a.py", 1.0)
    burst.add("b.py", 1.005)
    assert burst.deadline == 1.005 + QUIET_S
    assert burst.began == 1.0
    assert burst.take() == ("a.py", "b.py")
    assert burst.deadline is None


def test_many_files_are_waited_for_and_not_for_ever() -> None:
    burst = Burst()
    for number in range(4):
        burst.add(f"{number}.py", 1.0)
    assert burst.deadline == 1.0 + BURST_QUIET_S
    burst.add("late.py", 2.99)
    assert burst.deadline == 1.0 + BURST_LIMIT_S


def test_a_tool_that_says_more_will_come_is_waited_for() -> None:
    burst = Burst()
    burst.add("a.py", 1.0)
    burst.lock(1.01)
    assert burst.deadline == 1.01 + BURST_QUIET_S
    burst.take()
    burst.add("a.py", 2.0)
    assert burst.deadline == 2.0 + QUIET_S


def test_a_file_that_vanishes_is_waited_for_until_it_is_back() -> None:
    burst = Burst()
    burst.add("a.py", 1.0, is_gone=True)
    assert burst.deadline == 1.0 + BURST_QUIET_S
    burst.add("a.py", 1.01)
    assert burst.deadline == 1.01 + QUIET_S


class Files(dict[str, bytes]):
    """A few files in memory."""

    def judge(self, ledger: Ledger, *paths: str) -> Verdict | None:
        return ledger.judge(paths, self.get)


@pytest.fixture
def files() -> Files:
    return Files({"/p/main.py": b"1", "/p/helper.py": b"1", "/p/unused.py": b"1", "/lib/lihil/app.py": b"1"})


@pytest.fixture
def ledger(files: Files) -> Ledger:
    """A ledger that has read what a worker has loaded: main.py and helper.py."""
    made = Ledger()
    made.learn(files=["/p/main.py", "/p/helper.py"], inherited=["/lib/lihil/app.py"], missing=["local"], whole=True)
    for path in made.unread():
        made.note(path, files[path])
    assert made.unread() == set()
    return made


def test_a_file_that_was_only_touched_has_not_changed(ledger: Ledger, files: Files) -> None:
    assert files.judge(ledger, "/p/main.py") is None


def test_new_content_has_and_counts_once(ledger: Ledger, files: Files) -> None:
    files["/p/main.py"] = b"2"
    assert files.judge(ledger, "/p/main.py", "/p/helper.py") == Verdict(("/p/main.py",), is_fresh=False)
    assert files.judge(ledger, "/p/main.py") is None


def test_what_nobody_imports_does_not_count(ledger: Ledger, files: Files) -> None:
    files["/p/unused.py"] = b"2"
    assert files.judge(ledger, "/p/unused.py") is None


def test_a_file_that_is_gone_counts_if_it_was_imported(ledger: Ledger, files: Files) -> None:
    del files["/p/helper.py"]
    assert files.judge(ledger, "/p/helper.py") == Verdict(("/p/helper.py",), is_fresh=False)
    assert files.judge(ledger, "/p/temporary.toml") is None


@pytest.mark.parametrize("path", ["/p/.env", "/p/pyproject.toml", "/lib/lihil/app.py"])
def test_what_a_worker_inherits_needs_one_that_does_not(ledger: Ledger, files: Files, path: str) -> None:
    files[path] = b"2"
    assert files.judge(ledger, path) == Verdict((path,), is_fresh=True)


def test_other_settings_are_read_by_the_code_itself(ledger: Ledger, files: Files) -> None:
    files["/p/limits.toml"] = b"1"
    assert files.judge(ledger, "/p/limits.toml") == Verdict(("/p/limits.toml",), is_fresh=False)


@pytest.mark.parametrize("path", ["/p/local.py", "/p/local/__init__.py"])
def test_a_module_that_was_looked_for_in_vain_counts_when_it_appears(ledger: Ledger, files: Files, path: str) -> None:
    files[path] = b""
    assert files.judge(ledger, path) == Verdict((path,), is_fresh=False)


def test_before_a_worker_has_told_what_it_loaded_any_code_may_be_part_of_it(files: Files) -> None:
    assert files.judge(Ledger(), "/p/unused.py") == Verdict(("/p/unused.py",), is_fresh=False)


def test_while_the_code_is_broken_any_code_may_mend_it(ledger: Ledger, files: Files) -> None:
    ledger.learn(files=["/p/main.py", "/p/new.py"], inherited=[], missing=["other"], whole=False, is_broken=True)
    files["/p/unused.py"] = b"2"
    assert files.judge(ledger, "/p/unused.py") is not None
    assert ledger.missing == {"local", "other"}
    ledger.learn(files=["/p/main.py"], inherited=[], missing=[], whole=True)
    files["/p/unused.py"] = b"3"
    assert files.judge(ledger, "/p/unused.py") is None


def test_while_newer_code_is_loaded_what_the_older_does_not_import_does_not_count(files: Files) -> None:
    ledger = Ledger()
    ledger.learn(files=["/p/main.py"], inherited=[], missing=[], whole=False)
    assert files.judge(ledger, "/p/unused.py") is None
    ledger.learn(files=["/p/main.py"], inherited=[], missing=[], whole=False, is_broken=True)
    ledger.learn(files=["/p/main.py"], inherited=[], missing=[], whole=False)
    assert files.judge(ledger, "/p/unused.py") is not None  # which may mend it all the same


def test_a_folder_stands_for_the_code_in_it(ledger: Ledger) -> None:
    assert ledger.below("/p") == ["/p/helper.py", "/p/main.py"]
    assert ledger.below("/p/main") == []


def test_what_may_be_code_is_remembered_until_that_is_known(ledger: Ledger) -> None:
    assert ledger.concerned("/p/main.py", 1) == ["/p/main.py"]
    assert ledger.concerned("/p", 1, is_folder=True) == ["/p/helper.py", "/p/main.py"]
    found = [
        ledger.concerned(f"/p/{name}", at) for at, name in enumerate(["unused.py", "early.py", "late.py", "a.txt"])
    ]
    assert found == [[], [], [], []]
    assert ledger.overlooked(0) == []
    ledger.learn(files=["/p/main.py", "/p/early.py", "/p/late.py"], inherited=[], missing=[], whole=True)
    assert ledger.overlooked(1) == ["/p/early.py", "/p/late.py"]
    assert ledger.overlooked(2) == ["/p/late.py"]
    assert ledger.overlooked(1) == ["/p/late.py"]


def test_what_is_not_imported_any_more_is_forgotten(ledger: Ledger) -> None:
    ledger.learn(files=["/p/main.py"], inherited=[], missing=[], whole=True)
    ledger.learn(files=["/p/main.py", "/p/helper.py"], inherited=[], missing=[], whole=True)
    assert ledger.unread() == {"/p/helper.py"}


def test_a_file_behind_a_link_is_known_by_the_name_that_the_code_gives_it(ledger: Ledger) -> None:
    ledger.locate({"/p/helper.py": "/elsewhere/any.py", "/lib/lihil/app.py": "/src/lihil/app.py"})
    assert ledger.concerned("/elsewhere/any.py", 1) == ["/p/helper.py"]
    assert ledger.concerned("/p/helper.py", 1) == ["/p/helper.py"]
    assert ledger.concerned("/src", 1, is_folder=True) == ["/lib/lihil/app.py"]
    ledger.locate({"/p/helper.py": "/p/main.py"})
    assert ledger.concerned("/p/main.py", 1) == ["/p/main.py", "/p/helper.py"]
    assert ledger.concerned("/elsewhere/any.py", 1) == []
