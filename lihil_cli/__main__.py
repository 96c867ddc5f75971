"""The console script `lihil`, and `python -m lihil_cli`."""

import os
import sys

from lihil_cli import read_version


def main() -> None:
    """Run the command line and end the process with its exit code; the version is told before anything is loaded."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"lihil {read_version()}")  # noqa: T201 - the answer itself
        sys.exit(0)
    try:
        sys.exit(_run(sys.argv[1:]))
    except KeyboardInterrupt:  # while what handles it was still being loaded
        sys.exit(130)


def _run(arguments: list[str]) -> int:
    _open_what_was_closed()
    if arguments[:1] == ["run"]:
        _be_quiet_about_interrupts()
        if "--reload" in arguments:
            from lihil_cli.devserver.children import give_head_start

            give_head_start()
    from lihil_cli.loading import no_collection

    with no_collection():
        from lihil_cli.main import run
    return run(arguments)


def _open_what_was_closed() -> None:
    """Give a stream that was closed from the start (`>&-`) somewhere to write to, so that no other file becomes it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process lasts


def _be_quiet_about_interrupts() -> None:
    """Until the command heeds it, Ctrl-C just ends the process: an exception may come out anywhere in an import."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
