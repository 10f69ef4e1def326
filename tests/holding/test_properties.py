"""What holds in every order of events: late, doubled, with numbers that nobody gave, and with jumps of time.

Each invariant below is one property, with its name in the failure. Hypothesis prints the steps that break it.
"""

from __future__ import annotations

import copy
import pickle

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tenure.durations import NEVER_NS
from tenure.errors import Reason
from tenure.holding import effects, events
from tenure.holding.budget import Budget
from tenure.holding.events import Verdict
from tenure.holding.phases import Phase
from tests.holding.rig import Rig
from tests.holding.stage import BUDGET, LEASELESS, S

RUNS = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,  # the machine is shared with other tests
    database=None,  # a run leaves no file behind; the failing steps are printed
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # the same
)
NO_BACKOFF = msgspec.structs.replace(BUDGET, backoff_ns=0)
NO_GRACE = msgspec.structs.replace(BUDGET, grace_ns=0)
IMPATIENT = msgspec.structs.replace(BUDGET, stall_after_ns=3 * S)
ACROSS_HOSTS = Budget.of(20, rho_ppm=100_000)
BUDGETS = st.sampled_from([BUDGET, ACROSS_HOSTS, LEASELESS, NO_BACKOFF, NO_GRACE, IMPATIENT])

jumps_ns = st.one_of(
    st.sampled_from([0, 1, S, 2 * S, 4 * S, 15 * S, 19 * S, 3600 * S]), st.integers(min_value=0, max_value=25 * S)
)
calls = st.one_of(st.integers(min_value=0, max_value=40), st.just(10**6))
verdicts = st.sampled_from(list(Verdict))
reasons = st.sampled_from([Reason.DEPOSED, Reason.BACKEND_GONE])
renewed_ns = st.sampled_from([20 * S, 20 * S, 17 * S, 1, 40 * S])


