"""The prompt: line editing by prompt_toolkit, with what arrives shown above the half-typed line.

Importing this module costs as much as opening the connection, so it is imported after the handshake.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from lihil_cli.wstest.events import InputEnded, Interrupted, Line

# Messages that arrive within this time share one redraw of the prompt; more would be seen as a delay.
_REDRAW_S = 0.02


class _EmptyLineInterruptError(Exception):
    """Ctrl-C on an empty line. No KeyboardInterrupt: asyncio would tear its loop down for one."""


class Prompt:
    """One line editor, and the text that is shown above it."""

    def __init__(self, marker: str, history: Path | None) -> None:
        self._marker = marker
        self._pending: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._editor: PromptSession[str] = PromptSession(
            history=InMemoryHistory() if history is None else _History(str(history)),
            key_bindings=_bindings(),
            enable_suspend=True,
            erase_when_done=True,  # the line is echoed among the messages, in the order of sending
        )

    @contextmanager
    def keys(self) -> Iterator[None]:
        """Hold the terminal's keyboard, between one line and the next as well.

        Otherwise the terminal itself would echo what is typed in that gap, and take a Ctrl-D for its own.
        """
        with self._editor.app.input.raw_mode():
            yield

    def print_above(self, text: str) -> None:
        """Show whole lines above the prompt, perhaps a moment later; they must be harmless already."""
        self._pending.append(text)
        if self._timer is None:
            self._redraw()

    def flush(self) -> None:
        """Show at once what `print_above` was given."""
        text = "".join(self._pending)
        self._pending.clear()
        if not text:
            return
        # prompt_toolkit's own way, run_in_terminal, lets the terminal echo keys by itself while the text is written.
        app = self._editor.app
        if app.is_running:
            app.renderer.erase()
        app.output.enable_autowrap()  # the editor draws without
        app.output.write_raw(text.replace("\n", "\r\n"))
        app.output.flush()
        app.invalidate()

    async def next_event(self) -> Line | InputEnded | Interrupted:
        """What the user does next: a line, Ctrl-D (also after `stop`), or Ctrl-C with nothing typed."""
        try:
            text = await self._editor.prompt_async(self._marker, handle_sigint=False, set_exception_handler=False)
        except EOFError:
            return InputEnded()
        except _EmptyLineInterruptError:
            return Interrupted()
        return Line(text)

    def stop(self) -> None:
        """Take the prompt away, whatever is typed in it."""
        waited_for = self._editor.app.future
        if waited_for is not None and not waited_for.done():  # Enter may have ended it in this very moment
            self._editor.app.exit(exception=EOFError())

    def _redraw(self) -> None:
        self._timer = None
        if self._pending:
            self.flush()
            self._timer = asyncio.get_running_loop().call_later(_REDRAW_S, self._redraw)


class _History(FileHistory):
    """A history file that may become unwritable without anybody's typing being lost for it."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=_EmptyLineInterruptError())

    return bindings
