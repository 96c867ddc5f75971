import asyncio
import io
import os
import signal
import socket
import threading

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.network.connecting import Handshake, Tls
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.settings import Options
from lihil_cli.wstest.terminal import Streams
from tests.lihil_cli.wstest.conftest import Outcome, Servers, Talk, accept

PATIENT = Options(linger_s=60.0)


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def greet(connection: ServerConnection) -> None:
    await connection.send("Hello, world!")


def test_a_greeting_is_printed_and_the_close_told(servers: Servers, talk: Talk) -> None:
    outcome = talk(servers.websocket(greet))
    assert outcome == Outcome(0, "Hello, world!\n", "closed by the server: 1000 (normal closure)\n")


def test_an_echo_in_a_pipe_is_exactly_what_went_in(servers: Servers, talk: Talk) -> None:
    outcome = talk(servers.websocket(echo), stdin=b"hi\n\nlast", options=PATIENT.but(limit=3))
    assert outcome == Outcome(0, "hi\n\nlast\n", "closed: 1000 (normal closure)\n")


def test_a_server_that_takes_its_time_to_accept_loses_nothing(servers: Servers, talk: Talk) -> None:
    async def think(connection: ServerConnection, request: Request) -> None:
        await asyncio.sleep(0.5)

    options = PATIENT.but(limit=1)
    outcome = talk(servers.websocket(echo, process_request=think), stdin=b"hi\n", options=options)
    assert outcome.out == "hi\n"


def test_more_than_any_buffer_holds_goes_through_and_comes_back(servers: Servers, talk: Talk) -> None:
    lines = [f"{number} {'x' * 500}" for number in range(4000)]

    def feed() -> None:
        with os.fdopen(write, "wb") as pipe:
            pipe.writelines(f"{line}\n".encode() for line in lines)

    read, write = os.pipe()
    options = PATIENT.but(limit=len(lines))
    outcome = talk(servers.websocket(echo), streams=Streams(read, None, None), options=options, watch=feed)
    os.close(read)
    assert outcome.code == 0
    assert outcome.out.splitlines() == lines


def test_a_line_longer_than_a_read_is_one_message(servers: Servers, talk: Talk) -> None:
    def feed() -> None:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(b"x" * 200_000 + b"\n")

    read, write = os.pipe()
    options = PATIENT.but(limit=1)
    outcome = talk(servers.websocket(echo), streams=Streams(read, None, None), options=options, watch=feed)
    os.close(read)
    assert outcome.out == "x" * 200_000 + "\n"


def test_a_timeout_far_away_does_not_keep_a_silent_conversation(servers: Servers, talk: Talk) -> None:
    outcome = talk(servers.websocket(echo), options=Options(timeout_s=3600, linger_s=0.2))
    assert outcome == Outcome(0, "", "closed: 1000 (normal closure)\n")


def test_messages_given_as_options_go_first(servers: Servers, talk: Talk) -> None:
    outcome = talk(
        servers.websocket(echo), stdin=b"third\n", options=PATIENT.but(messages=("first", "second"), limit=3)
    )
    assert outcome.out == "first\nsecond\nthird\n"


def test_a_closed_standard_input_is_an_empty_one(servers: Servers, talk: Talk) -> None:
    outcome = talk(servers.websocket(greet), streams=Streams(None, None, None))
    assert (outcome.code, outcome.out) == (0, "Hello, world!\n")


def test_an_input_that_is_no_text_is_wrong_use(servers: Servers, talk: Talk) -> None:
    received: list[str | bytes] = []

    async def listen(connection: ServerConnection) -> None:
        received.extend([message async for message in connection])

    outcome = talk(servers.websocket(listen), stdin=b"good\n\xff\n")
    told = "standard input, line 2: not UTF-8, so it cannot be a text message; --binary sends it as it is\n"
    servers.finish()
    assert outcome == Outcome(ExitCode.USAGE, "", told)
    assert received == ["good"]


