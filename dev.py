"""Set the project up, show it, test it. Standard library only: this is the first thing to run in a fresh clone.

python3 dev.py                            set up .venv, then scaffold a project, serve it and talk to it
python3 dev.py test [--fast] [-- ARGS]    every gate; --fast: format, lint and the quick tests; ARGS go to pytest
--no-uv                                   install with venv and pip alone
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the one place that an older Python has to get through
    sys.exit("lihil needs Python 3.11 or newer; this is {}.{}. Try: python3.11 dev.py".format(*sys.version_info))

import argparse
import contextlib
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".venv-tools"
WINDOWS = os.name == "nt"
BIN = "Scripts" if WINDOWS else "bin"
EXE = ".exe" if WINDOWS else ""

# uv fills our .venv and fetches no interpreter; every process that a test starts is measured into one place, and finds
# compiled what the one before it has compiled, also where the shell says otherwise.
OURS = {
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_PROJECT_ENVIRONMENT": str(VENV),
    "COVERAGE_FILE": str(ROOT / ".coverage"),
    "PYTHONDONTWRITEBYTECODE": "",
}


@dataclass(frozen=True)
class Outcome:
    """How a step or a gate ended; `note` goes on its line, `output` below it when it failed."""

    ok: bool
    output: str = ""
    note: str = ""
    skipped: bool = False


Command: TypeAlias = Sequence[str | Path]


def run(command: Command, *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> Outcome:
    """Run a command to its end and keep what it said; a command that cannot be started has failed."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | OURS | (env or {})
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        return Outcome(ok=False, output=str(error))
    return Outcome(ok=done.returncode == 0, output=f"$ {shlex.join(words)}\n{done.stdout}")


def report(name: str, act: Callable[[], Outcome]) -> Outcome:
    """Do one step or gate and print its line: how it ended, the name, the seconds; then its output if it failed."""
    started = time.monotonic()
    outcome = act()
    word = "skipped" if outcome.skipped else "ok" if outcome.ok else "FAILED"
    line = f"{word:7} {name:32} {time.monotonic() - started:6.1f} s  {outcome.note}".rstrip()
    print(line if outcome.ok else f"{line}\n{outcome.output.rstrip()}", flush=True)
    return outcome


def need(name: str, act: Callable[[], Outcome]) -> Outcome:
    """A step without which the next ones make no sense. Raises SystemExit(1) when it fails."""
    outcome = report(name, act)
    if not outcome.ok:
        sys.exit(1)
    return outcome


# --- setting up ---


def tool(name: str) -> Path:
    """Where a program of .venv stands."""
    return VENV / BIN / (name + EXE)


def fingerprint() -> str:
    """What .venv depends on: the project's dependencies, the interpreter, and the place."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
    return hashlib.sha256(b"\0".join([*parts, sys.version.encode(), str(ROOT).encode()])).hexdigest()


def group(name: str) -> list[str]:
    """The requirements of a dependency group (PEP 735), with the groups that it includes."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    found: list[str] = []
    for entry in groups[name]:
        found += [entry] if isinstance(entry, str) else group(entry["include-group"])
    return found


def fetch(package: str) -> Outcome:
    """Put a package into a folder of our own, which an externally managed Python (PEP 668) allows as well."""
    return run([sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", TOOLS, package])


def find_uv() -> Path | None:
    """A uv that starts: the one on PATH, else one that pip puts into a folder of its own; None if neither works."""
    private = TOOLS / "bin" / ("uv" + EXE)
    on_path = shutil.which("uv")
    for candidate in ([Path(on_path)] if on_path else []) + [private]:
        if run([candidate, "--version"]).ok:
            return candidate
    return private if fetch("uv").ok and run([private, "--version"]).ok else None


def install_with_uv() -> Outcome:
    """The locked versions, by uv."""
    uv = find_uv()
    if uv is None:
        return Outcome(ok=False, output="uv is neither on PATH nor installable with pip")
    return run([uv, "sync", "--quiet", "--locked", "--python", sys.executable])


def make_venv() -> Outcome:
    """An empty .venv, by the first way that this Python allows; Debian's lacks ensurepip, or venv as a whole."""
    if Path(sys.prefix) == VENV:
        return Outcome(ok=True)
    outcome = run([sys.executable, "-m", "venv", "--clear", VENV])
    if not outcome.ok:
        outcome = run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV])
    if not outcome.ok and fetch("virtualenv").ok:
        path = {"PYTHONPATH": str(TOOLS)}
        outcome = run([sys.executable, "-m", "virtualenv", "--quiet", "--clear", VENV], env=path)
    return outcome


