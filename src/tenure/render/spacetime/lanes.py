"""What stands in the lanes of nodes: lives, roles, tenures, and what happens to one node at an instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tenure.core.events import NodeId
from tenure.render.spacetime.items import AnyItem, Bar, Line, Mark, Text
from tenure.render.spacetime.spans import Authority, Body, History, Life, Parted, Rank, Stance
from tenure.render.spacetime.spans import Mark as Moment
from tenure.render.spacetime.words import Instants, clean

SHAPE_OF = {Stance.LEADING: "star", Stance.ELECTING: "triangle", Stance.FOLLOWING: "circle", Stance.OTHER: "square"}
SHAPES_OF_MOMENTS = {"overran": "violated", "crashed": "crash", "paused": "pause", "resumed": "resume"}
"""Others have a shape of their own name."""
HEIGHTS = ((5, 86), (9, 72), (20, 46))
"""Up to so many nodes a lane has so many pixels."""
LEAST_HEIGHT = 30
ROOMY_HEIGHT = 60
"""In lanes so high there are words."""


class Lanes:
    """The lanes from `top` on, one under another."""

    def __init__(self, nodes: Sequence[NodeId], top: float) -> None:
        self.height = next((height for most, height in HEIGHTS if len(nodes) <= most), LEAST_HEIGHT)
        self.is_roomy = self.height >= ROOMY_HEIGHT
        self.above = 38 if self.is_roomy else self.height / 2
        self.top = top
        self.bottom = top + len(nodes) * self.height
        self.y: Mapping[NodeId, float] = {
            node: top + number * self.height + self.above for number, node in enumerate(nodes)
        }


def in_lanes(run: History, lanes: Lanes, instants: Instants) -> list[AnyItem]:
    """All items in the lanes but messages."""
    items: list[AnyItem] = []
    for parted in run.parted:
        items += _partition(parted, lanes)
    for life in run.lives:
        if life.node in lanes.y:
            items.append(_life(life, lanes))
    before: dict[NodeId, Rank] = {}
    for rank in run.ranks:
        if rank.node in lanes.y:
            pauses = [life for life in run.lives if life.paused and life.node == rank.node]
            items += _rank(rank, before.get(rank.node), pauses, lanes, instants)
            before[rank.node] = rank
    for moment in run.marks:
        if moment.node in lanes.y:
            items += _moment(moment, lanes, instants, has_tenures=bool(run.tenures))
    for tenure in run.tenures:
        if tenure.node in lanes.y:
            items += _tenure(tenure, lanes, instants)
    items += [_body(body, lanes, instants) for body in run.bodies if body.node in lanes.y]
    return items


def _partition(parted: Parted, lanes: Lanes) -> list[AnyItem]:
    """A shade over all lanes, and for each side but the greatest its own hatching in its lanes."""
    t1, t2, steps = parted.from_ns, parted.to_ns, (parted.step,)
    title = f"partition: {clean(parted.text)}"
    high = lanes.bottom - lanes.top
    items: list[AnyItem] = [Bar(t1=t1, t2=t2, y=lanes.top, height=high, look="shade", title=title, steps=steps)]
    for number, side in enumerate(parted.sides[1:]):
        for node in side:
            if node in lanes.y:
                y = lanes.y[node] - lanes.above
                items.append(Bar(t1=t1, t2=t2, y=y, height=lanes.height, look=f"side s{number % 3}", steps=steps))
    return items


def _life(life: Life, lanes: Lanes) -> Line:
    """A node that lives has a line, one that stands still a broken one, one that is no more has none."""
    y, look = lanes.y[life.node], "still" if life.paused else "alive"
    title = f"node {life.node} {'stands still' if life.paused else 'lives'} (life {life.life})"
    return Line(t1=life.from_ns, y1=y, t2=life.to_ns, y2=y, look=look, title=title, steps=(life.step,))


def _rank(rank: Rank, last: Rank | None, pauses: Sequence[Life], lanes: Lanes, instants: Instants) -> list[AnyItem]:
    """A band, a shape where stance or term change, and the word of the algorithm with the term where there is room."""
    y, leads, steps = lanes.y[rank.node], rank.stance is Stance.LEADING, (rank.step,)
    role = clean(rank.role, 40)
    whom = "knows no leader" if rank.leader is None else f"leader {rank.leader}"
    title = f"node {rank.node}: {role}, {whom}, term {rank.term}, from {instants(rank.from_ns)}"
    half = half_height(rank.stance)
    look = f"band {rank.stance}"
    items: list[AnyItem] = [
        Bar(t1=t1, t2=t2, y=y - half, height=2 * half, look=look, title=title, steps=steps)
        for t1, t2 in _without(rank, pauses)
    ]
    if last is None or last.to_ns < rank.from_ns or (last.stance, last.term) != (rank.stance, rank.term):
        look, shape = f"mark {rank.stance}", SHAPE_OF[rank.stance]
        items.append(Mark(t=rank.from_ns, y=y, shape=shape, look=look, title=title, steps=steps))
    if lanes.is_roomy:
        if leads and "follow" in role:  # an elector around it has not followed it yet
            role = f"leads ({role})"
        texts = [f"{role} · term {rank.term}", f"term {rank.term}"] if rank.term else [role]
        words = Text(t1=rank.from_ns, t2=rank.to_ns, y=y - 14, texts=texts, look="say role", dx=-5, rank=3)
        if leads:
            words.look, words.rank, words.size = "say lead", 4, 12.5
        items.append(words)
    return items


def half_height(stance: Stance) -> int:
    """Half of the height of a band."""
    return 8 if stance is Stance.LEADING else 4


def _without(span: Rank, pauses: Sequence[Life]) -> list[tuple[int, int]]:
    """The parts of a role in which its node does not stand still."""
    parts, at_ns = [], span.from_ns
    for pause in pauses:
        if pause.to_ns <= at_ns or pause.from_ns >= span.to_ns:
            continue
        if pause.from_ns > at_ns:
            parts.append((at_ns, pause.from_ns))
        at_ns = min(pause.to_ns, span.to_ns)
    if at_ns < span.to_ns:
        parts.append((at_ns, span.to_ns))
    return parts


def _tenure(tenure: Authority, lanes: Lanes, instants: Instants) -> list[AnyItem]:
    """A bar under the band, with its token."""
    t1, t2, steps = tenure.from_ns, tenure.to_ns, (tenure.step,)
    y, high = (lanes.y[tenure.node] + 15, 14) if lanes.is_roomy else (lanes.y[tenure.node] + 9, 5)
    until = f" to {instants(t2)}{f': {clean(tenure.ending)}' if tenure.ending else ''}"
    title = f"node {tenure.node} may act under token {tenure.token} from {instants(t1)}{until}"
    items: list[AnyItem] = [Bar(t1=t1, t2=t2, y=y, height=high, look="tenure", title=title, steps=steps)]
    if lanes.is_roomy:
        texts = [f"token {tenure.token}", f"{tenure.token}"]
        items.append(Text(t1=t1, t2=t2, y=y + 11, texts=texts, look="say token", dx=5, rank=4, size=12.5))
    return items


def _body(body: Body, lanes: Lanes, instants: Instants) -> Bar:
    """A thin bar under that of the tenure, so that it is seen where it outlasts it."""
    t1, t2, y = body.from_ns, body.to_ns, lanes.y[body.node] + (30 if lanes.is_roomy else 14)
    does = "was told to stop and leaves" if body.told else "works"
    title = f"node {body.node}: its body {does}, token {body.token}, from {instants(t1)} to {instants(t2)}"
    look = "body told" if body.told else "body"
    return Bar(t1=t1, t2=t2, y=y, height=4 if lanes.is_roomy else 2, look=look, title=title, steps=(body.step,))


def _moment(moment: Moment, lanes: Lanes, instants: Instants, *, has_tenures: bool) -> list[AnyItem]:
    """Its shape, and its words: beside the end of a lane, under a lane that goes on."""
    assert moment.node is not None
    t, y, steps = moment.at_ns, lanes.y[moment.node], (moment.step,)
    if moment.what == "began" and not moment.text:  # the first life: its role says it
        return []
    title = f"node {moment.node} {clean(moment.text)} at {instants(t)}"
    items: list[AnyItem] = []
    if moment.what != "began":
        shape = SHAPES_OF_MOMENTS.get(moment.what, moment.what)
        mark = Mark(t=t, y=y, shape=shape, look=f"event {moment.what}", title=title, steps=steps)
        if moment.what == "note":
            mark.y += 9
        elif moment.what == "overran":
            mark.y, mark.look = y + (32 if lanes.is_roomy else 14), "violated"
        elif moment.what == "paused":
            mark.dx = 6
        items.append(mark)
    if lanes.is_roomy:
        words = Text(t1=t, t2=t, y=0, texts=[clean(moment.text, 40)], look=f"say {moment.what}", steps=steps)
        if moment.what in {"crashed", "left"}:
            words.rows, words.dx, words.rank, words.size = (y - 14,), 8, 4, 12.5
        elif moment.what == "overran":
            words.rows, words.dx, words.rank, words.size = (y + 44, y + 28), 12, 4, 12.5
        else:
            words.rows, words.dx = (y + (45 if has_tenures else 22),), -4
            words.rank = 1 if moment.what == "note" else 4
        items.append(words)
    return items
