"""The holder that ships, on every node of a group that gives authority: in storms, and over an elector of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar, TypeVar

import msgspec
import pytest

from tenure import trace
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.majority_lease.lease import Lease
from tenure.core.effects import Authorised, Deposed, Effect
from tenure.core.elector import Elector, WishRefused
from tenure.core.events import Asked, Event, Message, NodeId, Started
from tenure.core.model import Crashes, FaultModel, Guarantee, Links, Synchrony
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.simulator import Run, simulate
from tenure.simulator.holders import SHARE, body, member
from tenure.simulator.scenario import parse_script

STORMS = 50
"""Seeds for each algorithm, so that every end of a body is among them; thousands were run by hand."""
AUTHORITY_NS = 4 * NS_PER_S

R = TypeVar("R")


def records(run: Run, kind: type[R]) -> list[R]:
    """Those of one kind, in order."""
    assert run.trace is not None
    return [record for record in run.trace.records if isinstance(record, kind)]


@pytest.mark.parametrize("algorithm", ["bully+lease", "ring+lease", "paxos-lease", "raft"])
def test_storms_violate_nothing_and_everything_happens(algorithm: str) -> None:
    """Over each algorithm that gives authority no checker objects, and bodies end in every way; but Raft's leader steps
    down when no majority answers, which is before its tenure runs out.
    """
    found, fired, bodies, overruns, stalls = [], Counter[str](), 0, 0, 0
    for seed in range(STORMS):
        run = simulate(algorithm, nodes=3, seed=seed, holders=True, trace=False)
        found += [f"seed {seed}: {violation}" for violation in run.violations]
        fired.update(run.measures.rules)
        bodies += run.measures.bodies
        overruns += run.measures.overruns
        stalls += run.measures.stalls
    assert found == []
    reasons = {"expired", "stalled", "deposed"} - ({"expired"} if algorithm == "raft" else set())
    assert {reason for reason in reasons if not fired[f"told to stop: {reason}"]} == set()
    assert fired["told to stop: resigned"] + fired["told to stop: transferred"] > 0
    assert bodies > STORMS
    assert stalls == fired["told to stop: stalled"]
    assert overruns > 0


def test_a_holder_that_gives_way_at_once_meets_the_body_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant, and so the checker can fail: its own body is still to stop when that of the preferred node begins."""
    hold = MajorityLease._hold  # noqa: SLF001  a mutant replaces it

    def at_once(self: MajorityLease, lease: Lease, now_ns: int) -> None:
        hold(self, lease, now_ns)
        if now_ns >= self._give_way_ns:
            lease.deadline_ns = now_ns
            self._expire(now_ns)

    assert simulate("bully+lease", nodes=3, seed=6, holders=True, trace=False).violations == []
    monkeypatch.setattr(MajorityLease, "_hold", at_once)
    run = simulate("bully+lease", nodes=3, seed=6, holders=True, trace=False)
    assert {violation.checker for violation in run.violations} == {"one-runs"}


def test_the_same_seed_gives_the_same_bodies() -> None:
    """Holders and bodies draw from the seed alone."""
    one, other = (simulate("bully+lease", nodes=3, seed=5, until=20, holders=True) for _ in range(2))
    assert one.digest() == other.digest()
    assert one.measures.bodies > 0


def test_without_holders_there_are_no_bodies() -> None:
    """They are asked for."""
    run = simulate("bully+lease", nodes=3, seed=5, until=20)
    assert (run.measures.tenures > 0, run.measures.bodies) == (True, 0)


def test_what_gives_no_authority_holds_nothing() -> None:
    """The error says what does."""
    with pytest.raises(ConfigurationError, match=r"bully gives no authority to hold; give holders to bully\+lease"):
        simulate("bully", holders=True)


