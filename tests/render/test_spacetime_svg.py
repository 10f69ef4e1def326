"""The picture of a run: what is in it by its structure, what it says, and that it is bounded and always the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree as ET

import pytest

from tenure.errors import ConfigurationError
from tenure.render.spacetime import html, svg
from tenure.render.spacetime.labels import width_of
from tenure.render.spacetime.messages import MOST_MESSAGES
from tenure.render.spacetime.scene import MOST_CHANGES, MOST_LANES, scene
from tenure.trace import Arrived, Became, Began, Head, Record, Sent, Suspects, Trace
from tests.render import runs
from tests.render.runs import ns

SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawn: str) -> ET.Element:
    """The picture as XML; raises where it is none."""
    return ET.fromstring(drawn)  # noqa: S314  our own output, of which this is the test


def of_class(root: ET.Element, *classes: str) -> list[ET.Element]:
    """The elements of the scene with all of these classes."""
    scenes = [one for one in root.iter(f"{SVG}g") if one.get("class") == "scene"]
    return [one for one in scenes[0].iter() if set(classes) <= set((one.get("class") or "").split())]


def words(root: ET.Element) -> list[str]:
    """Every text that is seen, in the order of the file."""
    return [(one.text or "") for one in root.iter(f"{SVG}text")]


def titles(elements: list[ET.Element]) -> list[str]:
    """What a pointer that rests on each is told."""
    return [one.findtext(f"{SVG}title", "") for one in elements]


def xs(element: ET.Element) -> tuple[float, float]:
    """Where a rectangle begins and ends."""
    left = float(element.get("x", "nan"))
    return left, left + float(element.get("width", "nan"))


def x_of(at_ms: float, until_ms: float) -> float:
    """Where an instant is in a picture of the usual width."""
    return 118 + at_ms * (1200 - 118 - 28) / until_ms


@pytest.mark.parametrize("trace", [runs.small(), runs.split(), runs.many(), runs.hostile()])
def test_it_is_one_file_that_tells_what_it_shows(trace: Trace) -> None:
    """Valid XML, an image with a name and a description, and nothing fetched from anywhere."""
    drawn = svg(trace)
    root = parsed(drawn)
    assert root.get("role") == "img"
    named = (root.get("aria-labelledby") or "").split()
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert [root.find(f"{SVG}title"), root.find(f"{SVG}desc")] == [
        one for name in named for one in root.iter() if one.get("id") == name
    ]
    assert (root.findtext(f"{SVG}desc") or "").startswith("A space-time diagram: time runs to the right")
    assert re.findall(r"url\((?!#t[0-9a-f]{8}-)|href|<script|<image|<foreignObject|\son\w+=", plain(drawn)) == []
    assert set(re.findall(r"url\(#([^)]*)\)", drawn)) <= set(ids)


def plain(drawn: str) -> str:
    """The file without its texts: what is left is what could act."""
    return re.sub(r">[^<]*<", "><", drawn)


def test_the_lanes_of_a_small_run() -> None:
    """A name for each node; lines where it lives and none where it does not; a cross where it crashed."""
    root = parsed(svg(runs.small()))
    assert [name for name in words(root) if name.startswith("node ")][:3] == ["node 1", "node 2", "node 3"]
    lives = of_class(root, "alive")
    assert len(lives) == 4  # the third node has two
    third = [one.get("d", "") for one in lives if "node 3" in one.findtext(f"{SVG}title", "")]
    ends = [tuple(float(x) for x in re.findall(r"[ML]([0-9.]+) ", d)) for d in third]
    assert ends == [(118, pytest.approx(x_of(400, 1000), abs=0.1)), (pytest.approx(x_of(900, 1000), abs=0.1), 1172)]
    [crash] = of_class(root, "event", "crashed")
    assert crash.get("transform", "").startswith(f"translate({x_of(400, 1000):.1f} ")
    assert "crashed" in words(root)


def test_roles_are_told_by_colour_pattern_shape_and_word() -> None:
    """Four stances, four shapes, and the algorithm's own word and term beside them."""
    root = parsed(svg(runs.split()))
    shapes = {
        stance: {one.get("d") for one in of_class(root, "mark", stance)}
        for stance in ("leading", "electing", "following", "other")
    }
    assert all(len(found) == 1 for found in shapes.values())
    assert len(set.union(*shapes.values())) == 4
    style = root.findtext(f"{SVG}style") or ""
    assert ".band.electing{fill:url(#" in style  # striped
    assert ".band.other{fill:var(--paper);stroke" in style  # an outline
    heights = {one.get("height") for one in of_class(root, "band", "leading")}
    assert heights == {"16"}
    assert heights.isdisjoint({one.get("height") for one in of_class(root, "band", "following")})
    assert {"quiet", "asking · term 1", "following · term 1", "leading · term 2"} <= set(words(root))
    assert "node 3: leading, leader 3, term 2, from 1.800 s" in titles(of_class(root, "band"))


