"""Messages a second of the simulator on one core: a whole election on a ring, and simpy passing the same messages.

The ring is the worst there is for Chang and Roberts, all numbers falling on the way round and everybody starting, so
n (n + 1) / 2 numbers travel and n announcements. Tenure runs the elector that ships, with crashes, clocks and checkers
ready; the peer is the same algorithm in a dozen lines, on the cable with latency of simpy's own documentation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

from benchmarks.measure import quantile
from tenure.algorithms.ring import Ring, Settings
from tenure.simulator import Surroundings
from tenure.simulator.run import set_up
from tenure.simulator.world import World

NODES = 500
EXPECTED = NODES * (NODES + 1) // 2 + NODES
LATENCY_NS = 1_000_000


def _tenure() -> tuple[int, float]:
    """Messages that were delivered, and the seconds that it took."""
    falling = tuple(range(NODES, 0, -1))
    setup = set_up(
        Ring,
        nodes=NODES,
        until=NODES * 4,
        faults=(),
        detector="told",
        settings=Settings(order=falling),
        surroundings=Surroundings(least_ns=LATENCY_NS, most_ns=LATENCY_NS),
    )
    world = World(setup.kind, setup.nodes, settings=setup.settings, surroundings=setup.surroundings)
    world.start()
    started_s = time.perf_counter()
    world.run(setup.until_ns)
    took_s = time.perf_counter() - started_s
    assert {elector.leader for elector in world.electors.values()} == {NODES}
    return world.delivered, took_s


def _simpy() -> tuple[int, float]:
    """The same with simpy."""
    import simpy

    environment = simpy.Environment()
    inboxes = [simpy.Store(environment) for _ in range(NODES)]
    delivered = 0

    def carry(message: tuple[str, int], to: int) -> Generator[Any, Any, None]:
        yield environment.timeout(LATENCY_NS)
        inboxes[to].put(message)

    def send(message: tuple[str, int], to: int) -> None:
        environment.process(carry(message, to))

    def node(place: int) -> Generator[Any, Any, None]:
        nonlocal delivered
        number, successor = NODES - place, (place + 1) % NODES
        passed, leader = number, None
        send(("election", number), successor)
        while True:
            kind, other = yield inboxes[place].get()
            delivered += 1
            if kind == "elected":
                if leader is None:
                    leader = other
                    send((kind, other), successor)
            elif other == number:
                leader = number
                send(("elected", number), successor)
            elif other > passed:
                passed = other
                send((kind, other), successor)

    for place in range(NODES):
        environment.process(node(place))
    started_s = time.perf_counter()
    environment.run()
    return delivered, time.perf_counter() - started_s


def main(trials: int) -> None:
    """Print the rates of `trials` elections each, taken in turns, and their ratio."""
    rows: dict[str, Callable[[], tuple[int, float]]] = {"tenure": _tenure}
    try:
        import simpy

        rows[f"simpy {simpy.__version__}"] = _simpy
    except ImportError:
        print("simpy is not installed: pip install -r requirements-bench.txt -c constraints.txt")
    rates: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(trials):
        for name, measure in rows.items():
            delivered, took_s = measure()
            assert delivered == EXPECTED, f"{name} delivered {delivered} messages instead of {EXPECTED}"
            rates[name].append(delivered / took_s)
    for name, found in rates.items():
        print(
            f"{name:12} p50 {quantile(found, 0.5):9,.0f} messages/s   lowest {min(found):9,.0f}   "
            f"p99 (slow end) {quantile(found, 0.01):9,.0f}   n={trials} elections of {EXPECTED:,} messages"
        )
    ours, *theirs = rates.values()
    for found in theirs:
        print(f"ratio of the medians: {quantile(ours, 0.5) / quantile(found, 0.5):.2f}")
