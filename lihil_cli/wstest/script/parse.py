"""From the text of a `.wst` file to its steps. The grammar is described in docs/ws-scripts.md.

A script is read once, from front to back; every mistake has its place and says what could stand there. Line ends are
newlines: whoever reads a file turns the others into them.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import ClassVar

from lihil_cli.record import Record
from lihil_cli.wstest.patterns.pattern import scan_pattern
from lihil_cli.wstest.patterns.source import Cursor, SourceError
from lihil_cli.wstest.script.directives import (
    scan_connection,
    scan_name,
    scan_refusal,
    scan_rounds,
    scan_seconds,
    scan_target,
)
from lihil_cli.wstest.script.outgoing import scan_outgoing
from lihil_cli.wstest.script.steps import (
    Connect,
    Destination,
    Expect,
    Place,
    Repeat,
    Script,
    Send,
    Silence,
    Step,
    Timeout,
    Unordered,
)

MAX_DEPTH = 10
"""How deep blocks may be nested."""

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)?(!<|<|>)")
_SPACED = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)[ \t]+(!<|<|>)")
_NEXT_STEP = re.compile(r"[ \t]+([A-Za-z_][A-Za-z0-9_-]*)?(!<|<|>)(?=[ \t]|$)")
_BLOCK_END = re.compile(r"[ \t]+\}(?=[ \t]|$)")
_WORD = re.compile(r"[A-Za-z]+")
_STEPS = "NAME> message, NAME< pattern, NAME!< time, @directive or # comment"


def parse_script(text: str) -> Script:
    """The steps of a script. Raises SourceError, and nothing else, for a text that is none."""
    return _Parser(text).parse()


class Position(Record):
    """A place for people: `line` and `column` count from 1, `text` is the whole line."""

    line: int
    column: int
    text: str


def locate(text: str, at: int) -> Position:
    """Where the offset `at` is."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", start)
    return Position(text.count("\n", 0, start) + 1, at - start + 1, text[start : len(text) if end < 0 else end])


