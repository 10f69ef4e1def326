"""`tenure compare` prints the table, JSON and plot, beside the published counts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from tenure.cli import cli
from tenure.simulator import figures


def compared(*arguments: str) -> Result:
    """What the command prints for ring with three nodes and one seed, and these arguments."""
    line = ["compare", "--algorithm", "ring", "--nodes", "3", "--seeds", "1", *arguments]
    return CliRunner().invoke(cli, line)


def test_the_table_stands_above_the_published_counts() -> None:
    """A row for each algorithm and number of nodes, then a row for each published figure."""
    printed = compared()

    assert printed.exit_code == 0
    lines = printed.stdout.splitlines()
    assert lines[0].startswith("algorithm  nodes  elect: messages")
    assert lines[1].split()[:3] == ["ring", "3", "8"]
    assert any("all start, numbers fall (worst)" in line and line.endswith("9  9") for line in map(_tight, lines))


def _tight(line: str) -> str:
    """With two spaces between its cells."""
    return "  ".join(cell.strip() for cell in line.split("  ") if cell.strip())


def test_json_has_everything() -> None:
    """Each run with its stretches, the medians, and the published figures."""
    told = msgspec.json.decode(compared("-o", "json").stdout)

    assert [one["algorithm"] for one in told["comparisons"]] == ["ring"]
    assert len(told["comparisons"][0]["stretches"]) == 5
    assert told["medians"][0]["nodes"] == 3
    assert {figure["n"] for figure in told["published"]} == {3}


def test_jsonl_prints_each_run_as_it_is_done() -> None:
    """One line each."""
    lines = compared("-o", "jsonl").stdout.splitlines()

    assert [msgspec.json.decode(line)["seed"] for line in lines] == [0]


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    """As SVG."""
    assert compared("--plot", str(tmp_path / "plot.svg")).exit_code == 0
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--plot", "plot.png"), "plot.svg"),
        (("--algorithm", "raft2"), "there is no algorithm 'raft2'"),
        (("--nodes", "2"), "2 is not in the range"),
    ],
)
def test_bad_input_says_what_to_do(arguments: tuple[str, ...], says: str) -> None:
    """And nothing is run."""
    printed = compared(*arguments)

    assert printed.exit_code != 0
    assert says in f"{printed.output}{printed.exception}"


def test_a_count_that_is_not_the_published_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1."""
    ours = figures.ring_when_one_starts

    monkeypatch.setattr(figures, "ring_when_one_starts", lambda n: {**ours(n), "EXTRA": 1})
    printed = compared()

    assert printed.exit_code == 1 or "1 counts are not the published ones" in str(printed.exception)
