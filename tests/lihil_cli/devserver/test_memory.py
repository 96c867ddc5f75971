import json
import stat
from pathlib import Path

import pytest

from lihil_cli.devserver.memory import Memory, find_named, forget_memory, read_memory, write_memory
from lihil_cli.loader import Target


@pytest.fixture
def target(tmp_path: Path) -> Target:
    (tmp_path / "main.py").write_text(
        "import os, redis.asyncio as redis\n# import pandas\nif os:\n    from attr import s\n"
    )
    return Target("main", "app", tmp_path)


@pytest.fixture
def memory(target: Target) -> Memory:
    main = str(target.root / "main.py")
    return Memory(["redis._parsers", "attr"], f"A in {main}:1", {"redis": main, "attr": main})


def test_what_was_kept_is_there_for_its_owner_until_it_is_forgotten(target: Target, memory: Memory) -> None:
    write_memory(target, memory)
    assert read_memory(target) == memory
    assert stat.S_IMODE((target.root / ".lihil" / "packages.json").stat().st_mode) == 0o600
    forget_memory(target)
    forget_memory(target)
    assert read_memory(target) is None


def test_named_are_the_packages_that_import_statements_name(target: Target) -> None:
    files = [str(target.root / "main.py"), str(target.root / "gone.py")]
    found = find_named(["redis.client", "pandas", "attr", "attr.validators", "numpy"], files)
    assert found == {"redis": files[0], "attr": files[0]}


def test_it_counts_no_more_when_the_app_does_not_import_one_of_these_any_more(target: Target, memory: Memory) -> None:
    write_memory(target, memory)
    (target.root / "main.py").write_text("import redis\n")
    assert read_memory(target) is None


def test_another_app_another_path_and_other_packages_have_another_memory(
    target: Target, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_memory(target, memory)
    assert read_memory(target.but(attribute="other")) is None
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert read_memory(target) is None


@pytest.mark.parametrize("packages", [None, 1, "ab", [1], {}])
def test_a_broken_memory_is_none(target: Target, memory: Memory, packages: object) -> None:
    write_memory(target, memory)
    file = target.root / ".lihil" / "packages.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "packages": packages}))
    assert read_memory(target) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"of": []}', "[" * 100_000, "\udcff"])
def test_a_file_that_is_no_memory_is_none(target: Target, content: str) -> None:
    (target.root / ".lihil").mkdir()
    (target.root / ".lihil" / "packages.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert read_memory(target) is None


def test_a_folder_that_cannot_be_written_does_no_harm(target: Target, memory: Memory) -> None:
    (target.root / ".lihil").write_text("a file")
    write_memory(target, memory)
    assert read_memory(target) is None
