"""Ongaro and Ousterhout 2014, sentence by sentence, and hazards of consensus that others have met."""

# ruff: noqa: SLF001  what a node would do next is told by its timer

from __future__ import annotations

from collections import Counter

import pytest

from tenure.algorithms.raft import Role, Settings
from tenure.algorithms.raft.messages import (
    AppendEntries,
    Canvass,
    Canvassed,
    Execute,
    Executed,
    HardState,
    Matched,
    Mismatched,
    NoOp,
    NotLeader,
    Opened,
    OpenSession,
    RequestVote,
    StaleTerm,
    Unknown,
    Vote,
)
from tenure.core.effects import Authorised, Deposed, Persist
from tenure.core.elector import UnexpectedMessage, WishRefused
from tenure.core.events import Asked, Received, Reconfigure, Woke
from tenure.machines import kv
from tests.algorithms.raft.group import MS, Group, entries, with_log

THREE = Settings(voters=(1, 2, 3))


def free(group: Group) -> Group:
    """Nobody is bound by what an earlier life promised."""
    group.now_ns += 2 * group.settings.promise_ns
    return group


def put(client: int, sequence: int, value: bytes, number: int) -> Execute:
    """One command of a session."""
    return Execute(number, client, sequence, kv.encode(kv.Put("k", value)))


def session(group: Group, leader: int) -> int:
    """A new session's number."""
    group.ask(leader, OpenSession(1))
    opened = group.answers[1]
    assert isinstance(opened, Opened)
    return opened.client


# 5.1 Terms


def test_a_later_term_is_adopted() -> None:
    """It says: "If one server's current term is smaller than the other's, then it updates its current term to the
    larger value." "If a candidate or leader discovers that its term is out of date, it immediately reverts to follower
    state".
    """
    group = Group(3)
    leader = group.elect(1)

    group.give(1, Received(2, StaleTerm(9)))

    assert (leader.term, leader.role, leader.leader) == (9, Role.FOLLOWING, None)


def test_a_stale_term_is_rejected() -> None:
    """It says: "If a server receives a request with a stale term number, it rejects the request"."""
    group = Group(3, kept={1: with_log(THREE, (1,), 5)})

    group.give(1, Received(2, AppendEntries(4, 1, 1, 1, 0, 0)))

    assert group.said(StaleTerm, 1) == [StaleTerm(5)]
    assert group.nodes[1].leader is None


# 5.2 Leader election


def test_who_hears_nothing_begins_an_election() -> None:
    """It says: "If a follower receives no communication over a period of time called the election timeout, then it
    assumes there is no viable leader and begins an election to choose a new leader".
    """
    group = Group(3)
    assert {node.role for node in group.nodes.values()} == {Role.FOLLOWING}

    group.pass_ms(2_100)

    assert [node.role for node in group.nodes.values()].count(Role.LEADING) == 1
    assert {node.term for node in group.nodes.values()} == {1}


def test_time_outs_are_drawn_from_a_fixed_interval() -> None:
    """It says: "Election timeouts are chosen randomly from a fixed interval", anew each time."""
    group = Group(3)
    node, drawn = group.nodes[1], set()
    for _ in range(50):
        node._draw_time_out(0)
        drawn.add(node._election_ns)

    assert all(1_000 * MS <= at < 2_000 * MS for at in drawn)
    assert len(drawn) > 40


def test_a_candidate_votes_for_itself_and_asks_all_others() -> None:
    """It says: "It then votes for itself and issues RequestVote RPCs in parallel to each of the other servers"; the
    vote is durable first.
    """
    group = Group(3, Settings(voters=(1, 2, 3), pre_vote=False))
    group.stalled.add(1)
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())
    assert group.said(RequestVote) == []

    group.mend(1)

    assert group.disks[1][HardState] == HardState(1, 1)
    assert group.said(RequestVote) == [RequestVote(1, 0, 0), RequestVote(1, 0, 0)]


@pytest.mark.parametrize("nodes", [3, 5, 9])
def test_an_election_that_nothing_disturbs_takes_a_question_and_an_answer_each(nodes: int) -> None:
    """RequestVote and its reply, the same for pre-vote, and the leader's no-op, of which all have to hear twice."""
    group = Group(nodes, Settings(voters=tuple(range(1, nodes + 1))))
    group.elect(1)

    counts = Counter(type(message) for _, _, message in group.sent)
    once, twice = (Canvass, Canvassed, RequestVote, Vote), (AppendEntries, Matched)
    assert counts == dict.fromkeys(once, nodes - 1) | dict.fromkeys(twice, 2 * (nodes - 1))


