"""How things look: the style sheet, the patterns that say what colours say, and the styles of messages.

Colours are those of Okabe and Ito ("Color Universal Design", 2008), which the colour-blind can tell apart; each has a
pattern, a shape or a word beside it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

COLOURS = ("blue", "red", "green", "pink", "orange", "ink", "sky")
"""Of kinds of messages, in the order in which kinds occur; each has an arrow head."""
DASHES = ("none", "7 3", "2 3", "10 3 2 3", "5 2 1 2 1 2")
KINDS = len(COLOURS) * len(DASHES)
"""So many kinds have a style each; in elections some ten occur."""


@cache
def resource(name: str) -> str:
    """A file of this package as text."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def style(root: str) -> str:
    """The style sheet of a picture whose ids begin with `root`."""
    rules = [resource("picture.css").strip()]
    for number in range(KINDS):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[(number + number // len(COLOURS)) % len(DASHES)]
        dashes = "" if dash == "none" else f";stroke-dasharray:{dash}"
        rules.append(f".tenure-run .k{number}{{stroke:var(--{colour}){dashes}}}")
    for number, colour in enumerate(COLOURS):
        rules.append(f".tenure-run .h{number}{{fill:var(--{colour})}}")
        rules.append(f".tenure-run .t{number}{{fill:var(--t-{colour})}}")  # words need more contrast than lines
    for look, pattern in (
        (".band.electing", "stripes"),
        (".track.overlap", "hatch"),
        (".side.s0", "side0"),
        (".side.s1", "side1"),
        (".side.s2", "side2"),
    ):
        rules.append(f".tenure-run {look}{{fill:url(#{root}-{pattern})}}")
    return "\n".join(rules)


def definitions(root: str) -> str:
    """Patterns and arrow heads, for `<defs>`."""
    heads = "".join(
        f'<marker id="{root}-h{number}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="h{number}" d="M0 .6 8 4 0 7.4Z"/></marker>'
        for number in range(len(COLOURS))
    )
    return (
        _pattern(f"{root}-stripes", 6, '<path d="M0 0V6" stroke="var(--orange)" stroke-width="7"/>', "rotate(45)")
        + _pattern(
            f"{root}-hatch",
            7,
            '<path d="M0 0H7M0 0V7" stroke="var(--red)" stroke-width="2.4"/>',
            "rotate(45)",
        )
        + _pattern(
            f"{root}-side0",
            9,
            '<path d="M0 0V9" stroke="var(--grey)" stroke-width="1.6" stroke-opacity=".6"/>',
            "rotate(45)",
        )
        + _pattern(
            f"{root}-side1",
            9,
            '<path d="M0 0V9" stroke="var(--grey)" stroke-width="1.6" stroke-opacity=".6"/>',
            "rotate(-45)",
        )
        + _pattern(f"{root}-side2", 8, '<circle cx="2" cy="2" r="1.4" fill="var(--grey)" fill-opacity=".9"/>', "")
        + heads
    )


def _pattern(name: str, size: int, inside: str, turn: str) -> str:
    turned = f' patternTransform="{turn}"' if turn else ""
    return (
        f'<pattern id="{name}" width="{size}" height="{size}" patternUnits="userSpaceOnUse"{turned}>{inside}</pattern>'
    )
