"""What the tests of metrics share: a tenure that a clock ends and no notice, and reading what was written."""

from __future__ import annotations

import random

from prometheus_client.parser import text_string_to_metric_families

from tenure.clock import ManualClock
from tenure.durations import NS_PER_S
from tenure.handle import Hold
from tenure.holding import events
from tenure.holding.budget import Budget
from tenure.holding.holder import Holder

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class NoSteering:
    """What a handle asks of a keeper that is not there."""

    def resign(self) -> None:
        """Nobody hears it."""

    def owner_is_alive(self) -> None:
        """The same."""


def held(
    clock: ManualClock, *, lease_s: float | None = 15.0, election: str = "e", candidate: str = "a", token: int = 1
) -> Hold:
    """A tenure from now on, of a holder that nobody drives: only the clock ends it."""
    budget = Budget.of(lease_s)
    holder = Holder(election=election, candidate=candidate, budget=budget, chance=random.Random(0))
    now_ns = clock.now_ns()
    holder.handle(events.Stand(), now_ns)
    lease_ns = None if lease_s is None else round(lease_s * NS_PER_S)
    holder.handle(events.Won(1, events.Granted(token=token, sent_ns=now_ns, lease_ns=lease_ns)), now_ns)
    return Hold(holder, clock, NoSteering())


def parsed(text: str) -> Samples:
    """Every sample of an exposition, as Prometheus' own client reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, sample: str, /, **labels: str) -> float | None:
    """The one sample of this name that has these labels, None if there is none."""
    found = [
        number for (name, its), number in parsed(text).items() if name == sample and set(labels.items()) <= set(its)
    ]
    assert len(found) < 2, f"{sample} {labels} is not one sample"
    return found[0] if found else None
