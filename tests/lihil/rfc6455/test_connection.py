"""One WebSocket: sending, the closing handshake, both roles with each other and with the `websockets` library."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode
from websockets.protocol import CLIENT, SERVER, Protocol

from lihil.rfc6455.connection import MIN_COMPRESSED_BYTES, Connection
from lihil.rfc6455.deflate import Deflate, DeflateOptions
from lihil.rfc6455.events import Close, Event, Failure, Ping, Pong, Role, State, StateError
from lihil.rfc6455.frames import encode_frame

BITS = st.integers(8, 15)
OPTIONS = st.one_of(st.none(), st.builds(DeflateOptions, BITS, BITS, st.booleans(), st.booleans()))
SIZES = st.sampled_from([0, 1, 125, 126, 127, 255, 256, 1000, 65_535, 65_536, 65_537])
MESSAGES = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40),
    SIZES.map(lambda size: "é" * (size // 2) + "x" * (size % 2)),
    SIZES.map(lambda size: bytes(index * index % 251 for index in range(size))),
)


def connection(role: Role, options: DeflateOptions | None = None) -> Connection:
    is_server = role is Role.SERVER
    return Connection(role, deflate=None if options is None else Deflate(options, is_server=is_server))


def peer_of(role: Role) -> Role:
    return Role.CLIENT if role is Role.SERVER else Role.SERVER


def send(sender: Connection, message: str | bytes) -> bytes:
    return sender.send_text(message) if isinstance(message, str) else sender.send_bytes(message)


# Sending


def test_a_server_sends_plainly_and_a_client_masks() -> None:
    client = Connection(Role.CLIENT, make_key=lambda size: b"\x37\xfa\x21\x3d"[:size])
    assert connection(Role.SERVER).send_text("Hello") == bytes.fromhex("810548656c6c6f")  # section 5.7
    assert connection(Role.SERVER).send_bytes(b"Hello") == bytes.fromhex("820548656c6c6f")
    assert client.send_text("Hello") == bytes.fromhex("818537fa213d7f9f4d5158")
    assert client.ping(b"Hello") == bytes.fromhex("898537fa213d7f9f4d5158")


def test_a_client_takes_a_new_key_for_every_frame() -> None:
    client = connection(Role.CLIENT)
    assert client.send_text("x" * 40) != client.send_text("x" * 40)


@pytest.mark.parametrize("size", [MIN_COMPRESSED_BYTES - 1, MIN_COMPRESSED_BYTES])
def test_a_short_message_is_not_compressed(size: int) -> None:
    sent = connection(Role.SERVER, DeflateOptions()).send_bytes(bytes(size))
    assert bool(sent[0] & 0x40) == (size >= MIN_COMPRESSED_BYTES)


@pytest.mark.parametrize("role", list(Role))
def test_a_control_frame_has_at_most_125_bytes(role: Role) -> None:
    sender, receiver = connection(role), connection(peer_of(role))
    assert receiver.receive(sender.ping(bytes(125)) + sender.pong(bytes(125))) == [Ping(bytes(125)), Pong(bytes(125))]
    for call in (sender.ping, sender.pong):
        with pytest.raises(ValueError, match="at most 125 bytes, not 126"):
            call(bytes(126))


def test_a_lone_surrogate_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        connection(Role.SERVER).send_text("\ud800")
    with pytest.raises(ValueError, match="surrogates"):
        connection(Role.SERVER).send_fragments("\ud800", [])


@pytest.mark.parametrize(
    ("message", "sizes", "frames"),
    [
        ("Hello", [3], ["010348656c", "80026c6f"]),
        (b"Hello", [], ["820548656c6c6f"]),
        (b"Hi", [0, 1, 9], ["0200", "000148", "000169", "8000"]),
        (b"Hello", 2, ["02024865", "00026c6c", "80016f"]),
        (b"Hell", 2, ["02024865", "80026c6c"]),
        (b"", 2, ["8200"]),
    ],
)
def test_a_message_can_be_sent_in_fragments(message: str | bytes, sizes: list[int] | int, frames: list[str]) -> None:
    assert [frame.hex() for frame in connection(Role.SERVER).send_fragments(message, sizes)] == frames


# Closing


@pytest.mark.parametrize("role", list(Role))
def test_the_closing_handshake_ends_both_sides(role: Role) -> None:
    ours, theirs = connection(role), connection(peer_of(role))
    assert theirs.receive(ours.close(1001, "going")) == [Close(1001, "going")]
    assert (ours.state, ours.close_sent) == (State.CLOSING, Close(1001, "going"))
    assert (theirs.state, theirs.close_sent) == (State.CLOSED, Close(1001, ""))
    assert ours.receive(theirs.take_output()) == [Close(1001, "")]
    assert (ours.state, ours.take_output(), theirs.take_output()) == (State.CLOSED, b"", b"")


def test_a_close_without_a_code_is_answered_without_one() -> None:
    server, client = connection(Role.SERVER), connection(Role.CLIENT)
    assert server.receive(client.close(1005)) == [Close(1005, "")]
    assert server.take_output() == b"\x88\x00"


def test_a_close_inside_a_message_is_answered_with_its_own_code() -> None:
    server, client = connection(Role.SERVER), connection(Role.CLIENT)
    fragment = client.send_fragments("fragment", [3])[0]
    assert server.receive(fragment + client.close(1000)) == [Close(1000, "")]
    assert server.take_output() == bytes.fromhex("880203e8")


def test_what_comes_before_the_peers_close_is_still_received_and_pings_answered() -> None:
    server, client = connection(Role.SERVER), connection(Role.CLIENT)
    server.close()
    assert server.receive(client.send_text("late") + client.ping(b"p")) == ["late", Ping(b"p")]
    assert client.receive(server.take_output()) == [Pong(b"p")]  # section 5.5.2


def test_nothing_is_answered_or_read_behind_the_peers_close() -> None:
    server, client = connection(Role.SERVER), connection(Role.CLIENT)
    ping = client.ping()
    assert server.receive(client.close() + ping) == [Close(1000, "")]
    assert server.take_output() == bytes.fromhex("880203e8")
    assert server.receive(ping) == []


def test_a_failure_behind_our_close_sends_no_second_one() -> None:
    server = connection(Role.SERVER)
    server.close()
    assert server.receive(b"\x81\x00") == [Failure(1002, "an unmasked frame")]
    assert server.take_output() == b""


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize("role", list(Role))
def test_after_a_close_nothing_more_can_be_sent(role: Role, is_closed: bool) -> None:
    sender = connection(role)
    sender.close()
    if is_closed:
        sender.receive(connection(peer_of(role)).close())
    calls: list[Callable[[], bytes]] = [
        lambda: sender.send_text("x"),
        lambda: sender.send_bytes(b"x"),
        lambda: sender.send_fragments("x", [])[0],
        sender.ping,
        sender.pong,
        sender.close,
    ]
    for call in calls:
        with pytest.raises(StateError, match=r"closed|closing"):
            call()


@pytest.mark.parametrize(("code", "reason"), [(1005, "why"), (1006, ""), (999, ""), (1000, "x" * 124)])
def test_a_close_that_cannot_be_leaves_the_connection_open(code: int, reason: str) -> None:
    sender = connection(Role.SERVER)
    with pytest.raises(ValueError, match=r"code|reason"):
        sender.close(code, reason)
    assert sender.state is State.OPEN


@pytest.mark.parametrize(("payload", "code"), [(b"\x03", 1002), (b"\x03\xed", 1002), (b"\x03\xe8\xff", 1007)])
def test_a_close_frame_that_cannot_be_read_fails_the_connection(payload: bytes, code: int) -> None:
    client = connection(Role.CLIENT)
    (failure,) = client.receive(encode_frame(0x88, payload))
    assert isinstance(failure, Failure)
    assert failure.code == code
    assert connection(Role.SERVER).receive(client.take_output()) == [Close(code, failure.reason)]


# Both roles with each other


@settings(deadline=None)
@given(
    role=st.sampled_from(Role),
    options=OPTIONS,
    messages=st.lists(
        st.tuples(MESSAGES, st.one_of(st.none(), st.lists(st.integers(0, 70_000), max_size=3))), max_size=5
    ),
    step=st.sampled_from([1 << 20, 65_536, 4099]),
)
def test_what_one_role_sends_the_other_receives(
    role: Role, options: DeflateOptions | None, messages: list[tuple[str | bytes, list[int] | None]], step: int
) -> None:
    sender, receiver = connection(role, options), connection(peer_of(role), options)
    wire, expected = b"", list[Event]()
    for message, sizes in messages:
        if sizes is None:
            wire += send(sender, message)
        else:
            first, *rest = sender.send_fragments(message, sizes)
            wire += first + b"".join(sender.ping(b"between") + frame for frame in rest)
            expected += [Ping(b"between")] * len(rest)
        expected.append(message)
    reads = [wire[at : at + step] for at in range(0, len(wire), step)]
    assert [event for read in reads for event in receiver.receive(read)] == expected
    answers = sender.receive(receiver.take_output())
    assert answers == [Pong(b"between")] * expected.count(Ping(b"between"))


# The websockets library as the other side


def library(role: Role, options: DeflateOptions | None) -> Protocol:
    """The library's sans-I/O protocol in that role, behind its handshake."""
    protocol = Protocol(SERVER if role is Role.SERVER else CLIENT, max_size=None)
    if options is not None:
        server = options.server_no_context_takeover, options.server_max_window_bits
        client = options.client_no_context_takeover, options.client_max_window_bits
        local, remote = (server, client) if role is Role.SERVER else (client, server)
        protocol.extensions = [PerMessageDeflate(remote[0], local[0], remote[1], local[1])]
    return protocol


