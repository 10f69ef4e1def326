"""Changes of who votes, while nodes are down, lost for good, or come with nothing."""

# ruff: noqa: SLF001  whose patience ends first is said by its timer

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tenure.algorithms.raft import Role, Settings
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.messages import (
    Appended,
    AppendEntries,
    Canvassed,
    Changed,
    ChangeVoters,
    Configured,
    Execute,
    HardState,
    Matched,
    NoOp,
    Opened,
    OpenSession,
    Queried,
    Read,
    RequestVote,
    Snapshot,
    Vote,
)
from tenure.core.effects import Effect
from tenure.core.events import Joined, Received, Record, Woke
from tenure.machines import kv
from tests.algorithms.raft.group import Group

FOUNDED = Settings(voters=(1, 2, 3))
JOINT = Configuration((2, 4, 5), (1, 2, 3))
JOINT_OF_ONE = Configuration((1, 4, 5), (1, 2, 3))


def with_entries(*entries: NoOp | Configured) -> tuple[Record, ...]:
    """What a node of term 1 has on its disk whose log has these."""
    return (HardState(1, None), Snapshot(0, 0, Configuration((1, 2, 3)), b""), Appended(0, 0, 1, entries))


def test_4_2_2_who_is_in_no_new_configuration_still_begins_elections_until_that_is_committed() -> None:
    """It says: "a server that is not part of its own latest configuration should still start new elections, as it might
    still be needed until the C_new entry is committed". "It does not count its own vote in elections unless it is part
    of its latest configuration". The leader died when it had told nobody else of the new voters.
    """
    joint = (NoOp(1), Configured(1, JOINT))
    behind = with_entries(*joint)
    group = Group(
        5, FOUNDED, kept={2: behind, 3: with_entries(*joint, Configured(1, JOINT.final())), 4: behind, 5: behind}
    )
    group.crash(1)

    group.pass_ms(3_000)
    group.nodes[3]._election_ns = group.now_ns
    group.give(3, Woke())
    group.pass_ms(20_000)

    assert {node for node in (2, 4, 5) if group.role(node) is Role.LEADING}, "somebody of the new voters leads"
    assert {group.nodes[node].configuration for node in (2, 3, 4, 5)} == {JOINT.final()}
    assert group.role(3) is Role.FOLLOWING
    term = group.nodes[3].term
    group.isolate(3)
    group.pass_ms(20_000)
    assert group.nodes[3].term == term, "and now it begins none any more"
    assert not group.nodes[3].may_lead


def test_4_2_2_holds_for_who_came_and_went_and_knows_of_no_commit_of_either() -> None:
    """Node 5 was no founder, and votes neither in the latest configuration: but 4 cannot win without it, whose log is
    longer. The leader of both changes is dead.
    """
    came, went = Configuration((1, 4, 5), (1, 2, 3)), Configuration((1, 2, 4), (1, 4, 5))
    both = (NoOp(1), Configured(1, came), Configured(1, came.final()), Configured(1, went))
    behind = with_entries(*both)
    group = Group(5, FOUNDED, kept={2: behind, 4: behind, 5: with_entries(*both, Configured(1, went.final()))})
    group.crash(1)
    group.crash(3)

    group.pass_ms(20_000)

    assert {node for node in (2, 4) if group.role(node) is Role.LEADING}
    assert {group.nodes[node].configuration for node in (2, 4, 5)} == {went.final()}
    assert not group.nodes[5].may_lead