def test_every_message_has_a_line_and_what_came_to_nothing_a_cross_with_its_reason() -> None:
    """Copies are lines of their own; a message that is still under way ends in the middle."""
    trace = runs.small()
    late = Trace(trace.head, [*trace.records, Sent(at_ns=ns(990), id=99, sender=1, to=2, kind="ELECTION")])
    root = parsed(svg(late))
    arrived = Counter(one.id for one in trace.records if isinstance(one, Arrived))
    lines = of_class(root, "message")
    assert len(lines) == sum(arrived.values()) + 2 + 1
    assert sum("marker-end" in one.attrib for one in lines) == sum(arrived.values())
    assert len(of_class(root, "drop")) == 2 * 2  # a cross and a word each
    assert {"lost", "down"} <= set(words(root))
    assert "ELECTION (term=2) from 1 to 3, sent 0.520 s: lost" in titles(lines)
    assert "ANSWER (term=2) from 3 to 1, sent 0.078 s, arrives after 24 ms" in titles(lines)
    assert "ANSWER (term=2) from 3 to 1, sent 0.078 s, arrives after 60 ms" in titles(lines)
    assert titles(of_class(root, "message", "open")) == [
        "ELECTION from 1 to 2, sent 0.990 s, still under way at the end"
    ]
    kinds = {
        title.split()[0]: (one.get("class") or "").split()[1] for one, title in zip(lines, titles(lines), strict=True)
    }
    assert len(set(kinds.values())) == len(kinds) == 3
    assert {"ELECTION (7)", "COORDINATOR (3)", "ANSWER (3)"} <= set(words(root))  # in the legend


