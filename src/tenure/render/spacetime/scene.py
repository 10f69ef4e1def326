"""The picture of a run as items: what stands above, in and below the lanes, and what was left out of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tenure.core.events import NodeId
from tenure.render.spacetime.history import end_of, history
from tenure.render.spacetime.items import AnyItem, Bar, Line, Mark, Text
from tenure.render.spacetime.labels import AIR, width_of
from tenure.render.spacetime.lanes import Lanes, in_lanes
from tenure.render.spacetime.messages import Kind, messages
from tenure.render.spacetime.spans import History, Stance, Together
from tenure.render.spacetime.spans import Mark as Moment
from tenure.render.spacetime.words import Instants, clean, counts, duration, findings, listing, title
from tenure.trace import Trace

MOST_CHANGES = 4000
"""Changes of role, tenures, faults and the like that one picture shows; a run of a minute has some hundreds."""
MOST_LANES = 60
MOST_NAMED = 6
"""Nodes of an overlap that are named."""

LEFT, RIGHT = 118, 28
"""Pixels beside the plot: names of lanes, and air."""
USUAL_PLOT = 1050
"""Pixels of the plot, by which the rows for words are reckoned."""
TOP = 90
"""Pixels above the first row: the title and two lines."""
BESIDE = 13
"""Pixels from a mark above the lanes to its words."""
ROW = 17
"""Pixels of a row above the lanes."""


class Row(msgspec.Struct):
    """What stands at the left of a lane or a track."""

    y: float
    name: str
    node: NodeId | None = None


class Scene(msgspec.Struct, kw_only=True):
    """The whole picture; `lanes` are the heights between which the lanes lie."""

    run: History
    title: str
    findings: list[str]
    items: list[AnyItem]
    rows: list[Row]
    kinds: list[Kind]
    notes: list[str]
    lanes: tuple[float, float]
    axis_y: float
    height: float


def scene(trace: Trace, from_ns: int | None = None, to_ns: int | None = None) -> Scene:
    """The picture of a run, or of a window of it."""
    run, notes = _bounded(trace, from_ns, to_ns)
    instants = Instants(end_of(trace))
    above = _Above(run)
    axis_y = above.y + 14
    lanes = Lanes(run.nodes, axis_y + 12)
    drawn = messages(run.letters, lanes.y, run.to_ns - run.from_ns, instants)
    items = [*above.items, *above.lines(lanes.bottom), *drawn.items, *in_lanes(run, lanes, instants)]
    rows = [*above.rows, *(Row(y, f"node {node}", node) for node, y in lanes.y.items())]
    y = lanes.bottom + 22
    for name, track, does, nobody in (
        ("who leads", run.leading, "leads", "no leader"),
        ("who may act", run.acting, "may act", "nobody"),
    ):
        if track:
            rows.append(Row(y + 11, name))
            items += _track(y, track, does, nobody, instants)
            y += TRACK_HEIGHT
    return Scene(
        run=run,
        title=title(trace),
        findings=findings(run, *counts(trace, run.from_ns, run.to_ns)),
        items=items,
        rows=rows,
        kinds=drawn.kinds,
        notes=[*notes, *drawn.notes],
        lanes=(lanes.top, lanes.bottom),
        axis_y=axis_y,
        height=y,
    )


def _bounded(trace: Trace, from_ns: int | None, to_ns: int | None) -> tuple[History, list[str]]:
    """The run, cut off where more happens than a picture can show, and what that leaves out."""
    run = history(trace, from_ns, to_ns)
    notes: list[str] = []
    tracks = (*run.leading, *run.acting)
    spans = (*run.lives, *run.ranks, *run.tenures, *run.bodies, *run.parted, *run.phases, *tracks)
    starts = sorted([max(span.from_ns, run.from_ns) for span in spans] + [mark.at_ns for mark in run.marks])
    if len(starts) > MOST_CHANGES:
        last_ns = max(starts[MOST_CHANGES], run.from_ns + 1)
        instants = Instants(end_of(trace))
        notes.append(
            f"This picture ends at {instants(last_ns)} of {instants(run.to_ns)}: {len(starts)} changes are more than "
            f"the {MOST_CHANGES} that it can show. Choose another window to see the rest."
        )
        run = history(trace, run.from_ns, last_ns)
        for found in (run.lives, run.marks, run.ranks, run.tenures, run.bodies, run.parted, run.phases):
            del found[MOST_CHANGES:]  # so many may fall into one instant
    if len(run.nodes) > MOST_LANES:
        led = {span.node for span in run.ranks if span.stance is Stance.LEADING} | {span.node for span in run.tenures}
        first = sorted(run.nodes, key=lambda node: (node not in led, node))
        notes.append(f"{MOST_LANES} of {len(run.nodes)} nodes have a lane: those that led, then the lowest numbers.")
        run.nodes = sorted(first[:MOST_LANES])
    return run, notes


class _Above:
    """The rows above the lanes: phases, violations, faults and partitions."""

    def __init__(self, run: History) -> None:
        self.run = run
        self.items: list[AnyItem] = []
        self.rows: list[Row] = []
        self.heads: list[tuple[Moment, float]] = []  # marks with a line through all lanes, and where it begins
        self.y: float = TOP
        self._phases()
        self._moments("violated", "violations", most_rows=2)
        self._moments("struck", "faults", most_rows=4)
        self._partitions()

    def lines(self, bottom: float) -> list[AnyItem]:
        """From each fault and violation down through the lanes."""
        return [
            Line(t1=at.at_ns, y1=y + 6, t2=at.at_ns, y2=bottom, look=f"through {at.what}", steps=(at.step,))
            for at, y in self.heads
        ]

    def _phases(self) -> None:
        for number, phase in enumerate(self.run.phases):
            t1, t2, steps = phase.from_ns, phase.to_ns, (phase.step,)
            look, name = f"phase p{number % 2}", clean(phase.name, 60)
            bar = Bar(t1=t1, t2=t2, y=self.y + 1, height=14, look=look, title=f"phase: {name}", steps=steps)
            self.items += [bar, Text(t1=t1, t2=t2, y=self.y + 12, texts=[name], look="muted", dx=6)]
        if self.run.phases:
            self._end_row("phase")

    def _moments(self, what: str, name: str, most_rows: int) -> None:
        """Words beside their marks, on as many rows as they need; the lowest is the marks' own."""
        moments = [moment for moment in self.run.marks if moment.what == what]
        if not moments:
            return
        size, rank = (13.5, 9) if what == "violated" else (11.5, 5)
        words = [clean(moment.text, 60) for moment in moments]
        need = _rows_for(self.run, moments, words, size, most_rows)
        heights = tuple(self.y + 12 + ROW * row for row in reversed(range(need)))
        self.y += ROW * (need - 1)
        for moment, text in zip(moments, words, strict=True):
            t, title, steps = moment.at_ns, clean(moment.text), (moment.step,)
            self.items += [
                Mark(t=t, y=self.y + 8, shape=what, look=what, title=title, steps=steps),
                Text(t1=t, t2=t, y=0, texts=[text], rows=heights, look=f"say {what}", dx=BESIDE, rank=rank, size=size),
            ]
            self.heads.append((moment, self.y + 8))
        self._end_row(name)

    def _partitions(self) -> None:
        for parted in self.run.parted:
            t1, t2, words, y = parted.from_ns, parted.to_ns, clean(parted.text, 90), self.y + 12.5
            self.items += [
                Bar(t1=t1, t2=t2, y=self.y + 1, height=15, look="parted", title=words, steps=(parted.step,)),
                Text(t1=t1, t2=t2, y=y, texts=[words], rows=(y,), look="say", anchor="middle", rank=6),
            ]
        if self.run.parted:
            self._end_row("cut")

    def _end_row(self, name: str) -> None:
        self.rows.append(Row(self.y + 8, name))
        self.y += ROW