# zlib, and so the library, cannot compress with a window of 8 bits.
LIBRARY_BITS = st.integers(9, 15)
LIBRARY_OPTIONS = st.one_of(
    st.none(), st.builds(DeflateOptions, LIBRARY_BITS, LIBRARY_BITS, st.booleans(), st.booleans())
)


@settings(deadline=None)
@given(role=st.sampled_from(Role), options=LIBRARY_OPTIONS, messages=st.lists(MESSAGES, max_size=4))
def test_the_library_receives_what_we_send_and_we_what_it_sends(
    role: Role, options: DeflateOptions | None, messages: list[str | bytes]
) -> None:
    ours, theirs = connection(role, options), library(peer_of(role), options)
    for message in messages:
        theirs.receive_data(send(ours, message))
        (frame,) = theirs.events_received()
        assert frame.opcode is (Opcode.TEXT if isinstance(message, str) else Opcode.BINARY)  # type: ignore[union-attr]
        payload = message.encode() if isinstance(message, str) else message
        assert bytes(frame.data) == payload  # type: ignore[union-attr]
        theirs.send_text(payload) if isinstance(message, str) else theirs.send_binary(payload)
        assert ours.receive(b"".join(theirs.data_to_send())) == [message]
    theirs.receive_data(ours.close(1000, "done"))
    assert theirs.close_rcvd is not None
    assert (theirs.close_rcvd.code, theirs.close_rcvd.reason) == (1000, "done")
    assert ours.receive(b"".join(theirs.data_to_send())) == [Close(1000, "done")]


