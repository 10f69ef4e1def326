"""Published experiments, carried out anew: `tenure compare --experiment NAME`.

fail_over   one trial: the leader crashes, and somebody hears of the next one
lines       an experiment as data, and its trials on all cores
figure_16, split_votes, wide_area, messages, tuned   the experiments, with the published numbers
certain_death                                        one of ours, of which nothing was published
plots       pictures of them
"""

from __future__ import annotations

from tenure.simulator.experiments.certain_death import CERTAIN_DEATH
from tenure.simulator.experiments.figure_16 import FIGURE_16
from tenure.simulator.experiments.lines import Case, Experiment, Line, counts_of, lines
from tenure.simulator.experiments.messages import MESSAGES
from tenure.simulator.experiments.split_votes import SPLIT_VOTES
from tenure.simulator.experiments.tuned import RAFT_TUNED
from tenure.simulator.experiments.wide_area import WIDE_AREA

__all__ = ["EXPERIMENTS", "Case", "Experiment", "Line", "counts_of", "lines"]

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one for one in (FIGURE_16, SPLIT_VOTES, WIDE_AREA, MESSAGES, RAFT_TUNED, CERTAIN_DEATH)
}
"""By name."""
