"""Drawn schedules of a few nodes under a majority lease: messages in any order, writes and wake-ups at any time.

Harsher than the simulator, since nothing has a latency: any message that was ever sent may arrive next, or again, and a
node that is not woken is paused. Clocks differ in rate and in what they show. Time is in units of a lease of 1,000.
`python -m tests.algorithms.lease_schedules --seeds 2000` prints what was violated, each with its seed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

from tenure.algorithms.majority_lease import Granted, MajorityLease, Settings
from tenure.core.effects import Authorised, Deposed, Persist, Recognised, Send
from tenure.core.elector import WishRefused
from tenure.core.events import (
    Asked,
    Event,
    Joined,
    Left,
    Message,
    Persisted,
    Received,
    Reconfigure,
    Record,
    Started,
    Trusted,
    Woke,
)
from tenure.durations import PPM
from tests.algorithms.said import Said

RHO_PPM = 250_000
SETTINGS = Settings(
    duration_ns=1000,
    renew_every_ns=100,
    rho_ppm=RHO_PPM,
    margin_ns=1,
    retry_ns=200,
    give_way_ns=1500,
    patience_ns=3000,
)
KIND = MajorityLease.over(Said)
MOST_UNDER_WAY = 60
STEPS = 600


class Cell:
    """One node: its clock, its disk, and its elector while it lives."""

    def __init__(self, number: int, chance: Random) -> None:
        self.number = number
        self.ppm = (-RHO_PPM, 0, RHO_PPM)[int(chance.random() * 3)]
        self.shown_ns = int(chance.random() * 10_000)
        self.records: dict[type[Record], Record] = {}
        self.elector: MajorityLease | None = None
        self.writing: list[tuple[int, Record]] = []
        self.waiting: list[Send] = []
        self.durable = 0
        self.life = 0

    def clock(self, true_ns: int) -> int:
        return self.shown_ns + true_ns * (PPM + self.ppm) // PPM

    def true_ns(self, clock_ns: int) -> int:
        """The first true instant at which the clock shows this."""
        return -(-(clock_ns - self.shown_ns) * PPM // (PPM + self.ppm))


class Schedule:
    """Nodes 1 to `nodes`, and what a seed lets happen to them; `violations` begin with a checker's name."""

    def __init__(self, seed: int, nodes: int = 3, settings: Settings = SETTINGS) -> None:
        self.chance = Random(f"{seed}/schedule")
        self.seed, self.settings = seed, settings
        self.now_ns = 0
        self.cells = {number: Cell(number, self.chance) for number in range(1, nodes + 1)}
        self.under_way: list[tuple[int, int, int, Message]] = []  # (sender, to, the receiver's life, message)
        self.ends_ns: list[int] = []  # when voters' leases may end, in true time
        self.held: dict[int, tuple[int, int]] = {}  # node: (token, until when of true time)
        self.tokens: list[int] = []
        self.deposed: list[tuple[int, int, str]] = []
        self.happened = Counter[str]()
        self.violations: list[str] = []
        for number in self.cells:
            self.start(number)

    # The driver

    def start(self, number: int) -> None:
        """A new life."""
        cell = self.cells[number]
        cell.life += 1
        chance = Random(f"{self.seed}/{number}/{cell.life}")
        make: Any = KIND
        cell.elector = make(number, self.cells, chance, self.settings)
        self.give(number, Started(tuple(cell.records.values())))

    def crash(self, number: int) -> None:
        """Of what was being written a first part may have been made durable; what the node sent may arrive still."""
        cell = self.cells[number]
        cell.elector = None
        for _, record in cell.writing[: int(self.chance.random() * (len(cell.writing) + 1))]:
            cell.records[type(record)] = record
        cell.writing, cell.waiting, cell.durable = [], [], 0
        self.held.pop(number, None)

    def give(self, number: int, event: Event) -> None:
        """Hand an event to a node that lives."""
        cell = self.cells[number]
        if cell.elector is None:
            return
        try:
            effects = cell.elector.handle(event, cell.clock(self.now_ns))
        except WishRefused:
            self.happened["wish refused"] += 1
            return
        for effect in effects:
            match effect:
                case Send():
                    cell.waiting.append(effect)
                case Persist(number=written, record=record):
                    cell.writing.append((written, record))
                case Authorised(token=token, deadline_ns=deadline_ns):
                    self._held(number, token, cell.true_ns(deadline_ns))
                case Deposed(token=token, why=why):
                    self._deposed(number, token, why)
                case Recognised():
                    ...
                case _:
                    raise AssertionError(f"no use for {effect}")
        self._let_go(cell)

    def sync(self, number: int) -> None:
        """The oldest record that is being written is durable now."""
        cell = self.cells[number]
        if cell.writing:
            cell.durable, record = cell.writing.pop(0)
            cell.records[type(record)] = record
            self._let_go(cell)
            self.give(number, Persisted(cell.durable))

    def deliver(self, index: int, *, keep: bool = False) -> None:
        """Hand over a message that is under way; with `keep` it will come again."""
        sender, to, life, message = self.under_way[index] if keep else self.under_way.pop(index)
        if self.cells[to].life == life:
            self.give(to, Received(sender, message))

    def wake(self, number: int) -> None:
        cell = self.cells[number]
        if cell.elector is not None and cell.elector.wake_ns <= cell.clock(self.now_ns):
            self.give(number, Woke())

    def _let_go(self, cell: Cell) -> None:
        ready = [send for send in cell.waiting if send.after <= cell.durable]
        cell.waiting = [send for send in cell.waiting if send.after > cell.durable]
        for send in ready:
            if send.to in self.cells:
                self.happened[type(send.message).__name__] += 1
                if isinstance(send.message, Granted):
                    self.ends_ns.append(cell.true_ns(cell.clock(self.now_ns) + self.settings.duration_ns))
                self.under_way.append((cell.number, send.to, self.cells[send.to].life, send.message))
        del self.under_way[:-MOST_UNDER_WAY]  # the oldest are lost
        del self.ends_ns[:-MOST_UNDER_WAY]

    # The checkers

    def _held(self, number: int, token: int, until_ns: int) -> None:
        for other, (others, others_until_ns) in self.held.items():
            if other != number and self.now_ns < min(until_ns, others_until_ns):
                self.violations.append(f"one-at-a-time: {number} under {token}, {other} under {others}")
        if number not in self.held or self.held[number][0] != token:
            self.happened["won"] += 1
            if self.tokens and token <= max(self.tokens):
                self.violations.append(f"tokens-grow: {number} won {token} after {max(self.tokens)}")
            self.tokens.append(token)
        elif self.now_ns >= self.held[number][1]:
            self.violations.append(f"own-deadline: {number} extended {token} after it had run out")
        self.held[number] = (token, until_ns)

    def _deposed(self, number: int, token: int, why: str) -> None:
        self.deposed.append((number, token, why))
        self.happened["ran out" if "run out" in why else why.split(" node", maxsplit=1)[0]] += 1
        if self.held.pop(number, (None, 0))[0] != token:
            self.violations.append(f"own-deadline: {number} was deposed from {token}, which it did not hold")

    def holders(self) -> list[int]:
        """Who may act now."""
        return [number for number, (_, until_ns) in self.held.items() if self.now_ns < until_ns]

    # What a seed lets happen

    def storm(self, steps: int = STEPS) -> None:
        """So many steps of anything."""
        for _ in range(steps):
            self._step()
            if self.violations:
                return

    def _number(self) -> int:
        return 1 + int(self.chance.random() * len(self.cells))

    def _step(self) -> None:
        drawn, number = self.chance.random(), self._number()
        if drawn < 0.55 and self.under_way:
            fresh = self.chance.random() < 0.7  # otherwise any, however old
            index = int(self.chance.random() * min(4, len(self.under_way))) + 1 if fresh else 0
            index = -index if index else int(self.chance.random() * len(self.under_way))
            self.deliver(index, keep=self.chance.random() < 0.2)
        elif drawn < 0.72:
            self.sync(number)
        elif drawn < 0.73:
            self.calm(int(self.chance.random() ** 2 * 1500), self._some())
        elif drawn < 0.75:
            self._attack(number)
        elif drawn < 0.79:
            self.now_ns += int(self.chance.random() ** 3 * 900)
        elif drawn < 0.945:
            self.wake(number)
        elif drawn < 0.96:
            self.give(number, Trusted(number if self.chance.random() < 0.8 else self._number()))
        elif drawn < 0.965:
            if self.under_way:
                self.under_way.pop(int(self.chance.random() * len(self.under_way)))
        elif drawn < 0.975:
            self._bounce(number)
        else:
            self._wish(number)

    def _some(self) -> frozenset[int]:
        return frozenset(peer for peer in self.cells if self.chance.random() < 0.7)

    def _attack(self, number: int) -> None:
        """Let somebody claim just when a voter's lease ends, or a little earlier or later, while others are cut off."""
        ahead = [end_ns for end_ns in self.ends_ns if end_ns > self.now_ns]
        if ahead and self.chance.random() < 0.8:
            end_ns = ahead[int(self.chance.random() * len(ahead))]
            self.now_ns = max(self.now_ns, end_ns + int(self.chance.random() * 10) - 5)
        self.give(number, Trusted(number))
        self.calm(30, self._some() | {number})

    def _bounce(self, number: int) -> None:
        """Crash who lives, and bring back who is down: at once in half of the cases."""
        if self.cells[number].elector is not None:
            self.happened["crash"] += 1
            self.crash(number)
            if self.chance.random() < 0.5:
                return
        self.happened["restart"] += 1
        self.start(number)

    def _wish(self, number: int) -> None:
        """Somebody is asked to step down, others are to vote, or gossip about members comes."""
        drawn = self.chance.random()
        if drawn < 0.2:
            self.give(number, Asked(None if self.chance.random() < 0.5 else self._number()))
        elif drawn < 0.5:
            peer = self._number()
            if peer != number:
                self.give(number, Left(peer) if self.chance.random() < 0.5 else Joined(peer))
        else:
            voters = tuple(peer for peer in self.cells if self.chance.random() < 0.5)
            for peer in self.cells:
                self.give(peer, Reconfigure(voters))

    # Calm

    def calm(self, for_ns: int, among: frozenset[int] | None = None) -> None:
        """For so long everything arrives in order and in time, between these nodes; the others are cut off."""
        among = frozenset(self.cells) if among is None else among
        end_ns = self.now_ns + for_ns
        while self.now_ns < end_ns and not self.violations:
            for number in sorted(among):
                while self.cells[number].writing:
                    self.sync(number)
                self.wake(number)
            arriving = [one for one in self.under_way if {one[0], one[1]} <= among]
            self.under_way = [one for one in self.under_way if not {one[0], one[1]} <= among]
            for sender, to, life, message in arriving:
                if self.cells[to].life == life:
                    self.give(to, Received(sender, message))
            self.now_ns += 20


