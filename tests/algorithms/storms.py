"""Seeded runs in which nodes crash, come back, join and leave for two seconds, and then nothing more happens.

`python -m tests.algorithms.storms bully --seeds 2000` prints what was violated, each with the seed that shows it again.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from tenure.algorithms import bully, ring
from tenure.core.elector import Elector
from tenure.core.events import Received
from tests.algorithms.network import MS, Network, World

FAULTS_MS = 2_000
CALM_MS = 60_000
"""Long enough for every detector, and for some dozen elections in a row."""
MOST_SENT = 20_000
"""Of one storm: no run of the product comes near (tests say by how much), and a message that circles for ever does."""


class Setting(NamedTuple):
    """One algorithm with what it is told, and the networks that its model allows."""

    kind: type[Elector]
    settings: Any
    world: World


BULLY = Setting(bully.Bully, bully.Settings(delay_ns=10 * MS), World(delay_ms=(0, 10), detect_ms=(0, 60)))
RING = Setting(ring.Ring, ring.Settings(hop_ns=20 * MS), World(delay_ms=(0, 10), detect_ms=(0, 60), fifo=True))
RING_COPIES = RING._replace(world=World(delay_ms=(0, 40), detect_ms=(0, 60), duplicates=0.2))
"""Beyond the ring's model: copies, and messages that overtake others."""
SETTINGS = {"bully": BULLY, "ring": RING, "ring, copies": RING_COPIES}


def storm(setting: Setting, seed: int) -> tuple[Network, Counter[str]]:
    """One run to its end, and how often each fault struck."""
    chance = random.Random(seed)
    nodes = range(1, 3 + int(chance.random() * 7))
    net = Network(setting.kind, nodes, settings=setting.settings, world=setting.world, seed=seed)
    struck = Counter[str]()
    net.start()
    while net.now_ns < FAULTS_MS * MS and sum(net.sent.values()) < MOST_SENT:
        net.run(net.now_ns // MS + int(chance.random() ** 2 * 200))
        fault = ("crash", "crash", "back", "back", "blink", "join", "leave")[int(chance.random() * 7)]
        node = sorted(net.members)[int(chance.random() * len(net.members))]
        struck[fault] += strike(net, fault, node, new=10 - struck["join"])
    if not net.living:
        net.start(min(net.members))
    if seed % 2 == 0:  # not in all: the election that follows would cover up what the storm has left behind
        haunt(net)
    until_ms = net.now_ns // MS + CALM_MS
    while net.now_ns < until_ms * MS and sum(net.sent.values()) < MOST_SENT:
        net.run(min(until_ms, net.now_ns // MS + 100))
    return net, struck


def strike(net: Network, fault: str, node: int, *, new: int) -> bool:
    """Do one thing to a node; whether it could be done."""
    match fault:
        case "crash" if node in net.living:
            net.crash(node)
        case "back" if node not in net.living:
            net.start(node)
        case "blink" if node in net.living:  # back before anybody may have noticed
            net.crash(node)
            net.start(node)
        case "join" if new > 0 and len(net.members) < 12:
            net.join(100 * (new % 2) + 10 + new)  # greater than all, or somewhere between
        case "leave" if len(net.members) > 2:
            net.leave(node)
        case _:
            return False
    return True


def haunt(net: Network) -> None:
    """The number of a node that is no more comes round the ring, in a round of its own: hazard C26."""
    first, *others = sorted(net.living)
    if others and net.kind is ring.Ring:
        net.give(first, Received(others[-1], ring.Election(net.living[first].term + 1, 999)))


# What must hold in the end, each under its own name


def all_recognise_one_that_lives(net: Network) -> str:
    """AGREEMENT: the same leader everywhere, and it is one of those that live."""
    leaders = set(net.leaders.values())
    return "" if len(leaders) == 1 and leaders <= net.living.keys() else f"{net.leaders}"


def all_recognise_the_greatest(net: Network) -> str:
    """What bully adds."""
    return "" if set(net.leaders.values()) == {max(net.living)} else f"{net.leaders}"


def elections_end(net: Network) -> str:
    """TERMINATION: nothing is under way, and nothing will happen by itself."""
    busy = [node for node, elector in net.living.items() if elector.wake_ns <= net.now_ns + 10_000 * MS]
    return f"{busy} go on, after {dict(net.sent)}" if busy or sum(net.sent.values()) >= MOST_SENT else ""


CHECKERS = {
    "bully": (all_recognise_one_that_lives, all_recognise_the_greatest, elections_end),
    "ring": (all_recognise_one_that_lives, elections_end),
    "ring, copies": (all_recognise_one_that_lives, elections_end),
}


def violations(name: str, seed: int) -> Iterator[str]:
    """The names of the checkers that object to one storm, each with what it saw."""
    net, _ = storm(SETTINGS[name], seed)
    for checker in CHECKERS[name]:
        if found := checker(net):
            again = f"python -m tests.algorithms.storms '{name}' --seeds 1 --seed {seed}"
            yield f"{checker.__name__}: {found}; again: {again}"


def main(arguments: list[str] | None = None) -> int:
    """What the command line asks for; 1 if anything was violated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(SETTINGS))
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    found = [line for s in range(options.seed, options.seed + options.seeds) for line in violations(options.name, s)]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
