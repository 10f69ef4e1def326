"""How far a long command has come: a bar with its rate and the time left, or a line now and then without a terminal."""

from __future__ import annotations

import sys
import time
from typing import Self

WIDTH = 24
"""Characters of the bar."""
REDRAW_S = 0.1
LINE_S = 30.0
"""Between two lines where stderr is no terminal."""


class Progress:
    """Of `total` things called `unit`; `label` says of what."""

    def __init__(self, label: str, total: int, unit: str, *, is_quiet: bool = False) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self._is_quiet = is_quiet
        self._is_bar = sys.stderr.isatty()
        self._started_s = self._told_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_bar and not self._is_quiet:
            self._write("\r\x1b[K")

    def tell(self, done: int) -> None:
        """So many are done."""
        self.done = done
        now_s = time.monotonic()
        if self._is_quiet or now_s - self._told_s < (REDRAW_S if self._is_bar else LINE_S):
            return
        self._told_s = now_s
        told = words(done, self.total, self.unit, now_s - self._started_s)
        if self._is_bar:
            self._write(f"\r\x1b[K{self.label}  {bar(done, self.total)}  {told}")
        else:
            self._write(f"tenure: {self.label}: {told}\n")

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # whoever closed it does not want to hear
            return


def bar(done: int, total: int) -> str:
    """The share that is done, in ASCII."""
    full = WIDTH * done // total
    return f"[{'#' * full}{'.' * (WIDTH - full)}]"


def words(done: int, total: int, unit: str, passed_s: float) -> str:
    """How many are done, at which rate, and how long the others will take."""
    rate = done / passed_s if passed_s > 0 else 0.0
    left = f", {length((total - done) / rate)} left" if rate else ""
    return f"{done} of {total} {unit}, {rate:.{1 if rate < 100 else 0}f}/s{left}"  # noqa: PLR2004  three digits are enough


def length(value_s: float) -> str:
    """A length of time in the two greatest units that it has: 1 h 02 min, 3 min 20 s, 8 s."""
    minutes, seconds = divmod(round(value_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