def test_C3_a_vote_that_comes_twice_is_one() -> None:
    """It says: "A candidate wins an election if it receives votes from a majority of the servers"."""
    group = Group(5, Settings(voters=(1, 2, 3, 4, 5), pre_vote=False))
    for other in (2, 3, 4, 5):
        group.isolate(other)
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())

    group.give(1, Received(2, Vote(1, True)))
    group.give(1, Received(2, Vote(1, True)))
    assert group.role(1) is Role.CAMPAIGNING

    group.give(1, Received(3, Vote(1, True)))
    assert group.role(1) is Role.LEADING


def test_C2_each_server_votes_for_one_candidate_in_a_term() -> None:
    """It says: "Each server will vote for at most one candidate in a given term, on a first-come-first-served basis",
    also after a restart.
    """
    group = Group(3)
    group.isolate(2)
    group.isolate(3)

    group.give(1, Received(2, RequestVote(1, 0, 0)))
    group.give(1, Received(3, RequestVote(1, 0, 0)))
    assert [vote.granted for vote in group.said(Vote, 1)] == [True, False]

    group.crash(1)
    group.start(1)
    free(group)
    group.give(1, Received(3, RequestVote(1, 0, 0)))
    group.give(1, Received(2, RequestVote(1, 0, 0)))
    assert [vote.granted for vote in group.said(Vote, 1)] == [True, False, False, True]


def test_a_candidate_returns_to_follower_for_a_leader_of_its_term() -> None:
    """It says: "If the leader's term is at least as large as the candidate's current term, then the candidate
    recognizes the leader as legitimate and returns to follower state".
    """
    group = Group(3, Settings(voters=(1, 2, 3), pre_vote=False))
    group.isolate(1)
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())
    assert group.nodes[1].role is Role.CAMPAIGNING

    group.give(1, Received(2, AppendEntries(1, 0, 0, 0, 0, 0, entries(1))))

    assert (group.nodes[1].role, group.nodes[1].leader) == (Role.FOLLOWING, 2)


# 5.3 Log replication, figure 7

LEADER_7 = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
FIGURE_7 = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}


@pytest.mark.parametrize("name", FIGURE_7)
def test_figure_7_every_follower_comes_to_agree(name: str) -> None:
    """It says: "When the leader at the top comes to power, it is possible that any of scenarios (a-f) could occur in
    follower logs." "The leader handles inconsistencies by forcing the followers' logs to duplicate its own".
    """
    kept = {1: with_log(THREE, LEADER_7, 7), 2: with_log(THREE, FIGURE_7[name], 7), 3: with_log(THREE, LEADER_7, 7)}
    group = free(Group(3, THREE, kept=kept))
    group.isolate(2)
    group.elect(1)

    group.cut.clear()
    group.pass_ms(300)

    log = group.nodes[2].log
    assert [log.term_at(index) for index in range(1, log.last_index + 1)] == [*LEADER_7, 8]
    assert group.nodes[2].commit == 11


def test_figure_7_is_mended_by_terms_rather_than_by_entries() -> None:
    """It says: "The follower can include the term of the conflicting entry and the first index it stores for that
    term": one rejection for each term that differs, of the eight entries that do.
    """
    kept = {1: with_log(THREE, LEADER_7, 7), 2: with_log(THREE, FIGURE_7["f"], 7), 3: with_log(THREE, LEADER_7, 7)}
    group = free(Group(3, THREE, kept=kept))
    group.isolate(2)
    group.elect(1)
    group.cut.clear()
    group.pass_ms(300)

    assert 1 <= len(group.said(Mismatched, 2)) <= 2


def test_C6_a_late_append_takes_nothing_away() -> None:
    """It says: "If an existing entry conflicts with a new one", and only then, "delete the existing entry"."""
    group = Group(3)
    group.give(1, Received(2, AppendEntries(1, 0, 0, 0, 0, 0, entries(1, 1, 1))))

    group.give(1, Received(2, AppendEntries(1, 0, 0, 0, 0, 0, entries(1))))

    assert group.nodes[1].log.last_index == 3
    assert [one.match for one in group.said(Matched, 1)] == [3, 1]


def test_C5_commit_goes_no_further_than_what_matched() -> None:
    """It says: "Set commitIndex = min(leaderCommit, index of last new entry)"."""
    group = Group(3, kept={1: with_log(THREE, (1, 1, 1), 1)})

    group.give(1, Received(2, AppendEntries(2, 1, 1, 3, 0, 0)))

    assert group.nodes[1].commit == 1


def test_C7_an_acknowledgement_waits_for_the_disk() -> None:
    """The follower's answer leaves when the entries are durable."""
    group = Group(3)
    group.stalled.add(1)
    group.give(1, Received(2, AppendEntries(1, 0, 0, 0, 0, 0, entries(1))))
    assert group.said(Matched, 1) == []

    group.mend(1)

    assert [one.match for one in group.said(Matched, 1)] == [1]


# 5.4 Safety


