"""HTTPS and WSS, with a certificate that was made for it."""

import json
import signal
import socket
import ssl
import urllib.request
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


OURS = ("--tls-cert", "--tls-key")
UVICORNS = ("--ssl-certfile", "--ssl-keyfile")


@pytest.mark.parametrize(("mode", "names"), [([], UVICORNS), (["--workers", "2"], OURS), (["--reload"], OURS)])
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


def test_tls_peers_that_are_silent_do_not_hold_up_the_end(launch: Launch, stage: Path, files: Files) -> None:
    server = launch("run", "--port", "0", "--tls-cert", "tls/both.pem", "--drain", "0.4")
    host, _, port = address(server).rpartition(":")
    trusting = ssl.create_default_context(cafile=files.authority)
    with (
        socket.create_connection((host, int(port)), DEADLINE_S),
        socket.create_connection((host, int(port)), DEADLINE_S) as raw,
        trusting.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
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


def test_a_certificate_that_cannot_be_used_is_one_line_before_anything_runs(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0", "--tls-cert", "absent.pem")
    assert server.ends() == 2
    assert server.said.startswith(f"error: TLS file {stage.parent}/absent.pem cannot be read: No such file")
    assert "serves" not in server.said


def test_the_secret_is_not_shown(launch: Launch, stage: Path) -> None:
    server = launch("run", "--show-settings", "--json", LIHIL_TLS_KEY_PASSWORD=PASSWORD)
    assert server.ends() == 0
    assert json.loads(server.said)["tls_key_password"] == {"value": "(secret)", "source": "LIHIL_TLS_KEY_PASSWORD"}
