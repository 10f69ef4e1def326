"""From a trace to what it amounts to: goes through the records once and opens and closes the spans of `spans`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from tenure.core.events import NodeId
from tenure.durations import NEVER_NS, NS_PER_S
from tenure.errors import ConfigurationError
from tenure.render.spacetime.cuts import describe, groups
from tenure.render.spacetime.spans import (
    Authority,
    Body,
    End,
    History,
    Letter,
    Life,
    Mark,
    Named,
    Parted,
    Rank,
    Span,
    Stance,
    Together,
    stance,
)
from tenure.trace import (
    Answered,
    Arrived,
    Asked,
    Became,
    Began,
    Clock,
    Closed,
    Crashed,
    Cut,
    Dropped,
    Gone,
    Held,
    Lost,
    Opened,
    Overran,
    Paused,
    Phase,
    Record,
    Resumed,
    Sent,
    Sided,
    Struck,
    Suspects,
    Told,
    Trace,
    Violated,
)


def together(spans: Iterable[Span], from_ns: int, to_ns: int) -> list[Together]:
    """Who of the nodes of these spans (Rank or Authority) was in one at each instant of the window, without a hole."""
    changes: dict[int, list[tuple[int, NodeId, int]]] = {from_ns: [], to_ns: []}
    for span in spans:
        assert isinstance(span, Rank | Authority)
        first, last = max(from_ns, span.from_ns), min(to_ns, span.to_ns)
        if first < last:
            changes.setdefault(first, []).append((1, span.node, span.step))
            changes.setdefault(last, []).append((-1, span.node, span.step))
    present = Counter[NodeId]()
    found: list[Together] = []
    for at_ns in sorted(changes):
        steps = [step for _, _, step in changes[at_ns]]
        for by, node, _ in changes[at_ns]:
            present[node] += by
        nodes = tuple(sorted(node for node, count in present.items() if count > 0))
        if found and found[-1].nodes == nodes:
            continue
        if found:
            found[-1].to_ns = at_ns
        if at_ns < to_ns:
            found.append(Together(from_ns=at_ns, to_ns=to_ns, step=max(steps, default=0), nodes=nodes))
    return found


def end_of(trace: Trace) -> int:
    """The instant at which a run is over."""
    last_ns = max((record.at_ns for record in trace.records), default=0)
    until_ns = trace.head.until_ns
    return max(last_ns, until_ns if 0 < until_ns < NEVER_NS else 0, 1)


class _Node(msgspec.Struct, kw_only=True):
    """What is open in a node's lane."""

    life: Life | None = None
    rank: Rank | None = None
    bodies: dict[int, Body] = msgspec.field(default_factory=dict)
    tenures: dict[int, Authority] = msgspec.field(default_factory=dict)


