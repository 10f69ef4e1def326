"""On which file systems the kernel's lock is what it says: a list of those allowed, and why others are refused."""

# ruff: noqa: PTH123 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import os
import re
import sys

import msgspec

from tenure.backends.base import Grade
from tenure.errors import BackendRefused

LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "overlay"})
VOLATILE = frozenset({"tmpfs", "ramfs"})
NETWORK = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs3",
        "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "virtiofs",
    }
)  # fmt: skip  # a name a line would fill the page
_OCTAL = re.compile(r"\\([0-7]{3})")


class Footing(msgspec.Struct, frozen=True):
    """What a directory stands on: its file system, what that is worth, and what an operator should know."""

    kind: str
    grade: Grade
    warning: str = ""


def footing(path: str, mountinfo: str | None = None) -> Footing:
    """Judge the directory `path`, which need not exist yet. Raises BackendRefused where its locks are no authority."""
    if sys.platform != "linux":
        raise BackendRefused(
            f"{path}: file:// vouches for its lock on Linux only, not on {sys.platform}; use another backend"
        )
    kind = mounted_as(os.path.realpath(path), mountinfo if mountinfo is not None else _mountinfo())
    if kind in LOCAL:
        return Footing(kind, "B")
    if kind in VOLATILE:
        warning = f"{path} is on {kind}, which is emptied when this machine restarts: tokens begin at 1 again then"
        return Footing(kind, "C", warning)
    if kind in NETWORK or kind.startswith("fuse"):
        raise BackendRefused(
            f"{path} is on {kind}, which other hosts or a user's program serve: a lock there is not this kernel's, and "
            f"two processes could lead at once. Nothing was made. Use a directory on a local disk"
        )
    raise BackendRefused(
        f"{path} is on {kind or 'no file system that could be found'}, which is not among those whose locks are known "
        f"to hold ({', '.join(sorted(LOCAL | VOLATILE))}). Nothing was made. Use a directory on one of them"
    )


def mounted_as(path: str, mountinfo: str) -> str:
    """The type of the file system that `path` (absolute, without symbolic links) is on; empty where none is found."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        mount, _, rest = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5 or not rest:  # noqa: PLR2004 -- the fifth field is the mount point, see proc(5)
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]).rstrip("/")
        # Of equal ones the last counts: it is mounted over the others.
        if (path == point or path.startswith(point + "/")) and len(point) >= best:
            best, kind = len(point), rest.split(" ", 1)[0]
    return kind


def _mountinfo() -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
