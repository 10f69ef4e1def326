"""Rules that storms rarely put to the test, one by one."""

# ruff: noqa: SLF001  what a node would do next is told by its timer

from __future__ import annotations

from tenure.algorithms.raft import Role, Settings
from tenure.algorithms.raft.messages import (
    Appended,
    AppendEntries,
    Canvassed,
    Execute,
    Matched,
    Opened,
    OpenSession,
    RequestVote,
    Snapshot,
    StaleTerm,
    TimeoutNow,
    Vote,
)
from tenure.core.effects import Authorised, Deposed
from tenure.core.events import Asked, Received, Reconfigure, Woke
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
