"""What several commands take: the name of an election, where it is, how to print, how loud to be, durations."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from tenure.durations import seconds
from tenure.errors import ConfigurationError

_F = TypeVar("_F", bound=Callable[..., Any])

if TYPE_CHECKING:
    _ToSeconds = click.ParamType[float]
    _ToText = click.ParamType[str]
else:
    _ToSeconds = _ToText = click.ParamType  # not generic before click 8.5

FORMATS = ("table", "json", "jsonl")


class Duration(_ToSeconds):
    """Text such as `500ms` or `15s`, given to the command as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return seconds(value if isinstance(value, (int, float)) else str(value))
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)


class Name(_ToText):
    """The name of an election, or of a candidate; checked before anything is asked."""

    name = "name"

    def __init__(self, what: str, *, completed: bool) -> None:
        self._what = what
        self._completed = completed

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from tenure.backends.url import checked_name

        try:
            return checked_name(str(value), what=self._what)
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del param
        if not self._completed:
            return []
        from tenure.cli.completion import names_of_elections

        names = names_of_elections(ctx.params.get("at"))
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


DURATION = Duration()
ELECTION = Name("an election", completed=True)
CANDIDATE = Name("a candidate", completed=False)

name_argument = click.argument("name", type=ELECTION)
at_option = click.option(
    "--at",
    metavar="URL",
    help="Where the election is, such as file:///var/lib/tenure. Default: $TENURE_URL, or your state directory.",
)
output_option = click.option(
    "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print."
)
wait_option = click.option(
    "--wait",
    type=DURATION,
    default="10s",
    show_default=True,
    help="How long to wait until it has happened; 0 leaves the wish and does not wait.",
)


def talk_options(function: _F) -> _F:
    """Give a command -v and -q, and set logging up before it runs."""
    function = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_set_up_logging,
        help="Say more on stderr; -vv says everything.",
    )(function)
    return click.option(
        "-q", "--quiet", is_flag=True, is_eager=True, expose_value=False, callback=_note_quiet, help="Only errors."
    )(function)


def is_quiet() -> bool:
    """Whether the running command was given -q."""
    return bool(click.get_current_context().meta.get("tenure.quiet"))


def _note_quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    ctx.meta["tenure.quiet"] = value


def _set_up_logging(ctx: click.Context, param: click.Parameter, value: int) -> None:
    del param
    if ctx.resilient_parsing:
        return
    logger = logging.getLogger("tenure")
    if ctx.meta.get("tenure.quiet"):
        logger.setLevel(logging.ERROR)
    else:
        logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(value, 2)])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("tenure: %(message)s"))
    logger.handlers[:] = [handler]
    logger.propagate = False
