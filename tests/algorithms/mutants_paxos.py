"""Paxos and PaxosLease with one rule taken away at a time, each with the checker that sees it and a schedule.

`python -m tests.algorithms.mutants_paxos` finds the seeds anew when the world has changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from tenure.algorithms import paxos, paxos_lease
from tenure.algorithms.paxos import Paxos
from tenure.algorithms.paxos_lease import PaxosLease
from tenure.core.effects import Send
from tenure.core.elector import Elector
from tenure.core.events import Asked, Persisted, Received, Suspected
from tenure.durations import PPM
from tests.algorithms.schedules import MS, Schedule
from tests.mutation import applied, name_of

Lease = paxos_lease.Settings
LEASE = Lease(lease_ns=5_000 * MS, renew_ns=1_000 * MS)
STEPS = 800


class Mutant(NamedTuple):
    """What stands in the place of a rule, and who notices in which run."""

    kind: type[Elector]
    owner: type
    attribute: str
    instead: Any
    checker: str
    schedule: int | Callable[[Schedule], None]
    """The seed of a drawn one, or one that is written."""
    ppm: int = 0
    rho_ppm: int = LEASE.rho_ppm
    nodes: int = 3

    @property
    def name(self) -> str:
        return name_of(self)


def violations(mutant: Mutant, schedule: int | Callable[[Schedule], None]) -> list[str]:
    """What the checkers object to in one schedule, each under its name."""
    seed = schedule if isinstance(schedule, int) else 1
    settings = msgspec.structs.replace(LEASE, rho_ppm=mutant.rho_ppm) if mutant.kind is PaxosLease else None
    group = Schedule(mutant.kind, seed, nodes=mutant.nodes, settings=settings, ppm=mutant.ppm)
    if isinstance(schedule, int):
        return group.run(STEPS)
    for node in group.places:
        group.sync(node)
    schedule(group)
    return group.objections


# The synod


def accepted_before_it_is_durable(self: Paxos, sender: int, ballot: int, value: int, now_ns: int) -> None:
    """A voter says that it has accepted, and writes it down meanwhile."""
    _accept(self, sender, ballot, value, now_ns)
    self._effects = [
        msgspec.structs.replace(effect, after=0) if isinstance(effect, Send) else effect for effect in self._effects
    ]


def promise_forgotten(self: Paxos, records: tuple[Any, ...], now_ns: int) -> None:
    """A new life knows what is decided, and neither what it promised nor what it accepted."""
    _start(self, tuple(msgspec.structs.replace(r, promised=0, accepted=0, value=None) for r in records), now_ns)


def ballots_begin_anew(self: Paxos, seen: int) -> int:
    """Each life counts its ballots from the first one on: hazard C24."""
    del seen
    used = getattr(self, "used", 0) + 1
    self.used = used  # type: ignore[attr-defined]  # a mutant is inside
    return used * len(self.voters) + self.voters.index(self.me)


def promises_counted(self: Paxos, voter: int, ballot: int, last: Any, now_ns: int) -> None:
    """Each message is an answer more, whoever sent it: hazard C3."""
    answers = self.proposal.answers if self.proposal else {}
    fresh = [other for other in self.voters if other not in answers]
    _promised(self, fresh[0] if voter in answers and fresh else voter, ballot, last, now_ns)


def accepted_counted(self: Paxos, voter: int, ballot: int) -> None:
    """The same in phase 2."""
    answers = self.proposal.answers if self.proposal else {}
    fresh = [other for other in self.voters if other not in answers]
    _accepted(self, fresh[0] if voter in answers and fresh else voter, ballot)


def own_value_proposed(self: Paxos, proposal: paxos.Proposal) -> int:
    """What voters have accepted is no concern of a new proposer."""
    del self
    return proposal.wanted


def accepts_below_its_promise(self: Paxos, sender: int, ballot: int, value: int, now_ns: int) -> None:
    """A promise to a greater ballot does not keep a voter from accepting a smaller one."""
    promised = self.ledger.promised
    self.ledger = msgspec.structs.replace(self.ledger, promised=min(promised, ballot))
    _accept(self, sender, ballot, value, now_ns)
    self.ledger = msgspec.structs.replace(self.ledger, promised=max(promised, ballot))


def late_promises_begin_phase_2_again(self: Paxos, voter: int, ballot: int, last: Any, now_ns: int) -> None:
    """Promises that come after a majority had promised are counted as well: one ballot may get two values."""
    if self.proposal is not None:
        self.proposal.value = None
    _promised(self, voter, ballot, last, now_ns)


def promised_ballots_are_not_seen(self: Paxos, ballot: int, now_ns: int) -> None:
    """Who has promised a ballot of another may propose under a smaller one."""
    del ballot
    self._pause(now_ns + 2 * self.settings.answer_ns)


# The lease


def live_lease_overwritten(self: PaxosLease, owner: Any, now_ns: int) -> bool:
    """A voter lends to whoever asks under the greatest ballot."""
    del self, owner, now_ns
    return True


def owner_is_a_node(self: PaxosLease, owner: tuple[int, int], now_ns: int) -> bool:
    """A new life of the owner takes over what was lent to the earlier one."""
    return now_ns >= self.loan.until_ns or (self.loan.owner or (None,))[0] == owner[0]


def timer_starts_at_the_answer(self: PaxosLease, proposal: paxos_lease.Proposal, now_ns: int) -> None:
    """The lease is counted from when a majority has said yes: hazard L10."""
    proposal.asked_ns = now_ns
    _own(self, proposal, now_ns)


def restarted_voter_lends_at_once(self: PaxosLease, records: tuple[Any, ...], now_ns: int) -> None:
    """A voter that comes back has lent nothing, as far as it knows: hazard C29."""
    _begin(self, records, now_ns)
    self.loan = paxos_lease.NO_LOAN


def silent_for_a_tick_less(self: PaxosLease, records: tuple[Any, ...], now_ns: int) -> None:
    """A voter that comes back lends nothing for as long as an owner counts, but one nanosecond."""
    _begin(self, records, now_ns)
    self.loan = msgspec.structs.replace(self.loan, until_ns=self.loan.until_ns - 1)


def release_names_no_ballot(self: PaxosLease, sender: int, message: paxos_lease.Released, now_ns: int) -> None:
    """A release ends whatever is lent to that owner now."""
    _released(self, sender, msgspec.structs.replace(message, ballot=max(message.ballot, self.loan.ballot)), now_ns)


def yeses_counted(self: PaxosLease, voter: int, ballot: int, now_ns: int) -> None:
    """Each message is an answer more, whoever sent it: hazard C3."""
    answers = self.proposal.answers if self.proposal else set()
    fresh = [other for other in self.voters if other not in answers]
    _lent(self, fresh[0] if voter in answers and fresh else voter, ballot, now_ns)


@property  # type: ignore[misc]  # a mutant is inside
def rho_left_out(self: paxos_lease.Settings) -> int:
    """The owner counts on all that was lent."""
    return self.lease_ns


@property  # type: ignore[misc]  # a mutant is inside
def only_the_owners_clock(self: paxos_lease.Settings) -> int:
    """The owner's clock may be slow, and no voter's fast."""
    return self.lease_ns * (PPM - self.rho_ppm) // PPM


@property  # type: ignore[misc]  # a mutant is inside
def only_the_voters_clock(self: paxos_lease.Settings) -> int:
    """A voter's clock may be fast, and the owner's not slow."""
    return self.lease_ns * PPM // (PPM + self.rho_ppm)


def own_promise_when_silent(self: PaxosLease, now_ns: int) -> None:
    """A node that comes back takes its own promise for granted, whatever it has lent before."""
    proposal = self.proposal
    if proposal is not None and self._durable >= proposal.record:
        vote = self._accepted if proposal.is_promised else self._promised
        vote(self.me, proposal.ballot, now_ns)


def lends_nothing_to_itself(self: PaxosLease, voter: int, ballot: int, now_ns: int) -> None:
    """Its own yes is no loan, so that it says yes to another at once."""
    loan = self.loan
    _agreed(self, voter, ballot, now_ns)
    self.loan = loan


def ballots_forgotten(self: PaxosLease, records: tuple[Any, ...], now_ns: int) -> None:
    """Diskless: a voter that comes back has promised nothing, and knows no ballot."""
    _begin(self, tuple(msgspec.structs.replace(record, ballot=0) for record in records), now_ns)


_start, _accept = Paxos._start, Paxos._accept  # noqa: SLF001  a mutant wraps what it mutates
_promised, _accepted = Paxos._promised, Paxos._accepted  # noqa: SLF001  the same
_begin, _own = PaxosLease._start, PaxosLease._own  # noqa: SLF001  the same
_released, _lent = PaxosLease._released, PaxosLease._accepted  # noqa: SLF001  the same
_agreed = PaxosLease._promised  # noqa: SLF001  the same

# Schedules that are written where drawn ones are rare


def propose(group: Schedule, node: int, *voters: int, twice: bool = False) -> None:
    """Phase 1: these voters promise; each answer comes twice more if wished."""
    for voter in voters:
        group.arrive(paxos.Prepare, node, voter)
        group.sync(voter)
        for again in (True, True, False) if twice else (False,):
            group.arrive(paxos.Promise, voter, node, again=again)
    group.sync(node)


def accept(group: Schedule, node: int, *voters: int, twice: bool = False) -> None:
    """Phase 2: these accept."""
    for voter in voters:
        group.arrive(paxos.Accept, node, voter)
        group.sync(voter)
        for again in (True, True, False) if twice else (False,):
            group.arrive(paxos.Accepted, voter, node, again=again)


def a_ballot_is_used_twice(group: Schedule) -> None:
    """Life 1 of the leader proposes node 2, and life 2 node 3; what is accepted for the one counts for the other."""
    for node in group.places:
        group.give(node, Received(node % 3 + 1, paxos.Decided(1, 1)))
        group.sync(node)
    group.under_way.clear()
    group.give(1, Asked(2))
    group.sync(1)
    group.arrive(paxos.Prepare, 1, 2)
    group.sync(2)
    group.arrive(paxos.Promise, 2, 1)
    group.arrive(paxos.Accept, 1, 2)
    group.sync(2)
    group.crash(1)
    group.start(1)
    group.give(1, Asked(3))
    group.sync(1)
    propose(group, 1, 3)
    group.arrive(paxos.Accepted, 2, 1)
    group.give(2, Suspected(1))
    group.wake_until(2, paxos.Prepare)
    propose(group, 2, 3)
    accept(group, 2, 3)


def a_promise_comes_twice(group: Schedule) -> None:
    """Two proposers of five believe to have a majority of promises, and have no voter in common."""
    group.wake_until(1, paxos.Prepare)
    propose(group, 1, 2, twice=True)
    accept(group, 1, 2, 5)
    group.wake_until(3, paxos.Prepare)
    propose(group, 3, 4, twice=True)
    accept(group, 3, 4, 5)


def an_acceptance_comes_twice(group: Schedule) -> None:
    """Two of five have accepted, and three others know nothing of it."""
    group.wake_until(1, paxos.Prepare)
    propose(group, 1, 2, 3)
    accept(group, 1, 2, twice=True)
    group.wake_until(4, paxos.Prepare)
    propose(group, 4, 3, 5)
    accept(group, 4, 3, 5)


def an_acceptance_is_outbid(group: Schedule) -> None:
    """A value waits under way to a voter that has promised more, and accepted another, meanwhile."""
    group.wake_until(1, paxos.Prepare)
    propose(group, 1, 2)
    group.wake_until(3, paxos.Prepare)
    propose(group, 3, 2)
    accept(group, 3, 2)
    accept(group, 1, 2)


def promises_come_late(group: Schedule) -> None:
    """Node 2 accepts the first value of a ballot, nodes 3 and 5 the second, which the late promises speak of."""
    group.wake_until(1, paxos.Prepare)
    propose(group, 1, 2, 3)
    group.wake_until(5, paxos.Prepare)
    for voter in (2, 3):
        group.arrive(paxos.Prepare, 5, voter)
        group.sync(voter)
        group.arrive(paxos.Promise, voter, 5, again=True)
    group.arrive(paxos.Accept, 5, 2)
    group.sync(2)
    for voter in (1, 4):
        group.arrive(paxos.Prepare, 5, voter)
        group.sync(voter)
    for voter in (1, 4, 3):
        group.arrive(paxos.Promise, voter, 5)
    group.sync(5)
    group.arrive(paxos.Accepted, 2, 5)
    accept(group, 5, 3)
    group.wake_until(4, paxos.Prepare)
    propose(group, 4, 2, 1)
    accept(group, 4, 2, 1)


def a_promise_is_outbid_from_below(group: Schedule) -> None:
    """Node 1 has promised a ballot of node 3, and is chosen by node 2, before node 3 hears of the promise."""
    group.wake_until(3, paxos.Prepare)
    group.arrive(paxos.Prepare, 3, 1)
    group.sync(1)
    group.wake_until(1, paxos.Prepare)
    propose(group, 1, 2)
    accept(group, 1, 2)
    group.arrive(paxos.Promise, 1, 3)
    accept(group, 3, 2)
    group.sync(3)


def own(group: Schedule, node: int, voter: int) -> None:
    """A node of three, which has heard of all ballots so far, asks to own the lease, with the help of one voter."""
    ballots = [place.elector.ledger.ballot for place in group.places.values() if isinstance(place.elector, PaxosLease)]
    group.give(node, Received(voter, paxos_lease.Refused(0, max(ballots))))
    group.wake_until(node, paxos_lease.Prepare)
    group.arrive(paxos_lease.Prepare, node, voter)
    group.sync(voter)
    group.arrive(paxos_lease.Promise, voter, node)
    group.arrive(paxos_lease.Accept, node, voter)
    group.sync(voter)
    group.arrive(paxos_lease.Accepted, voter, node)


def a_release_is_late(group: Schedule) -> None:
    """It arrives when its sender owns the lease again."""
    own(group, 1, 2)
    group.give(1, Asked())
    own(group, 1, 2)
    group.arrive(paxos_lease.Released, 1, 2)
    own(group, 3, 2)


def a_voter_restarts_at_once(group: Schedule) -> None:
    """It forgets what it has just lent, and is asked again in the last instant of that."""
    own(group, 1, 2)
    group.crash(2)
    group.start(2)
    group.sync(2)
    group.now_ns += LEASE.lease_ns - 1
    own(group, 3, 2)


def a_voter_comes_back_and_asks(group: Schedule) -> None:
    """It has helped another to own, and has forgotten it."""
    own(group, 3, 1)
    group.crash(1)
    group.start(1)
    group.sync(1)
    own(group, 1, 2)


def a_disk_says_late_that_it_has_written(group: Schedule) -> None:
    """Node 1 has come back, and asks just before its silence ends; it hears of its own write when that has ended."""
    group.crash(1)
    group.start(1)
    group.sync(1)
    until_ns = group.now_ns + LEASE.lease_ns
    group.now_ns = until_ns - LEASE.answer_ns // 2
    group.wake(1)
    group.sync(1, is_told=False)
    for voter in (2, 3):
        group.arrive(paxos_lease.Prepare, 1, voter)
        group.sync(voter)
        group.arrive(paxos_lease.Promise, voter, 1)
    group.now_ns = until_ns
    group.give(1, Persisted(group.places[1].synced))
    group.arrive(paxos_lease.Accept, 1, 2)
    group.sync(2)
    group.arrive(paxos_lease.Accepted, 2, 1)
    own(group, 3, 1)


def a_voters_clock_is_fast(group: Schedule) -> None:
    """That of the owner, node 3, is slow, and that of the voter, node 2, fast; both as far as is assumed."""
    own(group, 3, 2)
    elector = group.places[2].elector
    assert isinstance(elector, PaxosLease)
    group.now_ns = group.places[2].true(elector.loan.until_ns)
    own(group, 1, 2)


TERM, INSTANT, DEAD, TOKENS = "one-per-term", "one-at-a-time", "not beside the dead", "tokens-grow"
RHO_PPM = LEASE.rho_ppm
MUTANTS = (
    Mutant(Paxos, Paxos, "_accept", accepted_before_it_is_durable, TERM, 299),
    Mutant(Paxos, Paxos, "_start", promise_forgotten, TERM, 274),
    Mutant(Paxos, Paxos, "_value", own_value_proposed, TERM, 274),
    Mutant(Paxos, Paxos, "_next_ballot", ballots_begin_anew, TERM, a_ballot_is_used_twice),
    Mutant(Paxos, Paxos, "_promised", promises_counted, TERM, a_promise_comes_twice, nodes=5),
    Mutant(Paxos, Paxos, "_accepted", accepted_counted, TERM, an_acceptance_comes_twice, nodes=5),
    Mutant(Paxos, Paxos, "_accept", accepts_below_its_promise, TERM, an_acceptance_is_outbid),
    Mutant(Paxos, Paxos, "_promised", late_promises_begin_phase_2_again, TERM, promises_come_late, nodes=5),
    Mutant(Paxos, Paxos, "_yield", promised_ballots_are_not_seen, TERM, a_promise_is_outbid_from_below),
    Mutant(PaxosLease, PaxosLease, "_is_free_for", live_lease_overwritten, INSTANT, 0),
    Mutant(PaxosLease, PaxosLease, "_is_free_for", owner_is_a_node, DEAD, 26),
    Mutant(PaxosLease, PaxosLease, "_own", timer_starts_at_the_answer, INSTANT, 8892),
    Mutant(PaxosLease, PaxosLease, "_start", restarted_voter_lends_at_once, INSTANT, 42),
    Mutant(PaxosLease, PaxosLease, "_start", silent_for_a_tick_less, INSTANT, a_voter_restarts_at_once, rho_ppm=0),
    Mutant(PaxosLease, PaxosLease, "_released", release_names_no_ballot, INSTANT, a_release_is_late),
    Mutant(PaxosLease, PaxosLease, "_accepted", yeses_counted, INSTANT, 1408, nodes=5),
    Mutant(PaxosLease, PaxosLease, "_count_own", own_promise_when_silent, INSTANT, a_voter_comes_back_and_asks),
    Mutant(PaxosLease, PaxosLease, "_promised", lends_nothing_to_itself, INSTANT, a_disk_says_late_that_it_has_written),
    Mutant(PaxosLease, PaxosLease, "_start", ballots_forgotten, TOKENS, 153),
    Mutant(PaxosLease, Lease, "tenure_ns", rho_left_out, INSTANT, a_voters_clock_is_fast, ppm=RHO_PPM),
    Mutant(PaxosLease, Lease, "tenure_ns", only_the_owners_clock, INSTANT, a_voters_clock_is_fast, ppm=RHO_PPM),
    Mutant(PaxosLease, Lease, "tenure_ns", only_the_voters_clock, INSTANT, a_voters_clock_is_fast, ppm=RHO_PPM),
)


def main(names: list[str], most_seeds: int = 20_000) -> None:
    """Print for each mutant with a seed the first in which its checker sees it, beside the recorded one."""
    for mutant in MUTANTS:
        if not isinstance(mutant.schedule, int) or (names and mutant.name not in names):
            continue
        with applied(mutant):
            violated = ((seed, line) for seed in range(most_seeds) for line in violations(mutant, seed))
            found = next((seed for seed, line in violated if line.startswith(f"{mutant.checker}:")), None)
        sys.stdout.write(f"{mutant.name} -> {mutant.checker} -> {found} (recorded: {mutant.schedule})\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
