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
    if arguments[:1] != ["run"]:
        return _carry_out(arguments)
    _be_quiet_about_interrupts()
    return _follow(arguments) if "--reload" in arguments else _carry_out(arguments)


def _carry_out(arguments: list[str]) -> int:
    from lihil_cli.loading import no_collection

    with no_collection():
        from lihil_cli.main import run
    return run(arguments)


def _follow(arguments: list[str]) -> int:
    """Carry out `run --reload`, in a process that holds no more than it has to."""
    from lihil_cli.devserver.children import give_head_start

    if not _is_socket_given(arguments):
        give_head_start()
    from lihil_cli.devserver.reading import can_read_apart, read_apart

    if not can_read_apart():
        return _carry_out(arguments)
    flags = read_apart(lambda: _carry_out(arguments))
    if isinstance(flags, int):
        return flags
    from lihil_cli.devserver.start import serve_with
    from lihil_cli.outcome import outcome

    return outcome(lambda: serve_with(flags))


def _is_socket_given(arguments: list[str]) -> bool:
    """Whether the listening socket is somebody else's: no process is to inherit it that does not know of it."""
    named = {"LIHIL_FD", "LISTEN_FDS"} & os.environ.keys()
    return bool(named) or any(argument.startswith("--fd") for argument in arguments)


def _open_what_was_closed() -> None:
    """Give a stream that was closed from the start (`>&-`) a descriptor, so that no other file becomes it.

    In this order, because each gets the lowest number that is free; for the processes that are started as well.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - as long as the process lasts
            os.set_inheritable(stream.fileno(), number == stream.fileno())
            setattr(sys, name, stream)


def _be_quiet_about_interrupts() -> None:
    """Until the command heeds it, Ctrl-C just ends the process: an exception may come out anywhere in an import."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
