"""The search for an order: Wing and Gong's, with Lowe's cache.

J. Wing and C. Gong, "Testing and Verifying Concurrent Objects", Journal of Parallel and Distributed Computing 17(1-2),
1993: take as next any operation that was invoked before the first answer that is left, and that the register can do
now; where none is left, take back the last. G. Lowe, "Testing for Linearizability", Concurrency and Computation
29(4), 2017: remember which operations were done and what the register held, and never search on from the same twice.
As with his just-in-time linearization, only operations that are open need to be remembered, and not all that were
done before.

Four rules leave out orders that are not needed, since another one that fits is kept:

- What fits now and changes nothing is done at once. An order that does it later fits as well with it moved here.
- An operation whose outcome is unknown is done only if the very next one can see what it did: else leave it out.
- What needed fewer unknown operations to come to the same is at least as good.
- Of unknown operations that ask for the same, the one that was invoked first is done first: else exchange them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from tenure.simulator.history import Operation
from tenure.simulator.linearizability.part import FAILED, WRITE, Part
from tenure.simulator.linearizability.verdict import Outcome

BYTES_OF_A_CONFIGURATION = 320
"""What remembering one takes at most, but for a bit for each unknown operation."""
STEPS_PER_LOOK = 256
"""So often a search looks at the clock."""
Key = tuple[int, int, int]
"""Of a configuration: the first answer that is left, which operations are open that were not done yet, and what the
register holds. The unknown operations that were done are the rest of it.
"""
Path = tuple["Path | None", int, int, int]
"""The order so far, from its end: what came before, who was done last (an unknown operation as ~number), what the
register held before that, and how many it is. Whoever keeps one keeps it whole, at the price of a reference.
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


class Search:
    """One search through one part."""

    def __init__(self, part: Part, budget: Budget) -> None:
        self._part, self._budget = part, budget
        self._next = [*range(1, part.events + 2), 0]
        self._previous = [0, *range(part.events + 1)]
        for at in part.unknown_at:  # they have no answer, and are found by what they give
            self._unlink(at)
        self._left = len(part.known)
        self._done = bytearray(len(part.known))
        self._taken = 0
        self._state = 0
        self._path: Path | None = None
        self._seen: dict[Key, list[int]] = {}
        self._furthest = self._most = 0
        self._longest: tuple[Path | None, int] = (None, 0)
        self._cost = BYTES_OF_A_CONFIGURATION + len(part.unknown) // 6

    def run(self) -> Found:
        """Search until an order is found, there is none, or a limit is reached."""
        moves: list[Iterator[int]] = []
        steps, budget = 0, self._budget
        why = budget.exhausted()
        while self._left and not why:
            moves.append(iter(self._moves()))
            move = next(moves[-1], None)
            while move is None:
                moves.pop()
                if not moves:
                    return self._violated(steps)
                self._take_back()
                move = next(moves[-1], None)
            self._take(move)
            steps += 1
            budget.steps -= 1
            if steps % STEPS_PER_LOOK == 0 or budget.steps <= 0 or budget.memory <= 0:
                why = budget.exhausted() if self._left else ""
        if why:
            return Found(outcome=Outcome.UNDECIDED, steps=steps, order=(), why=why)
        return Found(outcome=Outcome.LINEARIZABLE, steps=steps, order=self._order(self._path), holds=self._state)

    def _violated(self, steps: int) -> Found:
        path, holds = self._longest
        return Found(
            outcome=Outcome.VIOLATION,
            steps=steps,
            order=self._order(path),
            blocked=self._part.return_at.index(self._furthest),
            holds=holds,
        )

    def _order(self, path: Path | None) -> tuple[Operation, ...]:
        part, found = self._part, list[Operation]()
        while path is not None:
            path, move, _, _ = path
            found.append(part.known[move] if move >= 0 else part.unknown[~move])
        return tuple(reversed(found))

    def _moves(self) -> Sequence[int]:
        """Who can be next; nobody where the search has been before."""
        part, state, after, done = self._part, self._state, self._part.after, self._done
        kinds, wants, called, follows = part.kind, part.want, part.called, self._next
        waiting, moves, wanted, is_change_wanted = 0, [], set[int](), False
        event = follows[0]
        while (number := called[event]) >= 0:
            waiting |= part.is_open[number]
            event = follows[event]
            if after[number] >= 0 and not done[after[number]]:
                continue
            kind = kinds[number]
            if kind == WRITE:
                moves.append(number)
            elif kind == FAILED:
                if wants[number] != state:
                    return (number,)
                is_change_wanted = True
            elif wants[number] != state:
                wanted.add(wants[number])
            elif part.give[number] < 0:
                return (number,)
            else:
                moves.append(number)
        if not self._is_new(self._key(event, waiting, state)):
            return ()
        if event >= self._furthest:
            self._note(event)
        if part.unknown:
            moves += self._unknown_moves(event, wanted, is_change_wanted=is_change_wanted)
        return moves

    @staticmethod
    def _key(first: int, waiting: int, state: int) -> Key:
        return first, waiting, state

    def _is_new(self, key: Key) -> bool:
        """Whether nothing was searched on from that is as good: the same with no other unknown operations done."""
        taken = self._taken
        known = self._seen.setdefault(key, [])
        for fewer in known:
            if fewer & taken == fewer:
                return False
        known.append(taken)
        self._budget.memory -= self._cost
        return True

    def _note(self, first: int) -> None:
        """Nobody has come further than this answer."""
        count = 0 if self._path is None else self._path[3]
        if first > self._furthest or count > self._most:
            self._furthest, self._most, self._longest = first, count, (self._path, self._state)

    def _unknown_moves(self, first: int, wanted: set[int], *, is_change_wanted: bool) -> list[int]:
        """Unknown operations that were invoked before the answer `first` and give what somebody wants to see next."""
        pools, found = self._part.pools, list[int]()
        values = list(pools) if is_change_wanted else [value for value in wanted if value in pools]
        for value in values:  # grows while it is gone through: who gives something may want another thing first
            if value == self._state:
                continue
            for want, numbers in pools[value]:
                number = self._first_of(numbers, first)
                if number is None:
                    continue
                if want in {-1, self._state}:
                    found.append(~number)
                elif want in pools and want not in values:
                    values.append(want)
        return found

    def _first_of(self, numbers: Sequence[int], first: int) -> int | None:
        part = self._part
        for number in numbers:
            if part.unknown_at[number] > first:
                return None
            after = part.unknown_after[number]
            if not self._taken >> number & 1 and (after < 0 or self._done[after]):
                return number
        return None

    def _take(self, move: int) -> None:
        """Let it be next."""
        part = self._part
        count = 1 if self._path is None else self._path[3] + 1
        self._path = (self._path, move, self._state, count)
        if move < 0:
            self._taken ^= 1 << ~move
            self._state = part.unknown_give[~move]
            return
        self._done[move] = 1
        self._left -= 1
        self._unlink(part.call_at[move])
        self._unlink(part.return_at[move])
        if part.give[move] >= 0:
            self._state = part.give[move]

    def _take_back(self) -> None:
        part = self._part
        assert self._path is not None, "there is a last one"
        self._path, move, self._state, _ = self._path
        if move < 0:
            self._taken ^= 1 << ~move
            return
        self._done[move] = 0
        self._left += 1
        self._link(part.return_at[move])
        self._link(part.call_at[move])

    def _unlink(self, at: int) -> None:
        before, behind = self._previous[at], self._next[at]
        self._next[before], self._previous[behind] = behind, before

    def _link(self, at: int) -> None:
        self._next[self._previous[at]] = self._previous[self._next[at]] = at
