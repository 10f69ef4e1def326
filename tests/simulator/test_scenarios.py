"""Scenarios as text, each with what it prints and tells recorded beside it. Of Raft, which never falls silent, all that
goes on while nothing happens is left out: the counts above the story say how much there was.

`pytest tests/simulator/test_scenarios.py --rewrite` records them anew; a new script needs nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tenure.cli import main
from tests.tidy.tree import ROOT

FOLDER = Path("tests", "scenarios")
ROUTINE = re.compile(r"(APPEND-ENTRIES|MATCHED) (of|to) node|on its disk")
HELD = re.compile(r"node (\d+) may act under token (\d+) until")
SCRIPTS = sorted(path.stem for path in (ROOT / FOLDER).glob("*.txt"))


def told(name: str, words: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The summary of a scenario and, below it, what happened in words."""
    code = main(["simulate", "--scenario", str(FOLDER / f"{name}.txt"), "--picture", str(words)])
    out, err = capsys.readouterr()
    assert code == 0, err
    story = words.read_text(encoding="utf-8")
    return f"{out}\n{without_routine(story) if name.startswith('raft-') else story}"


def without_routine(story: str) -> str:
    """The story without what goes on all the time."""
    kept: list[str] = []
    tenures: dict[str, str] = {}
    for line in story.splitlines(keepends=True):
        held = HELD.search(line)
        is_extended = held is not None and tenures.get(held[1]) == held[2]
        if held is not None:
            tenures[held[1]] = held[2]
        if not is_extended and ROUTINE.search(line) is None:
            kept.append(line)
    return "".join(kept)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_scenario_goes_as_recorded(
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Its expectations hold, and it prints and tells what stands in the file beside it."""
    monkeypatch.chdir(ROOT)
    recorded = FOLDER / f"{name}.out"

    found = told(name, tmp_path / "words.txt", capsys)

    if request.config.getoption("--rewrite"):
        recorded.write_text(found, encoding="utf-8")
    assert found == recorded.read_text(encoding="utf-8"), "if this is meant: --rewrite, and look at the difference"


def test_no_recording_is_left_over() -> None:
    """A recording whose script is gone would be read as if it were true."""
    assert sorted(path.stem for path in (ROOT / FOLDER).glob("*.out")) == SCRIPTS


def test_a_scenario_that_goes_otherwise_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another seed prints something else: the comparison sees it."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TENURE_SIMULATE_SEED", "2")
    found = told("ring-token-lost", tmp_path / "words.txt", capsys)
    assert found != (FOLDER / "ring-token-lost.out").read_text(encoding="utf-8")
