"""The strip of tenures: one lane for each candidate, a bar for each tenure, on one time axis.

             0 s         2 s         4 s
    ada      1━━━━━━━X           4━━┄┄┄┄━┥
    bob              2━━━━━┥
    cy                     3━━━━━X
    gap              ↑1.9 ms     ↑4.2 ms
                           ↑0.8 ms

It is read without colour, by its characters alone, and needs no more than ASCII with `unicode=False`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tenure.durations import NS_PER_S

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_TICK_COLUMNS = 9
"""The least distance of two ticks: room for the longest figure and some air."""
MIN_COLUMNS = 20


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One tenure in the lane of its candidate; `label` stands at its beginning, `ending` says how it ended."""

    lane: str
    from_ns: int
    to_ns: int
    label: str = ""
    ending: str = ""
    """"killed", or anything else for a quiet end."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time; in a lane, or of the whole."""

    from_ns: int
    to_ns: int
    lane: str = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An act that was refused because of its token, in the lane of who tried it."""

    lane: str
    at_ns: int


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A few words at an instant."""

    at_ns: int
    text: str


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    """The characters of a strip; each is one column wide."""

    start: str
    body: str
    paused: str
    killed: str
    ended: str
    both: str
    here: str
    refused: str


UNICODE = Glyphs(start="┝", body="━", paused="┄", killed="X", ended="┥", both="▲", here="↑", refused="⊘")
ASCII = Glyphs(start="[", body="=", paused=".", killed="X", ended="]", both="!", here="^", refused="#")


class Strip:
    """Everything that is to be drawn, on an axis from `from_ns` to `to_ns`."""

    def __init__(
        self,
        bars: Sequence[Bar],
        *,
        pauses: Sequence[Span] = (),
        overlaps: Sequence[Span] = (),
        gaps: Sequence[Note] = (),
        refusals: Sequence[Refusal] = (),
        width: int = 80,
        unicode: bool = True,
    ) -> None:
        assert bars, "a strip needs at least one bar"
        self._bars = bars
        self._pauses = pauses
        self._overlaps = overlaps
        self._gaps = gaps
        self._refusals = refusals
        self._glyphs = UNICODE if unicode else ASCII
        self._lanes = list(dict.fromkeys(bar.lane for bar in bars))
        self._margin = max(len(name) for name in (*self._lanes, "both")) + 2
        self._columns = max(MIN_COLUMNS, width - self._margin)
        self._from_ns = min(bar.from_ns for bar in bars)
        ends_ns = [bar.to_ns for bar in bars] + [refusal.at_ns for refusal in refusals]
        self._length_ns = max(1, max(ends_ns) - self._from_ns)

    def lines(self) -> list[str]:
        """The picture: axis, lanes, and, where there are any, overlaps and gaps."""
        rows = [("", self._axis())]
        rows += [(lane, self._lane(lane)) for lane in self._lanes]
        if self._overlaps:
            rows.append(("both", self._marked()))
        rows += [("gap" if first else "", row) for first, row in self._notes()]
        return [f"{name:<{self._margin}}{row}".rstrip() for name, row in rows]

    def legend(self) -> str:
        """What the characters mean; only those that occur."""
        glyphs, parts = self._glyphs, []
        if any(bar.label for bar in self._bars):
            parts.append("digits: tokens")
        if any(bar.ending == "killed" for bar in self._bars):
            parts.append(f"{glyphs.killed} killed")
        if any(bar.ending != "killed" for bar in self._bars):
            parts.append(f"{glyphs.ended} ended")
        if self._pauses:
            parts.append(f"{glyphs.paused} paused")
        if self._refusals:
            parts.append(f"{glyphs.refused} refused")
        if self._overlaps:
            parts.append(f"{glyphs.both} two leaders at once")
        if self._gaps:
            parts.append(f"{glyphs.here} without a leader")
        return "   ".join(parts)

    def _column(self, at_ns: int) -> int:
        column = (at_ns - self._from_ns) * self._columns // self._length_ns
        return min(max(column, 0), self._columns - 1)

    def _axis(self) -> str:
        length_s = self._length_ns / NS_PER_S
        step_s = next((step for step in _STEPS_S if step * self._columns / length_s >= _TICK_COLUMNS), _STEPS_S[-1])
        row = [" "] * self._columns
        tick = 0
        while tick * step_s <= length_s:
            text, column = f"{tick * step_s:g} s", self._column(self._from_ns + round(tick * step_s * NS_PER_S))
            if column + len(text) <= self._columns:
                _put(row, column, text)
            tick += 1
        return "".join(row)

    def _lane(self, lane: str) -> str:
        glyphs = self._glyphs
        row = [" "] * self._columns
        for bar in (bar for bar in self._bars if bar.lane == lane):
            first, last = self._column(bar.from_ns), self._column(bar.to_ns)
            for column in range(first, last + 1):
                row[column] = glyphs.body
            for pause in (pause for pause in self._pauses if pause.lane == lane):
                for column in range(max(first, self._column(pause.from_ns)), min(last, self._column(pause.to_ns)) + 1):
                    row[column] = glyphs.paused
            row[last] = glyphs.killed if bar.ending == "killed" else glyphs.ended
            _put(row, first, bar.label or glyphs.start)
        for pause in (
            pause for pause in self._pauses if pause.lane == lane
        ):  # also after its tenure, where it had to end
            for column in range(self._column(pause.from_ns), self._column(pause.to_ns) + 1):
                row[column] = glyphs.paused if row[column] == " " else row[column]
        for refusal in (refusal for refusal in self._refusals if refusal.lane == lane):
            row[self._column(refusal.at_ns)] = glyphs.refused
        return "".join(row)

    def _marked(self) -> str:
        row = [" "] * self._columns
        for span in self._overlaps:
            for column in range(self._column(span.from_ns), self._column(span.to_ns) + 1):
                row[column] = self._glyphs.both
        return "".join(row)

    def _notes(self) -> list[tuple[bool, str]]:
        """The gaps on as few rows as they need; one near the right edge stands left of its instant."""
        rows: list[list[str]] = []
        for note in self._gaps:
            column = self._column(note.at_ns)
            text = f"{self._glyphs.here}{note.text}"
            if column + len(text) > self._columns:
                text = f"{note.text}{self._glyphs.here}"
                column -= len(note.text)
            taken = slice(max(0, column - 1), column + len(text) + 1)
            row = next((row for row in rows if not "".join(row[taken]).strip()), None)
            if row is None:
                row = [" "] * self._columns
                rows.append(row)
            _put(row, column, text)
        return [(number == 0, "".join(row)) for number, row in enumerate(rows)]


def _put(row: list[str], column: int, text: str) -> None:
    """Write `text` into a row, as far as it fits."""
    for offset, char in enumerate(text):
        if 0 <= column + offset < len(row):
            row[column + offset] = char
