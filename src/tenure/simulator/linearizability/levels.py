"""The operations of one key, level by level: level k lasts until the answer to `answered[k]`, the k-th of all.

Each open operation has a bit (`Part.is_open`), so what is true of some of them is one number.
"""

from __future__ import annotations

from tenure.simulator.linearizability.part import FAILED, READ, SWAP, WRITE, Part


class Levels:
    """What can be known of each level before the search."""

    def __init__(self, part: Part) -> None:
        self.part = part
        count = len(part.known)
        self.answered = sorted(range(count), key=part.return_at.__getitem__)
        self.level_of = [0] * count
        """Of each known operation, the level that its answer ends."""
        for level, number in enumerate(self.answered):
            self.level_of[number] = level
        waited_for = {*part.after, *part.unknown_after}
        self.is_plain = [part.after[number] < 0 and number not in waited_for for number in range(count)]
        """Of each, whether it neither waits for another operation of its client at the same instant, nor is waited for.
        """
        self.fresh: list[int] = []
        """Of each level, who was invoked since the last."""
        self.open: list[tuple[int, ...]] = []
        """Of each level the operations that are open, the first to be answered first."""
        self.writes: list[int] = []
        """Of each level the plain writes that are open."""
        self.exact: list[int] = []
        """Of each level those that are open and neither optional nor better done at once: what changes the register and
        is no plain write.
        """
        self.late: list[tuple[int, ...]] = []
        """Of each level the reads and failed compare-and-sets that are open and wait for another operation."""
        self._settled: list[dict[int, int]] = [{} for _ in range(count)]
        self._fill()
        self.dead_end = self._dead_end()

    def _fill(self) -> None:
        part, level_of = self.part, self.level_of
        called = sorted(range(len(part.known)), key=part.call_at.__getitem__)
        at, still_open = 0, list[int]()
        for level, answered in enumerate(self.answered):
            fresh = 0
            while at < len(called) and part.call_at[called[at]] < part.return_at[answered]:
                fresh |= part.is_open[called[at]]
                still_open.append(called[at])
                at += 1
            still_open = sorted((one for one in still_open if level_of[one] >= level), key=level_of.__getitem__)
            self.fresh.append(fresh)
            self.open.append(tuple(still_open))
            self.writes.append(
                sum(part.is_open[one] for one in still_open if part.kind[one] == WRITE and self.is_plain[one])
            )
            self.exact.append(sum(part.is_open[one] for one in still_open if part.give[one] >= 0) & ~self.writes[-1])
            self.late.append(
                tuple(one for one in still_open if part.after[one] >= 0 and part.kind[one] in {READ, FAILED})
            )

    def _dead_end(self) -> int:
        """The first level that nobody gets past, since nobody ever gives what is asked for there; or none."""
        part = self.part
        first = {0: 0}
        for number, give in enumerate(part.give):
            if part.kind[number] in {WRITE, SWAP}:
                first[give] = min(first.get(give, part.events), part.call_at[number])
        for give, at in zip(part.unknown_give, part.unknown_at, strict=True):
            first[give] = min(first.get(give, part.events), at)
        for level, number in enumerate(self.answered):
            if part.kind[number] in {READ, SWAP} and part.return_at[number] < first.get(
                part.want[number], part.events + 1
            ):
                return level
        return len(self.answered)

    def fits(self, number: int, state: int) -> bool:
        """Whether it can be done now and changes nothing."""
        kind, want = self.part.kind[number], self.part.want[number]
        if kind == WRITE:
            return self.part.give[number] == state
        return want != state if kind == FAILED else kind == READ and want == state

    def settled(self, level: int, state: int) -> int:
        """Who of those that are open can be done when the register holds this, and changes nothing."""
        known = self._settled[level]
        if state not in known:
            plain, is_open, after = self.is_plain, self.part.is_open, self.part.after
            known[state] = sum(
                is_open[one]
                for one in self.open[level]
                if self.fits(one, state) and (plain[one] or (self.part.kind[one] != WRITE and after[one] < 0))
            )
        return known[state]
