"""`tenure transfer`: ask the leader to hand over to one candidate."""

from __future__ import annotations

import click

from tenure.cli.asking import ask_and_wait, settle, show
from tenure.cli.exits import Exit, Stop
from tenure.cli.options import CANDIDATE, at_option, name_argument, output_option, talk_options, wait_option
from tenure.cli.output import Format, leader_in_words
from tenure.holding.events import Transfer


@click.command("transfer")
@name_argument
@click.option("--to", required=True, type=CANDIDATE, help="Who is to lead; `tenure status NAME` lists who stands.")
@wait_option
@at_option
@output_option
@talk_options
def command(name: str, to: str, wait: float, at: str | None, output: Format) -> None:
    """Ask whoever leads the election NAME to hand over to a candidate, wait until it has, and say who leads now.

    Ends with 3 where nobody leads, 78 where the candidate does not stand, 124 where it was not obeyed in time, and 1
    where somebody else was elected.
    """
    outcome = ask_and_wait(name, at, Transfer(to), wait)
    show(outcome, output)
    settle(outcome, wait)
    if outcome.obeyed and (outcome.leads is None or outcome.leads.candidate != to):
        raise Stop(
            Exit.FAILURE,
            f"{outcome.led.candidate} stepped down, but {leader_in_words(outcome.leads)} leads and not {to}: it may "
            f"have died or left meanwhile; see who stands with: tenure status {name}",
        )
