"""From what is to be shown to the rows of the terminal."""

from collections.abc import Iterable, Iterator
from itertools import islice

from lihil_cli.wstest.repl.events import Item, Message, Note, Sent
from lihil_cli.wstest.repl.look import Line, Look, width_of, wrap
from lihil_cli.wstest.repl.payload import DUMP_ROWS, dump_columns, harmless, is_laid_out, payload_lines

FOLD_ROWS = 20
"""A message that takes more rows is folded; /show has the rest."""

MAX_ROWS = 10_000
"""What /show shows of one message; a file has the rest."""

_INDENT = "  "
_MIB = 2**20


def render(item: Item, look: Look) -> str:
    """The text for the terminal, with a newline after each row."""
    match item:
        case Note():
            rows = _note_rows(item, look)
        case Sent():
            rows = _sent_rows(item, look)
        case _:
            rows = _message_rows(item, look)
    return "".join(f"{look.paint(row)}\n" for row in rows)


def _note_rows(note: Note, look: Look) -> Iterator[Line]:
    mark = look.mark(note.mark)
    # What stands behind two spaces is meant to stand there: a traceback's source, the columns of a table.
    head = [mark, ("", " ")] if note.mark else [("", _INDENT)]
    return _hang(head, [[("", look.plain(harmless(note.text)))]], look.width, words=True)


def _sent_rows(sent: Sent, look: Look) -> Iterator[Line]:
    head: Line = [("mark", sent.peer), look.mark("out"), ("", " ")]
    lines = ([("", harmless(line))] for line in sent.text.split("\n"))
    more = [look.mark("more"), ("", " ")]
    rows = _hang(head, lines, look.width, more)
    yield from islice(rows, FOLD_ROWS)
    if next(rows, None) is not None:
        yield [*more, ("dim", f"{len(sent.text)} characters")]


def _message_rows(message: Message, look: Look) -> Iterator[Line]:
    head = _head(message, look)
    room = look.width - width_of(head)
    whole = message.whole
    limit = None if whole else FOLD_ROWS * max(look.width, 2)
    inner = look.width - len(_INDENT)
    lines = payload_lines(message.payload, inner, first=room, form=message.form, limit=limit)
    rows = _hang(head, lines, look.width)
    yield from islice(rows, MAX_ROWS if whole else FOLD_ROWS)
    rest = _rest(message, inner, limit, sum(1 for _ in islice(rows, MAX_ROWS)))
    rest = rest if look.has_commands else rest.partition(" · ")[0]
    if rest:
        yield from _hang([("", _INDENT)], [[("dim", look.plain(rest))]], look.width, words=True)


def _rest(message: Message, width: int, limit: int | None, more: int) -> str:
    """What is said about rows that are not shown; "" when all are. `more` counts those that were made and folded."""
    payload = message.payload
    if message.whole:
        return f"… {_size(payload)} in all · /save FILE.jsonl has the rest" if more else ""
    if isinstance(payload, bytes):
        more += max(0, -(-len(payload) // dump_columns(width)) - DUMP_ROWS)
    elif limit is not None and len(payload) > limit and not is_laid_out(payload):
        return f"… {_size(payload)} in all · /show {message.number}"  # its rows have not been counted
    return f"… +{more} line{'' if more == 1 else 's'} · /show {message.number}" if more else ""


def _size(payload: str | bytes) -> str:
    if len(payload) < _MIB:
        return f"{len(payload):,} {'characters' if isinstance(payload, str) else 'bytes'}"
    return f"{len(payload) / _MIB:.1f} {'M characters' if isinstance(payload, str) else 'MiB'}"


def _head(message: Message, look: Look) -> Line:
    """Number, time, delta and peer, as much of it as leaves half of the width to the message."""
    number: Line = [("dim", f"#{message.number} ")]
    time: Line = [("dim", f"{clock(message.at, look.offset_s)} ")]
    delta: Line = [] if message.delta_s is None else [("dim", f"{delta_text(message.delta_s)} ")]
    peer: Line = [("mark", f"{message.peer} ")] if message.peer else []
    mark: Line = [look.mark(message.direction), ("", " ")]
    for head in ([*number, *time, *delta, *peer, *mark], [*number, *time, *peer, *mark], [*number, *peer, *mark]):
        if width_of(head) <= look.width // 2:
            return head
    return [*number, *mark]


def clock(at: float, offset_s: int) -> str:
    """The time of day, to the millisecond."""
    milliseconds = int((at + offset_s) * 1000) % 86_400_000
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"


def delta_text(seconds: float) -> str:
    """A time since, short: +0.4s, +12s, +3m05s, +2h03m."""
    if seconds < 10:
        return f"+{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"+{whole}s"
    return f"+{whole // 60}m{whole % 60:02}s" if whole < 3600 else f"+{whole // 3600}h{whole // 60 % 60:02}m"


def _hang(
    head: Line, lines: Iterable[Line], width: int, more: Line | None = None, *, words: bool = False
) -> Iterator[Line]:
    """The rows of `lines`: the first behind `head`, a further line behind `more`, the rest of one behind an indent."""
    indent: Line = [("", _INDENT)]
    lead = head
    for line in lines:
        for row in wrap(line, width - width_of(lead), width - len(_INDENT), words=words):
            yield [*lead, *row]
            lead = indent
        lead = more or indent
