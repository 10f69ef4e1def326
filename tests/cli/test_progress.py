"""The bar and the lines that tell how far a command has come."""

from __future__ import annotations

import time

import pytest

from tenure.cli.progress import Progress, bar, length, words


@pytest.mark.parametrize(
    ("done", "passed_s", "expected"),
    [
        (0, 0.0, "0 of 100 seeds, 0.0/s"),
        (0, 2.0, "0 of 100 seeds, 0.0/s"),
        (20, 2.0, "20 of 100 seeds, 10.0/s, 8 s left"),
        (1, 2.0, "1 of 100 seeds, 0.5/s, 3 min 18 s left"),
        (100, 0.5, "100 of 100 seeds, 200/s, 0 s left"),
    ],
)
def test_the_words_have_rate_and_time_left(done: int, passed_s: float, expected: str) -> None:
    """What is left takes as long as what is done did, in proportion."""
    assert words(done, 100, "seeds", passed_s) == expected


@pytest.mark.parametrize(("done", "full"), [(0, 0), (1, 0), (50, 12), (99, 23), (100, 24)])
def test_the_bar_is_full_only_at_the_end(done: int, full: int) -> None:
    """Its length is always the same."""
    assert bar(done, 100) == f"[{'#' * full}{'.' * (24 - full)}]"


@pytest.mark.parametrize(("value_s", "expected"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (3700, "1 h 01 min")])
def test_lengths_have_two_units(value_s: float, expected: str) -> None:
    """Nobody needs the seconds of an hour."""
    assert length(value_s) == expected


def test_without_a_terminal_there_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one for each seed; and none with -q."""
    now_s = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    with Progress("ring", 100, "seeds") as told, Progress("quiet", 100, "seeds", is_quiet=True) as quiet:
        for done in range(1, 101):
            now_s[0] += 1.0
            told.tell(done)
            quiet.tell(done)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "tenure: ring: 30 of 100 seeds, 1.0/s, 1 min 10 s left",
        "tenure: ring: 60 of 100 seeds, 1.0/s, 40 s left",
        "tenure: ring: 90 of 100 seeds, 1.0/s, 10 s left",
    ]
