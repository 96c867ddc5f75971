"""Everything that is written while a conversation lasts: to the screen, to whoever reads the pipe, into the record."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.output import EventOutput, Output, PayloadOutput
from lihil_cli.wstest.settings import Form
from lihil_cli.wstest.terminal import Screen, Streams


class Reporter:
    """Tells every output what happens. `on_broken` is called with the reason when one takes no more."""

    def __init__(self, screen: Screen, form: Form, streams: Streams, *, on_broken: Callable[[OSError], None]) -> None:
        """Raises CliError for a record that cannot be written."""
        self.screen = screen
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._is_flush_due = False
        self._outputs: list[Output] = []
        if form.events:
            self._outputs.append(EventOutput(screen.write, with_json=form.with_json))
        elif streams.stdout_is_tty and form.payloads == "plain":
            from lihil_cli.wstest.repl.onlooker import Onlooker  # late: programs have no use for it

            self._outputs.append(Onlooker(screen.write, streams))
        else:
            self._outputs.append(PayloadOutput(screen.write, form.payloads))
        self._record = None if form.record is None else open_record(form.record)
        if self._record is not None:
            self._outputs.append(EventOutput(self._record.write))

    @property
    def t(self) -> float:
        """Seconds since the beginning."""
        return self._loop.time() - self._began_at

    def publish(self, tell: Callable[[Output, float], None]) -> None:
        """Tell the outputs, with the time; what they write is sent on as soon as nothing more is at hand."""
        t = self.t
        for output in self._outputs:
            self.guard(lambda: tell(output, t))  # noqa: B023 - called at once
        if self._outputs and not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self.flush)

    def show(self, payload: str | bytes, number: int) -> None:
        """Show a message that came, the `number`th."""
        self.publish(lambda output, t: output.received(t, payload, number))

    def flush(self) -> None:
        """Send on what was written."""
        self._is_flush_due = False
        self.guard(self.screen.flush)
        if self._record is not None and not self._record.closed:
            self.guard(self._record.flush)

    def guard(self, write: Callable[[], object]) -> None:
        """Write, and say so when that cannot be done."""
        try:
            write()
        except OSError as error:
            self.screen.discard_output()
            self._on_broken(error)

    def close(self) -> None:
        """Nothing more is written."""
        self.flush()
        if self._record is not None:
            with suppress(OSError):
                self._record.close()


def open_record(path: Path) -> IO[bytes]:
    """The file of --record. Raises CliError (USAGE) where it cannot be written."""
    try:
        return path.open("wb")
    except OSError as error:
        raise CliError(f"--record {path} cannot be written: {error.strerror}", code=ExitCode.USAGE) from None
