"""The law with one rule taken away at a time: what each checker must catch, or it proves nothing.

Each mutant replaces one method of the product's own classes. `seed` is a recorded run in which the named checker sees
it; without the mutant the same run is clean. `python -m tests.holding.mutants` finds the seeds anew when the world has
changed.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple
from unittest.mock import patch

from tenure.durations import NEVER_NS, PPM
from tenure.errors import Reason
from tenure.holding import effects
from tenure.holding.attempts import Attempts
from tenure.holding.budget import Budget
from tenure.holding.ending import Ending
from tenure.holding.events import Failed, Granted, Transfer, Verdict, Wish
from tenure.holding.holder import Holder
from tenure.holding.lease import Lease
from tenure.holding.phases import Phase
from tests.mutation import applied, name_of


class Mutant(NamedTuple):
    """One rule taken away: from which class, what stands there instead, and who notices in which run."""

    rule: int
    """Its number in the docstring of `holder.py`."""
    owner: type
    attribute: str
    instead: Any
    checker: str
    seed: int

    @property
    def name(self) -> str:
        return name_of(self)


# Rule 1

_renewed, _won = Holder._renewed, Holder._won  # noqa: SLF001 -- a mutant wraps what it mutates
_answered, _lose = Lease.answered, Holder._lose  # noqa: SLF001 -- the same
_deposed, _asked = Holder._deposed, Holder._asked  # noqa: SLF001 -- the same
_failed, _ending_at = Holder._failed, Holder._ending_at  # noqa: SLF001 -- the same


def deadline_from_the_arrival(self: Holder, call: int, lease_ns: int, now_ns: int) -> None:
    """An answer's arrival moves the deadline later."""
    before_ns = self._lease.deadline_ns
    _renewed(self, call, lease_ns, now_ns)
    if self._lease.deadline_ns != before_ns:
        self._lease.deadline_ns = self.budget.deadline_ns(now_ns, lease_ns)


def no_rho(self: Budget, sent_ns: int, lease_ns: int | None) -> int:
    """Clock rates are trusted."""
    return NEVER_NS if lease_ns is None else sent_ns + lease_ns - self.margin_ns


def rho_on_one_side(self: Budget, sent_ns: int, lease_ns: int | None) -> int:
    """Only the holder's own clock may be off."""
    return NEVER_NS if lease_ns is None else sent_ns + lease_ns * (PPM - self.rho_ppm) // PPM - self.margin_ns


def no_margin(self: Budget, sent_ns: int, lease_ns: int | None) -> int:
    """No time is kept for what takes time."""
    usable_ns = (lease_ns or 0) * (PPM - self.rho_ppm) // (PPM + self.rho_ppm)
    return NEVER_NS if lease_ns is None else sent_ns + usable_ns


def older_answer_overrides(self: Lease, call: int, lease_ns: int) -> tuple[int, bool] | None:
    """An answer is never too old: renewals answered already are answered again by what overtook them."""
    kept = dict(self._sent_ns)
    answer = _answered(self, call, lease_ns)
    self._sent_ns = kept
    return answer


# Rules 2, 3, 11, 12


def granted_lease_not_checked(self: Holder, call: int, granted: Granted, now_ns: int) -> None:
    """The granted lease is not compared with the budget."""
    with patch.object(Budget, "fits", lambda _budget, _lease_ns: True):
        _won(self, call, granted, now_ns)


def too_little_left_accepted(self: Holder, call: int, granted: Granted, now_ns: int) -> None:
    """A win is led with, however old."""
    with patch.object(Lease, "soft_ns", NEVER_NS):
        _won(self, call, granted, now_ns)


def token_floor_ignored(self: Holder, call: int, granted: Granted, now_ns: int) -> None:
    """A token may go back."""
    self._floor = 0
    _won(self, call, granted, now_ns)


def takeover_delay_ignored(self: Holder, call: int, granted: Granted, now_ns: int) -> None:
    """The body starts at once after an ungraceful end."""
    self._takeover_delay_ns = 0
    _won(self, call, granted, now_ns)


def late_win_kept(self: Holder, call: int, granted: Granted, now_ns: int) -> None:
    """A win that nobody waits for is forgotten."""
    if self.phase is Phase.STANDING and call == self._attempts.call:
        _won(self, call, granted, now_ns)


