"""What `lihil ws-test` costs, beside wscat where there is one, and whether it ever loses a message.

    python benchmarks/wstest.py [--wscat /path/to/node_modules/.bin/wscat] [--samples 9] [--runs 1000]
    python benchmarks/wstest.py --reconnect

CPU is user and system time of the client alone. Only ratios inside one run mean something: the clients take turns, so
that whatever else the machine does meets them all. Everything happens on 127.0.0.1; Linux only (/proc).
"""

import argparse
import asyncio
import json
import os
import platform
import pty
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

OURS = [sys.executable, "-m", "lihil_cli", "ws-test"]
FLOOD = 20_000
LARGE = 100 * 2**20
PATIENCE_S = 120


@dataclass(frozen=True)
class Sample:
    """One client until a text was visible on its terminal."""

    cpu_ms: float
    wall_ms: float
    rss_mib: float


async def talk(connection: ServerConnection) -> None:
    path = connection.request.path if connection.request else ""
    if path == "/greet":
        await connection.send("HELLO")
        await connection.wait_closed()
    elif path == "/flood":
        for number in range(FLOOD):
            await connection.send(f'{{"type":"tick","n":{number},"text":"{"x" * 50}"}}')
        await connection.send("FLOOD-END")
        await connection.wait_closed()
    elif path in {"/text", "/binary"}:
        await connection.send("x" * LARGE if path == "/text" else bytes(LARGE))
    else:
        async for message in connection:
            await connection.send(message)


async def accept_slowly(connection: ServerConnection, request: Request) -> None:
    if request.path.startswith("/slow"):
        await asyncio.sleep(2)


