"""The command `tenure`: one subcommand a file, imported only when it is used.

Each module defines `command`. A new one needs a line in COMMANDS and a section in docs/reference/command.md.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from tenure._version import __version__
from tenure.cli import exits

ENVIRONMENT_PREFIX = "TENURE"
"""Every option is also TENURE_<COMMAND>_<OPTION>."""


class Listed(NamedTuple):
    """What is known of a command without importing it."""

    help: str
    unexpected: int = exits.Exit.FAILURE
    """The exit code for what nobody expected."""


COMMANDS = {
    "run": Listed("Run a command while leading: the main job.", exits.Exit.TENURE_FAILED),
    "status": Listed("Say who leads, since when, and who waits."),
    "watch": Listed("Print each change of leader as it comes."),
    "resign": Listed("Ask the leader to step down, and wait until it has."),
    "transfer": Listed("Ask the leader to hand over to a candidate."),
    "move": Listed("Take an election to another place, such as file:// to lease://."),
    "holds": Listed("Inside `tenure run`: say whether the tenure still holds."),
    "doctor": Listed("Say what was resolved, and mend what is broken."),
    "node": Listed("Be a member of a group that elects a leader by itself."),
    "cluster": Listed("Start a group of nodes, look at one, and change it."),
    "compare": Listed("Compare election algorithms on one workload, in the simulator."),
    "simulate": Listed("Run an election under faults on virtual time, and judge it."),
    "hunt": Listed("Run thousands of seeds, and shrink what one of them violates."),
    "replay": Listed("Tell or draw what a trace holds, and judge it anew."),
    "check": Listed("Say whether a history of concurrent clients is linearizable.", exits.Exit.TENURE_FAILED),
    "demo": Listed("Show an election surviving crashes, and a naive lock failing."),
    "completion": Listed("Print the script that completes this command in a shell."),
}


class Commands(click.Group):
    """The group of all commands; ends with a code of `exits.Exit`, whatever happens."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"tenure.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from tenure.backends.url import nearest

            options = [name for option in self.get_params(ctx) for name in option.opts]
            hint = nearest(f"--{args[0]}", options) if f"--{args[0]}" in options else nearest(args[0], COMMANDS)
            ctx.fail(f"there is no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError as error:  # of --help or --version; before click answers it in its own way
            raise exits.Stop(exits.Exit.BROKEN_PIPE) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = exits.code_of(error)
            if code in {exits.Exit.INTERRUPTED, exits.Exit.BROKEN_PIPE}:  # before click answers them in its own way
                raise exits.Stop(code) from error
            if code is not None:
                raise
            raise exits.Unexpected(COMMANDS[ctx.invoked_subcommand or "status"].unexpected) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.help) for name, listed in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(name, help=COMMANDS[name].help) for name in COMMANDS if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="tenure %(version)s", allow_from_autoenv=False)
def cli() -> None:
    """Exactly one of many processes leads, knows for how long, and can do no harm when it is stale.

    Try it in two terminals: tenure run demo-job -- sleep 60
    """


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args`, by default the process's own, and return the exit code."""
    _open_what_is_closed()
    line = list(sys.argv[1:] if args is None else args) or ["--help"]
    return exits.run_and_exit(
        lambda: cli.main(line, prog_name="tenure", standalone_mode=False, auto_envvar_prefix=ENVIRONMENT_PREFIX)
    )


def _open_what_is_closed() -> None:
    """A stream that the caller has closed is None, and its descriptor would be given to the next file or socket."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  open until the process ends; pathlib costs 5 ms
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  the same
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a narrow terminal cannot show is escaped, not refused
