"""What one node saw of a run, written as it happens in the format of `tenure.trace`, which the simulator writes too.

A file holds one life of one node. Its instants are nanoseconds of the clock that deadlines are counted on, from the
node's start; its head tells when that was by wall time, so that the files of several nodes can be joined.
"""

from __future__ import annotations

import itertools
import random
import time
from io import FileIO
from pathlib import Path

from tenure import trace
from tenure.clock import Clock
from tenure.core.effects import Authorised, Deposed, Divided
from tenure.core.elector import Elector
from tenure.core.events import Message, NodeId, Record
from tenure.core.words import kind_of, words_of
from tenure.detectors.watched import Watched

LIMIT_BYTES = 512 << 20
"""Of one file: about as much as `trace.read` takes. Then no more is written, and the trace counts as cut."""
CLOSE_NS = 10_000
"""Two clocks that were read within this time were read at one instant; a quiet machine takes a tenth of it."""
READINGS = 100
"""Until they were: a machine that never gets there has other troubles, and the closest has to do."""


def at_once(clock: Clock) -> tuple[int, int]:
    """What this clock and the wall clock show at one instant. A process may be held up between two readings, and then
    all its instants would be told too early or too late, as if tenures overlapped that do not.
    """
    best = (1 << 63, 0, 0)
    for _ in range(READINGS):
        before_ns, wall_ns, after_ns = clock.now_ns(), time.time_ns(), clock.now_ns()
        best = min(best, (after_ns - before_ns, (before_ns + after_ns) // 2, wall_ns))
        if best[0] <= CLOSE_NS:
            break
    return best[1:]


class Recorder:
    """Writes the trace of one life. Raises OSError where the file cannot be made; what goes wrong with it later ends
    the recording, and nothing else.
    """

    def __init__(self, path: Path, elector: Elector, *, life: int, clock: Clock, seed: int = 0) -> None:
        self.node, self._clock = elector.me, clock
        self.trouble: OSError | None = None
        """Why nothing is written any more."""
        self._began_ns, origin_ns = at_once(clock)
        self._ids = itertools.count(random.getrandbits(31) << 32)  # told apart from those of other nodes and lives
        self._written: dict[int, Record] = {}
        self._suspects = set[NodeId]()
        self._seen: object = None
        self._lines: list[bytes] = []
        self._bytes = 0
        self._file: FileIO | None = path.open("wb", buffering=0)
        head = trace.Head(
            version=trace.VERSION,
            algorithm=elector.name,
            nodes=tuple(sorted(elector.members)),
            seed=seed,
            until_ns=0,
            origin_ns=origin_ns,
        )
        self._tell(head)
        self._tell(trace.Began(0, self.node, life))
        self._flush()

    def sent(self, to: NodeId, message: Message, size: int) -> int:
        """The number under which the message travels."""
        number = next(self._ids)
        self._tell(trace.Sent(self._now_ns(), number, self.node, to, kind_of(type(message)), words_of(message), size))
        return number

    def dropped(self, number: int) -> None:
        """The transport did not take it."""
        self._tell(trace.Dropped(self._now_ns(), number, "down"))

    def arrived(self, number: int) -> None:
        """A message of this number came; 0 where its sender writes no trace."""
        if number:
            self._tell(trace.Arrived(self._now_ns(), number))

    def writes(self, number: int, record: Record) -> None:
        """It was given to the disk."""
        self._written[number] = record

    def persisted(self, number: int) -> None:
        """Whatever was given to the disk up to this number is durable."""
        for written in [one for one in self._written if one <= number]:
            record = self._written.pop(written)
            self._tell(trace.Wrote(self._now_ns(), self.node, kind_of(type(record)), words_of(record)))

    def lost(self, peer: NodeId) -> None:
        """The kernel says that its process is gone."""
        self._tell(trace.Suspects(self._now_ns(), self.node, peer, is_certain=True))

    def handled(self, elector: Elector, news: list[Authorised | Deposed | Divided]) -> None:
        """An event was dealt with, and this has come of it."""
        now_ns = self._now_ns()
        for one in news:
            match one:
                case Authorised(token=token, deadline_ns=deadline_ns):
                    self._tell(trace.Held(now_ns, self.node, token, deadline_ns - self._began_ns))
                case Deposed(token=token, why=why):
                    self._tell(trace.Lost(now_ns, self.node, token, why))
                case Divided(side=side, sees=sees, why=why):
                    self._tell(trace.Sided(now_ns, self.node, side.value, sees, why))
        if isinstance(elector, Watched) and elector.suspects != self._suspects:
            for peer in sorted(elector.suspects ^ self._suspects):
                self._tell(trace.Suspects(now_ns, self.node, peer, peer not in elector.suspects))
            self._suspects = set(elector.suspects)
        seen = (str(elector.role), elector.leader, elector.term)
        if seen != self._seen:
            self._seen = seen
            self._tell(trace.Became(now_ns, self.node, *seen))
        self._flush()

    def close(self) -> None:
        """The life is over."""
        self._tell(trace.Crashed(self._now_ns(), self.node))
        self._flush()
        self._end()

    def _now_ns(self) -> int:
        return self._clock.now_ns() - self._began_ns

    def _tell(self, line: trace.Line) -> None:
        if self._file is not None:
            self._lines.append(trace.line(line))

    def _flush(self) -> None:
        """Give everything to the kernel, which keeps it though this process be killed."""
        data = b"".join(self._lines)
        self._lines.clear()
        if self._file is None or not data:
            return
        self._bytes += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            self.trouble = error
        if self.trouble or self._bytes > LIMIT_BYTES:
            self._end()

    def _end(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()  # nothing is buffered that it could fail to write
