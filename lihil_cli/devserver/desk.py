"""What the dev server shows and leaves behind: lines on stderr, and the files in `.lihil`."""

import json
import os
from collections.abc import Collection, Sequence
from contextlib import suppress

from lihil_cli.devfile import FOLDER, write_private
from lihil_cli.devserver.events import Change, ShowFailure, ShowKilled, ShowLoss, ShowWait
from lihil_cli.devserver.messages import Message
from lihil_cli.devserver.mode import Choice
from lihil_cli.serving.report import Place, Traces, say, show_banner

_NAMED = 3  # changed files, before the rest is only counted
_LISTED = 8  # routes in the banner
_ERROR_FILE, _SCHEMA_FILE = "reload_error.json", "schema.json"


class Desk:
    """One dev server's voice, and its hand on `.lihil`."""

    def __init__(self, place: Place, traces: Traces, *, has_keys: bool) -> None:
        self._place = place
        self._traces = traces
        self._has_keys = has_keys
        self._error: Message | None = None
        self._schema = ""
        self._files: set[str] = set()
        self._followed: list[str] = []

    def name(self, app: str) -> None:
        """Tell of this app from now on, because it is what is to be served."""
        self._place = self._place.but(app=app)

    def show_served(
        self, generation: int, change: Change | None, now: float, routes: Sequence[tuple[str, str]], choice: Choice
    ) -> None:
        """New code is served: the banner for the first one, one line for every other."""
        self._forget_error()
        self._traces.write(generation, self._relative(change.files) if change is not None else (), self._place.app)
        if generation == 1:
            show_banner(
                self._place,
                [
                    *_route_lines(routes),
                    choice.line,
                    *(["keys: r restart, w WebSockets, q quit, ? help"] if self._has_keys else []),
                ],
            )
        elif change is None:
            say(f"a new worker serves, generation {generation}")
        else:
            what = f"reloaded {self._names(change)}" if change.files else "restarted"
            say(f"{what} in {(now - change.at) * 1000:.0f} ms, generation {generation}", sgr="32")

    def show_failure(self, shown: ShowFailure, generation: int) -> None:
        """The newest code cannot be served: why, and what is served meanwhile."""
        files = self._relative(shown.change.files) if shown.change is not None else []
        self._error = {
            "generation": generation,
            "files": files,
            "summary": shown.failure.summary,
            "text": shown.failure.text,
        }
        self._write(_ERROR_FILE, json.dumps(self._error))
        meanwhile = f"generation {shown.serving} goes on serving; " if shown.serving is not None else ""
        say(shown.failure.text, sgr="31")
        say(f"{meanwhile}waiting for a change to try again")

    def show_loss(self, shown: ShowLoss) -> None:
        """A worker that served has ended by itself."""
        then = "starting another" if shown.is_replaced else "waiting for a change to try again"
        say(f"the worker ended {shown.how}; {'too often; ' if shown.is_too_often else ''}{then}")

    def show_killed(self, shown: ShowKilled, *, is_in_debugger: bool) -> None:
        """A worker was killed that did not do what it was told."""
        why = "it stands in a debugger" if is_in_debugger else "something blocks its event loop"
        say(f"the worker did not {shown.todo} in time{f': {why}' if shown.is_deaf else ''}; it was killed")

    def show_wait(self, shown: ShowWait) -> None:
        """Something takes long."""
        subject = self._names(shown.change) if shown.change is not None and shown.change.files else "the app"
        meanwhile = "nothing is served" if shown.serving is None else f"generation {shown.serving} serves"
        say(f"{subject} {shown.what}; {meanwhile} meanwhile")

    def show_sockets(self, sockets: Sequence[Message]) -> None:
        """The open WebSockets, oldest first."""
        rows = sorted(sockets, key=lambda row: -row["age_s"])
        lines = [f"  {row['connection']}  {row['peer']}  {row['target']}  {row['age_s']:.0f} s" for row in rows]
        say("\n".join([f"{len(rows) or 'no'} open WebSocket{'' if len(rows) == 1 else 's'}", *lines]))

    def show_keys(self) -> None:
        """What can be pressed."""
        say("r restart   w open WebSockets   q quit   ? this help")

    def news(self, generation: int) -> Message:
        """What `/_lihil/dev` tells, beside the files that are `followed`."""
        return {"generation": generation, "app": self._place.app, "error": self._error}

    def followed(self, files: Collection[str]) -> list[str]:
        """The same files as seen from the project's root: the same list, as long as they are the same."""
        if self._files != files:
            self._files, self._followed = set(files), sorted(self._relative(list(files)))
        return self._followed

    def write_schema(self, schema: str) -> None:
        """The routes as last loaded, for other commands; "" for an app that has none to tell."""
        if schema != self._schema:
            self._schema = schema
            if schema:
                self._write(_SCHEMA_FILE, schema)
            else:
                self._remove(_SCHEMA_FILE)

    def clear(self) -> None:
        """Take away what is true only while the server runs; the schema stays, as last loaded."""
        if self._error is not None:  # another server of this project may have its own there
            self._forget_error()

    def _forget_error(self) -> None:
        self._error = None
        self._remove(_ERROR_FILE)

    def _write(self, name: str, text: str) -> None:
        with suppress(OSError):  # that the folder cannot be written was said when dev.json was
            write_private(self._place.root, name, text)

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            (self._place.root / FOLDER / name).unlink()

    def _relative(self, files: Sequence[str]) -> list[str]:
        return [os.path.relpath(path, self._place.root) for path in files]

    def shorten(self, text: str) -> str:
        """The same text with paths as seen from the project's root."""
        return text.replace(f"{self._place.root}{os.sep}", "")

    def _names(self, change: Change) -> str:
        names = self._relative(change.files[:_NAMED])
        more = len(change.files) - _NAMED
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _route_lines(routes: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f"{method:6} {path}" for method, path in routes[:_LISTED]]
    return [*lines, *([f"... {len(routes) - _LISTED} more routes"] if len(routes) > _LISTED else [])]
