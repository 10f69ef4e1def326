"""A group of drivers on one event loop, with peers that hear one another at the next turn and disks that sync then."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, Self

from tenure.clock import BootClock
from tenure.core.elector import Elector
from tenure.core.events import NodeId, Record
from tenure.runtime.driver import Driver
from tenure.runtime.owner import Owner
from tenure.runtime.recorder import Recorder


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that is a coroutine, on a loop of its own."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class LoopDisk:
    """Keeps records as a storage does; `is_stalled`: what is begun from then on is never durable."""

    def __init__(self) -> None:
        self.records: dict[type[Record], Record] = {}
        self.is_stalled = False
        self.begun = 0
        """Records that it was given."""
        self.driver: Driver | None = None

    @property
    def kept(self) -> tuple[Record, ...]:
        return tuple(self.records.values())

    def write(self, number: int, record: Record) -> None:
        assert self.driver is not None
        self.begun += 1
        if not self.is_stalled:
            asyncio.get_running_loop().call_soon(self._sync, self.driver, number, record)

    def _sync(self, driver: Driver, number: int, record: Record) -> None:
        if driver is not self.driver:
            return
        earlier = self.records.get(type(record))
        self.records[type(record)] = record if earlier is None else record.over(earlier)
        driver.persisted(number)


class Group:
    """Drivers of one `kind` by number; each life has its own, and keeps its disk."""

    def __init__(self, kind: type[Elector], *settings: object, nodes: int = 3, traces: Path | None = None) -> None:
        self.kind, self.settings, self.traces = kind, settings, traces
        self.numbers = tuple(range(1, nodes + 1))
        self.disks = {number: LoopDisk() for number in self.numbers}
        self.drivers: dict[NodeId, Driver] = {}
        self.lives = dict.fromkeys(self.numbers, 0)
        self.cut = set[tuple[NodeId, NodeId]]()

    def start(self, number: NodeId, owner: Owner | None = None) -> Driver:
        make: Any = self.kind
        elector = make(number, self.numbers, Random(), *self.settings)
        self.lives[number] += 1
        clock, recorder = BootClock(), None
        if self.traces is not None:
            life = self.lives[number]
            recorder = Recorder(self.traces / f"{number}-{life}.jsonl", elector, life=life, clock=clock)
        driver = Driver(
            elector,
            disk=self.disks[number],
            post=lambda to, payload: self.post(number, to, payload),
            clock=clock,
            owner=owner,
            recorder=recorder,
        )
        self.disks[number].driver = self.drivers[number] = driver
        driver.start()
        return driver

    def start_all(self, *owners: Owner) -> None:
        for place, number in enumerate(self.numbers):
            self.start(number, owners[place] if owners else None)

    def kill(self, number: NodeId) -> None:
        self.drivers.pop(number).stop()
        self.disks[number].driver = None

    def post(self, sender: NodeId, to: NodeId, payload: bytes) -> bool:
        if (sender, to) in self.cut or to not in self.drivers:
            return False
        asyncio.get_running_loop().call_soon(self._arrive, sender, to, payload)
        return True

    def _arrive(self, sender: NodeId, to: NodeId, payload: bytes) -> None:
        if to in self.drivers:
            self.drivers[to].receive(sender, payload)

    async def leader(self, within_s: float = 20) -> Driver:
        """The driver of the one that all living nodes take for their leader."""
        await self.until(lambda: self._agreed() in self.drivers, within_s)
        return self.drivers[self._agreed() or 0]

    def _agreed(self) -> NodeId | None:
        seen = {driver.elector.leader for driver in self.drivers.values()}
        return seen.pop() if len(seen) == 1 else None

    async def until(self, condition: Callable[[], bool], within_s: float = 30) -> None:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110  the condition is the electors' own, and rings no bell
                await asyncio.sleep(0.005)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for number in tuple(self.drivers):
            self.kill(number)
