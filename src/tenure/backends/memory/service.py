"""The service behind `memory://`: elections, queues, leases and tokens in one process, behind one lock.

Rules, each of which a test takes away:
  one     A grant is given only while none is held, to the first candidate of the queue that is awake.
  tokens  The token grows with every grant, and outlives it.
  expiry  A grant ends when its lease has run out on this service's clock; an expired lease is never renewed.
  offer   A vacancy wakes one candidate, not all of them. It must ask again, so that its lease counts from a request
          that left after it woke; one that does not ask within `patience` is passed over until it speaks.
  nonces  A withdrawn campaign is remembered, so that its request which arrives late takes nothing.
  wishes  A wish belongs to one token and ends with it.
  moved   Nobody is elected where an election has moved away from, until it is opened again.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable

from tenure.backends.base import TOKEN_LIMIT, Candidate, Gone, Grade, Leader, Moved, Reading, Scope
from tenure.backends.memory.alarms import Alarms
from tenure.backends.memory.bell import Bell
from tenure.backends.memory.faults import Faults
from tenure.backends.memory.record import ElectionRecord, Held, Timing, Waiter
from tenure.clock import BootClock, Clock
from tenure.durations import to_ns
from tenure.errors import BackendRefused, BackendUnreachable, Reason, StaleToken
from tenure.holding.events import Deposed, Transfer, Wish

_WITHDRAWN_KEPT = 4096
"""How many withdrawn nonces are remembered: a request behind 4,096 later withdrawals is in flight no more."""

_numbers = itertools.count(1)


class MemoryService:
    """A service that agrees with itself because it is one object; shared by backends, loops and threads.

    `clock` counts the leases; `patience` is how long a candidate that was woken may take to ask for the grant. `grade`
    and `scope` are what its backends claim: a test's service stands in for one that has more of both.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        clock: Clock | None = None,
        patience: float | str = 1.0,
        grade: Grade = "C",
        scope: Scope = "process",
    ) -> None:
        self.name = name if name is not None else f"unnamed-{next(_numbers)}"
        self.grade: Grade = grade
        self.scope: Scope = scope
        self.clock: Clock = clock if clock is not None else BootClock()
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        """Requests that reached the service, by operation."""
        self._lock = threading.RLock()  # reentrant: a signal handler may move a test's clock while it is held
        self._timing = Timing(self.clock, Alarms(self._retime), to_ns(patience))
        self._records: dict[str, ElectionRecord] = {}
        self._withdrawn: OrderedDict[str, None] = OrderedDict()
        self._arrivals = itertools.count()
        self._timers: dict[object, Callable[[int], None]] = {}
        self._until_resumed: list[Callable[[], object]] | None = None
        self.clock.on_move(self._moved)

    # ---------------------------------------------------------------------------------------------- operations

    def stand(self, owner: object, candidate: Candidate, *, lease_ns: int, once: bool, bell: Bell) -> Held | None:
        """Grant, if it is this candidate's turn; else None, and unless `once` the candidate waits in the queue."""
        with self._lock:
            record = self._enter("campaign", candidate.election)
            if candidate.nonce in self._withdrawn:
                return None
            if record.held is not None and record.held.candidate.nonce == candidate.nonce:
                return record.held  # a duplicate of the request that won
            self._refuse_moved(record)
            waiter = record.waiter(candidate.nonce)
            if waiter is None:
                waiter = Waiter(candidate, owner, bell, next(self._arrivals))
                record.join(waiter)
            waiter.asleep = False
            if record.held is None and record.turn() is waiter and not self._timing.is_quiet():
                return record.grant(waiter, lease_ns)
            if once:
                record.leave(waiter)
            return None

    def withdraw(self, election: str, nonce: str) -> None:
        """Give back whatever the campaign `nonce` has taken, or may take by a request that is still under way."""
        with self._lock:
            record = self._enter("withdraw", election)
            self._withdrawn[nonce] = None
            if len(self._withdrawn) > _WITHDRAWN_KEPT:
                self._withdrawn.popitem(last=False)
            if (waiter := record.waiter(nonce)) is not None:
                record.leave(waiter)
            elif (held := record.held) is not None and held.candidate.nonce == nonce:
                # nobody acted on this grant, so how the tenure before it ended still counts
                record.end(Deposed(Reason.RESIGNED, "the campaign was withdrawn"), clean=held.clean)

    def renew(self, held: Held) -> int:
        with self._lock:
            record = self._enter("renew", held.candidate.election)
            if record.held is not held:
                raise Gone(held.why_gone())
            held.expires_ns = self.clock.now_ns() + held.lease_ns
            return held.lease_ns

    def release(self, held: Held, to: str | None, *, acted: bool) -> None:
        with self._lock:
            record = self._enter("release", held.candidate.election)
            if record.held is held:
                reason = Reason.RESIGNED if to is None else Reason.TRANSFERRED
                record.end(Deposed(reason, "its leader released it"), clean=acted or held.clean, heir=to)

    def publish(self, held: Held, value: str) -> None:
        with self._lock:
            record = self._enter("publish", held.candidate.election)
            if record.held is held:
                held.value = value
                record.changed()
            elif record.token > held.token:
                raise StaleToken(held.token, record.token)
            else:
                raise Gone(held.why_gone())

    def read(self, election: str, operation: str = "read") -> Reading:
        with self._lock:
            record = self._enter(operation, election)
            self._refuse_moved(record)
            return record.reading()

    def elections(self) -> tuple[str, ...]:
        """Every election that anybody ever stood for."""
        with self._lock:
            self.requests["read"] += 1
            self.tick()
            return tuple(name for name, record in self._records.items() if record.was_stood_for)

    def ask(self, election: str, wish: Wish) -> Leader:
        with self._lock:
            record = self._enter("ask", election)
            self._refuse_moved(record)
            leader = record.reading().leader
            if record.held is None or leader is None:
                raise BackendRefused(f"nobody leads {election!r}, so there is nobody to ask; nothing was changed")
            standing = [each.candidate.name for each in record]
            if isinstance(wish, Transfer) and wish.to not in standing:
                raise BackendRefused(
                    f"no candidate {wish.to!r} stands for {election!r}, so {leader.candidate!r} was not asked; "
                    f"choose one of those who stand: {', '.join(standing) or 'nobody'}"
                )
            if wish not in record.held.wishes:
                record.held.wishes.append(wish)
                record.held.ring()
            return leader

    def floor(self, election: str, token: int) -> None:
        with self._lock:
            record = self._enter("floor", election)
            _refuse_led(record)
            if not record.token <= token < TOKEN_LIMIT:
                raise BackendRefused(
                    f"the floor {token} of {election!r} must be from {record.token}, the highest token given, "
                    f"to {TOKEN_LIMIT - 1}; nothing was changed"
                )
            record.token, record.moved_to = token, ""
            record.changed()

    def shut(self, election: str, token: int, url: str, *, clean: bool) -> int:
        with self._lock:
            record = self._enter("shut", election)
            _refuse_led(record)
            floor = max(token, record.token + 1)
            if floor >= TOKEN_LIMIT:
                raise BackendRefused(f"the tokens of {election!r} are at their end; nothing was changed")
            record.token = floor
            record.shut(url, clean=clean)
            return floor

    def retire(self, held: Held, url: str) -> None:
        with self._lock:
            record = self._enter("retire", held.candidate.election)
            if record.held is not held:
                raise Gone(held.why_gone())
            record.end(Deposed(Reason.RESIGNED, f"the election moved to {url}"), clean=held.clean)
            record.shut(url, clean=held.clean)

    # --------------------------------------------------------------------------------------- those who listen

    def news(self, held: Held, heard: int) -> list[Wish | Deposed]:
        """What the leader has not heard yet; it has heard `heard` wishes by now."""
        with self._lock:
            self._enter("attend", held.candidate.election)
            held.told = max(held.told, heard)
            return [held.ended] if held.ended is not None else list(held.wishes[held.told :])

    def attend(self, held: Held, bell: Bell) -> Callable[[], None]:
        """Ring `bell` when `held` gets a wish, or ends; returns what ends that."""
        return self._subscribe(held.attending, bell)

    def watch(self, election: str, bell: Bell) -> Callable[[], None]:
        """Ring `bell` at every change of `election`; returns what ends that."""
        with self._lock:
            return self._subscribe(self._record(election).watchers, bell)

    def _subscribe(self, bells: list[Bell], bell: Bell) -> Callable[[], None]:
        with self._lock:
            bells.append(bell)

        def end() -> None:
            with self._lock:
                if bell in bells:
                    bells.remove(bell)

        return end

    def when_resumed(self, run: Callable[[], object]) -> bool:
        """False unless the service is paused; then `run` is called when it goes on, holding its lock."""
        with self._lock:
            if self._until_resumed is None:
                return False
            self._until_resumed.append(run)
            return True

    def alarm(self, after_s: float, run: Callable[[], None]) -> None:
        """Run `run` so much later on this service's clock, holding its lock."""
        with self._lock:
            self._timing.alarms.set(self.clock.now_ns() + to_ns(after_s), run)

    def connect(self, owner: object, timer: Callable[[int], None]) -> int | None:
        """Call `timer(when_ns)` whenever the next alarm may be earlier; returns when it is due."""
        with self._lock:
            self._timers[owner] = timer
            return self.next_ns()

    def disconnect(self, owner: object) -> None:
        """A connection ended: who waits on it is gone at once, what is held lasts until its lease runs out.

        A closed connection is no proof that its owner has stopped.
        """
        with self._lock:
            self._timers.pop(owner, None)
            for record in self._records.values():
                for waiter in record:
                    if waiter.owner is owner:
                        record.leave(waiter)

    # -------------------------------------------------------------------------------- what a test may do to it

    def pause(self) -> None:
        """Stop answering, expiring and waking until `resume`, as a service that got SIGSTOP."""
        with self._lock:
            if self._until_resumed is None:
                self._until_resumed = []

    def resume(self) -> None:
        """Go on: first what has run out meanwhile, then the requests that wait."""
        with self._lock:
            waiting, self._until_resumed = self._until_resumed or [], None
            self.tick()
            self._retime()
            for run in waiting:
                run()

    def revoke(self, election: str, reason: Reason = Reason.DEPOSED, *, token: int | None = None) -> None:
        """Take the grant from whoever leads, or only from `token`; the next candidate wins at once."""
        with self._lock:
            record = self._enter("revoke", election)
            if record.held is not None and token in (None, record.held.token):
                record.end(Deposed(reason, "the service took the grant back"))

    def expire(self, election: str, candidate: str) -> None:
        """Let the sessions of every candidate of that name run out now, whether it leads or waits."""
        with self._lock:
            record = self._enter("expire", election)
            for waiter in record:
                if waiter.candidate.name == candidate:
                    waiter.bell.ring(BackendUnreachable(f"the session of {candidate!r} ran out while it waited"))
                    record.leave(waiter)
            if record.held is not None and record.held.candidate.name == candidate:
                record.end(Deposed(Reason.EXPIRED, "its session ran out"))

    def reset(self, *, hold_back: bool = True) -> None:
        """Forget everything, tokens too, as a service that was wiped or restored from an old backup (L34).

        With `hold_back` nobody wins before the longest lease ever granted has run out, since an old leader that was
        not reached trusts its own until then; without it the service is as careless as most are.
        """
        with self._lock:
            self._timing.born_clean = False
            until_ns = self.clock.now_ns() + self._timing.longest_lease_ns
            self._timing.quiet_until_ns = until_ns if hold_back else None
            deposed = Deposed(Reason.BACKEND_RESET, "the service was reset", until_ns if hold_back else None)
            for record in self._records.values():
                record.wipe(deposed, BackendUnreachable("the service was reset while this candidate waited"))
            if hold_back:
                self._timing.alarms.set(until_ns, self._offer_all)

    # ------------------------------------------------------------------------------------------------- inside

    def next_ns(self) -> int | None:
        """When the next alarm is due; None while there is none, and while the service is paused."""
        return None if self._until_resumed is not None else self._timing.alarms.next_ns()

    def tick(self) -> int | None:
        """Let everything happen that is due by now; returns when the next thing is."""
        with self._lock:
            if self._until_resumed is None:
                self._timing.alarms.run_due(self.clock.now_ns())
            return self.next_ns()

    def _moved(self) -> None:
        self.tick()

    def _retime(self) -> None:
        next_ns = self.next_ns()
        if next_ns is not None:
            for timer in self._timers.values():
                timer(next_ns)

    def _offer_all(self) -> None:
        for record in self._records.values():
            record.offer()

    def _refuse_moved(self, record: ElectionRecord) -> None:
        if record.moved_to:
            raise Moved(record.election, f"memory://{self.name}", record.moved_to, record.token)

    def _enter(self, operation: str, election: str) -> ElectionRecord:
        self.requests[operation] += 1
        self.tick()
        return self._record(election)

    def _record(self, election: str) -> ElectionRecord:
        record = self._records.get(election)
        if record is None:
            record = self._records[election] = ElectionRecord(election, self._timing)
        return record


def _refuse_led(record: ElectionRecord) -> None:
    if record.held is not None:
        raise BackendRefused(
            f"{record.held.candidate.name!r} leads {record.election!r} with token {record.token}; "
            "let it resign before its tokens are changed"
        )
