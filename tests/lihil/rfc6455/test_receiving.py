"""Bytes become frames, frames become messages: the rules, every split of the bytes, and the budget."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.rfc6455.connection import Connection
from lihil.rfc6455.deflate import Deflate, DeflateOptions
from lihil.rfc6455.events import Close, Event, Failure, Ping, Pong, Role, State
from lihil.rfc6455.frames import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, encode_frame
from lihil.rfc6455.receiving import EVENT_BYTES

MASK = b"\x11\x22\x33\x44"
ROLES = st.sampled_from(Role)


def connection(
    role: Role = Role.SERVER,
    *,
    max_message_bytes: int = 1 << 20,
    max_fragments: int = 1024,
    is_compressed: bool = False,
    keeps_end_apart: bool = False,
) -> Connection:
    return Connection(
        role,
        max_message_bytes=max_message_bytes,
        max_fragments=max_fragments,
        deflate=Deflate(DeflateOptions(), is_server=role is Role.SERVER) if is_compressed else None,
        keeps_end_apart=keeps_end_apart,
    )


def frame(first: int, payload: bytes = b"", role: Role = Role.SERVER) -> bytes:
    """A frame as the peer of that role sends it."""
    return encode_frame(first, payload, MASK if role is Role.SERVER else None)


def header(first: int, second: int, rest: bytes = b"", role: Role = Role.SERVER) -> bytes:
    """Any first two bytes, with the mask bit that the role expects."""
    return bytes((first, second | (0x80 if role is Role.SERVER else 0))) + rest


def flattened(receiver: Connection, reads: Iterator[bytes] | list[bytes], budget: int | None = None) -> list[Event]:
    """All events of all reads, each taken to its end."""
    events: list[Event] = []
    for read in reads:
        events += receiver.receive(read, budget)
        while receiver.has_buffered:
            events += receiver.receive(b"", budget)
    return events


def cut(data: bytes, places: list[int]) -> list[bytes]:
    stops = sorted(place % (len(data) + 1) for place in places)
    return [data[start:stop] for start, stop in zip([0, *stops], [*stops, len(data)], strict=True)]


# Messages


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_messages_of_every_length_arrive_alone_and_in_a_row(role: Role, size: int) -> None:
    wire = frame(FIN | TEXT, b"x" * size, role) + frame(FIN | BINARY, bytes(size), role)
    receiver = connection(role)
    assert receiver.receive(wire + wire) == ["x" * size, bytes(size)] * 2
    assert receiver.receive(frame(FIN | TEXT, b"x" * size, role)) == ["x" * size]
    assert not receiver.has_buffered


@pytest.mark.parametrize("role", list(Role))
def test_control_frames_come_between_fragments_in_their_order(role: Role) -> None:
    wire = [
        frame(TEXT, b"z\xc3", role),
        frame(FIN | PING, b"1", role),
        frame(CONTINUATION, b"", role),
        frame(FIN | PONG, b"2", role),
        frame(FIN | CONTINUATION, b"\xa9", role),
    ]
    assert connection(role).receive(b"".join(wire)) == [Ping(b"1"), Pong(b"2"), "zé"]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("size", [5, 130, 66_000])
def test_a_frame_may_come_byte_by_byte(role: Role, size: int) -> None:
    wire = frame(FIN | TEXT, b"x" * size, role) + frame(FIN | PING, b"ping", role)
    assert flattened(connection(role), [wire[at : at + 1] for at in range(len(wire))]) == ["x" * size, Ping(b"ping")]


def test_an_empty_read_gives_nothing() -> None:
    assert connection().receive(b"") == []


# Broken rules

HELLO = frame(FIN | TEXT, b"hello")
START = frame(TEXT, b"start")


@pytest.mark.parametrize(
    ("wire", "code", "words"),
    [
        (header(FIN | RSV1 | TEXT, 0), 1002, "reserved bit"),
        (header(FIN | 0x20 | TEXT, 0), 1002, "reserved bit"),
        (header(FIN | 0x10 | PING, 0), 1002, "reserved bit"),
        (header(FIN | 0x3, 0), 1002, "reserved opcode 3"),
        (header(FIN | 0xB, 0), 1002, "reserved opcode 11"),
        (encode_frame(FIN | TEXT, b"x"), 1002, "unmasked"),
        (header(PING, 0), 1002, "fragmented control"),
        (header(FIN | PING, 126), 1002, "more than 125 bytes"),
        (header(FIN | CLOSE, 127), 1002, "more than 125 bytes"),
        (header(FIN | CONTINUATION, 0), 1002, "continuation of nothing"),
        (START + header(FIN | TEXT, 0), 1002, "inside another"),
        (header(FIN | TEXT, 126, b"\0\x7d"), 1002, "more bytes than it needs"),
        (header(FIN | TEXT, 127, b"\0\0\0\0\0\0\xff\xff"), 1002, "more bytes than it needs"),
        (header(FIN | TEXT, 127, b"\x80" + bytes(7)), 1002, "highest bit"),
        (header(FIN | TEXT, 127, b"\x7f" + bytes(7) + MASK), 1009, "more than"),
        (frame(FIN | TEXT, b"\xff"), 1007, "UTF-8"),
        (header(FIN | TEXT, 100, MASK + bytes((0xFF ^ MASK[0],))), 1007, "UTF-8"),
        (START + frame(CONTINUATION, b"\xed\xa0"), 1007, "UTF-8"),
        (frame(FIN | CLOSE, b"\x03"), 1002, "one byte"),
        (frame(FIN | CLOSE, b"\x03\xed"), 1002, "1005"),
        (frame(FIN | CLOSE, b"\x03\xe8\xff"), 1007, "close reason"),
    ],
)
def test_a_broken_rule_fails_the_connection_behind_the_messages_before_it(wire: bytes, code: int, words: str) -> None:
    receiver = connection()
    *before, failure = receiver.receive(HELLO + frame(FIN | BINARY, b"\0") + wire + HELLO)
    assert before == ["hello", b"\0"]
    assert isinstance(failure, Failure)
    assert (failure.code, words in failure.reason) == (code, True)
    assert receiver.state is State.CLOSED
    assert connection(Role.CLIENT).receive(receiver.take_output()) == [Close(code, failure.reason)]
    assert receiver.receive(HELLO) == []


@pytest.mark.parametrize("size", [1, 200, 70_000])
def test_a_client_refuses_a_masked_frame(size: int) -> None:
    assert connection(Role.CLIENT).receive(frame(FIN | TEXT, b"x" * size)) == [Failure(1002, "a masked frame")]


@pytest.mark.parametrize("size", [1, 200, 70_000])
def test_a_server_refuses_an_unmasked_frame(size: int) -> None:
    assert connection().receive(encode_frame(FIN | TEXT, b"x" * size)) == [Failure(1002, "an unmasked frame")]


@pytest.mark.parametrize(
    "first", [RSV1 | CONTINUATION, FIN | RSV1 | PING, FIN | RSV1 | CLOSE, FIN | RSV1 | 0x20 | TEXT]
)
def test_the_mark_of_compression_is_refused_where_it_has_no_place(first: int) -> None:
    receiver = connection(is_compressed=True)
    assert receiver.receive(START + frame(first, b"")) == [Failure(1002, "a reserved bit is set")]


@pytest.mark.parametrize("limit", [10, 125, 300, 70_000])
@pytest.mark.parametrize("role", list(Role))
def test_a_limit_binds_small_messages_and_large_ones_alike(role: Role, limit: int) -> None:
    full, more = frame(FIN | BINARY, bytes(limit), role), frame(FIN | BINARY, bytes(limit + 1), role)
    failure = Failure(1009, f"a message of more than {limit} bytes")
    assert connection(role, max_message_bytes=limit).receive(full) == [bytes(limit)]
    assert connection(role, max_message_bytes=limit).receive(more) == [failure]
    assert connection(role, max_message_bytes=limit).receive(full + more) == [bytes(limit), failure]


def test_endless_empty_fragments_are_cut_off() -> None:
    receiver = connection(max_fragments=100)
    wire = frame(TEXT) + frame(CONTINUATION) * 1000
    assert receiver.receive(wire) == [Failure(1009, "a message of more than 100 fragments")]


# Every split of the bytes

DATA = st.one_of(
    st.text(max_size=20).map(str.encode), st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 400]), st.binary(max_size=6)
)
FIRST = st.one_of(
    st.sampled_from(
        [FIN | TEXT, FIN | BINARY, TEXT, BINARY, CONTINUATION, FIN, FIN | PING, FIN | PONG, FIN | RSV1 | BINARY]
    ),
    st.integers(0, 255),
)
FRAMES = st.one_of(
    st.tuples(FIRST, DATA),
    st.tuples(st.just(FIN | CLOSE), st.sampled_from([b"", b"\x03\xe8bye", b"\x03", b"\x03\xe9"])),
)


@given(
    role=ROLES,
    frames=st.lists(FRAMES, max_size=8),
    garbage=st.binary(max_size=20),
    places=st.lists(st.integers(0, 5000), max_size=12),
    budget=st.one_of(st.none(), st.integers(1, 2000)),
    apart=st.booleans(),
)
def test_every_split_and_every_budget_gives_the_same_events(
    role: Role,
    frames: list[tuple[int, bytes]],
    garbage: bytes,
    places: list[int],
    budget: int | None,
    apart: bool,
) -> None:
    wire = b"".join(frame(first, payload, role) for first, payload in frames) + garbage
    whole, parts, single = connection(role), connection(role, keeps_end_apart=apart), connection(role)
    expected = whole.receive(wire)
    assert flattened(parts, cut(wire, places), budget) == expected
    assert flattened(single, [wire[at : at + 1] for at in range(len(wire))]) == expected
    assert (
        parts.take_output()[: 1 if role is Role.CLIENT else None]
        == whole.take_output()[: 1 if role is Role.CLIENT else None]
    )
    assert whole.state is parts.state is single.state


@given(
    role=ROLES,
    wire=st.binary(max_size=400),
    is_compressed=st.booleans(),
    budget=st.one_of(st.none(), st.integers(0, 300)),
)
def test_any_bytes_give_documented_events_within_the_limits(
    role: Role, wire: bytes, is_compressed: bool, budget: int | None
) -> None:
    receiver = connection(role, max_message_bytes=100, max_fragments=3, is_compressed=is_compressed)
    events = receiver.receive(wire, budget)
    assert all(isinstance(event, str | bytes | Ping | Pong) for event in events[:-1])
    assert all(len(event) <= 100 for event in events if isinstance(event, str | bytes))
    assert (receiver.state is State.CLOSED) == bool(events and isinstance(events[-1], Close | Failure))


# The budget


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("wire", [(FIN | TEXT, b"x" * 100), (FIN | PING, b"x" * 100)])
def test_receiving_stops_after_the_event_that_reaches_the_budget(role: Role, wire: tuple[int, bytes]) -> None:
    receiver = connection(role)
    one = 100 + EVENT_BYTES
    assert len(receiver.receive(frame(*wire, role) * 10, 2 * one)) == 2
    assert receiver.has_buffered
    assert len(receiver.receive(b"", 2 * one + 1)) == 3
    assert receiver.receive(frame(*wire, role), 0) == receiver.receive(b"", -5) == []
    assert len(receiver.receive(b"")) == 6
    assert not receiver.has_buffered


def test_a_budget_of_nothing_gives_nothing_even_for_a_read_of_one_message() -> None:
    receiver = connection()
    assert receiver.receive(HELLO, 0) == []
    assert receiver.has_buffered
    assert receiver.receive(HELLO) == ["hello", "hello"]


def test_empty_messages_are_bounded_in_number() -> None:
    assert len(connection().receive(frame(FIN | TEXT) * 10_000, 65_536)) == 65_536 // EVENT_BYTES


def test_compressed_messages_count_as_large_as_they_become() -> None:
    receiver, sender = connection(is_compressed=True), connection(Role.CLIENT, is_compressed=True)
    wire = b"".join(sender.send_bytes(bytes(100_000)) for _ in range(10))
    assert len(wire) < 10_000
    assert receiver.receive(wire, 150_000) == [bytes(100_000)] * 2
    assert flattened(receiver, [b""], 1) == [bytes(100_000)] * 8


def test_half_a_frame_is_nothing_to_go_on_with() -> None:
    receiver = connection()
    assert receiver.receive(HELLO + HELLO[:3], 1) == ["hello"]
    assert (receiver.has_buffered, receiver.receive(b"", 1), receiver.has_buffered) == (True, [], False)
    assert (receiver.receive(HELLO[3:], 1), receiver.has_buffered) == (["hello"], False)


def test_what_waits_is_not_copied_again_by_every_call() -> None:
    receiver = connection()
    for _ in range(50):
        receiver.receive(HELLO * 2000, 1)
    tracemalloc.start()
    try:
        for _ in range(100):
            assert receiver.receive(b"", 1) == ["hello"]
            assert receiver.receive(HELLO, 0) == []
        assert tracemalloc.get_traced_memory()[1] < 50_000
    finally:
        tracemalloc.stop()
    assert len(flattened(receiver, [b""], 10_000)) == 50 * 2000 - 50


# An end kept apart


@pytest.mark.parametrize(
    ("wire", "end"),
    [
        (frame(FIN | CLOSE, b"\x03\xe9"), Close(1001, "")),
        (header(FIN | 0x3, 0), Failure(1002, "reserved opcode 3")),
        (frame(FIN | TEXT, b"\xff"), Failure(1007, "text that is not UTF-8")),
        (frame(FIN | CLOSE, b"\x03"), Failure(1002, "a close payload of one byte")),
    ],
)
def test_messages_can_be_answered_before_an_end_that_is_kept_apart(wire: bytes, end: Event) -> None:
    receiver = connection(keeps_end_apart=True)
    assert receiver.receive(HELLO + wire + HELLO) == ["hello"]
    assert (receiver.has_buffered, receiver.take_output()) == (True, b"")
    assert receiver.send_text("hello")
    assert (receiver.receive(b""), receiver.state, receiver.has_buffered) == ([end], State.CLOSED, False)
    assert receiver.take_output()


def test_an_end_behind_no_message_comes_at_once() -> None:
    receiver = connection(keeps_end_apart=True)
    assert receiver.receive(frame(FIN | PING) + frame(FIN | CLOSE)) == [Ping(b""), Close(1005, "")]
    assert connection(keeps_end_apart=True).receive(header(0, 0)) == [Failure(1002, "a continuation of nothing")]


def test_bytes_behind_an_end_that_waits_are_not_looked_at() -> None:
    receiver = connection(keeps_end_apart=True)
    receiver.receive(HELLO + header(FIN | 0x3, 0))
    assert receiver.receive(HELLO) == [Failure(1002, "reserved opcode 3")]
