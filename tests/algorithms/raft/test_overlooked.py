"""Rules that no other test of a few nodes would miss: each was taken away once, and nothing failed."""

# ruff: noqa: SLF001  tests look inside

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tenure.algorithms.raft import Role, Settings
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.messages import (
    AnyEntry,
    AppendEntries,
    Canvass,
    Canvassed,
    Changed,
    ChangeVoters,
    Command,
    Configured,
    Installing,
    InstallSnapshot,
    Matched,
    Mismatched,
    NoOp,
    NoSession,
    NotLeader,
    OpenSession,
    Queried,
    Read,
    StaleTerm,
    TimeoutNow,
    Vote,
)
from tenure.algorithms.raft.sessions import Sessions
from tenure.core.effects import Authorised
from tenure.core.elector import WishRefused
from tenure.core.events import Asked, Received, Reconfigure, Woke
from tenure.machines import kv
from tests.algorithms.raft.group import MS, Group

GET = Read(50, kv.encode(kv.Get("k")))
THREE = Settings(voters=(1, 2, 3))
FIVE = Settings(voters=(1, 2, 3, 4, 5))


def command(client: int, sequence: int) -> Command:
    """A write that tells how often it was applied."""
    return Command(1, client, sequence, kv.encode(kv.CompareAndSet("k", None, b"x")))


def test_C22_who_was_used_last_and_what_it_was_told_are_part_of_a_snapshot() -> None:
    """Else a node that was restored would forget another client than the rest, and answer a retry otherwise."""
    grown = Sessions(kv.KeyValue(), 2)
    grown.open(1)
    grown.open(2)
    first = grown.execute(3, command(1, 1))
    restored = Sessions(kv.KeyValue(), 2)
    restored.restore(grown.snapshot())

    for sessions in (grown, restored):
        sessions.open(5)  # for which 2 has to go, the one that was silent for longest
        assert sessions.execute(6, command(2, 1)) == NoSession()
        assert sessions.execute(7, command(1, 1)) == first
    assert restored.snapshot() == grown.snapshot()


@pytest.mark.parametrize("silent", [(2, 3), (4, 5)], ids=["old", "new"])
def test_a_lease_and_a_tenure_need_a_majority_of_every_configuration_in_force(silent: tuple[int, ...]) -> None:
    """In a joint one the voters of before or those of after alone promise nothing that counts."""
    group = Group(5, THREE)
    leader = group.elect(1)
    group.ask(1, ChangeVoters(1, (1, 2, 3), (4, 5)))
    group.pass_ms(1_000)
    assert isinstance(group.answers[1], Changed)
    assert leader.may_read(group.now_ns)
    group.cut = {(node, other) for node in silent for other in group.nodes}
    cut_ns = group.now_ns

    group.ask(1, ChangeVoters(2, (1, 4, 5)))
    assert leader.configuration.is_joint
    group.pass_ms(700)
    group.ask(1, GET)

    assert leader.role is Role.LEADING
    assert not leader.may_read(group.now_ns)
    assert group.answers.keys() == {1}
    last = group.told(Authorised, 1)[-1]
    assert last.deadline_ns <= cut_ns + THREE.usable_ns(THREE.tenure_ns)


def test_a_leader_that_gives_way_takes_nothing_new() -> None:
    """Dissertation, section 3.10: "the prior leader stops accepting new client requests". It says who will."""
    group = Group(3)
    group.elect(1)
    group.cut = {(1, 3), (3, 1)}
    end = group.nodes[1].log.last_index
    group.give(1, Asked(3))

    group.ask(1, OpenSession(1), ChangeVoters(2, (1, 2)))
    with pytest.raises(WishRefused, match="ask node 3"):
        group.give(1, Reconfigure((1, 2)))

    assert group.answers == {1: NotLeader(3), 2: NotLeader(3)}
    assert group.nodes[1].log.last_index == end


def test_a_round_of_reads_is_confirmed_by_a_majority() -> None:
    """One answer of four is none; with the leader itself two are."""
    group = Group(5, replace(FIVE, lease_reads=False))
    group.elect(1)
    group.pass_ms(200)
    group.cut = {(node, 1) for node in (3, 4, 5)}

    group.ask(1, GET)
    group.pass_ms(300)
    assert group.answers == {}

    group.cut.remove((3, 1))
    group.pass_ms(200)
    assert isinstance(group.answers[50], Queried)


