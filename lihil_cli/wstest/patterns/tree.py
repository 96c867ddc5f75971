"""What a pattern is once it has been read: small frozen records, and no behaviour."""

from typing import Literal, TypeAlias, get_args

from lihil_cli.record import Record
from lihil_cli.wstest.patterns.template import Template, Variable

Kind: TypeAlias = Literal["int", "float", "str", "uuid", "time", "any"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Hole(Record):
    """`<int>` or `<int:name>`: any value of that kind; with a name, the value is captured under it."""

    kind: Kind
    name: str | None = None


class Regex(Record):
    """`/expression/flags`: found anywhere in a text; its named groups are captures. Variables are filled in escaped."""

    template: Template
    flags: int = 0


# The values of a JSON message.


class Scalar(Record):
    """A number, true, false or null."""

    value: int | float | bool | None


class Words(Record):
    """A string, in which variables may stand."""

    template: Template


class Members(Record):
    """An object: these keys; with `is_open` (`...`) others as well."""

    entries: tuple[tuple[str, "Node"], ...]
    is_open: bool = False


class Elements(Record):
    """An array: `first`, then, where `last` is given, any others (`...`), then `last`."""

    first: tuple["Node", ...]
    last: tuple["Node", ...] | None = None


Node: TypeAlias = Scalar | Words | Members | Elements | Hole | Regex | Variable


# What a whole message can be.


class JsonPattern(Record):
    """A text message that is JSON."""

    node: Node


class TextPattern(Record):
    """Exact text with holes: a text message that consists of these pieces from end to end."""

    pieces: tuple[str | Variable | Hole, ...]


class AnyPattern(Record):
    """`...` or `<any>`: every message, also a binary one, but not the end of the connection."""

    name: str | None = None


class BinaryPattern(Record):
    """`hex: 00 ff`: a binary message of these bytes; with `is_open` (`...`), one that begins with them."""

    data: bytes
    is_open: bool = False


class ClosePattern(Record):
    """`close 1000 "bye"`: the end of the connection; None for a code or a reason that does not matter."""

    code: int | None = None
    reason: Words | Regex | None = None


Body: TypeAlias = JsonPattern | TextPattern | Regex | BinaryPattern | ClosePattern | AnyPattern


class Pattern(Record):
    """One pattern: `source` is how it was written; `captures` and `uses` are the names it gives and needs."""

    source: str
    body: Body
    captures: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
