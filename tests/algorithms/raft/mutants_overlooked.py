"""Rules that a few nodes rarely put to the test, taken away one at a time: each with the test that sees it."""

# ruff: noqa: SLF001  a mutant does what it mutates in another way

from __future__ import annotations

from msgspec.structs import replace

from tenure.algorithms.raft import Raft
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.log import Log
from tenure.algorithms.raft.messages import (
    Canvass,
    ChangeVoters,
    InstallSnapshot,
    Matched,
    ReadableFrom,
    RequestVote,
    Vote,
)
from tenure.algorithms.raft.progress import Pace, Progress
from tenure.algorithms.raft.sessions import Sessions
from tenure.core.effects import Persist
from tenure.core.events import NodeId, Record
from tests.algorithms.raft import test_limits, test_log, test_membership, test_newcomers, test_overlooked, test_rules
from tests.algorithms.raft.mutants import Caught

learning, readable_from, restore = Configuration.learning, Raft._readable_from, Sessions.restore
beat_for, voted, matched, confirm = Raft._beat_for, Raft._voted, Raft._matched, Raft._confirm
change_on, reset, step_down = Raft._change_on, Log.reset, Raft._step_down


def write_entries_before_their_term(self: Raft, record: Record, now_ns: int) -> int:
    """A torn write leaves them without it."""
    self._written += 1
    self._unwritten.append((self._written, now_ns))
    self._effects.append(Persist(self._written, record))
    return self._written


def learn_for_nothing_in_particular(
    self: Configuration, voters: frozenset[NodeId], learners: frozenset[NodeId]
) -> Configuration:
    """Only the leader that began a change knows what it is for."""
    return replace(learning(self, voters, learners), goal=None)


def refuse_who_asks_again(self: Raft, request: ChangeVoters) -> bool:
    """Who has lost an answer never learns what came of it."""
    return False


def leave_changes_to_whoever_began_them(self: Raft, now_ns: int) -> None:
    """The next leader goes on with none."""
    del self, now_ns


def count_no_bytes(self: Log, index: int) -> int:
    """What is not committed is bounded in number alone."""
    del self, index
    return 0


def begin_a_snapshot_again(self: Raft, peer: NodeId, progress: Progress, now_ns: int) -> None:
    """Whenever a piece was lost."""
    if progress.pace is Pace.INSTALLING:
        progress.offset = 0
    beat_for(self, peer, progress, now_ns)


def forget_who_was_used_last(self: Sessions, data: bytes) -> None:
    """C22: of a snapshot only the sessions are taken, not in which order they go."""
    restore(self, data)
    for session in self._known.values():
        session.used = session.client


def read_what_is_there(self: Raft, message: ReadableFrom) -> None:
    """A follower answers whatever it has applied."""
    readable_from(self, replace(message, index=0))


def count_votes_of_earlier_terms(self: Raft, voter: NodeId, vote: Vote, now_ns: int) -> None:
    """Whoever voted for it once."""
    voted(self, voter, replace(vote, term=self.term), now_ns)


def heed_acknowledgements_of_earlier_terms(self: Raft, peer: NodeId, answer: Matched, now_ns: int) -> None:
    """What a follower had once, it has."""
    matched(self, peer, replace(answer, term=self.term), now_ns)


def join_the_round_that_is_under_way(self: Raft, now_ns: int) -> None:
    """A read that comes meanwhile is confirmed with those before it."""
    if self._confirming:
        self._confirming, self._waiting = self._confirming + self._waiting, ()
    confirm(self, now_ns)


def keep_what_is_in_force_in_snapshots(self: Log, index: int) -> Configuration:
    """The latest configuration, committed or not."""
    del index
    return self.configuration


def refuse_and_think_no_more_of_it(self: Raft, asked: Canvass | RequestVote) -> bool:
    """Who has no vote as far as it knows begins no election, whoever counts on it."""
    return self.log.is_covered_by(asked.last_index, asked.last_term)


def go_without_a_vote_at_once(self: Raft, now_ns: int) -> None:
    """Before others have what made them vote for it."""
    now, is_committed = self.configuration, self.log.configuration_index <= self.commit
    if is_committed and not now.is_joint and self.me not in now.voters:
        self._step_down("it has no vote", now_ns)
    else:
        change_on(self, now_ns)


def put_pieces_of_any_snapshots_together(self: Raft, message: InstallSnapshot) -> bytearray:
    """What is there is part of what comes."""
    del message
    return bytearray() if self._pieces is None else self._pieces.data


