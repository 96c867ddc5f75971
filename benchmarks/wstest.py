"""What `lihil ws-test` costs, beside wscat where there is one, and whether it ever loses a message.

    python benchmarks/wstest.py [--wscat /path/to/node_modules/.bin/wscat] [--samples 9] [--runs 1000]

CPU is user and system time of the client alone. Only ratios inside one run mean something: the clients take turns, so
that whatever else the machine does meets them all. Everything happens on 127.0.0.1; Linux only (/proc).
"""

import argparse
import asyncio
import os
import platform
import pty
import select
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--wscat", help="the wscat to compare with (npm install wscat)")
    parser.add_argument("--samples", type=int, default=9)
    parser.add_argument("--runs", type=int, default=1000, help="of the echo; every 25th as many with a slow accept")
    parser.add_argument("--be-server", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.be_server:
        asyncio.run(be_server())
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


if __name__ == "__main__":
    main()