class _Reader:
    """Goes through the records once; spans that are open at the end last until it."""

    def __init__(self, trace: Trace, from_ns: int, to_ns: int) -> None:
        self.end_ns = end_of(trace)
        self.to_ns = to_ns
        self.history = History(
            from_ns=from_ns,
            to_ns=to_ns,
            nodes=list(dict.fromkeys(trace.head.nodes)),
            lives=[],
            ranks=[],
            tenures=[],
            bodies=[],
            parted=[],
            phases=[],
            marks=[],
            letters=[],
            leading=[],
            acting=[],
        )
        self.open = {node: _Node() for node in self.history.nodes}
        self.gone = set[NodeId]()
        self.letters: dict[int, Letter] = {}

    def node(self, node: NodeId) -> _Node:
        """What is open for a node, which gets a lane where it had none."""
        if node not in self.open:
            self.open[node] = _Node()
            self.history.nodes.append(node)
        return self.open[node]

    def mark(self, record: Record, step: int, what: str, text: str, node: NodeId | None = None) -> None:
        self.history.marks.append(Mark(at_ns=record.at_ns, step=step, what=what, text=text, node=node))

    def take(self, step: int, record: Record) -> None:
        match record:
            case Sent():
                self.letters[record.id] = Letter(sent=record, step=step, ends=[])
            case Arrived(at_ns=at_ns, id=number):
                self.end(number, End(at_ns=at_ns, step=step))
            case Dropped(at_ns=at_ns, id=number, why=why):
                self.end(number, End(at_ns=at_ns, step=step, why=why or "lost"))
            case Began(node=node, life=life):
                self.gone.discard(node)
                self.start_life(node, record.at_ns, step, life)
                self.mark(record, step, "began", f"life {life}" if life > 1 else "", node)
            case Crashed(at_ns=at_ns, node=node):
                self.stop_life(node, at_ns, "crashed")
                self.mark(record, step, "crashed", "crashed", node)
            case Gone(at_ns=at_ns, node=node):
                self.gone.add(node)
                self.stop_life(node, at_ns, "left")
                self.mark(record, step, "left", "left", node)
            case Paused(at_ns=at_ns, node=node) | Resumed(at_ns=at_ns, node=node):
                paused = isinstance(record, Paused)
                self.pause(node, at_ns, step, paused=paused)
                self.mark(record, step, "paused" if paused else "resumed", "paused" if paused else "goes on", node)
            case Opened() | Told() | Overran() | Closed():
                self.work(record, step)
            case _:
                self.take_other(step, record)

    def take_other(self, step: int, record: Record) -> None:
        match record:
            case Became():
                self.become(record, step)
            case Held():
                self.hold(record, step)
            case Lost(at_ns=at_ns, node=node, token=token, why=why):
                tenure = self.node(node).tenures.pop(token, None)
                if tenure is not None:
                    tenure.to_ns, tenure.ending = min(tenure.to_ns, at_ns), why
            case Cut():
                self.cut(record, step)
            case Phase(at_ns=at_ns, name=name):
                for phase in self.history.phases[-1:]:
                    phase.to_ns = at_ns
                self.history.phases.append(Named(from_ns=at_ns, to_ns=self.end_ns, step=step, name=name))
            case Struck(text=text):
                self.mark(record, step, "struck", text)
            case Violated(checker=checker, text=text):
                self.mark(record, step, "violated", f"{checker}: {text}")
            case Suspects(node=node, peer=peer, trusts=trusts, is_certain=is_certain):
                self.node(node)
                verb = "knows dead" if is_certain else "trusts" if trusts else "suspects"
                self.mark(record, step, "note", f"{verb} {peer}", node)
            case Sided(node=node, side=side):
                self.node(node)
                self.mark(record, step, "note", f"side: {side}", node)
            case Asked(node=node, text=text) | Answered(node=node, text=text):
                self.node(node)
                self.mark(record, step, "note", text if isinstance(record, Asked) else f"tells: {text}", node)
            case Clock(node=node, ppm=ppm):
                self.node(node)
                self.mark(record, step, "note", f"clock {ppm:+d} ppm", node)
            case _:  # told in words only
                return

    def end(self, number: int, end: End) -> None:
        letter = self.letters.get(number)
        if letter is not None:  # a trace that was cut may lack the sending
            letter.ends.append(end)

    def start_life(self, node: NodeId, at_ns: int, step: int, number: int, *, paused: bool = False) -> None:
        lane = self.node(node)
        if lane.life is not None:
            lane.life.to_ns = at_ns
        lane.life = Life(from_ns=at_ns, to_ns=self.end_ns, step=step, node=node, life=number, paused=paused)
        self.history.lives.append(lane.life)

    def stop_life(self, node: NodeId, at_ns: int, ending: str) -> None:
        """A node that is no more has no role, leads nobody and may not act."""
        lane = self.node(node)
        for span in (lane.life, lane.rank):
            if span is not None:
                span.to_ns = min(span.to_ns, at_ns)
        for tenure in lane.tenures.values():
            if at_ns < tenure.to_ns:
                tenure.to_ns, tenure.ending = at_ns, ending
        for body in lane.bodies.values():
            body.to_ns = min(body.to_ns, at_ns)
        lane.life, lane.rank = None, None
        lane.tenures.clear()
        lane.bodies.clear()

    def pause(self, node: NodeId, at_ns: int, step: int, *, paused: bool) -> None:
        """A node that stands still goes on in the same life; what it believes, it believes still."""
        life = self.node(node).life
        if life is not None:
            self.start_life(node, at_ns, step, life.life, paused=paused)

    def become(self, record: Became, step: int) -> None:
        lane = self.node(record.node)
        if lane.life is None and record.node not in self.gone:  # a trace without Began
            self.start_life(record.node, record.at_ns, step, 1)
        if lane.rank is not None:
            lane.rank.to_ns = record.at_ns
        lane.rank = None
        if lane.life is None:
            return
        lane.rank = Rank(
            from_ns=record.at_ns,
            to_ns=self.end_ns,
            step=step,
            node=record.node,
            role=record.role,
            leader=record.leader,
            term=record.term,
            stance=stance(record.role, record.node, record.leader),
        )
        self.history.ranks.append(lane.rank)

    def hold(self, record: Held, step: int) -> None:
        """A tenure begins, or is extended; one whose deadline has passed in between is another bar."""
        lane = self.node(record.node)
        until_ns = min(max(record.until_ns, record.at_ns), self.end_ns)
        tenure = lane.tenures.get(record.token)
        if tenure is not None and record.at_ns <= tenure.to_ns:
            tenure.to_ns = until_ns
            tenure.ending = "" if record.until_ns >= self.end_ns else "its deadline passed"
            return
        tenure = Authority(from_ns=record.at_ns, to_ns=until_ns, step=step, node=record.node, token=record.token)
        tenure.ending = "" if record.until_ns >= self.end_ns else "its deadline passed"
        lane.tenures[record.token] = tenure
        self.history.tenures.append(tenure)

    def work(self, record: Opened | Told | Overran | Closed, step: int) -> None:
        """The body of a tenure begins, is told to stop, runs on for too long, or leaves."""
        lane = self.node(record.node)
        body = lane.bodies.get(record.token)
        is_told = isinstance(record, Told)
        if isinstance(record, Overran):
            self.mark(record, step, "overran", "runs on", record.node)
        elif isinstance(record, Closed):
            if body is not None:
                body.to_ns = record.at_ns
        elif body is None or body.told != is_told:
            if body is not None:
                body.to_ns = record.at_ns
            body = Body(
                from_ns=record.at_ns, to_ns=self.end_ns, step=step, node=record.node, token=record.token, told=is_told
            )
            lane.bodies[record.token] = body
            self.history.bodies.append(body)

    def cut(self, record: Cut, step: int) -> None:
        for parted in self.history.parted[-1:]:
            parted.to_ns = min(parted.to_ns, record.at_ns)
        if record.links:
            present = [node for node in self.history.nodes if node not in self.gone]
            self.history.parted.append(
                Parted(
                    from_ns=record.at_ns,
                    to_ns=self.end_ns,
                    step=step,
                    text=describe(record.links, present),
                    sides=groups(record.links, present),
                )
            )


