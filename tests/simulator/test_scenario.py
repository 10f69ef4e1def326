"""Scripts: what is read is what is written, and every line that cannot be read is named with what would do."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.errors import ConfigurationError
from tenure.simulator import simulate
from tenure.simulator.callers import Read, Write
from tenure.simulator.expectations import Expectation
from tenure.simulator.faults import Crash, Stroke
from tenure.simulator.scenario import Called, Scenario, parse_script, read
from tests.simulator.test_faults import FAULTS, TIMES

NODES = st.lists(st.integers(1, 999_999_999), min_size=1, max_size=6, unique=True).map(tuple)
NONE: st.SearchStrategy[tuple[int, ...]] = st.just(())
PLAIN = (st.just(""), NONE)
"""That an expectation names nodes only."""
EXPECTATIONS = st.one_of(
    st.builds(Expectation, TIMES, st.sampled_from(["leader", "holder"]), st.tuples(st.integers(0, 9)), *PLAIN),
    st.builds(Expectation, TIMES, st.just("leaders"), NODES, *PLAIN),
    st.builds(Expectation, TIMES, st.sampled_from(["no leader", "no holder", "one leader"]), NONE, *PLAIN),
    st.builds(Expectation, TIMES, st.just("term"), NONE, st.integers(0, 999_999_999).map(str), NONE),
    st.builds(Expectation, TIMES, st.just("voters"), NODES, st.just(""), NODES | NONE),
    st.builds(
        Expectation,
        TIMES,
        st.just("tells"),
        st.tuples(st.integers(0, 9)),
        st.sampled_from(["done", "7", "none", "ask 3", "ask later", "busy", "unknown", "refused", "nothing"]),
        NONE,
    ),
)
KEYS = st.from_regex(r"[a-z][a-z0-9]{0,31}", fullmatch=True)
CALLS = st.one_of(
    st.builds(
        lambda node, key, first, more: Write(node, key, first, first + more),
        st.integers(0, 9),
        KEYS,
        st.integers(0, 999_990_000),
        st.integers(0, 999),
    ),
    st.builds(Read, st.integers(0, 9), KEYS),
)


def in_order(timed: Sequence[Any]) -> tuple[Any, ...]:
    """By instant; those of one instant as they stand."""
    return tuple(sorted(timed, key=lambda one: one[0]))


SCENARIOS = st.builds(
    lambda converge, **said: Scenario(
        healed_ns=converge and converge[0], converging=converge[1] if converge else (), **said
    ),
    converge=st.none() | st.tuples(TIMES, NODES),
    algorithm=st.none() | st.sampled_from(["bully", "ring+lease"]),
    nodes=st.none() | NODES,
    seed=st.none() | st.integers(0, 10**17),
    until_ns=st.none() | TIMES,
    detector=st.none() | st.sampled_from(["phi", "told"]),
    strokes=st.lists(st.builds(Stroke, TIMES, FAULTS), max_size=5).map(in_order),
    calls=st.lists(st.builds(Called, TIMES, CALLS), max_size=3).map(in_order),
    expectations=st.lists(EXPECTATIONS, max_size=5).map(in_order),
)


@settings(deadline=None, database=None)
@given(SCENARIOS)
def test_a_scenario_is_read_back_from_its_script(scenario: Scenario) -> None:
    """All of it."""
    assert parse_script(scenario.script()) == scenario


def test_a_script_is_read_whatever_its_spaces_comments_and_order() -> None:
    """By hand, as people write."""
    settings = "\n# two\nnodes 1  2\nalgorithm bully\n"
    assert parse_script(
        f"  at\t2s   crash   2 # the second\n{settings}at 1s expect leader 2\nat 1s crash 1"
    ) == Scenario(
        algorithm="bully",
        nodes=(1, 2),
        strokes=(Stroke(10**9, Crash(1)), Stroke(2 * 10**9, Crash(2))),
        expectations=(Expectation(10**9, "leader", (2,)),),
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("at 5s explode 3", "write one of: crash N"),
        ("at 5s", "write one of: crash N"),
        ("at", "write it like 500ms"),
        ("at noon crash 3", "write it like 500ms"),
        ("at 5s expect", "write one of: expect leader N"),
        ("at 5s expect leader", "write one of: expect leader N"),
        ("at 5s expect peace", "write one of: expect leader N"),
        ("at 5s expect leader 1 2", "write one of: expect leader N"),
        ("at 5s expect voters", "write one of: expect leader N"),
        ("at 5s expect voters 1 |", "write one of: expect leader N"),
        ("at 5s expect 1 tells lies", "write one of: expect leader N"),
        ("at 5s write", "write one of: write KEY 1 at N"),
        ("at 5s write A 1 at 2", "write one of: write KEY 1 at N"),
        ("at 5s write a 9..1 at 2", "the least first"),
        ("at 5s write a 1..1001 at 2", "write 1 to 1000 values"),
        ("at 5s read a", "write one of: write KEY 1 at N"),
        ("algorithm", "for example `algorithm bully`"),
        ("detector", "`detector phi`"),
        ("seed x", "such as `seed 7`"),
        ("seed 1.5", "such as `seed 7`"),
        ("seed -1", "such as `seed 7`"),
        ("nodes", "such as `nodes 1 2 3`"),
        ("nodes 1 x", "such as `nodes 1 2 3`"),
        ("nodes 1 1", "such as `nodes 1 2 3`"),
        ("nodes 0 1", "such as `nodes 1 2 3`"),
        ("until late", "write it like 500ms"),
        ("converge 1 2", "write it like 500ms"),
        ("converge x from 5s", "such as `nodes 1 2 3`"),
        ("frobnicate", "these do: algorithm"),
        ("converge 1\nseed 1", "write it like 500ms"),
    ],
)
def test_a_bad_line_is_named_with_what_would_do(line: str, says: str) -> None:
    """Its number, the file's name, and the remedy."""
    with pytest.raises(ConfigurationError, match=says) as error:
        parse_script(f"at 1s heal\n\n{line}\n", name="x.txt")
    assert str(error.value).startswith("x.txt, line 3: ")


