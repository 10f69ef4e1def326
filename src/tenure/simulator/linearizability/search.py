"""The search for an order: Wing and Gong's, with Lowe's cache, and with writes that nobody sees left for later.

J. Wing and C. Gong, "Testing and Verifying Concurrent Objects", Journal of Parallel and Distributed Computing 17(1-2),
1993: take as next any operation that was invoked before the first answer that is left, and that the register can do
now; where none is left, take back the last. G. Lowe, "Testing for Linearizability", Concurrency and Computation
29(4), 2017: remember which operations were done and what the register held, and never search on from the same twice.
As with his just-in-time linearization, only operations that are open need to be remembered, and not all that were
done before.

These rules leave out orders that are not needed, since another one that fits is kept:

- What fits now and changes nothing is done at once. An order that does it later fits as well with it moved here.
- A write that is open while another is done, or while the register holds what it gives, may have been done just
  before that, unseen. So it becomes *optional*: until its answer it can still be done, once, and need not.
- A write is done only as the first answer that is left is its own, or if the very next operation can see it: else
  it could be optional, or be done later. The same holds of an operation whose outcome is unknown, which is optional
  from its invocation on.
- A write that gives what the register holds is done only if others become optional by it.
- Of operations that ask for the same and give the same, the one that is answered first is done first: else exchange
  them. Those of unknown outcome come last, by their invocations.
- What has fewer operations left that must be done, and more that can be, is at least as good.

A search that goes as deep as it can finds the order of a history that has one, mostly at once. Where that takes long
there may be none, and the search begins anew, answer by answer, with all that can be so far: only the best of it is
kept, and what came before is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tenure.simulator.history import Operation
from tenure.simulator.linearizability.levels import Levels
from tenure.simulator.linearizability.part import FAILED, WRITE, Part
from tenure.simulator.linearizability.verdict import Outcome

BYTES_OF_A_CONFIGURATION = 640
"""What remembering one takes at most, but for a bit for each unknown operation."""
BYTES_OF_A_WAY = 240
"""What is left of it when it is forgotten, since others came from there."""
STEPS_PER_LOOK = 256
"""So often a search looks at the clock."""
DEEP_STEPS = 2_000
DEEP_STEPS_PER_OPERATION = 3
"""So long a search goes as deep as it can. Of histories that have an order, most need one step or two an operation."""
NOBODY = 1 << 62
"""In a path: nothing was done but what changes nothing."""
Path = tuple["Path | None", int, int, int]
"""The order so far, from its end: what came before, the level, who of those that are open then was done or became
optional, and who was done after that (an unknown operation as ~number).
"""


class Budget:
    """What all searches of one check may take together. `left` tells of each limit what is left of it."""

    def __init__(self, *, until_s: float, steps: int, memory: int, clock: Callable[[], float]) -> None:
        self.until_s, self.steps, self.memory = until_s, steps, memory
        self.clock = clock

    def exhausted(self) -> str:
        """Which limit was reached; "" for none."""
        if self.steps <= 0:
            return "the limit of steps"
        if self.memory <= 0:
            return "the limit of memory"
        return "the limit of time" if self.clock() >= self.until_s else ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one search found."""

    outcome: Outcome
    steps: int
    order: tuple[Operation, ...]
    """Of what is linearizable, all; else as many as any order gets to."""
    blocked: int = -1
    """Of a violation, the known operation whose answer no order gets past."""
    holds: int = 0
    """The number of the value that the register holds after `order`."""
    why: str = ""


class Spot(msgspec.Struct, frozen=True, gc=False):
    """Where a search has come to."""

    level: int
    state: int
    """The number of the value that the register holds."""
    todo: int
    """Who of those that are open must still be done."""
    gone: int
    """Which plain writes of those that are open were done, and are not optional."""
    taken: int
    """Which unknown operations were done."""
    count: int
    """How many operations stand in the order so far."""
    path: Path | None