@pytest.mark.parametrize(
    ("code", "reason", "exit_code", "told"),
    [
        (1000, "", 0, "1000 (normal closure)"),
        (1001, "bye", 0, "1001 (going away): bye"),
        (1011, "", 5, "1011 (internal error)"),
        (4001, "kicked", 5, "4001 (private to the application): kicked"),
        (4001, "\x1b[2J\u202e", 5, "4001 (private to the application): \\x1b[2J\\u202e"),
    ],
)
def test_the_close_of_the_server_decides_the_exit_code(
    servers: Servers, talk: Talk, code: int, reason: str, exit_code: int, told: str
) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, reason)

    outcome = talk(servers.websocket(close), stdin=None)
    assert outcome == Outcome(exit_code, "", f"closed by the server: {told}\n")


def test_a_dropped_connection_is_told(servers: Servers, talk: Talk) -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)

    outcome = talk(servers.raw(drop), stdin=None)
    assert outcome == Outcome(5, "", "1006 (the connection was lost without a close)\n")


def test_a_message_over_the_limit_names_the_option(servers: Servers, talk: Talk) -> None:
    outcome = talk(servers.websocket(greet), handshake=Handshake(max_bytes=5))
    assert outcome.code == 5
    assert "closed: 1009 (message too big)" in outcome.err
    assert "--max-size" in outcome.err


async def never_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    await asyncio.Event().wait()


def test_a_server_that_never_answers_the_close_is_left(servers: Servers, talk: Talk) -> None:
    outcome = talk(servers.raw(never_close), handshake=Handshake(close_timeout_s=0.05))
    assert outcome == Outcome(5, "", "the server did not answer the close (1006)\n")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_a_server_that_does_not_answer(servers: Servers, talk: Talk, times: int) -> None:
    async def interrupt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(b"\x81\x02hi")
        await reader.readexactly(2 + 4 + len("here"))  # a frame's head, its mask and the message
        os.kill(os.getpid(), signal.SIGINT)
        await reader.readexactly(2 + 4 + 2)  # the Close that the first Ctrl-C leads to
        if times == 2:
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    outcome = talk(servers.raw(interrupt), stdin=None, options=Options(messages=("here",)))
    assert outcome == Outcome(ExitCode.INTERRUPTED, "hi\n", "the server did not answer the close (1006)\n")


def test_a_server_that_goes_away_is_connected_to_again(servers: Servers, talk: Talk) -> None:
    heard: list[list[str | bytes]] = []
    is_back = threading.Event()

    async def go_away_once(socket: ServerConnection) -> None:
        heard.append([])
        if len(heard) == 2:
            is_back.set()
        async for message in socket:
            heard[-1].append(message)
            await socket.send(message)
            if message == "a":
                await socket.close(1012, "reload")
            if message == "b":
                await socket.close(1000)

    read, write = os.pipe()
    os.write(write, b"a\n")

    def go_on() -> None:
        is_back.wait()
        os.write(write, b"b\n")

    outcome = talk(
        servers.websocket(go_away_once),
        options=Options(messages=("hello",), reconnects=True),
        streams=Streams(read, None, None),
        watch=go_on,
    )
    os.close(write)
    os.close(read)
    assert (outcome.code, outcome.out) == (0, "hello\na\nhello\nb\n")
    assert heard == [["hello", "a"], ["hello", "b"]]
    assert outcome.err.splitlines()[0] == "closed by the server: 1012 (service restart): reload; connecting again"
    assert outcome.err.splitlines()[-1] == "closed by the server: 1000 (normal closure)"


def test_ctrl_c_closes_properly_where_the_server_does_too(servers: Servers, talk: Talk) -> None:
    async def press(connection: ServerConnection) -> None:
        await connection.recv()  # the client knows that the connection is open
        os.kill(os.getpid(), signal.SIGINT)
        await connection.wait_closed()

    outcome = talk(servers.websocket(press), stdin=None, options=Options(messages=("here",)))
    assert outcome == Outcome(ExitCode.INTERRUPTED, "", "interrupted; closed: 1000 (normal closure)\n")


