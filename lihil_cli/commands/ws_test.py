"""`lihil ws-test`: talk to a WebSocket server, by hand or from a script."""

from pathlib import Path
from typing import Annotated

import typer

from lihil_cli.errors import CliError, ExitCode

_MAX_BYTES = 16 * 2**20


def ws_test(  # noqa: PLR0913 - one argument per option
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET",
            help="A path such as /chat?room=1 (with or without the slash), :PORT/path, HOST:PORT/path or a URL; "
            "or .wst scripts.",
            show_default=False,
        ),
    ],
    app: Annotated[
        str | None,
        typer.Option(
            "--app", metavar="MODULE:ATTR", help="Talk to this app in process, without a server.", show_default=False
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="BASE", help="The server a path belongs to.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", min=1, max=65535, help="The server's port on this machine.", show_default=False),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'K: V'", help="Add a header; repeatable.", show_default=False),
    ] = None,
    subprotocol: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Offer a subprotocol; repeatable.", show_default=False)
    ] = None,
    origin: Annotated[str | None, typer.Option(help="Send this Origin header.", show_default=False)] = None,
    message: Annotated[
        list[str] | None,
        typer.Option("--message", "-m", metavar="MSG", help="Send MSG first; repeatable.", show_default=False),
    ] = None,
    count: Annotated[
        int | None, typer.Option("-n", min=1, help="Leave after this many messages.", show_default=False)
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Give up after this time, with exit code 6.", show_default=False),
    ] = None,
    linger: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Leave when input has ended and nothing came for this long.")
    ] = 1.0,
    max_size: Annotated[
        int, typer.Option(min=0, metavar="BYTES", help="The largest message taken; 0 for no limit.")
    ] = _MAX_BYTES,
    insecure: Annotated[
        bool, typer.Option("--insecure", "-k", help="Do not check the server's TLS certificate.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a JUnit report of the scripts.", show_default=False)
    ] = None,
    tap: Annotated[bool, typer.Option("--tap", help="Report on the scripts in TAP.")] = False,
) -> None:
    """Talk to a WebSocket server.

    A path goes to the server that `lihil run` has started in this project, or else to port 8000.

    On a terminal: a prompt; every line is sent, /help lists the commands, Ctrl-D leaves.

    In a pipe: every line of input is sent as a text message; every message that arrives is one line of output (a
    binary message as hexadecimal digits), and nothing else is; all the rest is standard error.

    Scripts (.wst) run one after the other and say which of their expectations were not met: docs/ws-scripts.md.

    Exit codes: 0 closed normally, 1 a script failed, 2 wrong use, 3 no connection, 4 handshake refused, 5 ended badly,
    6 timeout.

    Examples: `lihil ws-test /chat?room=1`, `echo hi | lihil ws-test /echo -n 1`, `lihil ws-test tests/*.wst`
    """
    from lihil_cli.devfile import find_dev_file
    from lihil_cli.wstest.handshake import Handshake, Tls
    from lihil_cli.wstest.request import check_origin, check_subprotocols, parse_header
    from lihil_cli.wstest.target import Target, resolve_target

    folder = _working_folder()
    server = find_dev_file(folder) if url is None and port is None else None
    headers = tuple(parse_header(text) for text in header or ())
    offered = check_subprotocols(subprotocol or [])
    check_origin(origin)
    handshake = Handshake(headers, offered, origin, tls=Tls(insecure=insecure), max_bytes=max_size or None)

    def resolve(text: str) -> Target:
        return resolve_target(text, server, base=url, port=port)

    if any(target.endswith(".wst") for target in targets):
        from lihil_cli.wstest.script.play import Reports, play

        raise typer.Exit(play(targets, resolve, handshake, Reports(junit, tap=tap), app=app, timeout_s=timeout))
    address = resolve(targets[0])

    from lihil_cli.wstest.app import Settings, hold_conversation
    from lihil_cli.wstest.session import Options
    from lihil_cli.wstest.terminal import process_streams

    options = Options(messages=tuple(message or ()), limit=count, timeout_s=timeout, linger_s=linger)
    raise typer.Exit(hold_conversation(Settings(address, handshake, options, folder), process_streams()))


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise CliError("the working folder is gone", hint="change to one that exists", code=ExitCode.USAGE) from None
