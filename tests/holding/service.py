"""The service that grants leases, on a clock of its own, behind a network that loses, doubles and delays.

It is what a sound backend is: winning is one atomic step, tokens are minted in it, a lease ends on the service's clock
and not before its full length, whatever it is told by messages that were under way for long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenure.durations import NEVER_NS
from tenure.errors import Reason
from tenure.holding.events import (
    Asked,
    Deposed,
    Failed,
    Granted,
    ReleaseDone,
    RenewalGranted,
    Resign,
    Transfer,
    Verdict,
)
from tests.holding.world import DriftingClock, World

if TYPE_CHECKING:
    from tests.holding.candidate import Session
    from tests.holding.plan import Plan


@dataclass
class Held:
    """The grant that is out."""

    token: int
    session: Session
    call: int
    """The campaign that won it: the session and this are the nonce by which a repeated request finds its grant."""
    until_ns: int
    """On the service's clock; NEVER_NS without a lease."""
    lease_ns: int | None
    clean: bool
    revoked: bool = False


class Wire:
    """What lies between the candidates and the service, in both directions."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._cut: dict[tuple[int, str], int] = {}  # (candidate, direction) -> until when nothing passes

    def cut(self, index: int, direction: str, until_ns: int) -> None:
        self._cut[index, direction] = max(until_ns, self._cut.get((index, direction), 0))

    def carry(self, index: int, direction: str, arrive: Callable[..., None], *args: Any) -> None:
        """Bring a message to where it goes, or not, or twice, or late."""
        world, network, chance = self._world, self._plan.network, self._world.chance
        usual_ns = world.now_ns + chance.between(0, network.usual_ns)
        if world.now_ns >= self._plan.heal_ns:
            world.at(usual_ns, arrive, *args)
            return
        if self._cut.get((index, direction), 0) > world.now_ns:
            return
        if network.lost and chance.yes(network.lost):
            world.counts["fault: message lost"] += 1
            return
        doubled = bool(network.doubled) and chance.yes(network.doubled)
        world.counts["fault: message doubled"] += doubled
        for _ in range(1 + doubled):
            if network.late and chance.yes(network.late):
                world.counts["fault: message late"] += 1
                world.at(world.now_ns + chance.between(0, network.late_ns), arrive, *args)
            else:
                world.at(usual_ns, arrive, *args)


class LeaseService:
    """One election, its grant and its tokens."""

    def __init__(self, world: World, plan: Plan, wire: Wire, clock: DriftingClock) -> None:
        self.clock = clock
        self.token = plan.first_token
        self.held: Held | None = None
        self.grants: list[tuple[int, int, bool]] = []
        """Token, true instant and cleanness of every win."""
        self._world = world
        self._plan = plan
        self._wire = wire
        self._clean = True
        self._free_ns = 0  # on the service's clock: nobody wins before
        self._down_until_ns = 0
        self._waiting: dict[Session, int] = {}
        self._favoured: tuple[str, int] | None = None

    # What a candidate's client asks for

    def acquire(self, session: Session, call: int, sent_ns: int, once: bool) -> None:
        if not self._serves(session, call):
            return
        if self._plan.budget.lease_ns is None and session.died_ns is not None:
            return  # the kernel asks for nobody who is dead
        now_ns = self.clock.at(self._world.now_ns)
        held = self.held
        if (
            held is not None and (held.session, held.call) == (session, call) and not held.revoked
        ):  # its answer was lost
            held.until_ns = max(held.until_ns, self._until(now_ns, held.lease_ns))
            self._watch_the_end(held)
            self._answer(session, session.acquired, call, self._granted(held, sent_ns))
        elif held is None and now_ns >= self._free_ns and not self._keeps_for_another(session, now_ns):
            self._answer(session, session.acquired, call, self._granted(self._grant(session, call, now_ns), sent_ns))
        elif once:
            self._answer(session, session.taken, call)
        else:
            self._waiting[session] = call

    def renew(self, session: Session, call: int, token: int) -> None:
        if not self._serves(session, call):
            return
        held, now_ns = self.held, self.clock.at(self._world.now_ns)
        if held is None or held.token != token or held.revoked:
            reason = self._world.chance.pick((Reason.DEPOSED, Reason.BACKEND_GONE))
            self._answer(session, session.answered, Failed(call, Verdict.DEFINITE, "the grant is gone", reason))
            return
        assert held.lease_ns is not None, "a grant without a lease was renewed"
        lease_ns = self._length()
        assert lease_ns is not None
        # Never shortened: a holder counts on the former lease until it hears of the new one, which it may never.
        held.until_ns = max(held.until_ns, now_ns + lease_ns)
        self._watch_the_end(held)
        self._answer(session, session.answered, RenewalGranted(call, lease_ns))

    def release(self, session: Session, call: int, token: int, to: str | None) -> None:
        if not self._serves(session, call):
            return
        held = self.held
        if held is not None and held.token == token:
            if to is not None:
                self._favoured = (to, self.clock.at(self._world.now_ns) + self._plan.span_ns // 50)
            self._vacate(clean=True)
        self._answer(session, session.answered, ReleaseDone(call))

    # What happens to the service

    def died(self, session: Session) -> None:
        """A process ended. With a lease nobody notices; without, the kernel does at once."""
        self._waiting.pop(session, None)
        if self.held is not None and self.held.session is session and self.held.lease_ns is None:
            self._vacate(clean=False)

    def restart(self, lasts_ns: int) -> None:
        """Down, then up again: what was on its way is lost, and no lease ends before its full length."""
        self._down_until_ns = self._world.now_ns + lasts_ns
        self._world.at(self._down_until_ns, self._up)

    def _up(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for session in waiting:
            self._answer(session, session.vacant)
        if self.held is not None:
            self.held.until_ns = max(
                self.held.until_ns, self._until(self.clock.at(self._world.now_ns), self._plan.budget.lease_ns)
            )
            self._watch_the_end(self.held)

    def revoke(self) -> bool:
        """End the grant; nobody wins before its lease has run out, or before its body has left where it has none."""
        held = self.held
        if held is None or held.revoked:
            return False
        held.revoked = True
        if self._world.chance.yes(0.5):
            session, until_ns = held.session, None
            if held.lease_ns is not None and self._world.chance.yes(0.5):
                until_ns = session.holder.deadline_ns
            reason = self._world.chance.pick((Reason.DEPOSED, Reason.BACKEND_GONE))
            self._answer(session, session.hears, held.token, Deposed(reason, "revoked", until_ns))
        return True

    def wish(self, to: str | None) -> bool:
        if self.held is None:
            return False
        asked = Asked(Resign() if to is None else Transfer(to))
        self._answer(self.held.session, self.held.session.hears, self.held.token, asked)
        return True

    def wipe(self) -> None:
        """Everything is forgotten; as it must, the service waits out one longest lease before anybody wins."""
        self.held, self._clean, self.token = None, False, 0
        self._free_ns = self.clock.at(self._world.now_ns) + (self._plan.budget.lease_ns or 0)
        waiting, self._waiting = self._waiting, {}
        for session in waiting:
            self._world.at(self.clock.when(self._free_ns), session.vacant)

    # How it grants and ends

    def _serves(self, session: Session, call: int) -> bool:
        if self._world.now_ns < self._down_until_ns:
            return False
        healed = self._world.now_ns >= self._plan.heal_ns
        if not healed and self._plan.network.errors and self._world.chance.yes(self._plan.network.errors):
            self._world.counts["fault: error answered"] += 1
            refused = self._world.chance.yes(0.1) and session.is_campaign(call)
            verdict = Verdict.DEFINITE if refused else Verdict.UNKNOWN
            self._answer(session, session.answered, Failed(call, verdict, "an error of the service"))
            return False
        return True

    def _grant(self, session: Session, call: int, now_ns: int) -> Held:
        self.token += 1
        lease_ns = self._length()
        self.held = Held(self.token, session, call, self._until(now_ns, lease_ns), lease_ns, self._clean)
        self.grants.append((self.token, self._world.now_ns, self._clean))
        self._waiting.pop(session, None)
        self._watch_the_end(self.held)
        return self.held

    def _length(self) -> int | None:
        lease_ns = self._plan.budget.lease_ns
        often = self._plan.short_leases if self._world.now_ns < self._plan.heal_ns else 0.0
        if lease_ns is None or not often or not self._world.chance.yes(often):
            return lease_ns
        self._world.counts["fault: short lease"] += 1
        return lease_ns * self._world.chance.pick((5, 7, 9)) // 10

    @staticmethod
    def _until(now_ns: int, lease_ns: int | None) -> int:
        return NEVER_NS if lease_ns is None else now_ns + lease_ns

    @staticmethod
    def _granted(held: Held, sent_ns: int) -> Granted:
        return Granted(token=held.token, sent_ns=sent_ns, lease_ns=held.lease_ns, clean=held.clean)

    def _watch_the_end(self, held: Held) -> None:
        if held.until_ns != NEVER_NS:
            self._world.at(self.clock.when(held.until_ns), self._end_if_due, held)

    def _end_if_due(self, held: Held) -> None:
        if self._world.now_ns < self._down_until_ns:
            return  # after the restart it is watched anew
        if held is self.held and self.clock.at(self._world.now_ns) >= held.until_ns:
            self._world.counts["fault: lease ran out"] += 1
            self._vacate(clean=False)

    def _vacate(self, *, clean: bool) -> None:
        self.held, self._clean = None, clean
        waiting, self._waiting = self._waiting, {}
        for session in waiting:
            self._answer(session, session.vacant)

    def _keeps_for_another(self, session: Session, now_ns: int) -> bool:
        if self._favoured is None:
            return False
        name, until_ns = self._favoured
        if name == session.candidate.name or now_ns >= until_ns:
            self._favoured = None
            return False
        return True

    def _answer(self, session: Session, arrive: Callable[..., None], *args: Any) -> None:
        self._wire.carry(session.candidate.index, "answers", arrive, *args)
