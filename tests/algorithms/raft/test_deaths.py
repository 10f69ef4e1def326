"""Certain death of the leader: who may say so, who believes it, and what it does not end."""

# ruff: noqa: SLF001  what a node would do next is told by its timer

from __future__ import annotations

import pytest

from tenure.algorithms.raft import Role, Settings
from tenure.algorithms.raft.messages import (
    AppendEntries,
    Canvass,
    Changed,
    ChangeVoters,
    InstallSnapshot,
    Leadership,
    OpenSession,
    Refused,
    RequestVote,
    StaleTerm,
    Vote,
)
from tenure.core.effects import Authorised
from tenure.core.events import Event, PeerLost, Received, Trusted, Woke
from tests.algorithms.raft.group import MS, Group

FIVE = (1, 2, 3, 4, 5)
APART = Settings(voters=FIVE)
TOGETHER = Settings(voters=FIVE, hosts=dict.fromkeys(FIVE, "a"))
TWO_HOSTS = Settings(voters=FIVE, hosts={1: "a", 2: "a", 3: "a", 4: "b", 5: "b"})
STAGGER_MS = APART.stagger_ns // MS


def leader_of(group: Group) -> int | None:
    """Whom all that live recognise."""
    leaders = {node.leader for number, node in group.nodes.items() if number not in group.down}
    return leaders.pop() if len(leaders) == 1 else None


def led_by_1(settings: Settings) -> Group:
    """Node 1 leads, holds, and has just been answered by all."""
    group = Group(5, settings)
    group.elect(1)
    group.pass_ms(3_000)
    assert leader_of(group) == 1
    return group


def dead(settings: Settings) -> Group:
    """The same, and then node 1 is gone."""
    group = led_by_1(settings)
    group.crash(1)
    return group


def tell(group: Group, *nodes: int, of: int = 1, certain: bool = True) -> None:
    """The kernels of these nodes tell them of a death."""
    for node in nodes:
        group.give(node, PeerLost(of, certain=certain))


def holds_since(group: Group, node: int, from_ns: int, limit_ms: int = 5_000) -> float:
    """How many milliseconds after `from_ns` the node may act."""
    while not group.told(Authorised, node) and group.now_ns < from_ns + limit_ms * MS:
        group.pass_ms(1)
    assert group.told(Authorised, node), f"node {node} may not act"
    return (group.now_ns - from_ns) / MS


def test_who_is_told_campaigns_at_once_and_opens_its_tenure_at_once() -> None:
    """Neither its time-out, nor the promises of those who believe it, nor the dead leader's tenure is waited for."""
    group = dead(TOGETHER)
    at_ns = group.now_ns

    tell(group, 2)

    assert (group.role(2), group.now_ns) == (Role.LEADING, at_ns)
    assert holds_since(group, 2, at_ns) == 0


def test_without_being_told_both_are_waited_for() -> None:
    """What the tests here would see if news of a death meant nothing."""
    group = dead(TOGETHER)
    at_ns = group.now_ns
    tell(group, 2, certain=False)
    group.pass_ms(900)
    assert group.role(2) is Role.FOLLOWING
    group.elect(2)
    assert holds_since(group, 2, at_ns) > 2_000


def test_voters_that_were_told_themselves_need_believe_nobody() -> None:
    """No host is known: the first asks too early, and the second when all have been told."""
    group = dead(APART)
    at_ns = group.now_ns
    tell(group, 2)
    assert group.role(2) is not Role.LEADING

    tell(group, 3, 4, 5)
    group.pass_ms(STAGGER_MS)

    assert (leader_of(group), group.now_ns - at_ns) == (3, APART.stagger_ns)


def test_they_go_by_rank() -> None:
    """Of those that live, as far as it is known: each waits a stagger for each before it."""
    group = dead(APART)
    group.cut = {(one, other) for one in FIVE for other in FIVE}
    tell(group, 5, of=3)
    at_ns = group.now_ns

    tell(group, 2, 3, 4, 5)

    assert group.role(2) is Role.CANVASSING
    assert [group.nodes[node].wake_ns - at_ns for node in (3, 4, 5)] == [rank * APART.stagger_ns for rank in (1, 2, 2)]


def test_who_is_trusted_again_goes_before_it_again() -> None:
    """Its next life is heard of, though one follower says nothing to another."""
    group = dead(APART)
    group.cut = {(one, other) for one in FIVE for other in FIVE}
    tell(group, 5, of=3)
    group.give(5, Trusted(3))
    at_ns = group.now_ns
    tell(group, 5)
    assert group.nodes[5].wake_ns - at_ns == 3 * APART.stagger_ns


