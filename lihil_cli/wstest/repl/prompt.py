"""The prompt: line editing by prompt_toolkit, with what arrives shown above the half-typed line.

Importing this module costs as much as opening the connection, so it is imported after the handshake.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import has_focus, is_done, is_searching
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History as EditorHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import ConditionalContainer, Window, walk
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from lihil_cli.wstest.repl.complete import Words, complete, split_address
from lihil_cli.wstest.repl.events import InputEnded, Interrupted, Typed
from lihil_cli.wstest.repl.history import History
from lihil_cli.wstest.repl.keyboard import View
from lihil_cli.wstest.repl.look import cells
from lihil_cli.wstest.repl.typed import as_utf8, is_complete

# Messages that arrive within this time share one redraw of the prompt; more would be seen as a delay.
_REDRAW_S = 0.02
_MENU_ROWS = 6
_STYLE = Style.from_dict(
    {"bottom-toolbar": "noreverse", "toolbar": "ansibrightblack", "live": "ansibrightblack", "marker": "bold"}
)


class _EmptyLineInterruptError(Exception):
    """Ctrl-C on an empty line. No KeyboardInterrupt: asyncio would tear its loop down for one."""


class Prompt:
    """One line editor, and the text that is shown above it."""

    echoes = False

    def __init__(self, view: View, history: History, words: Callable[[], Words]) -> None:
        self._view = view
        self._pending: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._default = ""
        self._edits = False
        self._editing: asyncio.Task[None] | None = None
        self.draft = ""
        self.is_away = False
        self._editor: PromptSession[str] = PromptSession(
            self._message,
            multiline=True,
            prompt_continuation=self._continuation,
            bottom_toolbar=self._toolbar,
            completer=_Completer(words),
            complete_while_typing=False,
            reserve_space_for_menu=_MENU_ROWS,
            history=_History(history),
            key_bindings=self._bindings(),
            editing_mode=EditingMode.VI if _wants_vi(os.environ) else EditingMode.EMACS,
            enable_suspend=True,
            erase_when_done=True,  # the line is echoed among the messages, in the order of sending
            style=_STYLE,
            output=_output(),
        )
        _keep_toolbar(self._editor.app)

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
        if not text or self.is_away:
            return
        self._pending.clear()
        # prompt_toolkit's own way, run_in_terminal, lets the terminal echo keys by itself while the text is written.
        app = self._editor.app
        if app.is_running:
            app.renderer.erase()
        app.output.enable_autowrap()  # the editor draws without
        encoding = app.output.encoding()  # the editor would write a question mark for what it has no character for
        app.output.write_raw(text.replace("\n", "\r\n").encode(encoding, "backslashreplace").decode(encoding))
        app.output.flush()
        app.invalidate()

    def refresh(self) -> None:
        """Draw the prompt again, because what the view says has changed."""
        self._editor.app.invalidate()

    def clear(self) -> None:
        """Wipe the screen."""
        self.flush()
        self._editor.app.output.erase_screen()
        self._editor.app.output.cursor_goto(0, 0)
        self._editor.app.renderer.reset()
        self._editor.app.output.flush()

    def prefill(self, text: str, *, edit: bool = False) -> None:
        """What stands in the prompt when it comes back; with `edit` in the editor first."""
        self._default, self._edits = text, edit

    def set_keys(self, mode: str) -> None:
        """Edit as in emacs or as in vi."""
        self._editor.editing_mode = EditingMode.VI if mode == "vi" else EditingMode.EMACS

    async def next_event(self) -> Typed | InputEnded | Interrupted:
        """What the user does next: a line, Ctrl-D (also after `stop`), or Ctrl-C with nothing typed."""
        default, self._default = self._default, ""
        try:
            text = await self._editor.prompt_async(
                default=default, pre_run=self._begin, handle_sigint=False, set_exception_handler=False
            )
        except EOFError:
            return InputEnded()
        except _EmptyLineInterruptError:
            return Interrupted()
        return Typed(as_utf8(text))

    async def come_back(self) -> None:
        """Wait until the editor has given the terminal back; what was to be shown meanwhile is shown then."""
        if self._editing is not None:
            await asyncio.wait({self._editing})

    def stop(self) -> None:
        """Take the prompt away; what is typed in it becomes the `draft`, and part of the history."""
        waited_for = self._editor.app.future
        if waited_for is not None and not waited_for.done():  # Enter may have ended it in this very moment
            self.draft = as_utf8(self._editor.default_buffer.text)
            if self.draft.strip():
                self._editor.history.append_string(self.draft)
            self._editor.app.exit(exception=EOFError())

    # What is drawn

    def _message(self) -> StyleAndTextTuples:
        columns = self._editor.app.output.get_size().columns
        live = self._view.live()
        above: StyleAndTextTuples = [("class:live", f"{_cut(live, columns - 1)}\n")] if live else []
        return [*above, ("class:marker", self._view.marker())]

    def _continuation(self, width: int, number: int, wraps: int) -> str:
        # Of a line that is too long for the terminal, nothing shows where it was broken.
        return " " * width if wraps else self._view.more().ljust(width)

    def _toolbar(self) -> StyleAndTextTuples:
        columns = self._editor.app.output.get_size().columns
        dash = self._view.dash()
        text = f"{dash} {_cut(self._view.toolbar(), columns - 5)} {dash}"
        return [("class:toolbar", text)]

    def _redraw(self) -> None:
        self._timer = None
        if self._pending:
            self.flush()
            self._timer = asyncio.get_running_loop().call_later(_REDRAW_S, self._redraw)

    # Keys

    def _begin(self) -> None:
        edits, self._edits = self._edits, False
        if edits:
            self._edit(self._editor.app, self._editor.default_buffer)

    def _edit(self, app: Application[str], buffer: Buffer) -> None:
        async def edit() -> None:
            self.is_away = True
            try:
                await buffer.open_in_editor()
            finally:
                self.is_away = False
                self.flush()

        self._editing = app.create_background_task(edit())

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER) & ~is_searching

        @bindings.add("c-c", filter=typing)  # elsewhere it ends a search, and nothing else
        def _(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.reset()
            else:
                event.app.exit(exception=_EmptyLineInterruptError())

        @bindings.add("enter", filter=typing)
        def _(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
                buffer.complete_state = None  # it takes what the menu offers, and nothing more
            elif is_complete(buffer.text):
                buffer.validate_and_handle()
            else:
                buffer.newline(copy_margin=False)

        @bindings.add("escape", "enter", filter=typing)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        @bindings.add("c-x", "c-e", filter=typing)
        def _(event: KeyPressEvent) -> None:
            self._edit(event.app, event.current_buffer)

        return bindings


def _output() -> Output:
    """The terminal, never asked where its cursor is: not every one answers, and an answer comes among the keys."""
    output = create_output(sys.__stdout__)  # sys.stdout may be an app's, which runs in this process
    if isinstance(output, Vt100_Output):
        output.enable_cpr = False
    return output


def _keep_toolbar(app: Application[str]) -> None:
    """Show the toolbar right below the prompt, also while nobody knows how many rows there are to the bottom."""
    for container in walk(app.layout.container):
        if isinstance(container, ConditionalContainer) and _is_toolbar(container.content):
            container.filter = ~is_done


def _is_toolbar(content: object) -> bool:
    return isinstance(content, Window) and content.style == "class:bottom-toolbar"


class _History(EditorHistory):
    """Our history as the editor knows one."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def load_history_strings(self) -> Iterable[str]:
        return self._history.newest_first()

    def store_string(self, string: str) -> None:
        self._history.append(string)


class _Completer(Completer):
    """Our completion as the editor knows one; names of files by its own."""

    def __init__(self, words: Callable[[], Words]) -> None:
        self._words = words
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        command, space, rest = split_address(before)[1].partition(" ")
        if space and command in {"/file", "/save", "/replay"}:
            yield from self._paths.get_completions(Document(rest, len(rest)), complete_event)
            return
        for one in complete(before, self._words()):
            yield Completion(one.text, -one.replaces, display_meta=one.about)


def _cut(text: str, columns: int) -> str:
    while cells(text) > max(columns, 0):
        text = text[:-1]
    return text


def _wants_vi(environ: "os._Environ[str]") -> bool:
    """Whether the user's other line editors, which read inputrc, are set to vi keys."""
    file = Path(environ.get("INPUTRC") or "~/.inputrc").expanduser()
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    return any(line.split() == ["set", "editing-mode", "vi"] for line in lines)
