"""`tenure demo`: an election that survives its accidents, and a naive lock that does not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenure.cli import exits
from tenure.cli.options import output_option
from tenure.cli.output import Format, document, line_of_json
from tenure.cli.pictures import draw, picture_option

if TYPE_CHECKING:
    from tenure.demo.cluster import show as cluster_show
    from tenure.demo.narrator import Narrator
    from tenure.demo.show import Outcome

PICTURES = 2


@click.command("demo")
@output_option
@click.option("--cluster", is_flag=True, help="Show three processes that are their own cluster, with no server.")
@picture_option
@click.option("--no-unicode", is_flag=True, help="Draw with ASCII characters only.")
def command(output: Format, cluster: bool, pictures: tuple[Path, ...], no_unicode: bool) -> None:
    """Show an election that survives crashes, and a hand-written lock that does not, with real processes.

    Takes about half a minute, needs nothing, leaves nothing behind. Ends with 0 if the audit found tenure's ledger
    clean and the other one damaged, else with 1; with --cluster, if it found the ledger clean.

    \b
    Try it:
      tenure demo
      tenure demo --cluster --picture host.html --picture network.html
    """  # noqa: D301  click reads the backspace itself as "do not wrap"
    from tenure.demo.narrator import Narrator

    if pictures and not cluster:
        raise click.UsageError("only what a cluster's nodes see is drawn: say --cluster, too")
    if len(pictures) > PICTURES:
        raise click.UsageError(
            f"there are {PICTURES} pictures: one host first, then a network; {len(pictures)} were asked for"
        )
    stream = sys.stdout if output == "table" else sys.stderr
    narrator, unicode = Narrator(stream), not no_unicode and _can_unicode(stream.encoding)
    outcome = _of_cluster(narrator, pictures, unicode=unicode) if cluster else _of_locks(narrator, unicode=unicode)
    if output == "json":
        document(outcome)
    elif output == "jsonl":
        line_of_json(outcome)
    if not outcome.is_success:
        raise exits.Stop(exits.Exit.FAILURE, outcome.failure)


def _of_locks(narrator: Narrator, *, unicode: bool) -> Outcome:
    from tenure.demo.show import show

    return show(narrator, unicode=unicode)


def _of_cluster(narrator: Narrator, pictures: tuple[Path, ...], *, unicode: bool) -> Outcome | cluster_show.Outcome:
    from tenure.demo.cluster.show import show

    outcome, traces = show(narrator, unicode=unicode)
    for picture, recorded in zip(pictures, traces, strict=False):
        draw(recorded, picture)
        narrator.line(f"what the nodes saw is drawn in {picture}")
    return outcome


def _can_unicode(encoding: str | None) -> bool:
    try:
        "┝━┥┄▲↑⊘".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
