"""When a tenure is over for certain, on this process's own clock. The only place that decides it.

Its holder must stop at `at + lease - margin`. Where the stamp is of this boot and this time namespace, both read the
same clock, so from `at + lease` on nobody acts under it. Where the stamp is of another time namespace its instant means
nothing here; where it is unsure it may not be the newest. Then one lease is counted from when this process first saw
that stamp: the holder wrote it before that, so its lease is over by then. The same bounds an instant that lies in the
future. Another boot: every process of that one is dead. The wall clock is never asked.
"""

# ruff: noqa: PTH116 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import functools
import os
import uuid

from tenure.backends.file.identity import boot_id
from tenure.backends.lease.stamp import Frame, Sight
from tenure.clock import Clock

LONG_AGO_NS = 0
"""CLOCK_BOOTTIME begins with the boot, and no lease of this boot was over before it."""


@functools.lru_cache(maxsize=1)
def this_frame() -> Frame:
    """The frame that this process reads its clock in."""
    try:
        namespace = os.stat("/proc/self/ns/time").st_ino
    except FileNotFoundError:  # a kernel before 5.6, or one without them: there is one for all
        namespace = 0
    return Frame(uuid.UUID(boot_id()).bytes, namespace)


class Sightings:
    """What one process has seen of tenures, and since when."""

    def __init__(self, clock: Clock, frame: Frame | None = None) -> None:
        self.clock = clock
        self.frame = this_frame() if frame is None else frame
        self.longest_ns = 0
        """The longest lease that was seen: nobody that led here goes on for longer than that."""
        self._since: dict[tuple[str, int], tuple[tuple[int, bool], int]] = {}

    def over_ns(self, election: str, token: int, sight: Sight) -> int:
        """From when on nobody acts under this tenure, if its stamp stays as it was just seen."""
        stamp = sight.stamp
        if stamp.frame.boot == self.frame.boot:
            self.longest_ns = max(self.longest_ns, stamp.lease_ns)
        if stamp.is_over or stamp.frame.boot != self.frame.boot:
            return LONG_AGO_NS
        seen_ns = self._seen_ns(election, token, sight)
        comparable = sight.sure and stamp.frame.namespace == self.frame.namespace
        return (min(stamp.at_ns, seen_ns) if comparable else seen_ns) + stamp.lease_ns

    def forget(self, election: str, tokens: list[int]) -> None:
        """Keep nothing of tenures but these."""
        for key in [key for key in list(self._since) if key[0] == election and key[1] not in tokens]:
            self._since.pop(key, None)

    def _seen_ns(self, election: str, token: int, sight: Sight) -> int:
        """When this very stamp was first seen; the clock is read after the stamp was, so it was written before."""
        now_ns = self.clock.now_ns()
        state = (sight.stamp.number, sight.sure)
        before = self._since.get((election, token))
        if before is None or before[0] != state:
            self._since[election, token] = (state, now_ns)
            return now_ns
        return before[1]