def test_only_those_of_its_host_go_before_it() -> None:
    """Nobody else is told of the death."""
    settings = Settings(voters=FIVE, hosts={1: "b", 2: "a", 3: "a", 4: "b", 5: "b"})
    group = dead(settings)
    group.cut = {(one, other) for one in FIVE for other in FIVE}
    tell(group, 5, 4)
    assert group.role(4) is Role.CANVASSING
    assert group.nodes[5].wake_ns - group.now_ns == settings.stagger_ns


def test_one_elected_leader_ends_the_hurry_of_the_others() -> None:
    """Who was told too follows it, and campaigns no more."""
    group = dead(TOGETHER)
    tell(group, 2, 3, 4, 5)
    group.pass_ms(10 * STAGGER_MS)
    assert leader_of(group) == 2
    assert {message.term for message in group.said(RequestVote)} == {group.nodes[2].term, group.nodes[2].term - 1}


@pytest.mark.parametrize("settings", [APART, TWO_HOSTS], ids=["hosts unknown", "another host"])
def test_a_voter_believes_nobody_who_cannot_have_been_told(settings: Settings) -> None:
    """Node 4 says it, and runs on another host than the dead leader, as far as anybody knows."""
    group = dead(settings)
    tell(group, 4)
    group.pass_ms(2 * STAGGER_MS)
    assert group.said(Canvass, 4)[-1].dead == Leadership(1, group.nodes[4].term)
    assert all(group.now_ns < group.nodes[node].promised_until_ns for node in (2, 3, 5))


def test_voters_on_other_hosts_believe_a_candidate_on_the_leaders() -> None:
    """Nodes 4 and 5 run elsewhere, and node 3 has not been told yet."""
    group = dead(TWO_HOSTS)
    tell(group, 2)
    assert leader_of(group) == 2
    assert holds_since(group, 2, group.now_ns) == 0


def test_what_is_believed_is_not_passed_on() -> None:
    """Node 3 believes node 2, and says nothing of it when it asks itself."""
    group = dead(TWO_HOSTS)
    term = group.nodes[3].term
    group.give(3, Received(2, Canvass(term + 1, 99, term, Leadership(1, term))))
    assert group.nodes[3].promised_until_ns == group.now_ns

    group.cut = {(one, other) for one in FIVE for other in FIVE}
    group.nodes[3]._election_ns = group.now_ns
    group.give(3, Woke())

    assert group.said(Canvass, 3)[-1].dead is None


def test_tenures_before_the_dead_leaders_are_not_over() -> None:
    """Node 1 holds and is cut off, node 2 is elected and waits for that, and dies: so does node 3 wait."""
    group = led_by_1(TOGETHER)
    until_ns = max(authorised.deadline_ns for authorised in group.told(Authorised, 1))
    group.isolate(1)
    group.elect(2)
    group.crash(2)
    assert group.now_ns < until_ns
    assert not group.told(Authorised, 2)

    tell(group, 3, of=2)
    group.pass_ms(STAGGER_MS)  # node 1 lives

    assert (group.role(3), group.now_ns < until_ns) == (Role.LEADING, True)
    holds_since(group, 3, group.now_ns)
    assert group.now_ns >= until_ns


def test_last_words_of_the_dead_bind_nobody_again() -> None:
    """They were under way: an append of the dead leader, which would have been promised for."""
    group = dead(APART)
    voter = group.nodes[4]
    term, log = voter.term, voter.log
    tell(group, 4)
    words = AppendEntries(term, log.last_index, log.last_term, voter.commit, group.now_ns, 0)
    group.give(4, Received(1, words))
    assert (voter.leader, voter.promised_until_ns) == (None, group.now_ns)


def test_the_last_piece_of_a_snapshot_of_the_dead_is_not_taken() -> None:
    """Neither the commit index nor the machine goes on: what is applied next would be applied to what came after it."""
    group = led_by_1(APART)
    leader, voter = group.nodes[1], group.nodes[4]
    group.isolate(4)
    group.ask(1, OpenSession(1))
    index, data = leader.commit, leader.sessions.snapshot()
    group.crash(1)
    tell(group, 4)
    commit, before = voter.commit, voter.sessions.snapshot()
    assert (commit < index, before != data) == (True, True)

    term = leader.term
    group.give(
        4, Received(1, InstallSnapshot(term, index, term, leader.configuration, 0, data, len(data), group.now_ns, 0))
    )

    assert (voter.commit, voter.sessions.snapshot()) == (commit, before)


