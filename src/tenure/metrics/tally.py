"""What the notices of one candidate, and the sights of one election, add up to; pure."""

from __future__ import annotations

from typing import Literal

from tenure.durations import NS_PER_S
from tenure.errors import Reason
from tenure.histogram import Histogram
from tenure.holding import notices
from tenure.holding.notices import Notice

Sight = Literal["led", "vacant", "unknown"]
"""What was seen of an election: somebody leads it, nobody does, or it could not be seen."""


class Tally:
    """One candidate of one election, or all of those that have no series of their own."""

    def __init__(self) -> None:
        self.token: int | None = None
        """Of the tenure that it held last."""
        self.elected = 0
        self.ended = dict.fromkeys(Reason, 0)
        self.overruns = self.stalls = self.renewal_failures = self.campaign_failures = self.job_failures = 0
        self.latency = Histogram()
        self.smallest_margin_ns: int | None = None
        """Of the tenure that it held last; None before its first renewal."""
        self._open: dict[tuple[str, str], int] = {}
        """The tenures that have begun and not ended, by election and candidate; an end is counted once."""

    def count(self, notice: Notice) -> None:
        """Add one notice."""
        who = (notice.election, notice.candidate)
        match notice:
            case notices.Elected(token=token):
                self.elected += 1
                self.opened(who, token)
            case notices.Renewed():
                self.latency.observe(notice.latency_ns / NS_PER_S)
                if who in self._open:  # work that drains is renewed for, too, but nothing depends on its margin
                    before_ns = self.smallest_margin_ns
                    self.smallest_margin_ns = notice.left_ns if before_ns is None else min(before_ns, notice.left_ns)
            case notices.Uncertain():
                self.renewal_failures += 1
            case notices.Stalled():
                self.stalls += 1
            case notices.Lost(token=token, reason=reason) | notices.Released(token=token, reason=reason):
                if self._open.get(who) == token:  # once for each tenure, and never for one that did not begin
                    del self._open[who]
                    self.ended[reason] += 1
            case notices.Overran():
                self.overruns += 1
            case notices.CampaignFailed(retry_at_ns=int()):
                self.campaign_failures += 1
            case notices.JobFailed():
                self.job_failures += 1
            case _:  # a campaign that begins, or is over, changes no number
                ...

    def opened(self, who: tuple[str, str], token: int) -> None:
        """This candidate of this election leads with `token`, whether or not the notice of that was heard."""
        if self._open.get(who) != token:
            self._open[who] = self.token = token
            self.smallest_margin_ns = None


class Vacancy:
    """For how long nobody led an election, and for how long nobody could tell, as far as this process saw."""

    def __init__(self) -> None:
        self._sight: Sight | None = None
        self._since_ns = 0
        self._sums_ns: dict[Sight, int] = {"led": 0, "vacant": 0, "unknown": 0}

    def saw(self, sight: Sight | None, now_ns: int) -> None:
        """From `now_ns` on it is so; None: nobody looks any more."""
        self._sums_ns = {one: self.sum_ns(one, now_ns) for one in self._sums_ns}
        self._sight, self._since_ns = sight, now_ns

    def sum_ns(self, sight: Sight, now_ns: int) -> int:
        """How long it has been so, in all, up to now."""
        return self._sums_ns[sight] + (max(0, now_ns - self._since_ns) if self._sight == sight else 0)