async def be_server() -> None:
    async with serve(talk, "127.0.0.1", 0, process_request=accept_slowly, compression=None, max_size=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Event().wait()


@contextmanager
def server() -> Iterator[int]:
    """The server in a process of its own, so that its memory is not taken for a client's; its port."""
    with subprocess.Popen([sys.executable, __file__, "--be-server"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def on_terminal(command: Sequence[str], text: bytes) -> Sample:
    """Start a client on a terminal of its own, wait until it shows `text`, and end it."""
    started = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        os.execvp(command[0], list(command))
    seen = b""
    try:
        while text not in seen:
            if time.monotonic() - started > PATIENCE_S:
                raise SystemExit(f"{command[0]} did not show {text!r}; the end of what it did: {seen[-300:]!r}")
            if select.select([terminal], [], [], 1)[0]:
                seen = seen[-4096:] + os.read(terminal, 65536)
        return Sample(cpu_ms(pid), (time.monotonic() - started) * 1000, peak_mib(pid))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def cpu_ms(pid: int) -> float:
    """Time on a CPU of all threads so far (/proc/PID/task/*/schedstat, in ns)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6


def peak_mib(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def compare(title: str, path: str, text: bytes, port: int, wscat: str | None, samples: int) -> None:
    """Both clients in turns; the smallest CPU time is the one that the machine disturbed least."""
    address = f"127.0.0.1:{port}{path}"
    clients = {"lihil ws-test": [*OURS, address]} | ({"wscat": [wscat, "-c", f"ws://{address}"]} if wscat else {})
    taken: dict[str, list[Sample]] = {name: [] for name in clients}
    for number in range(samples + 1):
        for name, command in clients.items():
            sample = on_terminal(command, text)
            if number:  # the first one warms up
                taken[name].append(sample)
    print(
        f"\n{title}\n{'client':15}{'CPU ms min':>12}{'median':>9}{'wall ms median':>16}{'RSS MiB':>9}{'CPU ratio':>11}"
    )
    least = {name: min(sample.cpu_ms for sample in of) for name, of in taken.items()}
    for name, of in taken.items():
        middle, wall = (statistics.median(getattr(one, field) for one in of) for field in ("cpu_ms", "wall_ms"))
        ratio = f"{least[name] / least['wscat']:.2f}" if wscat else "-"
        rss = max(one.rss_mib for one in of)
        print(f"{name:15}{least[name]:12.0f}{middle:9.0f}{wall:16.0f}{rss:9.0f}{ratio:>11}")


def never_lost(port: int, path: str, runs: int) -> None:
    """`printf 'hi\\n' | lihil ws-test PATH` has to print `hi`, nothing else, and end with 0, every time."""
    good = 0
    for _ in range(runs):
        done = subprocess.run([*OURS, f":{port}{path}", "-n", "1"], input=b"hi\n", capture_output=True, check=False)
        good += (done.returncode, done.stdout) == (0, b"hi\n")
    print(f"printf 'hi\\n' | lihil ws-test {path}: {good} of {runs}")


def large(port: int, path: str) -> None:
    with subprocess.Popen(
        [*OURS, f":{port}{path}", "--max-size", "0"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    share = usage.ru_maxrss * 1024 / LARGE
    print(f"a message of 100 MiB, {path[1:]}: exit code {process.returncode}, {share:.2f} times its size in memory")


APP = """
from lihil import Lihil, WebSocket, WebSocketRoute

echo = WebSocketRoute("echo")

@echo.ws_handler
async def talk(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws.iter_text():
        await ws.send_text(message)

app = Lihil(echo)
"""


class Sitter:
    """A client on a terminal of its own, and what it has shown."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ |= {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
            os.execvp(command[0], list(command))
        self.seen = b""

    def wait_for(self, text: bytes) -> float:
        """When the text came, after what was waited for before."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.seen:
            if time.monotonic() > deadline:
                raise SystemExit(f"ws-test did not show {text!r}, but {self.seen[-500:]!r}")
            if select.select([self.terminal], [], [], 1)[0]:
                self.seen += os.read(self.terminal, 65536)
        self.seen = self.seen.partition(text)[2]
        return time.monotonic()

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def is_up(port: int) -> bool:
    """Whether the server answers; the port may be open before the app can."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as probe:
        probe.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return probe.recv(1) != b""
    return False


def when(is_so: Callable[[], bool]) -> float:
    """The moment in which it is so."""
    while not is_so():
        time.sleep(0.001)
    return time.monotonic()


def reconnect(samples: int) -> None:
    """From the moment at which the new server is up to the moment at which the prompt has a connection again."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as free:
        folder, port = Path(name), free.getsockname()[1]
        free.close()
        (folder / "main.py").write_text(APP)
        serve_it = [sys.executable, "-m", "lihil_cli", "run", "main:app", "--port", str(port)]
        _reload(folder, [*serve_it, "--reload"], port, samples)
        _restart(folder, serve_it, port, samples)


def _reload(folder: Path, serve_it: Sequence[str], port: int, samples: int) -> None:
    def generation() -> int:
        with suppress(OSError, ValueError):
            return int(json.loads((folder / ".lihil" / "dev.json").read_text())["generation"])
        return 0

    taken = []
    with subprocess.Popen(serve_it, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        when(lambda: generation() == 1 and is_up(port))
        sitter = Sitter([*OURS, "/echo"], folder)
        sitter.wait_for(b"^D close")
        for number in range(samples):
            (folder / "main.py").write_text(f"{APP}# {number}\n")
            up = when(lambda: generation() == number + 2)  # noqa: B023 - called at once
            taken.append(sitter.wait_for(b"reconnected in") - up)
        sitter.end()
        process.terminate()
    _tell("a reload: from the new generation's being up to the open connection", taken)


def _restart(folder: Path, serve_it: Sequence[str], port: int, samples: int) -> None:
    taken = []
    sitter = None
    for number in range(samples + 1):
        with subprocess.Popen(serve_it, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            up = when(lambda: is_up(port))
            if sitter is None:
                sitter = Sitter([*OURS, f":{port}/echo"], folder)
                sitter.wait_for(b"^D close")
            else:
                taken.append(sitter.wait_for(b"reconnected after") - up)
            process.terminate()
        time.sleep(1 + number % 3 / 7)  # so that it is not always met at the same point of its waiting
    if sitter is not None:
        sitter.end()
    _tell("a restart of a server that nothing is known of: from its being up to the open connection", taken)


def _tell(title: str, taken: list[float]) -> None:
    middle, most = statistics.median(taken), max(taken)
    print(f"{title}: median {middle:.3f} s, most {most:.3f} s, of {len(taken)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--wscat", help="the wscat to compare with (npm install wscat)")
    parser.add_argument("--samples", type=int, default=9)
    parser.add_argument("--runs", type=int, default=1000, help="of the echo; every 25th as many with a slow accept")
    parser.add_argument("--be-server", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--reconnect", action="store_true", help="only how soon a server that is back is talked to")
    options = parser.parse_args()
    if options.be_server:
        asyncio.run(be_server())
    elif options.reconnect:
        reconnect(options.samples)
    else:
        with server() as port:
            measure(port, options)


def measure(port: int, options: argparse.Namespace) -> None:
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    compare(
        "From the start to the first message on a terminal", "/greet", b"HELLO", port, options.wscat, options.samples
    )
    floods = max(options.samples // 3, 1)
    compare(f"{FLOOD} messages on a terminal", "/flood", b"FLOOD-END", port, options.wscat, floods)
    print()
    large(port, "/text")
    large(port, "/binary")
    never_lost(port, "/slow", max(options.runs // 25, 1))
    never_lost(port, "/echo", options.runs)
    reconnect(options.samples)


if __name__ == "__main__":
    main()
