"""`tenure resign`: ask the leader to step down."""

from __future__ import annotations

import click

from tenure.cli.asking import ask_and_wait, settle, show
from tenure.cli.options import at_option, name_argument, output_option, talk_options, wait_option
from tenure.cli.output import Format
from tenure.holding.events import Resign


@click.command("resign")
@name_argument
@wait_option
@at_option
@output_option
@talk_options
def command(name: str, wait: float, at: str | None, output: Format) -> None:
    """Ask whoever leads the election NAME to step down, wait until it has, and say who leads now.

    Its work ends first, within its grace. Ends with 3 where nobody leads, 124 where it was not obeyed in time.
    """
    outcome = ask_and_wait(name, at, Resign(), wait)
    show(outcome, output)
    settle(outcome, wait)