FRAGMENTS = st.lists(
    st.tuples(
        st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x83, 0xC1, 0x09]), st.binary(max_size=4)
    ),
    max_size=6,
)


@given(frames=FRAGMENTS, end=st.sampled_from([b"", b"\x03\xe8", b"\x03", b"\x03\xed"]))
def test_we_and_the_library_agree_on_what_breaks_the_rules(frames: list[tuple[int, bytes]], end: bytes) -> None:
    """Both see the same close code; the library checks text only when asked to decode it, so text is ASCII here."""
    wire = b"".join(encode_frame(first, bytes(byte & 0x7F for byte in payload), b"abcd") for first, payload in frames)
    wire += encode_frame(0x88, end, b"abcd")
    ours, theirs = connection(Role.SERVER), library(Role.SERVER, None)
    *_, last = ours.receive(wire)
    assert isinstance(last, Close | Failure)
    theirs.receive_data(wire)
    if theirs.parser_exc is None:
        assert theirs.close_rcvd is not None
        assert last == Close(theirs.close_rcvd.code, theirs.close_rcvd.reason)
    elif "incomplete fragmented message" in str(theirs.parser_exc):  # the library fails what section 5.4 allows
        assert isinstance(last, Close)
    else:
        assert theirs.close_sent is not None
        assert isinstance(last, Failure)
        assert last.code == theirs.close_sent.code
