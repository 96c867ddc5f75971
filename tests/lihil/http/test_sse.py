"""Server-sent events: what is written is what a browser reads."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from lihil.http.sse import SSE


class Point(Struct):
    x: int
    y: int


@dataclass
class Browser:
    """The event stream interpretation of WHATWG HTML, section 9.2.6, written down step by step."""

    last_event_id: str = ""
    retry_ms: int | None = None
    events: list[tuple[str, str, str]] = field(default_factory=list)
    data: str = ""
    event: str = ""

    def read(self, stream: bytes) -> "Browser":
        for line in re.split(r"\r\n|\n|\r", stream.decode("utf-8"))[:-1]:
            self.line(line)
        return self

    def line(self, line: str) -> None:
        if not line:
            self.dispatch()
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            self.field(name, value.removeprefix(" "))

    def field(self, name: str, value: str) -> None:
        if name == "event":
            self.event = value
        elif name == "data":
            self.data += value + "\n"
        elif name == "id" and "\0" not in value:
            self.last_event_id = value
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            self.retry_ms = int(value)

    def dispatch(self) -> None:
        if self.data:
            self.events.append((self.event or "message", self.data.removesuffix("\n"), self.last_event_id))
        self.data = self.event = ""


def normal(text: str) -> str:
    """All three line ends are one to a browser."""
    return re.sub(r"\r\n|\r", "\n", text)


ONE_LINE = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("event", "written"),
    [
        (SSE(data="tick"), b"data: tick\n\n"),
        (SSE(data=""), b"data: \n\n"),
        (SSE(data=" two spaces"), b"data:  two spaces\n\n"),
        (SSE(data="one\ntwo\r\nthree\rfour\n"), b"data: one\ndata: two\ndata: three\ndata: four\ndata: \n\n"),
        (SSE(data="a\x0bb\x85c\u2028d"), "data: a\x0bb\x85c\u2028d\n\n".encode()),
        (SSE(data=b"\xc3\xbc"), b"data: \xc3\xbc\n\n"),
        (SSE(data={"a": [1, None]}), b'data: {"a":[1,null]}\n\n'),
        (SSE(data=Point(1, 2)), b'data: {"x":1,"y":2}\n\n'),
        (SSE(data=None), b"data: null\n\n"),
        (SSE(data=0), b"data: 0\n\n"),
        (
            SSE(data="x", event="moved", id=7, retry=1500, comment="seen by nobody"),
            b": seen by nobody\nevent: moved\nid: 7\nretry: 1500\ndata: x\n\n",
        ),
        (SSE(comment="alive"), b": alive\n\n"),
        (SSE(comment="two\nlines"), b": two\n: lines\n\n"),
        (SSE(retry=0), b"retry: 0\n\n"),
        (SSE(id=""), b"id: \n\n"),
    ],
)
def test_an_event_is_written_field_by_field(event: SSE, written: bytes) -> None:
    assert event.encode() == written


@settings(deadline=None)
@given(data=TEXT, event=ONE_LINE, event_id=ONE_LINE, comment=TEXT)
def test_a_browser_reads_what_was_written(data: str, event: str, event_id: str, comment: str) -> None:
    sent = SSE(data=data, event=event, id=event_id, retry=250, comment=comment).encode()
    browser = Browser().read(sent)
    assert browser.events == [(event or "message", normal(data), event_id)]
    assert browser.retry_ms == 250


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53), st.lists, max_leaves=8))
def test_data_that_is_no_text_arrives_as_json(data: Any) -> None:
    ((_, received, _),) = Browser().read(SSE(data=data).encode()).events
    assert json.loads(received) == data


def test_events_in_a_row_stay_apart() -> None:
    stream = b"".join(event.encode() for event in (SSE(data="a\n"), SSE(comment="b"), SSE(data="c", event="d")))
    assert Browser().read(stream).events == [("message", "a\n", ""), ("d", "c", "")]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("name", ["event", "id"])
def test_no_field_can_smuggle_in_another_event(name: str, line_end: str) -> None:
    make: Any = SSE
    with pytest.raises(ValueError, match=f"an event's {name} is one line"):
        make(data="x", **{name: f"a{line_end}data: forged"})


@pytest.mark.parametrize("retry", [-1, 1.5, "100", True])
def test_retry_is_a_whole_number_of_milliseconds(retry: Any) -> None:
    with pytest.raises(ValueError, match="whole number of milliseconds"):
        SSE(data="x", retry=retry)


def test_an_id_that_browsers_ignore_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        SSE(data="x", id="a\0b")


@pytest.mark.parametrize(("given", "said"), [({"event": "done"}, "give it data, '' if"), ({}, "needs data, or one of")])
def test_what_no_client_could_see_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SSE(**given)