def test_ctrl_c_while_connecting_gives_up(servers: Servers, talk: Talk) -> None:
    async def press(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    outcome = talk(servers.raw(press), stdin=None)
    assert outcome == Outcome(ExitCode.INTERRUPTED, "", "interrupted before the connection was open\n")


def test_sigterm_ends_at_once(servers: Servers, talk: Talk) -> None:
    async def end(connection: ServerConnection) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await connection.wait_closed()

    assert talk(servers.websocket(end), stdin=None).code == ExitCode.TERMINATED


class Stuck(io.BytesIO):
    """An output whose reader has stopped reading: the write blocks, until a signal handler raises."""

    def write(self, data: object) -> int:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        return 0


def test_a_second_ctrl_c_ends_a_write_that_blocks(servers: Servers, talk: Talk) -> None:
    with pytest.raises(KeyboardInterrupt):
        talk(servers.websocket(greet), stdin=None, stdout=Stuck())


@pytest.mark.parametrize("silent", [True, False])
def test_the_timeout_ends_it_before_and_after_the_handshake(servers: Servers, talk: Talk, silent: bool) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    port = servers.raw(mute) if silent else servers.websocket(echo)
    outcome = talk(port, stdin=None, options=Options(timeout_s=0.2))
    assert outcome == Outcome(ExitCode.TIMEOUT, "", "--timeout: 0.2 s have passed\n")


def test_no_server_on_this_machine_says_what_to_start(talk: Talk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(CliError) as caught:
        talk(port)
    assert caught.value.code == ExitCode.CANNOT_CONNECT
    assert caught.value.text == (
        f"error: cannot connect to 127.0.0.1:{port}: connection refused; start the server with `lihil run`"
    )


def test_no_server_elsewhere_does_not_speak_of_lihil_run(talk: Talk) -> None:
    with pytest.raises(CliError) as caught:
        talk(Target("ws://unreachable.invalid/"))
    assert caught.value.code == ExitCode.CANNOT_CONNECT
    assert "lihil run" not in caught.value.text


def test_a_refusal_is_told_harmlessly(servers: Servers, talk: Talk) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "HTTP/1.1 403 Forbidden\r\nWWW-Authenticate: Bearer \u202e\r\nContent-Length: 14\r\n\r\n"
        writer.write(head.encode() + b"no \x1b[31m entry")
        await reader.read()

    outcome = talk(servers.raw(refuse))
    assert (outcome.code, outcome.out) == (ExitCode.REFUSED, "")
    lines = outcome.err.splitlines()
    assert (lines[0], lines[-1]) == ("handshake refused: HTTP 403 Forbidden", "  no \\x1b[31m entry")
    assert "80" in lines[1]  # the override's second byte, whichever way a library reads the bytes of a header
    assert outcome.err.replace("\n", "").isprintable()


def test_an_answer_that_is_no_http_is_a_refusal_in_one_line(servers: Servers, talk: Talk) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\x1b[2J\r\n\r\n")
        await reader.read()

    outcome = talk(servers.raw(babble))
    assert outcome.code == ExitCode.REFUSED
    assert "gave no valid answer to the handshake" in outcome.err
    assert outcome.err.count("\n") == 1
    assert "\x1b" not in outcome.err


def test_an_unchecked_certificate_is_said_loudly(talk: Talk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    err = io.BytesIO()
    with pytest.raises(CliError):
        talk(Target(f"wss://127.0.0.1:{port}/"), handshake=Handshake(tls=Tls(insecure=True)), stderr=err)
    assert err.getvalue().startswith(b"WARNING: --insecure")


def test_output_that_cannot_be_written_is_told(servers: Servers, talk: Talk) -> None:
    with open("/dev/full", "wb") as full:
        outcome = talk(servers.websocket(greet), stdout=full)
    assert (outcome.code, outcome.err) == (1, "cannot write the output: No space left on device\n")


def test_a_reader_that_has_gone_ends_it_quietly(servers: Servers, talk: Talk) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as out:
        outcome = talk(servers.websocket(greet), stdin=None, stdout=out)
    assert (outcome.code, outcome.err) == (141, "")
