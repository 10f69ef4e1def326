"""Rules that storms rarely put to the test, one by one."""

# ruff: noqa: SLF001  what a node would do next is told by its timer

from __future__ import annotations

from random import Random

import pytest

from tenure.algorithms.raft import Raft, Role, Settings
from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.messages import (
    Appended,
    AppendEntries,
    Canvassed,
    Configured,
    Execute,
    HardState,
    InstallSnapshot,
    Matched,
    Mismatched,
    NoOp,
    Opened,
    OpenSession,
    RequestVote,
    Snapshot,
    StaleTerm,
    TimeoutNow,
    Vote,
)
from tenure.core.effects import Authorised, Deposed, Persist
from tenure.core.elector import DutyBroken, WishRefused
from tenure.core.events import Asked, Message, Received, Reconfigure, Record, Started, Woke
from tenure.machines import kv
from tests.algorithms.raft.group import MS, Group

THREE = Settings(voters=(1, 2, 3), pre_vote=False)


def command(group: Group, sequence: int) -> None:
    """One more entry at node 1, which leads."""
    if 1 not in group.answers:
        group.ask(1, OpenSession(1))
    opened = group.answers[1]
    assert isinstance(opened, Opened)
    group.ask(1, Execute(100 + sequence, opened.client, sequence, kv.encode(kv.Put("k", b"x"))))


def test_a_leader_counts_its_own_log_when_it_is_durable() -> None:
    """Dissertation, section 10.2.1: it "may even commit an entry before it has been written to its own disk, if a
    majority of followers have"; one follower of two is none.
    """
    group = Group(3)
    leader = group.elect(1)
    command(group, 1)
    before = leader.commit
    group.stalled.add(1)
    group.cut |= {(1, 3), (3, 1)}

    command(group, 2)
    assert leader.commit == before

    group.cut.clear()
    group.pass_ms(200)
    assert leader.commit == before + 1


def test_the_log_goes_when_the_snapshot_is_durable() -> None:
    """And not before: a crash would leave neither."""
    group = Group(1, Settings(voters=(1,), snapshot_every=5, keep_tail=1))
    leader = group.elect(1)
    for sequence in range(1, 12):
        command(group, sequence)

    kept = [effect.record for _, effect in group.effects if hasattr(effect, "record")]
    compacted = [place for place, record in enumerate(kept) if isinstance(record, Appended) and record.base_index]
    first = next(record for record in kept if isinstance(record, Snapshot) and record.index)
    assert kept.index(first) < compacted[0]
    group.stalled.add(1)
    base = leader.log.base_index
    command(group, 12)
    assert leader.log.base_index == base


def prefixes(group: Group, node: int, message: Message) -> list[tuple[Record, ...]]:
    """What the disk may have of what the node writes because of a message: any first part of it."""
    group.stalled.add(node)
    begin = len(group.effects)
    group.give(node, Received(1, message))
    written = [effect.record for by, effect in group.effects[begin:] if by == node and isinstance(effect, Persist)]
    found, disk = list[tuple[Record, ...]](), dict(group.disks[node])
    for record in (None, *written):
        if record is not None:
            kind = type(record)
            disk[kind] = record.over(disk[kind]) if kind in disk else record
        found.append(tuple(disk.values()))
    return found


def test_a_torn_write_leaves_no_entry_without_its_term() -> None:
    """Who has an entry of a term is in it: else it would campaign in that term, which has a leader. With other voters
    in the entries that it lacks the term of, it could be elected by those who voted in that term for nobody.
    """
    term, joint = 5, Configuration((2, 3, 4), (1, 2, 3))
    entries = (NoOp(term), Configured(term, joint), Configured(term, joint.final()))
    data = Group(1).nodes[1].sessions.snapshot()
    words = (
        AppendEntries(term, 0, 0, 0, 0, 0, entries),
        InstallSnapshot(term, 3, term, joint.final(), 0, data, len(data), 0, 0),
    )
    for word in words:
        found = prefixes(Group(3), 2, word)
        assert len(found) >= 3
        for kept in found:
            has_more = any(isinstance(one, Appended) or (isinstance(one, Snapshot) and one.index) for one in kept)
            assert HardState(term, None) in kept or not has_more
            group = Group(3, kept={2: kept})
            node = group.nodes[2]
            assert node.log.last_term <= node.term
            node._begin_campaign(group.now_ns)
            assert node.term != term or node.log.last_index == 0


