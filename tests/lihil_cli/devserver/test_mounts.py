from pathlib import Path

import pytest

from lihil_cli.devserver.mounts import polled_folders

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:50 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync
31 22 0:51 / /home/me/app/shared\040files rw - nfs4 server:/x rw
32 22 0:52 / /home/me/app/cache rw - tmpfs tmpfs rw
33 22 0:53 / /home/me/app/remote rw - fuse.sshfs host: rw
34 22 0:54 / /home/me/layers rw - fuse.overlayfs none rw
35 30 0:55 / /mnt/c/native rw - ext4 /dev/sdb rw
half a line
"""


@pytest.mark.parametrize(
    ("root", "polled"),
    [
        ("/home/me/app", ["/home/me/app/remote", "/home/me/app/shared files"]),
        ("/home/me/app/cache", []),
        ("/home/me/layers", []),
        ("/mnt/c/project", ["/mnt/c/project"]),
        ("/mnt/c", ["/mnt/c"]),
        ("/mnt/c/native/app", []),
        ("/home/me/application", []),
    ],
)
def test_only_what_lies_on_a_silent_file_system_is_polled(root: str, polled: list[str]) -> None:
    assert polled_folders(MOUNTS, root) == polled


def test_a_system_that_tells_of_no_mounts_is_not_polled() -> None:
    assert polled_folders("", "/app") == []


def test_this_machine_is_read() -> None:
    assert polled_folders(Path("/proc/self/mountinfo").read_text("utf-8"), "/proc") == []
