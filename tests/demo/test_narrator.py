"""What is told is plain text: colours only for a person at a terminal, and lines that fit."""

from __future__ import annotations

import io

import pytest

from tenure.demo.narrator import WIDTH, Narrator


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "settings", "coloured"),
    [
        (Terminal, {"TERM": "xterm"}, True),
        (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {"TERM": "xterm"}, False),
    ],
)
def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], settings: dict[str, str], coloured: bool
) -> None:
    """Not for files, pipes and dumb terminals, and not for those who said no."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    out = stream()
    narrator = Narrator(out)
    narrator.heading("Tenures")
    narrator.tell("it began")
    assert ("\x1b" in out.getvalue()) is coloured


@pytest.mark.parametrize("length", range(40, 100))
def test_lines_fit_and_never_part_a_figure_from_its_unit(length: int) -> None:
    """Wherever a line ends."""
    out = io.StringIO()
    narrator = Narrator(out)
    words = (
        f"{'x' * (length // 2)} {'y' * (length - length // 2)} next leader bob (token 2) worked 3.1 ms later, or 2 s"
    )
    narrator.tell(words)
    narrator.paragraph(words)
    lines = out.getvalue().splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert not any(line.endswith(("3.1", "or 2")) for line in lines)
    assert "\0" not in out.getvalue()
