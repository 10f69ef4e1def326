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


def experimented(*arguments: str) -> Result:
    """What the command prints for the counted messages of a fail-over, a few trials each."""
    return CliRunner().invoke(cli, ["compare", "--experiment", "raft-fail-over-messages", "--trials", "3", *arguments])


def test_an_experiment_has_the_published_numbers_beside_ours() -> None:
    """A line for each case, and below what a reader must know."""
    printed = experimented()

    assert printed.exit_code == 0
    lines = printed.stdout.splitlines()
    assert _tight(lines[0]).startswith("case  variant  trials  pre-vote  ours  its replies  ours  RequestVote  ours")
    assert _tight(lines[4]) == "5 nodes  with pre-vote  3  4  4  3  3  4  4  3  3  4  4"
    assert any(line.startswith("Counted when they leave") for line in lines)


def test_an_experiment_as_json() -> None:
    """One document with all lines, or each line as it is done."""
    told = msgspec.json.decode(experimented("-o", "json", "--seed", "2").stdout)
    streamed = [msgspec.json.decode(line) for line in experimented("-o", "jsonl", "--seed", "2").stdout.splitlines()]

    assert (told["experiment"], told["seed"]) == ("raft-fail-over-messages", 2)
    assert told["lines"] == streamed
    assert streamed[2]["measured"] == streamed[2]["published"]


def test_an_experiment_is_drawn(tmp_path: Path) -> None:
    """As SVG, with what was published."""
    assert experimented("--plot", str(tmp_path / "plot.svg")).exit_code == 0
    assert "replies, published, nodes 5: 3" in (tmp_path / "plot.svg").read_text()


def test_an_experiment_that_must_be_exact_and_is_not_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1."""
    monkeypatch.setattr("tenure.simulator.experiments.messages.KINDS", ("VOTE",) * 5)
    printed = experimented()

    assert printed.exit_code == 1 or "6 lines are not as published" in str(printed.exception)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--experiment", "raft-figure-17"), "there are: raft-figure-16, raft-split-votes"),
        (("--experiment", "raft-wide-area", "--nodes", "3"), "leave --nodes away"),
        (("--trials", "3"), "say which by --experiment"),
        (("--experiment", "raft-wide-area", "--trials", "0"), "0 is not in the range"),
        (("--plot", "no-such-folder/plot.svg"), "there is no folder no-such-folder"),
    ],
)
def test_bad_input_of_experiments_says_what_to_do(arguments: tuple[str, ...], says: str) -> None:
    """And nothing is run."""
    printed = CliRunner().invoke(cli, ["compare", *arguments])

    assert printed.exit_code != 0
    assert says in f"{printed.output}{printed.exception}"
