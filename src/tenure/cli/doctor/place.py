"""What a directory of elections stands on, and whether this user may lead there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tenure.cli.doctor.finding import DISK, Finding
from tenure.errors import BackendRefused

FREE_BYTES = 16 * 1024 * 1024
"""Below this much free space the doctor warns: an election needs some 30 KiB, but the disk fills for other reasons."""


def existing(path: Path) -> Path:
    """The directory, or what there is of the way to it."""
    return next((place for place in (path, *path.parents) if _is_there(place)), path)


def examine(path: Path, scheme: str) -> Iterator[Finding]:
    """What the directory stands on, and whether this user may lead there."""
    from tenure.backends.file.filesystems import footing

    try:
        ground = footing(str(path))
    except BackendRefused as error:
        mend = f"use a directory on a disk: --at {scheme}://{DISK}"
        yield Finding(what="file system", state="bad", found=str(error), mend=mend)
        return
    yield Finding(
        what="file system",
        state="look" if ground.warning else "ok",
        found="; ".join(filter(None, (ground.kind, ground.warning))),
        mend=f"use a directory on a disk: --at {scheme}://{DISK}" if ground.warning else None,
    )
    found = existing(path)
    if not found.is_dir() or not may_be_used(found):
        why = "cannot be written by this user" if found.is_dir() else "is no directory"
        mend = f"use a directory that this user may write, such as --at {scheme}://{DISK}"
        yield Finding(what="directory", state="bad", found=f"{found} {why}", mend=mend)
        return
    free = shutil.disk_usage(found).free
    yield Finding(
        what="directory",
        state="look" if free < FREE_BYTES else "ok",
        found=f"{path} {'exists' if found == path else 'is made by the first candidate'}, {free >> 20} MiB are free",
        mend=f"free some space below {found}" if free < FREE_BYTES else None,
    )


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # its parent may not be searched; that one is reported
        return False


def may_be_used(path: Path) -> bool:
    """Whether this user, with the rights that it has now, may read and write there."""
    return os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0), effective_ids=True)
