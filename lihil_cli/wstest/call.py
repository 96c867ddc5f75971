"""From the options of one call to what is done about them: checked here, before anything is opened."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.record import Record
from lihil_cli.wstest.app import hold_conversation
from lihil_cli.wstest.network.handshake import Handshake, Tls
from lihil_cli.wstest.pattern import Pattern, parse_pattern
from lihil_cli.wstest.place.locate import Place, locate
from lihil_cli.wstest.placeholders import fill_headers
from lihil_cli.wstest.request import check_origin, check_subprotocols, credentials, parse_header, parse_items
from lihil_cli.wstest.settings import Form, Options, Piping, Settings
from lihil_cli.wstest.steps import FRAMINGS, Step, check_text, parse_speed, steps_of_record
from lihil_cli.wstest.terminal import Streams, is_at_terminal, process_streams

SCRIPT_SUFFIX = ".wst"

_CLASHES = (
    ("routes", "handshake"),
    ("routes", "echo"),
    ("handshake", "echo"),
    ("as_json", "raw"),
    ("as_json", "as_hex"),
    ("raw", "as_hex"),
    ("replay", "listen"),
    ("proxy", "no_proxy"),
    ("quiet", "verbose"),
)

# What belongs to a conversation, and means nothing where another thing is done instead.
_OF_A_CONVERSATION = (
    *("message", "file", "framing", "nul", "binary", "listen", "replay", "speed", "count", "until", "expect"),
    *("reconnect", "linger", "ok_close", "output", "as_json", "raw", "as_hex", "record", "frames"),
)
_MEANINGLESS = {
    "routes": (*_OF_A_CONVERSATION, "timeout", "junit", "tap"),
    "handshake": (*_OF_A_CONVERSATION, "junit", "tap"),
    "echo": (*(name for name in _OF_A_CONVERSATION if name != "ok_close"), "junit", "tap"),
    "scripts": (*_OF_A_CONVERSATION, "routes", "handshake", "echo", "verbose"),
    "a conversation": ("junit", "tap"),
}
_DEFAULTS = {"framing": "lines", "speed": "1x", "output": "auto"}
_FLAGS = {
    "scripts": ".wst scripts",
    "message": "-m",
    "file": "-f",
    "framing": "--in",
    "nul": "-0",
    "count": "-n",
    "output": "-o",
}


class Given(Record):
    """The options as they were given, under the names of the command's arguments (`commands/ws_test.py`)."""

    target: str | None
    items: list[str] | None
    app: str | None
    url: str | None
    port: int | None
    uds: str | None
    force: bool
    header: list[str] | None
    cookie: list[str] | None
    auth: str | None
    bearer: str | None
    origin: str | None
    subprotocol: list[str] | None
    no_compression: bool
    no_follow: bool
    insecure: bool
    cacert: str | None
    cert: str | None
    key: str | None
    sni: str | None
    proxy: str | None
    no_proxy: bool
    max_size: int
    ping_interval: float | None
    message: list[str] | None
    file: Path | None
    framing: str
    nul: bool
    binary: bool
    listen: bool
    replay: Path | None
    speed: str
    count: int | None
    until: str | None
    expect: list[str] | None
    reconnect: bool | None
    timeout: float | None
    linger: float | None
    ok_close: list[int] | None
    output: str
    as_json: bool
    raw: bool
    as_hex: bool
    record: Path | None
    frames: bool
    verbose: bool
    quiet: bool
    routes: bool
    handshake: bool
    echo: bool
    junit: Path | None
    tap: bool


