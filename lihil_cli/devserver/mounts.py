"""Which folders have to be polled: file systems on which the kernel does not learn of every change.

What is mounted where stands in /proc/self/mountinfo, see proc(5).
"""

from typing import Final

_SILENT: Final = ("9p", "nfs", "nfs4", "cifs", "smb3", "smbfs", "virtiofs", "vboxsf", "prl_fs", "drvfs", "afs", "ceph")


def polled_folders(mountinfo: str, root: str) -> list[str]:
    """The mounts at, above or below `root` that are silent, each as a folder at or below `root`."""
    mounts: dict[str, str] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, kinds = left.split(" "), right.split(" ")
        if len(fields) > 4 and kinds[0]:
            mounts[_unescape(fields[4])] = kinds[0]  # a later mount hides an earlier one in the same place
    above = [point for point in mounts if _is_below(root, point)]
    found = [root] if above and _is_silent(mounts[max(above, key=len)]) else []
    return found + sorted(
        point for point in mounts if point != root and _is_below(point, root) and _is_silent(mounts[point])
    )


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_silent(kind: str) -> bool:
    return kind in _SILENT or kind == "fuse" or (kind.startswith("fuse.") and kind != "fuse.overlayfs")


def _unescape(text: str) -> str:
    """Blanks and backslashes come as three octal digits, see proc(5)."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text
