"""The picture as one HTML page: it can be stepped through, played and zoomed, and needs nothing but itself.

A trace may come from anybody. Its texts are escaped wherever they stand; and the page's policy names its one script
and its styles by their digests, so that a browser runs no other even if something slipped through.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape

import msgspec

from tenure.core.events import NodeId
from tenure.render.spacetime.history import end_of
from tenure.render.spacetime.items import SHAPES, Text
from tenure.render.spacetime.labels import AIR, BUCKET, CHARACTER, CLOSE, MOST_NAMED, OBSTACLES
from tenure.render.spacetime.looks import resource, style
from tenure.render.spacetime.scene import LEFT, RIGHT, TOP, Scene, scene
from tenure.render.spacetime.spans import Together
from tenure.render.spacetime.states import Situation, states
from tenure.render.spacetime.svg import LAYERS, MOST_TICKS, TICK_WIDTH, WIDTH, draw, root_of
from tenure.render.spacetime.words import MOST_STRETCHES, Instants, Narrator, clean, stretches
from tenure.trace import Arrived, Dropped, Sent, Trace

MOST_STEPS = 10_000
"""Records that one page steps through: about two megabytes of table, and what a browser still lays out in a second."""
CROPPED = TOP - 10
"""Pixels of the picture's head that the page leaves out: it has a heading of its own."""


def html(trace: Trace, *, from_ns: int | None = None, to_ns: int | None = None, width: int = WIDTH) -> str:
    """The page of a run, or of the window from `from_ns` to `to_ns`. The picture is reckoned for `width` pixels, and
    the browser fits it to its window.

    Raises ConfigurationError as `svg` does.
    """
    picture = scene(trace, from_ns, to_ns)
    instants = Instants(end_of(trace))
    steps = _steps(trace, picture, instants)
    root = root_of(picture, width)
    script, look = resource("page.js"), resource("page.css")
    styles = f"style-src {_digest(look)} {_digest(style(root))}"
    again = clean(trace.head.again, 1000)
    fill = {
        "POLICY": f"default-src 'none'; script-src {_digest(script)}; {styles}; base-uri 'none'; form-action 'none'",
        "TITLE": escape(picture.title),
        "STYLE": look,
        "FINDINGS": "".join(_finding(one) for one in (*picture.findings, *picture.notes)),
        "AGAIN": f"<p>Run it again: <code>{escape(again)}</code></p>" if again else "",
        "PICTURE": draw(picture, width, crop=CROPPED),
        "NODES": "".join(f'<tr><th scope="row">node {node}</th>{"<td></td>" * 6}</tr>' for node in picture.run.nodes),
        "LAST": str(max(0, len(steps) - 1)),
        "STEPS": "\n".join(_rows(trace, steps, instants)),
        "TRACKS": _track("Who believes that it leads", picture.run.leading, instants)
        + _track("Who may act", picture.run.acting, instants),
        "DATA": _data(trace, picture, steps, width, instants),
        "SKIP": _skip(picture),
        "SCRIPT": script,
    }
    # Text, name, text, ..., text: what is filled in is not looked at again, whatever it says.
    parts = resource("page.html").split("@@")
    return "".join(fill[part] if place % 2 else part for place, part in enumerate(parts))


def _skip(picture: Scene) -> str:
    """What can be passed over: kinds of messages so frequent that going through them is dull."""
    names = [escape(clean(kind.name, 30)) for kind in picture.kinds if kind.drawn and kind.faint]
    if not names:
        return ""
    return f'<label><input type="checkbox" id="skip" checked> Skip {", ".join(names)}</label>'


def _finding(text: str) -> str:
    look = ' class="violation"' if text.startswith("VIOLATION") else ""
    return f"<li{look}>{escape(text)}</li>"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _steps(trace: Trace, picture: Scene, instants: Instants) -> list[int]:
    """The places in the trace of the records that the page goes through: all in the window but messages that are not
    drawn. Says in the picture's notes if they are too many.
    """
    left_out = {kind.name for kind in picture.kinds if not kind.drawn}
    ids = {letter.sent.id for letter in picture.run.letters if letter.sent.kind in left_out}
    steps: list[int] = []
    for place, record in enumerate(trace.records):
        if not picture.run.from_ns <= record.at_ns <= picture.run.to_ns:
            continue
        if isinstance(record, Sent | Arrived | Dropped) and record.id in ids:
            continue
        if len(steps) == MOST_STEPS:
            end = f"The steps end at {instants(record.at_ns)}"
            picture.notes.append(f"{end}: a page goes through {MOST_STEPS} records at most. Choose another window.")
            break
        steps.append(place)
    return steps


