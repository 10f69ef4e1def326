"""The majority lease with one rule taken away at a time, each with the checker that sees it and a recorded schedule.

`python -m tests.algorithms.mutants_lease` finds the seeds anew when the schedules have changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec

from tenure.algorithms.majority_lease import Claim, Configuration, Granted, MajorityLease, Renew, Settings, Vote
from tenure.algorithms.majority_lease.lease import Lease
from tenure.algorithms.majority_lease.messages import Lessee
from tenure.algorithms.majority_lease.pace import Pace
from tenure.algorithms.majority_lease.voter import Voter
from tenure.core.effects import Authorised, Deposed, Effect
from tenure.core.events import Event
from tenure.durations import PPM
from tests.algorithms import lease_schedules
from tests.algorithms import lease_scripts as scripts
from tests.algorithms.lease_schedules import Schedule
from tests.mutation import applied, name_of

_handle, _granted, _leave, _claim = (
    MajorityLease.handle,
    MajorityLease._granted,  # noqa: SLF001  a mutant wraps what it mutates
    MajorityLease._leave,  # noqa: SLF001  the same
    MajorityLease._claim,  # noqa: SLF001  the same
)
_vote, _keep_vote, _hold = MajorityLease._vote, MajorityLease._keep_vote, MajorityLease._hold  # noqa: SLF001  the same
_new_voter, _release = Voter.__init__, Voter.release
_learn = MajorityLease._learn  # noqa: SLF001  the same
_counted, _following, _propose = Lease.granted, Lease._following, Lease.propose  # noqa: SLF001  the same
_claims_from_ns = Pace.claims_from_ns


class Mutant(NamedTuple):
    """What stands in the place of a rule, and who notices in which schedule."""

    owner: type
    attribute: str
    instead: Any
    checker: str
    shown_by: int | Callable[[], Schedule]
    """A seed, or a schedule written by hand."""

    @property
    def name(self) -> str:
        return name_of(self)


# The voter


def vote_not_awaited(self: MajorityLease) -> None:
    """C1: a grant leaves before it is durable."""
    _keep_vote(self)
    self._vote_number = 0


def own_vote_not_awaited(self: MajorityLease, sender: int, asked: Claim | Renew, now_ns: int) -> None:
    """One's own vote counts before it is durable."""
    _vote(self, sender, asked, now_ns)
    if sender == self.me and self._own_answer is not None:
        (_, answer), self._own_answer = self._own_answer, None
        self._granted(self.me, answer, now_ns)


def restarted_voter_grants_at_once(self: Voter, vote: Vote, settings: Settings, now_ns: int) -> None:
    """C29: who has forgotten its leases takes itself for free."""
    _new_voter(self, vote, settings, now_ns)
    self.lessee = None


def live_lease_overwritten(self: Voter, lessee: Lessee, asked: Claim | Renew, now_ns: int) -> bool:
    """A greater token is enough."""
    return self.lessee_at(now_ns) == lessee or asked.token > self.vote.token


def token_used_again(self: Voter, lessee: Lessee, asked: Claim | Renew, now_ns: int) -> bool:
    """C24: who finds the lease free may have it under any token."""
    del asked
    return self.lessee_at(now_ns) in {None, lessee}


def release_frees_the_token(self: Voter, lessee: Lessee, heir: int | None, now_ns: int) -> None:
    """What is given back was never used."""
    if self.lessee == lessee:
        self.vote = msgspec.structs.replace(self.vote, token=lessee.token - 1)
    _release(self, lessee, heir, now_ns)


def renewal_takes_the_token_back(self: Voter, lessee: Lessee, configuration: Configuration) -> None:
    """Whoever is granted a lease is noted, also under a smaller token."""
    newest = configuration if configuration.is_newer_than(self.vote.configuration) else self.vote.configuration
    self.vote = Vote(lessee.token, lessee.node, lessee.claim, newest)


def old_configuration_still_elects(self: Voter, configuration: Configuration) -> bool:
    """C30: whoever is asked grants, whomever the claimant takes for voters."""
    del self, configuration
    return False


def earlier_record_is_enough(self: MajorityLease, now_ns: int) -> None:
    """C1: one's own vote counts as soon as anything is durable."""
    if self._own_answer is not None:
        (_, answer), self._own_answer = self._own_answer, None
        self._granted(self.me, answer, now_ns)


# The deadline


def rho_left_out(self: Settings) -> int:
    """All clocks are right."""
    return self.duration_ns - self.margin_ns


def voters_rho_left_out(self: Settings) -> int:
    """Only the holder's clock may be wrong."""
    return self.duration_ns * (PPM - self.rho_ppm) // PPM - self.margin_ns


