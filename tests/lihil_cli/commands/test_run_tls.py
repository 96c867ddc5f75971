"""HTTPS and WSS, with a certificate that was made for it."""

import json
import signal
import socket
import ssl
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.lihil_cli.commands.serving import DEADLINE_S, Launch, Running, has_no_escapes_or_tracebacks
from tests.lihil_cli.serving.certificates import PASSWORD, Files, make_files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "tls"
    folder.mkdir()
    return make_files(folder)


def address(server: Running) -> str:
    server.wait_for("Ctrl-C stops it")
    return server.said.partition("https://")[2].split()[0]


@pytest.mark.parametrize("mode", [[], ["--workers", "2"], ["--reload"]])
@pytest.mark.parametrize("names", [("--tls-cert", "--tls-key"), ("--ssl-certfile", "--ssl-keyfile")])
def test_https_and_wss_are_served(
    launch: Launch, stage: Path, files: Files, mode: list[str], names: tuple[str, str]
) -> None:
    server = launch("run", "--port", "0", names[0], "tls/chain.pem", names[1], "tls/key.pem", *mode)
    trusting = ssl.create_default_context(cafile=files.authority)
    url = address(server)
    with urllib.request.urlopen(f"https://{url}/client", timeout=DEADLINE_S, context=trusting) as answer:
        assert answer.read() == b"127.0.0.1 https"
    assert server.record["tls"] is True
    with connect(f"wss://{url}/", ssl=trusting, proxy=None, open_timeout=DEADLINE_S) as websocket:
        assert websocket.recv(DEADLINE_S) == "open"
        server.tell(signal.SIGINT)
        with pytest.raises(ConnectionClosed):
            websocket.recv(DEADLINE_S)
        assert websocket.close_code == 1001
    assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said)


@pytest.mark.parametrize("begun", [False, True])
def test_tls_peers_that_are_silent_do_not_hold_up_the_end(
    launch: Launch, stage: Path, files: Files, begun: bool
) -> None:
    server = launch("run", "--port", "0", "--tls-cert", "tls/both.pem", "--drain", "1")
    host, _, port = address(server).rpartition(":")
    with ExitStack() as stack:
        raw = stack.enter_context(socket.create_connection((host, int(port)), DEADLINE_S))
        if begun:
            trusting = ssl.create_default_context(cafile=files.authority)
            secure = stack.enter_context(trusting.wrap_socket(raw, server_hostname="localhost"))
            secure.sendall(b"GET /much HTTP/1.1\r\nhost: x\r\n\r\n")
            assert secure.recv(1)
        server.tell(signal.SIGTERM)
        assert server.ends() == 143
    assert has_no_escapes_or_tracebacks(server.said)


def test_a_restart_takes_a_renewed_certificate(launch: Launch, stage: Path, files: Files) -> None:
    chain, key = ("--tls-cert", "tls/chain.pem"), ("--tls-key", "tls/key.pem")
    server = launch("run", "--port", "0", "--workers", "2", *chain, *key)
    url = address(server)
    renewed = make_files(files.chain.parent)
    server.tell(signal.SIGHUP, group=False)
    server.wait_for("every worker is a new one")
    trusting = ssl.create_default_context(cafile=renewed.authority)
    with urllib.request.urlopen(f"https://{url}/client", timeout=DEADLINE_S, context=trusting) as answer:
        assert answer.read() == b"127.0.0.1 https"


def test_a_password_may_come_from_the_environment(launch: Launch, stage: Path, files: Files) -> None:
    server = launch(
        "run", "--port", "0", LIHIL_TLS_CERT="tls/chain.pem", LIHIL_TLS_KEY="tls/locked.pem",
        LIHIL_TLS_KEY_PASSWORD=PASSWORD,
    )  # fmt: skip
    assert address(server)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tls-cert", "absent.pem"], "TLS file {folder}/absent.pem cannot be read: No such file or directory"),
        (["--tls-cert", "tls/chain.pem"], "{folder}/tls/chain.pem holds no private key in PEM form (--tls-cert)"),
        (
            ["--tls-cert", "tls/chain.pem", "--tls-key", "tls/other_key.pem"],
            "the key in {folder}/tls/other_key.pem is not that of the certificate in {folder}/tls/chain.pem (--",
        ),
        (["--tls-key", "tls/key.pem"], "tls_key (--tls-key) does nothing without tls_cert"),
        (["--ssl-keyfile-password", "x"], "tls_key_password (--tls-key-password) does nothing without tls_cert"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_one_line_before_anything_runs(
    launch: Launch, stage: Path, files: Files, arguments: list[str], message: str
) -> None:
    server = launch("run", "--port", "0", *arguments)
    assert server.ends() == 2
    assert server.said.startswith(f"error: {message.format(folder=stage.parent)}")
    assert "serves" not in server.said


def test_the_secret_is_not_shown(launch: Launch, stage: Path) -> None:
    server = launch("run", "--show-settings", "--json", LIHIL_TLS_KEY_PASSWORD=PASSWORD)
    assert server.ends() == 0
    assert json.loads(server.said)["tls_key_password"] == {"value": "(secret)", "source": "LIHIL_TLS_KEY_PASSWORD"}
