import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.patterns.source import Cursor, SourceError
from lihil_cli.wstest.script.outgoing import fill_text, outgoing_of, scan_outgoing
from lihil_cli.wstest.script.steps import SendBytes, SendClose, SendText


def sent(source: str) -> str | bytes | SendClose:
    cursor = Cursor(source)
    outgoing = scan_outgoing(cursor, len(source))
    assert cursor.is_at_end
    if isinstance(outgoing, SendText):
        return fill_text(outgoing, {})
    return outgoing.data if isinstance(outgoing, SendBytes) else outgoing


TEXTS = st.text() | st.sampled_from(
    [
        "close",
        "close 1000",
        "hex: 00",
        "[1,",
        "[1, 2]",
        '{"a": "$${b}"}',
        "${x}",
        "/x/",
        "<int>",
        "text: x",
        " a",
        "a\n",
        "...",
    ]
)


@settings(deadline=None)
@given(TEXTS)
def test_a_text_written_for_a_script_is_sent_as_that_text(text: str) -> None:
    source = outgoing_of(text)
    assert source.isprintable()
    assert sent(source) == text


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_bytes_written_for_a_script_are_sent_as_those_bytes(data: bytes) -> None:
    assert sent(outgoing_of(data)) == data


@pytest.mark.parametrize("source", [r'text: "\ud800"', r'text: "\udc00 ${x}"', r'close 1000 "\ud800"'])
def test_half_of_a_character_is_refused_before_it_is_sent(source: str) -> None:
    with pytest.raises(SourceError, match="half of a character"):
        sent(source)


def test_a_close_is_written_with_its_code_and_reason_where_they_can_be_sent() -> None:
    assert outgoing_of(Closed(4000, 'a "b" ${c}')) == 'close 4000 "a \\"b\\" $${c}"'
    assert sent(outgoing_of(Closed(4000, 'a "b" ${c}'))) == SendClose(4000, 'a "b" ${c}')
    assert outgoing_of(Closed(1005)) == "close"
