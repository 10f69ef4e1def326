"""The files of a log in their directory: which are there, how one is made, and what becomes of those that are done."""

from __future__ import annotations

import errno
import functools
import mmap
from contextlib import suppress
from pathlib import Path

import msgspec

from tenure.errors import ConfigurationError
from tenure.storage.base import StorageForeign
from tenure.storage.wal.files import Files
from tenure.storage.wal.format import BLOCK, MOST_OFFSET, NAME, Head, Kind, encode_head, segment_name
from tenure.storage.wal.recovery import LogFile

NEW, NEW_CHECKPOINT = "wal-new.tmp", "wal-checkpoint.tmp"
KINDS = ("log", "checkpoint", "spare")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How large things may become."""

    segment_bytes: int = 16 << 20
    """Reserved at a time. PostgreSQL's segments have 16 MiB, etcd's 64."""
    checkpoint_segments: int = 4
    """A checkpoint is due when so many segments are full and hold more than the last one. At most so many that are
    done are kept to be used again.
    """
    record_bytes: int = 64 << 20
    """The longest record; a snapshot is one."""
    kept_bytes: int = 1 << 30
    """What all records of one type may amount to."""

    def __post_init__(self) -> None:
        if self.segment_bytes % BLOCK or not 4 * BLOCK <= self.segment_bytes <= MOST_OFFSET // 4:
            raise ConfigurationError(
                f"segment_bytes is {self.segment_bytes}; give a multiple of {BLOCK} from {4 * BLOCK} to "
                f"{MOST_OFFSET // 4}"
            )
        if self.checkpoint_segments < 1:
            raise ConfigurationError(f"checkpoint_segments is {self.checkpoint_segments}; give 1 or more")
        if not 1 <= self.record_bytes <= self.kept_bytes < MOST_OFFSET:
            raise ConfigurationError(
                f"record_bytes is {self.record_bytes} and kept_bytes {self.kept_bytes}; give 1 <= record_bytes <= "
                f"kept_bytes < {MOST_OFFSET}"
            )


class Segment(msgspec.Struct, frozen=True):
    """A segment that is written to."""

    fd: int
    number: int
    size: int
    seed: int


class Segments:
    """The files of one log; `log` is None until it has been read, or begun."""

    def __init__(self, path: Path, files: Files, limits: Limits) -> None:
        self.path = path
        self.files = files
        self.limits = limits
        self.log = b""
        self._spares: list[Path] = []

    def look(self) -> tuple[LogFile | None, list[LogFile]]:
        """The last checkpoint and the segments behind it. What an interrupted step left behind is cleared away.

        Raises StorageForeign for a file that looks as if it were the log's and is not.
        """
        self.files.sync_directory(self.path)  # a life that was killed may have given a name that the disk has not yet
        found: dict[str, dict[int, Path]] = {kind: {} for kind in KINDS}
        for path in sorted(self.path.iterdir()):
            if path.name in {NEW, NEW_CHECKPOINT}:
                self.files.unlink(path)
            elif match := NAME.fullmatch(path.name):
                found[match[2]][int(match[1])] = path
            elif path.name.startswith("wal-"):
                raise StorageForeign(f"{path} is no file of this log; move it away, out of the directory")
        last = max(found["checkpoint"], default=0)
        for number in [number for number in found["checkpoint"] if number < last]:
            self.files.unlink(found["checkpoint"].pop(number))
        old = [number for number in found["log"] if number <= last]
        self._spares = list(found["spare"].values())
        self.retire([found["log"].pop(number) for number in old])
        checkpoint = self.log_file(found["checkpoint"][last], last) if last else None
        return checkpoint, [self.log_file(path, number) for number, path in sorted(found["log"].items())]

    def log_file(self, path: Path, number: int) -> LogFile:
        return LogFile(str(path), number, functools.partial(self.files.read, path))

    def retire(self, paths: list[Path]) -> None:
        """These are not needed any more: as many as limits allow are kept to be used again. The greatest number goes
        last, so that whatever is left at any time follows on the checkpoint without a gap.
        """
        for path in paths:
            size = path.stat().st_size
            if len(self._spares) < self.limits.checkpoint_segments and size == self.limits.segment_bytes:
                spare = path.with_suffix(".spare")
                self.files.rename(path, spare)
                self._spares.append(spare)
            else:
                self.files.unlink(path)

    def make(self, number: int) -> Segment:
        """A new segment, reserved on the disk and durably in the directory. Raises OSError; then there is none."""
        try:
            return self._make(number)
        except OSError as error:
            if error.errno != errno.EINVAL or not self.files.is_direct:
                raise
            self.files.is_direct = False  # a file system that takes the flag, and then no such write
            return self._make(number)

    def _make(self, number: int) -> Segment:
        new, size = self.path / NEW, self.limits.segment_bytes
        head = Head(log=self.log, kind=Kind.SEGMENT, number=number, size=size)
        is_reserved = self._take_spare(new)
        fd = self.files.make(new)
        try:
            if not is_reserved:
                self.files.allocate(fd, size)
            block = memoryview(mmap.mmap(-1, BLOCK))
            block[:] = encode_head(head)
            self.files.write_synced(fd, block, 0)
            self.files.rename(new, self.path / segment_name(number))
            self.files.sync_directory(self.path)
        except OSError:
            self.files.close(fd)
            with suppress(OSError):  # it is cleared away when the log is opened next
                self.files.unlink(new)
            raise
        return Segment(fd, number, size, head.seed())

    def _take_spare(self, new: Path) -> bool:
        """What it held is nothing in its new place: checksums begin with a segment's number."""
        while self._spares:
            spare = self._spares.pop()
            if spare.stat().st_size == self.limits.segment_bytes:
                self.files.rename(spare, new)
                return True
            self.files.unlink(spare)
        return False