class _Parser:
    def __init__(self, text: str) -> None:
        self._cursor = Cursor(text)
        self._clients: list[str] = []
        self._target: Destination | None = None
        self._counted = (0, 1)

    def parse(self) -> Script:
        steps: list[Step] = []
        while self._skip_to_step():
            self._take_step(steps, depth=0, is_inline=False)
            self._finish_line()
        if not steps:
            raise self._cursor.error("there is no step in this script", expected=_STEPS)
        if self._clients == [""]:
            steps.insert(0, Connect(steps[0].place, "", word=""))
        self._check_targets(steps)
        return Script(tuple(steps), self._target, tuple(self._clients))

    def _check_targets(self, steps: Iterable[Step]) -> None:
        for step in steps if self._target is None else ():
            if isinstance(step, Repeat):
                self._check_targets(step.steps)
            elif isinstance(step, Connect) and step.path is None:
                message = "nothing says where this connects to"
                raise self._cursor.error(message, at=step.place.at, expected="@target /path before all steps")

    # Lines

    def _skip_to_step(self) -> bool:
        """Step over empty lines and comments; whether anything follows."""
        cursor = self._cursor
        cursor.skip_blank()
        while cursor.peek("#"):
            cursor.at = cursor.line_end
            cursor.skip_blank()
        return not cursor.is_at_end

    def _finish_line(self) -> None:
        cursor = self._cursor
        cursor.skip_space()
        if cursor.peek("#"):
            cursor.at = cursor.line_end
        if not cursor.is_at_end and not cursor.peek("\n"):
            raise cursor.error("this step has ended before this", expected="the end of the line, or a comment: # ...")

    def _take_step(self, steps: list[Step], *, depth: int, is_inline: bool) -> None:
        cursor = self._cursor
        place = self._place()
        if cursor.take("@"):
            step = self._directive(place, depth)
            steps += [] if step is None else [step]
            return
        found = cursor.take_match(_STEP)
        if found is None:
            raise self._no_step()
        name = found[1] or ""
        self._check_client(name, place.at)
        cursor.skip_space()
        if found[2] == "!<":
            steps.append(Silence(place, name, scan_seconds(cursor)))
        else:
            steps.append(self._message_step(place, name, found[2], is_inline=is_inline))

    def _message_step(self, place: Place, name: str, arrow: str, *, is_inline: bool) -> Expect | Send:
        cursor = self._cursor
        start = cursor.at
        text_end = self._inline_end() if is_inline else cursor.line_end
        try:
            if arrow == "<":
                return Expect(place, name, scan_pattern(cursor, text_end))
            outgoing = scan_outgoing(cursor, text_end)
        except SourceError as error:
            raise self._with_start(error, start) from None
        return Send(place, name, cursor.text[start : cursor.at].rstrip(), outgoing)

    def _with_start(self, error: SourceError, start: int) -> SourceError:
        """A mistake that shows on a later line than where the message began says where that was."""
        first, last = locate(self._cursor.text, start), locate(self._cursor.text, error.at)
        if first.line == last.line:
            return error
        return SourceError(f"{error.message}, in what began on line {first.line}", error.at, expected=error.expected)

    def _no_step(self) -> SourceError:
        cursor = self._cursor
        if cursor.peek("}"):
            return cursor.error("no block is open that this could close", expected=_STEPS)
        spaced = _SPACED.match(cursor.text, cursor.at)
        if spaced is not None:
            expected = f"{spaced[1]}{spaced[2]}"
            return cursor.error("a space stands before the arrow", at=spaced.end(1), expected=expected)
        return cursor.error("this is no step", expected=_STEPS)

    def _inline_end(self) -> int:
        """Where exact text ends in a block of one line: before the next step, or before the bracket."""
        cursor = self._cursor
        end = cursor.line_end
        before = cursor.at - 1  # so that the space before the bracket is seen also where there is no text
        bracket = _BLOCK_END.search(cursor.text, before, end)
        steps = _NEXT_STEP.finditer(cursor.text, before, end)
        stops = [found.start() for found in steps if (found[1] or "") in self._clients]
        stops += [] if bracket is None else [bracket.start()]
        return max(min(stops, default=end), cursor.at)

    def _place(self) -> Place:
        """This place; the lines are counted on from the last one that was asked for."""
        at, line = self._counted
        line += self._cursor.text.count("\n", at, self._cursor.at)
        self._counted = (self._cursor.at, line)
        return Place(self._cursor.at, line)

    def _check_client(self, name: str, at: int) -> None:
        if name in self._clients:
            return
        if not name and not self._clients:
            self._clients.append("")
            return
        if not name:
            known = " or ".join(f"{client}<" for client in self._clients[:3])
            raise self._cursor.error("this arrow has no client", at=at, expected=known)
        near = difflib.get_close_matches(name, self._clients, n=1)
        known = f"{near[0]}, or " if near else ""
        expected = f"{known}@client {name} on a line before this one"
        raise self._cursor.error(f"there is no client {name}", at=at, expected=expected)

    # Directives

    def _directive(self, place: Place, depth: int) -> Step | None:
        cursor = self._cursor
        at = cursor.at
        found = cursor.take_match(_WORD)
        word = "" if found is None else found.group()
        cursor.skip_space()
        if word == "target":
            self._take_target(place, depth)
            return None
        rule = self._DIRECTIVES.get(word)
        if rule is None:
            words = [*sorted(self._DIRECTIVES), "target"]
            near = difflib.get_close_matches(word, words, n=1) or words
            raise cursor.error(f"there is no directive @{word}", at=at, expected=f"@{', @'.join(near)}")
        return rule(self, place, depth)

    def _take_target(self, place: Place, depth: int) -> None:
        if self._target is not None or self._clients or depth:
            raise self._cursor.error("the target stands once, before all steps", at=place.at)
        self._target = scan_target(self._cursor, place)

    def _timeout(self, place: Place, depth: int) -> Timeout:
        return Timeout(place, scan_seconds(self._cursor))

    def _client(self, place: Place, depth: int) -> Connect:
        name = self._client_name()
        if name in self._clients:
            message = f"the client {name} is there already"
            raise self._cursor.error(message, at=place.at, expected=f"@connect {name} for one more connection")
        return self._connection(place, name, "client")

    def _connect(self, place: Place, depth: int) -> Connect:
        step = self._connection(place, self._client_name(), "connect")
        cursor = self._cursor
        if not cursor.take("expect"):
            return step
        cursor.skip_space()
        start = cursor.at
        try:
            return step.but(refusal=scan_refusal(cursor))
        except SourceError as error:
            raise self._with_start(error, start) from None

    def _client_name(self) -> str:
        at = self._cursor.at
        name = scan_name(self._cursor)
        if self._clients == [""]:
            raise self._cursor.error("the first steps name no client", at=at, expected="the client before each arrow")
        return name

    def _connection(self, place: Place, name: str, word: str) -> Connect:
        step = scan_connection(self._cursor, place, name, word)
        if name not in self._clients:
            self._clients.append(name)
        return step

    # Blocks

    def _unordered(self, place: Place, depth: int) -> Unordered:
        expects: list[Expect] = []
        for step in self._block(depth):
            if not isinstance(step, Expect):
                message = "only expectations can come in any order"
                raise self._cursor.error(message, at=step.place.at, expected="NAME< pattern")
            expects.append(step)
        return Unordered(place, tuple(expects))

    def _repeat(self, place: Place, depth: int) -> Repeat:
        count = scan_rounds(self._cursor)
        self._cursor.skip_space()
        return Repeat(place, count, self._block(depth))

    def _block(self, depth: int) -> tuple[Step, ...]:
        """The steps between brackets: all on one line, or each on its own."""
        cursor = self._cursor
        at = cursor.at
        if depth >= MAX_DEPTH:
            raise cursor.error(f"blocks are nested deeper than {MAX_DEPTH} levels")
        if not cursor.take("{"):
            raise cursor.error("the block has no beginning", expected="{")
        cursor.skip_space()
        is_inline = not cursor.peek("#") and cursor.at < cursor.line_end
        steps: list[Step] = []
        while not self._closes(at, is_inline=is_inline):
            self._take_step(steps, depth=depth + 1, is_inline=is_inline)
            if not is_inline:
                self._finish_line()
        if not steps:
            raise cursor.error("there is no step in this block", at=at, expected=_STEPS)
        return tuple(steps)

    def _closes(self, at: int, *, is_inline: bool) -> bool:
        cursor = self._cursor
        if is_inline:
            cursor.skip_space()
            is_over = cursor.peek("#") or cursor.at == cursor.line_end
        else:
            is_over = not self._skip_to_step()
        if is_over:
            expected = "a space and } on this line" if is_inline else "} on a line of its own"
            raise cursor.error("this block has no end", at=at, expected=expected)
        return cursor.take("}")

    _DIRECTIVES: ClassVar[dict[str, Callable[["_Parser", Place, int], Step]]] = {
        "client": _client,
        "connect": _connect,
        "repeat": _repeat,
        "timeout": _timeout,
        "unordered": _unordered,
    }
