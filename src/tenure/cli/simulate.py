"""`tenure simulate`: one run of one algorithm under faults, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from click.core import ParameterSource

from tenure.cli import exits
from tenure.cli.laboratory import (
    ALGORITHM,
    ALL,
    NONE,
    Objection,
    again,
    as_option,
    fired_rows,
    group_options,
    kinds_of,
    seconds_in_words,
    who_objected,
)
from tenure.cli.options import output_option
from tenure.cli.output import Format, document, line_of_json, rows, write
from tenure.cli.pictures import OutputFile, draw, picture_option, refuse_missing_folder
from tenure.durations import NS_PER_S, to_ns

if TYPE_CHECKING:
    from tenure.simulator.run import Run
    from tenure.simulator.scenario import Scenario
    from tenure.simulator.tally import Fired

SHOWN = 10
"""Violations in the table; JSON has all that were kept."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What `-o json` prints. Durations are seconds of virtual time."""

    algorithm: str
    nodes: tuple[int, ...]
    seed: int
    until_s: float
    beyond: tuple[str, ...]
    """Kinds of faults of this run under which the algorithm promises nothing."""
    sent: dict[str, int]
    delivered: int
    leaders: int
    """How often a node began to believe that it leads."""
    leading: tuple[int, ...]
    """Who believes it in the end."""
    leaderless_s: float
    two_leaders_s: float
    agreed_s: float | None
    """When all recognised the same leader for the first time."""
    disagreeing_s: float
    tenures: int
    vacant_s: float
    """Nobody might act; all the time, where nothing gives authority."""
    overlap_s: float
    fired: list[Fired]
    violations: list[Objection]
    again: str


@click.command("simulate")
@click.option("--algorithm", type=ALGORITHM, metavar="NAME", help="Which, such as bully, ring or bully+lease.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides all that is left to chance."
)
@group_options
@click.option(
    "--scenario",
    "script",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What goes wrong and what is expected, as text. What is typed here counts before it.",
)
@click.option(
    "--trace",
    "trace_file",
    type=OutputFile(),
    metavar="FILE",
    help="Write all that happened, for `tenure replay`.",
)
@picture_option
@output_option
def command(  # noqa: PLR0917  click hands options by name
    algorithm: str | None,
    seed: int,
    nodes: int,
    until_s: float,
    faults: tuple[str, ...],
    detector: str,
    checks: tuple[str, ...],
    script: Path | None,
    trace_file: Path | None,
    pictures: tuple[Path, ...],
    output: Format,
) -> None:
    """Run one group on virtual time under faults, and judge it. Ends with 0 if nothing is violated, else with 1.

    \b
    Try it:
      tenure simulate --algorithm bully --fault partition --check one-leader --picture run.html
    """  # noqa: D301  click reads the backspace itself as "do not wrap"
    from tenure import trace
    from tenure.simulator.run import run, set_up
    from tenure.simulator.scenario import refuse_what_cannot_happen

    if algorithm == ALL:
        raise click.UsageError(f"{ALL} is for `tenure hunt` and `compare`; give one algorithm")
    if script is not None and faults:
        raise click.UsageError("a scenario says what goes wrong; leave --fault away, or --scenario")
    refuse_missing_folder(trace_file)
    scenario = None if script is None else _read(script)
    setup = set_up(
        algorithm,
        nodes=nodes,
        seed=seed,
        until=until_s,
        faults=kinds_of(faults),
        scenario=scenario,
        detector=detector,
        check=checks or None,
        again=_again(script),
    )
    if scenario is not None:
        refuse_what_cannot_happen(scenario, setup.nodes, setup.until_ns, name=str(script))
    done = run(setup, keeps_trace=bool(trace_file or pictures))
    if done.trace is not None:
        if trace_file is not None:
            trace.write(done.trace, trace_file)
        for picture in pictures:
            draw(done.trace, picture)
    _print(done, output)
    if done.violations:
        who, hint = who_objected(done.violations), "" if pictures else "; see it with --picture run.html"
        raise exits.Stop(exits.Exit.FAILURE, f"violated: {who}; again: {setup.again}{hint}")


