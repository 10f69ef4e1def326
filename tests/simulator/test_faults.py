"""Faults as data and as words: each is the other's inverse, and what is no fault is refused with what would be one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.errors import ConfigurationError
from tenure.simulator import faults
from tenure.simulator.faults import FASTEST_PPM, SAYINGS, AnyFault, duration, parse

NODES = st.integers(0, 999_999_999)
TIMES = st.integers(0, 10 * 86_400 * 10**9)
CHANCES = st.floats(0, 1)
SPANS = st.tuples(TIMES, TIMES).map(sorted)
GROUPS = st.lists(NODES, min_size=1, max_size=6, unique=True).flatmap(
    lambda nodes: st.integers(1, len(nodes)).map(
        lambda cut: tuple(filter(None, (tuple(nodes[:cut]), tuple(nodes[cut:]))))
    )
)
FAULTS: st.SearchStrategy[AnyFault] = st.one_of(
    *(
        st.builds(kind, NODES)
        for kind in (
            faults.Crash,
            faults.Restart,
            faults.StallDisk,
            faults.LyingDisk,
            faults.Wipe,
            faults.MendDisk,
            faults.Join,
            faults.Leave,
        )
    ),
    st.builds(faults.Pause, NODES, TIMES),
    st.builds(faults.CrashLeader, TIMES),
    st.builds(faults.Partition, GROUPS),
    st.builds(faults.CutLink, NODES, NODES, st.booleans()),
    st.builds(faults.MendLink, NODES, NODES, st.booleans()),
    st.just(faults.Heal()),
    st.builds(faults.Lose, CHANCES),
    st.builds(faults.Duplicate, CHANCES),
    SPANS.map(lambda span: faults.Latency(*span)),
    st.builds(faults.Drift, NODES, st.integers(-FASTEST_PPM, FASTEST_PPM)),
    st.builds(lambda node, span: faults.SlowDisk(node, *span), NODES, SPANS),
    st.builds(faults.Ask, NODES, st.none() | NODES),
    st.builds(faults.SetVoters, NODES, st.lists(NODES, min_size=1, max_size=5, unique=True).map(tuple)),
    st.builds(faults.FalseAlarm, NODES, NODES),
    st.builds(faults.AllClear, NODES, NODES),
)
WORDS = st.one_of(
    st.sampled_from(
        [*SAYINGS.replace(",", "").split(), "->", "--", "|", "7", "-1", "٣", "1.5s", "2s", "..%", "1e9%", "9" * 5000]
    ),
    st.text(max_size=6),
)


@settings(deadline=None, database=None)
@given(FAULTS)
def test_a_fault_is_read_back_from_its_words(fault: AnyFault) -> None:
    """All kinds, with all that they may say: chances to the last bit, times up to ten days."""
    assert parse(str(fault)) == fault


def test_the_property_above_is_over_all_faults() -> None:
    """A kind that is added must be added there."""
    kinds = set(AnyFault.__args__)
    assert kinds == {type(parse(saying.replace("N", "1", 1).replace("N", "2", 1))) for saying in SAYINGS.split(", ")}
    seen = set[type]()

    @settings(deadline=None, database=None)
    @given(st.lists(FAULTS, min_size=20, max_size=20))
    def look(some: list[AnyFault]) -> None:
        seen.update(type(fault) for fault in some)

    look()
    assert seen == kinds


@settings(deadline=None, database=None)
@given(st.one_of(st.text(), st.lists(WORDS, max_size=8).map(" ".join)))
def test_whatever_is_no_fault_is_refused_as_a_configuration(words: str) -> None:
    """By nothing but ConfigurationError; what is one can be said again."""
    with contextlib.suppress(ConfigurationError):
        fault = parse(words)
        assert parse(str(fault)) == fault


def test_an_error_does_not_repeat_a_line_without_end() -> None:
    """A file that is no script may be one long line."""
    with pytest.raises(ConfigurationError) as error:
        parse("x" * 1_000_000)
    assert len(str(error.value)) < 1_000


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("explode 3", "write one of: crash N"),
        ("crash", "write one of"),
        ("lose 150%", "0% to 100%"),
        ("partition 1 2 | 2 3", "each is on one side"),
        ("partition 1 |", "name its nodes"),
        ("latency 2s to 1s", "shorter time first"),
        ("disk 1 takes 2s to 1s", "shorter time first"),
        ("drift 1 +900001ppm", "at most"),
        ("pause 1 for 1.2.3s", "write it like 500ms"),
        ("voters 1 1 by 2", "each voter once"),
    ],
)
def test_an_error_says_what_would_do(words: str, says: str) -> None:
    """And repeats the words."""
    with pytest.raises(ConfigurationError) as error:
        parse(words)
    assert says in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: faults.Pause(1, -1),
        lambda: faults.Lose(1.5),
        lambda: faults.Duplicate(float("nan")),
        lambda: faults.Latency(-1, 5),
        lambda: faults.SlowDisk(1, -5, 5),
        lambda: faults.Partition(()),
        lambda: faults.Partition(((),)),
        lambda: faults.SetVoters(1, ()),
    ],
)
def test_a_fault_that_cannot_be_said_cannot_be_made(make: object) -> None:
    """Whoever makes it in Python is told at once."""
    assert callable(make)
    with pytest.raises(ValueError, match=r"from 0|0% to 100%|name"):
        make()


@pytest.mark.parametrize(
    ("ns", "words"), [(0, "0s"), (1, "1ns"), (1500, "1500ns"), (2_000, "2us"), (1_500_000_000, "1500ms")]
)
def test_durations_are_written_exactly(ns: int, words: str) -> None:
    """In the largest unit that leaves no rest."""
    assert duration(ns) == words
