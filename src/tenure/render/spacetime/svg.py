"""The picture as SVG: one file that needs nothing else, in light and in dark, with its meaning as text inside."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from html import escape

from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError
from tenure.render.spacetime.items import SHAPES, AnyItem, Bar, Line, Mark, Text
from tenure.render.spacetime.labels import names, placed
from tenure.render.spacetime.legend import legend
from tenure.render.spacetime.looks import definitions, style
from tenure.render.spacetime.scene import LEFT, RIGHT, Scene, scene
from tenure.trace import Trace

WIDTH = 1200
LEAST_WIDTH, MOST_WIDTH = 480, 20_000
HEAD_LINES = 2
"""Lines of findings under the title."""
TICK_WIDTH = 90
"""Pixels between two ticks, at least."""
MOST_TICKS = 400
LAYERS = ("shade", "line", "band", "mark", "words")
"""From the back to the front."""


def svg(trace: Trace, *, from_ns: int | None = None, to_ns: int | None = None, width: int = WIDTH) -> str:
    """The picture of a run, or of the window from `from_ns` to `to_ns`, `width` pixels wide.

    Raises ConfigurationError for a window that ends before it begins, and for a width that cannot be drawn.
    """
    return draw(scene(trace, from_ns, to_ns), width)


def root_of(picture: Scene, width: int) -> str:
    """How the ids in a picture begin: two pictures in one page must not share them."""
    return f"t{zlib.crc32(repr((picture.title, picture.findings, picture.run.from_ns, width)).encode()):08x}"


def draw(picture: Scene, width: int = WIDTH, *, crop: int = 0) -> str:
    """A scene as one `<svg>` element, without the uppermost `crop` pixels."""
    if not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise ConfigurationError(f"width is {width}; a picture has {LEAST_WIDTH} to {MOST_WIDTH} pixels")
    root = root_of(picture, width)
    below, height = _below(picture, width)
    size = f'width="{width}" height="{height - crop}" viewBox="0 {crop} {width} {height - crop}"'
    plot = f'<rect x="{LEFT - 10}" y="0" width="{width - LEFT - RIGHT + 20}" height="{height}"/>'
    labels = f'role="img" aria-labelledby="{root}-title {root}-desc"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tenure-run" {size} {labels}>',
        f'<title id="{root}-title">{escape(picture.title)}</title>',
        f'<desc id="{root}-desc">{escape(_description(picture))}</desc>',
        f"<style>{style(root)}</style>",
        f'<defs>{definitions(root)}<clipPath id="{root}-plot">{plot}</clipPath></defs>',
        f'<rect class="paper" width="{width}" height="{height}"/>',
        *_head(picture, width),
        f'<g class="axes">{"".join(_axis(picture, width))}</g>',
        *_rows(picture),
        f'<g class="scene" clip-path="url(#{root}-plot)">{"".join(elements(picture, width, root))}</g>',
        below,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _description(picture: Scene) -> str:
    lanes = f"A space-time diagram: time runs to the right, each of {len(picture.run.nodes)} nodes has a lane."
    return " ".join([lanes, *picture.findings, *picture.notes])


def _head(picture: Scene, width: int) -> list[str]:
    lines = [f'<text class="title" x="24" y="34">{escape(picture.title)}</text>']
    told = [finding for finding in picture.findings if not finding.startswith("VIOLATION")]
    under = wrapped(" ".join(told), int((width - 48) / 7.8))
    if len(under) > HEAD_LINES:
        under[HEAD_LINES - 1] += " …"  # all of it is in the description
    for number, line in enumerate(under[:HEAD_LINES]):
        lines.append(f'<text class="finding" x="24" y="{57 + 18 * number}">{escape(line)}</text>')
    return lines


def _rows(picture: Scene) -> list[str]:
    """Names at the left of lanes and tracks."""
    parts = []
    for row in picture.rows:
        look = "row" if row.node is None else "node"
        at = f'x="{LEFT - 18}" y="{_n(row.y + 4.5)}" text-anchor="end"'
        parts.append(f'<text class="{look}" {at}>{escape(row.name)}</text>')
    return parts


def ticks(from_ns: int, to_ns: int, room: float) -> list[tuple[int, str]]:
    """Instants for an axis of `room` pixels with their words: multiples of 1, 2 or 5 and a power of ten."""
    length = to_ns - from_ns
    least = max(length * TICK_WIDTH / room, length / MOST_TICKS, 1)
    step = 1
    while step < least:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    digits = max(0, 10 - len(str(step)))
    first = -(-from_ns // step) * step
    return [(at, f"{at / NS_PER_S:.{digits}f} s") for at in range(first, to_ns + 1, step)]


def _axis(picture: Scene, width: int) -> list[str]:
    x_of = scale(picture, width)
    y, bottom = picture.axis_y, picture.lanes[1]
    parts = []
    for at_ns, words in ticks(picture.run.from_ns, picture.run.to_ns, width - LEFT - RIGHT):
        x = _n(x_of(at_ns))
        parts.append(f'<path class="grid" d="M{x} {_n(y + 4)}V{_n(bottom)}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{_n(y)}" text-anchor="middle">{words}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {_n(y + 4)}H{width - RIGHT}"/>')
    return parts


def scale(picture: Scene, width: int) -> Callable[[int], float]:
    """Where an instant is, in pixels."""
    run, plot = picture.run, width - LEFT - RIGHT
    return lambda at_ns: LEFT + (at_ns - run.from_ns) * plot / (run.to_ns - run.from_ns)


def elements(picture: Scene, width: int, root: str) -> list[str]:
    """The items as elements, from the back to the front."""
    x_of = scale(picture, width)
    layers: dict[str, list[str]] = {layer: [] for layer in LAYERS}
    run = picture.run
    for item in picture.items:
        t1, t2 = (item.t, item.t) if isinstance(item, Mark) else (item.t1, item.t2)
        if not isinstance(item, Text) and t2 >= run.from_ns and t1 <= run.to_ns:
            layers[layer_of(item)].append(_element(item, x_of, width, root))
    items = [*picture.items, *names(picture.items, x_of, picture.run.from_ns, picture.run.to_ns)]
    for item, chosen, x, y in placed(items, x_of, LEFT - 6, width - RIGHT + 10):
        title = f"<title>{escape(item.title)}</title>" if item.title else ""
        middle = ' text-anchor="middle"' if item.anchor == "middle" else ""
        at = f'x="{_n(x)}" y="{_n(y)}"{middle}'
        layers["words"].append(f'<text class="{item.look}" {at}>{escape(chosen)}{title}</text>')
    return [f'<g class="layer-{layer}">{"".join(parts)}</g>' for layer, parts in layers.items() if parts]


def layer_of(item: AnyItem) -> str:
    """In which layer an item is drawn."""
    first = item.look.split()[0]
    if first in ("shade", "side"):
        return "shade"
    return {Line: "line", Bar: "band", Mark: "mark", Text: "words"}[type(item)]


def _element(item: Line | Bar | Mark, x_of: Callable[[int], float], width: int, root: str) -> str:
    title = f"<title>{escape(item.title)}</title>" if item.title else ""
    match item:
        case Line():
            head = f' marker-end="url(#{root}-h{item.head})"' if item.head >= 0 else ""
            d = f"M{_n(x_of(item.t1))} {_n(item.y1)}L{_n(x_of(item.t2))} {_n(item.y2)}"
            return f'<path class="{item.look}" d="{d}"{head}>{title}</path>'
        case Bar():
            left = max(x_of(item.t1), LEFT - 20.0)
            wide = max(min(x_of(item.t2), width + 20.0) - left, 1.0)
            size = f'x="{_n(left)}" y="{_n(item.y)}" width="{_n(wide)}" height="{_n(item.height)}"'
            return f'<rect class="{item.look}" {size}>{title}</rect>'
        case Mark():
            at = f"{_n(x_of(item.t) + item.dx)} {_n(item.y)}"
            return f'<path class="{item.look}" transform="translate({at})" d="{SHAPES[item.shape]}">{title}</path>'


def _below(picture: Scene, width: int) -> tuple[str, int]:
    """The legend and the notes, and where the picture ends."""
    drawn, y = legend(picture, width, picture.height + 26)
    lines = [line for note in picture.notes for line in wrapped(f"Note: {note}", int((width - 60) / 7.2))]
    parts = [drawn]
    for number, line in enumerate(lines):
        parts.append(f'<text class="note-line" x="24" y="{_n(y + 18 + 18 * number)}">{escape(line)}</text>')
    return "\n".join(parts), int(y + 18 * len(lines) + 20)


def wrapped(text: str, most: int) -> list[str]:
    """The text in lines of at most so many characters, but for words that are longer."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + len(word) < most:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _n(value: float) -> str:
    """A number of pixels, as short as it goes."""
    return f"{math.floor(value * 10 + 0.5) / 10:.1f}".removesuffix(".0")  # as the script of the page rounds
