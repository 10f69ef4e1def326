"""The text format 0.0.4 of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are written."""


class Sample(NamedTuple):
    """One line: `suffix` is what a histogram puts behind its family's name."""

    labels: Labels
    value: float
    suffix: str = ""


class Family(NamedTuple):
    """All samples of one metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: list[Sample]


class Histogram:
    """Counts of values in seconds, below or at each of `BOUNDS_S`."""

    BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    """From a local disk to the longest call: those of the usual client libraries, and two finer ones below."""

    def __init__(self) -> None:
        self._counts = [0] * (len(self.BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, value_s: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self.BOUNDS_S, value_s)] += 1
        self._sum_s += value_s

    def samples(self, labels: Labels) -> list[Sample]:
        """Its lines; the counts of a bucket contain those of the smaller ones."""
        found, total = [], 0
        for bound, count in zip((*map(number, self.BOUNDS_S), "+Inf"), self._counts, strict=True):
            total += count
            found.append(Sample((*labels, ("le", bound)), total, "_bucket"))
        return [*found, Sample(labels, self._sum_s, "_sum"), Sample(labels, total, "_count")]


def escape(value: str) -> str:
    """A label's value between its quotation marks."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A sample's value: whole numbers without a point, the endless ones as Go writes them."""
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def render(families: Iterable[Family]) -> str:
    """The whole answer. A family without samples is left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
            lines += [f"# HELP {family.name} {text}", f"# TYPE {family.name} {family.kind}"]
            lines += [f"{family.name}{one.suffix}{_braces(one.labels)} {number(one.value)}" for one in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _braces(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels) + "}" if labels else ""