def test_a_follower_answers_a_read_when_it_has_applied_what_was_done_before() -> None:
    """It knows up to where, and waits until it is there."""
    group = Group(3)
    leader = group.elect(1)
    group.pass_ms(200)
    group.cut = {(1, 2)}
    group.ask(1, OpenSession(1))
    group.cut = set()
    group.ask(2, GET)
    assert group.nodes[2].commit < leader.commit
    assert 50 not in group.answers

    group.pass_ms(200)

    answer = group.answers[50]
    assert isinstance(answer, Queried)
    assert answer.index >= leader.commit


def test_who_gives_way_to_nobody_in_particular_does_so_to_who_has_most() -> None:
    """The one that has the least to catch up with, whatever its number."""
    for behind, target in ((2, 3), (3, 2)):
        group = Group(3)
        group.elect(1)
        group.isolate(behind)
        group.ask(1, OpenSession(1))
        group.give(1, Asked(None))
        group.pass_ms(100)
        assert group.role(target) is Role.LEADING or group.role(target) is Role.CAMPAIGNING
        assert [to for by, to, message in group.sent if by == 1 and isinstance(message, TimeoutNow)] == [target]


def test_9_6_a_pre_vote_is_given_by_the_rules_of_a_vote() -> None:
    """Voters are willing "if the candidate's log is sufficiently up-to-date": else terms rise in vain."""
    group = Group(3)
    leader = group.elect(1)
    term, last = leader.term, leader.log.last_index
    group.isolate(3)
    group.now_ns = group.nodes[2].promised_until_ns

    for index, of in ((last - 1, term), (last, term - 1), (last, term), (last + 1, term)):
        group.give(2, Received(3, Canvass(term + 1, index, of)))

    assert [one.granted for one in group.said(Canvassed, 2)[-4:]] == [False, False, True, True]
    assert group.nodes[2].term == term


def test_a_rejection_of_long_ago_changes_nothing() -> None:
    """What matched matches; and of two probes only the last is under way."""
    group = Group(3)
    leader = group.elect(1)
    for number in range(1, 6):
        group.ask(1, OpenSession(number))
    before, sent = vars(leader.peers[2]).copy(), len(group.sent)

    group.give(1, Received(2, Mismatched(leader.term, leader.peers[2].match, 0, 0, group.now_ns, 0)))
    assert vars(leader.peers[2]) == before
    assert len(group.sent) == sent

    group.isolate(2)
    leader.peers[2].probe(1)
    leader.peers[2].next = 3
    group.give(1, Received(2, Mismatched(leader.term, 9, 0, 0, group.now_ns, 0)))
    assert leader.peers[2].next == 3


def test_C1_a_candidate_counts_its_own_vote_when_it_is_durable() -> None:
    """Alone it would lead in a term of which it knows nothing after a crash."""
    group = Group(3, replace(THREE, pre_vote=False))
    group.isolate(1)
    group.stalled.add(1)
    group.pass_ms(2_000)
    assert group.role(1) is Role.CAMPAIGNING
    group.give(1, Received(2, Vote(group.nodes[1].term, True)))
    assert group.role(1) is Role.CAMPAIGNING

    group.mend(1)

    assert group.role(1) is Role.LEADING


def test_who_is_to_campaign_is_told_until_it_does() -> None:
    """The word that it should is lost like any other."""
    group = Group(3)
    group.elect(1)
    group.pass_ms(200)
    group.cut = {(1, 3)}
    group.give(1, Asked(3))
    assert len(group.said(TimeoutNow)) == 1
    group.pass_ms(50)
    group.cut.clear()
    group.pass_ms(200)

    assert group.role(3) is Role.LEADING
    assert group.nodes[3].term == 2


def test_an_heir_waits_for_the_tenures_before_that_of_the_leader_that_gave_way() -> None:
    """It was waiting for one itself; only its own it can close."""
    group = Group(3)
    group.elect(1)
    group.pass_ms(300)
    deadline_ns = group.told(Authorised, 1)[-1].deadline_ns
    group.isolate(1)
    group.elect(2)
    assert group.now_ns < deadline_ns

    group.give(2, Asked(3))
    group.pass_ms(20)
    assert group.role(3) is Role.LEADING
    assert group.now_ns < deadline_ns
    assert group.told(Authorised, 3) == []
    while not group.told(Authorised, 3):
        assert group.now_ns < 10_000 * MS
        group.pass_ms(10)
    assert group.now_ns >= deadline_ns


