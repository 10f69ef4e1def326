"""Preference with one rule taken away at a time, each with the check that sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

from tenure.algorithms.preference import Preference, Role, Stands
from tenure.core.elector import Elector
from tenure.core.events import Asked, NodeId
from tests.algorithms import preferring
from tests.algorithms.appointed import Obstinate, Stubborn

_compare = Preference._compare  # noqa: SLF001  a mutant wraps what it mutates


class Mutant(NamedTuple):
    """What stands in the place of a rule, and the check that notices."""

    attribute: str
    instead: Any
    check: Callable[[], str]

    @property
    def name(self) -> str:
        return str(self.instead.__name__)


def over_seeds(check: Callable[[int], str]) -> Callable[[], str]:
    """The check on ten seeds: the first objection."""

    def judged() -> str:
        return next(filter(None, (check(seed) for seed in range(10))), "")

    judged.__name__ = check.__name__
    return judged


def refused() -> str:
    """What would be refused is not asked."""
    return preferring.what_would_be_refused_is_not_asked(Stubborn)


def disobeyed() -> str:
    """What came to nothing is not asked again at once."""
    return preferring.what_would_be_refused_is_not_asked(Obstinate)


def asks_again_at_once(self: Preference, to: NodeId | None, now_ns: int) -> None:
    """Until it comes to a hand-over."""
    self._give(Asked(to), now_ns)


def no_delay(self: Preference, peer: NodeId) -> int:
    """Who is better is so at once."""
    return self._better_since_ns[peer]


def leadership_without_delay(self: Preference, peer: NodeId) -> int:
    """How long the leader has led is nothing to those who were better before."""
    return self._better_since_ns[peer] + self.settings.delay_ns


def suspicion_forgotten(self: Preference, now_ns: int) -> None:
    """A preferred node that is suspected is waited for."""
    self.suspects.clear()
    _compare(self, now_ns)


def new_life_goes_on(self: Preference, sender: NodeId, stands: Stands) -> None:
    """Who comes back is taken for who was there."""
    if sender in self.members:
        self.told[sender] = stands


def first_come(self: Preference) -> tuple[NodeId, int] | None:
    """Whoever has been better for long enough will do."""
    if self._leads_since_ns is None or not self._better_since_ns:
        return None
    return min(((peer, self._ripe_ns(peer)) for peer in self._better_since_ns), key=lambda due: (due[1], due[0]))


def compared_by(better: Callable[[Preference, NodeId, Stands], bool]) -> Callable[[Preference, int], None]:
    """The product's comparison with another order."""

    def compare(self: Preference, now_ns: int) -> None:
        above = {peer for peer, stands in self.told.items() if better(self, peer, stands)} - self.suspects
        self._better_since_ns = {peer: self._better_since_ns.get(peer, now_ns) for peer in sorted(above)}
        if not self._leads(now_ns):
            self._leads_since_ns, self.role = None, Role.FOLLOWING
        elif self._leads_since_ns is None:
            self._leads_since_ns = now_ns

    compare.__name__ = better.__name__
    return compare


@compared_by
def priority_before_freshness(self: Preference, peer: NodeId, stands: Stands) -> bool:
    """What the operator likes goes before what would be lost."""
    del peer
    mine, theirs = self.rating, stands.rating
    return (theirs.eligible, theirs.priority, theirs.freshness) > (mine.eligible, mine.priority, mine.freshness)


@compared_by
def eligibility_ignored(self: Preference, peer: NodeId, stands: Stands) -> bool:
    """Whoever was elected may lead."""
    del peer
    return (stands.rating.freshness, stands.rating.priority) > (self.rating.freshness, self.rating.priority)


@compared_by
def number_deposes(self: Preference, peer: NodeId, stands: Stands) -> bool:
    """Of equals the greater number takes over."""
    return (stands.rating, peer) > (self.rating, self.me)


_heir = Preference._heir  # noqa: SLF001  a mutant wraps what it mutates


def asks_what_is_refused(self: Preference) -> tuple[NodeId, int] | None:
    """The elector inside is asked, whatever it would say."""
    with patch.object(type(self.inner), "why_not", Elector.why_not):
        return _heir(self)


_flapping = over_seeds(preferring.flapping_changes_nothing)
_ineligible = over_seeds(preferring.an_ineligible_leader_gives_way)
MUTANTS = (
    Mutant("_ripe_ns", no_delay, _flapping),
    Mutant("_ripe_ns", no_delay, over_seeds(preferring.takeover_happens_once_and_in_time)),
    Mutant("_ripe_ns", leadership_without_delay, over_seeds(preferring.a_new_leadership_begins_the_delay_anew)),
    Mutant("_compare", suspicion_forgotten, _flapping),
    Mutant("_hear", new_life_goes_on, over_seeds(preferring.blinking_changes_nothing)),
    Mutant("_heir", first_come, _ineligible),
    Mutant("_compare", priority_before_freshness, over_seeds(preferring.freshness_beats_priority)),
    Mutant("_compare", eligibility_ignored, _ineligible),
    Mutant("_compare", number_deposes, over_seeds(preferring.the_number_alone_deposes_nobody)),
    Mutant("_heir", asks_what_is_refused, refused),
    Mutant("_yield", asks_again_at_once, disobeyed),
)
