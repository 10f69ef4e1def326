"""A holder with its clock and its call numbers at hand, for tests that walk through one life by example."""

from __future__ import annotations

import random
from typing import TypeVar

from tenure.durations import NS_PER_S
from tenure.holding import effects, events, notices
from tenure.holding.budget import Budget
from tenure.holding.effects import Effect
from tenure.holding.events import Event, Granted
from tenure.holding.holder import Holder

E = TypeVar("E")

S = NS_PER_S
T0 = 1_000 * S
"""An arbitrary start, so that nothing works by starting at zero."""

BUDGET = Budget(
    lease_ns=20 * S,
    grace_ns=4 * S,
    margin_ns=1 * S,
    renew_every_ns=4 * S,
    attempts=3,
    call_timeout_ns=2 * S,
    backoff_ns=1 * S,
    stall_after_ns=15 * S,
).checked()
"""Deadline 19 s after the send, soft deadline 15 s after it, renewed each 4 s."""

LEASELESS = Budget.of(None)


class Stage:
    """Drives one holder; times are in seconds since the start, fractions allowed."""

    def __init__(self, budget: Budget = BUDGET, *, floor: int = 0, takeover_delay_s: float = 0, seed: int = 1) -> None:
        self.budget = budget
        self.holder = Holder(
            election="e",
            candidate="c",
            budget=budget,
            chance=random.Random(seed),
            floor=floor,
            takeover_delay_ns=round(takeover_delay_s * S),
        )
        self.said: list[Effect] = []
        """Every effect so far."""

    def at(self, second: float, event: Event) -> list[Effect]:
        produced = self.holder.handle(event, T0 + round(second * S))
        self.said += produced
        return produced

    def woke(self, second: float) -> list[Effect]:
        return self.at(second, events.Woke())

    def stand(self, second: float = 0, wait_s: float | None = None) -> int:
        """Begin; the number of the campaign."""
        self.at(second, events.Stand(None if wait_s is None else round(wait_s * S)))
        return self.last(effects.Campaign).call

    def won(
        self,
        second: float,
        *,
        token: int = 7,
        sent_s: float | None = None,
        lease_s: float | None = 20,
        clean: bool = True,
    ) -> list[Effect]:
        """Answer the latest campaign with a grant that was asked for at `sent_s`, or just now."""
        return self.at(
            second, events.Won(self.last(effects.Campaign).call, grant(second, token, sent_s, lease_s, clean))
        )

    def lead(self, second: float = 0) -> None:
        """Stand and win at once."""
        self.stand(second)
        lease_s = None if self.budget.lease_ns is None else 20
        assert "Start" in kinds(self.won(second, lease_s=lease_s))

    def renewed(self, second: float, call: int | None = None, lease_s: float = 20) -> list[Effect]:
        call = self.last(effects.Renew).call if call is None else call
        return self.at(second, events.RenewalGranted(call, round(lease_s * S)))

    def failed(self, second: float, call: int, verdict: events.Verdict = events.Verdict.UNKNOWN) -> list[Effect]:
        return self.at(second, events.Failed(call, verdict, "why"))

    def last(self, kind: type[E]) -> E:
        """The latest effect of a kind."""
        return all_of(self.said, kind)[-1]

    @property
    def deadline_s(self) -> float:
        return (self.holder.deadline_ns - T0) / S

    @property
    def wake_s(self) -> float:
        return (self.holder.wake_ns - T0) / S

    def is_valid(self, second: float) -> bool:
        return self.holder.is_valid(T0 + round(second * S))


def grant(
    second: float, token: int = 7, sent_s: float | None = None, lease_s: float | None = 20, clean: bool = True
) -> Granted:
    """What a backend granted, asked for at `sent_s` or just now."""
    return Granted(
        token=token,
        sent_ns=T0 + round((second if sent_s is None else sent_s) * S),
        lease_ns=None if lease_s is None else round(lease_s * S),
        clean=clean,
    )


def all_of(produced: list[Effect], kind: type[E]) -> list[E]:
    """The effects of a kind, or the notices of a kind among the announcements."""
    told = [effect.notice if isinstance(effect, effects.Announce) else effect for effect in produced]
    return [one for one in told if isinstance(one, kind)]


def one(produced: list[Effect], kind: type[E]) -> E:
    """The only effect or notice of a kind."""
    (found,) = all_of(produced, kind)
    return found


def kinds(produced: list[Effect]) -> list[str]:
    """The names of effects in order, without what is only announced."""
    return [type(effect).__name__ for effect in produced if not isinstance(effect, effects.Announce)]


__all__ = ["BUDGET", "LEASELESS", "T0", "S", "Stage", "all_of", "grant", "kinds", "notices", "one"]
