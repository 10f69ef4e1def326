"""What a lab does, as steps that are taken on an event loop (`front`) or on a thread (`blocking`).

A generator here yields whenever the keeper and the code under test are to do what is due, and how many seconds of real
time may pass meanwhile. Rules, each of which a test takes away:

 1. The clock stops at every instant at which the law has something to decide, and goes on only when that was done.
 2. It never goes past the hard deadline of work that was told to stop, nor past the instant at which an owner counts as
    silent, before that work, or owner, had `limit` seconds of real time.
 3. Every wait ends after `limit` seconds, with what was waited for and the state.
 4. A lab that is left with a candidacy that is not over, or with an overrun, says so; and ends them all.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Self, TypeVar

from tenure.backends import registry
from tenure.backends.base import Backend
from tenure.backends.memory import DEFAULT_LEASE_S, Fail, MemoryBackend, share
from tenure.clock import ManualClock
from tenure.durations import NS_PER_S, seconds, to_ns
from tenure.errors import BackendUnreachable, ConfigurationError, Reason
from tenure.holding import events
from tenure.holding.phases import Phase, State
from tenure.keeper import Keeper, Seat
from tenure.testing.ledger import Ledger
from tenure.testing.rival import Rival

_T = TypeVar("_T")
Steps = Generator[float, None, _T]

LIMIT_S = 5.0
"""Real time for what takes milliseconds on an idle machine."""
STEPS_LIMIT = 100_000
"""How often the clock may stop in one `advance`: with the usual lease that is more than three days."""
PAUSE_S = 0.001
"""Between two looks at something that has not come true yet."""

_numbers = itertools.count(1)


class Lab:
    """The part of both labs that waits for nothing but the keeper; each of its methods may be called from any thread,
    and from the inside of the code under test.
    """

    def __init__(self, *, lease: float | str = DEFAULT_LEASE_S, limit: float | str = LIMIT_S) -> None:
        self._limit_s = seconds(limit)
        self._clock = ManualClock()
        self._service = Ledger(f"lab-{os.getpid()}-{next(_numbers)}", self._clock)
        self.url = registry.resolve(f"memory://{self._service.name}?lease={seconds(lease):.9f}s").url
        """Give it to code that takes a URL; code that takes none finds it in TENURE_URL."""
        self.overruns: list[str] = []
        """Work that still ran at its hard deadline. Left like this it fails the test; clear what the test expects."""
        self._rivals: list[Rival] = []
        self._watched: set[Seat] = set()
        self._excused: set[Seat] = set()
        """Those whose overrun is the doing of a pause, or was told."""
        self._waits_here = False
        self._end_sharing: Callable[[], None] | None = None
        self._url_before: str | None = None

    def __enter__(self) -> Self:
        if self._end_sharing is not None:
            raise ConfigurationError("this lab was opened before; make another for another test")
        self._end_sharing = share(self._service)
        self._url_before = os.environ.get(registry.URL_VARIABLE)
        os.environ[registry.URL_VARIABLE] = self.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End everything; raises AssertionError for what the test should have ended itself."""
        if self._url_before is None:
            os.environ.pop(registry.URL_VARIABLE, None)
        else:
            os.environ[registry.URL_VARIABLE] = self._url_before
        complaint = "\n".join([*self._left_over(), *self.overruns])
        self._clear_away()
        if complaint and error is None:
            raise AssertionError(complaint)
        if complaint and error is not None:
            error.add_note(complaint)

    # Asked at any time

    def tokens(self, name: str | None = None) -> tuple[int, ...]:
        """The fencing tokens of the code under test, the oldest first; what others led with is left out."""
        election = self._only(name)
        return () if election is None else self._service.tokens(election)

    def revoke(self, name: str | None = None, reason: Reason = Reason.DEPOSED) -> None:
        """Take the tenure away. When this returns it is not valid any more, and its work is told to stop.

        It may be called from the inside of the code under test: between its check and its act.
        """
        seat = self._leading(name)
        self._service.revoke(seat.holder.election, reason, token=seat.holder.token)
        self._keep_until(lambda: seat.holder.reason is not None, f"{_named(seat)} to be lost")

    def lead_elsewhere(self, name: str, candidate: str = "elsewhere") -> int:
        """Let another candidate lead from now on; a tenure of the code under test is taken away. Returns its token."""
        rival = next((one for one in self._rivals if one.leads and one.election == name), None)
        if rival is None:
            rival = Rival(self._service, registry.checked_name(name), candidate)
            self._rivals.append(rival)
            self._keep_until(lambda: rival.leads or self._stands(rival), f"{candidate!r} to stand for {name!r}")
            seats = [seat for seat in self._seats(name) if seat.holder.phase is Phase.LEADING]
            self._keep_until(lambda: self._makes_way_for(rival), f"{candidate!r} to lead {name!r}")
            self._keep_until(lambda: all(seat.holder.reason is not None for seat in seats), "the loss to be known")
        assert rival.token is not None, "who leads has a token"
        return rival.token

    def pause(self, seconds: float | str) -> None:
        """Let time pass in which this whole process stands still, as in SIGSTOP, suspend or a page fault storm.

        No renewal is sent meanwhile, and the code under test does nothing; others may be elected. What it finds when
        it goes on is what a paused leader finds. That it ran past its deadline is no overrun: it could not help it.
        """
        pause_ns, now_ns = to_ns(seconds), self._clock.now_ns()
        paused = [seat for seat in self._seats() if seat.holder.proving]
        for seat in paused:
            if seat.owner.exits and seat.holder.hard_ns <= now_ns + pause_ns:
                raise AssertionError(_exiting(seat))
        self._excused.update(paused)
        self._clock.advance(pause_ns / NS_PER_S)
        self._hear()
        self._excused.difference_update(seat for seat in paused if seat.holder.reason is None)

    # Steps

    def _granting(self, name: str | None) -> Steps[int]:
        yield 0
        before = self.tokens(name)[-1:]
        for rival in tuple(self._rivals):
            if name in (None, rival.election):
                self._rivals.remove(rival)
                rival.go().result(self._limit_s)
        yield from self._until(lambda: self._only(name) is not None, "the code under test to stand for an election")
        yield from self._until(lambda: self._has_led(name, before), f"the code under test to lead {self._only(name)!r}")
        yield 0  # its body begins
        return self.tokens(name)[-1]

    def _failing(self, name: str | None) -> Steps[None]:
        seat = self._leading(name)
        error = BackendUnreachable("no answer to a renewal: the test has made this tenure uncertain")
        self._service.faults.add("renew", Fail(error), election=seat.holder.election)
        yield from self._passing(seat.holder.deadline_ns, lambda: self._state(seat) is not State.SAFE)
        if self._state(seat) is not State.UNCERTAIN:
            raise AssertionError(f"{_named(seat)} was to become uncertain\n{self._all()}")

    def _recovering(self) -> Steps[None]:
        self._service.faults.clear()
        seats = self._in(Phase.LEADING, None)
        until_ns = max((seat.holder.deadline_ns for seat in seats), default=0)
        yield from self._passing(until_ns, lambda: all(self._state(seat) is not State.UNCERTAIN for seat in seats))

    def _advancing(self, duration: float | str) -> Steps[None]:
        yield from self._passing(self._clock.now_ns() + to_ns(duration), lambda: False)

    def _stopping(self, name: str | None) -> Steps[None]:
        yield 0
        given = len(self.tokens(name))
        if given == 0 or given == len(self._in(Phase.LEADING, name)):
            raise AssertionError(f"no tenure has ended, so nothing was told to stop\n{self._all()}")
        yield from self._until(lambda: not self._in(Phase.ENDING, name), "work that was told to stop to leave its body")
        yield from self._until(lambda: not self._in(Phase.RELEASING, name), "a grant to be given back")

    def _standing(self, name: str | None) -> Steps[None]:
        yield from self._until(
            lambda: any(self._stands(seat) for seat in self._in(Phase.STANDING, name)),
            "the code under test to stand by",
        )

    def _passing(self, until_ns: int, enough: Callable[[], bool]) -> Steps[None]:
        """Let time pass until `until_ns`, or until it is `enough` (rules 1 and 2)."""
        tried: set[Seat] = set()
        for _ in range(STEPS_LIMIT):
            yield 0
            self._watch()
            now_ns = self._clock.now_ns()
            if now_ns >= until_ns or enough():
                return
            next_ns = min(self._next_ns(now_ns), until_ns)
            yield from self._given_time(next_ns, tried)
            self._clock.advance((next_ns - self._clock.now_ns()) / NS_PER_S)
        raise ConfigurationError(f"the clock stopped {STEPS_LIMIT} times on the way; advance it by less at once")

    def _next_ns(self, now_ns: int) -> int:
        """The next instant at which something is decided, or at which owners must have been asked whether they live."""
        seats = self._seats()
        due_ns = [seat.holder.wake_ns for seat in seats] + [self._service.next_ns() or 0]
        asked_ns = [now_ns + max(seat.holder.budget.stall_after_ns // 2, 1) for seat in seats if seat.holder.proving]
        return min([at_ns for at_ns in (*due_ns, *asked_ns) if at_ns > now_ns], default=now_ns + 3600 * NS_PER_S)

    def _given_time(self, next_ns: int, tried: set[Seat]) -> Steps[None]:
        end_s = time.monotonic() + self._limit_s
        while caught := [seat for seat in self._seats() if seat not in tried and _is_caught(seat, next_ns)]:
            for seat in caught:
                if self._waits_here and seat.owner.is_here():
                    if seat.holder.phase is Phase.ENDING:
                        raise AssertionError(
                            f"{_named(seat)} was told to stop, and this thread itself is in its body: leave that "
                            f"before time passes on (or pause() instead)\n{self._all()}"
                        )
                    tried.add(seat)
                elif time.monotonic() >= end_s:
                    if seat.holder.phase is Phase.ENDING and seat.owner.exits:
                        raise AssertionError(_exiting(seat))
                    tried.add(seat)
            yield PAUSE_S

    def _until(self, condition: Callable[[], object], what: str) -> Steps[None]:
        end_s = time.monotonic() + self._limit_s
        yield 0
        while not condition():
            if time.monotonic() >= end_s:
                raise AssertionError(self._in_vain(what))
            yield PAUSE_S

    # Looking

    def _seats(self, name: str | None = None) -> list[Seat]:
        """Every candidacy of the code under test that is not over, the oldest tenure first."""
        seats = [seat for seat in Keeper.current().seats if self._is_ours(seat.backend)]
        return sorted((s for s in seats if name in (None, s.holder.election)), key=lambda seat: seat.holder.token)

    def _in(self, phase: Phase, name: str | None) -> list[Seat]:
        return [seat for seat in self._seats(self._only(name)) if seat.holder.phase is phase]

    def _is_ours(self, backend: Backend) -> bool:
        return isinstance(backend, MemoryBackend) and backend.service is self._service

    def _only(self, name: str | None) -> str | None:
        """`name`, or the only election of this lab; None where there is none yet."""
        known = sorted({*self._service.elections(), *(seat.holder.election for seat in self._seats())})
        if name is None and len(known) > 1:
            raise ConfigurationError(f"this lab has the elections {', '.join(known)}: name the one that you mean")
        return name if name is not None else known[0] if known else None

    def _leading(self, name: str | None) -> Seat:
        leading = self._in(Phase.LEADING, name)
        if not leading:
            raise AssertionError(f"the code under test does not lead{f' {name!r}' if name else ''}\n{self._all()}")
        return leading[-1]

    def _stands(self, who: Seat | Rival) -> bool:
        election, candidate = (who.election, who.candidate) if isinstance(who, Rival) else _who(who)
        return any(one.candidate == candidate for one in self._service.read(election).candidates)

    def _makes_way_for(self, rival: Rival) -> bool:
        """Take the grant from the code under test, which may have been quicker; whether `rival` leads by now."""
        leader = self._service.read(rival.election).leader
        if leader is not None and leader.token in self._service.tokens(rival.election):
            self._service.revoke(rival.election, token=leader.token)
        return rival.leads

    def _has_led(self, name: str | None, before: tuple[int, ...]) -> bool:
        """Whether it leads now, or has led since its last token was `before`: work may be over as soon as it begins."""
        is_new = self.tokens(name)[-1:] != before and not self._in(Phase.HELD_BACK, name)
        return is_new or bool(self._in(Phase.LEADING, name))

    def _state(self, seat: Seat) -> State:
        return seat.holder.state(self._clock.now_ns())

    def _watch(self) -> None:
        self._watched.update(self._seats())
        for seat in tuple(self._watched):
            if seat.holder.overran and seat not in self._excused:
                self._excused.add(seat)
                self.overruns.append(f"{_named(seat)} overran: its work still ran at its hard deadline\n{_where(seat)}")
            if seat.holder.over:
                self._watched.discard(seat)
                self._excused.discard(seat)

    def _all(self) -> str:
        """The state of everything, for messages."""
        lines = []
        for election in sorted(self._service.elections()):
            leader = self._service.read(election).leader
            lines.append(f"{election}: " + (f"{leader.candidate} leads, token {leader.token}" if leader else "vacant"))
        for seat in self._seats():
            reason = f", lost ({seat.holder.reason.value})" if seat.holder.reason is not None else ""
            lines.append(f"{_named(seat)}: {seat.holder.phase.name}, {self._state(seat).name}{reason}\n{_where(seat)}")
        return "\n".join(lines) or "nobody of the code under test stands for any election at this lab's URL"

    def _in_vain(self, what: str) -> str:
        return f"waited {self._limit_s:g} s of real time in vain for {what}\n{self._all()}"

    # The keeper

    def _hear(self) -> None:
        """Return once the keeper has done all that it had to do."""
        for _ in range(2):
            Keeper.current().run(asyncio.sleep(0)).result(self._limit_s)

    def _keep_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for what the keeper does by itself; the thread that asks may be that of the code under test."""
        end_s = time.monotonic() + self._limit_s
        while not condition():
            if time.monotonic() >= end_s:
                raise AssertionError(self._in_vain(what))
            time.sleep(PAUSE_S / 2)
        self._hear()

    # The end (rule 4)

    def _left_over(self) -> list[str]:
        """What is not over, though whoever runs on another thread had its time to come to an end."""
        end_s = time.monotonic() + self._limit_s
        self._hear()
        while any(_may_end(seat) for seat in self._seats()) and time.monotonic() < end_s:
            time.sleep(PAUSE_S)
            self._hear()
        self._watch()
        return [
            f"{_named(seat)} is not over ({seat.holder.phase.name}): end what the test began, and wait for its end\n"
            f"{_where(seat)}"
            for seat in self._seats()
        ]

    def _clear_away(self) -> None:
        self._service.faults.clear()
        for seat in self._seats():
            seat.withdraw("its lab was closed")
        self._hear()
        for seat in self._seats():  # whoever runs it has gone, or will not go: it leads nothing any more
            seat.post(events.BodyLeft())
        self._hear()
        for rival in self._rivals:  # after them, or one of them would be elected
            rival.go().result(self._limit_s)
        if self._end_sharing is not None:
            self._end_sharing()
        Keeper.current().run(Keeper.current().forget(self._is_ours)).result(self._limit_s)


def _is_caught(seat: Seat, at_ns: int) -> bool:
    """Whether the law would hold it against its work, or its owner, that nothing was heard of it by `at_ns`."""
    if seat.holder.phase is Phase.ENDING and not seat.holder.overran and seat.holder.hard_ns <= at_ns:
        return True
    return seat.holder.phase is Phase.LEADING and seat.holder.silent_ns <= at_ns


def _may_end(seat: Seat) -> bool:
    """Whether it may come to its end while this thread waits."""
    return seat.holder.phase is Phase.RELEASING or (seat.owner.still_runs() and not seat.owner.is_here())


def _who(seat: Seat) -> tuple[str, str]:
    return seat.holder.election, seat.holder.candidate


def _named(seat: Seat) -> str:
    what = f"tenure {seat.holder.token}" if seat.holder.token else "the candidacy"
    return f"{what} of {seat.holder.election!r} by {seat.holder.candidate!r}"


def _where(seat: Seat) -> str:
    """Where its code waits; what this thread runs, if it is the same one, is the lab."""
    where = seat.owner.where()
    if seat.owner.is_here():
        where = where.partition("its thread runs\n")[0] or "on the thread of the test itself"
    return where.rstrip()


def _exiting(seat: Seat) -> str:
    return (
        f'{_named(seat)} would end this process with code 75 now, as on_overrun="exit" says: its work still '
        f"runs at its hard deadline. Test that in a process of its own\n{_where(seat)}"
    )
