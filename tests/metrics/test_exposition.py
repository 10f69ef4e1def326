"""The text format: whatever the values and labels are, Prometheus' own client reads them back."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tenure.histogram import Histogram
from tenure.metrics.exposition import Family, Sample, buckets, render
from tests.metrics.stand_in import parsed

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
HOSTILE = st.sampled_from(["\\", '"', "\n", "\\n", '\\"', "}", "{", ",", " ", "#", 'a",b="c', "\r", "é"])


@given(st.lists(TEXTS | HOSTILE, min_size=1, max_size=5).map("".join), st.floats(allow_nan=False))
def test_any_label_and_value_come_back(label: str, number: float) -> None:
    """Quotation marks, backslashes, ends of lines, anything in UTF-8; numbers to the last digit."""
    text = render([Family("m", "gauge", "help", [Sample((("name", label), ("other", "x")), number)])])

    assert parsed(text) == {("m", frozenset({("name", label), ("other", "x")})): number}


@given(TEXTS | HOSTILE)
def test_any_help_stays_on_its_line(words: str) -> None:
    """What is said about a metric never becomes a sample."""
    text = render([Family("m", "counter", words, [Sample((), 1)])])

    assert text.count("\n") == 3
    assert text.split("\n")[2] == "m 1"


@given(st.lists(st.floats(min_value=0, max_value=100)))
def test_a_histogram_counts_each_value_in_every_bucket_that_holds_it(values: list[float]) -> None:
    """Buckets are cumulative and inclusive, the last holds all, sum and count agree."""
    histogram = Histogram()
    for one in values:
        histogram.observe(one)

    (family,) = text_string_to_metric_families(render([Family("m", "histogram", "h", buckets(histogram, ()))]))
    counted = {s.labels["le"]: s.value for s in family.samples if s.name == "m_bucket"}
    rest = {s.name: s.value for s in family.samples if s.name != "m_bucket"}

    assert counted == {
        **{f"{bound:g}": sum(one <= bound for one in values) for bound in Histogram.BOUNDS_S},
        "+Inf": len(values),
    }
    assert rest == {"m_sum": sum(values), "m_count": len(values)}


def test_the_form_is_that_of_0_0_4() -> None:
    """Help and type once, before the samples; whole numbers whole; the endless as Go writes them; a line's end last."""
    family = Family("m", "gauge", "One.", [Sample((("a", "b"),), 3.0), Sample((), math.inf), Sample((), -math.inf)])

    assert render([family, Family("n", "gauge", "Left out.", [])]) == (
        '# HELP m One.\n# TYPE m gauge\nm{a="b"} 3\nm +Inf\nm -Inf\n'
    )
