"""From what was typed to a command. Nothing that begins with a single slash is ever sent."""

import ast
import base64
import json
import re
import shlex
from collections.abc import Callable
from typing import Any

from lihil_cli.errors import CliError
from lihil_cli.wstest.closing import may_be_sent
from lihil_cli.wstest.repl.commands import (
    USAGES,
    Close,
    Command,
    ConnectTo,
    CopyMessage,
    Diff,
    Edit,
    Expect,
    Filter,
    Frames,
    Help,
    Keys,
    Mistake,
    New,
    Only,
    Open,
    Ping,
    Plain,
    Pong,
    RawBytes,
    Repeat,
    Replay,
    Save,
    SayFile,
    Show,
    Stall,
    To,
    Use,
)
from lihil_cli.wstest.repl.events import Say
from lihil_cli.wstest.request import Extras, parse_items

_MAX_PINGS = 1000
_MAX_REPEATS = 1_000_000
_CONTROL_BYTES = 125  # RFC 6455, section 5.5: what a control frame holds; in a close, two of them are the code
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|)")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0}
_ADDRESS = re.compile(r"@([A-Za-z_][\w-]*)\s+(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_HEAD = re.compile(
    r"(?:@[\w-]+\s+)?(?:/(?:fragment\s+\d+|repeat\s+\d+(?:\s+every\s+\w+)?)\s+)*(?:/(?:json|msgpack)\s+)?"
)
_CLOSERS = {"{": "}", "[": "]"}


class _WrongError(ValueError):
    """What is wrong with what was typed."""


def parse_typed(text: str) -> Command:
    """Read what was entered at the prompt."""
    address = _ADDRESS.fullmatch(text)
    if address is not None:
        return To(address[1], address[2], text)
    if text.startswith("//"):
        return Say(text[1:], text[1:])
    if not text.startswith("/"):
        return Say(text, text)
    name, rest = _split(text[1:])
    parse = _PARSERS.get(name)
    if parse is None:
        return Mistake(f"unknown command /{name}: /help lists them, and /{text} sends the line as it is")
    try:
        return parse(rest)
    except _WrongError as error:
        synopsis = next(usage.synopsis for usage in USAGES if usage.name == name)
        return Mistake(f"{error}; write {synopsis}")


def _split(text: str) -> tuple[str, str]:
    """The first word, and what follows it; what was pasted may go on in the next line."""
    word, *rest = re.split(r"\s", text, maxsplit=1)
    return word, "".join(rest).strip()