def history(trace: Trace, from_ns: int | None = None, to_ns: int | None = None) -> History:
    """What happened in the window; whatever lies outside it wholly is left out.

    Raises ConfigurationError for a window that ends before it begins, or begins after the run has ended.
    """
    first_ns = 0 if from_ns is None else from_ns
    last_ns = end_of(trace) if to_ns is None else to_ns
    if first_ns >= last_ns:
        first, last = first_ns / NS_PER_S, last_ns / NS_PER_S
        raise ConfigurationError(f"the window is from {first:g} s to {last:g} s; it must end after it begins")
    reader = _Reader(trace, first_ns, last_ns)
    for step, record in enumerate(trace.records):
        reader.take(step, record)
    found = reader.history
    found.nodes.sort()
    found.leading = together((rank for rank in found.ranks if rank.stance is Stance.LEADING), first_ns, last_ns)
    found.acting = together(found.tenures, first_ns, last_ns) if found.tenures else []
    found.letters = [letter for letter in reader.letters.values() if _meets(letter, first_ns, last_ns)]
    found.marks = [mark for mark in found.marks if first_ns <= mark.at_ns <= last_ns]
    found.lives = _within(found.lives, first_ns, last_ns)
    found.ranks = _within(found.ranks, first_ns, last_ns)
    found.tenures = _within(found.tenures, first_ns, last_ns)
    found.bodies = _within(found.bodies, first_ns, last_ns)
    found.parted = _within(found.parted, first_ns, last_ns)
    found.phases = _within(found.phases, first_ns, last_ns)
    return found


S = TypeVar("S", bound=Span)


def _within(spans: Sequence[S], from_ns: int, to_ns: int) -> list[S]:
    """Those that can be seen: what began and ended in one instant was passed through, not been."""
    return [span for span in spans if max(from_ns, span.from_ns) < min(to_ns, span.to_ns)]


def _meets(letter: Letter, from_ns: int, to_ns: int) -> bool:
    last_ns = max((end.at_ns for end in letter.ends), default=letter.sent.at_ns)
    return letter.sent.at_ns <= to_ns and from_ns <= last_ns
