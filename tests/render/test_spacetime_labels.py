"""Where words and ticks stand: never over one another, whatever is asked for."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.render.spacetime.items import Mark, Text
from tenure.render.spacetime.labels import placed, width_of
from tenure.render.spacetime.svg import ticks

labels = st.lists(
    st.builds(
        lambda t, y, words, rank, middle: Text(
            t1=t, t2=t + 50, y=y, texts=[words, words[:2]], rows=(y + 5, y + 20), look="say", rank=rank,
            anchor="middle" if middle else "start",
        ),
        st.integers(0, 900),
        st.integers(0, 60),
        st.text("abc", min_size=2, max_size=30),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=40,
)  # fmt: skip  # the arguments of one call


@given(labels, st.lists(st.tuples(st.integers(0, 900), st.integers(0, 60)), max_size=5))
def test_no_words_stand_over_others_or_on_a_cross(drawn: list[Text], crosses: list[tuple[int, int]]) -> None:
    """Whatever is asked for: each box is apart from all others, and the most important words are always there."""
    marks = [Mark(t=t, y=y, shape="cross", look="drop") for t, y in crosses]
    found = placed([*drawn, *marks], float, 0, 1000)
    boxes = [(float(t) - 5, y - 5.0, t + 5.0, y + 5.0) for t, y in crosses]
    for item, chosen, x, y in found:
        width = width_of(chosen, item.size)
        left = x - width / 2 if item.anchor == "middle" else x
        box = (left, y - item.size * 0.8, left + width, y + item.size * 0.25)
        assert not any(box[0] < c and a < box[2] and box[1] < d and b < box[3] for a, b, c, d in boxes)
    for (one, first, x1, y1), (other, second, x2, y2) in combinations(found, 2):
        half = [
            (x - width_of(text, item.size) / 2 if item.anchor == "middle" else x, width_of(text, item.size))
            for item, text, x in ((one, first, x1), (other, second, x2))
        ]
        apart = half[0][0] + half[0][1] <= half[1][0] or half[1][0] + half[1][1] <= half[0][0]
        assert apart or abs(y1 - y2) >= one.size
    if drawn and not crosses:
        assert max(drawn, key=lambda item: item.rank) in [item for item, *_ in found]


@pytest.mark.parametrize("length", [1, 17, 10**3, 10**6, 123 * 10**9, 10**18])
@pytest.mark.parametrize("from_ns", [0, 7, 10**12])
def test_ticks_are_round_and_apart(length: int, from_ns: int) -> None:
    """Multiples of 1, 2 or 5, in the window, with different words."""
    found = ticks(from_ns, from_ns + length, 1000)
    assert 1 <= len(found) <= 12
    assert all(from_ns <= at_ns <= from_ns + length for at_ns, _ in found)
    assert len({told for _, told in found}) == len(found)
    if len(found) > 1:
        assert str(found[1][0] - found[0][0]).rstrip("0") in {"1", "2", "5"}
