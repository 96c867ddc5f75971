"""inotify(7), as far as a dev server needs it: who watches the folders that matter learns of a save at once.

Only the end of a write counts (IN_CLOSE_WRITE), so a file that is being written is not seen half finished.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterator

from lihil_cli.record import Record

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED, _ONLY_FOLDERS, _IS_FOLDER = 0x4000, 0x8000, 0x1000000, 0x40000000
_WANTED = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLY_FOLDERS
_HEAD = struct.Struct("iIII")
_CHUNK_BYTES = 1 << 18


class Seen(Record):
    """What happened to `path`: it is `gone`, or it was written, made or moved there; for a folder, as a whole."""

    path: str
    is_folder: bool = False
    is_gone: bool = False


class Inotify:
    """Watches single folders; `fileno` becomes readable when something happened in one. Raises OSError at a limit."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
        self._folders: dict[int, list[str]] = {}  # one may have several names: by links, or mounted twice
        self._numbers: dict[str, int] = {}

    def _call(self, name: str, *arguments: object) -> int:
        result: int = getattr(self._libc, name)(*arguments)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, _LIMITS.get(code, os.strerror(code)))
        return result

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._descriptor

    def add(self, folder: str) -> None:
        """Watch a folder, without those below it; one that is gone by now is passed over."""
        try:
            number = self._call("inotify_add_watch", self._descriptor, os.fsencode(folder), ctypes.c_uint32(_WANTED))
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EACCES}:
                return
            raise
        self._numbers[folder] = number
        names = self._folders.setdefault(number, [])
        if folder not in names:
            names.append(folder)

    def forget(self, folder: str) -> None:
        """Watch a folder, and all below it, no longer."""
        for known in [known for known in self._numbers if known == folder or known.startswith(f"{folder}/")]:
            number = self._numbers.pop(known)
            self._folders[number].remove(known)
            if not self._folders[number]:
                del self._folders[number]
                self._libc.inotify_rm_watch(self._descriptor, number)

    def __contains__(self, folder: str) -> bool:
        return folder in self._numbers

    def read(self, on_overflow: Callable[[], None]) -> Iterator[Seen]:
        """Everything that happened; `on_overflow` is called when the kernel had to leave something out."""
        try:
            data = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, length = _HEAD.unpack_from(data, at)
            name = data[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")
            at += _HEAD.size + length
            if mask & _OVERFLOW:
                on_overflow()
            elif mask & _IGNORED:
                for folder in self._folders.pop(number, []):
                    del self._numbers[folder]
            else:
                paths = [f"{folder}/{os.fsdecode(name)}" for folder in self._folders.get(number, [])]
                yield from (seen for path in paths if (seen := _seen(path, mask)) is not None)

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._descriptor)


def _seen(path: str, mask: int) -> Seen | None:
    is_folder = bool(mask & _IS_FOLDER)
    if mask & _CREATE and not is_folder and not os.path.islink(path):
        return None  # its end of writing will be told; a link has none
    return Seen(path, is_folder, is_gone=bool(mask & (_MOVED_FROM | _DELETE)))


_LIMITS = {
    errno.ENOSPC: "the limit of watches is reached (fs.inotify.max_user_watches)",
    errno.EMFILE: "the limit of watchers is reached (fs.inotify.max_user_instances)",
}