def carry_out(given: Given, folder: Path) -> int:
    """Do what was asked for, and give the exit code. Raises CliError."""
    _check(given)
    is_script = _is_script(given)
    for text in () if is_script else (given.target or "", *(given.items or ())):
        _check_text("TARGET or ITEM", text)
    extras = parse_items(() if is_script else given.items or ())
    unfilled = _handshake_of(given, extras.headers)
    handshake = unfilled.but(headers=fill_headers(unfilled.headers, folder))
    asked = Place(given.app, given.url, given.port, given.uds)
    if is_script:
        return _play(given, handshake, asked, folder)
    options, piping = _options_of(given), _piping_of(given)
    # Who sits at a terminal can start the server now; in a pipe nobody can, unless that is said.
    waits = given.reconnect is True or (is_at_terminal() and piping.is_default and given.reconnect is not False)
    place = locate(given.target or "/", asked, folder, query=extras.query, waits=waits and not given.routes)
    if given.routes:
        from lihil_cli.wstest.examine import list_routes

        return list_routes(place, process_streams())
    settings = Settings(
        place.target,
        handshake,
        options,
        folder,
        piping=piping,
        place=place,
        is_forced=given.force,
        is_quiet=given.quiet,
        is_verbose=given.verbose,
        reconnects=given.reconnect is not False,
        headers=unfilled.headers,
    )
    return _mode_of(given)(settings, process_streams())


def _play(given: Given, handshake: Handshake, asked: Place, folder: Path) -> int:
    from lihil_cli.wstest.script.play import Reports, play

    scripts = [given.target or "", *(given.items or ())]
    reports = Reports(given.junit, tap=given.tap, is_quiet=given.quiet)
    return play(scripts, asked, folder, handshake, reports, timeout_s=given.timeout, is_forced=given.force)


def _mode_of(given: Given) -> Callable[[Settings, Streams], int]:
    if given.handshake:
        from lihil_cli.wstest.examine import show_handshake

        return show_handshake
    if given.echo:
        from lihil_cli.wstest.echo import hold_echo

        return hold_echo
    return hold_conversation


def _check(given: Given) -> None:
    """What can be wrong about the options together, or about the words they take."""
    for one, other in _CLASHES:
        if getattr(given, one) and getattr(given, other):
            raise _usage(f"{_flag(one)} and {_flag(other)} cannot be had together", "leave one of them away")
    _check_meaning(given)
    if given.target is not None and not given.target.strip():
        raise _usage("TARGET is empty", "is a variable in it not set? / is the server's root")
    if given.target is None and not given.routes:
        raise _usage("there is no TARGET", "name one: `lihil ws-test /chat`; --routes lists those of the app")
    _check_words(given)


def _check_meaning(given: Given) -> None:
    """An option that would be passed over is a slip."""
    mode = _mode_name(given)
    for name in _MEANINGLESS[mode]:
        value = getattr(given, name)
        if value is not None and value is not False and value != _DEFAULTS.get(name):
            place = "without a .wst script" if mode == "a conversation" else f"with {_FLAGS.get(mode, f'--{mode}')}"
            raise _usage(f"{_flag(name)} has no meaning {place}", "leave it away")
    if given.speed != _DEFAULTS["speed"] and given.replay is None:
        raise _usage("--speed has no meaning without --replay", "leave it away")
    if given.key is not None and given.cert is None:
        raise _usage("--key belongs to a certificate", "name it with --cert")


def _check_words(given: Given) -> None:
    if given.output not in {"auto", "text", "jsonl"}:
        raise _usage(f"{given.output!r} is no form of output", "-o takes auto, text or jsonl")
    if given.output == "jsonl" and (given.raw or given.as_hex):
        raise _usage("--raw and --hex have no meaning with -o jsonl", "leave one of them away")
    if given.framing not in FRAMINGS:
        raise _usage(f"{given.framing!r} is no way to read the input", f"--in takes {', '.join(FRAMINGS)}")
    if given.nul and given.framing == "jsonl":
        raise _usage("-0 and --in jsonl are two ways to read the input", "leave one of them away")


def _mode_name(given: Given) -> str:
    """What is done: a key of `_MEANINGLESS`."""
    if _is_script(given):
        return "scripts"
    return next((name for name in ("routes", "handshake", "echo") if getattr(given, name)), "a conversation")


def _is_script(given: Given) -> bool:
    return (given.target or "").endswith(SCRIPT_SUFFIX)