@pytest.mark.parametrize("record", [Appended(0, 0, 1, (NoOp(5),)), Snapshot(3, 5, Configuration((1, 2)), b"")])
def test_records_that_no_disk_keeps_are_refused(record: Record) -> None:
    """An entry whose term came after it: the driver loses records out of their order."""
    node = Raft(1, (1, 2), Random(1))

    with pytest.raises(DutyBroken, match=r"of term 5 was kept, and no later term than 4: .* duty 4"):
        node.handle(Started((HardState(4, None), record)), 0)

    assert node.role is Role.NEW


@pytest.mark.timeout(30)
def test_a_follower_with_another_entry_where_the_leaders_log_begins_gets_a_snapshot() -> None:
    """Its own entries, of an earlier leader, go as far as there: no question about later ones brings the two together,
    and they were asked and answered as fast as the network goes.
    """
    group = Group(3, Settings(voters=(1, 2, 3), pre_vote=False, snapshot_every=6, keep_tail=1))
    group.elect(3)
    group.isolate(3)
    for number in range(20):
        group.ask(3, OpenSession(1000 + number))
    leader = group.elect(1)
    for sequence in range(1, 12):
        command(group, sequence)
    base, log = leader.log.base_index, group.nodes[3].log
    assert base <= log.last_index
    assert log.term_at(base) < leader.log.term_at(base)

    group.pass_ms(5000)
    group.crash(1)
    group.cut.clear()
    group.elect(2)
    group.pass_ms(500)

    assert group.nodes[3].log.base_index >= base
    assert group.nodes[3].commit == group.nodes[2].commit
    assert len(group.said(Mismatched, 3)) < 10


def test_C2_a_candidate_that_has_lost_keeps_its_vote() -> None:
    """It voted for itself, in that term and for ever."""
    group = Group(3, THREE)
    group.isolate(1)
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())
    for voter in (2, 3):
        group.give(1, Received(voter, Vote(1, False)))
    assert group.role(1) is Role.FOLLOWING

    group.give(1, Received(2, RequestVote(1, 9, 1)))

    assert group.said(Vote, 1) == [Vote(1, False)]


def test_C13_a_joint_configuration_is_left_when_it_is_committed() -> None:
    """Not by a leader whom nobody answers."""
    group = Group(4, Settings(voters=(1, 2, 3)))
    leader = group.elect(1)
    group.isolate(1)

    group.give(1, Reconfigure((1, 2)))
    assert (leader.configuration.voters, leader.configuration.old) == ((1, 2), (1, 2, 3))

    group.cut.clear()
    group.pass_ms(300)
    assert (leader.configuration.voters, leader.configuration.old) == ((1, 2), ())


def test_who_led_until_just_now_begins_no_change() -> None:
    """A paused leader hears an operator first of all: its tenure has run out, and it leads no more."""
    group = Group(3, THREE)
    leader = group.elect(1)
    group.isolate(1)
    assert leader.deadline_ns is not None
    group.now_ns = leader.deadline_ns
    last_index, role = leader.log.last_index, leader.role

    with pytest.raises(WishRefused, match="does not lead"):
        leader.handle(Reconfigure((1, 2)), group.now_ns)

    assert (leader.log.last_index, leader.role) == (last_index, role), "what is refused has changed nothing"
    group.give(1, Woke())
    assert leader.role is Role.FOLLOWING


def test_a_snapshot_holds_the_configuration_of_its_index() -> None:
    """Section 7: "the snapshot also includes the latest configuration in the log as of last included index"."""
    group = Group(3, Settings(voters=(1, 2, 3), snapshot_every=8, keep_tail=50))
    leader = group.elect(1)
    group.give(1, Reconfigure((1, 2)))
    group.pass_ms(200)
    for sequence in range(1, 12):
        command(group, sequence)

    assert leader.snapshot.index > leader.log.configuration_index
    assert leader.snapshot.configuration.voters == (1, 2)


def test_a_leader_whose_answers_are_too_old_for_a_tenure_waits_for_others() -> None:
    """It has nothing to do by itself meanwhile."""
    group = Group(3, THREE)
    group.isolate(1)
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())
    group.give(1, Received(2, Vote(1, True, 1_700 * MS)))
    begun_ns = group.now_ns
    for _ in range(30):  # answers come, and each is two seconds old
        group.pass_ms(100)
        group.give(1, Received(2, Matched(1, 1, max(begun_ns, group.now_ns - 2_000 * MS), 0)))
        assert group.nodes[1].wake_ns > group.now_ns
    assert (group.role(1), group.told(Authorised, 1)) == (Role.LEADING, [])


