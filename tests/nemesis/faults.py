"""What is done to a group: faults drawn from a seed, two at a time, each of which ends by itself.

Every kind is drawn once before any is drawn again. Half of those that are done to a node are done to whoever leads.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tenure import trace
from tenure.errors import TenureError
from tenure.runtime.client import Client
from tenure.runtime.operations import HandOver
from tests.nemesis.group import Group, numbered, remote

HANDS = 2
"""Faults at a time."""
LONGEST_REST_S = 2.0
"""Of a hand, between two faults."""
AHEAD_S = (0, 3600, 10**6)
"""How far the clock of a node that is started again may be ahead of the host's, where time namespaces may be made."""

ON_DISKS = ("slow disk", "failing disk", "full disk")
ON_LINKS = ("cut", "one-way cut", "stall", "delay", "reset")
BY_OPERATORS = ("transfer", "voters")
KINDS = ("kill", "pause", "terminate", *ON_DISKS, *ON_LINKS, *BY_OPERATORS)

Strike = Callable[[Random, str], Coroutine[Any, Any, None]]


class Nemesis:
    """Does harm to one group until it is told to end; writes a trace of it beside those of the nodes."""

    def __init__(self, group: Group, seed: str, only: Sequence[str] = ()) -> None:
        self._group, self._seed = group, seed
        self.struck = Counter[str]()
        """How often each kind was done."""
        strikes: dict[str, Strike] = {
            "kill": self._kill,
            "pause": self._pause,
            "terminate": self._terminate,
            "slow disk": self._slow_disk,
            "failing disk": self._failing_disk,
            "full disk": self._full_disk,
            "cut": self._cut,
            "one-way cut": self._cut_one_way,
            "stall": self._stall,
            "delay": self._delay,
            "reset": self._reset,
            "transfer": self._transfer,
            "voters": self._voters,
        }
        absent: tuple[str, ...] = () if group.links else ON_LINKS
        absent += () if group.kind.serves else BY_OPERATORS
        absent += ON_DISKS if group.kind.algorithm == "paxos-lease" else ()  # it keeps nothing
        self._strikes = {kind: strikes[kind] for kind in only or KINDS if kind not in absent}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = asyncio.Event()
        self._busy = set[str]()
        self._voters_change = asyncio.Lock()
        self._can_shift = os.geteuid() == 0 and shutil.which("unshare") is not None
        self.path = group.traces / "nemesis.jsonl"
        self._write(
            trace.Head(
                trace.VERSION, group.kind.traced, numbered(group), 0, 0, "", group.origin_ns + group.clock.now_ns()
            )
        )
        self._began_ns = group.clock.now_ns()

    @property
    def kinds(self) -> tuple[str, ...]:
        """All that it may do."""
        return tuple(self._strikes)

    def begin(self) -> None:
        for hand in range(HANDS):
            self._tasks.append(asyncio.create_task(self._hand(hand), name=f"nemesis {hand}"))

    async def end(self) -> None:
        """No more faults; those under way end first."""
        self._is_over.set()
        await asyncio.gather(*self._tasks)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def say(self, text: str) -> int:
        """Into its trace; at which instant."""
        at_ns = self._group.clock.now_ns() - self._began_ns
        self._write(trace.Struck(at_ns, text))
        return at_ns

    def phase(self, name: str) -> None:
        """The same for a phase of the run."""
        self._write(trace.Phase(self._group.clock.now_ns() - self._began_ns, name, numbered(self._group)))

    def _write(self, line: trace.Line) -> None:
        with self.path.open("ab") as file:
            file.write(trace.line(line))

    async def _hand(self, number: int) -> None:
        chance = Random(f"{self._seed}/hand/{number}")
        deck: list[str] = []
        while not self._is_over.is_set():
            if not deck:
                deck = list(self._strikes)
                chance.shuffle(deck)
            kind, name = deck.pop(), self._target(chance)
            if name is None:
                deck.append(kind)
            else:
                self.say(f"{kind} {name}")
                self.struck[kind] += 1
                self._busy.add(name)
                try:
                    await self._strikes[kind](chance, name)
                finally:
                    self._busy.discard(name)
                self.say(f"{kind} {name} is over")
            await self._rest(chance.random() * LONGEST_REST_S)

    def _target(self, chance: Random) -> str | None:
        """A node that runs, and to which nothing is done now.

        On a disk that is full before it runs it would not begin.
        """
        free = [name for name in self._group.names if name not in self._busy and self._group.is_up(name)]
        leader = self._group.holder()
        if not free:
            return None
        drawn = free[int(chance.random() * len(free))]
        return leader if leader in free and chance.random() < 0.5 else drawn

    async def _rest(self, seconds: float) -> None:
        """So long, or until all is to end."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_over.wait()
        except TimeoutError:
            return

    # What is done to processes

    async def _start_again(self, chance: Random, name: str) -> None:
        await self._rest(chance.random() * 3)
        if self._can_shift:
            self._group.ahead_s[name] = chance.choice(AHEAD_S)
        await self._group.start(name)

    async def _kill(self, chance: Random, name: str) -> None:
        await self._group.kill(name)
        await self._start_again(chance, name)

    async def _terminate(self, chance: Random, name: str) -> None:
        await self._group.terminate(name)
        await self._start_again(chance, name)

    async def _pause(self, chance: Random, name: str) -> None:
        self._group.pause(name)
        await self._rest(0.2 + chance.random() * 5)
        self._group.resume(name)

    # To disks

    async def _slow_disk(self, chance: Random, name: str) -> None:
        orders = self._group.orders[name]
        orders.slow_s = 0.05 + chance.random() * 3
        await self._rest(2 + chance.random() * 4)
        orders.slow_s = 0

    async def _failing_disk(self, chance: Random, name: str) -> None:
        orders = self._group.orders[name]
        orders.fails = True
        has_ended = await self._group.await_failure(name, 3)
        orders.fails = False
        if has_ended:
            await self._start_again(chance, name)

    async def _full_disk(self, chance: Random, name: str) -> None:
        """Really full where this node has a disk of its own."""
        orders = self._group.orders[name]
        if not self._group.fill(name):
            orders.is_full = True
        await self._rest(2 + chance.random() * 4)
        orders.is_full = False
        self._group.make_room(name)

    # To links

    async def _cut(self, chance: Random, name: str) -> None:
        """From everybody, in both directions; connections break, or only fall silent."""
        await self._break(chance, [pair for pair in self._group.links if name in pair], chance.random() < 0.5)

    async def _cut_one_way(self, chance: Random, name: str) -> None:
        """It hears nobody, or is heard by nobody, or one link is gone."""
        pairs = list(self._group.links)
        what = int(chance.random() * 3)
        if what == 0:
            pairs = [pair for pair in pairs if pair[0] == name]
        elif what == 1:
            pairs = [pair for pair in pairs if pair[1] == name]
        else:
            pairs = [pairs[int(chance.random() * len(pairs))]]
        await self._break(chance, pairs, chance.random() < 0.5)

    async def _break(self, chance: Random, pairs: Sequence[tuple[str, str]], is_reset: bool) -> None:
        for pair in pairs:
            self._group.links[pair].cut() if is_reset else self._group.links[pair].stall()
        await self._rest(0.5 + chance.random() * 4)
        for pair in pairs:
            self._group.links[pair].heal()

    async def _stall(self, chance: Random, name: str) -> None:
        """For a little less than a time-out or so, so that what is late still counts."""
        pairs = [pair for pair in self._group.links if name in pair]
        for pair in pairs:
            self._group.links[pair].stall()
        await self._rest(0.3 + chance.random())
        for pair in pairs:
            self._group.links[pair].heal()

    async def _delay(self, chance: Random, name: str) -> None:
        for pair, link in self._group.links.items():
            if name in pair:
                link.delay_s = 0.01 + chance.random() * 0.4
        await self._rest(2 + chance.random() * 3)
        for link in self._group.links.values():
            link.delay_s = 0

    async def _reset(self, chance: Random, name: str) -> None:
        del chance
        for pair, link in self._group.links.items():
            if name in pair:
                link.reset()

    # By operators

    async def _transfer(self, chance: Random, name: str) -> None:
        """Whoever leads is asked to hand over to this node."""
        del chance
        leader = self._group.holder() or name
        try:
            async with asyncio.timeout(3), remote(self._group, [leader]) as group:
                await group.operate(self._group.number(leader), HandOver, self._group.number(name))
        except (TenureError, TimeoutError):
            return  # it does not lead, or cannot be asked now

    async def _voters(self, chance: Random, name: str) -> None:
        """This node becomes a learner for a while."""
        everybody, number = numbered(self._group), self._group.number(name)
        others = [one for one in self._group.names if one != name]
        async with self._voters_change:
            try:
                async with asyncio.timeout(10), remote(self._group, [*others, name]) as group:
                    client = Client(group)
                    rest = tuple(one for one in everybody if one != number)
                    await client.change_voters(rest, (number,), within_s=5)
            except (TenureError, TimeoutError):
                ...  # not now, or nobody knows: what is asked next puts it right
            await self._rest(chance.random() * 3)
            await restore_voters(self._group, 5)


async def restore_voters(group: Group, within_s: float) -> bool:
    """Let all vote; whether that is certain."""
    until_s = time.monotonic() + within_s
    while (left_s := until_s - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left_s), remote(group, list(group.names)) as way:
                await Client(way).change_voters(numbered(group), within_s=left_s)
        except (TenureError, TimeoutError):
            await asyncio.sleep(0.05)
            continue
        return True
    return False


def files_of(folder: Path) -> list[Path]:
    """All traces that were written there."""
    return sorted(folder.glob("*.jsonl"))
