"""`tenure completion`: what a shell needs to complete this command, and names of elections."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tenure.errors import TenureError


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes this command in SHELL.

    \b
    bash: tenure completion bash > ~/.local/share/bash-completion/completions/tenure
    zsh:  tenure completion zsh > "${fpath[1]}/_tenure"
    fish: tenure completion fish > ~/.config/fish/completions/tenure.fish
    """  # noqa: D301  click reads the backspace itself as "do not wrap"
    from tenure.cli import cli

    found = get_completion_class(shell)
    assert found is not None, "click completes all three shells"
    click.echo(found(cli, {}, "tenure", "_TENURE_COMPLETE").source())


def names_of_elections(at: str | None) -> list[str]:
    """The elections at the URL `at`; none where they cannot be listed: completion never complains."""
    from tenure.cli.connection import Connection

    try:
        return Connection(at, warn=False).elections()
    except TenureError:
        return []
