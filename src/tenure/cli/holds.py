"""`tenure holds`: for jobs of `tenure run`, before each act that only a leader may do."""

from __future__ import annotations

from pathlib import Path

import click

from tenure.cli.exits import Exit
from tenure.cli.options import DURATION
from tenure.clock import BootClock
from tenure.supervise.deadline_file import content, holds


@click.command("holds")
@click.option(
    "--for",
    "for_s",
    type=DURATION,
    default=0.0,
    envvar="TENURE_HOLDS_FOR",
    allow_from_autoenv=False,
    help="Whether it holds for at least so long from now, such as 2s.",
)
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="TENURE_DEADLINE_FILE",
    help="The job's deadline file; `tenure run` tells it in TENURE_DEADLINE_FILE.",
)
def command(for_s: float, file: Path | None) -> int:
    """Inside `tenure run`: end with 0 while the tenure holds, with 3 when it does not. Says nothing.

    What may not be done without leadership comes after it: tenure holds --for 2s && ./pay
    """
    if file is None:
        raise click.UsageError(
            "TENURE_DEADLINE_FILE is not set: `tenure holds` is for the job of `tenure run NAME -- COMMAND`, which "
            "sets it; elsewhere give --file, or ask `tenure status NAME`"
        )
    if holds(file, for_s, BootClock().now_ns()):
        return Exit.DONE
    _refuse_other_files(file)
    return Exit.NO


def _refuse_other_files(file: Path) -> None:
    """A file that is gone or cut short holds nothing; one that is something else was named by mistake."""
    try:
        found = content(file)
    except OSError:
        return
    if (found and not found.strip().isdigit()) or not file.is_file():
        raise click.UsageError(
            f"{file} is no deadline file; `tenure run` tells its job the path in TENURE_DEADLINE_FILE"
        )
