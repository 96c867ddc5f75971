"""Run the Autobahn|Testsuite against the WebSocket server and against `lihil ws-test --echo` as a client.

    python benchmarks/autobahn.py --python2 python2.7 [--role server|client|both] [--groups core,limits,deflate]

`deflate` takes a quarter of an hour in a role; `deflate-short` is a part of it that takes a minute.

The suite needs Python 2.7. Its environment is made below build/autobahn at the first run, and its reports with every
frame of every case are left there. The exit code is 1 when a case is FAILED or NON-STRICT, 2 when it could not run.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from lihil.rfc6455.connection import Connection
from lihil.server import opening, ws_protocol

SUITE: Final = "autobahntestsuite==25.10.1"
HERE: Final = "127.0.0.1"
HOME: Final = Path(__file__).resolve().parents[1] / "build" / "autobahn"
# What each group holds, and how many cases that are: fewer in a report mean that the run broke off.
KINDS: Final = [f"12.{number}" for number in range(1, 6)] + [f"13.{number}" for number in range(1, 8)]
GROUPS: Final = {
    "core": (("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"), 247),
    "limits": (("9.*",), 54),
    "deflate": (("12.*", "13.*"), 216),
    # Every kind of data and every set of parameters without the large messages: a minute, not a quarter of an hour.
    "deflate-short": (tuple(f"{kind}.{case}" for kind in KINDS for case in range(1, 8)), 84),
}
DEFAULT_GROUPS: Final = "core,limits,deflate"
VERDICTS: Final = ("OK", "NON-STRICT", "INFORMATIONAL", "FAILED")
# Group 9 cuts 4 MiB into fragments of 64 bytes; by default the core takes 1,024 fragments.
MAX_FRAGMENTS: Final = 1 << 20
# The suite listens on every interface; here it may on one.
WSTEST: Final = f"""
from twisted.internet import reactor
listen = reactor.listenTCP
reactor.listenTCP = lambda port, factory, backlog=50, interface='': listen(port, factory, backlog, '{HERE}')
from autobahntestsuite.wstest import run
run()
"""


class SuiteError(Exception):
    """The suite cannot be set up, or did not run to its end."""


@dataclass(frozen=True)
class Result:
    """The verdicts of one group in one role, by case."""

    role: str
    group: str
    verdicts: dict[str, str]


def main() -> int:
    """Run what was asked for, print the table, and give back the exit code."""
    options = parse_options()
    try:
        python = environment(options.python2)
        results = [asyncio.run(run_group(python, role, group)) for role in options.roles for group in options.groups]
    except SuiteError as exc:
        print(f"autobahn: {exc}", file=sys.stderr)
        return 2
    return report(results)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python2", default="python2.7", help="a Python 2.7 with pip (default: %(default)s)")
    parser.add_argument("--role", choices=["server", "client", "both"], default="both")
    parser.add_argument("--groups", default=DEFAULT_GROUPS, help=f"separated by commas, of {', '.join(GROUPS)}")
    options = parser.parse_args()
    options.roles = ["server", "client"] if options.role == "both" else [options.role]
    options.groups = options.groups.split(",")
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    return options


def environment(python2: str) -> Path:
    """The suite's interpreter, made and filled when it is missing."""
    python = HOME / "env" / "bin" / "python"
    marker = HOME / "env" / "suite.txt"
    if marker.is_file() and marker.read_text() == SUITE:
        return python
    print(f"making {python.parents[1]} with {SUITE}")
    tools = HOME / "virtualenv"
    run(python2, "-m", "pip", "install", "--quiet", "--target", str(tools), "--upgrade", "virtualenv")
    run(python2, "-m", "virtualenv", "--quiet", "--clear", str(HOME / "env"), path=tools)
    run(str(python), "-m", "pip", "install", "--quiet", SUITE)
    marker.write_text(SUITE)
    return python


def run(*command: str, path: Path | None = None) -> None:
    variables = os.environ | ({} if path is None else {"PYTHONPATH": str(path)})
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    except OSError as exc:
        raise SuiteError(f"{command[0]} cannot be started ({exc.strerror}); --python2 names a Python 2.7") from None
    if done.returncode:
        raise SuiteError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


