"""`tenure hunt`: many seeds on all cores, until one violates something; then the smallest schedule that shows it."""

from __future__ import annotations

import contextlib
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from tenure.cli import exits
from tenure.cli.laboratory import (
    ALGORITHM,
    Objection,
    again,
    as_option,
    each_of,
    fired_rows,
    group_options,
    kinds_of,
)
from tenure.cli.options import is_quiet, output_option, talk_options
from tenure.cli.output import Format, document, line_of_json, rows, write
from tenure.cli.pictures import OutputFile, refuse_missing_folder
from tenure.cli.progress import Progress, length
from tenure.durations import NS_PER_S

if TYPE_CHECKING:
    from tenure.simulator.hunt import Hunt
    from tenure.simulator.tally import Fired

HEAD = ("ALGORITHM", "SEEDS", "ELECTED NOBODY", "VIRTUAL TIME", "FAULTS", "MESSAGES", "LEADERS", "VIOLATIONS", "TOOK")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `-o json` prints of each algorithm. Durations are in seconds, of virtual time but for `took_s`."""

    algorithm: str
    seeds: int
    void: int
    """Seeds in which nothing was elected: they count as none."""
    virtual_s: float
    faults: int
    """How many struck."""
    delivered: int
    leaders: int
    tenures: int
    took_s: float
    fired: list[Fired]
    never: list[str]
    """What should have fired and never did."""
    seed: int | None = None
    """The smallest that violates something."""
    violations: list[Objection] = []
    again: str | None = None
    """The line that runs that seed again."""
    schedule: str | None = None
    """The file with the smallest schedule that was found, as a scenario; `script` is what it holds, and is printed also
    where no file could be written.
    """
    script: str | None = None
    shows: str | None = None
    """The line that runs that."""


@click.command("hunt")
@click.option(
    "--algorithm",
    "algorithms",
    multiple=True,
    required=True,
    type=ALGORITHM,
    metavar="NAME",
    help="Which, such as bully or ring+lease; can be said again; all: each that `tenure compare` compares.",
)
@click.option("--seeds", type=click.IntRange(1, 10**9), default=1000, show_default=True, help="How many.")
@click.option(
    "--first", type=click.IntRange(0), default=0, show_default=True, metavar="SEED", help="The first of them."
)
@group_options
@click.option("--workers", type=click.IntRange(1, 1024), help="Processes. Default: one for each core.")
@click.option(
    "--schedule",
    type=OutputFile(),
    metavar="FILE",
    help="Where the smallest schedule is written. Default: ALGORITHM-SEED.scenario in this folder.",
)
@output_option
@talk_options
def command(  # noqa: PLR0917  click hands options by name
    algorithms: tuple[str, ...],
    seeds: int,
    first: int,
    nodes: int,
    until_s: float,
    faults: tuple[str, ...],
    detector: str,
    checks: tuple[str, ...],
    workers: int | None,
    schedule: Path | None,
    output: Format,
) -> None:
    """Run many seeds until one violates something, shrink that, and print the line that shows it again.

    Ends with 0 if no seed violates anything, else with 1.

    \b
    Try it:
      tenure hunt --algorithm bully --fault partition --check one-leader --seeds 100
    """  # noqa: D301  click reads the backspace itself as "do not wrap"
    from tenure.simulator.hunt import hunt

    wanted = each_of(algorithms)
    if schedule is not None and len(wanted) > 1:
        raise click.UsageError("--schedule names one file; hunt one algorithm, or leave it away")
    refuse_missing_folder(schedule)
    reports: list[Report] = []
    for algorithm in wanted:
        started_s = time.monotonic()
        with Progress(algorithm, seeds, "seeds", is_quiet=is_quiet()) as progress, _said(progress):
            done = hunt(
                algorithm,
                range(first, first + seeds),
                nodes=nodes,
                until=until_s,
                faults=kinds_of(faults),
                detector=detector,
                check=checks or None,
                workers=workers,
                progress=progress.tell,
            )
        took_s = time.monotonic() - started_s
        reports.append(_report(done, took_s, schedule))
        if output == "jsonl":
            line_of_json(reports[-1])
        elif output == "table":
            _print(reports[-1], detailed=len(wanted) == 1)
    if output == "json":
        document(reports)
    elif output == "table":
        rows([HEAD, *map(_row, reports)])
    _judge(reports)


@contextlib.contextmanager
def _said(progress: Progress) -> Iterator[None]:
    """Say how far a hunt had come that somebody ends."""
    try:
        with exits.ending_on(signal.SIGTERM):
            yield
    except (KeyboardInterrupt, exits.Stop):
        done = f"{progress.done} of {progress.total} seeds of {progress.label}"
        exits.say(f"stopped after {done}; none of them violates anything")
        raise


def _judge(reports: list[Report]) -> None:
    violated = [report for report in reports if report.violations]
    if violated:
        lines = [f"{report.algorithm} violates {report.violations[0].checker}: {report.shows}" for report in violated]
        raise exits.Stop(exits.Exit.FAILURE, "\n".join(lines))
    void = [report.algorithm for report in reports if report.void == report.seeds]
    if void:
        raise exits.Stop(
            exits.Exit.FAILURE,
            f"in no run of {', '.join(void)} anybody was elected: this shows nothing; hunt longer runs",
        )


def _report(done: Hunt, took_s: float, schedule: Path | None) -> Report:
    tally = done.tally
    report = Report(
        algorithm=done.job.algorithm,
        seeds=tally.runs,
        void=tally.void,
        virtual_s=tally.virtual_ns / NS_PER_S,
        faults=sum(tally.counts.get("fault", {}).values()),
        delivered=tally.delivered,
        leaders=tally.leaders,
        tenures=tally.tenures,
        took_s=took_s,
        fired=list(tally.fired()),
        never=[f"{fired.what} {fired.name}" for fired in tally.never()],
    )
    if done.found is None:
        return report
    job, seed = done.job, done.found.seed
    until = as_option(job.until_ns / NS_PER_S)
    told: dict[str, object] = {"algorithm": job.algorithm, "nodes": job.nodes, "seed": seed, "until": until}
    if job.detector != "heartbeat":
        told["detector"] = job.detector
    line = again(**told, fault=("none",) if job.faults == () else job.faults or (), check=job.check or ())
    found = msgspec.structs.replace(
        report, seed=seed, violations=[Objection.of(one) for one in done.found.violations], again=line, shows=line
    )
    return found if done.smallest is None else _with_schedule(found, done, schedule)


def _with_schedule(report: Report, done: Hunt, schedule: Path | None) -> Report:
    from tenure.simulator import checkers

    assert done.smallest is not None, "there is a schedule"
    assert report.seed is not None, "a seed was found"
    path = schedule or Path(f"{report.algorithm}-{report.seed}.scenario")
    checker = done.smallest.violation.checker
    check = (checker,) if checker in checkers.NAMES else ()
    shows = again(scenario=path, check=check)
    script = f"# {checker} is violated; this shows it: {shows}\n{done.smallest.scenario.script()}"
    try:
        path.write_text(script, encoding="utf-8")
    except OSError as error:  # what was found after hours must not be lost for a disk that is full
        exits.say(f"{path} cannot be written ({error.strerror}): copy the schedule from what is printed")
        return msgspec.structs.replace(report, script=script)
    return msgspec.structs.replace(report, schedule=str(path), script=script, shows=shows)


def _print(report: Report, *, detailed: bool) -> None:
    if detailed:
        rows(fired_rows(report.fired))
        write("")
    elif report.never:
        write(f"{report.algorithm}: never fired: {', '.join(report.never)}")
    if report.violations:
        write(f"{report.algorithm}: seed {report.seed} violates")
        for violation in report.violations[:3]:
            write(f"  {violation}")
        write(f"again: {report.again}")
    if report.script is not None:
        place = "" if report.schedule is None else f", in {shlex.quote(report.schedule)}"
        write(f"smallest schedule{place}:")
        for line in report.script.splitlines():
            write(f"  {line}")
        write("")


def _row(report: Report) -> tuple[str, ...]:
    return (
        report.algorithm,
        str(report.seeds),
        str(report.void),
        length(report.virtual_s),
        str(report.faults),
        str(report.delivered),
        str(report.leaders),
        str(len(report.violations) or "none"),
        length(report.took_s),
    )
