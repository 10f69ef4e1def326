"""Raft with one rule taken away at a time, each with the checker that sees it and a run in which it does.

`python -m tests.algorithms.raft.mutants` finds the seeds anew when the simulated world has changed.
"""

# ruff: noqa: SLF001  a mutant wraps what it mutates

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from tenure.algorithms.raft import Raft, Role, Settings
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.log import Log
from tenure.algorithms.raft.messages import AppendEntries, Matched, Snapshot, Vote
from tenure.algorithms.raft.sessions import Sessions, Stored, _encode
from tenure.algorithms.raft.state import State
from tenure.algorithms.raft.tuning import Tuning
from tenure.core.effects import Send
from tenure.core.quorum import Quorum
from tenure.durations import NEVER_NS
from tenure.simulator import Surroundings, simulate
from tenure.simulator.run import Run
from tests.algorithms.raft import test_clients, test_log, test_membership, test_paper, test_rules

UNTIL_S = 45
send, execute, begin_campaign, note_promise = Raft._send, Sessions.execute, Raft._begin_campaign, Raft._note_promise
asked_to_go, lead, count_votes = Raft._asked_to_go, Raft._lead, Raft._count_votes


class Mutant(NamedTuple):
    """What stands in the place of a rule, and who notices in which run."""

    owner: type
    attribute: str
    instead: Any
    checker: str
    seed: int
    faults: tuple[str, ...]
    nodes: int = 3
    settings: Settings | None = None
    surroundings: Surroundings | None = None

    @property
    def name(self) -> str:
        return str(self.instead.__name__)

    def run(self) -> Run:
        """The run that is recorded for it, of the product as it is now."""
        return simulate(
            "raft",
            nodes=self.nodes,
            seed=self.seed,
            until=UNTIL_S,
            faults=self.faults,
            settings=self.settings,
            surroundings=self.surroundings,
            trace=False,
        )


@contextmanager
def applied(mutant: Mutant | Caught) -> Iterator[None]:
    """The product with this mutation, for a while."""
    instead: Any = mutant.instead
    if isinstance(inspect.getattr_static(mutant.owner, mutant.attribute), property):
        instead = property(instead)
    with patch.object(mutant.owner, mutant.attribute, instead):
        yield


# Durability


def acknowledge_what_is_not_durable(self: Raft, to: int, message: Any, now_ns: int) -> None:
    """C7: Matched leaves before the disk has the entries."""
    send(self, to, message, now_ns)
    if isinstance(message, Matched):
        self._effects[-1] = Send(to, message)


def vote_before_it_is_durable(self: Raft, to: int, message: Any, now_ns: int) -> None:
    """C1."""
    send(self, to, message, now_ns)
    if isinstance(message, Vote):
        self._effects[-1] = Send(to, message)


def keep_no_vote(self: Raft, now_ns: int) -> None:
    """C1: neither term nor vote is kept."""
    del self, now_ns


def count_own_log_before_it_is_durable(self: Raft, now_ns: int) -> None:
    """The leader's own entries count as they are appended."""
    if self.role is Role.LEADING:
        index = self._reached(lambda peer: peer.match, self.log.last_index)
        if index is not None and index > self.commit and self.log.term_at(index) == self.term:
            self._commit_to(index, now_ns)


def forget_before_the_snapshot_is_durable(self: Raft, now_ns: int) -> None:
    """The log goes at once."""
    index, log = self.commit, self.log
    self.snapshot = Snapshot(index, log.term_at(index), log.configuration_at(index), self.sessions.snapshot())
    log.compact(index)
    self._keep_base(now_ns)
    self._persist(self.snapshot, now_ns)


# Elections


def elect_whoever_asks(self: Log, last_index: int, last_term: int) -> bool:
    """The election restriction of section 5.4.1 is gone."""
    del self, last_index, last_term
    return True


def vote_again_after_losing(self: Raft, now_ns: int) -> None:
    """C2: who has lost forgets its vote."""
    campaigned = self.role is Role.CAMPAIGNING
    count_votes(self, now_ns)
    if campaigned and self.role is Role.FOLLOWING:
        self.voted_for = None


def count_answers_rather_than_voters(self: Raft, voter: int, vote: Vote, now_ns: int) -> None:
    """C3: a vote that comes twice counts twice."""
    if self.role is Role.CAMPAIGNING and vote.term == self.term and vote.granted:
        again = [one for one in self.quorum.voters if not self._votes.get(one)] if voter in self._votes else [voter]
        self._votes[again[0] if again else voter] = True
        self._wait_ns = max(self._wait_ns, now_ns + self.settings.outlasting_ns(vote.left_ns))
        self._count_votes(now_ns)


