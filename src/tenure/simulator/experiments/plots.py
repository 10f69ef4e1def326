"""An experiment as a picture: what we measured as lines, what was published as hollow marks beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tenure.render import chart
from tenure.simulator.experiments.lines import Experiment, Line

LINES_OF_A_PANEL = 6
PERCENTS = (1, *range(5, 100, 5), 99, 100)
MARKED = {"p50": 50, "p90": 90, "p99": 99, "max": 100}


def svg(experiment: Experiment, lines: Sequence[Line]) -> str:
    """The picture; one panel for each variant, or several where it has many lines."""
    variants = dict.fromkeys(line.variant for line in lines)
    panels: list[chart.Panel] = []
    for variant in variants:
        group = [line for line in lines if line.variant == variant]
        if experiment.is_of_times:
            panels += _distributions(experiment, variant, group)
        else:
            panels.append(_panel(experiment, variant, tuple(_statistics(experiment, group))))
    return chart.svg(f"{experiment.name}: {experiment.about}", panels)


def _distributions(experiment: Experiment, variant: str, group: Sequence[Line]) -> Iterator[chart.Panel]:
    for first in range(0, len(group), LINES_OF_A_PANEL):
        some = group[first : first + LINES_OF_A_PANEL]
        yield _panel(experiment, variant, tuple(series for line in some for series in _distribution(line)))


def _distribution(line: Line) -> Iterator[chart.Series]:
    known = ((line.percentiles_ms[percent - 1], percent) for percent in PERCENTS)
    yield chart.Series(line.case, tuple((ms, percent) for ms, percent in known if ms is not None), is_bare=True)
    marks = tuple((line.published[name], percent) for name, percent in MARKED.items() if name in line.published)
    yield chart.Series(f"{line.case}, published", marks, beside=line.case)


def _statistics(experiment: Experiment, group: Sequence[Line]) -> Iterator[chart.Series]:
    for name in experiment.statistics:
        yield chart.Series(name, tuple((line.x, line.measured[name]) for line in group))
        marks = tuple((line.x, line.published[name]) for line in group if name in line.published)
        yield chart.Series(f"{name}, published", marks, beside=name)


def _panel(experiment: Experiment, variant: str, series: tuple[chart.Series, ...]) -> chart.Panel:
    return chart.Panel(
        title=f"{variant}; hollow: published" if variant else "hollow: published",
        x_label=experiment.x_label,
        y_label=experiment.y_label,
        series=series,
        is_logarithmic_x=experiment.is_of_times,
    )
