"""A node's write-ahead log, as its loop sees it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from tenure.core.codec import Codec, TooLong
from tenure.core.events import Record
from tenure.storage.base import Count, OnDurable, OnFailed, Storage, StorageError, StorageFailed
from tenure.storage.directory import DataDirectory
from tenure.storage.wal import checkpoint as checkpoints
from tenure.storage.wal.appender import Appender
from tenure.storage.wal.files import FULL, Files
from tenure.storage.wal.keeper import BEHIND, Keeper
from tenure.storage.wal.recovery import LogFile, Reader, Recovered
from tenure.storage.wal.segments import Limits, Segments
from tenure.storage.wal.writer import Writer


class Wal(Storage):
    """Made by `open`. Two threads work for it from `begin` to `close`: a writer, and a keeper of its files."""

    def __init__(
        self,
        directory: DataDirectory,
        codecs: tuple[Codec[Record], Codec[Record]],
        segments: Segments,
        recovered: Recovered,
        files: tuple[LogFile | None, list[LogFile]],
    ) -> None:
        self.kept = recovered.kept
        self.recovered = recovered
        """What was read, for the line that says so."""
        self._directory = directory
        self._codec, self._checkpoint_codec = codecs
        self._segments = segments
        self._checkpoint, self._files = files
        self._count = Count()
        self._given_bytes = self._durable_bytes = self._told = 0
        self._failed: StorageFailed | None = None
        self._is_open = False
        self._bell = -1
        self._ended = asyncio.Event()

    @classmethod
    def open(
        cls,
        directory: DataDirectory,
        kinds: tuple[type[Record], ...],
        limits: Limits | None = None,
        files: Files | None = None,
    ) -> Self:
        """Read what earlier lives wrote of records of these kinds. It blocks: call it in a thread.

        Raises StorageDamaged, StorageForeign, and StorageError where the disk or a permission is in the way; then
        nothing has been changed.
        """
        limits, files = limits or Limits(), files or Files()
        written = Codec(kinds, limit_bytes=limits.record_bytes)
        folded = Codec(kinds, limit_bytes=limits.kept_bytes)
        segments = Segments(directory.path, files, limits)
        try:
            checkpoint, found = segments.look()
            files.sync_files(Path(file.path) for file in found)  # what is taken for durable from now on must be
            recovered = Reader(folded).read(checkpoint, found)
            if len(found) >= BEHIND * limits.checkpoint_segments:
                segments.log = recovered.log or b""
                checkpoint, found = _shorten(segments, folded, recovered, (checkpoint, found))
        except OSError as error:
            raise StorageError(
                f"the log in {directory.path} cannot be read ({error}); see that this user owns its files, and that "
                "the disk works"
            ) from error
        segments.log = recovered.log or os.urandom(16)
        return cls(directory, (written, folded), segments, recovered, (checkpoint, found))

    def begin(self, on_durable: OnDurable, on_failed: OnFailed) -> None:
        assert self._bell == -1, "a storage is begun once"
        self._on_durable, self._on_failed = on_durable, on_failed
        self._loop = asyncio.get_running_loop()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._loop.add_reader(self._bell, self._look)
        end, sequence = self.recovered.end, self.recovered.sequence
        last = self._files[-1].number if self._files else self._checkpoint.number if self._checkpoint else 0
        self._keeper = Keeper(
            self._segments,
            self._checkpoint_codec,
            self._checkpoint,
            self._files,
            on_failed=self._keeper_failed,
            lock=self._directory.share(),
        )
        appender = Appender(self._segments.files, self._keeper.take, self._keeper.left, end, sequence)
        self._writer = Writer(appender, self._bell, self._directory.share())
        self._is_open = True
        self._keeper.want(last + 1)  # each life has segments of its own: what an earlier one tore stays behind it
        self._keeper.left(last, end, sequence)
        self._keeper.thread.start()
        self._writer.thread.start()

    @property
    def waits_for_space(self) -> bool:
        return self._is_open and self._keeper.is_full

    @property
    def syncs(self) -> int:
        return self._writer.batches if hasattr(self, "_writer") else 0

    @property
    def backlog_bytes(self) -> int:
        """Of encoded records."""
        return self._given_bytes - self._durable_bytes

    def write(self, number: int, record: Record) -> None:
        if self._failed is not None:
            raise self._failed
        if not self._is_open:
            raise StorageError("this log has not been begun, or is closed; open it anew")
        try:
            data = self._codec.encode(record)
        except TooLong as error:
            raise StorageError(
                f"a record is too long to be kept ({error}); raise record_bytes in the limits"
            ) from error
        self._count.take(number)
        self._given_bytes += len(data)
        self._writer.put(number, data)

    async def close(self) -> None:
        if self._bell == -1:
            return
        if self._is_open:
            self._is_open = False
            self._keeper.give_up_on_space()
            self._writer.end()
        await self._ended.wait()
        await asyncio.to_thread(self._keeper.thread.join)
        await asyncio.to_thread(self._writer.thread.join)
        if self._bell != -1:  # whoever else closes it may have been quicker
            self._loop.remove_reader(self._bell)
            os.close(self._bell)
            self._bell = -1

    def _keeper_failed(self, error: Exception) -> None:
        self._writer.fail(error)

    def _look(self) -> None:
        """The bell was rung: by the writer, or for an error."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        number, durable_bytes = self._writer.durable
        if self._failed is None and number > self._told:
            self._told, self._durable_bytes = number, durable_bytes
            self._on_durable(number)
        error = self._writer.error
        if error is not None and self._failed is None:
            self._failed = StorageFailed(
                f"the log in {self._directory.path} cannot be written ({error}). What was said to be durable is; "
                "nothing more will be. Look at the disk, and start the node anew"
            )
            self._failed.__cause__ = error
            self._on_failed(self._failed)
        if self._writer.has_ended:
            self._keeper.stop()
            self._ended.set()


def _shorten(
    segments: Segments, codec: Codec[Record], recovered: Recovered, files: tuple[LogFile | None, list[LogFile]]
) -> tuple[LogFile | None, list[LogFile]]:
    """Lives that end too early for a checkpoint leave a segment each: a checkpoint, before there is another."""
    before, found = files
    end, sequence = recovered.end, recovered.sequence
    payload = checkpoints.payload_of(codec, recovered.kept)
    try:
        made = checkpoints.write(segments, payload, found[-1].number, end=end, sequence=sequence, breathe=lambda: None)
    except OSError as error:
        if error.errno not in FULL:
            raise
        return files
    segments.retire([Path(file.path) for file in found])
    if before is not None:
        segments.files.unlink(Path(before.path))
    return made, []
