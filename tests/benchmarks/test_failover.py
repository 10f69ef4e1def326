"""What the benchmark of failover relies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.failover import overlapping_kills
from benchmarks.measure import Table
from tests.processes.guarded_scene import LIMIT_S

pytestmark = pytest.mark.serial


def test_trials_that_overlap_have_an_election_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the leader of one trial is not replaced yet, or its successor leads, the next trial has its own leader."""
    monkeypatch.chdir(Path(__file__).parents[2])  # candidates are found from there, as by `python -m benchmarks`
    gaps_ms = overlapping_kills("tenure_blocking", f"file://{tmp_path}/elections", 3)

    assert len(gaps_ms) == 3
    assert all(0 < gap_ms < LIMIT_S * 1000 for gap_ms in gaps_ms)
    assert sorted(path.name for path in (tmp_path / "elections").iterdir()) == ["bench-0", "bench-1", "bench-2"]


def test_a_row_is_printed_when_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever stops a benchmark half way keeps what was measured; the ratio is that to the first row."""
    table = Table("ms")
    table.row("first", [2.0, 1.0, 3.0])
    assert capsys.readouterr().out.splitlines()[-1].split() == ["first", "2.00", "3.00", "3", "1.00"]
    table.row("second", [4.0])
    assert capsys.readouterr().out.splitlines()[-1].split() == ["second", "4.00", "4.00", "1", "2.00"]
