import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil_cli.wstest.repl.events import Item, Message, Note, Payload, Sent
from lihil_cli.wstest.repl.look import Look, cells
from lihil_cli.wstest.repl.render import FOLD_ROWS, MAX_ROWS, clock, delta_text, render

AT = 15 * 3600 + 46 * 60 + 23.1705


def rows(item: Item, width: int = 80, **look: bool) -> list[str]:
    return render(item, Look(width=width, **look)).splitlines()


def test_a_message_has_its_number_its_time_and_the_time_since_the_last() -> None:
    assert rows(Message(12, '{"type":"joined"}', AT, 0.4)) == ['#12 15:46:23.170 +0.4s ‹ {"type":"joined"}']
    assert rows(Message(12, "hi", AT, None, "bob")) == ["#12 15:46:23.170 bob ‹ hi"]


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (60, "#12 15:46:23.170 +0.4s bob ‹ "),
        (50, "#12 15:46:23.170 bob ‹ "),
        (30, "#12 bob ‹ "),
        (12, "#12 ‹ "),
    ],
)
def test_a_narrow_terminal_shows_less_of_that(width: int, head: str) -> None:
    assert rows(Message(12, "hi", AT, 0.4, "bob"), width) == [f"{head}hi"]


def test_what_is_too_long_for_a_row_goes_on_behind_an_indent() -> None:
    assert rows(Message(1, "a" * 30 + "\n› b", AT), 20) == ["#1 ‹ " + "a" * 15, "  " + "a" * 15, "  › b"]


def test_json_is_opened_at_the_width_of_the_rows_below_the_first() -> None:
    text = json.dumps({"type": "said", "text": "x" * 50})
    assert rows(Message(1, text, AT), 60) == [
        *("#1 15:46:23.170 ‹ {", '    "type": "said",', f'    "text": "{"x" * 47}', '  xxx"', "  }")
    ]


def test_a_long_message_is_folded_after_twenty_rows() -> None:
    shown = rows(Message(12, "\n".join(map(str, range(200))), AT), 100)
    assert shown[0].endswith("‹ 0")
    assert shown[FOLD_ROWS - 1] == "  19"
    assert shown[FOLD_ROWS:] == ["  … +180 lines · /show 12"]
    shown = rows(Message(12, "\n".join(["x"] * 21), AT), 100)
    assert shown[-1] == "  … +1 line · /show 12"


def test_long_json_is_folded_with_its_lines_counted() -> None:
    text = json.dumps({f"key{number}": "x" * 70 for number in range(100)})
    assert rows(Message(3, text, AT))[-1] == "  … +182 lines · /show 3"


def test_a_large_message_is_folded_with_its_size() -> None:
    assert rows(Message(3, "x" * 5_000_000, AT))[-1] == "  … 4.8 M characters in all · /show 3"
    assert rows(Message(3, "x" * 5_000, AT))[-1] == "  … 5,000 characters in all · /show 3"
    assert len(rows(Message(3, "x" * 5_000, AT))) == FOLD_ROWS + 1
    nobody_can_ask = Look(has_commands=False)
    assert render(Message(3, "x" * 5_000, AT), nobody_can_ask).endswith("  … 5,000 characters in all\n")


def test_bytes_are_folded_after_four_rows() -> None:
    shown = rows(Message(3, bytes(200), AT))
    assert shown[0] == "#3 15:46:23.170 ‹ binary, 200 bytes"
    assert shown[-1] == "  … +9 lines · /show 3"
    assert len(shown) == 6


def test_a_message_that_is_asked_for_is_shown_whole() -> None:
    shown = rows(Message(12, "\n".join(map(str, range(200))), AT, whole=True))
    assert shown[-1] == "  199"
    assert len(shown) == 200
    shown = rows(Message(12, "x\n" * 20_000, AT, whole=True))
    assert len(shown) == MAX_ROWS + 1
    assert shown[-1] == "  … 40,000 characters in all · /save FILE.jsonl has the rest"
    assert rows(Message(12, bytes(2 * 2**20), AT, whole=True, form="hex"))[-1].startswith("  … 2.0 MiB in all")


def test_notes_have_a_mark_or_an_indent() -> None:
    assert rows(Note("closed by server 1000", "end")) == ["⚑ closed by server 1000"]
    assert rows(Note("rtt 0.26 ms")) == ["  rtt 0.26 ms"]
    assert rows(Note("one two three four", "ok"), 12) == ["✓ one two", "  three four"]


def test_what_was_sent_is_shown_as_it_was_typed() -> None:
    assert rows(Sent("hi")) == ["› hi"]
    assert rows(Sent('{"a":\n1}', "bob")) == ['bob› {"a":', "… 1}"]
    shown = rows(Sent("x\n" * 100))
    assert len(shown) == FOLD_ROWS + 1
    assert shown[-1] == "… 200 characters"


def test_a_terminal_without_unicode_gets_ascii_marks() -> None:
    assert rows(Message(1, "hi", AT, 0.0), ascii=True) == ["#1 15:46:23.170 +0.0s < hi"]
    assert rows(Note("1 in · 2 out", "bad"), ascii=True) == ["error: 1 in - 2 out"]
    assert rows(Sent("a\nb"), ascii=True) == ["> a", "... b"]


def test_colours_are_there_where_they_are_allowed() -> None:
    assert render(Sent("hi"), Look(colour=True)) == "\x1b[1m›\x1b[0m hi\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "+0.0s"), (9.94, "+9.9s"), (12.7, "+12s"), (185, "+3m05s"), (3599, "+59m59s"), (7384, "+2h03m")],
)
def test_a_time_since_is_short(seconds: float, text: str) -> None:
    assert delta_text(seconds) == text


def test_the_clock_is_that_of_the_wall() -> None:
    assert clock(0.9999, 0) == "00:00:00.999"
    assert clock(86_400 * 3, 3600) == "01:00:00.000"
    assert clock(0, -60) == "23:59:00.000"


payloads = st.text() | st.binary(max_size=200)


@given(payloads, st.integers(20, 200))
def test_no_row_of_a_message_begins_where_our_marks_do(payload: Payload, width: int) -> None:
    shown = rows(Message(1, payload, AT), width)
    assert shown[0].startswith("#1 ")
    assert all(row.startswith("  ") for row in shown[1:])
    assert all(cells(row) <= width for row in shown)
