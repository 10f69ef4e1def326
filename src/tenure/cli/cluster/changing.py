"""`tenure cluster add`, `remove` and `transfer`: they change who is a member, and who leads."""

from __future__ import annotations

import click

from tenure.cli.cluster.reaching import Reaching, reaching_options
from tenure.cli.exits import Exit
from tenure.cli.options import output_option
from tenure.cli.output import Format, document, line_of_json, write
from tenure.runtime.operators import Operators


def _print(output: Format, value: dict[str, object], words: str) -> None:
    if output == "json":
        document(value)
    elif output == "jsonl":
        line_of_json(value)
    else:
        write(words)


@click.command("add")
@click.argument("node", metavar="NAME=ADDRESS")
@output_option
@reaching_options
def add(node: str, output: Format, reaching: Reaching) -> int:
    """Make the node that waits at ADDRESS a member, and a voter where there are voters.

    Start it first: `tenure node --join ... --name NAME --listen ADDRESS --data DIR`. Asked again it does no harm.
    """
    name, separator, address = node.partition("=")
    if not separator or not name or not address:
        raise click.UsageError(f"{node!r} is not NAME=ADDRESS, such as d=127.0.0.1:7104")
    number = reaching.run(lambda operators: operators.add(name, address, within_s=reaching.within_s))
    _print(output, {"name": name, "number": number, "address": address}, f"{name} is a member, as number {number}")
    return Exit.DONE


@click.command("remove")
@click.argument("node", metavar="NAME|NUMBER")
@output_option
@reaching_options
def remove(node: str, output: Format, reaching: Reaching) -> int:
    """Let a node be a member no more, for ever, whether it runs or not; one that runs ends by itself.

    To bring its machine back let it join with an empty data directory, as a new node.
    """
    reaching.run(lambda operators: operators.remove(node, within_s=reaching.within_s))
    _print(output, {"removed": node}, f"{node} is no member any more")
    return Exit.DONE


@click.command("transfer")
@click.option("--to", metavar="NAME", help="Who shall lead; default: whoever is elected.")
@output_option
@reaching_options
def transfer(to: str | None, output: Format, reaching: Reaching) -> int:
    """Have the leader hand over, and wait until another leads.

    Refused (78) where the algorithm would elect the same node again, as bully does.
    """

    async def hand_over(operators: Operators) -> str:
        view = await operators.transfer(to, within_s=reaching.within_s)
        return view.leader_name or "nobody"

    leader = reaching.run(hand_over)
    _print(output, {"leader": leader}, f"{leader} leads")
    return Exit.DONE
