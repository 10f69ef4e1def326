"""The bare core of Raft: three nodes wired in memory, commands in batches of 64, and what an idle group of five costs.

Times are of the processor. Durability is answered at once and messages are handed over as objects, so that nothing but
the core is measured.
`python -m benchmarks raft --profile` shows where the time goes.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from pathlib import PurePath
from random import Random

from benchmarks.measure import quantile
from tenure.algorithms.raft import Raft, Settings
from tenure.algorithms.raft.messages import Execute, Executed, Opened, OpenSession
from tenure.core.effects import Answered, Effect, Persist, Send
from tenure.core.events import Demand, Event, Persisted, Received, Requested, Started, Woke
from tenure.machines import kv

PARTS = {
    "what clients ask becomes entries": ("requests.py",),
    "the log: append, find, persist": ("log.py", "state.py"),
    "replication: send, match, commit": ("replication.py", "progress.py", "snapshots.py"),
    "apply: sessions and the machine": ("applying.py", "sessions.py", "kv.py", "base.py"),
    "dispatch, and what is refused": ("elector.py", "admission.py"),
    "promises, reads, members, transfers": (
        "tenures.py",
        "reads.py",
        "membership.py",
        "transfers.py",
        "deaths.py",
        "elections.py",
    ),
    "majorities": ("quorum.py", "configuration.py"),
    "the harness: wires, disks, counting": ("benchmarks/raft.py",),
}
"""Files by what they do; what is built in counts for the function that calls it."""
BATCH = 64
ENTRIES = 256_000
Function = tuple[str, int, str]


class Group:
    """Nodes whose messages arrive at once, in order, and whose disks are done at once."""

    def __init__(self, nodes: int) -> None:
        settings = Settings(voters=tuple(range(1, nodes + 1)))
        self.now_ns = 0
        self.handled = 0
        self.woken = 0
        self.answers: list[Answered] = []
        self._todo = deque[tuple[int, Event | Demand]]()
        self.nodes = {me: Raft(me, range(1, nodes + 1), Random(me), settings) for me in range(1, nodes + 1)}
        for me in self.nodes:
            self.give(me, Started())

    def give(self, node: int, event: Event | Demand) -> None:
        """Hand over an event and all that comes of it."""
        todo = self._todo
        todo.append((node, event))
        while todo:
            to, what = todo.popleft()
            self.handled += 1
            self._carry_out(to, self.nodes[to].handle(what, self.now_ns))

    def _carry_out(self, node: int, effects: Sequence[Effect]) -> None:
        written = 0
        for effect in effects:
            if isinstance(effect, Send):
                self._todo.append((effect.to, Received(node, effect.message)))
            elif isinstance(effect, Persist):
                written = effect.number
            elif isinstance(effect, Answered):
                self.answers.append(effect)
        if written:
            self._todo.appendleft((node, Persisted(written)))

    def pass_time(self, until_ns: int) -> None:
        """Wake whoever is due."""
        while (due := min(self.nodes.values(), key=lambda node: node.wake_ns)).wake_ns <= until_ns:
            self.now_ns = due.wake_ns
            self.woken += 1
            self.give(due.me, Woke())
        self.now_ns = until_ns

    def leader(self) -> int:
        """Who leads, once somebody does."""
        while not (leading := [node.me for node in self.nodes.values() if node.leader == node.me]):
            self.pass_time(self.now_ns + 10_000_000)
        return leading[0]


def entries_per_second(entries: int) -> float:
    """Commands of one session, put into the machine by all three nodes, and answered."""
    group = Group(3)
    leader = group.leader()
    group.give(leader, Requested((OpenSession(0),)))
    opened = group.answers.pop().answer
    assert isinstance(opened, Opened)
    payload = kv.encode(kv.Put("key", b"value"))
    batches = [
        Requested(tuple(Execute(at, opened.client, at, payload) for at in range(first, first + BATCH)))
        for first in range(1, entries + 1, BATCH)
    ]
    gc.collect()
    gc.freeze()  # what the clients ask is not the core's
    begun_s = time.process_time()
    for batch in batches:
        group.now_ns += 100_000
        group.give(leader, batch)
        if group.nodes[leader].wake_ns <= group.now_ns:
            group.pass_time(group.now_ns)
    took_s = time.process_time() - begun_s
    gc.unfreeze()
    done = sum(isinstance(answered.answer, Executed) for answered in group.answers)
    assert done == len(batches) * BATCH, f"{done} of {len(batches) * BATCH} were applied"
    return done / took_s


def idle_cost(seconds: int) -> tuple[float, float, float]:
    """Of an idle group of five, for each second of its time: messages, wake-ups, and seconds of work."""
    group = Group(5)
    group.leader()
    handled, woken, begun_s = group.handled, group.woken, time.process_time()
    group.pass_time(group.now_ns + seconds * 1_000_000_000)
    took_s, wakes = time.process_time() - begun_s, group.woken - woken
    return (group.handled - handled - wakes) / seconds, wakes / seconds, took_s / seconds


def main(trials: int) -> None:
    """Print the figures."""
    rates = [entries_per_second(ENTRIES) for _ in range(max(3, trials // 5))]
    messages, wakes, work_s = idle_cost(100)
    p50, best = quantile(rates, 0.5), max(rates)
    print(f"three nodes, batches of {BATCH}: {p50:,.0f} committed entries a second, {best:,.0f} at best")
    print(f"an idle group of five: {messages:.0f} messages and {wakes:.0f} wake-ups a second, {work_s:.2%} of a core")


def profile() -> None:
    """Print where the time goes, by what the code does. To measure takes time too, most where functions are short."""
    profiler = cProfile.Profile()
    profiler.runcall(entries_per_second, ENTRIES // 4)
    seconds: dict[str, float] = defaultdict(float)
    calls = Counter[str]()
    stats: dict[Function, tuple[int, int, float, float, dict[Function, tuple[int, int, float, float]]]]
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]  # typeshed does not know it, and nothing else has the callers
    for function, (_, count, own_s, _, callers) in stats.items():
        if function[0] != "~":
            seconds[part_of(function)] += own_s
            calls[part_of(function)] += count
            continue
        for caller, (_, _, for_caller_s, _) in callers.items():
            seconds[part_of(caller)] += for_caller_s
    whole = sum(seconds.values())
    print(f"{'':36}   share    calls an entry")
    for part, own_s in sorted(seconds.items(), key=lambda one: -one[1]):
        print(f"{part:36}  {own_s / whole:6.1%}  {calls[part] / (ENTRIES // 4):16.2f}")


def part_of(function: Function) -> str:
    """What the file of a function does."""
    path = PurePath(function[0])
    ends = (path.name, "/".join(path.parts[-2:]))
    is_harness = ends[1] == "benchmarks/raft.py"
    found = (part for part, files in PARTS.items() if ends[1] in files or (ends[0] in files and not is_harness))
    return next(found, "all else")
