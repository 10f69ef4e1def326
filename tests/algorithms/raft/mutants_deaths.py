"""The rules of a leader's certain death, taken away one at a time: each with the checker or the test that sees it."""

# ruff: noqa: SLF001  a mutant does what it mutates in another way

from __future__ import annotations

from unittest.mock import patch

from tenure.algorithms.raft import Raft, Settings
from tenure.algorithms.raft.messages import Canvass, Leadership, RequestVote
from tenure.core.events import Demand, Event, NodeId, PeerLost
from tenure.simulator import Surroundings
from tenure.simulator.network import MS
from tenure.simulator.news import News
from tenure.simulator.node import SimulatedNode
from tests.algorithms.raft import test_deaths
from tests.algorithms.raft.mutants import Caught, Mutant, report

bury, refuse, step_down = Raft._bury, Raft._refuse, Raft._step_down


def believe_anybody(self: Raft, candidate: NodeId, asked: Canvass | RequestVote, now_ns: int) -> None:
    """A voter takes any question for a sign that its leader is dead."""
    del candidate, asked
    if self.promised_to is not None:
        self._bury(now_ns)


def believe_whoever_says_so(self: Raft, one: NodeId, other: NodeId) -> bool:
    """A voter asks not whether the candidate can have been told."""
    del self, one, other
    return True


def take_silence_for_death(self: Raft) -> Leadership | None:
    """A candidate says of a leader of which it only heard nothing that it is dead."""
    return self.promised_to


def mourn_whoever_leads(self: Raft, peer: NodeId, now_ns: int) -> None:
    """News of anybody's death, of an earlier leader's too, voids the promise to the leader of now."""
    if peer != self.me and self.promised_to is not None and not self._has_witnessed:
        self._has_witnessed = True
        self._bury(now_ns)
        if self.may_lead and self.term == self.promised_to.term:
            self._hurry(now_ns)


def tell_what_is_long_over(self: News, what: tuple[SimulatedNode, int, NodeId, int]) -> None:
    """A driver that breaks duty 9: it tells of an earlier life when a later one has been heard."""
    node, its_life, peer, _ = what
    if node.elector is not None and node.life == its_life:
        self.world.give(node, PeerLost(peer, certain=True))


def close_all_tenures(self: Raft, now_ns: int) -> None:
    """Those that the dead leader was waiting for itself are taken for over."""
    bury(self, now_ns)
    self.tenure_until_ns = now_ns


def pass_rumours_on(self: Raft, now_ns: int) -> None:
    """Who believes a candidate says it to others as if it had been told itself."""
    bury(self, now_ns)
    self._has_witnessed = True


def heed_last_words(self: Raft, sender: NodeId, term: int) -> bool:
    """What was under way from the dead binds again."""
    del self, sender, term
    return False


def all_at_once(self: Raft) -> int:
    """Nobody waits for anybody."""
    del self
    return 0


def restore_what_the_dead_sent(self: Raft, event: Event | Demand, now_ns: int) -> None:
    """The gate looks at a dead leader's last piece of a snapshot, and so restores it, though it is dropped then."""
    with patch.object(type(self), "_comes_from_the_dead", heed_last_words):
        refuse(self, event, now_ns)


def bury_ones_own_tenure(self: Raft, why: str, now_ns: int) -> None:
    """Who has led takes what is left of its tenure for that of the leader before."""
    before_ns = self._before_ns
    step_down(self, why, now_ns)
    self._before_ns = before_ns


def change_while_others_may_act(self: Raft, now_ns: int) -> bool:
    """New voters may decide alone while a tenure lasts of which none of them has heard."""
    del self, now_ns
    return False


LEASE, ONE = "one-lease", "one-at-a-time"
LONG = Settings(tenure_ns=8_000 * MS)
TOGETHER = ((1, 2, 3, 4, 5),)
ONE_HOST = Surroundings(hosts=TOGETHER)
LATE = Surroundings(hosts=TOGETHER, kernel_least_ns=2_000 * MS, kernel_most_ns=4_000 * MS)
DEAF = ("one-way",)
QUICK = Settings(
    election_ns=120 * MS, spread_ns=100 * MS, heartbeat_ns=20 * MS, promise_ns=110 * MS, tenure_ns=400 * MS
)
"""So that who does not hear the leader loses patience before its log is behind."""
MUTANTS = (
    Mutant(Raft, "_hear_of_death", believe_anybody, LEASE, 1, DEAF, 5, QUICK, ONE_HOST),
    Mutant(Raft, "_witnessed", take_silence_for_death, LEASE, 1, DEAF, 5, QUICK, ONE_HOST),
    Mutant(Raft, "_peer_lost", mourn_whoever_leads, LEASE, 0, ("crash", "blink", "one-way"), 5, surroundings=ONE_HOST),
    Mutant(News, "_tell_death", tell_what_is_long_over, LEASE, 5, ("blink", "one-way", "ask"), 5, surroundings=LATE),
    Mutant(Raft, "_bury", close_all_tenures, ONE, 41, ("pause", "blink"), 5, LONG, ONE_HOST),
)
CAUGHT = (
    Caught(
        Raft,
        "_shares_host",
        believe_whoever_says_so,
        lambda: test_deaths.test_a_voter_believes_nobody_who_cannot_have_been_told(test_deaths.APART),
    ),
    Caught(Raft, "_bury", pass_rumours_on, test_deaths.test_what_is_believed_is_not_passed_on),
    Caught(Raft, "_comes_from_the_dead", heed_last_words, test_deaths.test_last_words_of_the_dead_bind_nobody_again),
    Caught(
        Raft,
        "_refuse",
        restore_what_the_dead_sent,
        test_deaths.test_the_last_piece_of_a_snapshot_of_the_dead_is_not_taken,
    ),
    Caught(
        Raft,
        "_step_down",
        bury_ones_own_tenure,
        test_deaths.test_the_death_of_an_earlier_leader_does_not_end_ones_own_tenure,
    ),
    Caught(
        Raft,
        "_may_others_act",
        change_while_others_may_act,
        test_deaths.test_new_voters_wait_for_a_tenure_that_only_the_old_ones_know_of,
    ),
    Caught(Raft, "_rank", all_at_once, test_deaths.test_they_go_by_rank),
)


if __name__ == "__main__":
    report(MUTANTS)
