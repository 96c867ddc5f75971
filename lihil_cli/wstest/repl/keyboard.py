"""Where what is typed comes from: a line editor, or the terminal's own lines where there can be none."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from lihil_cli.record import Record
from lihil_cli.wstest.pipe import PipeReader, RecordSplitter
from lihil_cli.wstest.repl.events import InputEnded, Interrupted, Typed


class View(Record):
    """What stands around the line that is typed; each is asked whenever the prompt is drawn."""

    marker: Callable[[], str]
    live: Callable[[], str]
    toolbar: Callable[[], str]
    more: Callable[[], str]
    dash: Callable[[], str]


class Keyboard(Protocol):
    """What the shell needs of either. `is_away`: a program has the terminal; `draft`: what was typed in vain."""

    is_away: bool
    draft: str

    def keys(self) -> AbstractContextManager[None]: ...
    def print_above(self, text: str) -> None: ...
    def flush(self) -> None: ...
    def refresh(self) -> None: ...
    def clear(self) -> None: ...
    def prefill(self, text: str, *, edit: bool = False) -> None: ...
    def set_keys(self, mode: str) -> None: ...
    async def next_event(self) -> Typed | InputEnded | Interrupted: ...
    async def come_back(self) -> None: ...
    def stop(self) -> None: ...


class PlainLines:
    """Lines as the terminal itself edits them: for a terminal that can do nothing, or without a line editor."""

    is_away = False
    draft = ""

    def __init__(self, descriptor: int, write: Callable[[str], None]) -> None:
        self._write = write
        self._splitter = RecordSplitter()
        self._events: asyncio.Queue[Typed | InputEnded] = asyncio.Queue()
        self._open = ""
        self._reader = PipeReader(descriptor, self._take)

    @contextmanager
    def keys(self) -> Iterator[None]:
        """The terminal keeps its own ways."""
        yield

    def print_above(self, text: str) -> None:
        """Show whole lines; they must be harmless already."""
        self._write(text)

    def flush(self) -> None:
        """Everything has been shown."""

    def refresh(self) -> None:
        """There is no prompt to draw."""

    def clear(self) -> None:
        """A terminal that can do nothing cannot be wiped either."""

    def prefill(self, text: str, *, edit: bool = False) -> None:
        """A line cannot be put back: it is shown, to be copied."""
        self._write("".join(f"  {line}\n" for line in text.split("\n")))

    def set_keys(self, mode: str) -> None:
        """The keys are the terminal's."""

    async def next_event(self) -> Typed | InputEnded | Interrupted:
        """The next line, or the end of the input."""
        return await self._events.get()

    async def come_back(self) -> None:
        """It is never away."""

    def stop(self) -> None:
        """The end of what is typed."""
        self._events.put_nowait(InputEnded())

    def _take(self, chunk: bytes) -> None:
        from lihil_cli.wstest.repl.typed import is_complete  # late, as all that only who types needs

        lines = self._splitter.feed(chunk) if chunk else self._splitter.finish()
        try:
            for line in lines:
                self._open += line.decode("utf-8", "replace")
                if is_complete(self._open):
                    self._events.put_nowait(Typed(self._open))
                    self._open = ""
                else:
                    self._open += "\n"
        except ValueError as error:
            self._write(f"{error}\n")
            self._splitter = RecordSplitter()
        if chunk:
            self._reader.resume()
        else:
            self._events.put_nowait(InputEnded())