class Search:
    """One search through one part."""

    def __init__(self, part: Part, budget: Budget) -> None:
        self._part, self._budget = part, budget
        self._levels = Levels(part)
        self._end = len(part.known)
        self._width = max(part.is_open, default=1).bit_length()
        self._cost = BYTES_OF_A_CONFIGURATION + len(part.unknown) // 3
        self._steps = 0
        self._furthest: Spot | None = None
        self._seen: dict[tuple[int, int, int], list[int]] = {}

    def run(self) -> Found:
        """Search until an order is found, there is none, or a limit is reached."""
        why = self._budget.exhausted() if self._end else ""
        if why:
            return Found(outcome=Outcome.UNDECIDED, steps=0, order=(), why=why)
        memory = self._budget.memory
        found = self._deep(DEEP_STEPS + DEEP_STEPS_PER_OPERATION * self._end)
        if found is None:
            self._seen.clear()
            self._budget.memory = memory
            found = self._broad()
        return found

    def _deep(self, most: int) -> Found | None:
        """From one spot to the next, and back only where there is none; None after so many steps."""
        left = [self._start()]
        while left and self._steps < most:
            spot = left.pop()
            if spot.level == self._end:
                return self._linearizable(spot)
            if not self._is_new(spot):
                continue
            self._note(spot)
            if spot.level == self._levels.dead_end:
                return self._violated()
            moves = self._moves(spot)
            left += [self._after(spot, move) for move in reversed(moves)]
            why = self._spent(len(moves))
            if why:
                return Found(outcome=Outcome.UNDECIDED, steps=self._steps, order=(), why=why)
        return None if left else self._violated()

    def _broad(self) -> Found:
        """All spots of a level, and then those of the next."""
        start = self._start()
        self._is_new(start)
        self._note(start)
        levels = {start.level: [start]}
        while levels:
            level = min(levels)
            spots = levels.pop(level)
            if level == self._end:
                return self._linearizable(spots[0])
            self._forget(level)
            for spot in spots:  # grows while it is gone through
                if not self._is_best(spot):
                    continue
                self._note(spot)
                if level == self._levels.dead_end:
                    return self._violated()
                moves = self._moves(spot)
                for move in moves:
                    then = self._after(spot, move)
                    if self._is_new(then):
                        (spots if then.level == level else levels.setdefault(then.level, [])).append(then)
                why = self._spent(len(moves))
                if why:
                    return Found(outcome=Outcome.UNDECIDED, steps=self._steps, order=(), why=why)
        return self._violated()

    def _spent(self, steps: int) -> str:
        """Which limit is reached with so many steps more; "" for none."""
        budget, before = self._budget, self._steps
        self._steps += steps
        budget.steps -= steps
        is_look = before // STEPS_PER_LOOK != self._steps // STEPS_PER_LOOK
        return budget.exhausted() if is_look or budget.steps <= 0 or budget.memory <= 0 else ""

    def _linearizable(self, spot: Spot) -> Found:
        return Found(outcome=Outcome.LINEARIZABLE, steps=self._steps, order=self._order(spot.path), holds=spot.state)

    def _violated(self) -> Found:
        spot = self._furthest
        assert spot is not None, "a history without a known operation is linearizable"
        return Found(
            outcome=Outcome.VIOLATION,
            steps=self._steps,
            order=self._order(spot.path),
            blocked=self._levels.answered[spot.level],
            holds=spot.state,
        )

    def _order(self, path: Path | None) -> tuple[Operation, ...]:
        """What was done, in its order; a write that became optional and was never seen stands where it did."""
        part, levels, nodes = self._part, self._levels, list[Path]()
        while path is not None:
            nodes.append(path)
            path = path[0]
        places: dict[int, None] = {}
        for _, level, mask, move in reversed(nodes):
            for number in levels.open[level]:
                if part.is_open[number] & mask:
                    places[number] = None
            if move != NOBODY:
                places.pop(move, None)
                places[move] = None
        return tuple(part.known[number] if number >= 0 else part.unknown[~number] for number in places)

    def _note(self, spot: Spot) -> None:
        """Remember who came furthest."""
        furthest = self._furthest
        if furthest is None or (spot.level, spot.count) > (furthest.level, furthest.count):
            self._furthest = spot

    @staticmethod
    def _key(level: int, state: int, exact: int) -> tuple[int, int, int]:
        return level, state, exact

    def _rank(self, spot: Spot) -> tuple[tuple[int, int, int], int]:
        """Of spots with the same key one is as good as another if its number has no bit that the other's has not."""
        exact = spot.todo & self._levels.exact[spot.level]
        return self._key(spot.level, spot.state, exact), self._lacks(spot.todo, spot.gone, spot.taken)

    def _lacks(self, todo: int, gone: int, taken: int) -> int:
        return todo | gone << self._width | taken << 2 * self._width

    def _is_new(self, spot: Spot) -> bool:
        """Whether nothing was found that is as good; what is not as good as this is forgotten."""
        if spot.level == self._end:
            return True
        key, lacks = self._rank(spot)
        known = self._seen.setdefault(key, [])
        for fewer in known:
            if fewer & lacks == fewer:
                return False
        known[:] = [one for one in known if one & lacks != lacks]
        known.append(lacks)
        self._budget.memory -= self._cost
        return True

    def _forget(self, until: int) -> None:
        """Forget the spots of levels before this one, but for the way that led to it."""
        past = [key for key in self._seen if key[0] < until]
        self._budget.memory += sum(len(self._seen.pop(key)) for key in past) * (self._cost - BYTES_OF_A_WAY)

    def _is_best(self, spot: Spot) -> bool:
        """Whether nothing better was found since it was."""
        key, lacks = self._rank(spot)
        return lacks in self._seen.get(key, ())

    def _start(self) -> Spot:
        return self._settled(Spot(0, 0, self._levels.fresh[0] if self._end else 0, 0, 0, 0, None))

    def _settled(self, spot: Spot) -> Spot:
        """Do what changes nothing, and go on to the level whose answer needs more than that."""
        levels, is_open, answered = self._levels, self._part.is_open, self._levels.answered
        level, state, todo, gone, count, path = spot.level, spot.state, spot.todo, spot.gone, spot.count, spot.path
        while level < self._end:
            done = todo & levels.settled(level, state)
            for number in levels.late[level]:
                bit = is_open[number]
                if todo & bit and levels.fits(number, state) and self._may_be(number, level, todo):
                    done |= bit
            if done:
                todo ^= done
                count += done.bit_count()
                path = (path, level, done, NOBODY)
                if levels.late[level]:
                    continue  # somebody may have waited for them
            bit = is_open[answered[level]]
            if todo & bit or levels.writes[level] & bit & ~gone:
                break
            gone &= ~bit
            level += 1
            if level < self._end:
                todo |= levels.fresh[level]
        return Spot(level, state, todo, gone, spot.taken, count, path)

    def _may_be(self, number: int, level: int, todo: int) -> bool:
        """Whether it waits for nobody."""
        return self._is_past(self._part.after[number], level, todo)

    def _is_past(self, number: int, level: int, todo: int) -> bool:
        return number < 0 or self._levels.level_of[number] < level or not todo & self._part.is_open[number]

    def _moves(self, spot: Spot) -> list[int]:
        """Who can be next, and may have to be."""
        part, levels = self._part, self._levels
        level, state, todo = spot.level, spot.state, spot.todo
        writes: dict[int, int] = {}
        wanted, swaps, moves, is_change_wanted = set[int](), set[int](), list[int](), False
        for number in levels.open[level]:
            kind, bit = part.kind[number], part.is_open[number]
            if kind == WRITE and levels.is_plain[number]:
                if not spot.gone & bit:
                    writes.setdefault(part.give[number], number)
            elif todo & bit and self._may_be(number, level, todo):
                if kind == WRITE:
                    moves.append(number)
                elif kind == FAILED:
                    is_change_wanted = True
                elif part.want[number] != state:
                    wanted.add(part.want[number])
                elif not levels.is_plain[number]:
                    swaps.add(-1)
                    moves.append(number)
                elif part.give[number] not in swaps:
                    swaps.add(part.give[number])
                    moves.append(number)
        if is_change_wanted:
            wanted |= self._given(writes)
        moves = [*self._givers(spot, wanted, writes, is_seen=bool(swaps)), *moves]
        first = levels.answered[level]
        bit = part.is_open[first]
        if levels.writes[level] & bit:
            if first not in moves:
                moves.append(first)
            if not todo & bit:
                moves.append(NOBODY)
        moves.sort(key=lambda number: number < 0)
        return moves

    def _given(self, writes: dict[int, int]) -> set[int]:
        """All that can be given, by these writes or by unknown operations."""
        return {*writes, *self._part.pools}

    def _givers(self, spot: Spot, wanted: set[int], writes: dict[int, int], *, is_seen: bool) -> list[int]:
        """Who may be next because somebody asks for what it gives; `is_seen`: also for what the register holds."""
        part, state, found = self._part, spot.state, list[int]()
        may_bury = bool(spot.todo & self._levels.writes[spot.level])
        values = list(wanted)
        for value in values:  # grows while it is gone through: who gives something may want another thing first
            if value == state:
                continue
            write, swap = writes.get(value), None
            for want, numbers in part.pools.get(value, ()):
                number = self._first_of(numbers, spot)
                if number is None:
                    continue
                if want < 0:
                    write = ~number if write is None else write
                elif want == state:
                    swap = ~number
                elif want not in wanted:
                    wanted.add(want)
                    values.append(want)
            if write is not None and (write >= 0 or swap is None or may_bury):
                found.append(write)
            if swap is not None:
                found.append(swap)
                is_seen = True
        if is_seen and may_bury:  # by the same value again
            write = writes.get(state)
            unknown = (self._first_of(numbers, spot) for want, numbers in part.pools.get(state, ()) if want < 0)
            found += [write] if write is not None else [~number for number in unknown if number is not None]
        return found

    def _first_of(self, numbers: Sequence[int], spot: Spot) -> int | None:
        """Of unknown operations that ask for the same and give the same, the one that can be done first."""
        part, until = self._part, self._part.return_at[self._levels.answered[spot.level]]
        for number in numbers:
            if part.unknown_at[number] > until:
                return None
            if not spot.taken >> number & 1 and self._is_past(part.unknown_after[number], spot.level, spot.todo):
                return number
        return None

    def _after(self, spot: Spot, move: int) -> Spot:
        """Where one is when this operation has been done."""
        part, levels, level = self._part, self._levels, spot.level
        todo, gone, taken, count = spot.todo, spot.gone, spot.taken, spot.count
        first = part.is_open[levels.answered[level]]
        if move == NOBODY:
            return self._settled(Spot(level, spot.state, todo, gone | first, taken, count, spot.path))
        if move < 0:
            is_write, state, bit = part.unknown_want[~move] < 0, part.unknown_give[~move], 0
            taken |= 1 << ~move
            count += 1
        else:
            is_write, state, bit = part.kind[move] == WRITE, part.give[move], part.is_open[move]
            if is_write and levels.is_plain[move]:
                gone |= bit
        done = todo & (levels.writes[level] | bit if is_write else bit)
        path = (spot.path, level, done, move)
        count += done.bit_count()
        if (
            levels.writes[level] & first & ~(todo | gone)
        ):  # what is not done before its answer could wait until after it
            todo |= first
            done &= ~first
            count -= 1
        return self._settled(Spot(level, state, todo ^ done, gone, taken, count, path))
