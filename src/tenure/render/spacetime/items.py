"""What a picture is made of: four kinds of items, whose x is an instant of the run and whose y is in pixels.

The SVG and the script of the HTML page both draw these, each for the window of time that it shows; so what is drawn is
decided once, in `scene`. `look` is a class of the style sheet; `steps` are places in the trace of the records that an
item is about.
"""

from __future__ import annotations

import msgspec


class Item(msgspec.Struct, kw_only=True, tag_field="is", tag=str.lower, omit_defaults=True):
    """Common to all."""

    look: str
    title: str = ""
    steps: tuple[int, ...] = ()


class Line(Item, kw_only=True):
    """From one instant and height to another; `head` is the number of an arrow head at its end, -1 for none.

    `name` is written at the line where few such lines are shown.
    """

    t1: int
    y1: float
    t2: int
    y2: float
    head: int = -1
    name: str = ""


class Bar(Item, kw_only=True):
    """A rectangle, clipped to what is shown."""

    t1: int
    t2: int
    y: float
    height: float


class Mark(Item, kw_only=True):
    """A shape at a point; see SHAPES."""

    t: int
    y: float
    shape: str
    dx: float = 0


class Text(Item, kw_only=True):
    """Words that are placed only where nothing else stands.

    First inside: the longest of `texts` that fits between `t1` and `t2` at the height `y`. Then outside: the last of
    `texts` at the first free height of `rows`, whatever its width. Greater `rank` is placed first.
    """

    t1: int
    t2: int
    y: float
    texts: list[str]
    rows: tuple[float, ...] = ()
    anchor: str = "start"
    dx: float = 0
    size: float = 11.5
    rank: int = 0


AnyItem = Line | Bar | Mark | Text

SHAPES = {
    "star": "M0-9.5 2.6-3.3 9.2-2.9 4.1 1.4 5.8 7.8 0 4.2-5.8 7.8-4.1 1.4-9.2-2.9-2.6-3.3Z",
    "triangle": "M0-7.5 7.5 6-7.5 6Z",
    "circle": "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0Z",
    "square": "M-4.5-4.5h9v9h-9Z",
    "cross": "M-4.5-4.5 4.5 4.5M-4.5 4.5 4.5-4.5",
    "crash": "M-9-9 9 9M-9 9 9-9",
    "pause": "M-4-8V8M4-8V8",
    "resume": "M-4-7 7 0-4 7Z",
    "left": "M0-11V11M-7 0H0",
    "began": "M4-11H-1V11H4",
    "struck": "M-5-4H5L0 5Z",
    "violated": "M-4-9.7H4L9.7-4V4L4 9.7H-4L-9.7 4V-4ZM0-5.5V1.5M0 4.3V6.3",
    "note": "M0-3.5V3.5",
}
"""The shapes of marks as SVG paths about the point (0, 0)."""
