"""The file of `--record`, written while the session lasts."""

from collections.abc import Callable
from contextlib import suppress
from typing import IO

from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.journal import line_of
from lihil_cli.wstest.repl.log import Step


class Recorder:
    """Writes each step as a line. `shown` gives the name to write for a connection.

    `lose` is called once, with the reason, when the file takes no more; `is_lost` remembers it.
    """

    def __init__(
        self, file: IO[bytes], began_at: float, shown: Callable[[str], str], lose: Callable[[str], None]
    ) -> None:
        self.is_lost = False
        self._file = file
        self._began_at = began_at
        self._shown = shown
        self._lose = lose

    def keep(self, step: Step, payload: Payload | None) -> None:
        """Write one step, so that it is there whatever happens next."""
        if self.is_lost:
            return
        try:
            self._file.writelines(line_of(step, payload, step.at - self._began_at, self._shown(step.peer)))
            self._file.flush()
        except OSError as error:
            self.is_lost = True
            self._lose(error.strerror or str(error))

    def close(self) -> None:
        """Nothing more is written."""
        with suppress(OSError):  # what could not be written before
            self._file.close()
