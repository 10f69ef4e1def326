"""An experiment as data, and its lines: for each case what was published, and what so many trials of it gave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import ceil
from typing import NamedTuple

import msgspec

from tenure.simulator.experiments.fail_over import FailOver, Gap, run
from tenure.simulator.network import MS
from tenure.simulator.workers import MOST_UNDER_WAY, cores, in_order, processes

TRIALS_OF_A_PIECE = 20
"""That a worker does at a time."""
MOST_TRIALS = 100_000
"""Of one case: their seeds stay apart from those of the next `--seed`."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an experiment. `trials` are those that are done if nobody says otherwise."""

    name: str
    variant: str = ""
    x: float = 0
    """Where it stands in a plot."""
    fail_over: FailOver
    trials: int
    most: int = MOST_TRIALS
    """Trials that are done however many are asked for, where they take very long."""
    published: dict[str, float] = {}
    """By the name of the statistic; those of which nothing was published are missing."""


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """What was published, and how it is measured anew."""

    name: str
    about: str
    notes: tuple[str, ...]
    """What a reader of the numbers must know; line breaks and spaces in it mean one space."""
    statistics: tuple[str, ...]
    """What each line has, in the order of the columns."""
    cases: tuple[Case, ...]
    measure: Callable[[Sequence[Gap]], dict[str, float | None]]
    """The statistics of some trials; None for one that they do not tell."""
    is_exact: bool = False
    """Whether what we measure must be equal to what was published."""
    x_label: str
    y_label: str
    """Of the plot."""
    is_of_times: bool = False
    """Whether the plot shows how the times without a leader are distributed, instead of the statistics."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case."""

    case: str
    variant: str
    x: float
    trials: int
    unfinished: int
    """Trials that were given up after `limit_s` of virtual time; they count as longer than all others."""
    limit_s: float
    published: dict[str, float]
    measured: dict[str, float | None]
    percentiles_ms: tuple[float | None, ...]
    """The time without a leader that 1, 2, ... 100 % of the trials did not exceed; None: given up."""

    @property
    def is_as_published(self) -> bool:
        """Whether each number that was published is the one that was measured."""
        return all(self.measured.get(name) == value for name, value in self.published.items())


def counts_of(experiment: Experiment, trials: int | None) -> list[int]:
    """How many trials each case has if so many are asked for; None: as many as each case itself says."""
    return [min(trials or case.trials, case.most) for case in experiment.cases]


class _Piece(NamedTuple):
    """Trials of one case, as many as a worker does at a time."""

    case: int
    what: FailOver
    seeds: range


def lines(
    experiment: Experiment,
    trials: int | None = None,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Iterator[Line]:
    """The lines in the order of the cases, each as it is done; the same for the same seed and any number of workers.

    `trials` are asked for, see `counts_of`. `workers` are processes; None: one for each core, or none
    where the trials are few. `progress` is called with how many trials are done. Raises TenureError where one dies.
    """
    counts = counts_of(experiment, trials)
    pieces = [
        _Piece(number, case.fail_over, range(first, min(first + TRIALS_OF_A_PIECE, count)))
        for number, (case, count) in enumerate(zip(experiment.cases, counts, strict=True))
        for first in range(0, count, TRIALS_OF_A_PIECE)
    ]
    wanted = min(workers or cores(), len(pieces) if workers else ceil(len(pieces) / 10))
    work = partial(_carry_out, seed * MOST_TRIALS)
    if wanted == 1:
        yield from _gathered(experiment, zip(pieces, map(work, pieces), strict=True), progress)
        return
    with processes(wanted) as executor:
        done = in_order(executor, work, pieces, MOST_UNDER_WAY * wanted)
        yield from _gathered(experiment, zip(pieces, done, strict=True), progress)


def _carry_out(first: int, piece: _Piece) -> list[Gap]:
    """What a worker does."""
    return [run(piece.what, first + seed) for seed in piece.seeds]


def _gathered(
    experiment: Experiment, done: Iterator[tuple[_Piece, list[Gap]]], progress: Callable[[int], object] | None
) -> Iterator[Line]:
    gaps: list[Gap] = []
    at = count = 0
    for piece, some in done:
        if piece.case != at:
            yield _line(experiment, experiment.cases[at], gaps)
            at, gaps = piece.case, []
        gaps += some
        count += len(some)
        if progress is not None:
            progress(count)
    yield _line(experiment, experiment.cases[at], gaps)


def _line(experiment: Experiment, case: Case, gaps: Sequence[Gap]) -> Line:
    in_turn = times_ms(gap.gap_ns for gap in gaps)
    return Line(
        case=case.name,
        variant=case.variant,
        x=case.x,
        trials=len(gaps),
        unfinished=sum(gap.gap_ns is None for gap in gaps),
        limit_s=case.fail_over.limit_ns / (1000 * MS),
        published=case.published,
        measured=experiment.measure(gaps),
        percentiles_ms=tuple(at_percent(in_turn, percent) for percent in range(1, 101)),
    )


def times_ms(times_ns: Iterable[int | None]) -> list[float | None]:
    """In milliseconds, the longest last; None are those of trials that were given up."""
    some = list(times_ns)
    known = sorted(time_ns / MS for time_ns in some if time_ns is not None)
    return [*known, *[None] * (len(some) - len(known))]


def at_percent(in_turn: Sequence[float | None], percent: int) -> float | None:
    """The least time that so many per cent of the trials did not exceed."""
    return in_turn[ceil(len(in_turn) * percent / 100) - 1]


def mean_ms(times_ns: Iterable[int | None]) -> float | None:
    """In milliseconds; None where a trial was given up."""
    in_turn = times_ms(times_ns)
    known = [time_ms for time_ms in in_turn if time_ms is not None]
    return sum(known) / len(known) if len(known) == len(in_turn) else None
