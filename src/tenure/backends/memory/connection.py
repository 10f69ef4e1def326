"""The way from a process to a memory service and back, where injected faults wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar, assert_never

from tenure.backends.base import Gone
from tenure.backends.memory.bell import Bell, LoopTimer
from tenure.backends.memory.faults import Delay, Duplicate, Fail, Fault, Faults, Hang, LoseAnswer, LoseRequest, lost
from tenure.backends.memory.service import MemoryService
from tenure.errors import BackendError, StaleToken

T = TypeVar("T")
Act = Callable[[], T]


class Connection:
    """What one process sends to `service`, and what wakes those of its coroutines that wait."""

    def __init__(self, service: MemoryService, faults: Faults) -> None:
        self._service = service
        self._faults = faults
        self._timer = LoopTimer(service.clock.now_ns, service.tick)
        self._bells: set[Bell] = set()
        self._owed: dict[str, str] = {}
        """Campaigns that could not be withdrawn yet: the election of each nonce."""
        self._shut: Callable[[], BackendError] | None = None

    @contextmanager
    def bell(self) -> Iterator[Bell]:
        """A bell for one coroutine that waits; while there is one, the loop keeps the service's time."""
        self._raise_if_shut()
        bell = Bell()
        self._bells.add(bell)
        self._timer.start(self._service.connect(self, self._timer.earlier))
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    async def call(self, operation: str, election: str, candidate: str, act: Act[T]) -> T:
        """Carry `act` to the service and its answer back, through whatever fault is in the way."""
        self._raise_if_shut()
        for nonce in list(self._owed):
            self.withdraw(self._owed.pop(nonce), candidate, nonce)
        for faults in (self._faults, self._service.faults):
            fault = faults.take(operation, election, candidate)
            if fault is not None:
                return await self._through(fault, faults, operation, act)
        return await self._deliver(act)

    def withdraw(self, election: str, candidate: str, nonce: str) -> None:
        """Have the service take back the campaign `nonce`; what is in the way now is tried again with the next call."""
        if self._shut is not None:
            return
        own = self._faults.take("withdraw", election, candidate)
        match own or self._service.faults.take("withdraw", election, candidate):
            case None | Duplicate():
                act = partial(self._service.withdraw, election, nonce)
                if not self._service.when_resumed(act):
                    act()
            case Delay(request_s=request_s):
                self._service.alarm(request_s, partial(self._service.withdraw, election, nonce))
            case _:
                self._owed[nonce] = election

    def break_off(self, error: Callable[[], BackendError], *, for_good: bool) -> None:
        """Every call that waits fails; with `for_good` every later one too."""
        if for_good and self._shut is None:
            self._shut = error
        self._timer.stop()
        for bell in list(self._bells):
            bell.ring(error())
        self._service.disconnect(self)

    def forget(self, error: Callable[[], BackendError]) -> None:
        """In a forked child: touch nothing that the parent uses, above all not the service's lock."""
        self._shut = error
        self._bells = set()

    # ---------------------------------------------------------------------------------------------- on the way

    def _raise_if_shut(self) -> None:
        if self._shut is not None:
            raise self._shut()

    async def _deliver(self, act: Act[T]) -> T:
        while True:
            trip = _Trip(act)
            if not self._service.when_resumed(trip.arrived):
                return act()
            await self._travel(trip)

    async def _travel(self, trip: _Trip) -> None:
        with self.bell() as bell:
            trip.bell = bell
            try:
                while not trip.is_over:
                    await bell.wait()
            except asyncio.CancelledError:
                trip.is_abandoned = True
                raise

    async def _delay(self, seconds: float, act: Act[object] | None) -> None:
        if seconds > 0:
            trip = _Trip(act)
            self._service.alarm(seconds, trip.arrived)
            await self._travel(trip)

    async def _through(self, fault: Fault, faults: Faults, operation: str, act: Act[T]) -> T:
        match fault:
            case LoseRequest():
                raise lost(f"request to {operation}")
            case LoseAnswer():
                with suppress(BackendError, StaleToken, Gone):  # the answer, whatever it was, is lost
                    await self._deliver(act)
                raise lost(f"answer to {operation}")
            case Fail():
                raise fault.error.with_traceback(None)
            case Duplicate():
                answer = await self._deliver(act)
                with suppress(BackendError, StaleToken, Gone):  # nobody hears the second answer
                    act()
                return answer
            case Delay():
                await self._delay(fault.request_s, act)
                answer = await self._deliver(act)
                await self._delay(fault.answer_s, None)
                return answer
            case Hang(answered=True):
                answer = await self._deliver(act)
                await self._hang(fault, faults)
                return answer
            case Hang():
                await self._hang(fault, faults)
                return await self._deliver(act)
            case _:
                assert_never(fault)

    async def _hang(self, fault: Hang, faults: Faults) -> None:
        trip = _Trip(None)
        faults.when_cleared(trip.arrived)
        while True:
            try:
                await self._travel(trip)
            except asyncio.CancelledError:
                if not fault.stubborn:
                    raise
                trip.is_abandoned = False
            else:
                return


class _Trip:
    """A request or an answer under way. One whose sender gave up still arrives."""

    def __init__(self, act: Act[object] | None) -> None:
        self.is_abandoned = False
        self.is_over = False
        self.bell: Bell | None = None
        self._act = act

    def arrived(self) -> None:
        self.is_over = True
        if not self.is_abandoned:
            if self.bell is not None:
                self.bell.ring()
        elif self._act is not None:
            with suppress(BackendError, StaleToken, Gone):  # nobody hears the answer
                self._act()
