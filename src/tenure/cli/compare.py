"""`tenure compare`: election algorithms side by side, on one workload."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from tenure.cli import exits, experiments
from tenure.cli.laboratory import ALGORITHM, ALL, EXPERIMENT, detector_option, each_of
from tenure.cli.options import output_option, talk_options
from tenure.cli.output import Format, document, line_of_json, rows, write
from tenure.cli.pictures import OutputFile, refuse_missing_folder
from tenure.errors import ConfigurationError

if TYPE_CHECKING:
    from tenure.simulator.compare import Row
    from tenure.simulator.figures import Figure

HEAD = (
    "algorithm",
    "nodes",
    "elect: messages",
    "s",
    "fail over: messages",
    "no leader s",
    "nobody may act s",
    "return: messages",
    "no leader s",
    "cut off: two leaders s",
    "two may act s",
    "messages/s",
    "bytes/s",
)


@click.command("compare")
@click.option(
    "--algorithm",
    "algorithms",
    multiple=True,
    type=ALGORITHM,
    metavar="NAME",
    help="Which; can be said again. Default: all of them.",
)
@click.option(
    "--nodes",
    type=click.IntRange(3, 200),
    multiple=True,
    default=(3, 5, 9),
    show_default=True,
    help="How many; can be said again.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 10_000), default=3, show_default=True, help="Medians are of so many runs."
)
@detector_option
@click.option("--plot", type=OutputFile(), metavar="FILE", help="Draw the comparison into this file, FILE.svg.")
@click.option(
    "--experiment",
    type=EXPERIMENT,
    metavar="NAME",
    help="Carry out a published experiment instead, such as raft-figure-16; a wrong name lists those that there are.",
)
@click.option(
    "--trials",
    type=click.IntRange(1, 100_000),
    help="Of an experiment: how often each of its lines is tried. Default: often enough, within some minutes.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of an experiment: decides what chance does."
)
@output_option
@talk_options
def command(  # noqa: PLR0917  click hands options by name
    algorithms: tuple[str, ...],
    nodes: tuple[int, ...],
    seeds: int,
    detector: str,
    plot: Path | None,
    experiment: str | None,
    trials: int | None,
    seed: int,
    output: Format,
) -> None:
    """Compare election algorithms on one workload: start, crash of the leader, its return, a partition, its end.

    Then the published message counts of bully and ring, each beside what ours send; the exit code is 1 if one that must
    be equal is not.

    With --experiment: a published experiment, carried out anew, with the published numbers beside ours.
    """
    if plot is not None and plot.suffix != ".svg":
        raise ConfigurationError(f"{plot}: plots are SVG; name the file {plot.with_suffix('.svg')}")
    refuse_missing_folder(plot)
    _refuse_the_others(experiment)
    if experiment is None:
        _compare(algorithms, nodes, seeds, detector=detector, plot=plot, output=output)
    else:
        experiments.carry_out(experiment, trials, seed, plot, output)


def _refuse_the_others(experiment: str | None) -> None:
    """Raise UsageError for an option that would say nothing."""
    context = click.get_current_context()
    idle = ("trials", "seed") if experiment is None else ("algorithms", "nodes", "seeds", "detector")
    for parameter in context.command.params:
        is_given = context.get_parameter_source(parameter.name or "") is not ParameterSource.DEFAULT
        if parameter.name in idle and is_given:
            raise click.UsageError(
                f"{parameter.opts[0]} is for experiments: say which by --experiment NAME"
                if experiment is None
                else f"{experiment} says itself what it runs: leave {parameter.opts[0]} away"
            )


def _compare(
    algorithms: tuple[str, ...],
    nodes: tuple[int, ...],
    seeds: int,
    *,
    detector: str,
    plot: Path | None,
    output: Format,
) -> None:
    """The workload and the published counts."""
    from tenure.simulator import compare as comparing
    from tenure.simulator.figures import FIGURES

    wanted = each_of(algorithms or (ALL,))
    comparisons = []
    for one in comparing.compare(wanted, sorted(set(nodes)), range(seeds), detector=detector):
        comparisons.append(one)
        if output == "jsonl":
            line_of_json(one)
    table = comparing.rows(comparisons)
    figures = [figure for name in wanted if name in FIGURES for n in sorted(set(nodes)) for figure in FIGURES[name](n)]
    if output == "json":
        document({"comparisons": comparisons, "medians": table, "published": figures})
    elif output == "table":
        _print(table, figures)
    if plot is not None:
        plot.write_text(_chart(table), encoding="utf-8")
    wrong = [figure for figure in figures if figure.exact and abs(figure.published - figure.measured) > 1e-9]  # noqa: PLR2004  rounding of means
    if wrong:
        raise exits.Stop(exits.Exit.FAILURE, f"{len(wrong)} counts are not the published ones")


def _print(table: list[Row], figures: list[Figure]) -> None:
    rows(
        [
            HEAD,
            *(
                (
                    row.algorithm,
                    str(row.nodes),
                    f"{row.election_messages:g}",
                    _s(row.election_s, never="never"),
                    f"{row.failover_messages:g}",
                    _s(row.leaderless_s),
                    _s(row.vacant_s),
                    f"{row.return_messages:g}",
                    _s(row.return_leaderless_s),
                    _s(row.two_leaders_s),
                    _s(row.overlap_s),
                    f"{row.messages_per_s:.0f}",
                    f"{row.bytes_per_s:.0f}",
                )
                for row in table
            ),
        ]
    )
    if figures:
        write("")
        rows(
            [
                ("algorithm", "nodes", "case", "published", "", "measured"),
                *(
                    (
                        figure.algorithm,
                        str(figure.n),
                        figure.case,
                        figure.formula,
                        f"{figure.published:.5g}",
                        f"{figure.measured:.5g}" + ("" if figure.exact else "  (a mean)"),
                    )
                    for figure in figures
                ),
            ]
        )


def _s(value: float | None, never: str = "-") -> str:
    return never if value is None else f"{value:.2f}"


def _chart(table: list[Row]) -> str:
    from tenure.render import chart

    def panel(title: str, y_label: str, field: str, *, is_logarithmic: bool = False) -> chart.Panel:
        series = tuple(
            chart.Series(name, tuple((row.nodes, getattr(row, field)) for row in table if row.algorithm == name))
            for name in dict.fromkeys(row.algorithm for row in table)
        )
        return chart.Panel(title=title, x_label="nodes", y_label=y_label, series=series, is_logarithmic=is_logarithmic)

    return chart.svg(
        "Election algorithms on one workload",
        [
            panel("Fail-over", "messages until all agree", "failover_messages", is_logarithmic=True),
            panel("The gap", "seconds without a leader after a crash", "leaderless_s"),
            panel("Split brain", "seconds with two leaders while cut off for 20 s", "two_leaders_s"),
            panel("Who may act", "seconds with two that may act", "overlap_s"),
        ],
    )
