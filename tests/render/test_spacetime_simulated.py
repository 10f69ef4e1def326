"""Pictures of what the simulator makes, with every fault of each algorithm's model, and of a partition beyond it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tenure.render.spacetime import html, svg, text
from tenure.render.spacetime.history import history
from tenure.simulator import simulate
from tenure.simulator.names import COMPARED
from tenure.simulator.scenario import parse_script
from tenure.trace import Trace, lines, parse

SCRIPT = """
nodes 1 2 3 4 5
until 16s
at 5s  partition 1 2 | 3 4 5
at 10s heal
at 12s crash 5
at 14s restart 5
"""


def kept(trace: Trace | None) -> Trace:
    """A trace as it comes back from a file: what `tenure replay` has."""
    assert trace is not None
    return parse(lines(trace))


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_algorithm_is_drawn_under_its_faults(name: str, seed: int) -> None:
    """All three forms are made of each run, and each tells of every fault that struck."""
    trace = kept(simulate(name, nodes=5, seed=seed, until=30).trace)
    told = list(text(trace))
    root = ET.fromstring(svg(trace))  # noqa: S314  our own output, of which this is the test
    assert len(told) > len(trace.records)
    assert sum("  fault: " in line for line in told) == sum(mark.what == "struck" for mark in history(trace).marks) > 0
    assert sum(one.get("class") == "struck" for one in root.iter("{http://www.w3.org/2000/svg}path")) > 0
    assert html(trace).startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", ["bully", "ring"])
def test_two_leaders_are_seen_where_an_algorithm_has_no_authority(name: str) -> None:
    """A partition that its model rules out: the picture shows the overlap, and in which lanes the sides are."""
    run = simulate(name, scenario=parse_script(SCRIPT), detector="told")
    drawn = svg(kept(run.trace))
    assert "at once for" in drawn
    assert 'class="track overlap"' in drawn
    assert ">1 2 | 3 4 5<" in drawn
    overlaps = [span for span in history(kept(run.trace)).leading if len(span.nodes) > 1]
    assert sum(span.to_ns - span.from_ns for span in overlaps) == run.measures.two_leaders_ns


def test_what_the_picture_finds_is_what_the_laboratory_measures() -> None:
    """The tracks' gaps are the time without a leader, and without one who may act, that the run reports."""
    run = simulate("bully+lease", nodes=5, seed=10, until=30)
    found = history(kept(run.trace))
    leaderless, vacant = (
        sum(span.to_ns - span.from_ns for span in track if not span.nodes) for track in (found.leading, found.acting)
    )
    assert (leaderless, vacant) == (run.measures.leaderless_ns, run.measures.vacant_ns)
    assert min(leaderless, vacant) > 0


def test_bodies_of_holders_are_drawn() -> None:
    """A run with holders has tenures with work under them."""
    trace = kept(simulate("bully+lease", nodes=3, seed=5, until=20, holders=True).trace)
    assert history(trace).bodies
    assert 'class="body"' in svg(trace)
    assert any("the body of node" in line for line in text(trace))
