"""`tenure move`: take an election to another place, so that never both places elect."""

from __future__ import annotations

import click

from tenure.backends import registry
from tenure.cli import exits
from tenure.cli.connection import Connection
from tenure.cli.options import DURATION, name_argument, output_option, talk_options
from tenure.cli.output import Format, document, leader_in_words, line_of_json, rows
from tenure.keeper import Keeper


@click.command("move")
@name_argument
@click.option("--from", "old", metavar="URL", required=True, envvar="TENURE_MOVE_FROM", help="Where the election is.")
@click.option("--to", "new", metavar="URL", required=True, envvar="TENURE_MOVE_TO", help="Where it is to be.")
@click.option(
    "--wait",
    type=DURATION,
    default="60s",
    show_default=True,
    help="How long the leader may take to end its work; 0 moves only what nobody leads.",
)
@output_option
@talk_options
def command(name: str, old: str, new: str, wait: float, output: Format) -> None:
    """Take the election NAME to another place: whoever leads hands over, and tokens go on above the old ones.

    Candidates in the old place are refused from then on, with the new URL; start them again with that. Run the same
    line again after any error or crash. Ends with 124 where the leader has not handed over in time.
    """
    from tenure.cli.moving import Moving, move, same_place

    for url in (old, new):
        if registry.resolve(url).scope == "process":
            raise click.UsageError(f"{url} is inside one process and ends with it: nothing can be moved there or away")
    if same_place(old, new):
        raise click.UsageError(
            "--from and --to are in one directory, which holds one election of a name; give another one"
        )
    moving = Moving(election=name, old=Connection(old).backend, new=Connection(new).backend, wait_s=wait)
    under_way = Keeper.current().run(move(moving))
    try:
        arrived = under_way.result()
    except KeyboardInterrupt:
        under_way.cancel()
        raise
    if output == "json":
        document(arrived)
    elif output == "jsonl":
        line_of_json(arrived)
    else:
        above = "-" if arrived.token is None else str(arrived.token)
        rows(
            [
                ("election", name),
                ("from", arrived.from_url),
                ("to", arrived.to_url),
                ("led", leader_in_words(arrived.led)),
                ("tokens above", above),
            ]
        )
    if arrived.already:
        exits.say(f"{name} is at {arrived.to_url} already; nothing was changed")
    else:
        exits.say(f"who stood for {name} at {arrived.from_url} is refused; start it with: --at {arrived.to_url}")