def holders_rho_left_out(self: Settings) -> int:
    """Only the voters' clocks may be wrong."""
    return self.duration_ns * PPM // (PPM + self.rho_ppm) - self.margin_ns


def counted_from_the_answer(self: MajorityLease, voter: int, granted: Granted, now_ns: int) -> None:
    """A lease begins when the answer comes."""
    _granted(self, voter, msgspec.structs.replace(granted, sent_ns=now_ns), now_ns)


def extended_after_its_end(self: MajorityLease, now_ns: int) -> None:
    """Who is told late that it is over goes on, if answers have come meanwhile."""
    del self, now_ns


def messages_counted(self: Lease, voter: int, until_ns: int, accepted: int) -> None:
    """C3: each answer counts, whoever gave it."""
    others = [other for other in self.configuration.voters if other not in self._until_ns]
    _counted(self, others[0] if voter in self._until_ns and others else voter, until_ns, accepted)


# Tokens and claims


def term_used_as_token(self: MajorityLease, event: Event, now_ns: int) -> Sequence[Effect]:
    """C32: the elector's round is the token, and two tenures of one round share it."""
    effects = _handle(self, event, now_ns)
    return [
        msgspec.structs.replace(effect, token=self.term) if isinstance(effect, Authorised | Deposed) else effect
        for effect in effects
    ]


def claims_not_told_apart(self: MajorityLease, now_ns: int) -> None:
    """A node's next life is taken for the earlier one."""
    with patch.object(self.chance, "getrandbits", lambda bits: 0 * bits):
        _claim(self, now_ns)


def told_apart_by_token(lease: Lease | None, granted: Granted) -> bool:
    """C32: a node's next life may have the same token, and takes an answer to the earlier one for its own."""
    return lease is not None and lease.token == granted.token


def tokens_not_learned(self: MajorityLease, token: int, configuration: Configuration) -> None:
    """Each claim is one above the last one of this node, whatever others have granted."""
    del token
    _learn(self, self._highest, configuration)


# Configurations


def gossip_changes_the_denominator(self: MajorityLease, peer: int, now_ns: int) -> None:
    """C30: who is said to have left is not needed for a majority."""
    _leave(self, peer, now_ns)
    if self._lease is not None:
        now = self._lease.configuration
        rest = tuple(voter for voter in now.voters if voter != peer)
        self._lease.configuration = msgspec.structs.replace(now, voters=rest or now.voters)


def joint_configuration_left_out(self: Lease) -> Configuration | None:
    """From one set of voters to another in one step."""
    following = _following(self)
    return following and msgspec.structs.replace(following, old=())


def undecided_configuration_followed(self: Lease, voter: int, until_ns: int, accepted: int) -> None:
    """C12, C13: a grant counts as acceptance, whatever the voter has made durable."""
    _counted(self, voter, until_ns, accepted)
    self._accepted.add(voter)


def acceptances_kept(self: Lease) -> bool:
    """Who accepted the configuration before is taken to have accepted the next."""
    accepted = {*self._accepted}
    has_proposed = _propose(self)
    self._accepted |= accepted
    return has_proposed


def earlier_proposal_taken_for_decided(self: Lease) -> Configuration | None:
    """C12: a joint configuration that another proposed is not proposed anew under this token."""
    now = self.configuration
    return Configuration(now.number + 1, self.token, now.voters) if now.old else _following(self)


def proposed_to_nobody(self: Lease) -> bool:
    """A change of voters is begun though no majority of the new ones has been heard of."""
    following = _following(self)
    if following is None or self.deadline_ns is None:
        return False
    self.configuration = following
    self._accepted.clear()
    return True


def proposed_to_who_was_there_once(self: Lease) -> bool:
    """A change of voters is begun though the leases of those who shall vote are long over."""
    with patch.object(self, "deadline_ns", self.deadline_ns and 0):
        return _propose(self)


# Progress


def no_hysteresis(self: MajorityLease, lease: Lease, now_ns: int) -> None:
    """C25: whoever is preferred takes over at once."""
    _hold(self, lease, now_ns)
    if self._give_way_ns <= now_ns + self.settings.give_way_ns:
        self._give_way_ns = now_ns
        _hold(self, lease, now_ns)


def renews_while_it_gives_way(self: MajorityLease, lease: Lease, now_ns: int) -> None:
    """Who gives way at its deadline goes on moving that."""
    _hold(self, lease, now_ns)
    if now_ns >= max(self._give_way_ns, self._renew_ns):
        self._renew_ns = now_ns + self.settings.renew_every_ns
        self._ask(lease, Renew, now_ns)


def elector_trusted_for_ever(self: Pace, now_ns: int, *, should_lead: bool, votes: bool) -> int:
    """Nobody claims but whom the elector wants."""
    return _claims_from_ns(self, now_ns, should_lead=should_lead, votes=votes and False)


