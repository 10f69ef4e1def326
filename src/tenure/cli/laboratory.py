"""What the commands of the laboratory share: names that complete themselves, how a group is set up, how it is told."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem

from tenure.cli.options import DURATION
from tenure.cli.output import plain
from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError

if TYPE_CHECKING:
    from tenure.simulator.checkers import Violation
    from tenure.simulator.tally import Fired

    _ToText = click.ParamType[str]
else:
    _ToText = click.ParamType  # not generic before click 8.5

_F = TypeVar("_F", bound=Callable[..., Any])
NONE = "none"
"""As a fault: a calm run."""
ALL = "all"
"""As an algorithm to hunt or to compare: each that is compared if nobody says which."""


def _algorithms() -> Iterable[str]:
    from tenure.simulator import names

    return names.COMPARED


def _faults() -> Iterable[str]:
    from tenure.simulator import drawing

    return (*drawing.KINDS, NONE)


def _checkers() -> Iterable[str]:
    from tenure.simulator import checkers

    return checkers.NAMES


def _experiments() -> Iterable[str]:
    from tenure.simulator.experiments import EXPERIMENTS

    return EXPERIMENTS


def _detectors() -> Iterable[str]:
    from tenure.simulator import names

    return (*names.DETECTORS, names.TOLD)


class Known(_ToText):
    """One of the names that the laboratory knows; they are looked up when one is given, and not before."""

    def __init__(self, name: str, known: Callable[[], Iterable[str]]) -> None:
        self.name = name
        self._known = known

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text not in self._known():
            self.fail(f"there is no {self.name} {text!r}; there are: {', '.join(self._known())}", param, ctx)
        return text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del ctx, param
        return [CompletionItem(name) for name in self._known() if name.startswith(incomplete)]


class _Algorithm(Known):
    """An algorithm with whatever stands around it, which are more than can be listed; or ALL."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from tenure.simulator import names

        text = str(value)
        if text != ALL:
            try:
                names.algorithm(text)
            except ConfigurationError as error:
                self.fail(str(error), param, ctx)
        return text


ALGORITHM = _Algorithm("algorithm", _algorithms)
EXPERIMENT = Known("experiment", _experiments)
detector_option = click.option(
    "--detector",
    type=Known("detector", _detectors),
    metavar="NAME",
    default="heartbeat",
    show_default=True,
    help="Who finds out that a node is dead: heartbeat, phi, or told, by the world itself.",
)
check_option = click.option(
    "--check",
    "checks",
    multiple=True,
    type=Known("checker", _checkers),
    metavar="NAME",
    help="What is judged, such as one-leader; can be said again. Default: what the algorithm promises.",
)


def group_options(function: _F) -> _F:
    """Give a command what decides how a group runs, but for its algorithm and seed."""
    options = (
        click.option(
            "--nodes", type=click.IntRange(1, 10_000), default=5, show_default=True, help="How many, numbered from 1."
        ),
        click.option(
            "--until", "until_s", type=DURATION, default="60s", show_default=True, help="How long, in virtual time."
        ),
        click.option(
            "--fault",
            "faults",
            multiple=True,
            type=Known("fault", _faults),
            metavar="NAME",
            help="What goes wrong, such as crash; can be said again; none: nothing. Default: what its model allows.",
        ),
        detector_option,
        check_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


def each_of(algorithms: Iterable[str]) -> tuple[str, ...]:
    """What `--algorithm` said, each once, with ALL as all those that are compared."""
    return tuple(dict.fromkeys(one for name in algorithms for one in (_algorithms() if name == ALL else (name,))))


def kinds_of(faults: Sequence[str]) -> tuple[str, ...] | None:
    """What `--fault` said: kinds of faults, () for none at all, None for those of the algorithm's model."""
    if NONE in faults and len(set(faults)) > 1:
        raise click.UsageError(f"--fault {NONE} is a run in which nothing goes wrong; leave it away, or the others")
    return None if not faults else tuple(dict.fromkeys(fault for fault in faults if fault != NONE))


def again(**options: object) -> str:
    """The command that runs it again; an option that is None, () or "" is left away, one with several is repeated."""
    words = ["tenure", "simulate"]
    for name, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None and one != "":
                words += [f"--{name}", str(one)]
    return shlex.join(words)


def seconds_in_words(ns: int) -> str:
    """A length of virtual time, such as `1.25 s`."""
    return f"{ns / NS_PER_S:.6f}".rstrip("0").rstrip(".") + " s"


def as_option(value_s: float) -> str:
    """A duration as `--until` takes it, such as `60s`, with every digit that it has."""
    return f"{value_s:.9f}".rstrip("0").rstrip(".") + "s"


class Objection(msgspec.Struct, frozen=True):
    """A violation as it is printed; `at_s` is true time in seconds of the run."""

    checker: str
    at_s: float
    text: str

    @classmethod
    def of(cls, violation: Violation) -> Objection:
        """The same for people and programs."""
        return cls(violation.checker, violation.at_ns / NS_PER_S, violation.text)

    def __str__(self) -> str:
        return f"{self.at_s:.6f} s  {plain(self.checker)}: {plain(self.text)}"


def who_objected(violations: Iterable[Violation]) -> str:
    """The names of the checkers, each once."""
    return ", ".join(dict.fromkeys(plain(violation.checker) for violation in violations))


def fired_rows(fired: Iterable[Fired]) -> list[tuple[str, str, str]]:
    """The table of what fired."""
    rows = [("FIRED", "NAME", "TIMES")]
    rows += [(one.what, plain(one.name), str(one.times) if one.times else "0: never") for one in fired]
    return rows