# Rules 4, 5


def soft_deadline_skipped(self: Lease) -> int:
    """The body is told at the hard deadline only."""
    return self.deadline_ns


def valid_without_the_clock(self: Holder, now_ns: int) -> bool:
    """A tenure is valid until somebody says that it is not."""
    del now_ns
    return self.phase is Phase.LEADING and self.reason is None


def reason_overwritten_by_a_wish(self: Holder, wish: Wish, now_ns: int) -> None:
    """A wish that comes after the loss becomes its reason."""
    _asked(self, wish, now_ns)
    if self.phase is Phase.ENDING:
        self.reason = Reason.TRANSFERRED if isinstance(wish, Transfer) else Reason.RESIGNED


def reason_overwritten(self: Holder, reason: Reason, detail: str, until_ns: int | None, now_ns: int) -> None:
    """The last word of the service becomes the reason."""
    _deposed(self, reason, detail, until_ns, now_ns)
    if self.phase is Phase.ENDING:
        self.reason = reason


def second_cancel_missing(self: Ending, now_ns: int) -> bool:
    """A body is told once only."""
    self._told_again = self._told_again or now_ns >= self._told_ns + self._budget.grace_ns // 2
    return False


# Rules 6, 7, 8


def silent_owner_renewed(self: Holder, now_ns: int) -> bool:
    """A wedged owner is kept alive."""
    return self._ending is None or self._ending.may_renew(now_ns)


def one_error_ends_the_tenure(self: Holder, event: Failed, now_ns: int) -> None:
    """A transient error counts as loss."""
    if self.phase is Phase.LEADING and self._lease.awaits(event.call):
        event = Failed(event.call, Verdict.DEFINITE, event.detail, Reason.EXPIRED)
    _failed(self, event, now_ns)


def definite_error_ignored(self: Holder, event: Failed, now_ns: int) -> None:
    """An answer that the grant is gone is taken for a transient error."""
    _failed(self, Failed(event.call, Verdict.UNKNOWN, event.detail, event.reason), now_ns)


def word_of_the_end_ignored(self: Holder, reason: Reason, detail: str, until_ns: int | None, now_ns: int) -> None:
    """What the service says unasked is not heard."""
    if self.phase is not Phase.LEADING:
        _deposed(self, reason, detail, until_ns, now_ns)


def any_call_ends_the_tenure(self: Lease, call: int) -> bool:
    """A call for an earlier grant ends the tenure with this one."""
    del self, call
    return True


def overdue_call_awaited(self: Lease, now_ns: int) -> int | None:
    """A call that hangs is awaited for ever."""
    del self, now_ns
    return None


def renewal_left_behind(self: Lease) -> int | None:
    """A renewal under way is forgotten at the release."""
    self._waiting_for, self._next_ns = None, NEVER_NS
    return None


def no_pause_before_a_retry(self: Lease, now_ns: int) -> None:
    """What failed is repeated at once."""
    self._waiting_for, self.failing, self._next_ns = None, True, now_ns


def single_try_without_a_limit(self: Attempts, wait_ns: int | None, now_ns: int) -> None:
    """A single try waits for its answer for ever."""
    self.once = wait_ns == 0
    self.give_up_ns = now_ns + wait_ns if wait_ns else NEVER_NS


def renewed_after_the_grace(self: Ending, now_ns: int) -> bool:
    """Work that does not end is renewed for ever."""
    del now_ns
    return self._until_ns is None


# Rules 9, 10


def released_before_the_body_left(self: Holder, reason: Reason, detail: str, now_ns: int) -> None:
    """The grant is given back when the body is told, not when it has left."""
    _lose(self, reason, detail, now_ns)
    self._effects.append(effects.Release(self._next_call(), self.token, self._to))


def overrun_not_reported(self: Ending, now_ns: int) -> bool:
    """Nobody is told of an overrun."""
    self.overran = self.overran or now_ns >= self.hard_ns
    return False


def overrun_reported_again(self: Holder, now_ns: int) -> None:
    """An overrun is reported at every look at the clock."""
    assert self._ending is not None
    self._ending.overran = False
    _ending_at(self, now_ns)
    self._ending.overran = now_ns >= self._ending.hard_ns


