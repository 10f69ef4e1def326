"""The bare core of Raft: three nodes wired in memory, commands in batches of 64, and what an idle group of five costs.

Times are of the processor. Durability is answered at once and messages are handed over as objects, so that nothing but
the core is measured.
`python -m benchmarks.raft` shows where the time goes.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import sys
import time
from collections import deque
from collections.abc import Sequence
from random import Random

from benchmarks.measure import quantile
from tenure.algorithms.raft import Raft, Settings
from tenure.algorithms.raft.messages import Execute, Executed, Opened, OpenSession
from tenure.core.effects import Answered, Effect, Persist, Send
from tenure.core.events import Demand, Event, Persisted, Received, Requested, Started, Woke
from tenure.machines import kv

BATCH = 64
ENTRIES = 256_000


class Group:
    """Nodes whose messages arrive at once, in order, and whose disks are done at once."""

    def __init__(self, nodes: int) -> None:
        settings = Settings(voters=tuple(range(1, nodes + 1)))
        self.now_ns = 0
        self.handled = 0
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


def idle_cost(seconds: int) -> tuple[float, float]:
    """Of an idle group of five: events a second of virtual time, and seconds of work for each."""
    group = Group(5)
    group.leader()
    before, begun_s = group.handled, time.process_time()
    group.pass_time(group.now_ns + seconds * 1_000_000_000)
    return (group.handled - before) / seconds, (time.process_time() - begun_s) / seconds


def main(trials: int) -> None:
    """Print the figures."""
    rates = [entries_per_second(ENTRIES) for _ in range(max(3, trials // 5))]
    events, work_s = idle_cost(100)
    p50, best = quantile(rates, 0.5), max(rates)
    print(f"three nodes, batches of {BATCH}: {p50:,.0f} committed entries a second, {best:,.0f} at best")
    print(f"an idle group of five: {events:,.0f} events a second of its time, {work_s * 1e6:,.0f} us of work for it")


def profile() -> None:
    """Print where the time goes."""
    profiler = cProfile.Profile()
    profiler.runcall(entries_per_second, ENTRIES)
    pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    profile()