def test_who_has_no_vote_begins_an_election_when_it_is_in_the_way_of_others() -> None:
    """Node 1 alone has the joint configuration in which 4 and 5 vote. Then 2 and 3 elect 3, whose first entry comes to
    4 and 5 alone before it is lost for good. Node 1 refuses 2, which is behind it; 4 and 5 refuse 1, which is behind
    them, and have no vote as far as they know. But of the three who were agreed on last, two are alive.
    """
    group = Group(5, FOUNDED)
    leader, other = group.elect(1), group.nodes[3]
    for peer in (4, 5):
        group.give(1, Joined(peer))
        group.give(3, Joined(peer))
    group.cut = {(4, 1), (5, 1)}
    group.ask(1, ChangeVoters(1, (1, 4, 5)))
    group.pass_ms(300)
    last = leader.log.last_index
    assert {leader.commit, *(node.log.last_index for node in group.nodes.values())} == {last}
    group.isolate(1)
    for learner in (4, 5):
        group.give(1, Received(learner, Matched(leader.term, last, group.now_ns, 0)))
    assert leader.configuration == JOINT_OF_ONE
    group.cut |= {(2, 3), (3, 2)}
    group.now_ns = max(node.promised_until_ns for node in group.nodes.values())
    other._election_ns = group.now_ns
    group.give(3, Woke())
    group.give(3, Received(2, Canvassed(other.term, other.term + 1, granted=True)))
    group.give(2, Received(3, RequestVote(other.term, last, leader.term)))
    group.give(3, Received(2, Vote(other.term, group.nodes[2].voted_for == 3)))
    assert other.role is Role.LEADING
    assert [group.nodes[node].log.last_index for node in (2, 4, 5)] == [last, last + 1, last + 1]
    group.crash(3)
    group.cut.clear()

    group.pass_ms(20_000)

    voters = {group.nodes[node].configuration for node in (1, 2, 4, 5)}
    assert voters == {Configuration((1, 4, 5))}, "it led until its first entry was committed, and another goes on"
    assert [node for node in (1, 4, 5) if group.role(node) is Role.LEADING]
    assert not group.nodes[2].may_lead


def open_session(group: Group, node: int) -> int:
    """At the leader."""
    group.ask(node, OpenSession(900))
    opened = group.answers[900]
    assert isinstance(opened, Opened)
    return opened.client


def put(group: Group, node: int, client: int, sequence: int) -> None:
    """One more command at the leader."""
    group.ask(node, Execute(1000 + sequence, client, sequence, kv.encode(kv.Put("k", b"%d" % sequence))))


def test_a_node_that_lost_its_disk_is_replaced_under_a_new_number() -> None:
    """Node 4 stands where 3 stood, its address perhaps: it knows nothing, learns, and gets the vote of the other. What
    the lost one said before it was lost, and arrives now, counts for nothing.
    """
    group = Group(4, FOUNDED)
    leader = group.elect(1)
    client = open_session(group, 1)
    put(group, 1, client, 1)
    group.crash(3)
    group.disks[3].clear()
    group.crash(4)
    put(group, 1, client, 2)

    group.start(4)
    for node in (1, 2):
        group.give(node, Joined(4))
    group.ask(1, ChangeVoters(1, (1, 2, 4)))
    group.pass_ms(500)
    assert isinstance(group.answers[1], Changed)
    assert {group.nodes[node].configuration for node in (1, 2, 4)} == {Configuration((1, 2, 4))}

    group.stalled |= {2, 4}
    before = leader.commit
    put(group, 1, client, 3)
    group.give(1, Received(3, Matched(leader.term, leader.log.last_index, group.now_ns, 0)))
    assert leader.commit == before, "an acknowledgement of the lost one is none of its successor"
    group.mend(2)
    group.mend(4)
    assert leader.commit == before + 1

    group.crash(1)
    successor = group.elect(4)
    assert successor.commit > before, "with the vote of 2 and its own, and all that was committed"
    found = kv.decode_answer(successor.sessions.machine.query(kv.encode(kv.Get("k"))))
    assert isinstance(found, kv.Found)
    assert found.value == b"3"


def test_who_knows_nothing_and_has_no_vote_helps_no_candidate() -> None:
    """A candidate that has not heard of the change counts the votes of those it knows."""
    group = Group(4, FOUNDED)
    group.isolate(1)
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())
    group.nodes[1]._begin_campaign(group.now_ns)
    group.pass_ms(0)

    group.give(1, Received(4, Vote(group.nodes[1].term, True)))

    assert group.role(1) is Role.CAMPAIGNING


