"""`tenure cluster status` and `members`: they change nothing."""

from __future__ import annotations

import click
import msgspec

from tenure.cli.cluster.reaching import Reaching, reaching_options
from tenure.cli.exits import Exit
from tenure.cli.options import output_option
from tenure.cli.output import Format, document, line_of_json, rows, word, write
from tenure.runtime.operators import Operators
from tenure.runtime.roster import Seat
from tenure.runtime.status import Status


class SeenNode(msgspec.Struct, frozen=True, kw_only=True):
    """A member, and its view of itself; None where it did not tell."""

    name: str
    number: int
    address: str
    status: Status | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What `status -o json` prints."""

    cluster: str
    algorithm: str | None
    leader: str | None
    """Whom one that leads by its own word is called."""
    token: int | None
    """Under which it may act, where it may."""
    nodes: tuple[SeenNode, ...]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """What `members -o json` prints of each."""

    name: str
    number: int
    address: str
    role: str
    """voter, learner or none, as the node sees it that was reached; voter where all count alike."""


def seen(found: list[tuple[Seat, Status | None]]) -> Seen:
    """What became of asking everybody."""
    told = [status for _, status in found if status is not None]
    leading = [status for status in told if status.leader == status.number]
    leading.sort(key=lambda status: (status.authority is not None, status.term))
    leader = leading[-1] if leading else None
    return Seen(
        cluster=told[0].cluster if told else "",
        algorithm=told[0].algorithm if told else None,
        leader=None if leader is None else leader.name,
        token=None if leader is None or leader.authority is None else leader.authority.token,
        nodes=tuple(
            SeenNode(name=seat.name, number=seat.number, address=seat.address, status=status) for seat, status in found
        ),
    )


@click.command("status")
@output_option
@reaching_options
def status(output: Format, reaching: Reaching) -> int:
    """Say who leads, and how it stands with each node, as it sees itself.

    Ends with 0 where somebody leads, 3 where nobody does, 69 where no node was reached.
    """
    view = reaching.run(lambda operators: operators.statuses())
    whole = seen(view)
    if output == "json":
        document(whole)
    elif output == "jsonl":
        for node in whole.nodes:
            line_of_json(node)
    else:
        token = "" if whole.token is None else f" under token {whole.token}"
        led = f"{word('led')}     {whole.leader} leads{token}" if whole.leader else f"{word('vacant')}  nobody leads"
        write(f"{led} ({whole.cluster}, {whole.algorithm})")
        heads = ("NODE", "NUMBER", "ADDRESS", "STATE", "ROLE", "TERM", "COMMITTED")
        rows([heads, *(_row(node) for node in whole.nodes)])
    return Exit.DONE if whole.leader is not None else Exit.NO


def _row(node: SeenNode) -> tuple[str, ...]:
    one = node.status
    if one is None:
        return (node.name, str(node.number), node.address, word("unknown"), "-", "-", "-")
    committed = "-" if one.log is None else str(one.log.committed)
    return (node.name, str(node.number), node.address, one.state, one.role, str(one.term), committed)


@click.command("members")
@output_option
@reaching_options
def members(output: Format, reaching: Reaching) -> int:
    """List the members as the node knows them that was reached: number, name, address, and whether each votes."""

    async def look(operators: Operators) -> tuple[Member, ...]:
        roster, view = await operators.roster(), await operators.status()
        roles = {member.number: member.role for member in view.members}
        return tuple(
            Member(name=seat.name, number=seat.number, address=seat.address, role=roles.get(seat.number, "none"))
            for seat in roster.seats
            if not seat.is_gone
        )

    found = reaching.run(look)
    if output == "json":
        document(found)
    elif output == "jsonl":
        for member in found:
            line_of_json(member)
    else:
        table = [(member.name, str(member.number), member.address, member.role) for member in found]
        rows([("NODE", "NUMBER", "ADDRESS", "ROLE"), *table])
    return Exit.DONE
