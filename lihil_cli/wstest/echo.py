"""`--echo`: answer each message with itself, so that a conformance suite can judge the client."""

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.app import limited, run_briefly
from lihil_cli.wstest.closing import CLEAN, Closed
from lihil_cli.wstest.network.connecting import open_connection
from lihil_cli.wstest.network.connection import Connection
from lihil_cli.wstest.network.handshake import CannotConnectError, ConnectionEndedError, RefusedError
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.opening import open_place, unreachable
from lihil_cli.wstest.refusal import refusal_lines
from lihil_cli.wstest.session import describe_close
from lihil_cli.wstest.settings import Settings
from lihil_cli.wstest.terminal import Screen, Streams


def hold_echo(settings: Settings, streams: Streams) -> int:
    """Echo until the server closes. A close with a good code is 0, any other end 5. Raises CliError."""
    screen = Screen(streams, is_quiet=settings.is_quiet)

    async def work() -> int:
        async with limited(settings.options.timeout_s):
            place = settings.place
            if place is None:
                return await _echo_at(settings.target, settings, screen)
            headers = settings.handshake.headers
            async with open_place(place, headers, is_forced=True, is_verbose=False, tell=screen.print_note) as target:
                return await _echo_at(target, settings, screen)

    return run_briefly(work, is_quiet=settings.is_quiet)


async def _echo_at(target: Target, settings: Settings, screen: Screen) -> int:
    try:
        connection = await open_connection(target, settings.handshake, screen.print_note)
    except CannotConnectError as error:
        raise unreachable(error, target) from None
    except RefusedError as error:
        for line in [str(error)] if error.refusal is None else refusal_lines(error.refusal):
            screen.print_note(line)
        return ExitCode.REFUSED
    try:
        end = await echo(connection)
    finally:
        await connection.drop()
    screen.print_note(describe_close(end))
    good = CLEAN | settings.options.ok_codes
    return ExitCode.OK if end.by != "client" and end.code in good else ExitCode.ENDED_BADLY


async def echo(connection: Connection) -> Closed:
    """Send back whatever comes, in order, and give how it ended."""
    while True:
        try:
            payload = await connection.receive()
        except ConnectionEndedError as end:
            return end.event
        await connection.send(payload)
