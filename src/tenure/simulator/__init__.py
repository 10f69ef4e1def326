"""The laboratory: the electors that ship, on virtual time, under faults that one seed draws.

    from tenure.simulator import simulate

    run = simulate("bully", nodes=5, seed=7)
    run.violations, run.measures.leaderless_ns, run.svg()

world      drives electors on virtual time, in a total order
node, clock, disk, network   what it is made of; they only obey
surroundings                 how it is when nothing goes wrong
faults     what can go wrong, as data and as words
nemesis, news                carries faults out | tells nodes of members and deaths
founding   who votes and who runs where in a group of Raft
plan       draws what goes wrong from a seed, inside an algorithm's fault model
scenario   the same from a script in plain text
expectations, callers        what a script expects | what its clients ask for
names      algorithms and detectors by name
tenures    who may act, from the records
checkers, measures           what must hold | how long there was no leader, or two
raft_checkers                what must hold inside nodes of Raft
clients, crowd, history      who asks a group that serves | together | what they were told
linearizability              whether one machine could have told them that
holders    the law of holding a tenure, on each node of a group that gives authority
given      what a caller gave, checked before anything runs
run        one run from its setup to its judgement
tally      what came of many runs, and what never fired in them
hunt       many seeds on any executor, until one violates something
shrink     what goes wrong in that one, as little of it as may be
replay     judges a trace that was written before
compare, figures             algorithms side by side | beside published counts of messages
experiments                  published experiments, carried out anew
workers    processes that do all this on all cores
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence

from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.simulator.checkers import Violation
from tenure.simulator.run import Run, run, set_up
from tenure.simulator.scenario import Scenario, refuse_what_cannot_happen
from tenure.simulator.surroundings import Surroundings

__all__ = ["Run", "Scenario", "Surroundings", "Violation", "simulate"]


def simulate(
    algorithm: str | type[Elector] | None = None,
    *,
    nodes: int | Sequence[NodeId] = 5,
    seed: int = 0,
    until: float | str = 60,
    faults: Iterable[str] | None = None,
    scenario: Scenario | None = None,
    detector: str = "heartbeat",
    settings: object = None,
    surroundings: Surroundings | None = None,
    check: Iterable[str] | None = None,
    holders: bool = False,
    trace: bool = True,
) -> Run:
    """Run one group of `nodes` (a number, or their own numbers) for `until` seconds of virtual time.

    `algorithm` is a name such as "bully+lease", or a class of electors; the `detector` around it is "heartbeat", "phi"
    or "told": the world tells who is dead.

    `faults` names kinds of `tenure.simulator.drawing.KINDS`; None are those inside the algorithm's fault model, () is a
    calm run. A `scenario` takes their place. `check` names checkers; None are those of the algorithm's guarantees.
    With `holders` each node of an algorithm that gives authority has a holder of tenures with a body that works.
    Without `trace` no pictures can be made, and memory is bounded. An elector that raises, or does what no driver can
    carry out, is no error of this call: it violates "no-exception". Raises ConfigurationError.
    """
    setup = set_up(
        algorithm,
        nodes=nodes,
        seed=seed,
        until=until,
        faults=faults,
        scenario=scenario,
        detector=detector,
        settings=settings,
        surroundings=surroundings,
        check=check,
        holders=holders,
        again=_again(locals()) if scenario is None else "",  # the script itself is what runs it again
    )
    if scenario is not None:
        refuse_what_cannot_happen(scenario, setup.nodes, setup.until_ns)
    return run(setup, keeps_trace=trace)


def _again(arguments: Mapping[str, object]) -> str:
    """The call that runs it again: every argument that is not what it would be without."""
    defaults = {name: one.default for name, one in inspect.signature(simulate).parameters.items()}
    words = [
        f"{name}={value.__name__ if isinstance(value, type) else repr(value)}"
        for name, value in arguments.items()
        if name != "trace" and repr(value) != repr(defaults[name])
    ]
    return f"simulate({', '.join(words)})"