def keep_durability_of_what_a_snapshot_replaced(self: Log, index: int, term: int, configuration: Configuration) -> None:
    """What was durable once is."""
    durable_index = self.durable_index
    reset(self, index, term, configuration)
    self.durable_index = max(durable_index, index)


def serve_while_giving_way(self: Raft) -> NodeId | None:
    """A transfer stops nobody from asking."""
    return self.leader


def lead_on_without_a_vote(self: Raft, why: str, now_ns: int) -> None:
    """The change is through, and the leader that it leaves out leads on."""
    if why != "it is no voter any more":
        step_down(self, why, now_ns)


def begin_with_an_empty_machine(self: Sessions, data: bytes) -> None:
    """Though all that the snapshot holds counts as applied."""
    del self, data


CAUGHT = (
    Caught(
        Raft,
        "_step_down",
        lead_on_without_a_vote,
        test_membership.test_C14_a_leader_that_removes_itself_counts_itself_no_more_and_goes_when_that_is_through,
    ),
    Caught(
        Sessions,
        "restore",
        begin_with_an_empty_machine,
        test_membership.test_C10_after_a_crash_the_machine_holds_what_its_index_says,
    ),
    Caught(
        Raft,
        "_persist",
        write_entries_before_their_term,
        test_rules.test_a_torn_write_leaves_no_entry_without_its_term,
    ),
    Caught(
        Configuration,
        "learning",
        learn_for_nothing_in_particular,
        test_newcomers.test_the_next_leader_goes_on_with_a_change_whose_newcomers_learn,
    ),
    Caught(
        Raft,
        "_take_up_change",
        leave_changes_to_whoever_began_them,
        test_newcomers.test_the_next_leader_gives_up_newcomers_that_never_catch_up,
    ),
    Caught(
        Raft,
        "_joins_change",
        refuse_who_asks_again,
        test_newcomers.test_who_asks_for_the_change_that_is_under_way_is_answered_when_it_is_through,
    ),
    Caught(Log, "bytes_behind", count_no_bytes, test_limits.test_what_is_not_committed_is_bounded_in_bytes),
    Caught(
        Raft, "_beat_for", begin_a_snapshot_again, test_limits.test_a_piece_that_was_lost_is_sent_again_and_nothing_else
    ),
    Caught(
        Sessions,
        "restore",
        forget_who_was_used_last,
        test_overlooked.test_C22_who_was_used_last_and_what_it_was_told_are_part_of_a_snapshot,
    ),
    Caught(
        Raft,
        "_readable_from",
        read_what_is_there,
        test_overlooked.test_a_follower_answers_a_read_when_it_has_applied_what_was_done_before,
    ),
    Caught(
        Raft,
        "_voted",
        count_votes_of_earlier_terms,
        test_overlooked.test_a_vote_of_an_earlier_term_counts_for_nothing,
    ),
    Caught(
        Raft,
        "_matched",
        heed_acknowledgements_of_earlier_terms,
        test_overlooked.test_an_acknowledgement_of_an_earlier_term_counts_for_nothing,
    ),
    Caught(
        Raft,
        "_confirm",
        join_the_round_that_is_under_way,
        test_overlooked.test_6_4_a_read_that_comes_during_a_round_waits_for_the_next,
    ),
    Caught(
        Log,
        "configuration_at",
        keep_what_is_in_force_in_snapshots,
        test_overlooked.test_7_a_snapshot_has_no_configuration_that_is_not_committed,
    ),
    Caught(
        Raft,
        "_is_covered_by",
        refuse_and_think_no_more_of_it,
        test_membership.test_who_has_no_vote_begins_an_election_when_it_is_in_the_way_of_others,
    ),
    Caught(
        Raft,
        "_change_on",
        go_without_a_vote_at_once,
        test_membership.test_who_has_no_vote_begins_an_election_when_it_is_in_the_way_of_others,
    ),
    Caught(
        Raft,
        "_data_up_to",
        put_pieces_of_any_snapshots_together,
        test_overlooked.test_13_pieces_are_put_together_only_of_one_snapshot,
    ),
    Caught(
        Log,
        "reset",
        keep_durability_of_what_a_snapshot_replaced,
        test_log.test_what_is_put_behind_a_snapshot_is_not_durable_because_what_stood_there_was,
    ),
    Caught(
        Raft,
        "_whom_to_ask",
        serve_while_giving_way,
        test_overlooked.test_a_leader_that_gives_way_takes_nothing_new,
    ),
)
