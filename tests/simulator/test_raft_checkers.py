"""What the checkers of Raft must not take for a violation."""

from __future__ import annotations

from tenure import trace
from tenure.simulator import simulate
from tenure.simulator.scenario import parse_script

LATE_VOTES = """
algorithm raft
nodes 1 2 3 4 5
seed 7977
until 18s
detector told
hosts 1 2 5 | 3 4
clients for 60s
at 3200ms crash leader for 4970764340ns
at 3300ms crash leader for 7153473781ns
at 8300ms disk 2 takes 0s to 4s
at 8600ms voters 2 by 5
at 10s latency 0s to 0s
at 11s pause 3 for 7s
"""


def test_a_leader_of_a_term_that_is_over_need_not_have_what_later_ones_committed() -> None:
    """Figure 3: what is "committed in a given term" is in the logs of leaders of "all higher-numbered terms". The last
    vote for node 3 waits for it while it is paused; meanwhile node 4 leads the next term, and commits.
    """
    run = simulate(scenario=parse_script(LATE_VOTES))

    assert run.violations == []
    assert run.trace is not None
    led = [(one.node, one.term) for one in run.trace.records if isinstance(one, trace.Became) and one.role == "leading"]
    assert led[-2:] == [(4, 5), (3, 4)]
