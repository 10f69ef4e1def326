"""Schedules written by hand, each around one rule of the majority lease: clean with it, and violated without it.

All clocks are right but where a script says otherwise; nothing arrives, is synced or wakes but what is told to.
"""

from __future__ import annotations

import msgspec

from tenure.algorithms.majority_lease import Claim, Configuration, Granted, Release, Renew, Settings, Vote
from tenure.core.events import Left, Message, Received, Reconfigure, Trusted
from tenure.durations import PPM
from tests.algorithms.lease_schedules import RHO_PPM, SETTINGS, Schedule


class Script(Schedule):
    """A schedule that does what it is told."""

    def __init__(self, nodes: int = 3, voters: tuple[int, ...] | None = None, settings: Settings = SETTINGS) -> None:
        super().__init__(0, nodes, msgspec.structs.replace(settings, voters=voters))
        for number, cell in self.cells.items():
            cell.ppm = 0
            self.sync_all(number)

    def sync_all(self, *numbers: int) -> None:
        """All that these nodes are writing is durable."""
        for number in numbers:
            while self.cells[number].writing:
                self.sync(number)

    def hand(self, kind: type[Message], sender: int, *to: int, keep: bool = False, all_writes: bool = True) -> None:
        """Hand over the oldest such message to each of these, and let what they write be durable."""
        for receiver in to:
            found = [n for n, one in enumerate(self.under_way) if one[:2] == (sender, receiver)]
            self.deliver(next(n for n in found if isinstance(self.under_way[n][3], kind)), keep=keep)
            if all_writes:
                self.sync_all(receiver)

    def claim(self, number: int) -> None:
        """A node that should lead from now on; its own vote is durable."""
        self.give(number, Trusted(number))
        self.sync_all(number)

    def win(self, number: int, *voters: int) -> None:
        """It claims, and these grant."""
        self.claim(number)
        self.hand(Claim, number, *voters)
        for voter in voters:
            self.hand(Granted, voter, number)
        assert number in self.held, f"{number} did not win: {self.happened}"

    def stand(self, number: int, voter: int, answer: type[Message] = Granted) -> None:
        """It claims, and hears this answer of one voter; `Message` is any."""
        self.claim(number)
        self.hand(Claim, number, voter)
        self.hand(answer, voter, number)

    def restart(self, number: int) -> None:
        """It crashes with nothing of what it was writing, and is back."""
        self.cells[number].writing = []
        self.crash(number)
        self.start(number)


def held_by_1(nodes: int = 3) -> Script:
    """Node 1 should lead, and does; nothing is under way, and time has passed."""
    script = Script(nodes)
    for number in script.cells:
        script.give(number, Trusted(1))
    script.calm(400)
    assert script.holders() == [1]
    return script


def a_voter_forgets_what_was_not_durable() -> Schedule:
    """C1: node 2 grants to 1 and crashes before it is written; then it would grant to 3."""
    script = Script()
    script.claim(1)
    script.hand(Claim, 1, 2, all_writes=False)
    if any(isinstance(message, Granted) for _, _, _, message in script.under_way):
        script.hand(Granted, 2, 1)
    script.restart(2)
    script.sync_all(2)
    script.stand(3, 2)
    return script


def a_claimant_forgets_its_own_vote() -> Schedule:
    """Node 1 wins by 2 and itself, and crashes before its own vote is written; then it would help 3 to that token."""
    script = Script()
    script.give(1, Trusted(1))
    script.hand(Claim, 1, 2)
    script.hand(Granted, 2, 1, all_writes=False)
    script.restart(1)
    script.sync_all(1)
    script.stand(3, 1)
    return script


def a_voter_comes_back_within_its_lease() -> Schedule:
    """C29: node 2 granted to 1, and is back long before that lease is over; 3 claims under a greater token."""
    script = _with_3_ahead()
    script.win(1, 2)
    script.crash(2)
    script.start(2)
    script.stand(3, 2, Message)
    return script


def an_old_answer_comes_again() -> Schedule:
    """Node 2 granted at 0 and hears no more of 1, which hears that answer again; 3 claims when that lease is over."""
    script = _with_3_ahead()
    script.claim(1)
    script.hand(Claim, 1, 2)
    begun_ns = script.now_ns
    script.hand(Granted, 2, 1, keep=True)
    script.now_ns = begun_ns + 590
    script.hand(Granted, 2, 1)
    script.now_ns = begun_ns + 1001
    script.stand(3, 2, Message)
    return script


def _with_3_ahead() -> Script:
    """Node 3 has claimed in vain, so that its next token is above the first of the others."""
    script = Script()
    script.claim(3)
    script.give(3, Trusted(1))
    script.now_ns += SETTINGS.retry_ns
    script.wake(3)
    script.now_ns += SETTINGS.retry_ns + 1
    script.under_way.clear()
    return script


