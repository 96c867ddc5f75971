"""A real gunicorn, with our protocol classes in its workers."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.lihil.server.wire import DEADLINE_S, Client, text

SERVE = "from tests.lihil.server.wire import echo as app\n"


def test_gunicorn_serves_through_our_protocols(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVE)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "gunicorn", "-k", "lihil.server.gunicorn.Worker", "-b", "127.0.0.1:0"]
    place = ["--chdir", str(tmp_path), "--pythonpath", str(root), "main:app"]
    with subprocess.Popen([*command, *place], stderr=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stderr is not None
        said = ""
        while "Application startup complete" not in said and "ASGI 'lifespan'" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert found, said
        with Client(int(found[1])) as client:
            # Stock uvicorn drops what comes behind the handshake in the same segment; ours answers it.
            head = client.open()
            assert "server:" not in head.lower()
            client.send(text("hello"))
            assert client.event() == "hello"
            process.send_signal(signal.SIGTERM)
            assert client.event() == (1001, "the server is stopping")
        process.stderr.read()
        assert process.wait(DEADLINE_S) == 0
