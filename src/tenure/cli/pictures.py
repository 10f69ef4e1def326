"""Files that the laboratory's commands write: traces, and pictures by their suffix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tenure.trace import Trace

SUFFIXES = (".svg", ".html", ".txt")


class OutputFile(click.Path):
    """A file that the command will write; a variable of a script that is empty names none."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("it is empty; give the name of a file, or leave the option away", param, ctx)
        return super().convert(value, param, ctx)


def _checked(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    """Refuse before anything runs what could not be written after it."""
    for path in value:
        if path.suffix not in SUFFIXES:
            raise click.BadParameter(
                f"{path}: a picture is {', '.join(SUFFIXES)}; name it {path.with_suffix('.html')}", ctx, param
            )
        refuse_missing_folder(path)
    return value


def refuse_missing_folder(path: Path | None) -> None:
    """Raise UsageError where a file is to be written into a folder that is not there."""
    if path is not None and not path.parent.is_dir():
        raise click.UsageError(f"there is no folder {path.parent} for {path.name}; make it: mkdir -p {path.parent}")


picture_option = click.option(
    "--picture",
    "pictures",
    multiple=True,
    type=OutputFile(),
    callback=_checked,
    metavar="FILE",
    help="Draw the run as FILE.svg, as FILE.html that steps and plays, or in words as FILE.txt; can be said again.",
)


def draw(trace: Trace, path: Path, *, from_ns: int | None = None, to_ns: int | None = None) -> None:
    """Write one picture. Raises OSError."""
    from tenure.render import spacetime

    match path.suffix:
        case ".svg":
            text = spacetime.svg(trace, from_ns=from_ns, to_ns=to_ns)
        case ".html":
            text = spacetime.html(trace, from_ns=from_ns, to_ns=to_ns)
        case _:
            text = "".join(f"{line}\n" for line in spacetime.text(trace, from_ns=from_ns, to_ns=to_ns))
    path.write_text(text, encoding="utf-8")
