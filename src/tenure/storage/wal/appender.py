"""Puts batches behind one another. It belongs to one thread, and blocks for as long as the disk does."""

from __future__ import annotations

import mmap
from collections.abc import Callable

from tenure.storage.wal.files import PIECE, Files
from tenure.storage.wal.format import BLOCK, PART_HEAD, Position, blocks, put_part
from tenure.storage.wal.segments import Segment


class Appender:
    """`take` gives the next segment, and waits until there is one; it raises OSError where there will be none.

    `left` is told when all batches are whole up to a segment's end and nothing more is written to it: its number, where
    its last batch ends, and that one's sequence.
    """

    def __init__(
        self,
        files: Files,
        take: Callable[[], Segment],
        left: Callable[[int, Position, int], None],
        end: Position,
        sequence: int,
        *,
        piece: int = PIECE,
    ) -> None:
        self._files = files
        self._take = take
        self._left = left
        self._end = end  # of the last batch that is durable
        self._sequence = sequence
        self._segment: Segment | None = None
        self._offset = 0
        self._buffer = memoryview(mmap.mmap(-1, piece))  # begins at a page, as direct writes must

    def append(self, payload: bytes) -> None:
        """One batch is durable when this returns. Raises OSError: nobody knows then, and nothing may follow."""
        whole = blocks(PART_HEAD + len(payload))
        segment = self._segment
        if segment is None or self._offset + whole > segment.size:
            old, segment = segment, self._rotate()
            if old is not None:
                self._left(old.number, self._end, self._sequence)
        if whole <= len(self._buffer) and self._offset + whole <= segment.size:
            self._put(segment, payload, is_last=True)
            self._files.write_synced(segment.fd, self._buffer[:whole], self._offset)
            self._offset += whole
        else:
            segment = self._append_in_parts(segment, payload)
        self._end = Position(segment.number, self._offset)

    def _append_in_parts(self, segment: Segment, payload: bytes) -> Segment:
        """Nothing of it is durable before all of it is, so all is synced at once, but for what another file takes."""
        left = memoryview(payload)
        while left:
            if self._offset + 2 * BLOCK > segment.size:
                self._files.sync(segment.fd)
                segment = self._rotate()
            most = min(len(self._buffer), segment.size - self._offset) - PART_HEAD
            piece, left = left[:most], left[most:]
            length = self._put(segment, piece, is_last=not left)
            self._files.write(segment.fd, self._buffer[:length], self._offset)
            self._offset += length
        self._files.sync(segment.fd)
        return segment

    def _put(self, segment: Segment, payload: bytes | memoryview, *, is_last: bool) -> int:
        self._sequence += 1
        return put_part(
            self._buffer,
            payload,
            seed=segment.seed,
            sequence=self._sequence,
            synced=self._end,
            is_last=is_last,
        )

    def _rotate(self) -> Segment:
        new = self._take()
        self.close()
        self._segment, self._offset = new, BLOCK
        return new

    def close(self) -> None:
        """Let go of the segment."""
        segment, self._segment = self._segment, None  # a close that fails has closed it: its number is another's then
        if segment is not None:
            self._files.close(segment.fd)