@pytest.mark.parametrize(
    ("mine", "theirs", "granted"),
    [((1, 1), (2, 1), True), ((1, 2), (2, 1), False), ((1, 1, 1), (1, 1), False), ((1, 1), (1, 1, 1), True)],
    ids=["later term", "earlier term", "shorter", "longer"],
)
def test_5_4_1_a_voter_denies_its_vote_to_a_log_behind_its_own(
    mine: tuple[int, ...], theirs: tuple[int, ...], *, granted: bool
) -> None:
    """It says: "If the logs have last entries with different terms, then the log with the later term is more up-to-
    date. If the logs end with the same term, then whichever log is longer is more up-to-date".
    """
    if theirs == (2, 1):
        theirs, mine = ((1, 2), (1, 1)) if granted else ((1, 1), (1, 2))
    group = free(Group(3, kept={1: with_log(THREE, mine, 2)}))

    group.give(1, Received(2, RequestVote(3, len(theirs), theirs[-1])))

    assert [vote.granted for vote in group.said(Vote, 1)] == [granted]


def test_C4_figure_8_an_entry_of_an_earlier_term_is_not_committed_by_counting() -> None:
    """It says: "Even if S1 replicates" it "on a majority of the servers", an entry of term 2 is not committed before
    one of the leader's own term is.
    """
    five = Settings(voters=(1, 2, 3, 4, 5), pre_vote=False)
    kept = {1: with_log(five, (1, 2), 3)} | {node: with_log(five, (1,), 3) for node in (2, 3, 4, 5)}
    group = free(Group(5, five, kept=kept))
    group.isolate(1)
    leader = group.nodes[1]
    leader._election_ns = group.now_ns
    group.give(1, Woke())
    for voter in (2, 3):
        group.give(1, Received(voter, Vote(4, True)))

    for voter in (2, 3):  # figure 8 (c): entry 2, of term 2, is on a majority, and no entry of term 4 is
        group.give(1, Received(voter, Matched(4, 2, group.now_ns, 0)))
    assert (leader.role, leader.commit) == (Role.LEADING, 0)

    for voter in (2, 3):  # figure 8 (e)
        group.give(1, Received(voter, Matched(4, 3, group.now_ns, 0)))
    assert leader.commit == 3


# 6 Membership, sections 4 of the dissertation


def test_C12_no_change_before_an_entry_of_the_term_is_committed() -> None:
    """It says: "A leader must not append a new configuration entry until it has committed an entry from its current
    term".
    """
    group = Group(3, Settings(voters=(1, 2, 3), pre_vote=False))
    group.isolate(1)
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())
    group.give(1, Received(2, Vote(1, True)))
    assert group.nodes[1].role is Role.LEADING

    with pytest.raises(WishRefused, match="no entry of this leader's term is committed"):
        group.give(1, Reconfigure((1, 2)))


def test_a_change_goes_through_a_joint_configuration() -> None:
    """Old and new, then new; "it is in force from when it is appended"."""
    group = Group(4, Settings(voters=(1, 2, 3)))
    leader = group.elect(1)

    group.give(1, Reconfigure((2, 3, 4)))
    group.pass_ms(500)

    assert leader.role is Role.FOLLOWING, "C14: a leader that is no voter any more goes when the change is committed"
    assert {node.configuration.voters for node in group.nodes.values()} == {(2, 3, 4)}
    assert {node.configuration.old for node in group.nodes.values()} == {()}
    group.pass_ms(5_000)
    assert {node.leader for node in group.nodes.values()} <= {2, 3, 4}


def test_C15_a_server_that_hears_nobody_disturbs_nobody() -> None:
    """It says: "If a server receives a RequestVote request within the minimum election timeout of hearing from a
    current leader, it does not update its term or grant its vote".
    """
    group = Group(3)
    leader = group.elect(1)
    term = leader.term

    group.give(2, Received(3, RequestVote(term + 5, 99, term + 4)))
    group.give(1, Received(3, RequestVote(term + 5, 99, term + 4)))
    group.give(2, Received(3, Canvass(term + 5, 99, term + 4)))

    assert (leader.role, leader.term, group.nodes[2].term) == (Role.LEADING, term, term)
    assert [vote.granted for vote in group.said(Vote)[-2:]] == [False, False]
    assert group.said(Canvassed)[-1] == Canvassed(term, term + 5, False)


def test_C16_who_is_behind_in_terms_catches_up_by_a_refusal() -> None:
    """A refused pre-vote bears the voter's term."""
    group = free(
        Group(3, kept={1: with_log(THREE, (1, 1), 1), 2: with_log(THREE, (1,), 9), 3: with_log(THREE, (1,), 9)})
    )

    group.elect(1)

    assert group.nodes[1].term == 10


# Reads, transfers, leases


