"""The resolver of split brain with one rule taken away at a time, each with the check that sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from tenure.algorithms.split_brain import KeepMajority, SplitBrain, sides
from tenure.algorithms.split_brain.sight import Sight
from tenure.core.effects import Authorised, Effect, Recognised, Send, Side
from tests import mutation
from tests.algorithms import divided, test_sides

_become = SplitBrain._become  # noqa: SLF001  a mutant wraps what it mutates
_authorise, _pass_on, _look = SplitBrain._authorise, SplitBrain._pass_on, SplitBrain._look  # noqa: SLF001  the same


class Mutant(NamedTuple):
    """What stands in the place of a rule, and the check that notices."""

    owner: Any
    attribute: str
    instead: Any
    check: Callable[[], str]


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """The product with this mutation, for a while; runs are made anew."""
    divided.divided.cache_clear()
    try:
        with mutation.applied(mutant):
            yield
    finally:
        divided.divided.cache_clear()


def every_side_stays(self: KeepMajority, nodes: frozenset[int]) -> bool:
    """A partition is ignored: whoever is left goes on."""
    return bool(self.members & nodes)


def both_halves_stay(members: frozenset[int], side: frozenset[int]) -> bool:
    """Half of the members are enough, whichever half it is."""
    return 2 * len(members & side) >= len(members)


def quorum_of_any_group(members: frozenset[int], side: frozenset[int], size: int) -> bool:
    """Nobody looks whether there are too many members."""
    return len(members & side) >= size


def leads_on(self: SplitBrain) -> None:
    """Who steps down says so, and recognises the leader all the same."""
    self.term, leader = self.inner.term, self.inner.leader
    if leader != self.leader:
        self.leader = self.sight.leader = leader
        self._effects.append(Recognised(leader, self.term))


def hears_everybody(self: SplitBrain, side: Side, hears: frozenset[int], why: str, now_ns: int) -> None:
    """Who stays goes on to hear those that step down."""
    _become(self, side, frozenset(self.members) if side is Side.STAYS else hears, why, now_ns)


def starts_as_if_whole(self: SplitBrain, started: Any, now_ns: int) -> None:
    """Who starts takes it that nothing is wrong."""
    self._decided, self._hears = Side.WHOLE, frozenset(self.members)
    self._give(started, now_ns)
    self._life = self.chance.getrandbits(63)


def says_nothing(self: SplitBrain, side: Side, why: str) -> None:
    """Who steps down keeps it to itself."""
    del why
    self.side = side


def never_whole_again(self: SplitBrain) -> bool:
    """Who was apart is let in by nobody."""
    return self._decided in {None, Side.WHOLE}


def decides_at_once(self: SplitBrain, now_ns: int) -> None:
    """The first look decides."""
    self._meets = self.sight.known_meets() if self.sight.trouble() else self.sight.camps()
    self._since_ns = now_ns - self.settings.stable_after_ns


def left_to_itself(self: SplitBrain, now_ns: int) -> None:
    """Two leaders on one side are nobody's affair."""
    del self, now_ns


def whoever_meets_enough_stays(meets: dict[int, frozenset[int]], is_enough: Any) -> frozenset[int]:
    """Nobody asks whether those who meet enough meet one another."""
    return frozenset(node for node, met in meets.items() if is_enough(frozenset(met)))


def only_own_eyes(self: Sight) -> dict[int, frozenset[int]]:
    """Of those that it does not meet itself it believes nothing."""
    mine = self.meets
    return {**{peer: frozenset(self.views[peer].meets) for peer in mine if peer != self.me}, self.me: mine}


def what_is_spent_is_forgotten(self: SplitBrain, authorised: Authorised, token: int, now_ns: int) -> None:
    """Authority that was given up counts again."""
    self._spent = -1
    _authorise(self, authorised, token, now_ns)


def speaks_to_all(self: SplitBrain, effects: Sequence[Effect], now_ns: int) -> None:
    """What the elector inside says goes to whomever it names."""
    self._effects += [effect for effect in effects if isinstance(effect, Send)]
    _pass_on(self, [effect for effect in effects if not isinstance(effect, Send)], now_ns)


def own_sight_is_stable_enough(self: SplitBrain, now_ns: int) -> None:
    """What others see may change all the while."""
    _look(self, now_ns)
    self._since_ns = self._seen_since_ns


MUTANTS = (
    Mutant(Sight, "known_meets", only_own_eyes, divided.a_single_link_costs_one_node),
    Mutant(SplitBrain, "_authorise", what_is_spent_is_forgotten, divided.what_was_given_up_is_not_passed_on_again),
    Mutant(SplitBrain, "_pass_on", speaks_to_all, divided.who_stepped_down_is_silent_in_its_elector),
    Mutant(SplitBrain, "_look", own_sight_is_stable_enough, divided.what_others_see_must_be_stable_too),
    Mutant(SplitBrain, "_reconcile", left_to_itself, divided.leftovers_are_reconciled),
    Mutant(KeepMajority, "stays", every_side_stays, divided.one_side_leads),
    Mutant(test_sides, "is_majority", both_halves_stay, divided.rules_leave_one_side),
    Mutant(sides, "is_quorum", quorum_of_any_group, divided.a_quorum_that_two_could_have_keeps_nobody),
    Mutant(sides, "side_that_stays", whoever_meets_enough_stays, divided.rules_leave_one_side),
    Mutant(SplitBrain, "_show", leads_on, divided.one_side_leads),
    Mutant(SplitBrain, "_say", says_nothing, divided.one_side_leads),
    Mutant(SplitBrain, "_become", hears_everybody, divided.who_stays_hears_only_its_side),
    Mutant(SplitBrain, "_start", starts_as_if_whole, divided.who_restarts_on_the_losing_side_leads_nobody),
    Mutant(SplitBrain, "_is_let_in", never_whole_again, divided.whole_again_after_healing),
    Mutant(SplitBrain, "_look", decides_at_once, divided.a_short_cut_decides_nothing),
)
