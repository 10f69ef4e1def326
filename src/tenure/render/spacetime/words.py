"""A trace in words: one line a record, for people who see no picture, and for everybody who would rather read.

Texts of a trace come from wherever the file came from: what would not print as itself is replaced (`clean`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tenure.core.events import NodeId
from tenure.durations import NS_PER_S
from tenure.render.spacetime.cuts import describe
from tenure.render.spacetime.history import end_of, history
from tenure.render.spacetime.spans import History, Together
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
    Released,
    Renews,
    Resumed,
    Sent,
    Sided,
    Stood,
    Struck,
    Suspects,
    Told,
    Trace,
    Violated,
    Wrote,
)

MOST_CHARACTERS = 200
"""Of one text of a trace; the longest that the product writes has about half."""
MOST_KINDS = 12
"""Kinds of messages that are counted out in a sentence."""
MOST_STRETCHES = 50
"""Lines of the table of leaders; of more their number is told."""


def clean(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text in one line, without what would steer a terminal or turn the line around, and not too long."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def duration(ns: int) -> str:
    """A length of time in three digits: "250 ms", "1.25 s", "80 µs"."""
    for unit_ns, unit in ((NS_PER_S, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if abs(ns) >= unit_ns:
            value = ns / unit_ns
            digits = max(0, 3 - len(str(int(abs(value)))))
            text = f"{value:.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
    return f"{ns} ns"


class Instants:
    """Instants of a run, all with as many digits as its length asks for."""

    def __init__(self, length_ns: int) -> None:
        self.digits = 3 if length_ns >= NS_PER_S // 2 else 6
        self.width = len(self(length_ns))

    def __call__(self, ns: int) -> str:
        whole, rest = divmod(abs(ns), NS_PER_S)
        return f"{'-' if ns < 0 else ''}{whole}.{rest:09d}"[: self.digits - 9] + " s"


class Narrator:
    """Tells records one by one; it knows who sent the message that arrives."""

    def __init__(self, nodes: Sequence[NodeId], instants: Instants) -> None:
        self._instants = instants
        self._letters: dict[int, Sent] = {}
        self._present = dict.fromkeys(nodes)

    def tell(self, record: Record) -> str:
        """The record as a sentence without its instant."""
        match record:
            case Sent(sender=sender, to=to, kind=kind, text=text):
                self._letters[record.id] = record
                return f"node {sender} sends {clean(kind)} to node {to}{_in_brackets(text)}"
            case Arrived(id=number):
                letter = self._letters.get(number)
                return (
                    f"node {letter.to} receives {clean(letter.kind)} of node {letter.sender}"
                    if letter
                    else (f"message {number} arrives, whose sending is not in this trace")
                )
            case Dropped(id=number, why=why):
                letter = self._letters.get(number)
                named = (
                    f"{clean(letter.kind)} of node {letter.sender} to node {letter.to}"
                    if letter
                    else (f"message {number}, whose sending is not in this trace,")
                )
                reasons = {
                    "lost": "is lost on the way",
                    "cut": "does not get through: the link is cut",
                    "down": "reaches nobody: the node is down",
                }
                return f"{named} {reasons.get(why, 'comes to nothing: ' + clean(why))}"
            case Became(node=node, role=role, leader=leader, term=term):
                whom = (
                    "knows of no leader"
                    if leader is None
                    else (
                        "recognises itself as the leader"
                        if leader == node
                        else f"recognises node {leader} as the leader"
                    )
                )
                return f"node {node} is {clean(role)}; it {whom} (term {term})"
            case Held(node=node, token=token, until_ns=until_ns):
                return f"node {node} may act under token {token} until {self._instants(until_ns)}"
            case Lost(node=node, token=token, why=why):
                return f"node {node} may not act under token {token} any more{_why(why)}"
            case _:
                return self._of_world(record)

    def _of_world(self, record: Record) -> str:
        match record:
            case Began(node=node, life=life):
                self._present[node] = None
                return f"node {node} begins life {life}" if life != 1 else f"node {node} begins"
            case Crashed(node=node):
                return f"node {node} crashes: it forgets what was not durable"
            case Paused(node=node):
                return f"node {node} stands still: its clock goes on, and what comes waits"
            case Resumed(node=node):
                return f"node {node} goes on after its pause"
            case Gone(node=node):
                self._present.pop(node, None)
                return f"node {node} leaves the group"
            case Cut(links=links):
                return f"partition: {describe(links, self._present)}" if links else "all links carry messages again"
            case Suspects(node=node, peer=peer, is_certain=True):
                return f"the kernel tells node {node} that the process of node {peer} is gone"
            case Suspects(node=node, peer=peer, trusts=trusts):
                return f"node {node} {'trusts node {0} again' if trusts else 'suspects node {0}'}".format(peer)
            case Wrote(node=node, kind=kind, text=text):
                return f"node {node} has {clean(kind)} on its disk{_in_brackets(text)}"
            case Sided(node=node, side=side, sees=sees, why=why):
                seen = clean(", ".join(map(str, sees)))
                return f"node {node} sees {seen or 'nobody'} of the group; its side: {clean(side)}{_why(why)}"
            case Asked(node=node, text=text):
                return f"a client asks node {node}: {clean(text)}"
            case Answered(node=node, text=text):
                return f"node {node} tells a client: {clean(text)}"
            case Clock(node=node, ppm=ppm):
                pace = f"{abs(ppm)} millionths too {'fast' if ppm > 0 else 'slow'}" if ppm else "right"
                return f"the clock of node {node} runs {pace}"
            case Struck(text=text):
                return f"fault: {clean(text)}"
            case Phase(name=name):
                return f"phase: {clean(name)}"
            case Violated(checker=checker, text=text):
                return f"VIOLATION of {clean(checker)}: {clean(text)}"
            case _:
                return self._of_holder(record)

    def _of_holder(self, record: Record) -> str:
        match record:
            case Stood(node=node, grace_ns=grace_ns):
                return f"node {node} stands for election; its body would get {duration(grace_ns)} to leave"
            case Opened(node=node, token=token, until_ns=until_ns):
                return f"the body of node {node} may act under token {token} until {self._instants(until_ns)}"
            case Told(node=node, token=token, reason=reason, hard_ns=hard_ns):
                by = self._instants(hard_ns)
                return f"the body of node {node} is told to stop and to leave by {by} (token {token}){_why(reason)}"
            case Overran(node=node, token=token):
                return f"the body of node {node} still runs, though it must have left (token {token})"
            case Closed(node=node, token=token):
                return f"the body of node {node} has left (token {token})"
            case Renews(node=node, token=token):
                return f"node {node} asks for more time under token {token}"
            case Released(node=node, token=token):
                return f"node {node} gives token {token} back"
            case _:
                return self._plainly(record)

    def _plainly(self, record: Record) -> str:
        """A record that has no sentence of its own: its name and its fields, instants and lengths in seconds."""
        fields = {name: getattr(record, name) for name in record.__struct_fields__ if name != "at_ns"}
        who = f"node {fields.pop('node')}: " if "node" in fields else ""
        told = [
            f"{name.removesuffix('_ns')}={self._instants(value) if name.endswith('_ns') else value}"
            for name, value in fields.items()
        ]
        return f"{who}{type(record).__name__.lower()}{_in_brackets(' '.join(told))}"


def _in_brackets(text: str) -> str:
    return f" ({clean(text)})" if text else ""


def _why(text: str) -> str:
    return f": {clean(text)}" if text else ""


def title(trace: Trace) -> str:
    """What ran, in a few words."""
    count = len(trace.head.nodes)
    whence = "real processes" if trace.head.origin_ns else f"seed {trace.head.seed}"
    return f"{clean(trace.head.algorithm)}, {count} node{'' if count == 1 else 's'}, {whence}"


def listing(nodes: Iterable[NodeId]) -> str:
    """Nodes in a sentence: "node 3", "nodes 1, 2 and 5"."""
    *most, last = [str(node) for node in nodes]
    return f"nodes {', '.join(most)} and {last}" if most else f"node {last}"


def findings(run: History, sent: Counter[str], lost: int) -> list[str]:
    """What a run came to, in a few sentences: messages, who led, gaps, overlaps, tenures, violations."""
    total = sum(sent.values())
    kinds = ", ".join(f"{count} {clean(kind)}" for kind, count in sorted(sent.items())[:MOST_KINDS])
    found = _of_track(run.leading, "leads", "believe that they lead", "leader")
    if run.acting:
        found += _of_track(run.acting, "may act", "may act", "tenure")
    if total:
        noun = "message" if total == 1 else "messages"
        found.append(f"{total} {noun} sent ({kinds}), of which {lost} came to nothing.")
    else:
        found.append("No messages were sent.")
    violated = [mark for mark in run.marks if mark.what == "violated"]
    found += [f"VIOLATION of {clean(mark.text)}." for mark in violated[:10]]
    return found


def _of_track(track: Sequence[Together], one: str, many: str, noun: str) -> list[str]:
    gaps = [span for span in track if not span.nodes]
    overlaps = [span for span in track if len(span.nodes) > 1]
    without = sum(span.to_ns - span.from_ns for span in gaps)
    both = sum(span.to_ns - span.from_ns for span in overlaps)
    found = [f"Nobody {one} for {duration(without)} in all{f', in {len(gaps)} gaps' if len(gaps) > 1 else ''}."]
    if not gaps:
        found = [f"There is a {noun} all the time."]
    if overlaps:
        who = sorted({node for span in overlaps for node in span.nodes})
        found.append(f"Two or more {many} at once for {duration(both)} in all: {listing(who)}.")
    else:
        found.append(f"Never do two {many} at once.")
    return found


def counts(trace: Trace, from_ns: int, to_ns: int) -> tuple[Counter[str], int]:
    """Of the messages sent in the window: how many of each kind, and how many of all came to nothing at once."""
    sent, ids, lost = Counter[str](), set[int](), set[int]()
    for record in trace.records:
        match record:
            case Sent(at_ns=at_ns, id=number, kind=kind) if from_ns <= at_ns <= to_ns:
                sent[kind] += 1
                ids.add(number)
            case Dropped(id=number) if number in ids:
                lost.add(number)
            case Arrived(id=number):
                lost.discard(number)
                ids.discard(number)  # a copy got through: what becomes of others is no loss
            case _:
                continue
    return sent, len(lost)


def text(trace: Trace, *, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[str]:
    """The run in words, line by line: a head, one line a record, and tables of who led and who could act.

    Raises ConfigurationError for a window that ends before it begins, or begins after the run has ended.
    """
    run = history(trace, from_ns, to_ns)
    instants = Instants(end_of(trace))
    narrator = Narrator(trace.head.nodes, instants)
    yield title(trace)
    if trace.head.again:
        yield f"again: {clean(trace.head.again, 1000)}"
    yield f"from {instants(run.from_ns)} to {instants(run.to_ns)}"
    yield ""
    for record in trace.records:
        told = narrator.tell(record)  # also of what is outside: it knows the senders of what arrives inside
        if run.from_ns <= record.at_ns <= run.to_ns:
            yield f"{instants(record.at_ns):>{instants.width}}  {told}"
    yield ""
    yield from findings(run, *counts(trace, run.from_ns, run.to_ns))
    yield from table("who believes that it leads", run.leading, instants)
    if run.acting:
        yield from table("who may act", run.acting, instants)


def stretches(track: Sequence[Together], instants: Instants) -> Iterator[tuple[str, str, str, str]]:
    """The first MOST_STRETCHES of a track: each from when, until when, for how long, and who."""
    for span in track[:MOST_STRETCHES]:
        who = listing(span.nodes) if span.nodes else "nobody"
        at_once = ", at once" if len(span.nodes) > 1 else ""
        yield instants(span.from_ns), instants(span.to_ns), duration(span.to_ns - span.from_ns), who + at_once


def table(name: str, track: Sequence[Together], instants: Instants) -> Iterator[str]:
    """A track as a table."""
    width = instants.width
    yield ""
    yield f"{'from':>{width}}  {'to':>{width}}  {'for':>8}  {name}"
    for first, last, length, who in stretches(track, instants):
        yield f"{first:>{width}}  {last:>{width}}  {length:>8}  {who}"
    if len(track) > MOST_STRETCHES:
        yield f"and {len(track) - MOST_STRETCHES} more"
