"""What a server tells the person in front of it, all on stderr, and what it leaves in `.lihil/dev.json`."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lihil_cli.console import colour_allowed, escape_terminal
from lihil_cli.devfile import DevFile, remove_dev_file, write_dev_file
from lihil_cli.record import Record
from lihil_cli.serving.hard_end import in_any_case
from lihil_cli.serving.listener import dial_host, is_loopback, join_address


class Place(Record):
    """Where a server listens and what it serves, for the banner and for dev.json. `uds` stands for host and port."""

    app: str
    host: str
    port: int
    root: Path
    uds: Path | None = None
    tls: bool = False

    @property
    def url(self) -> str:
        """The URL to open on this machine; of a Unix socket its path, as nginx writes it."""
        if self.uds is not None:
            return f"unix:{self.uds}"
        return f"http{'s' if self.tls else ''}://{join_address(dial_host(self.host), self.port)}"


def say(text: str, *, sgr: str = "") -> None:
    """One message of the server's, made safe for a terminal; one that is gone takes nobody with it.

    In the colour `sgr` where colour is allowed.
    """
    line = escape_terminal(text)
    _write(f"\x1b[{sgr}m{line}\x1b[0m" if sgr and colour_allowed(sys.stderr) else line)


def _write(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the server's voice


def warn_if_open(place: Place) -> None:
    """A warning when other machines can reach the server."""
    if place.uds is None and not is_loopback(place.host):
        say(f"warning: listening on {place.host}: every machine that can reach this one can use the app")


def show_banner(place: Place, notes: Sequence[str] = ()) -> None:
    """The app, its URL and how to stop: printed once, when the first connection can be accepted."""
    bold, plain = ("\x1b[1m", "\x1b[0m") if colour_allowed(sys.stderr) else ("", "")
    app, url, *rest = map(escape_terminal, (place.app, place.url, *notes, "Ctrl-C stops it"))
    lines = [f"lihil serves {app}", f"  {bold}{url}{plain}", *(f"  {note}" for note in rest)]
    _write("\n".join(lines))


class Traces:
    """The record in dev.json while a server runs; a folder that cannot be written is said once and does no harm."""

    def __init__(self, place: Place) -> None:
        self._root = place.root
        self._record = DevFile(
            pid=os.getpid(),
            host="" if place.uds else dial_host(place.host),
            port=place.port,
            tls=place.tls,
            uds=None if place.uds is None else str(place.uds),
            app=place.app,
            generation=1,
            token=os.urandom(32).hex(),
        )

    def write(self, generation: int = 1, changed: Sequence[str] = (), app: str = "") -> None:
        """Put the record in place, under the given generation, with the files whose change made it.

        `app` is what is served, if it is not what it was.
        """
        self._record = self._record.but(generation=generation, changed=tuple(changed), app=app or self._record.app)
        try:
            write_dev_file(self._root, self._record)
        except OSError as error:
            say(f"note: .lihil/dev.json cannot be written ({error.strerror}); lihil ws-test needs the URL then")

    @property
    def token(self) -> str:
        """What opens the routes below `/_lihil/`."""
        return self._record.token

    def remove(self) -> None:
        """Take the record away, if it is still ours."""
        remove_dev_file(self._root, self._record.pid)


@contextmanager
def traces(place: Place) -> Iterator[Traces]:
    """dev.json for as long as the server lives."""
    left = Traces(place)
    with in_any_case(left.remove):
        left.write()
        yield left