async def run_group(python: Path, role: str, group: str) -> Result:
    """Run one group in one role and read its report."""
    print(f"{role} {group} ...", flush=True)
    folder = HOME / f"{role}-{group}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").unlink(missing_ok=True)
    patterns, expected = GROUPS[group]
    spec = {"outdir": str(folder), "cases": patterns, "exclude-cases": [], "exclude-agent-cases": {}}
    await (run_server_role if role == "server" else run_client_role)(python, folder, spec)
    verdicts = read_report(folder / "index.json")
    if len(verdicts) != expected:
        raise SuiteError(f"{len(verdicts)} of {expected} cases ran; {folder / 'wstest.log'} says why")
    return Result(role, group, verdicts)


def read_report(path: Path) -> dict[str, str]:
    """The verdict on each case. A close that is not clean is a failure, too."""
    if not path.is_file():
        return {}
    (cases,) = json.loads(path.read_text()).values()
    return {name: verdict(case["behavior"], case["behaviorClose"]) for name, case in cases.items()}


def verdict(behavior: str, close: str) -> str:
    if behavior in VERDICTS and close in {"OK", "INFORMATIONAL"}:
        return behavior
    return "FAILED"


@contextlib.asynccontextmanager
async def wstest(
    python: Path, folder: Path, mode: str, spec: dict[str, Any]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The suite at work; ended on the way out, whatever happened."""
    (folder / "spec.json").write_text(json.dumps(spec))
    command = [str(python), "-c", WSTEST, "--mode", mode, "--spec", str(folder / "spec.json"), "--webport", "0"]
    with (folder / "wstest.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


# Our server, the suite's client


async def run_server_role(python: Path, folder: Path, spec: dict[str, Any]) -> None:
    """An echo on uvicorn, with the protocol class that `lihil run` uses, and the suite's client against it."""
    opening.Connection = partial(Connection, max_fragments=MAX_FRAGMENTS)  # type: ignore[attr-defined, assignment]
    listener = socket.create_server((HERE, 0))
    config = uvicorn.Config(echo, ws=ws_protocol.WebSocketProtocol, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    spec["servers"] = [{"agent": "lihil", "url": f"ws://{HERE}:{listener.getsockname()[1]}"}]
    try:
        async with wstest(python, folder, "fuzzingclient", spec) as process:
            await asyncio.wait([serving, asyncio.create_task(process.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        await serving


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send(message | {"type": "websocket.send"})


# Our client, the suite's server


async def run_client_role(python: Path, folder: Path, spec: dict[str, Any]) -> None:
    """The suite's server, and `lihil ws-test --echo` against it, a process for each case."""
    with socket.create_server((HERE, 0)) as free:
        port = free.getsockname()[1]
    spec["url"] = f"ws://{HERE}:{port}"
    async with wstest(python, folder, "fuzzingserver", spec) as process:
        await until_listening(process, port)
        count = int(await ws_test(port, "/getCaseCount", "-n", "1"))
        for case in range(1, count + 1):
            # Two cases of the group limits send 16 MiB; by default the command takes 8.
            await ws_test(port, f"/runCase?case={case}&agent=lihil", "--echo", "--max-size", "0")
        await ws_test(port, "/updateReports?agent=lihil", "--echo")


async def until_listening(process: asyncio.subprocess.Process, port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HERE, port)
            writer.close()
            return
        if process.returncode is not None:
            break
        await asyncio.sleep(0.1)
    raise SuiteError("the suite's server does not listen; wstest.log says why")


async def ws_test(port: int, target: str, *options: str) -> str:
    """What one `lihil ws-test` prints. Its exit code says how the case ended, of which the suite has its own view."""
    command = [sys.executable, "-m", "lihil_cli", "ws-test", f"ws://{HERE}:{port}{target}", "-q", *options]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if err:
        raise SuiteError(f"lihil ws-test {target} failed:\n{err.decode(errors='replace')}")
    return out.decode()


# The table


def report(results: Sequence[Result]) -> int:
    """Print the counts and the cases that are not as they should be; 1 when there is one."""
    print(f"\n{'role':8}{'group':9}" + "".join(f"{name:>15}" for name in VERDICTS))
    faults = 0
    for result in results:
        counts = Counter(result.verdicts.values())
        print(f"{result.role:8}{result.group:9}" + "".join(f"{counts[name]:15}" for name in VERDICTS))
        faults += counts["FAILED"] + counts["NON-STRICT"]
    for result in results:
        for name, outcome in result.verdicts.items():
            if outcome in {"FAILED", "NON-STRICT"}:
                print(f"{result.role} {name} {outcome}")
    print(f"\nFragments in a message: up to {MAX_FRAGMENTS} here, for the group limits; the default is 1,024.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