def test_the_death_of_an_earlier_leader_does_not_end_ones_own_tenure() -> None:
    """Node 2 leads while node 1 lives, and loses its term; then node 1 dies. Its own work may go on until its deadline,
    whoever of its host says that node 1 is dead.
    """
    group = led_by_1(TOGETHER)
    group.isolate(1)
    group.elect(2)
    group.pass_ms(3_000)
    deadline_ns, first = group.told(Authorised, 2)[-1].deadline_ns, Leadership(1, group.nodes[1].term)
    term = group.nodes[2].term + 3
    group.give(2, Received(3, StaleTerm(term)))
    group.crash(1)

    tell(group, 2)
    group.give(2, Received(3, RequestVote(term + 1, 99, 99, dead=first)))

    assert group.said(Vote, 2)[-1] == Vote(term + 1, granted=True, left_ns=deadline_ns - group.now_ns)


def test_new_voters_wait_for_a_tenure_that_only_the_old_ones_know_of() -> None:
    """Node 1 holds and is cut off, node 2 is elected, waits for that, and is asked for other voters. If it handed over
    to them and died, none of them would have heard of node 1's tenure: so it lets them vote only when that is over.
    """
    group = Group(5, Settings(voters=(1, 2, 3), hosts=dict.fromkeys(FIVE, "a")))
    group.elect(1)
    group.pass_ms(3_000)
    until_ns = max(authorised.deadline_ns for authorised in group.told(Authorised, 1))
    group.isolate(1)
    group.elect(2)
    group.ask(2, ChangeVoters(7, (2, 4, 5)))
    while 7 not in group.answers and group.now_ns < until_ns + 5_000 * MS:
        group.pass_ms(1)
    assert isinstance(group.answers[7], Changed)
    assert group.now_ns >= until_ns

    group.crash(2)
    tell(group, 4, 5, of=2)
    group.pass_ms(2 * STAGGER_MS)
    assert group.role(4) is Role.LEADING


def test_a_change_whose_time_is_up_while_it_waits_for_a_tenure_is_not_woken_for() -> None:
    """Else it would be due again and again at one instant."""
    group = Group(4, Settings(voters=(1, 2, 3), catch_up_ns=10 * MS))
    group.elect(1)
    group.pass_ms(3_000)
    group.isolate(1)
    leader = group.elect(2)
    group.isolate(4)
    group.ask(2, ChangeVoters(7, (2, 3, 4)))
    group.pass_ms(20)
    assert 7 not in group.answers
    assert leader.wake_ns > group.now_ns
    group.pass_ms(3_000)
    assert isinstance(group.answers[7], Refused)


def test_a_restarted_voter_does_not_know_to_whom_it_promised() -> None:
    """C29: it waits, whatever it is told and by whom."""
    group = dead(TOGETHER)
    for node in (3, 4, 5):
        group.crash(node)
        group.start(node)
    tell(group, 2, 3)
    assert {canvass.dead for canvass in group.said(Canvass)} == {Leadership(1, group.nodes[2].term), None}
    assert group.role(2) is not Role.LEADING
    assert group.said(Canvass, 3) == []
    group.give(4, Received(2, RequestVote(group.nodes[4].term + 1, 99, 99, dead=Leadership(1, group.nodes[4].term))))
    assert group.nodes[4].voted_for != 2


def test_who_has_no_vote_does_not_hurry() -> None:
    """A learner that is told forgets its leader, and asks nobody."""
    group = Group(4, Settings(voters=(1, 2, 3), hosts=dict.fromkeys(FIVE, "a")))
    group.elect(1)
    group.pass_ms(1_000)
    group.crash(1)
    tell(group, 4)
    assert (group.nodes[4].leader, group.said(Canvass, 4)) == (None, [])


# News that changes nothing


def unmoved(group: Group, *, by: Event | PeerLost, at: int) -> None:
    """This event at this node changes neither whom it follows, nor what it promised, nor when it loses patience."""
    node = group.nodes[at]
    group.sent.clear()
    before = (node.role, node.leader, node.term, node.promised_until_ns, node.tenure_until_ns, node._election_ns)
    group.give(at, by)
    after = (node.role, node.leader, node.term, node.promised_until_ns, node.tenure_until_ns, node._election_ns)
    assert (after, group.sent) == (before, [])