def vote_in_spite_of_a_promise(self: Raft, now_ns: int) -> bool:
    """C15: nobody is bound."""
    del now_ns
    return self.role is not Role.LEADING


def lead_on_though_nobody_answers(self: Raft, now_ns: int) -> int:
    """Check-quorum is gone: a leader that hears nobody goes on."""
    del self, now_ns
    return NEVER_NS


def forget_promises_in_a_crash(self: Raft, now_ns: int) -> None:
    """C29: a restarted voter is free at once."""
    del self, now_ns


# The log


def commit_entries_of_earlier_terms(self: Raft, now_ns: int) -> None:
    """C4, figure 8: whatever a majority has is committed."""
    if self.role is Role.LEADING:
        index = self._reached(lambda peer: peer.match, self.log.durable_index)
        if index is not None and index > self.commit:
            self._commit_to(index, now_ns)
            self._send_to_all(now_ns)


def commit_what_did_not_match(self: Raft, leader: int, message: AppendEntries, now_ns: int) -> None:
    """C5: a follower commits whatever it has, up to the leader's index."""
    append_entries(self, leader, message, now_ns)
    if self.commit < message.commit:
        self._commit_to(min(message.commit, self.log.last_index), now_ns)


append_entries = Raft._append_entries


def take_over_without_looking(self: Log, index: int, term: int) -> bool:
    """The consistency check of section 5.3 is gone."""
    del term
    return self.base_index <= index <= self.last_index


def truncate_by_late_messages(self: Raft, message: AppendEntries) -> int:
    """C6: whatever comes replaces all that is there."""
    return max(self.commit, message.prev_index) + 1


def keep_durability_of_what_was_replaced(self: Log, first: int) -> None:
    """C8: a write of what stood there before counts for what stands there now."""
    kept = first - self.base_index - 1
    del self._entries[kept:]
    del self._ends[kept:]
    while self.configuration_index >= first:
        self._configurations.pop()


# Members


def count_new_voters_alone(self: Configuration) -> Quorum:
    """A joint configuration needs no majority of the old one."""
    return Quorum(self.voters)


def leave_joint_before_it_is_committed(self: Raft, now_ns: int) -> None:
    """C13."""
    if self.configuration.is_joint:
        self._append_configuration(self.configuration.final(), now_ns)
    else:
        change_on(self, now_ns)


change_on = Raft._change_on


def change_before_the_first_commit(self: Raft, voters: tuple[int, ...]) -> str | None:
    """C12: a new leader may change who votes at once."""
    with patch.object(Raft, "term_committed", property(read_before_the_first_commit)):
        return why_not_change(self, voters)


why_not_change = Raft._why_not_change


def promote_who_lacks_the_log(self: Raft, newcomer: int) -> bool:
    """A newcomer gets its vote at once."""
    del self, newcomer
    return True


def campaign_by_the_latest_configuration_alone(self: State) -> bool:
    """Who is in no new configuration leaves the elections to others before it is committed."""
    return self.me in self.configuration.voters or self.me in self.configuration.old


def campaign_by_the_latest_configuration_and_the_committed(self: State) -> bool:
    """Who came and went leaves the elections to others before it hears of a commit."""
    known = (self.configuration, self.log.configuration_at(self.commit))
    return any(self.me in one.voters or self.me in one.old for one in known)


def forget_the_configuration_in_snapshots(self: Log, index: int) -> Configuration:
    """C22: a snapshot holds the founders."""
    del index
    return self._configurations[0][1]


# Leases and tenures


def open_at_once(self: Raft, now_ns: int) -> None:
    """A new leader does not wait for earlier tenures."""
    lead(self, now_ns)
    self.opens_ns = now_ns


def say_that_nothing_is_left(self: Raft, now_ns: int) -> int:
    """Votes do not tell how long a tenure may last."""
    del self, now_ns
    return 0


def count_from_the_answer(self: Raft, progress: Any, answer: Any, tuned: Any, now_ns: int) -> None:
    """L10: promises count from when the answer came."""
    note_promise(self, progress, answer, tuned, now_ns)
    progress.acknowledged_ns = now_ns


def trust_all_clocks(self: Settings, granted_ns: int) -> int:
    """Nothing is taken off for clocks that differ."""
    del self
    return granted_ns


def count_the_configured_promise(self: Raft, progress: Any, answer: Any, tuned: Any, now_ns: int) -> None:
    """A leader looks at no answer for how long it promises."""
    del tuned
    note_promise(self, progress, answer, None, now_ns)


def shorten_promises_that_were_given(self: Raft, now_ns: int) -> None:
    """What is promised next stands in the place of what was promised before."""
    self.promised_until_ns = now_ns + self._timing.promise_ns
    self.tenure_until_ns = now_ns + self.settings.tenure_ns


