"""Server-sent events (WHATWG HTML, section 9.2)."""

import re
from dataclasses import dataclass
from typing import Final

from lihil.params.codec import encode_json
from lihil.params.spec import MISSING

# A line ends with CRLF, LF or CR and with nothing else (section 9.2.5), so str.splitlines would cut too often.
_LINE_END: Final = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class SSE:
    """One server-sent event.

    `data`: text or UTF-8 bytes go out as they are, line by line; anything else as JSON. `event`: the name
    for `addEventListener`, "message" when None. `id`: comes back as Last-Event-ID when the browser reconnects. `retry`:
    the milliseconds it waits before that. `comment`: seen by nobody; keeps a connection alive, as in
    `SSE(comment="alive")`. Raises ValueError for a line break in `event` or `id`, and for what no client could see.
    """

    data: object = MISSING
    event: str | None = None
    id: str | int | None = None
    retry: int | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("event", self.event), ("id", self.id)):
            if value is not None and _LINE_END.search(str(value)):
                raise ValueError(f"an event's {name} is one line: {value!r} has a line break in it")
        if "\0" in str(self.id):  # section 9.2.6: such an id is ignored
            raise ValueError(f"an event's id has no NUL in it, as {self.id!r} does: clients ignore it")
        if self.retry is not None and (type(self.retry) is not int or self.retry < 0):
            raise ValueError(f"retry is a whole number of milliseconds, not {self.retry!r}")
        if self.data is MISSING:
            self._check_without_data()

    def encode(self) -> bytes:
        """The event's fields, a line each, and the empty line that ends it (section 9.2.5), in UTF-8."""
        fields = (("", self.comment), ("event", self.event), ("id", self.id), ("retry", self.retry))
        lines = [f"{name}: {line}" for name, value in fields if value is not None for line in _lines(str(value))]
        if self.data is not MISSING:
            lines += [f"data: {line}" for line in _lines(_text(self.data))]
        return ("\n".join(lines) + "\n\n").encode()

    def _check_without_data(self) -> None:
        if self.event is not None:  # section 9.2.6: without data nothing is dispatched
            raise ValueError(f"browsers drop the event {self.event!r} without data; give it data, '' if there is none")
        if self.id is None and self.retry is None and self.comment is None:
            raise ValueError("an event needs data, or one of id, retry and comment")


def _lines(text: str) -> list[str]:
    return _LINE_END.split(text)


def _text(data: object) -> str:
    if isinstance(data, str):
        return data
    return (data if isinstance(data, bytes) else encode_json(data)).decode()
