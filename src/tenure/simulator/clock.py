"""A node's own clock: it began somewhere else than true time, and may run fast or slow; it never goes back."""

from __future__ import annotations

from tenure.durations import NEVER_NS, PPM


class NodeClock:
    """Shows `shown_ns` at the true instant `true_ns`, and runs at (PPM + ppm) / PPM of true time from there."""

    __slots__ = ("_base_ns", "_base_true_ns", "ppm")

    def __init__(self, true_ns: int, shown_ns: int, ppm: int = 0) -> None:
        if ppm <= -PPM:
            raise ValueError(f"a clock that is {ppm} ppm off would stand still or go back")
        self._base_true_ns, self._base_ns, self.ppm = true_ns, shown_ns, ppm

    def at(self, true_ns: int) -> int:
        """What it shows at a true instant that has come."""
        passed_ns = true_ns - self._base_true_ns
        return self._base_ns + (passed_ns * (PPM + self.ppm) // PPM if self.ppm else passed_ns)

    def when(self, shown_ns: int) -> int:
        """The first true instant at which it shows this or more, if its rate stays; NEVER_NS stays that."""
        if shown_ns >= NEVER_NS:
            return NEVER_NS
        ahead_ns = shown_ns - self._base_ns
        return self._base_true_ns + (-(-ahead_ns * PPM // (PPM + self.ppm)) if self.ppm else ahead_ns)

    def run_at(self, ppm: int, true_ns: int) -> None:
        """Change its rate at a true instant."""
        self.__init__(true_ns, self.at(true_ns), ppm)  # type: ignore[misc]  # the same clock, from a new base
