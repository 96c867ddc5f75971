"""One call of the command at a terminal: with whom, how, and what is known of them before anything is asked."""

from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lihil_cli.devfile import DevFile, find_dev_file
from lihil_cli.record import Record
from lihil_cli.wstest.network.connecting import Handshake
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.opening import kept_schema, schema_of_app
from lihil_cli.wstest.place.locate import Located, find_schema
from lihil_cli.wstest.settings import Options

if TYPE_CHECKING:
    from lihil_cli.wstest.place.schema import Schema  # loaded where there is a schema to read


class Visit(Record):
    """One call of the command. `folder` is where the project is looked for, `place` how it was found.

    `headers` are those that were given, their `${NAME}` not filled in. With `is_forced` nobody asks whether the app
    takes an address. With `is_binary` texts go out as binary messages; `record` is the open file that everything is
    kept in.
    """

    target: Target
    handshake: Handshake
    options: Options
    folder: Path
    place: Located | None = None
    reconnects: bool = True
    frames: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    is_binary: bool = False
    is_forced: bool = False
    record: IO[bytes] | None = None

    @property
    def about(self) -> str:
        """What is known of the server before anything is asked of it."""
        if self.target.app is not None:
            how = "in this process" if self.place is None or self.place.how == "--app" else self.place.how
            return f"{how}, {self.target.app.label}"
        return "" if self.place is None or self.place.how == "as named" else self.place.how

    @property
    def offers(self) -> tuple[tuple[str, str], ...]:
        """The headers that options of their own make, as a script has to name them."""
        names, origin = self.handshake.subprotocols, self.handshake.origin
        offered = (("Sec-WebSocket-Protocol", ", ".join(names)),) if names else ()
        return offered if origin is None else (*offered, ("Origin", origin.replace("${", "$${")))

    @property
    def root(self) -> Path:
        """The project's folder, as far as it is known."""
        return (self.place and self.place.root) or self.folder

    @property
    def schema_is_its(self) -> bool:
        """Whether what is known of an app's routes is known of the one that is talked to."""
        return self.target.app is not None or (self.place is not None and self.place.server is not None)

    def schema_stamp(self) -> object:
        """Something that is another thing once `schema` has changed."""
        file = None if self.target.app is not None else find_schema(self.folder)
        with suppress(OSError):
            return None if file is None else (file, file.stat().st_mtime_ns)
        return None

    def schema(self) -> "Schema | None":
        """What is known of the app's routes."""
        if self.target.app is not None:
            return schema_of_app(getattr(self.target.app, "app", None), self.target.app.label)
        file = find_schema(self.folder)
        return None if file is None else kept_schema(file)

    @property
    def is_awaited(self) -> bool:
        """Whether the dev server is still to come."""
        return self.place is not None and self.place.is_awaited

    @property
    def follows_server(self) -> bool:
        """Whether the dev server's word counts: it gave the address, or it may still come."""
        return self.target.running or self.is_awaited or (self.place is not None and self.place.server is not None)

    def server(self) -> DevFile | None:
        """The dev server as it is now, where its word counts."""
        return find_dev_file(self.folder) if self.follows_server else None
