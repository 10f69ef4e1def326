"""The lines of messages, from sending to arrival or to where they come to nothing; thinned where there are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median_low

import msgspec

from tenure.core.events import NodeId
from tenure.render.spacetime.items import AnyItem, Line, Mark, Text
from tenure.render.spacetime.looks import COLOURS, KINDS
from tenure.render.spacetime.spans import End, Letter
from tenure.render.spacetime.words import Instants, clean, duration

MOST_MESSAGES = 3000
"""Messages drawn: about a megabyte of SVG, and what a browser still scrolls smoothly."""
MANY = 150
"""A kind with more messages, and more than a quarter of all, is drawn thin, grey and without arrow heads."""
NAMED = 8
"""Of so many kinds that are left out their names are told."""
LOST_AT = 0.45
"""How far along its way the cross of a lost message stands: nobody knows where it was lost."""


class Kind(msgspec.Struct):
    """A kind of message; its number is its line style."""

    name: str
    number: int
    count: int
    drawn: bool = True
    faint: bool = False

    @property
    def look(self) -> str:
        """The classes of its lines."""
        return "message faint" if self.faint else f"message k{self.number % KINDS}"


class Drawn(msgspec.Struct):
    """The lines, the kinds in the order in which they occur, and what was left out."""

    items: list[AnyItem]
    kinds: list[Kind]
    notes: list[str]


def messages(letters: Sequence[Letter], lanes: Mapping[NodeId, float], length_ns: int, instants: Instants) -> Drawn:
    """The messages between nodes that have lanes, at these heights; at most MOST_MESSAGES, rare kinds first."""
    letters = [one for one in letters if one.sent.sender in lanes and one.sent.to in lanes]
    kinds, notes = chosen(Counter(letter.sent.kind for letter in letters))
    delays = [end.at_ns - letter.sent.at_ns for letter in letters for end in letter.ends[:1] if not end.why]
    usual_ns = median_low(delays) if delays else length_ns // 40
    items: list[AnyItem] = []
    for letter in letters:
        kind = kinds[letter.sent.kind]
        if kind.drawn:
            items += _message(letter, kind, lanes, usual_ns, instants)
    return Drawn(items, list(kinds.values()), notes)


def chosen(count: Counter[str]) -> tuple[dict[str, Kind], list[str]]:
    """Which kinds are drawn: the most frequent is left out until the others are few enough."""
    kinds = {name: Kind(name, 0, many) for name, many in count.items()}
    total = count.total()
    left_out: list[Kind] = []
    for name, many in count.most_common():
        if total <= MOST_MESSAGES:
            break
        kinds[name].drawn = False
        left_out.append(kinds[name])
        total -= many
    for kind in kinds.values():
        kind.faint = kind.count > max(MANY, total // 4)
    for number, kind in enumerate(kind for kind in kinds.values() if kind.drawn and not kind.faint):
        kind.number = number
    if not left_out:
        return kinds, []
    named = ", ".join(f"{kind.count} {clean(kind.name, 40)}" for kind in left_out[:NAMED])
    more = f" and {len(left_out) - NAMED} more kinds" if len(left_out) > NAMED else ""
    note = f"Left out, because at most {MOST_MESSAGES} messages are drawn, are the most frequent: {named}{more}."
    return kinds, [f"{note} Choose a shorter window to see them."]


def _message(
    letter: Letter, kind: Kind, lanes: Mapping[NodeId, float], usual_ns: int, instants: Instants
) -> list[AnyItem]:
    sent = letter.sent
    down = 1 if lanes[sent.to] >= lanes[sent.sender] else -1
    y1, y2 = lanes[sent.sender] + 5 * down, lanes[sent.to] - 10 * down
    in_brackets = f" ({clean(sent.text)})" if sent.text else ""
    told = f"{clean(kind.name)}{in_brackets} from {sent.sender} to {sent.to}, sent {instants(sent.at_ns)}"
    items: list[AnyItem] = []
    if not letter.ends:
        title, t2 = f"{told}, still under way at the end", sent.at_ns + usual_ns // 2
        items.append(
            Line(
                t1=sent.at_ns,
                y1=y1,
                t2=t2,
                y2=(y1 + y2) / 2,
                look=f"{kind.look} open",
                title=title,
                steps=(letter.step,),
            )
        )
    for end in letter.ends:
        steps = (letter.step, end.step)
        if not end.why:
            title = f"{told}, arrives after {duration(end.at_ns - sent.at_ns)}"
            line = Line(t1=sent.at_ns, y1=y1, t2=end.at_ns, y2=y2, look=kind.look, title=title, steps=steps)
            if not kind.faint:
                line.head = kind.number % len(COLOURS)
                line.name = clean(kind.name, 24)
            items.append(line)
            continue
        title = f"{told}: {clean(end.why)}"
        t2, y = _where_it_ended(letter, end, y1, lanes[sent.to], usual_ns)
        items.append(Line(t1=sent.at_ns, y1=y1, t2=t2, y2=y, look=kind.look, title=title, steps=steps))
        items.append(Mark(t=t2, y=y, shape="cross", look="drop", title=title, steps=steps))
        items.append(
            Text(
                t1=t2, t2=t2, y=0, texts=[clean(end.why, 16)], look="say drop", dx=11, rows=(y + 4,), rank=2, size=10.5
            )
        )
    return items


def _where_it_ended(letter: Letter, end: End, y1: float, y2: float, usual_ns: int) -> tuple[int, float]:
    """At its receiver, if that was down, or else on the way; the time is the network's, where it says one."""
    far = 1.0 if end.why == "down" else LOST_AT
    return max(end.at_ns, letter.sent.at_ns + int(usual_ns * far)), y1 + (y2 - y1) * far
