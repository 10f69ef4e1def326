"""What is told while the demonstration runs: plain lines, each with the seconds since the beginning."""

from __future__ import annotations

import os
import re
import textwrap
import time
from typing import TextIO

import click

WIDTH = 80
_TIME_COLUMNS = 9
_JOINED = "\0"
_FIGURE = re.compile(r"(?<=\d) (?=m?s\b)")


class Narrator:
    """Writes to one stream, at once; colours only where a person looks at a terminal and has not said no."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colours = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._began_s = time.monotonic()

    def line(self, text: str = "") -> None:
        """A line as it is."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def paragraph(self, text: str) -> None:
        """Sentences, filled to the width."""
        for line in _filled(text, WIDTH):
            self.line(line)

    def heading(self, text: str) -> None:
        """A line that stands out."""
        self.line()
        self.line(self.styled(text, bold=True))

    def scene(self, text: str) -> None:
        """The name of what comes next."""
        self.line(f"{'':{_TIME_COLUMNS + 1}}{self.styled(f'-- {text} --', fg='cyan')}")

    def tell(self, text: str) -> None:
        """What has just happened."""
        moment = f"{time.monotonic() - self._began_s:6.1f} s"
        first, *others = _filled(text, WIDTH - _TIME_COLUMNS - 1)
        self.line(f"{self.styled(moment, dim=True)}  {first}")
        for other in others:
            self.line(" " * (_TIME_COLUMNS + 1) + other)

    def styled(self, text: str, *, bold: bool = False, dim: bool = False, fg: str | None = None) -> str:
        """The text with colours, where there are any."""
        return click.style(text, bold=bold or None, dim=dim or None, fg=fg) if self._colours else text


def _filled(text: str, width: int) -> list[str]:
    """The text in lines, none of which parts a figure from its unit."""
    lines = textwrap.wrap(_FIGURE.sub(_JOINED, text), width, break_on_hyphens=False)
    return [line.replace(_JOINED, " ") for line in lines]