def _read(script: Path) -> Scenario:
    """The script, without what the command line says otherwise."""
    from tenure.simulator import scenario

    typed = {name for name in click.get_current_context().params if _is_typed(name)}
    fields = {"algorithm": "algorithm", "nodes": "nodes", "seed": "seed", "until_s": "until_ns", "detector": "detector"}
    changed: dict[str, None] = {field: None for name, field in fields.items() if name in typed}
    return msgspec.structs.replace(scenario.read(script), **changed)


def _is_typed(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


def _again(script: Path | None) -> str:
    """The line that runs it again, with every option that matters; those that a scenario may say only if typed."""
    params = click.get_current_context().params

    def said(name: str) -> object:
        return params[name] if script is None or _is_typed(name) else None

    until = said("until_s")
    return again(
        algorithm=params["algorithm"],
        nodes=said("nodes"),
        seed=said("seed"),
        until=as_option(until) if isinstance(until, float) else None,
        detector=params["detector"] if _is_typed("detector") else None,
        fault=params["faults"],
        check=params["checks"],
        scenario=script,
    )


def _print(run: Run, output: Format) -> None:
    if output == "table":
        _print_table(run)
    else:
        (document if output == "json" else line_of_json)(_summary(run))


def _summary(run: Run) -> Summary:
    from tenure.simulator.plan import kinds_beyond
    from tenure.simulator.tally import Tally

    setup, measures = run.setup, run.measures
    return Summary(
        algorithm=setup.kind.name,
        nodes=setup.nodes,
        seed=setup.seed,
        until_s=setup.until_ns / NS_PER_S,
        beyond=kinds_beyond(setup.kind, setup.plan.strokes),
        sent=run.sent,
        delivered=run.delivered,
        leaders=measures.became_leader,
        leading=measures.leading,
        leaderless_s=measures.leaderless_ns / NS_PER_S,
        two_leaders_s=measures.two_leaders_ns / NS_PER_S,
        agreed_s=None if measures.agreed_ns is None else measures.agreed_ns / NS_PER_S,
        disagreeing_s=measures.disagreeing_ns / NS_PER_S,
        tenures=measures.tenures,
        vacant_s=measures.vacant_ns / NS_PER_S,
        overlap_s=measures.overlap_ns / NS_PER_S,
        fired=[fired for fired in Tally.of(run).fired() if fired.times],
        violations=[Objection.of(violation) for violation in run.violations],
        again=setup.again,
    )


def _times(leaders: int) -> str:
    """How often a node began to believe that it leads."""
    return {0: "nobody: this shows nothing", 1: "1 leader"}.get(
        leaders, f"{leaders} leaders, one after another or at once"
    )


def _print_table(run: Run) -> None:
    from tenure.core.model import Guarantee

    told = _summary(run)

    def length(value_s: float) -> str:
        return seconds_in_words(to_ns(value_s))

    lines = [
        ("algorithm", told.algorithm),
        ("nodes", " ".join(map(str, told.nodes))),
        ("seed", str(told.seed)),
        ("until", length(told.until_s)),
    ]
    if told.beyond:
        lines.append(("beyond its model", f"{', '.join(told.beyond)}: here it promises nothing"))
    lines += [
        ("messages", f"{sum(told.sent.values())} sent, {told.delivered} arrived"),
        ("elected", _times(told.leaders)),
        ("leads in the end", " ".join(map(str, told.leading)) or "nobody"),
        ("no leader for", length(told.leaderless_s)),
        ("two leaders for", length(told.two_leaders_s)),
        ("agreed", "never" if told.agreed_s is None else f"first at {length(told.agreed_s)}"),
        ("disagreed for", length(told.disagreeing_s)),
    ]
    if Guarantee.ONE_AT_A_TIME in run.setup.kind.guarantees:
        lines += [
            ("tenures", str(told.tenures)),
            ("nobody may act for", length(told.vacant_s)),
            ("two may act for", length(told.overlap_s)),
        ]
    rows(lines)
    write("")
    rows(fired_rows(told.fired))
    write("")
    write(f"violations: {len(told.violations) or NONE}")
    for violation in told.violations[:SHOWN]:
        write(f"  {violation}")
    if len(told.violations) > SHOWN:
        write(f"  and {len(told.violations) - SHOWN} more; -o json has them")
    if told.violations:
        write(f"again: {told.again}")