def as_utf8(text: str) -> str:
    """What was typed; bytes that the locale has no character for have come as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text


def is_complete(text: str) -> bool:
    """Whether Enter sends what stands in the prompt: everything but JSON that has not been closed yet."""
    start = _json_start(text)
    return start is None or not _is_open(text[start:])


def _json_start(text: str) -> int | None:
    """Where JSON begins in a message, behind an address or a command that takes some; None for other text."""
    if text.startswith("//"):
        return None
    head = _HEAD.match(text)
    start = head.end() if head is not None else 0
    return start if text[start : start + 1] in _CLOSERS else None


def _is_open(text: str) -> bool:
    """Whether brackets or a string are still open (RFC 8259); a wrong bracket cannot be mended by more text."""
    expected: list[str] = []
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            in_string = True
        elif character in _CLOSERS:
            expected.append(_CLOSERS[character])
        elif character in "}]" and (not expected or expected.pop() != character):
            return False
    return in_string or bool(expected)


# One parser a command; each takes what stands behind its name.


def _nothing(name: str) -> Callable[[str], Command]:
    def parse(rest: str) -> Command:
        if rest:
            raise _WrongError(f"/{name} takes nothing after it")
        return Plain(name)  # type: ignore[arg-type]  # the table below has the names

    return parse


def _choice(make: Callable[[Any], Command], **options: Any) -> Callable[[str], Command]:
    def parse(rest: str) -> Command:
        if rest not in options:
            raise _WrongError(f"{rest or 'nothing'} is not one of {', '.join(options)}")
        return make(options[rest])

    return parse


def _needed(make: Callable[[str], Command], what: str) -> Callable[[str], Command]:
    def parse(rest: str) -> Command:
        if not rest:
            raise _WrongError(f"{what} is missing")
        return make(rest)

    return parse


def _number(text: str, what: str, most: int = 10**9) -> int:
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits[:12]) <= most):
        raise _WrongError(f"{text or 'nothing'} is no {what}")
    return int(digits)


def _seconds(text: str) -> float:
    found = _TIME.fullmatch(text)
    if found is None:
        raise _WrongError(f"{text or 'nothing'} is no time such as 10s or 100ms")
    return float(found[1]) * _UNITS[found[2]]


def _ping(rest: str) -> Command:
    return Ping(_number(rest, f"number of pings up to {_MAX_PINGS}", _MAX_PINGS) if rest else 1)


def _pong(rest: str) -> Command:
    data = rest.encode()
    if len(data) > _CONTROL_BYTES:
        raise _WrongError(f"a pong holds at most {_CONTROL_BYTES} bytes")
    return Pong(data)


def _close(rest: str) -> Command:
    code, reason = _split(rest)
    if not code:
        return Close()
    if not (code.isascii() and code.isdigit() and may_be_sent(int(code[:5]))):
        raise _WrongError(f"{code} is no code that may be sent: 1000-1003, 1007-1014 or 3000-4999")
    if len(reason.encode()) > _CONTROL_BYTES - 2:
        raise _WrongError(f"a close reason holds at most {_CONTROL_BYTES - 2} bytes")
    return Close(int(code), reason)


def _fragment(rest: str) -> Command:
    size, _, text = rest.partition(" ")
    say = _message(text)
    return say.but(fragment=_number(size, "number of bytes")) if isinstance(say, Say) else say


def _hex_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace("0x", "").replace(",", " "))
    except ValueError:
        raise _WrongError("these are not pairs of hexadecimal digits") from None


def _base64_bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise _WrongError("this is not base64") from None


def _file(rest: str) -> Command:
    path, _, kind = rest.rpartition(" ")
    if path and kind in {"text", "bin"}:
        return SayFile(path.strip(), "text" if kind == "text" else "bin")
    if not rest:
        raise _WrongError("the file is missing")
    return SayFile(rest, "text" if rest.endswith((".json", ".txt", ".csv", ".xml", ".md")) else "bin")


def _value(text: str) -> Any:
    """The value that JSON or a Python literal stands for."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        trouble = str(error)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise _WrongError(f"this is not JSON: {trouble}") from None


