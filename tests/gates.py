"""Every gate of the project: formatting, lint, types, layers, spelling, tests, coverage, and the version ranges.

`python3 dev.py test` sets up .venv and runs this in it. One line per gate; the last line is the tally.
"""

import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import environ, pathsep
from pathlib import Path

from dev import BIN, ROOT, TOOLS, VENV, Command, Outcome, find_uv, fingerprint, report, run, tool

Gate = tuple[str, Callable[[], Outcome]]

FORMAT_AND_LINT = (("format", ["ruff", "format", "--check", "."]), ("lint", ["ruff", "check", "."]))
STATIC_GATES = (
    ("types", ["mypy"]),
    ("public types", ["pyright", "--verifytypes", "lihil", "--ignoreexternal"]),
    ("layers", ["lint-imports"]),
    ("spelling", ["codespell"]),
)
QUICK = ["-m", "not slow"]
# Tests that share something costly say so with `xdist_group` and stay in one process.
PARALLEL = ["-q", "-n", "4", "--dist", "loadgroup"]  # more than there are cores: most of a test's time is waiting


@dataclass(frozen=True)
class Range:
    """One end of the supported versions: an interpreter, what uv is told when it resolves, the tests that run there."""

    name: str
    python: str
    resolution: Sequence[str] = ()
    overrides: str = ""
    tests: Sequence[str] = ("tests/lihil", "tests/lihil_cli")


# typer 0.29 loads pydantic for every number that is given. That is why the range ends below; all must work there, too.
# Its own tests cover how `lihil run` lives and dies; here it is enough that every command is read and started.
TYPER_TESTS = (
    "tests/lihil_cli/test_main.py",
    "tests/lihil_cli/commands/test_new.py",
    "tests/lihil_cli/commands/test_routes.py",
    "tests/lihil_cli/commands/test_ws_test.py",
)

RANGES = (
    Range("lowest versions, Python 3.11", "3.11", resolution=["--resolution", "lowest-direct"]),
    Range("newest versions, Python 3.12", "3.12", tests=["tests/lihil"]),
    Range("newest versions, Python 3.13", "3.13"),
    Range("newest typer", "3.11", overrides="typer", tests=TYPER_TESTS),
)


def program(command: Sequence[str]) -> Outcome:
    """Run a program of .venv, where the programs that it looks for come from .venv first as well."""
    path = f"{VENV / BIN}{pathsep}{environ.get('PATH', '')}"
    return run([tool(command[0]), *command[1:]], env={"PATH": path})


def judge_tests(outcome: Outcome) -> Outcome:
    """A run of pytest is good when it ended well and at least one test passed; its tally is the note."""
    tally = re.findall(r"^=* ?(\d+ \w+.*) in [\d.]+s", outcome.output, re.MULTILINE)
    note = tally[-1] if tally else "no test ran"
    return Outcome(ok=outcome.ok and bool(re.search(r"\b[1-9]\d* passed", note)), output=outcome.output, note=note)


def measured_tests() -> Outcome:
    """Every test, in parallel, with the coverage of every process that it starts."""
    program(["coverage", "erase"])
    outcome = judge_tests(program(["coverage", "run", "-m", "pytest", *PARALLEL]))
    combined = program(["coverage", "combine", "--quiet"])
    return outcome if combined.ok or not outcome.ok else combined


def coverage_of(*options: str) -> Outcome:
    """The report on what `measured_tests` left; the last line of it is the note."""
    outcome = program(["coverage", "report", *options])
    total = re.search(r"^TOTAL.*?(\S+%)$", outcome.output, re.MULTILINE)
    return Outcome(ok=outcome.ok, output=outcome.output, note=total.group(1) if total else "")


def pure_cores() -> list[str]:
    """The files that have to be covered to the last branch: `[tool.gates] pure` in pyproject.toml."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["gates"]["pure"]
    return [str(path.relative_to(ROOT)) for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def find_python(uv: Path, version: str) -> str | None:
    """An installed interpreter of that version, also one that pyenv holds but has not activated."""
    pyenv = Path(environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python")):
        return str(path)
    found = run([uv, "--quiet", "python", "find", version])
    return version if found.ok else None


def try_range(uv: Path | None, end: Range) -> Outcome:
    """Run the quick tests with the versions at one end; skipped, with the reason, where that end is not at hand."""
    if uv is None:
        return Outcome(ok=True, skipped=True, note="uv is not available")
    python = find_python(uv, end.python)
    if python is None:
        return Outcome(ok=True, skipped=True, note=f"no Python {end.python} is installed")
    env = TOOLS / "ranges" / re.sub(r"\W+", "-", end.name)
    stamp = env / "dev.stamp"
    if not (stamp.is_file() and stamp.read_text() == fingerprint()):
        made = make_range(uv, end, env, python)
        if not made.ok:
            return made
        stamp.write_text(fingerprint())
    options = [*PARALLEL, "-n", "2", "-p", "no:cacheprovider", "--hypothesis-profile=few", *QUICK]
    return judge_tests(run([env / BIN / "python", "-m", "pytest", *options, *end.tests]))


def make_range(uv: Path, end: Range, env: Path, python: str) -> Outcome:
    """An environment that holds the project and its test tools at one end of their ranges."""
    made = run([uv, "venv", "--quiet", "--clear", "--python", python, env])
    if not made.ok:
        return made
    overrides = env / "overrides.txt"
    overrides.write_text(end.overrides, "utf-8")
    where: Command = ["--quiet", "--python", env, "--overrides", overrides]
    return run([uv, "pip", "install", *where, *end.resolution, "--editable", ".", "--group", "test"])


def together(gates: Iterable[Gate]) -> list[Outcome]:
    """Run gates two at a time; each prints its line as it ends."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda gate: report(*gate), gates))


def test(*, fast: bool, with_uv: bool, extra: Sequence[str]) -> int:
    """Run the gates and print the tally last; returns the exit status."""
    static = [*FORMAT_AND_LINT, *(() if fast else STATIC_GATES)]
    outcomes = together((name, partial(program, command)) for name, command in static)
    if fast or extra:
        options = [*PARALLEL, *(QUICK if fast else []), *extra]
        outcomes.append(report("tests", lambda: judge_tests(program(["pytest", *options]))))
    else:
        outcomes.append(report("tests", measured_tests))
        outcomes.append(report("coverage", coverage_of))
        cores = ",".join(pure_cores())
        exact = partial(coverage_of, "--include", cores, "--fail-under", "100")
        outcomes.append(report("coverage of the pure cores", exact))
    if not fast:
        uv = find_uv() if with_uv else None
        outcomes += together((end.name, partial(try_range, uv, end)) for end in RANGES)
    return conclude(outcomes)


def conclude(outcomes: Sequence[Outcome]) -> int:
    """Print the tally; returns the exit status, which is 0 only when something was checked and all of it is good."""
    failed = sum(not outcome.ok for outcome in outcomes)
    passed = sum(outcome.ok and not outcome.skipped for outcome in outcomes)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def main(argv: Sequence[str]) -> int:
    """Take `test [--fast] [--no-uv] [-- ARGS]`, which dev.py has checked, and run the gates."""
    end = argv.index("--") if "--" in argv else len(argv)
    return test(fast="--fast" in argv[:end], with_uv="--no-uv" not in argv[:end], extra=argv[end + 1 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
