"""The text that is read, and where in it something is wrong."""

import re


class SourceError(ValueError):
    """What was written cannot be read: `at` is the offset in the text, `expected` says what could stand there."""

    def __init__(self, message: str, at: int, *, expected: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.expected = expected


class Cursor:
    """A place in a text, moving forward. Nothing here looks back, so no text is read twice."""

    _BLANK = re.compile(r"[ \t\r\n]*")
    _SPACE = re.compile(r"[ \t]*")

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at

    @property
    def is_at_end(self) -> bool:
        return self.at >= len(self.text)

    @property
    def line_end(self) -> int:
        """The offset of the newline that ends this line, or of the end of the text."""
        newline = self.text.find("\n", self.at)
        return len(self.text) if newline < 0 else newline

    def peek(self, word: str) -> bool:
        """Whether `word` comes next."""
        return self.text.startswith(word, self.at)

    def take(self, word: str) -> bool:
        """Step over `word` if it comes next."""
        if not self.peek(word):
            return False
        self.at += len(word)
        return True

    def take_match(self, pattern: re.Pattern[str], end: int | None = None) -> re.Match[str] | None:
        """Step over what `pattern` matches here; it sees the text only up to the offset `end`."""
        found = pattern.match(self.text, self.at, len(self.text) if end is None else end)
        if found is not None:
            self.at = found.end()
        return found

    def take_span(self, pattern: re.Pattern[str], end: int) -> str:
        """Step over what `pattern`, which matches nothing too, matches up to the offset `end`, and give it."""
        found = self.take_match(pattern, end)
        return "" if found is None else found.group()

    def skip_blank(self) -> None:
        """Step over spaces, tabs and line ends."""
        self.take_match(self._BLANK)

    def skip_space(self) -> None:
        """Step over spaces and tabs."""
        self.take_match(self._SPACE)

    def error(self, message: str, *, expected: str = "", at: int | None = None) -> SourceError:
        """A SourceError here, or at `at`."""
        return SourceError(message, self.at if at is None else at, expected=expected)
