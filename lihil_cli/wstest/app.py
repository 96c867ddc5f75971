"""Who holds a conversation: the terminal, or whoever reads and writes where there is none."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.loading import no_collection
from lihil_cli.wstest.network.connecting import CannotConnectError, RefusedError
from lihil_cli.wstest.network.loop import running
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.opening import open_place, unreachable
from lihil_cli.wstest.settings import Settings
from lihil_cli.wstest.terminal import Screen, Streams


def hold_conversation(settings: Settings, streams: Streams) -> int:
    """Connect, talk until one side ends it, and give the exit code.

    Raises CliError when there is no connection, and KeyboardInterrupt for a Ctrl-C that came to nothing for a second.
    """
    return run_briefly(lambda: _converse(settings, streams), is_quiet=settings.is_quiet)


def run_briefly(work: Callable[[], Coroutine[Any, Any, int]], *, is_quiet: bool = False) -> int:
    """Run something with a connection to its exit code. Raises CliError, unless nothing is to be said."""
    # What the session does not tell is no news for the user, and never a traceback.
    logging.getLogger("asyncio").addHandler(logging.NullHandler())
    left: list[str] = []
    code: int = ExitCode.INTERRUPTED
    try:
        with running(left) as runner:
            code = runner.run(work())
    except Terminated:
        code = ExitCode.TERMINATED
    except CliError as error:
        code = error.code
        if not is_quiet:
            raise
    except Exception:
        code = ExitCode.BUG
        raise
    finally:
        if left:
            from lihil_cli.wstest.leftovers import leave_behind

            leave_behind(left, code, is_quiet=is_quiet)
    return code


@asynccontextmanager
async def limited(timeout_s: float | None) -> AsyncIterator[asyncio.Timeout]:
    """Raises CliError (TIMEOUT) out of what takes longer; who minds the time from some point on reschedules it."""
    try:
        async with asyncio.timeout(timeout_s) as limit:
            yield limit
    except TimeoutError:
        if not limit.expired():
            raise
        raise CliError(f"--timeout: {timeout_s:g} s have passed", code=ExitCode.TIMEOUT) from None


async def _converse(settings: Settings, streams: Streams) -> int:
    began_at = asyncio.get_running_loop().time()
    screen = Screen(streams, is_quiet=settings.is_quiet)
    at_prompt = streams.are_interactive and settings.piping.is_default
    async with (
        limited(settings.options.timeout_s) as limit,
        # The prompt begins with where it leads to itself.
        _opened_place(settings, _tell_nothing if at_prompt else screen.print_note) as target,
    ):
        limit.reschedule(None)  # from here on the conversation minds the time
        if at_prompt:
            return await _sit_down(settings.but(target=target), streams)
        with no_collection():  # late, because a terminal has its own way
            from lihil_cli.wstest.conversation import Conversation
        conversation = Conversation(settings.but(target=target), streams, screen, began_at)
        try:
            return await conversation.hold()
        except CannotConnectError as error:
            raise unreachable(error, target) from None
        except RefusedError as error:
            await conversation.tell_refusal(error)
            return ExitCode.REFUSED
        finally:
            conversation.close()


async def _sit_down(settings: Settings, streams: Streams) -> int:
    """The terminal's own way to talk."""
    with no_collection():
        from lihil_cli.wstest.repl.shell import hold_terminal
    from lihil_cli.wstest.repl.visit import Visit

    visit = Visit(
        settings.target,
        settings.handshake,
        settings.options,
        settings.folder,
        place=settings.place,
        reconnects=settings.reconnects,
        frames=settings.piping.frames,
        is_quiet=settings.is_quiet,
        is_verbose=settings.is_verbose,
        headers=settings.headers,
        is_forced=settings.is_forced,
        is_binary=settings.piping.is_binary,
        record=None if settings.piping.form.record is None else _open(settings.piping.form.record),
    )
    return await hold_terminal(visit, streams)


def _open(record: Path) -> IO[bytes]:
    from lihil_cli.wstest.reporting import open_record  # late: most sessions are not recorded

    return open_record(record)


@asynccontextmanager
async def _opened_place(settings: Settings, tell: Callable[[str], None]) -> AsyncIterator[Target]:
    if settings.place is None:
        yield settings.target
        return
    async with open_place(
        settings.place,
        settings.handshake.headers,
        is_forced=settings.is_forced,
        is_verbose=settings.is_verbose,
        tell=tell,
    ) as target:
        yield target


def _tell_nothing(line: str) -> None:
    """Somebody else tells it."""
