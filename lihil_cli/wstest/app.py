"""Who holds a conversation: the terminal, or whoever reads and writes where there is none."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.loading import no_collection
from lihil_cli.wstest.network.connecting import CannotConnectError, Loop, RefusedError
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
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(work())
    except Terminated:
        return ExitCode.TERMINATED
    except CliError as error:
        if is_quiet:
            return error.code
        raise


async def _converse(settings: Settings, streams: Streams) -> int:
    screen = Screen(streams, is_quiet=settings.is_quiet)
    at_prompt = streams.are_interactive and settings.piping.is_default
    # The prompt begins with where it leads to itself.
    async with _opened_place(settings, _tell_nothing if at_prompt else screen.print_note) as target:
        if at_prompt:
            return await _sit_down(settings.but(target=target), streams)
        with no_collection():  # late, because a terminal has its own way
            from lihil_cli.wstest.conversation import Conversation
        conversation = Conversation(settings.but(target=target), streams, screen)
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
