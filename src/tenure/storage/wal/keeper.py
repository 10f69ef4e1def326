"""The thread that makes the next segment ahead and writes checkpoints, so that no write waits for either.

It works as long as it rests where there is much to do: Python runs one thread at a time, and the loop comes first.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from tenure.core.codec import Codec
from tenure.core.events import Record
from tenure.storage.wal import checkpoint
from tenure.storage.wal.files import FULL
from tenure.storage.wal.format import Position, segment_name
from tenure.storage.wal.recovery import LogFile
from tenure.storage.wal.segments import Segment, Segments

LEAST_RETRY_S, MOST_RETRY_S = 0.02, 1.0
"""How long it waits before it asks a full disk again; each time twice as long as before."""
SLICE_S = 0.0005
"""It rests after so much work."""
BEHIND = 4
"""With so many times the segments for which a checkpoint was due it does not rest: the log would outgrow the disk."""


class Left(msgspec.Struct, frozen=True):
    """All segments up to this one are done; where the last batch in them ends, and its sequence."""

    number: int
    end: Position
    sequence: int


class _Stopped(Exception):
    """The keeper is to end."""


class Keeper:
    """`on_failed` is called in the keeper's thread, at most once, and then it has ended. `lock` is a descriptor that is
    closed when this thread will touch nothing any more: it may be the last to end, and it renames and drops files.
    """

    def __init__(
        self,
        segments: Segments,
        codec: Codec[Record],
        checkpoint: LogFile | None,
        files: list[LogFile],
        *,
        on_failed: Callable[[Exception], None],
        lock: int,
    ) -> None:
        self._segments = segments
        self._codec = codec
        self._on_failed = on_failed
        self._lock = lock
        self._checkpoint = checkpoint
        self._checkpoint_bytes = Path(checkpoint.path).stat().st_size if checkpoint else 0
        self._files = files  # all that nothing more is written to, behind the checkpoint
        self._orders = queue.SimpleQueue[Left | int | None]()
        self._ready = queue.SimpleQueue[Segment | OSError]()
        self._wanted: int | None = None  # the number of the next segment, until it is made
        self._left: Left | None = None  # up to where a checkpoint may stand for all
        self._gives_up = self._is_stopping = False
        self._rested_s = 0.0
        self.is_full = False
        """Whether the disk had no room when it was last asked."""
        self.thread = threading.Thread(target=self._run, name="tenure-wal-keeper", daemon=True)

    # For the thread that writes

    def take(self) -> Segment:
        """The next segment, as soon as there is one. Raises OSError where there will be none."""
        got = self._ready.get()
        if isinstance(got, OSError):
            raise got
        self._orders.put(got.number + 1)
        return got

    # For whoever

    def want(self, number: int) -> None:
        """Make this segment, the first."""
        self._orders.put(number)

    def left(self, number: int, end: Position, sequence: int) -> None:
        """Nothing more is written to the segments up to this one; where their last batch ends, and its sequence."""
        self._orders.put(Left(number, end, sequence))

    def give_up_on_space(self) -> None:
        """From now on a full disk is an error."""
        self._gives_up = True
        self._orders.put(None)

    def stop(self) -> None:
        """End; a checkpoint that is not complete is given up."""
        self._is_stopping = True
        self._orders.put(None)

    # The thread itself

    def _run(self) -> None:
        try:
            while True:
                self._take_order(None)
                self._make_what_is_wanted()
                if self._is_due():
                    self._make_checkpoint()
        except _Stopped:
            self._give_back()
        except Exception as error:  # noqa: BLE001  whatever it is, nobody else would ever hear of it
            self._ready.put(error if isinstance(error, OSError) else OSError(str(error)))
            self._on_failed(error)
        finally:
            os.close(self._lock)

    def _take_order(self, timeout_s: float | None) -> None:
        """Take in one order, if one comes in that time."""
        with suppress(queue.Empty):
            order = self._orders.get(timeout=timeout_s)
            if isinstance(order, Left):
                self._left = order
                first = (
                    self._files[-1].number + 1
                    if self._files
                    else self._checkpoint.number + 1
                    if self._checkpoint
                    else 1
                )
                self._files += [
                    self._segments.log_file(self._segments.path / segment_name(number), number)
                    for number in range(first, order.number + 1)
                ]
            elif order is not None:
                self._wanted = order
        if self._is_stopping:
            raise _Stopped

    def _make_what_is_wanted(self) -> None:
        """The next segment. On a full disk it waits, for what was written is safe and what is to come has no place."""
        retry_s = LEAST_RETRY_S
        while self._wanted is not None:
            try:
                segment = self._segments.make(self._wanted)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self.is_full = True
                if self._gives_up:
                    self._ready.put(error)
                    return
                self._take_order(retry_s)
                retry_s = min(MOST_RETRY_S, 2 * retry_s)
            else:
                self.is_full = False
                self._wanted = None
                self._ready.put(segment)

    def _give_back(self) -> None:
        """What was made ahead, and never written to."""
        while not self._ready.empty():
            segment = self._ready.get()
            if isinstance(segment, Segment):
                with suppress(OSError):  # it stays, empty
                    self._segments.files.close(segment.fd)
                    self._segments.retire([self._segments.path / segment_name(segment.number)])

    # Checkpoints

    def _is_due(self) -> bool:
        """When as much has been written since the last one as it holds: all of them cost no more than the log."""
        if self._left is None:
            return False
        count = self._left.number - (self._checkpoint.number if self._checkpoint else 0)
        limits = self._segments.limits
        return count >= limits.checkpoint_segments and count * limits.segment_bytes >= self._checkpoint_bytes

    def _make_checkpoint(self) -> None:
        left, self._left = self._left, None
        assert left is not None
        done = [file for file in self._files if file.number <= left.number]
        self._rested_s = time.perf_counter()
        segments, before = self._segments, self._checkpoint
        try:
            wanted = (left.end, left.sequence)
            payload = checkpoint.fold(segments, self._codec, before, done, wanted=wanted, breathe=self._breathe)
            made = checkpoint.write(
                segments, payload, left.number, end=left.end, sequence=left.sequence, breathe=self._breathe
            )
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.is_full = True  # the log is whole as it is; the next segment that is full asks again
            return
        self._checkpoint, self._checkpoint_bytes = made, Path(made.path).stat().st_size
        self._files = [file for file in self._files if file.number > left.number]
        segments.retire([Path(file.path) for file in done])
        if before is not None:
            segments.files.unlink(Path(before.path))

    def _breathe(self) -> None:
        """Between two small steps of a checkpoint: see to what cannot wait, and let the loop have Python's lock."""
        worked_s = time.perf_counter() - self._rested_s
        while not self._orders.empty():
            self._take_order(None)
        if self._is_stopping:
            raise _Stopped
        self._make_what_is_wanted()
        if worked_s >= SLICE_S:
            if len(self._files) < BEHIND * self._segments.limits.checkpoint_segments:
                time.sleep(worked_s)
            self._rested_s = time.perf_counter()
