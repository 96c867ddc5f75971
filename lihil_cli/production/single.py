"""Serving in the process that was started: no parent, no children."""

import signal
import socket
from collections.abc import Callable, Sequence
from types import FrameType

from lihil_cli.errors import ExitCode
from lihil_cli.serving.report import Place, show_banner
from lihil_cli.serving.server import Plan, serve, talk_hints


def serve_here(plan: Plan, listener: socket.socket, place: Place, tidy: Sequence[Callable[[], None]]) -> ExitCode:
    """Serve in this process until a signal, which comes out as an exception of the handler that is set for it.

    A terminal that is closed ends it as SIGTERM does. What is in `tidy` is called where something that does not end
    leaves no other way out than to drop it. Raises CliError when the app cannot be imported or its lifespan fails.
    """
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _terminate)
    serve(plan, listener, lambda app: show_banner(place, talk_hints(app)), tidy=tidy)
    return ExitCode.OK


def _terminate(signum: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)