@pytest.mark.parametrize(
    "news",
    [PeerLost(1), PeerLost(4, certain=True), PeerLost(99, certain=True), PeerLost(2, certain=True)],
    ids=["not certain", "a follower", "a stranger", "oneself"],
)
def test_news_of_anything_but_the_leaders_certain_death_changes_nothing(news: PeerLost) -> None:
    """At node 2, which follows node 1."""
    unmoved(led_by_1(TOGETHER), by=news, at=2)


def test_a_leader_minds_no_death() -> None:
    """Neither of a follower nor of one that led before."""
    group = led_by_1(TOGETHER)
    group.isolate(1)
    leader = group.elect(2)
    unmoved(group, by=PeerLost(3, certain=True), at=2)
    opens_ns, term = leader.opens_ns, leader.term
    tell(group, 2, of=1)
    assert (leader.role, leader.term, leader.opens_ns) == (Role.LEADING, term, opens_ns)


def test_news_of_an_earlier_leader_changes_nothing() -> None:
    """Node 2 leads since, and the voters have promised to it."""
    group = led_by_1(TOGETHER)
    term = group.nodes[1].term
    group.isolate(1)
    group.elect(2)
    group.crash(1)
    unmoved(group, by=PeerLost(1, certain=True), at=3)
    group.give(3, Received(4, RequestVote(group.nodes[3].term + 1, 99, 99, dead=Leadership(1, term))))
    assert (group.nodes[3].leader, group.said(Vote, 3)[-1].granted) == (2, False)


def test_the_same_news_twice_is_news_once() -> None:
    """Node 3 waits for its turn, and does not begin anew."""
    group = dead(APART)
    tell(group, 3)
    group.pass_ms(10)
    unmoved(group, by=PeerLost(1, certain=True), at=3)


def test_who_comes_back_leads_in_no_term_in_which_it_led() -> None:
    """So a leader in its term is of one life: node 1 comes back as a follower, and campaigns in a later term."""
    group = dead(TOGETHER)
    term = group.nodes[1].term
    group.start(1)
    assert (group.role(1), group.nodes[1].term) == (Role.FOLLOWING, term)
    assert group.elect(1).term > term


@pytest.mark.parametrize("pre_vote", [True, False])
def test_news_that_is_late_disturbs_no_leader_elected_since(pre_vote: bool) -> None:
    """Node 1 died, came back and was elected by all but node 5, which was cut off and is told only now: it asks in the
    term after the dead leader's, in which it can depose nobody, and follows.
    """
    group = led_by_1(Settings(voters=FIVE, hosts=TOGETHER.hosts, pre_vote=pre_vote))
    group.isolate(5)
    group.crash(1)
    group.start(1)
    group.elect(1)
    term = group.nodes[1].term
    group.pass_ms(100)
    group.nodes[5]._election_ns = group.now_ns + 900 * MS  # it has not lost patience yet
    group.cut.clear()

    tell(group, 5)
    group.pass_ms(1_000)

    assert (leader_of(group), {node.term for node in group.nodes.values()}) == (1, {term})


def test_a_voter_that_follows_the_new_life_believes_nothing_of_the_old_one() -> None:
    """A candidate that was told of the earlier life names the term in which that one led."""
    group = led_by_1(TOGETHER)
    old = Leadership(1, group.nodes[1].term)
    group.crash(1)
    group.start(1)
    group.elect(1)
    group.pass_ms(100)
    now = group.nodes[3].term
    group.give(3, Received(2, RequestVote(now + 1, 99, now, dead=old)))
    assert (group.nodes[3].term, group.nodes[3].leader, group.nodes[3].voted_for) == (now, 1, 1)
    assert group.nodes[3].promised_until_ns > group.now_ns


def test_a_host_without_a_name_is_refused() -> None:
    """With what to do about it."""
    with pytest.raises(ValueError, match="give each a name"):
        Settings(hosts={1: "a", 2: ""})


def test_nobody_waits_past_its_time_out() -> None:
    """However many go before it, and however long each is given."""
    group = dead(Settings(voters=FIVE, stagger_ns=10_000 * MS))
    due_ns = group.nodes[5]._election_ns
    tell(group, 5)
    assert group.nodes[5]._election_ns == due_ns
