"""What one call of the command asks for, once its options have been checked."""

from collections.abc import Iterator
from pathlib import Path

from lihil_cli.record import Record
from lihil_cli.wstest.network.handshake import Handshake
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.pattern import Pattern
from lihil_cli.wstest.place.locate import Located
from lihil_cli.wstest.steps import Step


class Options(Record):
    """How the conversation is held.

    It ends when `limit` messages have come or one that is as `until` says; when every one of `expects` has been met, in
    order, and the input has ended; when nothing came for `linger_s` after that; or after `timeout_s`. `linger_s` None
    means a second, five while something is expected, and no limit where `limit` or `until` says what is waited for.
    With `listen` there is no input. A close by the server is a good end with 1000, 1001, no code and `ok_codes`. With
    `reconnects` a pipe's connection is opened again when the server has gone away (`wstest.returning`).
    """

    messages: tuple[str | bytes, ...] = ()
    limit: int | None = None
    timeout_s: float | None = None
    linger_s: float | None = None
    until: Pattern | None = None
    expects: tuple[Pattern, ...] = ()
    listen: bool = False
    ok_codes: frozenset[int] = frozenset()
    reconnects: bool = False


class Form(Record):
    """How a program gets to read it: every event as JSON, or payloads as `output.FORMS` says. `record` is a file."""

    events: bool = False
    payloads: str = "plain"
    with_json: bool = False
    record: Path | None = None


class Piping(Record):
    """What goes in and comes out where nobody sits at a prompt.

    `replay` gives the input's steps in place of standard input; `framing` and `is_binary` say how that is read. With
    `is_default` nothing of this was asked for, and somebody at a terminal gets the prompt.
    """

    form: Form = Form()
    framing: str = "lines"
    is_binary: bool = False
    replay: Iterator[Step] | None = None
    frames: bool = False
    is_default: bool = True


class Settings(Record):
    """One call of the command. `folder` is where the project is looked for that keeps the history.

    `place` says how the target was found, and with which app or dev server; None means nothing more than the target.
    `headers` are those of the handshake as they were given, with the names of what it has filled in.
    """

    target: Target
    handshake: Handshake
    options: Options
    folder: Path
    piping: Piping = Piping()
    place: Located | None = None
    is_forced: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    reconnects: bool = True
    headers: tuple[tuple[str, str], ...] = ()