class AnyOrder(RuleBasedStateMachine):
    """One holder, told anything."""

    @initialize(
        budget=BUDGETS,
        floor=st.sampled_from([0, 0, 3]),
        delay_ns=st.sampled_from([0, 0, 5 * S, 30 * S]),
        wait_ns=st.sampled_from([None, None, 0, 1, 9 * S]),
        seed=st.integers(min_value=0, max_value=9),
        wins=st.sampled_from([True, True, False]),
    )
    def begin(self, *, budget: Budget, floor: int, delay_ns: int, wait_ns: int | None, seed: int, wins: bool) -> None:
        self.rig = Rig(budget, floor=floor, takeover_delay_ns=delay_ns, seed=seed)
        self.rig.give(events.Stand(wait_ns))
        if wins:
            self.rig.give(events.Won(1, self.rig.granted(floor + 1, lease_ns=self.rig.budget.lease_ns)))

    # What may happen

    @rule(jump_ns=jumps_ns)
    def time_passes(self, jump_ns: int) -> None:
        self.rig.now_ns += jump_ns
        self.rig.give(events.Woke())

    @rule(jump_ns=jumps_ns)
    def time_passes_and_nobody_looks(self, jump_ns: int) -> None:
        self.rig.now_ns += jump_ns

    @rule(early_ns=st.sampled_from([0, 1]))
    def the_timer_rings(self, early_ns: int) -> None:
        if self.rig.holder.wake_ns != NEVER_NS:
            self.rig.now_ns = max(self.rig.now_ns, self.rig.holder.wake_ns - early_ns)
        self.rig.give(events.Woke())

    @rule(early_ns=st.sampled_from([-1, 0, 1]))
    def the_deadline_comes(self, early_ns: int) -> None:
        if 0 < self.rig.holder.deadline_ns < NEVER_NS:
            self.rig.now_ns = max(self.rig.now_ns, self.rig.holder.deadline_ns - early_ns)

    @rule(
        token=st.integers(min_value=1, max_value=12),
        age_ns=st.sampled_from([0, 0, 0, S, 12 * S, 30 * S]),
        lease_ns=st.sampled_from([20 * S, 20 * S, 20 * S, 17 * S, None]),
        clean=st.booleans(),
        call=st.one_of(st.none(), st.none(), calls),
    )
    def a_win_is_told(self, token: int, age_ns: int, lease_ns: int | None, *, clean: bool, call: int | None) -> None:
        if self.rig.budget.lease_ns is None:
            lease_ns = None
        granted = self.rig.granted(token, age_ns=age_ns, lease_ns=lease_ns, clean=clean)
        self.rig.give(events.Won(self._latest(effects.Campaign, call), granted))

    @rule(call=st.one_of(st.none(), st.none(), calls), lease_ns=renewed_ns)
    def a_renewal_is_granted(self, call: int | None, lease_ns: int) -> None:
        self.rig.give(events.RenewalGranted(self._latest(effects.Renew, call), lease_ns))

    @rule(kind=st.sampled_from([effects.Campaign, effects.Renew, effects.Release]))
    def the_latest_call_fails(self, kind: type) -> None:
        self.rig.give(events.Failed(self._latest(kind, None), Verdict.UNKNOWN, "why"))

    @rule(age_ns=st.sampled_from([0, 0, S, 20 * S]))
    def the_owner_lives(self, age_ns: int) -> None:
        self.rig.give(events.OwnerTicked(self.rig.now_ns - age_ns))

    @rule(data=st.data(), what=st.sampled_from(["not won", "fails", "released", "deposed", "wish", "left"]))
    def something_ends(self, data: st.DataObject, what: str) -> None:
        """One rule for all of these, so that most runs live long enough for something to happen."""
        rig, call = self.rig, data.draw(st.one_of(st.none(), calls))
        match what:
            case "not won":
                rig.give(events.NotWon(self._latest(effects.Campaign, call)))
            case "fails":
                latest = self._latest(
                    data.draw(st.sampled_from([effects.Campaign, effects.Renew, effects.Release])), call
                )
                rig.give(events.Failed(latest, data.draw(verdicts), "why", data.draw(reasons)))
            case "released":
                rig.give(events.ReleaseDone(self._latest(effects.Release, call)))
            case "deposed":
                left_ns = data.draw(st.one_of(st.none(), st.integers(min_value=-5 * S, max_value=25 * S)))
                until_ns = None if left_ns is None else rig.now_ns + left_ns
                rig.give(events.Deposed(data.draw(reasons), "why", until_ns))
            case "wish":
                rig.give(events.Asked(events.Transfer("other") if data.draw(st.booleans()) else events.Resign()))
            case _:
                rig.give(events.BodyLeft())

    @rule()
    def an_early_wake_changes_nothing(self) -> None:
        """What is woken without need does nothing, so that a driver may look as often as it likes."""
        if self.rig.holder.wake_ns > self.rig.now_ns:
            before = copy.deepcopy(self.rig.holder)
            if before.is_valid(self.rig.now_ns) or before.phase is not Phase.LEADING:
                assert before.handle(events.Woke(), self.rig.now_ns) == []
                assert before.wake_ns == self.rig.holder.wake_ns

    def _latest(self, kind: type, call: int | None) -> int:
        if call is not None:
            return call
        return max((number for number, one in self.rig.calls.items() if isinstance(one, kind)), default=10**6)

    # What must hold

    @invariant()
    def deadline_never_moves_later_than_the_send_allows(self) -> None:
        assert self.rig.holder.deadline_ns <= max(self.rig.allowed_ns, 0)

    @invariant()
    def first_reason_stays(self) -> None:
        assert len(self.rig.reasons) <= 1
        assert {cancel.reason for cancel in self.rig.cancels} <= set(self.rig.reasons)

    @invariant()
    def no_release_while_the_body_runs(self) -> None:
        assert not self.rig.refused_release

    @invariant()
    def start_at_most_once_per_win(self) -> None:
        assert len(self.rig.started) <= 1

    @invariant()
    def told_to_stop_by_the_soft_deadline(self) -> None:
        if self.rig.running and self.rig.told_ns is None and self.rig.last_effects is not None:
            looked = self.rig.holder.wake_ns > self.rig.now_ns
            soft_ns = self.rig.holder.deadline_ns - self.rig.budget.grace_ns
            assert not looked or self.rig.holder.deadline_ns == NEVER_NS or self.rig.now_ns < soft_ns

    @invariant()
    def told_at_most_twice(self) -> None:
        assert [cancel.again for cancel in self.rig.cancels] in ([], [False], [False, True])

    @invariant()
    def valid_never_comes_back(self) -> None:
        assert not self.rig.came_back

    @invariant()
    def valid_never_beyond_the_deadline(self) -> None:
        assert not self.rig.holder.is_valid(max(self.rig.holder.deadline_ns, 0))

    @invariant()
    def overrun_once(self) -> None:
        assert self.rig.counts["Overrun"] <= 1

    @invariant()
    def given_up_once_and_never_after_a_start(self) -> None:
        assert self.rig.counts["GiveUp"] + len(self.rig.started) <= 1

    @invariant()
    def calls_in_flight_bounded(self) -> None:
        for kind in (effects.Campaign, effects.Renew, effects.Release):
            assert self.rig.open_of(kind) <= 1

    @invariant()
    def token_never_below_floor(self) -> None:
        assert all(token > self.rig.floor for token in self.rig.started)

    @invariant()
    def a_silent_owner_is_not_renewed(self) -> None:
        assert not self.rig.renewed_in_silence

    @invariant()
    def nothing_but_releases_after_the_end(self) -> None:
        assert self.rig.after_the_end == []

    def teardown(self) -> None:
        """Then the owner leaves, and nothing is answered: over soon, and every_win_is_released_or_led_exactly_once."""
        if hasattr(self, "rig"):
            self.rig.drain()
            assert self.rig.tokens == self.rig.given_back, "a win was neither led and released nor given back"
            assert self.rig.started == [token for token in self.rig.started if token in self.rig.tokens]
            assert self.rig.open_of(effects.Renew) == 0, "a renewal was left behind"


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = RUNS