def _rows_for(run: History, moments: Sequence[Moment], words: Sequence[str], size: float, most: int) -> int:
    """How many rows the words beside these moments need in a picture of the usual width."""
    per_ns = USUAL_PLOT / (run.to_ns - run.from_ns)
    ends: list[float] = []
    for moment, text in zip(moments, words, strict=True):
        x, width = (moment.at_ns - run.from_ns) * per_ns, width_of(text, size) + 2 * AIR + BESIDE
        if x + width > USUAL_PLOT:  # the words stand left of their mark
            x -= width
        row = next((row for row, end in enumerate(ends) if end <= x), len(ends))
        if row == most:
            return most
        ends[row : row + 1] = [x + width]
    return len(ends)


TRACK_HEIGHT = 62
"""Pixels of a track with two rows of words under it."""


def _track(y: float, track: Sequence[Together], does: str, nobody: str, instants: Instants) -> list[AnyItem]:
    """Who did it, with a bar for each stretch and the lengths of gaps and overlaps."""
    items: list[AnyItem] = []
    for span in track:
        t1, t2, length = span.from_ns, span.to_ns, duration(span.to_ns - span.from_ns)
        words = Text(t1=t1, t2=t2, y=y + 15.5, texts=[], look="", anchor="middle", rows=(y + 36, y + 50), size=12.5)
        match span.nodes:
            case ():
                look, words.rank, words.texts = "gap", 7, [f"{nobody} for {length}", length]
            case (one,):
                look, words.rank, words.texts = "one", 6, [f"node {one} {does}", f"node {one}", f"{one}"]
                words.rows, words.size = (), 11.5
            case many:
                who = listing(many[:MOST_NAMED]).removeprefix("nodes ") + (" ..." if len(many) > MOST_NAMED else "")
                look, words.rank = "overlap", 8
                words.texts = [f"{who} at once for {length}", f"{who}: {length}", length]
        words.look = f"say {look}"
        title = f"{words.texts[0]}, from {instants(t1)} to {instants(t2)}"
        items += [Bar(t1=t1, t2=t2, y=y, height=22, look=f"track {look}", title=title, steps=(span.step,)), words]
    return items
