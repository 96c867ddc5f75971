"""What is shown instead of a conversation: the routes of an app, and the handshake alone."""

from urllib.parse import urlsplit

from lihil_cli.console import escape_terminal
from lihil_cli.errors import ExitCode
from lihil_cli.wstest.app import limited, run_briefly
from lihil_cli.wstest.closing import NORMAL
from lihil_cli.wstest.network.connecting import open_connection
from lihil_cli.wstest.network.handshake import CannotConnectError, RefusedError, Response
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.opening import load_schema, open_place, unreachable
from lihil_cli.wstest.place.locate import Located
from lihil_cli.wstest.place.schema import Route, Schema
from lihil_cli.wstest.redact import HIDDEN, is_secret_header, redact
from lihil_cli.wstest.refusal import body_lines
from lihil_cli.wstest.settings import Settings
from lihil_cli.wstest.terminal import Screen, Streams


def list_routes(place: Located, streams: Streams) -> int:
    """Print every WebSocket route with what it takes, and how to try it. Raises CliError where they are not known."""
    schema = load_schema(place)
    screen = Screen(streams)
    screen.write(escape_terminal("".join(f"{line}\n" for line in route_lines(schema))).encode())
    screen.flush()
    return ExitCode.OK


def route_lines(schema: Schema) -> list[str]:
    """A paragraph for each WebSocket route."""
    if not schema.websockets:
        return [f"{schema.title} has no WebSocket route"]
    return [line for route in schema.websockets for line in _about(route)]


def _about(route: Route) -> list[str]:
    lines = [route.path + (f"  {route.summary}" if route.summary else "")]
    for one in route.params:
        default = "" if one.required else "?" if one.default is None else f" = {one.default}"
        lines.append(f"  {one.location:<6} {one.name}: {one.type}{default}")
    lines += [f"  sends    {route.sends}"] if route.sends else []
    lines += [f"  takes    {route.receives}"] if route.receives else []
    return [*lines, f"  lihil ws-test {route.example}"]


def show_handshake(settings: Settings, streams: Streams) -> int:
    """Shake hands, print the request and the answer, and leave: 0 when the connection opened, else 4.

    Secrets are shown only with -v. Raises CliError where nothing answers.
    """
    screen = Screen(streams, is_quiet=settings.is_quiet)

    async def work() -> int:
        async with limited(settings.options.timeout_s):
            place = settings.place
            if place is None:
                return await _shake(settings.target, settings, screen)
            headers = settings.handshake.headers
            async with open_place(
                place, headers, is_forced=settings.is_forced, is_verbose=settings.is_verbose, tell=screen.print_note
            ) as target:
                return await _shake(target, settings, screen)

    return run_briefly(work, is_quiet=settings.is_quiet)


async def _shake(target: Target, settings: Settings, screen: Screen) -> int:
    try:
        connection = await open_connection(target, settings.handshake, screen.print_note)
    except CannotConnectError as error:
        raise unreachable(error, target) from None
    except RefusedError as error:
        refusal = error.refusal
        if refusal is not None:
            answer = Response(refusal.status, refusal.phrase, refusal.headers)
            _print(screen, _lines(refusal.request, answer, is_whole=settings.is_verbose))
            _print(screen, body_lines(refusal))
        words = str(error) if refusal is None else f"handshake refused: HTTP {refusal.status} {refusal.phrase}".rstrip()
        screen.print_note(words)
        return ExitCode.REFUSED
    _print(screen, _lines(connection.request, connection.response, is_whole=settings.is_verbose))
    await connection.close(NORMAL)
    await connection.drop()
    screen.print_note(f"the handshake with {urlsplit(target.url).path or '/'} succeeded")
    return ExitCode.OK


def _lines(request: bytes, answer: Response, *, is_whole: bool) -> list[str]:
    """Request and answer as curl shows them, `>` for what went out and `<` for what came."""
    sent = [line for line in request.decode("latin-1").split("\r\n") if line]
    came = [
        f"HTTP/1.1 {answer.status} {answer.phrase}".rstrip(),
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    lines = [f"> {line}" for line in sent] + [f"< {line}" for line in came]
    return lines if is_whole else [_without_secret(line) for line in lines]


def _without_secret(line: str) -> str:
    name, colon, _ = line.partition(":")
    return f"{name}: {HIDDEN}" if colon and is_secret_header(name[2:]) else redact(line)


def _print(screen: Screen, lines: list[str]) -> None:
    screen.write("".join(f"{escape_terminal(line, keep_newlines=False)}\n" for line in lines).encode())
    screen.flush()