MUTANTS = (
    Mutant(1, Holder, "_renewed", deadline_from_the_arrival, "no_two_valid_tenures_at_one_instant", 1048),
    Mutant(1, Budget, "deadline_ns", no_rho, "no_two_valid_tenures_at_one_instant", 58),
    Mutant(1, Budget, "deadline_ns", rho_on_one_side, "no_two_valid_tenures_at_one_instant", 58),
    Mutant(1, Budget, "deadline_ns", no_margin, "no_act_after_a_newer_tenures_first_act", 123),
    Mutant(1, Lease, "answered", older_answer_overrides, "deadline_never_later_than_the_send_allows", 0),
    Mutant(2, Holder, "_won", granted_lease_not_checked, "a_lease_that_does_not_fit_is_never_led_with", 8),
    Mutant(2, Holder, "_won", too_little_left_accepted, "a_win_with_too_little_left_is_never_led_with", 376),
    Mutant(3, Holder, "_won", token_floor_ignored, "tokens_only_grow", 44),
    Mutant(4, Lease, "soft_ns", property(soft_deadline_skipped), "told_to_stop_by_the_soft_deadline", 0),
    Mutant(4, Holder, "is_valid", valid_without_the_clock, "no_act_after_a_newer_tenures_first_act", 26),
    Mutant(5, Holder, "_deposed", reason_overwritten, "first_reason_stays", 10),
    Mutant(5, Holder, "_asked", reason_overwritten_by_a_wish, "first_reason_stays", 0),
    Mutant(5, Ending, "tell_again", second_cancel_missing, "told_again_at_half_the_grace", 0),
    Mutant(6, Holder, "_may_renew", silent_owner_renewed, "a_silent_owner_is_not_renewed", 0),
    Mutant(7, Holder, "_failed", one_error_ends_the_tenure, "every_loss_has_its_cause", 0),
    Mutant(7, Holder, "_failed", definite_error_ignored, "a_definite_end_is_obeyed", 0),
    Mutant(7, Holder, "_deposed", word_of_the_end_ignored, "a_definite_end_is_obeyed", 0),
    Mutant(7, Lease, "awaits", any_call_ends_the_tenure, "every_loss_has_its_cause", 165),
    Mutant(7, Lease, "overdue", overdue_call_awaited, "nothing_in_flight_is_unbounded", 0),
    Mutant(7, Lease, "let_go", renewal_left_behind, "nothing_in_flight_is_unbounded", 0),
    Mutant(7, Lease, "_retry_later", no_pause_before_a_retry, "retries_are_spaced", 1),
    Mutant(7, Attempts, "begin", single_try_without_a_limit, "nobody_waits_longer_than_asked", 0),
    Mutant(8, Ending, "may_renew", renewed_after_the_grace, "no_renewal_after_the_grace", 0),
    Mutant(9, Holder, "_lose", released_before_the_body_left, "no_release_while_the_body_runs", 0),
    Mutant(10, Ending, "overrun", overrun_not_reported, "an_overrun_is_reported_once_at_the_hard_deadline", 0),
    Mutant(10, Holder, "_ending_at", overrun_reported_again, "an_overrun_is_reported_once_at_the_hard_deadline", 0),
    Mutant(11, Holder, "_won", takeover_delay_ignored, "takeover_delay_is_kept", 0),
    Mutant(12, Holder, "_won", late_win_kept, "every_win_is_led_or_given_back", 0),
)


def main(most_seeds: int = 3000) -> None:
    """Print for each mutant the first seed in which its checker sees it, beside the recorded one."""
    from tests.holding.checkers import CHECKERS, Judged
    from tests.holding.virtual import simulate

    checkers = {checker.__name__: checker for checker in CHECKERS}
    for mutant in MUTANTS:
        with applied(mutant):
            runs = (Judged.of(simulate(seed)) for seed in range(most_seeds))
            found = next((one.run.seed for one in runs if any(checkers[mutant.checker](one))), None)
        sys.stdout.write(f"{mutant.name} -> {mutant.checker} -> {found} (recorded: {mutant.seed})\n")


if __name__ == "__main__":
    main()
