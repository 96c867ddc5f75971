"""What a script is once it has been read: steps in order, each with its place. Small frozen records, no behaviour."""

from typing import TypeAlias

from lihil_cli.record import Record
from lihil_cli.wstest.patterns.template import Template, Variable
from lihil_cli.wstest.patterns.tree import Pattern


class Place(Record):
    """Where a step stands: `at` is the offset in the script, `line` counts from 1."""

    at: int
    line: int


class Written(Record):
    """Text with variables, and how it was written."""

    source: str
    template: Template


class Seconds(Record):
    """A time, and how it was written: `200ms`, `2s`, `1m`."""

    source: str
    value: float


# What is sent.


class Quoted(Record):
    """A variable inside a JSON string that is sent: its text is escaped as JSON wants it."""

    variable: Variable


class SendText(Record):
    """A text message; in JSON a variable outside a string is sent as the JSON value that it is."""

    pieces: tuple[str | Variable | Quoted, ...]
    is_json: bool = False


class SendBytes(Record):
    """A binary message."""

    data: bytes


class SendClose(Record):
    """A closing handshake of ours."""

    code: int
    reason: str


Outgoing: TypeAlias = SendText | SendBytes | SendClose


# Steps.


class Send(Record):
    """`alice> hello`"""

    place: Place
    client: str
    source: str
    outgoing: Outgoing


class Expect(Record):
    """`alice< hello`"""

    place: Place
    client: str
    pattern: Pattern


class Silence(Record):
    """`alice!< 200ms`"""

    place: Place
    client: str
    time: Seconds


class Refusal(Record):
    """`expect 422 {...}`: the handshake is refused with this status, and a body like this."""

    status: int
    body: Pattern | None = None


class Connect(Record):
    """`@client alice ?user=alice [X-Token: abc]`, or `@connect` with a refusal to expect.

    `path` is None where the script's target is meant. `word` is how it was written; "" for the one client of a script
    that names none.
    """

    place: Place
    client: str
    word: str = "client"
    path: Written | None = None
    query: Written | None = None
    headers: tuple[tuple[str, Written], ...] = ()
    refusal: Refusal | None = None


class Timeout(Record):
    """`@timeout 2s`: how long each later expectation waits."""

    place: Place
    time: Seconds


class Unordered(Record):
    """`@unordered { ... }`: expectations that may come in any order."""

    place: Place
    steps: tuple[Expect, ...]


class Repeat(Record):
    """`@repeat 50 { ... }`; what a round captures is forgotten at its end."""

    place: Place
    count: int
    steps: tuple["Step", ...]


PlainStep: TypeAlias = Send | Expect | Silence | Connect | Timeout | Unordered
Step: TypeAlias = PlainStep | Repeat


class Destination(Record):
    """`@target /chat/{room} room=general`: a path or an address, and what stands for its parameters."""

    place: Place
    path: Written
    parameters: tuple[tuple[str, Written], ...] = ()


class Script(Record):
    """One file. `clients` are the names in it; "" stands for the only one of a script that names none."""

    steps: tuple[Step, ...]
    target: Destination | None = None
    clients: tuple[str, ...] = ()