def test_what_was_said_in_an_earlier_term_promises_nothing_in_this_one() -> None:
    """The leader was elected again meanwhile, and its old word comes late: the answer is none to anything it asked."""
    group = Group(3)
    first = group.elect(1).term
    group.give(1, Received(2, StaleTerm(first + 1)))
    group.elect(1)
    heard = vars(group.nodes[1].peers[2]).copy()

    group.give(2, Received(1, AppendEntries(first, 1, 1, 1, group.now_ns, 9)))

    assert group.said(StaleTerm, 2)[-1:] == [StaleTerm(group.nodes[1].term)]
    group.give(1, Received(2, StaleTerm(group.nodes[1].term)))
    assert vars(group.nodes[1].peers[2]) == heard


def test_a_leader_that_stepped_down_reports_what_is_left_of_its_own_tenure() -> None:
    """Its work may take until its deadline to stop; so its vote for another says so."""
    group = Group(3)
    group.elect(1)
    deadline_ns = group.told(Authorised, 1)[-1].deadline_ns
    group.give(1, Received(2, StaleTerm(5)))

    group.give(1, Received(3, RequestVote(6, 9, 5)))

    (vote,) = group.said(Vote, 1)
    assert (vote.granted, vote.left_ns) == (True, deadline_ns - group.now_ns)


def test_who_alone_has_a_vote_may_resign_and_leads_again_under_a_greater_token() -> None:
    """Nobody else could lead; but work that has ended must be able to end its tenure, so that another can begin."""
    group = Group(1)
    group.elect(1)
    (first,) = {one.token for one in group.told(Authorised, 1)}

    group.give(1, Asked(None))

    assert [one.token for one in group.told(Deposed, 1)] == [first]
    group.elect(1)
    assert group.told(Authorised, 1)[-1].token > first


def test_a_leader_whom_no_majority_answers_steps_down() -> None:
    """Check-quorum. Dissertation, section 6.2: "a leader steps down if an election timeout elapses without a successful
    round of heartbeats to a majority of its cluster", though the others hear it, and it has no tenure that could end.
    """
    group = Group(5, Settings(voters=(1, 2, 3, 4, 5), pre_vote=False))
    group.cut |= {(node, 1) for node in (2, 3, 4, 5)}
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())
    for voter in (2, 3):
        group.give(1, Received(voter, Vote(1, True)))

    group.pass_ms(900)
    assert group.role(1) is Role.LEADING
    assert {group.nodes[node].leader for node in (2, 3, 4, 5)} == {1}
    group.give(1, Received(2, Matched(1, 1, group.now_ns, 0)))  # one of four is no majority
    group.pass_ms(100)

    assert group.role(1) is Role.FOLLOWING
    assert group.told(Authorised, 1) == []
    group.pass_ms(10_000)
    assert {group.nodes[node].leader for node in (2, 3, 4, 5)} != {1}


def test_a_request_to_campaign_that_is_late_is_of_another_tenure() -> None:
    """The leader that sent it in an earlier term has been elected again since, and holds."""
    group = Group(3)
    first = group.elect(1).term
    group.give(1, Received(2, StaleTerm(first + 1)))
    again = group.elect(1).term
    assert again > first

    group.give(2, Received(1, TimeoutNow(first, 0)))
    assert (group.role(2), group.nodes[2].leader) == (Role.FOLLOWING, 1)

    group.cut |= {(2, 1), (2, 3)}
    group.give(2, Received(1, TimeoutNow(again, 0)))
    assert group.role(2) is Role.CAMPAIGNING


def test_L10_a_deadline_counts_from_sending_and_leaves_room_for_clocks() -> None:
    """An answer that is late makes no deadline later, and nine elevenths of what is granted may be used."""
    group = Group(3, THREE)
    group.isolate(1)
    group.nodes[1]._election_ns = 0
    group.give(1, Woke())
    group.give(1, Received(2, Vote(1, True)))
    begun_ns = group.now_ns
    group.now_ns += 400 * MS
    group.give(1, Woke())

    group.give(1, Received(2, Matched(1, 1, begun_ns, 0)))

    assert group.told(Authorised, 1) == [Authorised(1, begun_ns + 2_000 * MS * 9 // 11)]


def test_who_has_promised_votes_in_no_term_whichever_way_it_heard_of_it() -> None:
    """A late answer tells a follower of the next term while its promise to the leader runs: it elects nobody in it."""
    group = Group(3)
    term = group.elect(1).term
    group.give(3, Received(2, Canvassed(term + 1, term + 1, granted=False)))
    assert group.nodes[3].term == term + 1
    assert group.now_ns < group.nodes[3].promised_until_ns

    group.give(3, Received(2, RequestVote(term + 1, 100, term)))
    assert group.nodes[3].voted_for is None

    group.now_ns = group.nodes[3].promised_until_ns
    group.give(3, Received(2, RequestVote(term + 1, 100, term)))
    assert group.nodes[3].voted_for == 2