def violations(seed: int, nodes: int = 0) -> list[str]:
    """What one seed shows: a storm, then calm in which each recognises another, and in which somebody holds."""
    schedule = Schedule(seed, nodes or 2 + seed % 4)
    schedule.storm()
    if not schedule.violations:
        for number, cell in schedule.cells.items():
            if cell.elector is None:
                schedule.start(number)
            schedule.give(number, Trusted(1 + number % len(schedule.cells)))
        schedule.calm(30_000)
        if not schedule.violations and not schedule.holders():
            schedule.violations.append("termination: nobody holds in the end")
        if not schedule.violations:
            flap(schedule)
    return schedule.violations


def flap(schedule: Schedule) -> None:
    """Another comes and goes, each time for less than the holder's patience with it: hazard C25."""
    (holder,) = schedule.holders()
    deposed = len(schedule.deposed)
    for _ in range(4):
        for leader in (1 + holder % len(schedule.cells), holder):
            schedule.give(holder, Trusted(leader))
            schedule.calm(SETTINGS.give_way_ns * PPM // (PPM + RHO_PPM) - 100)
    if schedule.deposed[deposed:]:
        schedule.violations.append(f"steady: {schedule.deposed[-1]}")


def found(seeds: range) -> Iterator[str]:
    """All violations of these seeds."""
    for seed in seeds:
        for line in violations(seed):
            yield f"{line}; again: python -m tests.algorithms.lease_schedules --seeds 1 --seed {seed}"


def main(arguments: list[str] | None = None) -> int:
    """What the command line asks for; 1 if anything was violated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    lines = list(found(range(options.seed, options.seed + options.seeds)))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