def _rows(trace: Trace, steps: Sequence[int], instants: Instants) -> Iterator[str]:
    """The table of what happened."""
    narrator = Narrator(trace.head.nodes, instants)
    wanted = set(steps)
    for place, record in enumerate(trace.records):
        told = narrator.tell(record)
        if place in wanted:
            yield f"<tr><td>{instants(record.at_ns)}</td><td>{escape(told)}</td></tr>"


def _track(name: str, track: Sequence[Together], instants: Instants) -> str:
    """A table of who did it when; "" where nothing is known."""
    if not track:
        return ""
    rows = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>" for cells in stretches(track, instants)]
    if len(track) > MOST_STRETCHES:
        rows.append(f'<tr><td colspan="4">and {len(track) - MOST_STRETCHES} more</td></tr>')
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("from", "to", "for", "who"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    region = f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">{table}</div>'
    return f"<section>\n<h2>{name}</h2>\n{region}\n</section>\n"


def _data(trace: Trace, picture: Scene, steps: Sequence[int], width: int, instants: Instants) -> str:
    """What the script draws and tells, as JSON that cannot end its element."""
    place_of = {place: number for number, place in enumerate(steps)}
    items = []
    for item in picture.items:
        plain = msgspec.to_builtins(item)
        plain["steps"] = [place_of[step] for step in item.steps if step in place_of]
        items.append(plain)
    data = {
        "root": root_of(picture, width),
        "from": picture.run.from_ns,
        "to": picture.run.to_ns,
        "width": width,
        "left": LEFT,
        "right": RIGHT,
        "lanes": picture.lanes,
        "axis": picture.axis_y,
        "bottom": picture.height,
        "ticks": {"width": TICK_WIDTH, "most": MOST_TICKS},
        "labels": {
            "air": AIR,
            "bucket": BUCKET,
            "character": CHARACTER,
            "mostNamed": MOST_NAMED,
            "close": CLOSE,
            "obstacles": OBSTACLES,
            "size": Text(look="", t1=0, t2=0, y=0, texts=[]).size,
        },
        "layers": LAYERS,
        "shapes": SHAPES,
        "items": items,
        "dull": [place_of[step] for step in sorted(_dull(picture)) if step in place_of],
        "times": [trace.records[place].at_ns for place in steps],
        "states": _states(trace, picture.run.nodes, steps, instants),
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _dull(picture: Scene) -> set[int]:
    """The steps of messages of the most frequent kinds, sent or received."""
    faint = {kind.name for kind in picture.kinds if kind.faint}
    letters = [letter for letter in picture.run.letters if letter.sent.kind in faint]
    return {step for letter in letters for step in (letter.step, *(end.step for end in letter.ends))}


def _states(trace: Trace, nodes: Sequence[NodeId], steps: Sequence[int], instants: Instants) -> list[object]:
    """For each node its changes, by the number of the step from which on they are so."""
    number_of: dict[int, int] = {}
    number = -1
    wanted = set(steps)
    for place in range(len(trace.records)):  # a change that is no step is so from the step before it on
        number += place in wanted
        number_of[place] = number
    found: list[object] = []
    for node, changes in states(trace, nodes).items():
        plain = {number_of.get(change.step, -1): _state(change, instants) for change in changes}
        found.append({"node": str(node), "changes": [{"step": step, **one} for step, one in plain.items()]})
    return found


def _state(state: Situation, instants: Instants) -> Mapping[str, object]:
    """Numbers as words: a script's are not exact beyond 53 bits."""
    plain: dict[str, object] = {"life": state.life, "role": clean(state.role, 60), "term": str(state.term)}
    if state.leader is not None:
        plain["leader"] = str(state.leader)
    if state.token is not None:
        plain |= {"token": str(state.token), "until": state.until_ns, "untilWords": instants(state.until_ns)}
    if state.ppm:
        plain["ppm"] = f"{state.ppm:+d}"
    return plain