def test_a_body_leaves_before_its_elector_gives_way() -> None:
    """Whoever wishes that a node step down waits for the body, and the one that was named leads next."""
    script = "algorithm bully+lease\nnodes 1 2 3\nuntil 14s\nat 8s ask 3 to 1\nat 8s ask 2 to 1\n"
    seen = 0
    for seed in range(10):
        run = simulate(scenario=parse_script(script), seed=seed, holders=True)
        transfers = [told for told in records(run, trace.Told) if told.reason == "transferred"]
        for told in transfers[:1]:
            closed = next(one for one in records(run, trace.Closed) if one.token == told.token)
            lost = next(one for one in records(run, trace.Lost) if one.token == told.token)
            following = next((one for one in records(run, trace.Opened) if one.token > told.token), None)
            has_left = closed.at_ns <= lost.at_ns
            assert has_left or lost.at_ns >= told.hard_ns
            seen += has_left and following is not None and following.node == 1
    assert seen > 0


def test_the_new_records_are_read_as_they_were_written() -> None:
    """A trace of bodies goes to a file and back."""
    run = simulate("bully+lease", nodes=3, seed=5, until=20, holders=True)
    assert run.trace is not None
    assert trace.parse(trace.lines(run.trace)) == run.trace


# Over an elector of its own


class Settings(msgspec.Struct, frozen=True):
    """How often it refuses to step down."""

    refusals: int = 0


