"""Where words may stand: none over another. The script of the page does the same in the same way (`placed`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tenure.render.spacetime.items import AnyItem, Line, Mark, Text

BUCKET = 16
"""Pixels: boxes are compared with those in the same bucket of heights and its neighbours; no words are higher."""
CHARACTER = 0.6
"""The width of a character by the height of its type: a little more than the mean of the widest usual face."""
AIR = 4
"""Pixels on both sides of words."""
CLOSE = 40
"""Pixels within which one name does for all lines of a kind."""
OBSTACLES = ("cross", "struck", "violated")
"""Shapes on which no words stand."""
MOST_NAMED = 90
"""With so many messages in sight at most, the kind is written at each line that has room."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Placed = tuple[Text, str, float, float]
"""The item, the words chosen of it, and where they stand: x of their beginning or, by the item's anchor, of their
middle, and their baseline."""


def width_of(words: str, size: float) -> float:
    """How wide words are, in pixels, on the safe side."""
    return len(words) * size * CHARACTER


def names(items: Iterable[AnyItem], x_of: Callable[[int], float], from_ns: int, to_ns: int) -> list[Text]:
    """The names of the lines in sight, at two fifths of their way; of like ones close together, the first's."""
    lines = [one for one in items if isinstance(one, Line) and one.name and one.t2 >= from_ns and one.t1 <= to_ns]
    if len(lines) > MOST_NAMED:
        return []
    found: dict[tuple[str, int], Text] = {}
    for line in lines:
        t, y = line.t1 + (line.t2 - line.t1) * 2 // 5, line.y1 + (line.y2 - line.y1) * 0.4
        rows = (y, y + 12, y - 12, y + 24)
        name = Text(t1=t, t2=t, y=0, texts=[line.name], rows=rows, look=f"say kind t{line.head}", dx=6)
        found.setdefault((line.name, int(x_of(t) // CLOSE)), name)
    return list(found.values())


def placed(items: Iterable[AnyItem], x_of: Callable[[int], float], left: float, right: float) -> list[Placed]:
    """The words that have room between `left` and `right`, the important ones first; none stands on
    a cross or a fault.
    """
    taken: dict[int, list[Box]] = {}
    found: list[Placed] = []
    texts: list[Text] = []
    for item in items:
        if isinstance(item, Text):
            texts.append(item)
        elif isinstance(item, Mark) and item.shape in OBSTACLES:
            x = x_of(item.t)
            taken.setdefault(int(item.y // BUCKET), []).append((x - 5, item.y - 5, x + 5, item.y + 5))

    def take(item: Text, words: str, x: float, y: float) -> bool:
        width = width_of(words, item.size)
        x1 = x - width / 2 if item.anchor == "middle" else x
        box = (x1 - AIR, y - item.size * 0.8, x1 + width + AIR, y + item.size * 0.25)
        place = int(y // BUCKET)
        for near in (place - 1, place, place + 1):
            if any(_meet(box, other) for other in taken.get(near, ())):
                return False
        taken.setdefault(place, []).append(box)
        found.append((item, words, x, y))
        return True

    for item in sorted(texts, key=lambda one: -one.rank):
        x1, x2 = max(left, x_of(item.t1)), min(right, x_of(item.t2))
        if x2 < left or x1 > right or x1 > x2:
            continue
        _place(item, x1, x2, (left, right), take)
    return found


def _place(
    item: Text, x1: float, x2: float, edges: tuple[float, float], take: Callable[[Text, str, float, float], bool]
) -> None:
    is_middle = item.anchor == "middle"
    for words in item.texts:
        if width_of(words, item.size) + AIR + item.dx <= x2 - x1:
            x = (x1 + x2) / 2 if is_middle else x1 + item.dx
            if take(item, words, x, item.y):
                return
    words = item.texts[-1]
    width = width_of(words, item.size)
    if is_middle:
        x = max(edges[0] + width / 2, min((x1 + x2) / 2, edges[1] - width / 2))
    elif x1 + item.dx + width > edges[1]:  # no room to the right of it
        x = x1 - abs(item.dx) - width
    else:
        x = x1 + item.dx
    for row in item.rows:
        if take(item, words, x, row):
            return


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
