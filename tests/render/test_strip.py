"""The strip of tenures: where its bars stand, and that it can be read without colour and in ASCII."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.durations import NS_PER_S
from tenure.render.strip import Bar, Note, Refusal, Span, Strip


def bar(lane: str, from_s: float, to_s: float, label: str = "", ending: str = "") -> Bar:
    """A bar in seconds."""
    return Bar(lane=lane, from_ns=round(from_s * NS_PER_S), to_ns=round(to_s * NS_PER_S), label=label, ending=ending)


def test_a_strip_reads_like_this() -> None:
    """Lanes in the order of their first bars, one axis, marks for pauses, overlaps and gaps."""
    strip = Strip(
        [bar("ada", 0, 2, "1", "killed"), bar("bob", 2.5, 4, "2", "resigned"), bar("ada", 3, 8, "3")],
        pauses=[Span(from_ns=5 * NS_PER_S, to_ns=6 * NS_PER_S, lane="ada")],
        overlaps=[Span(from_ns=3 * NS_PER_S, to_ns=4 * NS_PER_S)],
        gaps=[Note(at_ns=round(2.5 * NS_PER_S), text="500 ms")],
        width=46,
        unicode=False,
    )
    assert strip.lines() == [
        "      0 s       2 s       4 s       6 s",
        "ada   1=========X    3=========......========]",
        "bob               2=======]",
        "both                 !!!!!!",
        "gap               ^500 ms",
    ]
    assert strip.legend() == (
        "digits: tokens   X killed   ] ended   . paused   ! two leaders at once   ^ without a leader"
    )


def test_an_act_that_was_refused_stands_in_its_lane_after_the_pause() -> None:
    """Both go on after the bar: the tenure was over when its leader woke."""
    strip = Strip(
        [bar("ada", 0, 4, "1"), bar("bob", 4, 10, "2")],
        pauses=[Span(from_ns=2 * NS_PER_S, to_ns=6 * NS_PER_S, lane="ada")],
        refusals=[Refusal(lane="ada", at_ns=7 * NS_PER_S)],
        width=25,
        unicode=False,
    )
    assert strip.lines()[1:] == ["ada   1===....].... #", "bob           2==========]"]
    assert strip.legend() == "digits: tokens   ] ended   . paused   # refused"


def test_without_unicode_every_character_is_ascii() -> None:
    """For terminals and logs that know no other; otherwise lines are drawn."""
    bars = [bar("ada", 0, 2), bar("bob", 2, 4, ending="killed")]
    assert all(line.isascii() for line in (*Strip(bars, unicode=False).lines(), Strip(bars, unicode=False).legend()))
    assert any("━" in line for line in Strip(bars).lines())


def test_gaps_close_together_stand_on_rows_of_their_own() -> None:
    """Two labels never write over one another, and one at the right edge stands left of its instant."""
    gaps = [Note(at_ns=at * NS_PER_S // 10, text=f"{at}.0 ms") for at in (50, 51, 99)]
    lines = Strip([bar("ada", 0, 10)], gaps=gaps, unicode=False).lines()
    assert [line[:3] for line in lines[2:]] == ["gap", "   "]
    found = " ".join(lines[2:])
    assert all(f"{at}.0 ms" in found for at in (50, 51, 99))
    assert found.count("^") == 3


def test_a_tenure_without_a_token_is_seen_all_the_same() -> None:
    """A bar without a label has a beginning."""
    assert "[=" in Strip([bar("ada", 0, 2)], unicode=False).lines()[1]


@pytest.mark.parametrize("length_s", [0.000_001, 0.01, 3, 70, 4000])
def test_the_axis_has_readable_ticks_at_any_length(length_s: float) -> None:
    """From a microsecond to an hour: ticks do not touch, and the first is the beginning."""
    axis = Strip([bar("ada", 0, length_s)]).lines()[0]
    ticks = re.findall(r"\S+ s", axis)
    assert ticks[0] == "0 s"
    assert axis.split() == [word for tick in ticks for word in tick.split()]


bars = st.builds(
    lambda lane, from_s, length_s, label: bar(lane, from_s, from_s + length_s, label),
    st.sampled_from(["ada", "bob", "cy"]),
    st.floats(0, 100),
    st.floats(0, 100),
    st.sampled_from(["", "1", "27", "10003"]),
)


@given(st.lists(bars, min_size=1, max_size=12), st.lists(st.floats(0, 250), max_size=12), st.integers(30, 120))
def test_no_line_is_wider_than_asked_and_no_bar_is_lost(drawn: list[Bar], gaps_s: list[float], width: int) -> None:
    """Whatever is drawn fits, each lane has its row, and each gap its words."""
    gaps = [Note(at_ns=round(at_s * NS_PER_S), text="1.23 s") for at_s in gaps_s]
    lines = Strip(drawn, gaps=gaps, width=width).lines()
    assert all(len(line) <= width for line in lines)
    lanes = list(dict.fromkeys(one.lane for one in drawn))
    assert [line.split()[0] for line in lines[1 : len(lanes) + 1]] == lanes
    assert all(len(line.split()) > 1 for line in lines[1 : len(lanes) + 1])
    assert "\n".join(lines).count("1.23 s") == len(gaps)