def clocks_run_at_their_bounds() -> Schedule:
    """Node 1 has the slowest clock, and 2, which granted to it, the fastest; 3 claims when the lease of 2 is over."""
    script = _with_3_ahead()
    script.cells[1].ppm, script.cells[2].ppm = -RHO_PPM, RHO_PPM
    script.win(1, 2)
    script.now_ns += 1 + SETTINGS.duration_ns * PPM // (PPM + RHO_PPM)
    script.stand(3, 2)
    return script


def one_voter_answers_twice() -> Schedule:
    """C3: of five voters node 2 grants to 1, and its answer comes three times; 3 wins by 4 and 5."""
    script = Script(5)
    script.claim(1)
    script.hand(Claim, 1, 2)
    script.hand(Granted, 2, 1, keep=True)
    script.hand(Granted, 2, 1, keep=True)
    script.hand(Granted, 2, 1)
    script.win(3, 4, 5)
    return script


def a_claimant_comes_back_under_its_own_token() -> Schedule:
    """C32: node 1 wins by 2 and 3 before its own vote is written, crashes, and claims anew under the same token."""
    script = Script()
    script.give(1, Trusted(1))
    script.hand(Claim, 1, 2, 3)
    script.hand(Granted, 2, 1, all_writes=False)
    script.hand(Granted, 3, 1, all_writes=False)
    script.restart(1)
    script.give(1, Trusted(1))
    script.hand(Claim, 1, 2, 3)
    for voter in (2, 3):
        script.hand(Message, voter, 1)
    return script


def members_are_said_to_have_left() -> Schedule:
    """C30: node 1 holds by 2, and 3, which claims, hears that both of them have gone."""
    script = Script()
    script.win(1, 2)
    script.give(3, Trusted(3))
    script.give(3, Left(1))
    script.give(3, Left(2))
    script.sync_all(3)
    return script


def an_old_answer_comes_after_a_proposal() -> Schedule:
    """C8: nodes 1 to 3 vote, then 4 and 5 shall. An answer of 2 from before the joint configuration comes again after
    it was proposed, and is no acceptance: 2 and 3 know nothing of it, and elect 2 when their leases are over.
    """
    script = Script(5, (1, 2, 3))
    script.win(1, 2, 3)
    script.calm(60, frozenset({1, 2, 3}))
    script.give(1, Reconfigure((4, 5)))
    script.hand(Renew, 1, 2, keep=True)
    script.hand(Renew, 1, 4, 5)
    for voter in (4, 5, 2):
        script.hand(Granted, voter, 1, keep=True)
    script.calm(1100, frozenset({1, 4, 5}))
    again = [one for one in script.under_way if one[:2] == (2, 1) and isinstance(one[3], Granted)]
    for one in again:
        script.give(1, Received(2, one[3]))
    script.calm(300, frozenset({1, 4, 5}))
    script.claim(2)
    script.calm(400, frozenset({2, 3}))
    return script


def two_claim_at_the_same_instant() -> Schedule:
    """C24: each grants to itself and refuses the other, again and again until chance parts them."""
    script = Script(2)
    script.give(1, Trusted(1))
    script.give(2, Trusted(2))
    script.calm(30_000)
    return _with_a_holder(script)


def nobody_is_there_who_shall_vote() -> Schedule:
    """The voters wished for do not exist; whoever holds goes on holding."""
    script = Script()
    script.give(1, Trusted(1))
    script.calm(500)
    script.give(1, Reconfigure((8, 9)))
    script.calm(30_000)
    return _with_a_holder(script)


def who_shall_vote_was_there_once() -> Schedule:
    """Nodes 1 to 3 vote, then 4 and 5 shall. Node 4 grants and is gone; 5 comes when that lease is long over."""
    script = Script(5, (1, 2, 3))
    script.give(1, Trusted(1))
    script.calm(500, frozenset({1, 2, 3}))
    script.give(1, Reconfigure((4, 5)))
    for linked in (4, 5):
        script.calm(3 * SETTINGS.duration_ns, frozenset({1, 2, 3, linked}))
    return _with_a_holder(script)


def an_old_renewal_comes_after_a_greater_token() -> Schedule:
    """C24: node 2 granted to 1, then to 3 under a greater token; then a renewal of 1 comes that was long under way."""
    script = _with_3_ahead()
    script.win(1, 2)
    script.now_ns += SETTINGS.renew_every_ns
    script.wake(1)
    script.give(1, Trusted(3))
    script.now_ns += 1300
    script.wake(1)
    script.win(3, 2)
    script.give(3, Trusted(1))
    script.now_ns += 1300
    script.wake(3)
    script.hand(Renew, 1, 2)
    script.hand(Granted, 2, 1)
    script.hand(Release, 1, 2)
    script.under_way.clear()
    script.stand(1, 2, Message)
    return script


