"""Operations of clients as bars on lanes, with the instant at which each took effect, as SVG or as an HTML page.

Time runs to the right, stretched so that each invocation and each answer has a column of its own: their order is what
matters. Colours are those of Okabe and Ito (2008), and each thing differs by its form or by a word, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import msgspec

LIMIT_BARS = 200
"""Of more operations the first are drawn, and that is said."""
_COLUMN, _ROW, _LEFT, _TOP, _RIGHT = 58, 46, 110, 96, 24
_LABEL = 17
"""Characters that fit between an invocation and the next of the same client."""
_STYLE = """
.operations{--ink:#16202b;--muted:#5a6775;--paper:#fff;--grid:#e6eaee;--blue:#0072b2;--red:#d55e00;--fill:#cfe6f5;
background:var(--paper);font-family:system-ui,sans-serif}
@media (prefers-color-scheme:dark){.operations{--ink:#e8edf2;--muted:#9fabb8;--paper:#12181f;--grid:#222b35;
--blue:#4da3dd;--red:#ff8a4a;--fill:#1d4666}}
.operations text{fill:var(--ink);font-size:11.5px}.operations .title{font-size:20px;font-weight:650}
.operations .muted{fill:var(--muted)}.operations .paper{fill:var(--paper)}
.operations .lane{stroke:var(--grid)}.operations .bar{fill:var(--fill);stroke:var(--blue);stroke-width:1.5}
.operations .bar.open{fill:none;stroke-dasharray:5 3}
.operations .bar.blocked{fill:none;stroke:var(--red);stroke-width:3}
.operations .cross{stroke:var(--red);stroke-width:3}.operations .blocked-word{font-weight:700}
.operations .point{stroke:var(--ink);stroke-width:2}.operations .place{font-weight:700;text-anchor:middle}
.operations .then{fill:none;stroke:var(--muted);stroke-dasharray:1 4}
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body{{font-family:system-ui,sans-serif;margin:1.5rem}}figure{{margin:0;overflow-x:auto}}
table{{border-collapse:collapse;margin-top:1.5rem}}th,td{{text-align:left;padding:.2rem 1rem .2rem 0}}</style>
</head>
<body>
<main>
<figure>{picture}</figure>
<table>
<caption>{title}</caption>
<thead><tr><th scope="col">client</th><th scope="col">operation</th><th scope="col">from</th><th scope="col">to</th>
<th scope="col">place</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</main>
</body>
</html>
"""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. `begin` and `end` are instants of any unit; `end` None: its outcome is unknown."""

    lane: str
    label: str
    begin: int
    end: int | None
    begin_text: str = ""
    end_text: str = ""
    place: int | None = None
    """Its number in the order, from 1."""
    blocked: str = ""
    """Why it fits nowhere, of the one that does not."""


def svg(title: str, findings: Sequence[str], bars: Sequence[Bar]) -> str:
    """The picture as one `<svg>` element, with `findings` below the title. Raises ValueError where nothing is drawn."""
    if not bars:
        raise ValueError("there is no operation to draw")
    left_out = len(bars) - LIMIT_BARS
    findings = [*findings, f"The first {LIMIT_BARS} of {len(bars)} operations."] if left_out > 0 else findings
    bars = sorted(bars, key=lambda bar: bar.begin)[:LIMIT_BARS]
    begins, ends, columns = _columns(bars)
    rows, names = _rows(bars, begins, ends)
    points = _points(bars, begins)
    width = max(680, _LEFT + columns * _COLUMN + _RIGHT)
    height = _TOP + _ROW * (max(rows) + 1) + 24 * 2
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="operations" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="operations-title operations-desc">'
        ),
        f'<title id="operations-title">{escape(title)}</title>',
        f'<desc id="operations-desc">{escape(" ".join([*findings, *map(_in_words, bars)]))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        f'<text class="title" x="24" y="34">{escape(title)}</text>',
        *(
            f'<text class="muted" x="24" y="{56 + 17 * number}">{escape(text)}</text>'
            for number, text in enumerate(findings[:2])
        ),
    ]
    for row, name in sorted(names.items()):
        y = _TOP + row * _ROW + 28
        parts.append(f'<path class="lane" d="M{_LEFT} {y}H{width - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(_short(name))}</text>')
    for bar, begin, end, row in zip(bars, begins, ends, rows, strict=True):
        parts += _bar(bar, _x(begin), _x(columns if end is None else end), _TOP + row * _ROW + 18)
    parts += _order(bars, points, rows)
    parts.append(f'<text class="muted" x="24" y="{height - 16}">{escape(_LEGEND)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


_LEGEND = "Bar: from invocation to answer; dashed: no answer. Number: took effect here. Cross: fits nowhere."


def html(title: str, findings: Sequence[str], bars: Sequence[Bar]) -> str:
    """The picture with a table of its operations, as one page that needs nothing else. Raises ValueError as `svg`."""
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td>{escape(text)}</td>" for text in (bar.lane, bar.label, bar.begin_text, bar.end_text, _place(bar))
        )
        + "</tr>"
        for bar in sorted(bars, key=lambda bar: bar.begin)[:LIMIT_BARS]
    )
    return _PAGE.format(title=escape(title), picture=svg(title, findings, bars), rows=rows)