def no_chance_in_waiting(self: Pace, now_ns: int, free_ns: int | None) -> None:
    """C24: all that failed try again at the same time, and fail again."""
    del free_ns
    self._not_before_ns = now_ns + self.settings.retry_ns


ONE, GROW, OWN, END, STEADY = "one-at-a-time", "tokens-grow", "own-deadline", "termination", "steady"
GIVES_WAY = "gives-way"
MUTANTS = (
    Mutant(MajorityLease, "_keep_vote", vote_not_awaited, ONE, scripts.a_voter_forgets_what_was_not_durable),
    Mutant(MajorityLease, "_vote", own_vote_not_awaited, GROW, scripts.a_claimant_forgets_its_own_vote),
    Mutant(Voter, "__init__", restarted_voter_grants_at_once, ONE, scripts.a_voter_comes_back_within_its_lease),
    Mutant(Voter, "_may_have", live_lease_overwritten, ONE, 0),
    Mutant(Voter, "_may_have", token_used_again, GROW, 25),
    Mutant(Voter, "release", release_frees_the_token, GROW, 19),
    Mutant(Voter, "_vote_for", renewal_takes_the_token_back, GROW, scripts.an_old_renewal_comes_after_a_greater_token),
    Mutant(MajorityLease, "_hear_own_answer", earlier_record_is_enough, GROW, scripts.an_earlier_record_is_durable),
    Mutant(Voter, "_is_outdated", old_configuration_still_elects, ONE, 43),
    Mutant(Settings, "usable_ns", property(rho_left_out), ONE, scripts.clocks_run_at_their_bounds),
    Mutant(Settings, "usable_ns", property(voters_rho_left_out), ONE, scripts.clocks_run_at_their_bounds),
    Mutant(Settings, "usable_ns", property(holders_rho_left_out), ONE, scripts.clocks_run_at_their_bounds),
    Mutant(MajorityLease, "_granted", counted_from_the_answer, ONE, scripts.an_old_answer_comes_again),
    Mutant(MajorityLease, "_expire", extended_after_its_end, OWN, 0),
    Mutant(Lease, "granted", messages_counted, ONE, scripts.one_voter_answers_twice),
    Mutant(MajorityLease, "handle", term_used_as_token, GROW, 0),
    Mutant(MajorityLease, "_claim", claims_not_told_apart, GROW, scripts.a_claimant_comes_back_under_its_own_token),
    Mutant(MajorityLease, "_is_for", staticmethod(told_apart_by_token), ONE, scripts.a_next_life_hears_an_old_grant),
    Mutant(MajorityLease, "_learn", tokens_not_learned, END, scripts.a_newcomer_knows_no_tokens),
    Mutant(MajorityLease, "_leave", gossip_changes_the_denominator, ONE, scripts.members_are_said_to_have_left),
    Mutant(Lease, "_following", joint_configuration_left_out, ONE, 9),
    Mutant(Lease, "granted", undecided_configuration_followed, ONE, scripts.an_old_answer_comes_after_a_proposal),
    Mutant(Lease, "propose", acceptances_kept, ONE, scripts.an_old_answer_comes_after_a_proposal),
    Mutant(Lease, "_following", earlier_proposal_taken_for_decided, ONE, scripts.two_proposals_of_one_number),
    Mutant(Lease, "propose", proposed_to_nobody, END, scripts.nobody_is_there_who_shall_vote),
    Mutant(Lease, "propose", proposed_to_who_was_there_once, END, scripts.who_shall_vote_was_there_once),
    Mutant(MajorityLease, "_hold", no_hysteresis, STEADY, 0),
    Mutant(MajorityLease, "_hold", renews_while_it_gives_way, GIVES_WAY, scripts.a_holder_that_gives_way_is_kept_busy),
    Mutant(Pace, "claims_from_ns", elector_trusted_for_ever, END, 0),
    Mutant(Pace, "failed", no_chance_in_waiting, END, scripts.two_claim_at_the_same_instant),
)


def violations(mutant: Mutant) -> list[str]:
    """What its recorded schedule violates."""
    return (
        lease_schedules.violations(mutant.shown_by)
        if isinstance(mutant.shown_by, int)
        else mutant.shown_by().violations
    )


def main(most_seeds: int = 2000) -> None:
    """Print for each mutant with a seed the first one in which its checker sees it, beside the recorded one."""
    for mutant in MUTANTS:
        if isinstance(mutant.shown_by, int):
            with applied(mutant):
                seeds = range(most_seeds)
                seen = (n for n in seeds for line in lease_schedules.violations(n) if line.startswith(mutant.checker))
                first = next(seen, None)
            sys.stdout.write(f"{mutant.name} -> {mutant.checker} -> {first} (recorded: {mutant.shown_by})\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
