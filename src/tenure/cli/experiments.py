"""`tenure compare --experiment NAME`: a published experiment, carried out anew."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from tenure.cli import exits
from tenure.cli.options import is_quiet
from tenure.cli.output import Format, document, line_of_json, rows, write
from tenure.cli.progress import Progress

if TYPE_CHECKING:
    from tenure.simulator.experiments import Experiment, Line


def carry_out(name: str, trials: int | None, seed: int, plot: Path | None, output: Format) -> None:
    """Carry it out and print what was published beside what was measured. Raises Stop where they must be equal, and
    are not.
    """
    from tenure.simulator.experiments import EXPERIMENTS, counts_of, lines, plots

    experiment = EXPERIMENTS[name]
    done: list[Line] = []
    with Progress(name, sum(counts_of(experiment, trials)), "trials", is_quiet=is_quiet()) as progress:
        for line in lines(experiment, trials, seed, progress=progress.tell):
            done.append(line)
            if output == "jsonl":
                line_of_json(line)
    notes = [" ".join(note.split()) for note in experiment.notes]
    if output == "json":
        document({"experiment": name, "about": experiment.about, "seed": seed, "lines": done, "notes": notes})
    elif output == "table":
        _print(experiment, done)
        for note in notes:
            write("")
            write(textwrap.fill(note, 110))
    if plot is not None:
        plot.write_text(plots.svg(experiment, done), encoding="utf-8")
    wrong = [line for line in done if experiment.is_exact and not line.is_as_published]
    if wrong:
        raise exits.Stop(exits.Exit.FAILURE, f"{len(wrong)} lines are not as published")


def _print(experiment: Experiment, done: list[Line]) -> None:
    is_published = {name: any(name in line.published for line in done) for name in experiment.statistics}
    columns = [
        word for name in experiment.statistics for word in ((name, "ours") if is_published[name] else (f"our {name}",))
    ]
    has_variants = any(line.variant for line in done)
    rows(
        [
            ("case", *(("variant",) if has_variants else ()), "trials", *columns),
            *(
                (
                    line.case,
                    *((line.variant,) if has_variants else ()),
                    str(line.trials) + (f" ({line.unfinished} given up)" if line.unfinished else ""),
                    *(
                        cell
                        for name in experiment.statistics
                        for cell in _cells(line, name)[0 if is_published[name] else 1 :]
                    ),
                )
                for line in done
            ),
        ]
    )


def _cells(line: Line, name: str) -> tuple[str, str]:
    """What was published, and what we measured: both with three digits at least."""
    published, measured = line.published.get(name), line.measured.get(name)
    nothing = "given up" if name in line.measured else "-"
    return "-" if published is None else _number(published), nothing if measured is None else _number(measured)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004  three digits