def test_what_is_said_twice_is_refused() -> None:
    """Which of both would count?"""
    with pytest.raises(ConfigurationError, match="line 2: seed is said twice; leave one of them out"):
        parse_script("seed 1\nseed 2\n")


VERBS = (
    "write",
    "read",
    "tells",
    "voters",
    "term",
    "at",
    "expect",
    "converge",
    "from",
    "nodes",
    "seed",
    "until",
    "detector",
    "algorithm",
    "leader",
    "crash",
    "no",
)
SAID = [*VERBS, "a", "1..2", "5s", "1", "2", "|", "#", "²", "٣", "-1", "1e999s"]


@settings(deadline=None, database=None)
@given(
    st.one_of(
        st.text(),
        st.lists(
            st.lists(
                st.one_of(
                    st.sampled_from(SAID),
                    st.text(max_size=4),
                ),
                max_size=6,
            ).map(" ".join),
            max_size=4,
        ).map("\n".join),
    )
)
def test_whatever_is_no_script_is_refused_as_a_configuration(text: str) -> None:
    """By nothing but ConfigurationError; what is one can be written again."""
    with contextlib.suppress(ConfigurationError):
        scenario = parse_script(text)
        assert parse_script(scenario.script()) == scenario


def test_a_script_without_end_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    """With the file's name."""
    with pytest.raises(ConfigurationError, match="100001 lines"):
        parse_script("#\n" * 100_001)
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"x\.txt is no text in UTF-8"):
        read(tmp_path / "x.txt")


LED = "algorithm bully\nnodes 1 2 3\nuntil 30s\ndetector told\nat 10s crash 3\nat 10s partition 1 | 2\n"


@pytest.mark.parametrize(
    ("expected", "is_so"),
    [
        ("at 9s expect leader 3", True),
        ("at 9s expect leader 2", False),
        ("at 9s expect one leader", True),
        ("at 20s expect one leader", False),
        ("at 20s expect leaders 1 2", True),
        ("at 20s expect leaders 2", False),
        ("at 10050ms expect no leader", True),
        ("at 9s expect no leader", False),
        ("at 9s expect no holder", True),
        ("at 9s expect holder 3", False),
    ],
)
def test_an_expectation_is_compared_with_what_is(expected: str, is_so: bool) -> None:
    """What is not so is a violation at its instant, and says what is."""
    run = simulate(scenario=parse_script(f"{LED}{expected}\n"))
    assert [violation.checker for violation in run.violations] == ([] if is_so else ["expectation"])


def test_holders_are_expected_where_there_is_authority() -> None:
    """The one that may act, and nobody once it has crashed and its lease has run out."""
    script = "algorithm bully+lease\nnodes 1 2 3\nuntil 40s\nat 20s expect holder 3\nat 20s expect no holder\n"
    run = simulate(scenario=parse_script(f"{script}at 21s crash 3\nat 21100ms crash 2\nat 40s expect no holder\n"))
    assert [violation.text.partition(";")[0] for violation in run.violations] == ["expected no holder"]
    assert run.violations[0].at_ns == 20 * 10**9


