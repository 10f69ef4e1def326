"""The text format 0.0.4 of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from tenure.histogram import Histogram

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


def buckets(histogram: Histogram, labels: Labels) -> list[Sample]:
    """Its lines; the counts of a bucket contain those of the smaller ones."""
    sum_s, counts = histogram.sum_s, histogram.cumulative()
    names = (*map(number, histogram.bounds_s), "+Inf")
    found = [Sample((*labels, ("le", bound)), count, "_bucket") for bound, count in zip(names, counts, strict=True)]
    return [*found, Sample(labels, sum_s, "_sum"), Sample(labels, counts[-1], "_count")]


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