def vote_for_oneself_in_spite_of_a_promise(self: Raft) -> int:
    """A candidate that has times tuned since it promised does not wait."""
    del self
    return 0


def lead_on_after_the_deadline(self: Raft, now_ns: int) -> None:
    """One term may have two tenures: C32."""
    del self, now_ns


def act_while_giving_way(self: Raft, to: int | None, now_ns: int) -> None:
    """A transfer leaves the tenure as it is."""
    with patch.object(Raft, "_end_tenure", spare_tenure):
        asked_to_go(self, to, now_ns)


def spare_tenure(self: Raft, why: str) -> None:
    """Nothing ends."""
    del self, why


def read_by_lease_while_giving_way(self: Raft) -> bool:
    """C20."""
    del self
    return False


def wait_for_the_target_for_ever(self: Raft, to: int | None, now_ns: int) -> None:
    """C19: a transfer has no end."""
    begins = self._transfer is None
    asked_to_go(self, to, now_ns)
    if begins and self._transfer is not None:
        self._transfer = type(self._transfer)(self._transfer.to, NEVER_NS, self._transfer.opens_ns)


# Clients


def apply_every_retry(self: Sessions, index: int, command: Any) -> Any:
    """C22: a command that comes again is applied again."""
    session = self._known.get(command.client)
    if session is not None and session.sequence == command.sequence:
        session.sequence -= 1
    return execute(self, index, command)


def leave_sessions_out_of_snapshots(self: Sessions) -> bytes:
    """C22."""
    return _encode(Stored([], self.machine.snapshot()))


def read_without_asking(self: Raft, now_ns: int) -> bool:
    """Whoever takes itself for the leader answers."""
    del now_ns
    return self.role is Role.LEADING


def read_before_the_first_commit(self: Raft) -> int:
    """C21: the commit index counts before an entry of the term is committed."""
    return self.term


DURABLE, SAFETY, COMPLETE, MACHINE = "durable-first", "election-safety", "leader-completeness", "state-machine-safety"
MATCHING, LEASE, ONE, GROW, LINEAR = "log-matching", "one-lease", "one-at-a-time", "tokens-grow", "linearizable"
CRASHES = ("crash", "blink", "partition", "slow-disk")
CUTS = ("partition", "one-way", "pause", "latency")
SPLIT = Settings(spread_ns=5_000_000, snapshot_every=40, keep_tail=5)
"""Votes split all the time."""
TUNED = Settings(tuning=Tuning(), snapshot_every=40, keep_tail=5)
"""Time-outs follow round trips."""
MUTANTS = (
    Mutant(Raft, "_send", acknowledge_what_is_not_durable, DURABLE, 0, ("slow-disk",)),
    Mutant(Raft, "_send", vote_before_it_is_durable, DURABLE, 0, ("slow-disk", "blink")),
    Mutant(Raft, "_keep_hard_state", keep_no_vote, DURABLE, 0, ("blink",)),
    Mutant(Log, "is_covered_by", elect_whoever_asks, COMPLETE, 7, CRASHES),
    Mutant(Raft, "_voted", count_answers_rather_than_voters, SAFETY, 28, ("duplicate", "blink", "crash"), 5, SPLIT),
    Mutant(Raft, "_append_entries", commit_what_did_not_match, MACHINE, 15, CRASHES),
    Mutant(Log, "has", take_over_without_looking, MATCHING, 27, CRASHES),
    Mutant(Raft, "_fresh_from", truncate_by_late_messages, DURABLE, 15, ("latency", "duplicate")),
    Mutant(Raft, "_lead", open_at_once, ONE, 4, CUTS),
    Mutant(Raft, "_left_ns", say_that_nothing_is_left, ONE, 4, CUTS),
    Mutant(Raft, "_note_promise", count_the_configured_promise, LEASE, 0, ("partition",), settings=TUNED),
    Mutant(Raft, "_promise", shorten_promises_that_were_given, LEASE, 6, ("partition",), settings=TUNED),
    Mutant(Raft, "_bound_until_ns", vote_for_oneself_in_spite_of_a_promise, LEASE, 6, ("partition",), settings=TUNED),
    Mutant(Raft, "_expire", lead_on_after_the_deadline, GROW, 14, ("pause", "partition")),
    Mutant(Raft, "_is_giving_way", read_by_lease_while_giving_way, LEASE, 7, ("ask",)),
    Mutant(Sessions, "execute", apply_every_retry, LINEAR, 2, ("latency", "loss", "crash")),
    Mutant(Sessions, "snapshot", leave_sessions_out_of_snapshots, MACHINE, 2, ("blink", "crash")),
    Mutant(Raft, "may_read", read_without_asking, LEASE, 4, CUTS),
    Mutant(Configuration, "quorum", count_new_voters_alone, MACHINE, 58, ("newcomer",)),
)


