"""Exit codes, and the one exception a command raises when the user has to do something."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says when it ends; the table stands in the README."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CANNOT_CONNECT = 3
    REFUSED = 4
    ENDED_BADLY = 5
    TIMEOUT = 6
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


def how_it_ended(code: int) -> str:
    """How a process ended, in words, from its exit code (negative: the number of a signal)."""
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


class CliError(Exception):
    """A mistake the user can mend: shown as `error: MESSAGE` and, on a second line, `hint: HINT`. No traceback."""

    def __init__(self, message: str, *, hint: str = "", code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    @property
    def text(self) -> str:
        """The lines that stderr gets."""
        return f"error: {self.message}\nhint: {self.hint}" if self.hint else f"error: {self.message}"


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where the main thread stands, so that what was opened is closed; ends with exit code 143.

    Of KeyboardInterrupt's kind, because no code that catches ordinary exceptions may swallow it.
    """
