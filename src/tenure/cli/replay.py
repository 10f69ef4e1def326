"""`tenure replay`: a trace that was written before, in words or as a picture, and judged anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tenure.cli import exits
from tenure.cli.laboratory import Objection, check_option, who_objected
from tenure.cli.options import DURATION, output_option
from tenure.cli.output import Format, document, line_of_json, write
from tenure.cli.pictures import draw, picture_option
from tenure.durations import NS_PER_S, to_ns

if TYPE_CHECKING:
    from tenure.trace import Record, Trace


@click.command("replay")
@click.argument(
    "files",
    metavar="TRACE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--from", "from_s", type=DURATION, metavar="TIME", help="Leave out what was before, such as 5s.")
@click.option("--to", "to_s", type=DURATION, metavar="TIME", help="Leave out what came after.")
@click.option(
    "--hide",
    "hidden",
    multiple=True,
    metavar="KIND",
    help="Leave out messages of this kind, such as HEARTBEAT; can be said again.",
)
@picture_option
@check_option
@output_option
def command(  # noqa: PLR0917  click hands options by name
    files: tuple[Path, ...],
    from_s: float | None,
    to_s: float | None,
    hidden: tuple[str, ...],
    pictures: tuple[Path, ...],
    checks: tuple[str, ...],
    output: Format,
) -> None:
    """Tell what a trace of `tenure simulate --trace FILE` holds, and judge it anew; with --picture, draw it instead.

    Several are those that nodes of one group wrote by `tenure node --trace DIR`; they are joined.

    All of it is judged, whatever is shown. Ends with 0 if nothing is violated, else with 1.

    \b
    Try it:
      tenure simulate --algorithm bully --fault partition --trace run.jsonl
      tenure replay run.jsonl --from 5s --to 10s
    """  # noqa: D301  click reads the backspace itself as "do not wrap"
    from tenure import trace
    from tenure.runtime.joining import join
    from tenure.simulator.replay import judge, without

    if from_s is not None and to_s is not None and from_s >= to_s:
        raise click.UsageError(f"--from {from_s:g}s is not before --to {to_s:g}s; give an earlier one first")
    recorded = trace.read(files[0]) if len(files) == 1 else join([trace.read(file) for file in files])
    violations = judge(recorded, checks or None)
    if not trace.is_whole(recorded) and not recorded.head.origin_ns:
        end_s = recorded.records[-1].at_ns / NS_PER_S if recorded.records else 0
        exits.say(f"{files[0]} was cut: its end is missing, so only what was until {end_s:g} s is shown and judged")
    recorded = without(recorded, hidden)
    from_ns, to_ns_ = (None if value is None else to_ns(value) for value in (from_s, to_s))
    for picture in pictures:
        draw(recorded, picture, from_ns=from_ns, to_ns=to_ns_)
    objections = [Objection.of(violation) for violation in violations]
    if output == "table":
        if not pictures:
            _tell(recorded, from_ns, to_ns_)
        write(f"violations: {len(objections) or 'none'}")
        for objection in objections:
            write(f"  {objection}")
    else:
        _print_json(recorded, _window(recorded, from_ns, to_ns_), objections, output)
    if violations:
        raise exits.Stop(exits.Exit.FAILURE, f"violated: {who_objected(violations)}")


def _tell(recorded: Trace, from_ns: int | None, to_ns_: int | None) -> None:
    from tenure.render import spacetime

    for line in spacetime.text(recorded, from_ns=from_ns, to_ns=to_ns_):
        write(line)
    write("")


def _window(recorded: Trace, from_ns: int | None, to_ns_: int | None) -> list[Record]:
    return [
        record
        for record in recorded.records
        if (from_ns is None or record.at_ns >= from_ns) and (to_ns_ is None or record.at_ns <= to_ns_)
    ]


def _print_json(recorded: Trace, records: list[Record], objections: list[Objection], output: Format) -> None:
    if output == "json":
        whole: dict[str, Any] = {"head": recorded.head, "records": records, "violations": objections}
        document(whole)
        return
    for record in (recorded.head, *records):
        line_of_json(record)
    for objection in objections:
        line_of_json(
            {"what": "objection", "checker": objection.checker, "at_s": objection.at_s, "text": objection.text}
        )
