"""What the signs of a picture mean: only those that occur in it, each as it is drawn."""

from __future__ import annotations

import math
from html import escape

from tenure.render.spacetime.items import SHAPES
from tenure.render.spacetime.labels import width_of
from tenure.render.spacetime.lanes import SHAPE_OF, half_height
from tenure.render.spacetime.looks import COLOURS
from tenure.render.spacetime.scene import Scene
from tenure.render.spacetime.spans import Stance
from tenure.render.spacetime.words import clean

MOST_KINDS = 40
SAMPLE = 38
"""Pixels of a sample."""
ROW = 24
SIZE = 11.5
COLUMN = 192

Entry = tuple[str, str]
"""A drawing about a line at y = 0 from x = 0 to SAMPLE, and its words."""

STANCES = {
    Stance.LEADING: "leads, as it believes",
    Stance.ELECTING: "election under way",
    Stance.FOLLOWING: "follows",
    Stance.OTHER: "takes no part yet",
}


def legend(picture: Scene, width: int, y: float) -> tuple[str, float]:
    """The legend as SVG from `y` on, and where it ends."""
    parts, column, columns = [], 0, max(1, (width - 44) // COLUMN)
    for drawing, words in entries(picture):
        takes = min(columns, math.ceil((SAMPLE + 8 + width_of(words, SIZE)) / COLUMN))
        if column + takes > columns:
            column, y = 0, y + ROW
        x = 24 + column * COLUMN
        parts.append(
            f'<g transform="translate({x} {y:.0f})">{drawing}<text x="{SAMPLE + 8}" y="4">{escape(words)}</text></g>'
        )
        column += takes
    return f'<g class="legend" aria-hidden="true">{"".join(parts)}</g>', y + ROW


def entries(picture: Scene) -> list[Entry]:
    """All signs of the picture with their words."""
    run = picture.run
    found: list[Entry] = []
    for stance, words in STANCES.items():
        if any(rank.stance is stance for rank in run.ranks):
            half = half_height(stance)
            band = f'<rect class="band {stance}" x="4" y="{-half}" width="34" height="{2 * half}"/>'
            found.append((band + _shape(SHAPE_OF[stance], f"mark {stance}", 6), words))
    whats = {mark.what for mark in run.marks}
    if "crashed" in whats:
        found.append(('<path class="alive" d="M0 0H16"/>' + _shape("crash", "event crashed", 16), "crashed"))
    if any(life.paused for life in run.lives):
        found.append(('<path class="still" d="M0 0H38"/>' + _shape("pause", "event paused", 8), "paused"))
    if "left" in whats:
        found.append(('<path class="alive" d="M0 0H20"/>' + _shape("left", "event left", 20), "left the group"))
    if run.tenures:
        found.append(('<rect class="tenure" x="2" y="-6" width="34" height="12"/>', "may act, under a token"))
    if run.bodies:
        sample = '<rect class="body" x="2" y="-2" width="20" height="4"/><rect class="body told" x="22" y="-2" '
        found.append((f'{sample}width="14" height="4"/>', "its work; then told to stop"))
    if run.parted:
        hatched = "".join(
            f'<rect class="{look}" x="1" y="-8" width="36" height="16"/>' for look in ("shade", "side s0")
        )
        found.append((hatched, "partition (hatched: cut off)"))
    if any(not span.nodes for span in (*run.leading, *run.acting)):
        found.append(('<rect class="track gap" x="1" y="-7" width="36" height="14"/>', "nobody: a gap"))
    if any(len(span.nodes) > 1 for span in (*run.leading, *run.acting)):
        found.append(('<rect class="track overlap" x="1" y="-7" width="36" height="14"/>', "two or more at once"))
    if "struck" in whats:
        found.append((_shape("struck", "struck", 18), "a fault strikes"))
    if "violated" in whats:
        found.append((_shape("violated", "violated", 18), "a promise is broken"))
    return found + _messages(picture)


def _messages(picture: Scene) -> list[Entry]:
    found: list[Entry] = []
    drawn = [kind for kind in picture.kinds if kind.drawn]
    for kind in drawn[:MOST_KINDS]:
        # The arrow head of a legend is drawn by hand: it needs no reference to the picture's own.
        line = f'<path class="{kind.look}" d="M0 0H31"/>'
        head = "" if kind.faint else f'<path class="h{kind.number % len(COLOURS)}" d="M30-3.4 38 0 30 3.4Z"/>'
        found.append((line + head, f"{clean(kind.name, 40)} ({kind.count})"))
    if len(drawn) > MOST_KINDS:
        found.append(("", f"and {len(drawn) - MOST_KINDS} more kinds"))
    if any(end.why for letter in picture.run.letters for end in letter.ends):
        found.append(('<path class="message k5" d="M0 0H20"/>' + _shape("cross", "drop", 22), "came to nothing"))
    return found


def _shape(name: str, look: str, x: int) -> str:
    return f'<path class="{look}" transform="translate({x} 0)" d="{SHAPES[name]}"/>'
