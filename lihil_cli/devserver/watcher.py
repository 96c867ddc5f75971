"""Source files under watch: every burst of changes below a folder becomes one event."""

import importlib.util
import os
import threading
from contextlib import suppress
from pathlib import Path

from lihil_cli.devfile import FOLDER
from lihil_cli.devserver.processes import Changed, Events

# A burst, such as an editor's write and rename, ends when this long nothing more happens.
_QUIET_MS = 50
_POLL_MS = 100


class Watcher:
    """A thread that reports changed Python files, and new folders, below `root`.

    `failure` says why it ended before it was stopped; "" while it has not.
    """

    def __init__(self, root: Path, events: Events) -> None:
        self.failure = ""
        self._root = root
        self._events = events
        self._watching = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def wait_until_watching(self) -> None:
        """Return once no change can be missed any more, or once the watch has failed."""
        self._watching.wait()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            self._report_changes()
        except (OSError, RuntimeError) as error:  # such as the inotify limit of inotify(7), max_user_watches
            self.failure = str(error)
        finally:
            self._watching.set()

    def _report_changes(self) -> None:
        from watchfiles import Change, DefaultFilter, watch

        ignored = DefaultFilter(ignore_dirs=(*DefaultFilter.ignore_dirs, FOLDER))

        def is_source(change: Change, path: str) -> bool:
            # A folder that is moved here is one event, whatever lies in it.
            is_moved = change is Change.added and os.path.isdir(path)
            return (path.endswith(".py") or is_moved) and ignored(change, path)

        for changes in watch(
            self._root,
            watch_filter=is_source,
            stop_event=self._stopped,
            step=_QUIET_MS,
            rust_timeout=_POLL_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            self._watching.set()  # the first round, empty or not, ends after the watch is set up
            if changes:
                self._events.put(Changed(tuple(sorted(path for _, path in changes))))


def forget_bytecode(path: str) -> None:
    """Remove the cached bytecode of one source file.

    CPython takes it for valid while size and modification time, in whole seconds, agree: two saves within a second
    may leave the first one's bytecode in use (PEP 3147, PEP 552).
    """
    with suppress(OSError, NotImplementedError):
        os.unlink(importlib.util.cache_from_source(path))
