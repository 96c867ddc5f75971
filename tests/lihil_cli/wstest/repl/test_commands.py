import pytest

from lihil_cli.wstest.repl.commands import INTRODUCTION, USAGES, help_lines


def test_help_lists_every_command_in_one_column() -> None:
    lines = help_lines()
    assert lines[: len(INTRODUCTION)] == list(INTRODUCTION)
    rows = lines[len(INTRODUCTION) :]
    assert [row.split()[0] for row in rows] == [f"/{usage.name}" for usage in USAGES]
    assert len({row.index(usage.about, len(usage.synopsis)) for row, usage in zip(rows, USAGES, strict=True)}) == 1


@pytest.mark.parametrize("name", ["stall", "/stall"])
def test_help_tells_more_about_one_command(name: str) -> None:
    assert help_lines(name) == [
        "/stall SECONDS",
        "  read nothing for a while, to see how the server bears a slow client",
        "  for example: /stall 10s",
    ]


def test_help_for_what_is_no_command_says_so() -> None:
    assert help_lines("nonsense") == ["there is no command nonsense; /help lists them"]