def test_an_expectation_after_the_end_is_refused() -> None:
    """It would never be looked at."""
    with pytest.raises(ConfigurationError, match="let it run until then"):
        simulate(scenario=parse_script("algorithm bully\nuntil 5s\nat 6s expect leader 5\n"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("at 1s crash 9", "there is no node 9"),
        ("at 1s partition 1 7 | 2", "there is no node 7"),
        ("at 1s voters 1 2 8 by 1", "there is no node 8"),
        ("at 1s expect leader 9", "there is no node 9"),
        ("at 1s expect voters 1 9 | 1 2", "there is no node 9"),
        ("at 1s expect 9 tells done", "there is no node 9"),
        ("at 1s read a at 9", "there is no node 9"),
        ("at 99s write a 1 at 1", "the run ends at 10s"),
        ("at 99s crash 1", "the run ends at 10s"),
    ],
)
def test_a_file_that_says_what_cannot_happen_is_refused(line: str, says: str, tmp_path: Path) -> None:
    """Whoever wrote it meant something else; the error names the line's words and the remedy."""
    script = tmp_path / "one.txt"
    script.write_text(f"nodes 1 2 3\nuntil 10s\n{line}\n")

    with pytest.raises(ConfigurationError, match=says):
        read(script)


def test_what_joins_may_be_named(tmp_path: Path) -> None:
    """It is a node from then on."""
    script = tmp_path / "one.txt"
    script.write_text("nodes 1 2 3\nat 1s join 4\nat 2s crash 4\n")

    assert len(read(script).strokes) == 2


SERVED = "algorithm raft\nnodes 1 2 3\nseed 10\nuntil 12s\ndetector told\n"  # node 1 leads from the second second on


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("at 3s write a 1 at 1", "done"),
        ("at 3s write a 1..60 at 1", "done"),
        ("at 3s read a at 1", "none"),
        ("at 3s read a at 2", "none"),
        ("at 3s write a 1 at 2", "ask 1"),
        ("at 500ms write a 1 at 1", "ask later"),
        ("at 3s partition 1 | 2 3\nat 3s write a 1 at 1", "unknown"),
        ("at 3s crash 1\nat 4s read a at 1", "nothing"),
        ("at 3s pause 1 for 5s\nat 4s read a at 1", "nothing"),
        ("at 3s write a 7 at 1\nat 4s read a at 1", "7"),
        ("at 3s write a 1..1000 at 1\nat 4s write a 1..1000 at 1", "done"),
    ],
)
def test_a_node_tells_its_client_what_came_of_it(line: str, told: str) -> None:
    """The last thing that it was asked for, and nothing else; a node that nobody has asked tells nothing."""
    asked = max(one.call.node for one in parse_script(line).calls)
    expected = f"at 6s expect {asked} tells {told}\nat 6s expect {asked} tells refused\nat 6s expect 3 tells nothing\n"
    run = simulate(scenario=parse_script(f"{SERVED}{line}\n{expected}"))

    assert [violation.text for violation in run.violations] == [
        f"expected {asked} tells refused; node {asked} tells {told}"
    ]


def test_what_was_asked_and_told_is_a_history() -> None:
    """Every write is one operation, and a read that was answered; what has no answer may have come about."""
    script = "at 3s write a 1..3 at 1\nat 4s read a at 2\nat 5s read a at 3\nat 5s write a 4 at 3\nat 5s crash 3\n"
    run = simulate(scenario=parse_script(f"{SERVED}{script}at 6s partition 1 | 2 3\nat 6s write a 5 at 1\n"))

    assert run.violations == []
    assert sorted((one.kind, one.argument, one.result, one.completed_ns is None) for one in run.history) == [
        ("read", (), 3, False),
        ("write", (1,), None, False),
        ("write", (2,), None, False),
        ("write", (3,), None, False),
        ("write", (5,), None, True),
    ]


@pytest.mark.parametrize(
    ("expected", "is_so"),
    [
        ("at 4s expect term 1", True),
        ("at 4s expect term 2", False),
        ("at 4s expect voters 1 2 3", True),
        ("at 4s expect voters 3 2 1", True),
        ("at 4s expect voters 1 2", False),
        ("at 4s expect voters 1 2 3 | 1 2 3", False),
        ("at 1s expect voters 1 2 3", False),
    ],
)
def test_terms_and_voters_are_compared_with_what_is(expected: str, is_so: bool) -> None:
    """Voters are the leader's: where nobody leads there are none to compare."""
    run = simulate(scenario=parse_script(f"{SERVED}{expected}\n"))

    assert [violation.checker for violation in run.violations] == ([] if is_so else ["expectation"])


@pytest.mark.parametrize("line", ["at 1s write a 1 at 1", "at 1s expect voters 1 2 3", "at 1s expect 1 tells done"])
def test_who_serves_nobody_is_asked_for_nothing(line: str) -> None:
    """It is refused before the run, with whom to name instead."""
    with pytest.raises(ConfigurationError, match="bully serves no clients, and no log has its voters; name raft"):
        simulate("bully", detector="told", scenario=parse_script(f"nodes 1 2 3\nuntil 5s\n{line}\n"))