def install_with_pip() -> Outcome:
    """The newest versions in range, by venv and pip: slower, and not what uv.lock says."""
    made = make_venv()
    if not made.ok:
        return made
    own: Command = [tool("python"), "-m", "pip"]
    others: Command = [sys.executable, "-m", "pip", "--python", tool("python")]
    pip = own if run([*own, "--version"]).ok else others
    return run([*pip, "install", "--quiet", "--editable", ".", *group("dev")])


def install(*, with_uv: bool) -> Outcome:
    """Fill .venv; uv first, because it is quicker and keeps to uv.lock."""
    by_uv = install_with_uv() if with_uv else None
    if by_uv is not None and by_uv.ok:
        return Outcome(ok=True, note="with uv")
    by_pip = install_with_pip()
    if by_pip.ok:
        return Outcome(ok=True, note="with pip")
    return Outcome(ok=False, output="\n".join(way.output for way in (by_uv, by_pip) if way is not None))


def set_up(*, with_uv: bool) -> None:
    """Make .venv hold the project and its tools; nothing is done when nothing has changed since the last time."""
    stamp = VENV / "dev.stamp"
    if stamp.is_file() and stamp.read_text() == fingerprint() and tool("python").exists():
        return
    need("set up .venv", lambda: install(with_uv=with_uv))
    stamp.write_text(fingerprint())


# --- showing ---


def wait_for_server(server: "subprocess.Popen[bytes]", project: Path, log: Path) -> Outcome:
    """Wait until the server has written where it listens; it fails when it dies, or after a minute."""
    dev_file = project / ".lihil" / "dev.json"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        if dev_file.is_file():
            return Outcome(ok=True, note=f"http://127.0.0.1:{json.loads(dev_file.read_text('utf-8'))['port']}")
        time.sleep(0.05)
    said = log.read_text("utf-8", "replace") if log.is_file() else ""
    return Outcome(ok=False, output=f"the server did not come up\n{said}")


def stop(server: "subprocess.Popen[bytes]") -> None:
    """End a server and all that it started."""
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if not WINDOWS:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def talk(project: Path) -> Outcome:
    """Open the new project's WebSocket and show what it says."""
    said = run([tool("lihil"), "ws-test", "/web_socket/session123?max_users=5"], cwd=project)
    if said.ok:
        print(said.output.rstrip())
    return said


@contextlib.contextmanager
def serving(project: Path, log: Path | None) -> Iterator["subprocess.Popen[bytes]"]:
    """`lihil run --reload` for a while, on a port that the system picks; what it says goes to `log`, or is shown."""
    with contextlib.ExitStack() as stack:
        server = subprocess.Popen(
            [tool("lihil"), "run", "--reload", "--port", "0"],
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=stack.enter_context(log.open("wb")) if log else None,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,
        )
        stack.callback(stop, server)
        yield server


def demo() -> int:
    """Scaffold a project in a temporary folder, serve it with reload, talk to it, and leave nothing behind."""
    playing = sys.stdin.isatty() and sys.stdout.isatty()
    with tempfile.TemporaryDirectory(prefix="lihil-", ignore_cleanup_errors=True) as folder:
        project, log = Path(folder) / "demo", Path(folder) / "server.log"
        need("lihil new demo", lambda: run([tool("lihil"), "new", "demo"], cwd=Path(folder)))
        with serving(project, None if playing else log) as server:
            need("lihil run --reload --port 0", lambda: wait_for_server(server, project, log))
            need("lihil ws-test", lambda: talk(project))
            if playing:
                play(server, project)
    return 0


def play(server: "subprocess.Popen[bytes]", project: Path) -> None:
    """Leave the server to the person at the terminal until Ctrl-C."""
    print(f"\nStill serving. Change {project / 'src'} and watch it reload; Ctrl-C ends it and removes it.")
    with contextlib.suppress(KeyboardInterrupt):
        server.wait()


def main(argv: Sequence[str]) -> int:
    """Read the command line and do what it says; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="?", choices=["demo", "test"], default="demo", help=argparse.SUPPRESS)
    parser.add_argument("--fast", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-uv", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(argv[: argv.index("--")] if "--" in argv else argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        set_up(with_uv=not asked.no_uv)
        if asked.task == "test":
            return subprocess.call([tool("python"), "-m", "tests.gates", *argv], cwd=ROOT)
        return demo()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
