"""How each way of ending becomes words on standard error and an exit code."""

import os
import sys
import traceback
from collections.abc import Callable

from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode


def outcome(work: Callable[[], object]) -> int:
    """Do `work` and return its exit code; what went wrong has been said by then."""
    try:
        return as_code(work())
    except CliError as error:
        tell(error.text)
        _tell_trace()
        return error.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as ended:
        # Typer ends with 1 when a pipe breaks; the shell's own word for that is 128 + SIGPIPE.
        return ExitCode.BROKEN_PIPE if isinstance(ended.__context__, BrokenPipeError) else as_code(ended.code)
    except BrokenPipeError:
        raise  # whoever knows about standard output minds it
    except Exception as error:
        return _tell_bug(error)


def as_code(result: object) -> int:
    """A command's exit code: what it carried, or 0 where the command just returned."""
    return result if isinstance(result, int) else ExitCode.OK


def tell(text: str) -> None:
    """Say on standard error why a command failed."""
    print(escape_terminal(text), file=sys.stderr)  # noqa: T201 - the one place where a command's failure is shown


def _tell_bug(error: Exception) -> int:
    tell(f"error: {type(error).__name__}: {error}")
    tell("This is a bug in lihil; please report it, with the traceback that LIHIL_DEBUG=1 shows.")
    _tell_trace()
    return ExitCode.BUG


def _tell_trace() -> None:
    if os.environ.get("LIHIL_DEBUG") == "1":
        tell(traceback.format_exc())