class Alone(Elector):
    """One node with authority for AUTHORITY_NS, renewed each second; asked, it steps down, and has a new token after
    three seconds.
    """

    name: ClassVar[str] = "alone"
    assumes: ClassVar[FaultModel] = FaultModel(
        synchrony=Synchrony.ASYNCHRONOUS, crashes=Crashes.STOP, links=Links.LOSSY, partitions=True, clock_drift=True
    )
    guarantees: ClassVar[frozenset[Guarantee]] = frozenset({Guarantee.ONE_AT_A_TIME, Guarantee.TOKENS_GROW})
    messages: ClassVar[tuple[type[Message], ...]] = ()

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        super().__init__(me, members, chance)
        self._refusals = (settings or Settings()).refusals
        self._token = 0
        self._until_ns = 0

    def handle(self, event: Event, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        if isinstance(event, Started):
            self.role, self.leader, self.wake_ns = "alone", self.me, now_ns
        if isinstance(event, Asked) and self._until_ns:
            if self._refusals:
                self._refusals -= 1
                raise WishRefused("there is nobody else")
            self._until_ns, self.wake_ns = 0, now_ns + 3 * NS_PER_S
            return [Deposed(self._token, "was asked to step down")]
        if now_ns < self.wake_ns:
            return []
        ended = [Deposed(self._token, "ran out")] if 0 < self._until_ns <= now_ns else []
        self._token += bool(ended) or not self._until_ns
        self._until_ns, self.wake_ns = now_ns + AUTHORITY_NS, now_ns + NS_PER_S
        return [*ended, Authorised(self._token, self._until_ns)]


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Bodies that work on until they are told to stop, and then leave; to be made worse."""
    monkeypatch.setattr(body, "KINDS", ("prompt",))
    monkeypatch.setattr(body, "STALLS", 0)
    monkeypatch.setattr(body, "LONGEST_WORK", 1000)
    monkeypatch.setattr("tenure.simulator.holders.rider.BUSY", 0)
    return monkeypatch


def alone(script: str = "", *, refusals: int = 0) -> Run:
    """Twenty seconds of one node, on its own."""
    scenario = parse_script(f"nodes 1\nuntil 20s\n{script}")
    return simulate(Alone, scenario=scenario, holders=True, detector="told", settings=Settings(refusals))


def test_a_body_works_for_as_long_as_its_elector_renews(bodies: pytest.MonkeyPatch) -> None:
    """Where nothing goes wrong one body is opened, extended with the authority, and never told to stop."""
    run = alone()
    assert run.violations == []
    assert (run.measures.tenures, run.measures.bodies) == (1, 1)
    assert records(run, trace.Told) == []
    given = [held.until_ns for held in records(run, trace.Held)]
    assert {opened.until_ns for opened in records(run, trace.Opened)} <= set(given)
    assert records(run, trace.Opened)[-1].until_ns >= given[-2]


def test_the_lease_is_learned_from_the_first_authority(bodies: pytest.MonkeyPatch) -> None:
    """A holder asks for a part of it, so that what is left right before a renewal is enough."""
    (stood,) = records(alone(), trace.Stood)
    assert stood.grace_ns == AUTHORITY_NS // SHARE // 4


def test_a_wish_is_heard_by_the_body_first(bodies: pytest.MonkeyPatch) -> None:
    """It is told, leaves, and only then the elector steps down; the next body has the next token."""
    run = alone("at 5s ask 1\n")
    (told,), (lost,) = records(run, trace.Told), records(run, trace.Lost)
    (closed,) = records(run, trace.Closed)
    assert (told.at_ns, told.reason) == (5 * NS_PER_S, "resigned")
    assert told.at_ns < closed.at_ns < lost.at_ns
    assert run.violations == []
    assert {opened.token for opened in records(run, trace.Opened)} == {1, 2}


def test_a_pause_freezes_the_body_and_its_authority_ends_meanwhile(bodies: pytest.MonkeyPatch) -> None:
    """It is told when the node goes on, leaves, and campaigns again. Its owner proved nothing for so long."""
    run = alone("at 5s pause 1 for 6s\n")
    (resumed,) = records(run, trace.Resumed)
    told = records(run, trace.Told)[0]
    assert (told.at_ns, told.reason) == (resumed.at_ns, "stalled")
    assert records(run, trace.Closed)[0].at_ns >= resumed.at_ns
    assert run.violations == []


def test_a_body_that_a_pause_keeps_from_leaving_is_an_overrun(bodies: pytest.MonkeyPatch) -> None:
    """It was told, and ran, frozen, at its hard deadline; when the node goes on that is reported before it leaves."""
    run = alone("at 5s ask 1\nat 5001ms pause 1 for 6s\n")
    (resumed,), (overran,) = records(run, trace.Resumed), records(run, trace.Overran)
    assert overran.at_ns == resumed.at_ns == records(run, trace.Closed)[0].at_ns
    assert run.violations == []


def test_a_crash_ends_a_body_without_a_word(bodies: pytest.MonkeyPatch) -> None:
    """Neither told nor closed: it is gone, and so is its holder."""
    run = alone("at 5s crash 1\n")
    assert (records(run, trace.Told), records(run, trace.Closed), records(run, trace.Released)) == ([], [], [])
    assert max(one.at_ns for one in records(run, trace.Renews)) < 5 * NS_PER_S
    assert run.violations == []


def test_a_silent_owner_loses_what_its_elector_goes_on_renewing(bodies: pytest.MonkeyPatch) -> None:
    """Its grant ends at the deadline that it was told last; then the elector steps down, whatever the body does."""
    bodies.setattr(body, "STALLS", 1)
    bodies.setattr(body, "LONGEST_WORK", 2)
    bodies.setattr(body, "LONGEST_STUCK", 1000)
    run = alone()
    (told,), (lost,) = records(run, trace.Told)[:1], records(run, trace.Lost)
    last = [opened for opened in records(run, trace.Opened) if opened.token == 1][-1]
    assert told.reason == "stalled"
    assert lost.at_ns == last.until_ns
    assert run.measures.stalls == 1
    assert run.measures.overruns == 1
    assert run.violations == []


def test_a_body_that_ignores_its_cancellation_is_an_overrun(bodies: pytest.MonkeyPatch) -> None:
    """It is renewed for its grace, reported at its hard deadline, and its elector steps down while it runs."""
    bodies.setattr(body, "KINDS", ("stuck",))
    bodies.setattr(body, "LONGEST_STUCK", 1000)
    run = alone("at 5s ask 1\n")
    (overran,), (lost,) = records(run, trace.Overran), records(run, trace.Lost)
    assert records(run, trace.Closed) == []
    assert 5 * NS_PER_S < overran.at_ns <= lost.at_ns
    assert run.violations == []


def test_an_elector_that_refuses_to_step_down_is_asked_again(bodies: pytest.MonkeyPatch) -> None:
    """Nobody is given its token a second time; once it has stepped down there is another."""
    run = alone("at 5s ask 1\n", refusals=9)
    (lost,) = records(run, trace.Lost)
    assert lost.at_ns > 5 * NS_PER_S + member.AGAIN_NS
    assert [opened.token for opened in records(run, trace.Opened)][-1] == 2
    assert run.refused["Asked"] == 9
    assert run.violations == []
