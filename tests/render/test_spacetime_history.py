"""What a trace amounts to: lives, roles, tenures, gaps, overlaps and partitions, as spans."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.durations import NEVER_NS
from tenure.errors import ConfigurationError
from tenure.render.spacetime.cuts import describe, groups
from tenure.render.spacetime.history import end_of, history, together
from tenure.render.spacetime.spans import Authority, Stance, Together, stance
from tenure.trace import Became, Began, Closed, Crashed, Head, Held, Lost, Opened, Record, Trace
from tests.render import runs
from tests.render.runs import ns


def trace_of(*records: Record, until_ms: float = 100) -> Trace:
    """A run of two nodes."""
    return Trace(Head(version=1, algorithm="x", nodes=(1, 2), seed=0, until_ns=ns(until_ms)), list(records))


def told(track: list[Together]) -> list[tuple[float, float, tuple[int, ...]]]:
    """A track in milliseconds."""
    return [(span.from_ns / runs.MS, span.to_ns / runs.MS, span.nodes) for span in track]


def test_gaps_and_leaders_of_a_small_run() -> None:
    """Nobody leads before the first announcement, nor from the crash of the leader to the next one."""
    run = history(runs.small())
    assert told(run.leading) == [(0, 50, ()), (50, 400, (3,)), (400, 700, ()), (700, 1000, (2,))]
    assert run.acting == []


def test_two_leaders_but_never_two_tenures_in_a_split_run() -> None:
    """The overlap of beliefs is found, and that of tenures is not: the lease kept them apart."""
    run = history(runs.split())
    assert told(run.leading) == [(0, 200, ()), (200, 1800, (5,)), (1800, 2950, (3, 5)), (2950, 4000, (3,))]
    assert told(run.acting) == [(0, 300, ()), (300, 1300, (5,)), (1300, 1900, ()), (1900, 3300, (3,)), (3300, 4000, ())]


def test_a_tenure_lasts_until_its_last_deadline_its_end_or_a_crash() -> None:
    """Extended by renewals, ended by word or by the death of the node; after its deadline a new grant is a new bar."""
    run = history(
        trace_of(
            Began(at_ns=0, node=1, life=1),
            Held(at_ns=ns(10), node=1, token=1, until_ns=ns(20)),
            Held(at_ns=ns(15), node=1, token=1, until_ns=ns(30)),
            Held(at_ns=ns(40), node=1, token=1, until_ns=ns(50)),
            Held(at_ns=ns(60), node=1, token=2, until_ns=ns(90)),
            Lost(at_ns=ns(65), node=1, token=2, why="resigned"),
            Held(at_ns=ns(70), node=1, token=3, until_ns=NEVER_NS),
            Crashed(at_ns=ns(80), node=1),
            Lost(at_ns=ns(85), node=1, token=3, why="too late to matter"),
        )
    )
    spans = [(span.token, span.from_ns / runs.MS, span.to_ns / runs.MS, span.ending) for span in run.tenures]
    assert spans == [
        (1, 10, 30, "its deadline passed"),
        (1, 40, 50, "its deadline passed"),
        (2, 60, 65, "resigned"),
        (3, 70, 80, "crashed"),
    ]


def test_a_body_works_until_told_and_leaves_perhaps_too_late() -> None:
    """Renewals change nothing; the part after it was told is another span, which may outlast the tenure."""
    run = history(runs.split())
    bodies = [(one.node, one.token, one.told, one.from_ns / runs.MS, one.to_ns / runs.MS) for one in run.bodies]
    assert bodies == [(5, 1, False, 310, 1100), (5, 1, True, 1100, 1350), (3, 2, False, 1910, 3250)]
    crashed = trace_of(
        Began(at_ns=0, node=1, life=1),
        Opened(at_ns=ns(10), node=1, token=1, until_ns=ns(90), tell_by_ns=ns(80)),
        Crashed(at_ns=ns(20), node=1),
        Closed(at_ns=ns(30), node=1, token=1),
    )
    assert [one.to_ns for one in history(crashed).bodies] == [ns(20)]


def test_a_pause_changes_neither_belief_nor_role() -> None:
    """A leader that stands still believes on: that is the danger."""
    run = history(runs.split())
    lives = [(life.from_ns / runs.MS, life.to_ns / runs.MS, life.paused) for life in run.lives if life.node == 1]
    assert lives == [(0, 2000, False), (2000, 2600, True), (2600, 3700, False)]
    assert [rank.to_ns / runs.MS for rank in run.ranks if rank.node == 1][-1] == 3700


def test_a_crash_ends_life_and_role_and_another_life_has_a_number() -> None:
    """The lane is empty in between."""
    run = history(runs.small())
    lives = [(life.from_ns / runs.MS, life.to_ns / runs.MS, life.life) for life in run.lives if life.node == 3]
    assert lives == [(0, 400, 1), (900, 1000, 2)]
    assert [rank.role for rank in run.ranks if rank.node == 3] == ["quiet", "leading", "quiet"]


def test_what_was_passed_through_in_one_instant_is_no_span() -> None:
    """A node that becomes two things at once is the second."""
    run = history(
        trace_of(
            Began(at_ns=0, node=1, life=1),
            Became(at_ns=ns(5), node=1, role="asking", leader=None, term=1),
            Became(at_ns=ns(5), node=1, role="leading", leader=1, term=1),
        )
    )
    assert [rank.role for rank in run.ranks] == ["leading"]


def test_a_window_begins_with_what_was_before() -> None:
    """Roles, tenures and cuts from before the window are in it; what lies outside is not."""
    run = history(runs.split(), ns(1200), ns(1250))
    assert told(run.leading) == [(1200, 1250, (5,))]
    assert [span.token for span in run.tenures] == [1]
    assert [parted.text for parted in run.parted] == ["1 2 3 | 4 5"]
    assert run.marks == []
    assert run.letters == []


@pytest.mark.parametrize("window", [(5, 5), (6, 5), (NEVER_NS, None)])
def test_a_window_has_a_length(window: tuple[int, int | None]) -> None:
    """One without is a mistake, and is told."""
    with pytest.raises(ConfigurationError, match="it must end after it begins"):
        history(runs.small(), *window)


def test_a_run_ends_where_it_says_or_with_its_last_record() -> None:
    """An endless one with its last record; an empty one has some length all the same."""
    assert end_of(trace_of(until_ms=70)) == ns(70)
    assert end_of(trace_of(Began(at_ns=ns(90), node=1, life=1), until_ms=70)) == ns(90)
    assert end_of(Trace(Head(version=1, algorithm="x", nodes=(), seed=0, until_ns=NEVER_NS), [])) == 1


def test_nodes_that_nobody_announced_have_a_lane() -> None:
    """Who joins later, or stands in no head, is seen; a role without a beginning begins a life."""
    run = history(trace_of(Became(at_ns=ns(5), node=9, role="leading", leader=9, term=1)))
    assert run.nodes == [1, 2, 9]
    assert [(life.node, life.from_ns) for life in run.lives] == [(9, ns(5))]


@pytest.mark.parametrize(
    ("role", "leader", "expected"),
    [
        ("leading", 1, Stance.LEADING),
        ("holding", 1, Stance.LEADING),
        ("following", 2, Stance.FOLLOWING),
        ("follower", None, Stance.FOLLOWING),
        ("candidate", None, Stance.ELECTING),
        ("asking", None, Stance.ELECTING),
        ("preparing", 2, Stance.ELECTING),
        ("renewing", None, Stance.ELECTING),
        ("something else", 2, Stance.FOLLOWING),
        ("quiet", None, Stance.OTHER),
        ("observing", None, Stance.OTHER),
        ("gone", None, Stance.OTHER),
    ],
)
def test_every_role_has_a_stance(role: str, leader: int | None, expected: Stance) -> None:
    """Node 1 leads where it recognises itself, whatever its role is called."""
    assert stance(role, 1, leader) is expected


spans_of_two = st.lists(
    st.builds(
        lambda node, from_ns, length: Authority(from_ns=from_ns, to_ns=from_ns + length, step=0, node=node, token=1),
        st.integers(1, 3),
        st.integers(0, 40),
        st.integers(0, 20),
    ),
    max_size=10,
)


@given(spans_of_two, st.integers(0, 30), st.integers(1, 40))
def test_a_track_has_no_hole_and_tells_who_was_in_at_each_instant(
    spans: list[Authority], from_ns: int, length: int
) -> None:
    """Against a count at every nanosecond."""
    to_ns = from_ns + length
    track = together(spans, from_ns, to_ns)
    assert [span.from_ns for span in track] == [from_ns, *(span.to_ns for span in track[:-1])]
    assert track[-1].to_ns == to_ns
    assert all(one.nodes != other.nodes for one, other in pairwise(track))
    for at_ns in range(from_ns, to_ns):
        expected = tuple(sorted({span.node for span in spans if span.from_ns <= at_ns < span.to_ns}))
        assert [span.nodes for span in track if span.from_ns <= at_ns < span.to_ns] == [expected]


def across(*sides: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """All directed links between different sides."""
    return tuple((a, b) for side in sides for a in side for other in sides if other is not side for b in other)


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ((), ""),
        (across((1, 2), (3, 4, 5)), "1 2 | 3 4 5"),
        (across((1, 4), (2,), (3, 5)), "1 4 | 2 | 3 5"),
        (((3, 1),), "3 → 1 cut"),
        (((3, 1), (1, 3)), "1 ↔ 3 cut"),
        (((3, 1), (3, 2), (1, 3)), "1 ↔ 3; 3 → 2 cut"),
        (across((1, 2), (3, 4, 5))[1:], "1 ↔ 4, 5; 2 ↔ 3, 4, 5; 3 → 1 cut"),
        (tuple((one, 6 - one) for one in (1, 2, 4, 5)), "1 ↔ 5; 2 ↔ 4 cut"),
        (tuple((9, to) for to in range(20, 30)), "9 → 20, 21, 22, 23, 24, 25, 26, 27, 28, 29 cut"),
        (tuple((one, one + 1) for one in range(10, 17)), "10 → 11; 11 → 12; 12 → 13; 13 → 14; and 3 more cut"),
    ],
)
def test_a_partition_in_words(links: tuple[tuple[int, int], ...], words: str) -> None:
    """Sides where the group is cut into sides, single links where it is not."""
    assert describe(links, range(1, 6)) == words


def test_sides_are_the_greatest_first_and_only_where_nothing_else_is_cut() -> None:
    """A bridge between two sides, or one link more or less, makes no sides."""
    assert groups(across((1, 2), (3, 4, 5)), range(1, 6)) == [[3, 4, 5], [1, 2]]
    assert groups(across((1, 2), (4, 5)), range(1, 6)) == []  # node 3 sees both
    assert groups((*across((1, 2), (3, 4, 5)), (1, 2)), range(1, 6)) == []
    assert groups((), range(1, 6)) == []