def test_kinds_differ_by_dashes_and_not_by_colour_alone() -> None:
    """The first seven colours have dashes that repeat only with another colour."""
    style = parsed(svg(runs.small())).findtext(f"{SVG}style") or ""
    looks = re.findall(r"\.k\d+\{(stroke:var\(--\w+\)(?:;stroke-dasharray:[0-9 ]+)?)\}", style)
    assert len(looks) == len(set(looks)) == 35
    dashes = [look.partition("dasharray:")[2] for look in looks]
    assert len(set(dashes[:5])) == 5


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.1, of a colour such as #fff or #16202b."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_words_have_the_contrast_that_reading_needs(theme: int) -> None:
    """4.5 to 1 against the paper (WCAG 2.1, criterion 1.4.3), in the light and in the dark."""
    style = parsed(svg(runs.small())).findtext(f"{SVG}style") or ""
    block = re.findall(r"\.tenure-run\{(--ink[^}]*)", style)[theme]
    colours = dict(re.findall(r"--([\w-]+):(#[0-9a-f]+)", block))
    words_of = [name for name in colours if name in {"ink", "muted"} or name.startswith("t-")]
    assert len(words_of) == 9
    paper = luminance(colours["paper"])
    for name in words_of:
        light, dark = sorted((luminance(colours[name]), paper), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_partitions_are_shaded_and_told() -> None:
    """A shade for as long as it lasts, hatched lanes for the smaller side, and words above."""
    root = parsed(svg(runs.split()))
    shades = [xs(one) for one in of_class(root, "shade")]
    assert [(round(a), round(b)) for a, b in shades] == [
        (round(x_of(1000, 4000)), round(x_of(2800, 4000))),
        (round(x_of(3300, 4000)), round(x_of(3600, 4000))),
    ]
    assert len(of_class(root, "side", "s0")) == 2  # nodes 4 and 5
    assert {"1 2 3 | 4 5", "1 ↔ 3; 2 → 5 cut"} <= set(words(root))


def test_tenures_gaps_and_overlaps() -> None:
    """Bars with tokens; below, who leads and who may act, with the length of each gap and overlap."""
    root = parsed(svg(runs.split()))
    bars = [xs(one) for one in of_class(root, "tenure")]
    assert [(round(a), round(b)) for a, b in bars] == [
        (round(x_of(300, 4000)), round(x_of(1300, 4000))),
        (round(x_of(1900, 4000)), round(x_of(3300, 4000))),
    ]
    assert {"token 1", "token 2", "who leads", "who may act"} <= set(words(root))
    assert titles(of_class(root, "track", "gap")) == [
        "no leader for 200 ms, from 0.000 s to 0.200 s",
        "nobody for 300 ms, from 0.000 s to 0.300 s",
        "nobody for 600 ms, from 1.300 s to 1.900 s",
        "nobody for 700 ms, from 3.300 s to 4.000 s",
    ]
    assert titles(of_class(root, "track", "overlap")) == ["3 and 5 at once for 1.15 s, from 1.800 s to 2.950 s"]
    assert {"200 ms", "3 and 5 at once for 1.15 s", "nobody for 600 ms"} <= set(words(root))


def test_bodies_stand_under_their_tenures() -> None:
    """So that one that outlasts its tenure is seen to; who runs on beyond the last instant is marked."""
    root = parsed(svg(runs.split()))
    bars = [(round(a), round(b)) for a, b in map(xs, of_class(root, "body"))]
    assert bars == [(round(x_of(a, 4000)), round(x_of(b, 4000))) for a, b in ((310, 1100), (1100, 1350), (1910, 3250))]
    assert len(of_class(root, "body", "told")) == 1
    assert {"runs on", "its work; then told to stop"} <= set(words(root))


def test_a_short_gap_has_its_length_below_it() -> None:
    """Where there is no room inside, the words stand under the track."""
    root = parsed(svg(runs.many()))
    gaps = of_class(root, "track", "gap")
    below = float(gaps[0].get("y", "nan")) + 22
    lengths = [one for one in of_class(root, "say", "gap") if float(one.get("y", "nan")) > below]
    assert {one.text for one in lengths} >= {"645 ms"}


def test_pauses_departures_faults_phases_and_violations() -> None:
    """Each has its line or its shape, and its word."""
    root = parsed(svg(runs.split()))
    assert titles(of_class(root, "still")) == ["node 1 stands still (life 1)"]
    for what in ("paused", "resumed", "left"):
        assert len([one for one in of_class(root, "event", what) if one.tag == f"{SVG}path"]) == 1
    assert len(of_class(root, "through", "violated")) == 1
    said = set(words(root))
    assert {"paused", "left", "cut 1 2 3 | 4 5", "faults", "healed", "phase", "violations"} <= said
    assert "one leader: nodes 3 and 5 believe that they lead" in said


def test_the_legend_has_what_occurs_and_nothing_else() -> None:
    """A small run has no pauses, tenures or partitions."""
    small, split = (words(parsed(svg(trace))) for trace in (runs.small(), runs.split()))
    for entry in ("paused", "may act, under a token", "two or more at once", "a promise is broken"):
        assert entry in split
        assert entry not in small
    assert {"crashed", "nobody: a gap", "came to nothing", "a fault strikes"} <= set(small)


def test_a_window_shows_its_part() -> None:
    """And begins with roles from before it."""
    root = parsed(svg(runs.split(), from_ns=ns(1200), to_ns=ns(1250)))
    assert of_class(root, "message") == []
    assert "leading · term 1" in words(root)
    assert {"1.200 s", "1.250 s"} <= set(words(root))
    assert titles(of_class(root, "track")) == [
        "node 5 leads, from 1.200 s to 1.250 s",
        "node 5 may act, from 1.200 s to 1.250 s",
    ]


@pytest.mark.parametrize("width", [0, 100, 10**6])
def test_a_width_that_cannot_be_drawn_is_refused(width: int) -> None:
    """With the widths that can."""
    with pytest.raises(ConfigurationError, match="480 to 20000 pixels"):
        svg(runs.small(), width=width)


def test_an_empty_run_is_a_picture_too() -> None:
    """No nodes, no records: axes, a title, and that there was no leader."""
    root = parsed(svg(Trace(Head(version=1, algorithm="bully", nodes=(), seed=0, until_ns=0), [])))
    assert "bully, 0 nodes, seed 0" in words(root)


def test_words_stand_left_of_a_fault_at_the_right_edge() -> None:
    """Nothing is cut off."""
    root = parsed(svg(runs.many()))
    for one in of_class(root, "say"):
        size, text = 11.5, one.text or ""
        half = width_of(text, size) / 2 if one.get("text-anchor") == "middle" else 0
        assert float(one.get("x", "nan")) - half + width_of(text, size) <= 1200


def long_run(messages: int, changes: int) -> Trace:
    """A leader that heartbeats without end, an election now and then, and so many changes of role."""
    records: list[Record] = [Began(at_ns=0, node=node, life=1) for node in (1, 2)]
    for number in range(messages):
        kind = "VOTE" if number % 1000 == 0 else "HEARTBEAT"
        records.append(Sent(at_ns=ns(number), id=number, sender=1, to=2, kind=kind))
        records.append(Arrived(at_ns=ns(number + 0.5), id=number))
    for number in range(changes):
        records.append(Became(at_ns=ns(number), node=1, role="leading", leader=1, term=number))
        records.append(Suspects(at_ns=ns(number), node=2, peer=1))
    head = Head(version=1, algorithm="raft", nodes=(1, 2), seed=0, until_ns=ns(messages))
    return Trace(head, sorted(records, key=lambda record: record.at_ns))


def test_a_long_run_leaves_out_the_most_frequent_messages_and_says_so() -> None:
    """The rare kinds stay."""
    root = parsed(svg(long_run(20_000, 10)))
    assert len(of_class(root, "message")) == 20
    told = " ".join(words(root))
    assert (
        f"Left out, because at most {MOST_MESSAGES} messages are drawn, are the most frequent: 19980 HEARTBEAT." in told
    )
    assert "Left out" in (root.findtext(f"{SVG}desc") or "")


def test_a_run_full_of_changes_ends_where_the_picture_is_full_and_says_so() -> None:
    """Bounded whatever the trace: a quarter of a million records make less than three megabytes."""
    trace = long_run(100_000, 30_000)
    drawn, page = svg(trace), html(trace)
    assert len(drawn) < 3_000_000
    assert len(page) < 9_000_000
    told = " ".join(words(parsed(drawn)))
    assert re.search(
        rf"This picture ends at 1\.\d+ s of 100\.000 s: \d+ changes are more than the {MOST_CHANGES}", told
    )


def test_everything_in_one_instant_is_bounded_too() -> None:
    """No window could make such a run shorter."""
    records: list[Record] = [Suspects(at_ns=ns(5), node=1, peer=2) for _ in range(3 * MOST_CHANGES)]
    head = Head(version=1, algorithm="raft", nodes=(1, 2), seed=0, until_ns=ns(10))
    assert len(scene(Trace(head, records)).items) < 3 * MOST_CHANGES


def test_a_crowd_has_lanes_for_those_that_led_first() -> None:
    """And says how many have none."""
    run = runs.Script(100, "bully", 100)
    run.begin()
    run.be(10, 100, "leading", 100)
    run.send(20, 100, 1, "COORDINATOR")
    run.send(20, 100, 99, "COORDINATOR")  # to a node without a lane
    root = parsed(svg(run.trace()))
    assert len([name for name in words(root) if re.fullmatch(r"node \d+", name)]) == MOST_LANES
    assert "node 100" in words(root)
    assert f"{MOST_LANES} of 100 nodes have a lane" in " ".join(words(root))
    assert len(of_class(root, "message")) == 1


def test_the_same_trace_gives_the_same_bytes() -> None:
    """In one process and in others, whatever their hash seeds."""
    code = (
        "import hashlib; from tests.render import runs; from tenure.render.spacetime import html, svg, text;"
        "told = [svg(runs.split()), html(runs.split()), svg(runs.many()), *text(runs.split())];"
        "print(hashlib.sha256('\\n'.join(told).encode()).hexdigest())"
    )
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    digests = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed, **path},
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip  # the arguments of one call
    assert digests[0] == digests[1] != ""
    assert svg(runs.split()) == svg(runs.split())
    assert svg(runs.split()) != svg(runs.small())