def test_a_vote_of_an_earlier_term_counts_for_nothing() -> None:
    """It comes when the candidate asks again, and who gave it may have given the later term's to another."""
    group = Group(5, replace(FIVE, pre_vote=False))
    group.isolate(1)
    for term in (1, 2):
        group.nodes[1]._election_ns = group.now_ns
        group.give(1, Woke())
        assert (group.role(1), group.nodes[1].term) == (Role.CAMPAIGNING, term)

    for voter in (2, 3, 4, 5):
        group.give(1, Received(voter, Vote(1, True)))
    assert group.role(1) is Role.CAMPAIGNING

    for voter in (2, 3):
        group.give(1, Received(voter, Vote(2, True)))
    assert group.role(1) is Role.LEADING


def test_an_acknowledgement_of_an_earlier_term_counts_for_nothing() -> None:
    """What a follower had then may have been replaced since, by a leader in between."""
    group = Group(3, replace(THREE, pre_vote=False))
    first = group.elect(1).term
    group.pass_ms(200)
    group.give(1, Received(2, StaleTerm(first + 1)))
    group.cut = {(2, 1), (3, 1)}
    leader = group.nodes[1]
    leader._election_ns = group.now_ns
    group.give(1, Woke())
    group.give(1, Received(2, Vote(leader.term, True)))
    assert leader.role is Role.LEADING
    committed, heard = leader.commit, vars(leader.peers[2]).copy()
    assert committed < leader.log.last_index

    group.give(1, Received(2, Matched(first, leader.log.last_index, group.now_ns, 0)))

    assert (leader.commit, vars(leader.peers[2])) == (committed, heard)


def test_6_4_a_read_that_comes_during_a_round_waits_for_the_next() -> None:
    """What confirms the round was sent before it came, so another leader may have been elected in between."""
    group = Group(3, replace(THREE, lease_reads=False))
    leader = group.elect(1)
    group.pass_ms(200)
    group.cut = {(2, 1), (3, 1)}
    group.ask(1, Read(1, GET.query))
    group.ask(1, Read(2, GET.query))
    first = leader.round

    group.give(1, Received(2, Matched(leader.term, leader.log.last_index, group.now_ns, first)))
    assert (1 in group.answers, 2 in group.answers) == (True, False)

    assert leader.round == first + 1
    group.give(1, Received(2, Matched(leader.term, leader.log.last_index, group.now_ns, leader.round)))
    assert 2 in group.answers


def test_13_pieces_are_put_together_only_of_one_snapshot() -> None:
    """Another one begins at its beginning, though as much of it is missing as there is of the first."""
    group = Group(2)
    leader = group.elect(1)
    group.pass_ms(200)
    group.isolate(2)

    for index, offset, size in ((9, 0, 20), (10, 5, 20), (9, 5, 21)):
        piece = InstallSnapshot(
            term=leader.term,
            index=index,
            snapshot_term=leader.term,
            configuration=leader.configuration,
            offset=offset,
            data=b"12345",
            size=size,
            sent_ns=group.now_ns,
            round=0,
        )
        group.give(2, Received(1, piece))

    assert [(said.index, said.offset) for said in group.said(Installing, 2)] == [(9, 5), (10, 0), (9, 0)]


def test_7_a_snapshot_has_no_configuration_that_is_not_committed() -> None:
    """One behind it is in force and may be taken back; then that of the snapshot is."""
    group = Group(3, Settings(voters=(1, 2, 3), snapshot_every=4))
    leader = group.elect(1)
    group.pass_ms(200)
    group.isolate(2)
    follower = group.nodes[2]
    last = follower.log.last_index
    committed: tuple[AnyEntry, ...] = (NoOp(leader.term),) * 5
    entries = (*committed, Configured(leader.term, Configuration((1, 2))))

    group.give(2, Received(1, AppendEntries(leader.term, last, leader.term, last + 5, group.now_ns, 0, entries)))

    assert (follower.snapshot.index, follower.snapshot.configuration.voters) == (last + 5, (1, 2, 3))
    assert follower.configuration.voters == (1, 2)