moves = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=5 * S),
        st.one_of(
            st.builds(events.RenewalGranted, st.integers(min_value=2, max_value=30), st.just(20 * S)),
            st.builds(events.Failed, st.integers(min_value=2, max_value=30), verdicts, st.just("why")),
            st.just(events.Woke()),
            st.just(events.Asked(events.Resign())),
            st.just(events.BodyLeft()),
        ),
    ),
    max_size=40,
)


@settings(RUNS, max_examples=60)
@given(moves=moves, seed=st.integers(min_value=0, max_value=99))
def test_the_same_events_and_chance_give_the_same_effects(moves: list[tuple[int, events.Event]], seed: int) -> None:
    """A holder is a function of its events: two of them never differ."""
    one, other = Rig(BUDGET, seed=seed), Rig(BUDGET, seed=seed)
    for rig in (one, other):
        rig.give(events.Stand())
        rig.give(events.Won(1, rig.granted(7, lease_ns=20 * S)))
    for jump_ns, event in moves:
        one.now_ns += jump_ns
        other.now_ns += jump_ns
        assert one.give(event) == other.give(event)
        assert one.holder.wake_ns == other.holder.wake_ns
    assert pickle.dumps(one.holder) == pickle.dumps(other.holder)


@settings(RUNS, max_examples=60)
@given(moves=moves, budget=BUDGETS, seed=st.integers(min_value=0, max_value=99))
def test_wake_is_never_in_the_past_after_handling(
    moves: list[tuple[int, events.Event]], budget: Budget, seed: int
) -> None:
    """No event leaves a wake-up that is due already: a driver never turns round in a tight loop."""
    rig = Rig(budget, seed=seed)
    rig.give(events.Stand(90 * S))
    rig.give(events.Won(1, rig.granted(7, lease_ns=rig.budget.lease_ns)))
    for jump_ns, event in moves:
        rig.now_ns += jump_ns
        rig.give(event)
        assert rig.holder.wake_ns > rig.now_ns


@pytest.mark.parametrize("answered", ["never", "late", "failed"])
def test_memory_bounded(answered: str) -> None:
    """A thousand renewals that are never answered, late, or fail: the holder remembers no more than after ten."""
    rig = Rig(msgspec.structs.replace(BUDGET, lease_ns=10**6 * S))
    rig.give(events.Stand())
    rig.give(events.Won(1, rig.granted(7, lease_ns=10**6 * S)))
    sizes = []
    for turn in range(1000):
        rig.now_ns = rig.holder.wake_ns
        rig.give(events.OwnerTicked(rig.now_ns))
        late = max(rig.calls) - 3
        if answered == "late" and late > 1:
            rig.give(events.RenewalGranted(late, 10**6 * S))
        elif answered == "failed":
            rig.give(events.Failed(max(rig.calls), Verdict.UNKNOWN, "why"))
        if turn >= 10:
            sizes.append(rig.size())
    assert rig.counts["Renew"] > 300
    assert max(sizes) - max(sizes[:50]) < 50  # bytes: numbers grow longer, and that is all


def test_memory_bounded_while_standing() -> None:
    """A thousand campaigns that fail leave nothing behind either."""
    rig = Rig(BUDGET)
    rig.give(events.Stand())
    sizes = []
    for turn in range(1000):
        rig.give(events.Failed(max(rig.calls), Verdict.UNKNOWN, "why"))
        rig.now_ns = rig.holder.wake_ns
        rig.give(events.Woke())
        if turn >= 10:
            sizes.append(rig.size())
    assert max(sizes) - max(sizes[:50]) < 50  # bytes: numbers grow longer, and that is all
