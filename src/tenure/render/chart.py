"""Line charts as SVG, several beside one another: for each series a colour, a dash and a marker, so that colour is not
needed to tell them apart.

Colours are those of Okabe and Ito (2008), which people of every colour vision tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

import msgspec

PANEL_WIDTH, PANEL_HEIGHT = 360, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 44, 44
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("none", "6 3", "2 2", "8 2 2 2", "1 3", "10 4", "4 1")
_MARKERS = ("M-4-4h8v8h-8z", "M0-5l5 9h-10z", "M0-5l5 5l-5 5l-5-5z", "M-4-4l8 8M-4 4l8-8", "M0-5v10M-5 0h10")
LIMIT_POINTS = 10_000


class Series(msgspec.Struct, frozen=True):
    """The points of one line, each (x, y); y None leaves a gap."""

    name: str
    points: tuple[tuple[float, float | None], ...]
    is_bare: bool = False
    """A line without marks, for one of many points."""
    beside: str = ""
    """Hollow marks without a line, in the colour and shape of the series of this name; the legend does not have it."""


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One chart."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    is_logarithmic: bool = False
    """Whether y grows by powers of ten; values of 0 and below stand on the lowest line then."""
    is_logarithmic_x: bool = False
    """The same of x."""


def svg(title: str, panels: Sequence[Panel]) -> str:
    """The panels side by side, and what each line is below them. Raises ValueError for too many points."""
    if sum(len(series.points) for panel in panels for series in panel.series) > LIMIT_POINTS:
        raise ValueError(f"more than {LIMIT_POINTS} points make no picture; compare fewer")
    names = list(dict.fromkeys(series.beside or series.name for panel in panels for series in panel.series))
    width = PANEL_WIDTH * len(panels)
    legend_columns = max(1, width // 180)
    height = PANEL_HEIGHT + 24 + 22 * ceil(len(names) / legend_columns)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" '
            'font-size="12">'
        ),
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(_in_words(panels))}</desc>',
        "<style>svg{background:#fff;color:#222}.axis{stroke:#888;fill:none}.grid{stroke:#ddd}text{fill:#222}</style>",
    ]
    for place, panel in enumerate(panels):
        parts += [f'<g transform="translate({place * PANEL_WIDTH} 0)">', *_panel(panel, names), "</g>"]
    for place, name in enumerate(names):
        x, y = 24 + place % legend_columns * 180, PANEL_HEIGHT + 24 + place // legend_columns * 22
        parts.append(f'<g transform="translate({x} {y})">{_line("M0 0H34", place)}{_marker(17, 0, place)}')
        parts.append(f'<text x="42" y="4">{escape(name)}</text></g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, names: Sequence[str]) -> list[str]:
    xs = sorted({x for series in panel.series for x, _ in series.points})
    across_ticks = _powers(xs) if panel.is_logarithmic_x else xs
    ys = [y for series in panel.series for _, y in series.points if y is not None]
    ticks = _powers(ys) if panel.is_logarithmic else _steps(max(ys, default=0.0))
    inner_width, inner_height = PANEL_WIDTH - _LEFT - _RIGHT, PANEL_HEIGHT - _TOP - _BOTTOM

    def across(x: float) -> float:
        low, high = across_ticks[0], across_ticks[-1]
        share = _share(x, low, high) if panel.is_logarithmic_x else (x - low) / ((high - low) or 1)
        return round(_LEFT + 10 + share * (inner_width - 20), 1)

    def up(y: float) -> float:
        low, high = ticks[0], ticks[-1]
        share = _share(y, low, high) if panel.is_logarithmic else (y - low) / (high - low)
        return round(_TOP + (1 - share) * inner_height, 1)

    parts = [f'<text x="{_LEFT}" y="20" font-weight="600">{escape(panel.title)}</text>']
    parts.append(f'<text x="{_LEFT}" y="35" font-size="11">{escape(panel.y_label)}</text>')
    for tick in ticks:
        parts.append(f'<path class="grid" d="M{_LEFT} {up(tick)}H{PANEL_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{up(tick) + 4}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{_TOP + inner_height}H{PANEL_WIDTH - _RIGHT}"/>')
    parts += [
        f'<text x="{across(x)}" y="{_TOP + inner_height + 16}" text-anchor="middle">{x:g}</text>'
        for x in _spread(across_ticks)
    ]
    middle = _LEFT + inner_width / 2
    parts.append(f'<text x="{middle}" y="{PANEL_HEIGHT - 8}" text-anchor="middle">{escape(panel.x_label)}</text>')
    for series in panel.series:
        place = names.index(series.beside or series.name)
        known = [(across(x), up(y), x, y) for x, y in series.points if y is not None]
        if known and not series.beside:
            parts.append(_line("M" + "L".join(f"{x} {y}" for x, y, _, _ in known), place))
        for x, y, at, value in () if series.is_bare else known:
            says = f"{series.name}, {panel.x_label} {at:g}: {value:g}"
            parts.append(_marker(x, y, place, says, is_hollow=bool(series.beside)))
    return parts


def _line(path: str, place: int) -> str:
    dash, colour = _DASHES[place % len(_DASHES)], _COLOURS[place % len(_COLOURS)]
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'


def _marker(x: float, y: float, place: int, says: str = "", *, is_hollow: bool = False) -> str:
    shape, colour = _MARKERS[place % len(_MARKERS)], _COLOURS[place % len(_COLOURS)]
    title = f"<title>{escape(says)}</title>" if says else ""
    return (
        f'<path d="{shape}" transform="translate({x} {y})" fill="{"#fff" if is_hollow else colour}" '
        f'stroke="{colour}" stroke-width="1.5">'
        f"{title}</path>"
    )


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others, by powers of ten."""
    return (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low))


def _spread(xs: Sequence[float]) -> list[float]:
    """As many of them as have room for their figures."""
    every = max(1, ceil(len(xs) / 8))
    return [x for place, x in enumerate(xs) if place % every == 0]


def _steps(highest: float) -> list[float]:
    """From 0 to above the highest, in four or five even steps of 1, 2 or 5 times a power of ten."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** floor(log10(highest / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if highest / (factor * power) <= 5)  # noqa: PLR2004  five steps
    return [round(number * step, 12) for number in range(ceil(highest / step) + 1)]


def _powers(ys: Sequence[float]) -> list[float]:
    """The powers of ten around all values above 0."""
    positive = [y for y in ys if y > 0] or [1.0]
    low, high = floor(log10(min(positive))), ceil(log10(max(positive)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _in_words(panels: Sequence[Panel]) -> str:
    return "; ".join(
        f"{panel.title}, {panel.y_label}: "
        + ", ".join(
            f"{series.name} " + " ".join(f"{x:g}: {'-' if y is None else format(y, 'g')}" for x, y in series.points)
            for series in panel.series
        )
        for panel in panels
    )