def test_what_is_lost_when_a_wiped_node_comes_back_under_its_number() -> None:
    """Why numbers are never used again: it votes twice in a term, and elects one who lacks what it has acknowledged."""
    group = Group(3, FOUNDED)
    group.isolate(3)
    leader = group.elect(1)
    client = open_session(group, 1)
    put(group, 1, client, 1)
    committed, term = leader.commit, leader.term
    assert group.nodes[2].voted_for == 1

    group.crash(1)
    group.crash(2)
    group.disks[2].clear()
    group.start(2)
    group.give(2, Received(3, RequestVote(term, 0, 0)))
    assert group.said(Vote, 2)[-1] == Vote(term, True), "twice in one term"

    group.cut.clear()
    other = group.elect(3)
    assert other.log.last_index < committed, "what was committed is gone"


@pytest.mark.parametrize("number", [3, 4])
def test_a_change_goes_on_while_a_node_is_down(number: int) -> None:
    """One of the old voters, or one of the new; it takes part as soon as it is back."""
    group = Group(5, FOUNDED)
    group.elect(1)
    for node in (1, 2, 3, 4, 5):
        for peer in {4, 5} - {node}:
            group.give(node, Joined(peer))
    group.pass_ms(300)
    if number == 3:
        group.crash(3)
    group.ask(1, ChangeVoters(1, (2, 4, 5)))
    if number == 4:
        group.crash(4)
    group.pass_ms(3_000)
    assert isinstance(group.answers[1], Changed)
    group.start(number)
    group.pass_ms(5_000)

    assert {node.configuration for node in group.nodes.values()} == {Configuration((2, 4, 5))}
    assert len({node.leader for node in group.nodes.values()}) == 1
    assert group.nodes[1].leader in {2, 4, 5}


class StallsAtTheEnd(Group):
    """The disk of node 3 stands still once, as soon as node 1 has begun to leave itself out for good."""

    has_stalled = False

    def _carry_out(self, node: int, effects: Sequence[Effect]) -> None:
        if self.nodes[1].configuration == Configuration((2, 3)) and not self.has_stalled:
            self.has_stalled = True
            self.stalled.add(3)
        super()._carry_out(node, effects)


def test_C14_a_leader_that_removes_itself_counts_itself_no_more_and_goes_when_that_is_through() -> None:
    """Section 4.2.2: it "manages a cluster that does not include itself; it replicates log entries but does not count
    itself in majorities". Then it steps down, and says nothing more.
    """
    group = StallsAtTheEnd(3)
    leader = group.elect(1)
    group.ask(1, ChangeVoters(1, (2, 3)))
    group.pass_ms(300)
    assert (group.role(1), group.answers) == (Role.LEADING, {}), "two have it on disk, and one of them has no vote"
    assert leader.commit < leader.log.last_index

    group.mend(3)
    group.pass_ms(300)
    assert isinstance(group.answers[1], Changed)
    assert group.role(1) is not Role.LEADING
    group.sent.clear()
    group.pass_ms(5_000)
    assert group.said(AppendEntries, 1) == []
    assert {group.nodes[node].leader for node in (2, 3)} <= {2, 3}


def test_C10_after_a_crash_the_machine_holds_what_its_index_says() -> None:
    """A snapshot and the entries behind it are applied once each; each command shows whether the one before was."""
    settings = Settings(voters=(1, 2, 3), snapshot_every=5, keep_tail=2)
    group = Group(3, settings)
    group.elect(1)
    group.ask(1, OpenSession(1))
    opened = group.answers[1]
    assert isinstance(opened, Opened)
    for number in range(12):
        expected = None if number == 0 else b"%d" % (number - 1)
        command = kv.encode(kv.CompareAndSet("k", expected, b"%d" % number))
        group.ask(1, Execute(number + 2, opened.client, number + 1, command))
    group.pass_ms(300)
    assert all(group.nodes[node].snapshot.index > 0 for node in (1, 2, 3))
    for node in (1, 2, 3):
        group.crash(node)
    for node in (1, 2, 3):
        group.start(node)
    group.elect(2)
    group.ask(2, Read(99, kv.encode(kv.Get("k"))))
    group.pass_ms(300)

    read = group.answers[99]
    assert isinstance(read, Queried)
    found = kv.decode_answer(read.answer)
    assert isinstance(found, kv.Found)
    assert found.value == b"11"