def _json(rest: str) -> Command:
    try:
        text = json.dumps(_value(rest), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise _WrongError(f"this has no form in JSON: {error}") from None
    _refuse_surrogates(text)
    return Say(text, text)


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _WrongError("it holds half a character (\\ud800 to \\udfff), which no text has room for") from None


def _msgpack(rest: str) -> Command:
    import msgspec  # late: most sessions never need it

    try:
        return Say(msgspec.msgpack.encode(_value(rest)), f"/msgpack {rest}")
    except _WrongError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _WrongError(f"this has no form in msgpack: {error}") from None


def _repeat(rest: str) -> Command:
    count, _, text = rest.partition(" ")
    every_s = 0.0
    if text.startswith("every "):
        time, _, text = text.removeprefix("every ").partition(" ")
        every_s = _seconds(time)
    say = _message(text)
    if not isinstance(say, Say):
        return say
    return Repeat(_number(count, f"number up to {_MAX_REPEATS}", _MAX_REPEATS), every_s, say)


def _message(text: str) -> Say | Mistake:
    """The one message that stands behind /fragment or /repeat, read as a line of its own would be."""
    if not text:
        raise _WrongError("the message is missing")
    command = parse_typed(text) if text.startswith("/") else Say(text, text)
    if isinstance(command, Say | Mistake):
        return command
    raise _WrongError(f"{text.split(maxsplit=1)[0]} is no message")


def _show(rest: str) -> Command:
    words = rest.split()
    form = next((word for word in words if word in {"--hex", "--raw"}), "")
    numbers = [word for word in words if word != form]
    if len(numbers) > 1:
        raise _WrongError(f"{rest} is more than one message")
    number = _number(numbers[0], "message number") if numbers else None
    return Show(number, "hex" if form == "--hex" else "raw" if form else "")


def _copy(rest: str) -> Command:
    return CopyMessage(_number(rest, "message number") if rest else None)


def _diff(rest: str) -> Command:
    words = rest.split()
    if len(words) != 2:
        raise _WrongError("two messages are needed")
    return Diff(_number(words[0], "message number"), _number(words[1], "message number"))


def _expect(rest: str) -> Command:
    pattern, within, time = rest.rpartition(" within ")
    if within and _TIME.fullmatch(time.strip()):
        return Expect(pattern.strip(), _seconds(time.strip()))
    if not rest:
        raise _WrongError("the pattern is missing")
    return Expect(rest)


def _save(rest: str) -> Command:
    if not rest.endswith((".wst", ".jsonl")):
        raise _WrongError(f"{rest or 'nothing'} is no file that ends in .wst or .jsonl")
    return Save(rest)


def _replay(rest: str) -> Command:
    path, _, speed = rest.rpartition(" ")
    if path and speed == "max":
        return Replay(path.strip(), 0.0)
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)x", speed) if path else None
    if found is not None and float(found[1]) > 0:
        return Replay(path.strip(), float(found[1]))
    if not rest:
        raise _WrongError("the file is missing")
    return Replay(rest)


def _open(rest: str) -> Command:
    name, target = _split(rest)
    if not _NAME.fullmatch(name):
        raise _WrongError(f"{name or 'nothing'} is no name of letters and digits")
    return Open(name, *_destination(target))


def _connect(rest: str) -> Command:
    return ConnectTo(*_destination(rest))


def _destination(text: str) -> tuple[str, Extras]:
    """A target and its items, in words as a shell has them; a query without a target is for the same path."""
    try:
        words = shlex.split(text)
        target = words.pop(0) if words and "==" not in words[0].partition("?")[0] else "?" if words else ""
        return target, parse_items(words)
    except CliError as error:
        raise _WrongError(error.message) from None
    except ValueError:
        raise _WrongError("a quotation mark is not closed") from None


_PLAIN = ("drop", "reconnect", "routes", "pause", "status", "headers", "clear", "trace", "quit")

_PARSERS: dict[str, Callable[[str], Command]] = {
    **{name: _nothing(name) for name in _PLAIN},
    "help": Help,
    "ping": _ping,
    "pong": _pong,
    "close": _close,
    "stall": lambda rest: Stall(_seconds(rest)),
    "fragment": _fragment,
    "raw": _needed(lambda rest: RawBytes(_hex_bytes(rest)), "what to write"),
    "hex": _needed(lambda rest: Say(_hex_bytes(rest), f"/hex {rest}"), "what to send"),
    "b64": _needed(lambda rest: Say(_base64_bytes(rest), f"/b64 {rest}"), "what to send"),
    "file": _file,
    "json": _needed(_json, "what to send"),
    "msgpack": _needed(_msgpack, "what to send"),
    "repeat": _repeat,
    "new": New,
    "edit": Edit,
    "show": _show,
    "last": lambda rest: Show() if not rest else _show(rest),
    "copy": _copy,
    "diff": _diff,
    "filter": _needed(lambda rest: Filter("" if rest == "off" else rest), "the pattern"),
    "only": _choice(Only, **{"in": "in", "out": "out", "all": "all"}),
    "expect": _expect,
    "save": _save,
    "replay": _replay,
    "open": _open,
    "use": _needed(Use, "the name"),
    "connect": _connect,
    "frames": _choice(Frames, on=True, off=False),
    "keys": _choice(Keys, emacs="emacs", vi="vi"),
}
