"""`tenure cluster`: a cluster for development, and what operators do with a running one; one file for each kind."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "up": "Start a cluster for development on this machine, until Ctrl-C.",
    "status": "Say who leads, and how it stands with each node.",
    "members": "List the members: number, name, address, and whether each votes.",
    "add": "Make a node that waits to join a member, and a voter.",
    "remove": "Let a node be a member no more, for ever.",
    "transfer": "Have the leader hand over.",
    "certificates": "Make certificates for development.",
}
_MODULES = {
    "up": "up",
    "status": "looking",
    "members": "looking",
    "add": "changing",
    "remove": "changing",
    "transfer": "changing",
    "certificates": "certificates",
}


class Subcommands(click.Group):
    """Imports each only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"tenure.cli.cluster.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from tenure.backends.url import nearest

            ctx.fail(f"there is no command {args[0]!r} in `tenure cluster`{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command("cluster", cls=Subcommands)
def command() -> None:
    """Start a cluster of `tenure node` for development, or look at a running one and change who is in it.

    Try it: tenure cluster up 3
    """