def a_next_life_hears_an_old_grant() -> Schedule:
    """C32: node 1 claims and gives up, crashes before its vote is written, and claims anew under the same token; then
    it hears what 2, which has lent itself to 3 since, granted to the first of these claims.
    """
    script = _with_3_ahead()
    script.give(1, Trusted(1))
    script.hand(Claim, 1, 2)
    (granted,) = [message for _, _, _, message in script.under_way if isinstance(message, Granted)]
    script.now_ns += SETTINGS.retry_ns
    script.wake(1)
    script.hand(Release, 1, 2)
    script.win(3, 2)
    script.restart(1)
    script.claim(1)
    script.give(1, Received(2, granted))
    return script


def an_earlier_record_is_durable() -> Schedule:
    """C1: node 1 votes for 3, and then for itself; the first vote is durable, and it crashes before the second is. Then
    it would help 3 to the token that it won.
    """
    script = Script()
    script.claim(3)
    script.hand(Claim, 3, 1, all_writes=False)
    script.give(3, Trusted(1))
    script.now_ns += SETTINGS.retry_ns
    script.wake(3)
    script.hand(Release, 3, 1, all_writes=False)
    script.give(1, Trusted(1))
    script.hand(Claim, 1, 2)
    script.hand(Granted, 2, 1, all_writes=False)
    script.sync(1)
    script.restart(1)
    script.under_way.clear()
    script.now_ns += SETTINGS.duration_ns
    script.stand(3, 1)
    return script


def two_proposals_of_one_number() -> Schedule:
    """C12: nodes 1 to 3 vote. 1 proposes that 4 and 5 shall, which only those hear; 3 that 2 and itself shall, which
    nobody hears. 4 wins by the first proposal and ends that change. Had 2 not heard that it is now of
    the greater token, then 2 and 3 could elect by the second.
    """
    script = Script(5, (1, 2, 3))
    script.win(1, 2, 3)
    script.calm(60, frozenset({1, 2, 3}))
    script.give(1, Reconfigure((4, 5)))
    script.hand(Renew, 1, 4, 5, 2)
    for voter in (4, 5, 2):
        script.hand(Granted, voter, 1)
    script.hand(Renew, 1, 4, 5)
    _end_in_favour_of(script, 1, 3)
    script.win(3, 2)
    script.give(3, Reconfigure((2, 3)))
    for _ in range(2):
        script.hand(Renew, 3, 2)
        script.hand(Granted, 2, 3)
    script.sync_all(3)
    _end_in_favour_of(script, 3, 4)
    script.claim(4)
    script.calm(1200, frozenset({1, 2, 4, 5}))
    assert 4 in script.holders(), script.happened
    script.calm(1100, frozenset({4, 5}))
    script.under_way.clear()
    script.claim(3)
    script.calm(1200, frozenset({2, 3}))
    return script


def _end_in_favour_of(script: Script, holder: int, other: int) -> None:
    """Its tenure and all leases run out, and what is under way is lost."""
    script.sync_all(holder)
    script.give(holder, Trusted(other))
    script.now_ns += 1300
    script.wake(holder)
    script.under_way.clear()


def a_holder_that_gives_way_is_kept_busy() -> Schedule:
    """C25: all prefer node 2, and 1 has something to do all the while; whoever is preferred for long holds."""
    script = held_by_1()
    for number in script.cells:
        script.give(number, Trusted(2))
    for _ in range(200):
        script.give(1, Trusted(2))
        script.calm(20)
    if script.holders() == [1]:
        script.violations.append("gives-way: node 1 holds, though all have preferred another for long")
    return script


def a_newcomer_knows_no_tokens() -> Schedule:
    """Nodes 1 and 2 have granted a thousand claims, and 3, which should lead, none."""
    script = Script()
    for number in (1, 2):
        cell = script.cells[number]
        cell.records[Vote] = Vote(1000, 2, 7, Configuration(0, 0, (1, 2, 3)))
        script.restart(number)
    script.now_ns += SETTINGS.duration_ns
    script.give(3, Trusted(3))
    script.calm(SETTINGS.patience_ns - SETTINGS.duration_ns)
    return _with_a_holder(script)


def _with_a_holder(script: Script) -> Schedule:
    if not script.holders():
        script.violations.append("termination: nobody holds in the end")
    return script


SCRIPTS = (
    a_voter_forgets_what_was_not_durable,
    a_claimant_forgets_its_own_vote,
    a_voter_comes_back_within_its_lease,
    an_old_answer_comes_again,
    clocks_run_at_their_bounds,
    one_voter_answers_twice,
    a_claimant_comes_back_under_its_own_token,
    members_are_said_to_have_left,
    an_old_answer_comes_after_a_proposal,
    two_claim_at_the_same_instant,
    nobody_is_there_who_shall_vote,
    who_shall_vote_was_there_once,
    an_old_renewal_comes_after_a_greater_token,
    a_next_life_hears_an_old_grant,
    an_earlier_record_is_durable,
    two_proposals_of_one_number,
    a_holder_that_gives_way_is_kept_busy,
    a_newcomer_knows_no_tokens,
)