def _columns(bars: Sequence[Bar]) -> tuple[list[int], list[int | None], int]:
    """A column for each invocation and each answer, in their order."""
    events = [(bar.begin, 0, number) for number, bar in enumerate(bars)]
    events += [(bar.end, 1, number) for number, bar in enumerate(bars) if bar.end is not None]
    begins: list[int] = [0] * len(bars)
    ends: list[int | None] = [None] * len(bars)
    for column, (_, is_end, number) in enumerate(sorted(events)):
        if is_end:
            ends[number] = column
        else:
            begins[number] = column
    return begins, ends, len(events)


def _rows(bars: Sequence[Bar], begins: Sequence[int], ends: Sequence[int | None]) -> tuple[list[int], dict[int, str]]:
    """Each bar's row, and the lane that each row belongs to; bars of one lane that overlap have a row each."""
    lanes: dict[str, list[float]] = {}
    found: list[tuple[str, int]] = []
    for bar, begin, end in zip(bars, begins, ends, strict=True):
        taken = lanes.setdefault(bar.lane, [])
        row = next((row for row, until in enumerate(taken) if until < begin), len(taken))
        taken[row : row + 1] = [float("inf") if end is None else end]
        found.append((bar.lane, row))
    first, names = dict[str, int](), dict[int, str]()
    for lane, taken in lanes.items():
        first[lane] = len(names)
        names |= {len(names) + row: lane for row in range(len(taken))}
    return [first[lane] + row for lane, row in found], names


def _points(bars: Sequence[Bar], begins: Sequence[int]) -> dict[int, float]:
    """Where each operation that has a place took effect, in columns: after all that come before it were invoked."""
    placed = sorted((bar.place, number) for number, bar in enumerate(bars) if bar.place is not None)
    groups: dict[int, list[int]] = {}
    latest = 0
    for _, number in placed:
        latest = max(latest, begins[number])
        groups.setdefault(latest, []).append(number)
    return {
        number: column + (at + 1) / (len(numbers) + 1)
        for column, numbers in groups.items()
        for at, number in enumerate(numbers)
    }


def _x(column: float) -> float:
    return round(_LEFT + 8 + column * _COLUMN, 1)


def _bar(bar: Bar, left: float, right: float, y: int) -> list[str]:
    look = "bar" + (" open" if bar.end is None else "") + (" blocked" if bar.blocked else "")
    parts = [
        (
            f'<rect class="{look}" x="{left}" y="{y}" width="{round(max(right - left, 6), 1)}" height="20" rx="4">'
            f"<title>{escape(_in_words(bar))}</title></rect>"
        ),
        (
            f'<text x="{left + 1}" y="{y - 4}"{" class=" + chr(34) + "blocked-word" + chr(34) if bar.blocked else ""}>'
            f"{escape(_short(bar.label))}</text>"
        ),
    ]
    if bar.blocked:
        middle = (left + right) / 2
        parts.append(f'<path class="cross" d="M{middle - 6} {y + 4}l12 12m0-12l-12 12"/>')
    return parts


def _order(bars: Sequence[Bar], points: dict[int, float], rows: Sequence[int]) -> list[str]:
    at = {number: (_x(column), _TOP + rows[number] * _ROW + 18) for number, column in points.items()}
    ways = " ".join(f"{x},{y + 10}" for x, y in at.values())
    parts = [f'<polyline class="then" points="{ways}"/>'] if len(at) > 1 else []
    for number, (x, y) in at.items():
        parts.append(f'<path class="point" d="M{x} {y}v20"/>')
        parts.append(f'<text class="place" x="{x}" y="{y + 32}">{bars[number].place}</text>')
    return parts


def _short(text: str) -> str:
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"


def _place(bar: Bar) -> str:
    return f"fits nowhere: {bar.blocked}" if bar.blocked else "-" if bar.place is None else str(bar.place)


def _in_words(bar: Bar) -> str:
    until = f"to {bar.end_text}" if bar.end is not None else "without an answer"
    place = f", place {_place(bar)}" if bar.place is not None else f", {_place(bar)}" if bar.blocked else ""
    return f"Client {bar.lane}: {bar.label}, from {bar.begin_text} {until}{place}."
