"""`lihil ws-test`: talk to a WebSocket server, by hand, in a pipe, or from a script."""

from pathlib import Path

import typer

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.loading import no_collection
from lihil_cli.wstest import options as o

_MAX_BYTES = 8 * 2**20


def ws_test(  # noqa: PLR0913 - one argument per option
    target: o.Target = None,
    items: o.Items = None,
    app: o.App = None,
    url: o.Url = None,
    port: o.Port = None,
    uds: o.Uds = None,
    force: o.Force = False,
    header: o.Header = None,
    cookie: o.Cookie = None,
    auth: o.Auth = None,
    bearer: o.Bearer = None,
    origin: o.Origin = None,
    subprotocol: o.Subprotocol = None,
    no_compression: o.NoCompression = False,
    no_follow: o.NoFollow = False,
    insecure: o.Insecure = False,
    cacert: o.Cacert = None,
    cert: o.Cert = None,
    key: o.Key = None,
    sni: o.Sni = None,
    proxy: o.Proxy = None,
    no_proxy: o.NoProxy = False,
    max_size: o.MaxSize = _MAX_BYTES,
    ping_interval: o.PingInterval = None,
    message: o.Message = None,
    file: o.File = None,
    framing: o.Framing = "lines",
    nul: o.Nul = False,
    binary: o.Binary = False,
    listen: o.Listen = False,
    replay: o.Replay = None,
    speed: o.Speed = "1x",
    count: o.Count = None,
    until: o.Until = None,
    expect: o.Expects = None,
    reconnect: o.Reconnect = None,
    timeout: o.Timeout = None,
    linger: o.Linger = None,
    ok_close: o.OkClose = None,
    output: o.Output = "auto",
    as_json: o.Json = False,
    raw: o.Raw = False,
    as_hex: o.Hex = False,
    record: o.Record = None,
    frames: o.Frames = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
    routes: o.Routes = False,
    handshake: o.HandshakeOnly = False,
    echo: o.EchoMode = False,
    junit: o.Junit = None,
    tap: o.Tap = False,
) -> None:
    """Talk to a WebSocket server.

    A path goes to the server that `lihil run` has started in this project, or else to port 8000, or else to the
    project's app in this process.

    On a terminal: a prompt; every line is sent, /help lists the commands, Ctrl-D leaves.

    In a pipe: every line of input is sent as a text message; every message that arrives is one line of output (a
    binary message as hexadecimal digits), and nothing else is; all the rest is standard error.

    Scripts (.wst) run one after the other and say which of their expectations were not met: docs/ws-scripts.md.

    Exit codes: 0 closed normally, 1 not as expected, 2 wrong use, 3 no connection, 4 handshake refused, 5 ended badly,
    6 timeout.

    Examples: `lihil ws-test /chat room==1`, `echo hi | lihil ws-test /echo -n 1`, `lihil ws-test tests/*.wst`
    """
    given = dict(locals())  # before anything else becomes a local name

    with no_collection():
        from lihil_cli.wstest.call import Given, carry_out
    raise typer.Exit(carry_out(Given(**given), _working_folder()))


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise CliError("the working folder is gone", hint="change to one that exists", code=ExitCode.USAGE) from None
