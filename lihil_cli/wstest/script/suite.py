"""Several scripts, one after the other: what `lihil ws-test FILE.wst ...` does, up to its exit code."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TextIO

from lihil_cli.console import colour_allowed, escape_terminal
from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.record import Record
from lihil_cli.wstest.interrupts import terminable
from lihil_cli.wstest.network.handshake import Handshake
from lihil_cli.wstest.network.loop import running
from lihil_cli.wstest.request import check_subprotocols
from lihil_cli.wstest.script.address import SUBPROTOCOLS
from lihil_cli.wstest.script.files import Loaded
from lihil_cli.wstest.script.machine_reports import junit_xml, tap_text
from lihil_cli.wstest.script.occurrences import Open
from lihil_cli.wstest.script.outcome import Outcome, unfinished
from lihil_cli.wstest.script.report import exit_code_of, outcome_lines, summary_line
from lihil_cli.wstest.script.run import Connection, Run
from lihil_cli.wstest.script.servers import Enter, Server


class Reports(Record):
    """What machines get: a JUnit file, TAP on standard output instead of what people read, who get nothing if quiet."""

    junit: Path | None = None
    tap: bool = False
    is_quiet: bool = False


class Options(Record):
    """How scripts are run. `handshake` is what every client begins with; `timeout_s` bounds all scripts together."""

    handshake: Handshake = Handshake()
    environ: Mapping[str, str] = os.environ
    timeout_s: float | None = None
    reports: Reports = Reports()


def run_scripts(
    scripts: Sequence[Loaded], enter: Enter, options: Options, stdout: TextIO, left: list[str] | None = None
) -> int:
    """Run the scripts, report as they end, and give the exit code. However the run ends, the reports are written.

    `left` gets where an app in this process stands that does not end.

    Raises CliError when time has run out (TIMEOUT), when the server cannot be entered, or when a report cannot be
    written.
    """
    if options.reports.junit is not None:
        _write(options.reports.junit, "", mode="a")  # what cannot be written is to be known before, not after
    started = monotonic()
    outcomes: list[Outcome] = []
    trouble = ""
    try:
        with terminable(), running([] if left is None else left) as runner:
            runner.run(_run_all(scripts, enter, options, _teller(outcomes, options, stdout)))
    except TimeoutError:
        trouble = f"not done within {options.timeout_s:g} s"
        ended = f"{len(outcomes)} of {len(scripts)} scripts have ended"
        raise CliError(f"{trouble}: {ended}", code=ExitCode.TIMEOUT) from None
    except BaseException as error:
        trouble = _words_for(error)
        raise
    finally:
        _report(outcomes, _unfinished(scripts, outcomes, trouble), monotonic() - started, options.reports, stdout)
    return exit_code_of(outcomes)


def _words_for(error: BaseException) -> str:
    """Why a run has ended before its time, for a report."""
    match error:
        case CliError():
            return escape_terminal(error.message, keep_newlines=False)
        case Terminated():
            return "ended by SIGTERM"
        case KeyboardInterrupt():
            return "ended by Ctrl-C"
    return f"{type(error).__name__}: {error}"


def _unfinished(scripts: Sequence[Loaded], outcomes: Sequence[Outcome], trouble: str) -> list[Outcome]:
    """What did not come to its end, for machines: when every script did, the trouble came behind the last one."""
    if not trouble:
        return []
    names = [loaded.name for loaded in scripts[len(outcomes) :]]
    return [unfinished(name, trouble) for name in names or ["the end"]]


def _report(
    outcomes: Sequence[Outcome], rest: Sequence[Outcome], elapsed_s: float, reports: Reports, stdout: TextIO
) -> None:
    if reports.junit is not None:
        _write(reports.junit, junit_xml([*outcomes, *rest], elapsed_s))
    if reports.tap:
        _print(stdout, tap_text([*outcomes, *rest]).splitlines())
    elif not reports.is_quiet and (outcomes or not rest):  # where nothing was begun there is nothing to sum up
        _print(stdout, [summary_line(outcomes, elapsed_s, unfinished=len(rest))])


def run_script(loaded: Loaded, enter: Enter, options: Options) -> Outcome:
    """Run one script by itself, in an event loop of its own."""
    outcomes: list[Outcome] = []
    with running([]) as runner:
        runner.run(_run_all([loaded], enter, options, outcomes.append))
    return outcomes[0]


async def _run_all(scripts: Sequence[Loaded], enter: Enter, options: Options, tell: Callable[[Outcome], None]) -> None:
    async with asyncio.timeout(options.timeout_s), enter() as server:
        for loaded in scripts:
            tell(await _run_one(loaded, server, options))


async def _run_one(loaded: Loaded, server: Server, options: Options) -> Outcome:
    async def open_client(action: Open) -> Connection:
        return await server.connect(action.address, _with_headers(options.handshake, action.headers))

    started = monotonic()
    run = Run(loaded.script, options.environ, open_client)
    ending = await run.hold()
    trace = [line for error in run.failures for line in server.explain(error)]
    for connection in run.broken:
        trace += await server.tell_crash(connection)
    trace = [escape_terminal(line, keep_newlines=False) for line in trace]
    return Outcome(loaded.name, ending, monotonic() - started, tuple(run.verdict.transcript), tuple(trace))


def _with_headers(handshake: Handshake, headers: Sequence[tuple[str, str]]) -> Handshake:
    """The handshake with a client's own headers in place of those of the command that have the same name.

    Of the handshake's own a client may have the subprotocols and the origin.
    """
    more: list[tuple[str, str]] = []
    for name, value in headers:
        if name == SUBPROTOCOLS:
            handshake = handshake.but(subprotocols=check_subprotocols([word.strip() for word in value.split(",")]))
        elif name.lower() == "origin":
            handshake = handshake.but(origin=value)
        else:
            more.append((name, value))
    own = {name.lower() for name, _ in more}
    return handshake.but(headers=(*(one for one in handshake.headers if one[0].lower() not in own), *more))


def _teller(outcomes: list[Outcome], options: Options, stdout: TextIO) -> Callable[[Outcome], None]:
    coloured = colour_allowed(stdout)

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if not (options.reports.tap or options.reports.is_quiet):
            _print(stdout, outcome_lines(outcome, encoding=stdout.encoding or "ascii", coloured=coloured))

    return tell


def _print(stdout: TextIO, lines: Sequence[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    encoding = stdout.encoding or "utf-8"
    stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stdout.flush()


def _write(path: Path, text: str, *, mode: str = "w") -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}", code=ExitCode.USAGE) from None
