import errno
import os
import socket
from contextlib import closing

import pytest

from lihil_cli.errors import CliError
from lihil_cli.serving.listener import (
    bind_refusal,
    chosen_port,
    dial_host,
    is_loopback,
    join_address,
    open_listener,
)


def test_port_0_takes_a_free_port_and_clients_can_connect_at_once() -> None:
    with closing(open_listener("127.0.0.1", 0)) as listener:
        port = chosen_port(listener)
        assert port > 0
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            assert client.getpeername() == ("127.0.0.1", port)


def test_a_name_with_several_addresses_is_bound_to_the_ipv4_one() -> None:
    with closing(open_listener("localhost", 0)) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_port_is_free_again_right_after_its_server_has_ended() -> None:
    with closing(open_listener("127.0.0.1", 0)) as listener:
        port = chosen_port(listener)
        with socket.create_connection(("127.0.0.1", port), 60):
            listener.setblocking(True)
            listener.accept()[0].close()  # the server closes first, so the connection stays in TIME_WAIT
    with closing(open_listener("127.0.0.1", port)) as again:
        assert chosen_port(again) == port


def test_a_port_in_use_names_its_owner() -> None:
    with closing(open_listener("127.0.0.1", 0)) as listener, pytest.raises(CliError) as caught:
        open_listener("127.0.0.1", chosen_port(listener))
    assert caught.value.code == 3
    assert caught.value.message.startswith(
        f"127.0.0.1:{chosen_port_of(caught.value)} is in use by process {os.getpid()} ("
    )


def chosen_port_of(error: CliError) -> int:
    """The port that an error is about."""
    return int(error.message.partition(" ")[0].rpartition(":")[2])


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_that_cannot_be_looked_up_is_unknown(host: str) -> None:
    with pytest.raises(CliError, match="is unknown") as caught:
        open_listener(host, 0)
    assert caught.value.code == 3


def test_a_host_of_another_machine_is_refused() -> None:
    # 203.0.113.0/24 is for documentation (RFC 5737), so no machine has it.
    with pytest.raises(CliError, match=r"^203\.0\.113\.4 is no address of this machine$") as caught:
        open_listener("203.0.113.4", 0)
    assert caught.value.code == 3


@pytest.mark.parametrize(
    ("number", "port", "message", "hint"),
    [
        (errno.EACCES, 80, "no permission to listen on 127.0.0.1:80", "ports below 1024 are for the administrator"),
        (errno.EPERM, 8000, "no permission to listen on 127.0.0.1:8000", "try another --port"),
        (errno.EMFILE, 8000, "cannot listen on 127.0.0.1:8000: Too many open files", ""),
        (errno.EADDRINUSE, 65535, "127.0.0.1:65535 is in use", "--port 65534, or --port 0 for any free one"),
    ],
)
def test_a_refused_bind_says_what_to_do(number: int, port: int, message: str, hint: str) -> None:
    error = bind_refusal(OSError(number, os.strerror(number)), "127.0.0.1", port)
    assert error.code == 3
    assert error.message.startswith(message)
    assert error.hint.startswith(hint)


@pytest.mark.parametrize(
    ("host", "dialled"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("web.test", "web.test")]
)
def test_a_client_on_this_machine_dials_loopback_for_every_address(host: str, dialled: str) -> None:
    assert dial_host(host) == dialled


@pytest.mark.parametrize(
    ("host", "port", "address"), [("127.0.0.1", 80, "127.0.0.1:80"), ("::1", 80, "[::1]:80"), ("web", 1, "web:1")]
)
def test_an_ipv6_address_is_put_in_brackets(host: str, port: int, address: str) -> None:
    assert join_address(host, port) == address


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("app.localhost", True),
        ("0.0.0.0", False),
        ("192.168.0.1", False),
        ("example.org", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