class Caught(NamedTuple):
    """A mutant that a named test catches: it fails with it."""

    owner: type
    attribute: str
    instead: Any
    test: Callable[[], None]

    @property
    def name(self) -> str:
        return str(self.instead.__name__)


CAUGHT = (
    Caught(
        Raft,
        "_advance_commit",
        count_own_log_before_it_is_durable,
        test_rules.test_a_leader_counts_its_own_log_when_it_is_durable,
    ),
    Caught(
        Raft,
        "_take_snapshot",
        forget_before_the_snapshot_is_durable,
        test_rules.test_the_log_goes_when_the_snapshot_is_durable,
    ),
    Caught(Raft, "_count_votes", vote_again_after_losing, test_rules.test_C2_a_candidate_that_has_lost_keeps_its_vote),
    Caught(
        Raft, "_is_free", vote_in_spite_of_a_promise, test_paper.test_C15_a_server_that_hears_nobody_disturbs_nobody
    ),
    Caught(
        Raft,
        "_recall_promises",
        forget_promises_in_a_crash,
        test_paper.test_C29_a_restarted_voter_keeps_the_promises_of_its_earlier_life,
    ),
    Caught(
        Raft,
        "_advance_commit",
        commit_entries_of_earlier_terms,
        test_paper.test_C4_figure_8_an_entry_of_an_earlier_term_is_not_committed_by_counting,
    ),
    Caught(
        Log,
        "_truncate",
        keep_durability_of_what_was_replaced,
        test_log.test_C8_what_was_written_before_does_not_make_durable_what_stands_there_now,
    ),
    Caught(
        Raft,
        "_change_on",
        leave_joint_before_it_is_committed,
        test_rules.test_C13_a_joint_configuration_is_left_when_it_is_committed,
    ),
    Caught(
        Raft,
        "_why_not_change",
        change_before_the_first_commit,
        test_paper.test_C12_no_change_before_an_entry_of_the_term_is_committed,
    ),
    Caught(
        Raft,
        "_has_caught_up",
        promote_who_lacks_the_log,
        test_clients.test_a_newcomer_learns_before_it_votes,
    ),
    Caught(
        State,
        "may_lead",
        campaign_by_the_latest_configuration_alone,
        test_membership.test_4_2_2_who_is_in_no_new_configuration_still_begins_elections_until_that_is_committed,
    ),
    Caught(
        State,
        "may_lead",
        campaign_by_the_latest_configuration_and_the_committed,
        test_membership.test_4_2_2_holds_for_who_came_and_went_and_knows_of_no_commit_of_either,
    ),
    Caught(
        Raft,
        "_quorum_due_ns",
        lead_on_though_nobody_answers,
        test_rules.test_a_leader_whom_no_majority_answers_steps_down,
    ),
    Caught(
        Log,
        "configuration_at",
        forget_the_configuration_in_snapshots,
        test_rules.test_a_snapshot_holds_the_configuration_of_its_index,
    ),
    Caught(
        Raft,
        "_note_promise",
        count_from_the_answer,
        test_rules.test_L10_a_deadline_counts_from_sending_and_leaves_room_for_clocks,
    ),
    Caught(
        Settings,
        "usable_ns",
        trust_all_clocks,
        test_rules.test_L10_a_deadline_counts_from_sending_and_leaves_room_for_clocks,
    ),
    Caught(
        Raft,
        "_asked_to_go",
        act_while_giving_way,
        test_paper.test_C20_a_transfer_closes_the_tenure_and_the_lease_at_once,
    ),
    Caught(Raft, "_asked_to_go", wait_for_the_target_for_ever, test_paper.test_C19_a_transfer_to_a_dead_node_ends),
    Caught(
        Raft,
        "term_committed",
        read_before_the_first_commit,
        test_clients.test_C21_no_read_before_an_entry_of_the_term_is_committed,
    ),
)
MOST_TRIES = 150


def found(mutant: Mutant) -> Mutant | None:
    """The same with a seed at which its checker objects, and to the product does not."""
    for seed in range(MOST_TRIES):
        tried = mutant._replace(seed=seed)
        with applied(tried):
            names = {violation.checker for violation in tried.run().violations}
        if mutant.checker in names and not tried.run().violations:
            return tried
    return None


def report(mutants: Iterable[Mutant]) -> None:
    """Print the seed of each, or of those that are named."""
    wanted = sys.argv[1:]
    for mutant in mutants:
        if not wanted or mutant.name in wanted:
            again = found(mutant)
            seed = "none" if again is None else again.seed
            sys.stdout.write(f"{mutant.name} {mutant.checker} {seed}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    report(MUTANTS)