def _flag(name: str) -> str:
    return _FLAGS.get(name, f"--{name.removeprefix('as_').replace('_', '-')}")


def _handshake_of(given: Given, item_headers: tuple[tuple[str, str], ...]) -> Handshake:
    made = credentials(given.cookie or (), given.auth, given.bearer)
    own = (*map(parse_header, given.header or ()), *item_headers)
    twice = {name.lower() for name, _ in made} & {name.lower() for name, _ in own}
    if twice:
        option = "--cookie" if "cookie" in twice else "--bearer" if given.auth is None else "--auth"
        raise _usage(f"{option} makes the header {min(twice)}, which is given as well", "leave one of them away")
    return Handshake(
        (*made, *own),
        check_subprotocols(given.subprotocol or []),
        check_origin(given.origin),
        tls=Tls(given.insecure, given.cacert, given.cert, given.key, given.sni),
        compression=not given.no_compression,
        proxy="" if given.no_proxy else given.proxy,
        follows_redirects=not given.no_follow,
        max_bytes=given.max_size or None,
        ping_interval_s=given.ping_interval,
    )


def _options_of(given: Given) -> Options:
    messages = [_message_of(text, is_binary=given.binary) for text in given.message or ()]
    if given.file is not None:
        messages.append(_content_of(given.file, is_binary=given.binary))
    return Options(
        messages=tuple(messages),
        limit=given.count,
        timeout_s=given.timeout,
        linger_s=given.linger,
        until=None if given.until is None else _pattern("--until", given.until),
        expects=tuple(_pattern("--expect", text) for text in given.expect or ()),
        listen=given.listen,
        ok_codes=frozenset(given.ok_close or ()),
        reconnects=given.reconnect is True,
    )


def _message_of(text: str, *, is_binary: bool) -> str | bytes:
    """What -m sends: bytes that are no text came as Python writes them (PEP 383)."""
    return os.fsencode(text) if is_binary else _check_text("-m", text, hint="--binary sends it as it is")


def _check_text(what: str, text: str, *, hint: str = "") -> str:
    try:
        return check_text(text)
    except ValueError:
        raise _usage(f"{what}: {os.fsencode(text)!r} is not UTF-8", hint) from None


def _content_of(file: Path, *, is_binary: bool) -> str | bytes:
    """A file as a message: text where it is UTF-8, unless bytes are asked for."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _usage(f"{file} cannot be read: {error.strerror}", "-f takes a file's path") from None
    try:
        return content if is_binary else content.decode()
    except UnicodeDecodeError:
        return content


def _pattern(option: str, text: str) -> Pattern:
    try:
        return parse_pattern(_check_text(option, text))
    except ValueError as error:
        raise _usage(f"{option}: {error}", "a pattern is a text, a JSON value or /a regular expression/") from None


def _piping_of(given: Given) -> Piping:
    is_jsonl = given.output == "jsonl"
    form = "json" if given.as_json else "raw" if given.raw else "hex" if given.as_hex else "plain"
    framing = "nul" if given.nul else given.framing
    is_default = given.output == "auto" and form == "plain" and framing == "lines" and not given.listen
    return Piping(
        form=Form(
            events=is_jsonl,
            payloads="plain" if is_jsonl else form,
            with_json=given.as_json,
            record=given.record,
        ),
        framing=framing,
        is_binary=given.binary,
        replay=None if given.replay is None else _replay_of(given.replay, given.speed),
        frames=given.frames,
        is_default=is_default and given.replay is None,
    )


def _replay_of(file: Path, speed: str) -> Iterator[Step]:
    try:
        pace = parse_speed(speed)
    except ValueError as error:
        raise _usage(f"--speed: {error}", "it takes 2x, 0.5x or max") from None
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise _usage(f"{file} cannot be read: {error.strerror}", "--replay takes what --record has written") from None
    return steps_of_record(lines, pace)


def _usage(message: str, hint: str) -> CliError:
    return CliError(message, hint=hint, code=ExitCode.USAGE)
