"""`tenure demo`: an election that survives its accidents, and a naive lock that does not."""

from __future__ import annotations

import sys

import click

from tenure.cli import exits
from tenure.cli.options import output_option
from tenure.cli.output import Format, document, line_of_json


@click.command("demo")
@output_option
@click.option("--no-unicode", is_flag=True, help="Draw with ASCII characters only.")
def command(output: Format, no_unicode: bool) -> None:
    """Show an election that survives crashes, and a hand-written lock that does not, with real processes.

    Takes about half a minute, needs nothing, leaves nothing behind. Ends with 0 if the audit found tenure's ledger
    clean and the other one damaged, else with 1.
    """
    from tenure.demo.narrator import Narrator
    from tenure.demo.show import show

    stream = sys.stdout if output == "table" else sys.stderr
    outcome = show(Narrator(stream), unicode=not no_unicode and _can_unicode(stream.encoding))
    if output == "json":
        document(outcome)
    elif output == "jsonl":
        line_of_json(outcome)
    if not outcome.is_success:
        raise exits.Stop(exits.Exit.FAILURE, outcome.failure)


def _can_unicode(encoding: str | None) -> bool:
    try:
        "┝━┥┄▲↑⊘".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
