import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil_cli.wstest.repl.look import MARKS, Line, Look, cells, width_of, wrap


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("мир", 3), ("你好", 4), ("e\u0301", 1), ("👍", 2), ("👩\u200d💻", 4), ("‹›…·×", 5)],
)
def test_columns_are_counted_as_terminals_do_or_rather_too_many(text: str, columns: int) -> None:
    assert cells(text) == columns


def test_marks_have_a_form_in_ascii() -> None:
    for name in MARKS:
        assert Look(ascii=True).mark(name)[1].isascii()
    assert Look().mark("in") == ("dim", "‹")


def test_our_own_words_have_a_form_in_ascii() -> None:
    assert Look(ascii=True).plain("a · b … ×3 → ✓ │ › ⚑ ⟳".removesuffix(" ⟳")) == "a - b ... x3 -> ok | > *"
    assert Look().plain("a · b") == "a · b"


def test_colour_is_written_only_where_it_is_allowed() -> None:
    row: Line = [("key", '"a"'), ("", ":"), ("number", "")]
    assert Look(colour=True).paint(row) == '\x1b[34m"a"\x1b[0m:'
    assert Look().paint(row) == '"a":'


@pytest.mark.parametrize(
    ("text", "first", "others", "rows"),
    [
        ("", 5, 5, [""]),
        ("abc", 5, 5, ["abc"]),
        ("abcdefgh", 3, 5, ["abc", "defgh"]),
        ("abcdefghij", 3, 5, ["abc", "defgh", "ij"]),
        ("你好你好", 3, 4, ["你", "好你", "好"]),
        ("abc", -3, 1, ["ab", "c"]),
    ],
)
def test_a_line_is_cut_into_rows(text: str, first: int, others: int, rows: list[str]) -> None:
    assert ["".join(text for _, text in row) for row in wrap([("", text)], first, others)] == rows


def test_words_stay_whole_where_that_is_wanted() -> None:
    rows = wrap([("", "one two three"), ("", " four")], 8, 10, words=True)
    assert ["".join(text for _, text in row) for row in rows] == ["one two", "three four"]
    assert ["".join(text for _, text in row) for row in wrap([("", "abcdefgh i")], 4, 4, words=True)] == [
        *("abcd", "efgh", "i")
    ]


@given(st.lists(st.tuples(st.sampled_from(["", "key"]), st.text(max_size=30)), max_size=5), st.integers(2, 40))
def test_no_row_is_wider_than_it_may_be_and_nothing_is_lost(line: Line, width: int) -> None:
    rows = list(wrap(line, width, width))
    assert all(width_of(row) <= width for row in rows)
    assert "".join(text for row in rows for _, text in row) == "".join(text for _, text in line)