def test_C23_what_was_appended_is_unknown_when_the_leader_goes() -> None:
    """And what was not is definite."""
    group = Group(3)
    group.elect(1)
    client = session(group, 1)
    group.isolate(1)

    group.ask(1, put(client, 1, b"x", 10))
    group.pass_ms(3_000)

    assert isinstance(group.answers[10], Unknown)
    group.ask(1, put(client, 1, b"x", 11))
    assert isinstance(group.answers[11], NotLeader)


def test_C22_a_retry_is_answered_and_not_applied_again() -> None:
    """It says: "If it receives a command whose serial number has already been executed, it responds immediately without
    re-executing the request".
    """
    group = Group(3)
    group.elect(1)
    client = session(group, 1)
    order = kv.encode(kv.CompareAndSet("k", None, b"1"))

    group.ask(1, Execute(10, client, 1, order))
    group.ask(1, Execute(11, client, 1, order))

    first, again = group.answers[10], group.answers[11]
    assert isinstance(first, Executed)
    assert first == again
    assert kv.decode_answer(first.answer) == kv.Stored(True)


def test_C18_a_leader_whose_disk_stands_still_steps_down() -> None:
    """Heartbeats alone keep nobody in office."""
    group = Group(3)
    group.elect(1)
    client = session(group, 1)
    group.stalled.add(1)

    group.ask(1, put(client, 1, b"x", 10))
    group.pass_ms(1_900)
    assert group.role(1) is Role.LEADING
    group.pass_ms(200)

    assert group.role(1) is Role.FOLLOWING


def test_C19_a_transfer_to_a_dead_node_ends() -> None:
    """It says: "If leadership transfer does not complete after about an election timeout", it is over."""
    group = Group(3)
    leader = group.elect(1)
    group.crash(3)
    group.give(1, Asked(3))
    assert leader.role is Role.LEADING

    group.pass_ms(1_100)

    assert leader.leader != 1 or leader.term > 1


def test_C20_a_transfer_closes_the_tenure_and_the_lease_at_once() -> None:
    """And the target opens its own without waiting for the one that was closed."""
    group = Group(3)
    leader = group.elect(1)
    group.pass_ms(300)
    assert leader.may_read(group.now_ns)
    assert [effect.token for effect in group.told(Authorised, 1)][-1] == 1
    group.cut |= {(1, 3)}

    group.give(1, Asked(3))
    assert not leader.may_read(group.now_ns)
    assert [effect.token for effect in group.told(Deposed, 1)] == [1]

    group.cut.clear()
    group.pass_ms(300)
    assert group.nodes[3].role is Role.LEADING
    assert [effect.token for effect in group.told(Authorised, 3)][-1] == 2


def test_C32_a_new_leader_waits_for_the_tenure_of_the_last() -> None:
    """It replicates at once, and acts when the last deadline that its voters know of has passed."""
    group = Group(3)
    group.elect(1)
    group.pass_ms(300)
    deadline_ns = group.told(Authorised, 1)[-1].deadline_ns
    group.isolate(1)

    leader = group.elect(2)
    assert leader.commit == leader.token
    assert group.told(Authorised, 2) == []
    group.pass_ms(5_000)

    begins_ns = next(effect.deadline_ns for effect in group.told(Authorised, 2)) - 2_000 * MS
    assert begins_ns + 2_000 * MS > deadline_ns
    assert group.told(Deposed, 1)


def test_C29_a_restarted_voter_keeps_the_promises_of_its_earlier_life() -> None:
    """It grants nothing until its longest promise has run out."""
    group = Group(3)
    group.elect(1)
    group.pass_ms(200)
    group.crash(2)
    group.start(2)

    group.give(2, Received(3, RequestVote(9, 99, 8)))
    assert group.said(Vote, 2)[-1].granted is False
    group.isolate(2)
    group.now_ns += group.settings.promise_ns
    group.give(2, Received(3, RequestVote(9, 99, 8)))

    assert group.said(Vote, 2)[-1].granted is True
    assert group.said(Vote, 2)[-1].left_ns > 0


def test_two_leaders_of_one_term_are_refused() -> None:
    """No honest node says so: "at most one leader can be elected in a given term"."""
    group = Group(3)
    leader = group.elect(1)

    with pytest.raises(UnexpectedMessage, match="but node 1 leads term 1"):
        leader.handle(Received(2, AppendEntries(leader.term, 0, 0, 0, 0, 0)), group.now_ns)


def test_8_a_leader_begins_with_a_no_op() -> None:
    """It says: "Raft handles this by having each leader commit a blank no-op entry into the log at the start of its
    term".
    """
    group = Group(3)
    leader = group.elect(1)

    assert leader.log.slice(1, 1) == (NoOp(1),)
    assert leader.commit == 1
    assert any(isinstance(effect, Persist) for _, effect in group.effects)
