"""A hunt finds the smallest seed that violates anything, on any executor, and leaves nothing behind."""

from __future__ import annotations

import itertools
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tenure.algorithms.bully import Bully
from tenure.errors import ConfigurationError, TenureError
from tenure.simulator import hunt as hunting
from tenure.simulator import plan, simulate
from tenure.simulator.hunt import Hunt, Job, Outcome, hunt, look
from tenure.simulator.tally import Tally
from tenure.simulator.workers import MOST_UNDER_WAY

SHORT: dict[str, Any] = {"until": 12, "nodes": 4}
DIVIDED: dict[str, Any] = {**SHORT, "faults": ["partition"], "check": ["one-leader"]}
"""Most seeds violate this."""


class Reversed(Executor):
    """Runs what it was given only when somebody waits, the last first; counts what is under way."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.most = self.submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = _Lazy(self)
        self.submitted += 1
        self.waiting.append((future, lambda: fn(*args, **kwargs)))
        self.most = max(self.most, len(self.waiting))
        return future

    def work(self) -> None:
        while self.waiting:
            future, call = self.waiting.pop()
            if future.set_running_or_notify_cancel():
                future.set_result(call())


class _Lazy(Future[Any]):
    def __init__(self, executor: Reversed) -> None:
        super().__init__()
        self._executor = executor

    def result(self, timeout: float | None = None) -> Any:
        self._executor.work()
        return super().result(timeout)


def smallest(**options: Any) -> int:
    """The smallest seed that violates something, by trying one after another."""
    return next(seed for seed in itertools.count() if simulate("bully", seed=seed, trace=False, **options).violations)


RARE: dict[str, Any] = {"until": 12, "nodes": 3, "faults": ["one-way", "loss"], "check": ["one-leader"]}
"""Some seeds violate this, and not the first."""


def test_the_smallest_seed_is_found_by_every_executor() -> None:
    """One worker, several, or one that does the last first: the same seed, and the same counts."""
    expected = smallest(**RARE)
    assert expected > 0, "the first seed of all would be found by chance"
    found: list[Hunt] = [hunt("bully", 60, executor=Reversed(), workers=5, shrink_runs=0, **RARE)]
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as executor:
            found.append(hunt("bully", 60, executor=executor, workers=workers, shrink_runs=0, **RARE))
    assert [one.found and one.found.seed for one in found] == [expected] * 3
    assert found[0].tally == found[1].tally == found[2].tally
    assert found[0].tally.runs == expected + 1


def test_who_takes_the_first_that_finishes_finds_another() -> None:
    """The rule taken away: the answer depends on which worker is quick."""

    def as_they_finish(
        executor: Executor, work: Callable[[int], Outcome], seeds: range, most: int
    ) -> Iterator[Outcome]:
        del most
        under_way = [executor.submit(work, seed) for seed in seeds]
        yield from (future.result() for future in reversed(under_way))

    with patch.object(hunting, "in_order", as_they_finish):
        found = hunt("bully", 30, executor=Reversed(), shrink_runs=0, **RARE).found
    assert found is not None
    assert found.seed != smallest(**RARE)


def test_what_is_under_way_is_bounded_and_stops_with_the_violation() -> None:
    """A million seeds are not sent at once, and none is sent after the one that is found."""
    executor = Reversed()
    done = hunt("bully", 1_000_000, executor=executor, workers=2, shrink_runs=0, **DIVIDED)
    assert done.found is not None
    assert executor.most <= MOST_UNDER_WAY * 2
    assert executor.submitted <= done.found.seed + MOST_UNDER_WAY * 2


def test_what_is_sent_and_what_comes_back_are_plain_data() -> None:
    """Any executor can carry it, to another machine too: both survive a pickle."""
    job = Job("ring", until_ns=2 * 10**9, faults=("crash",))
    outcome = look(job, 3)
    assert pickle.loads(pickle.dumps((job, look))) == (job, look)  # noqa: S301  what was just made here
    assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301  the same


def test_processes_of_its_own_find_the_same() -> None:
    """Without an executor there is a process for each core."""
    assert hunt("ring", 6, **SHORT).tally == hunt("ring", 6, executor=Reversed(), **SHORT).tally


def test_a_clean_hunt_counts_all_that_fired() -> None:
    """Every fault of the model struck, every role was taken, every message sent; nothing is missing from the table."""
    seen: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        done = hunt("bully", 60, executor=executor, until=20, progress=seen.append)
    assert done.found is None
    assert done.tally.never() == []
    assert seen == list(range(1, 61))
    rows = {(fired.what, fired.name) for fired in done.tally.fired()}
    faults = {("fault", name) for name in plan.kinds_within(Job("bully").setup(0).kind)}
    assert faults | {("role", "to leading"), ("role", "to answered"), ("message", "COORDINATOR")} <= rows


def test_what_never_fired_is_said() -> None:
    """A fault that was asked for and never struck, a role that nobody took, a message that nobody sent: zero."""
    never = {
        (fired.what, fired.name)
        for fired in hunt("bully", 1, executor=Reversed(), nodes=1, until=1, faults=["crash", "loss"]).tally.never()
    }
    assert {("fault", "loss"), ("role", "to answered"), ("role", "to gone"), ("message", "ANSWER")} <= never


def test_a_run_in_which_nobody_was_elected_is_counted_as_none() -> None:
    """A tenth of a second is too short for an election."""
    tally = hunt("raft", 5, executor=Reversed(), until=0.1).tally
    assert (tally.runs, tally.void, tally.leaders) == (5, 5, 0)


def test_an_elector_that_raises_is_a_violation_with_its_seed() -> None:
    """A defect does not end the hunt without a word about where it is."""

    def fails(*_: object) -> None:
        raise AssertionError("cannot be")

    with patch.object(Bully, "_answered", fails):
        done = hunt("bully", 3, executor=Reversed(), until=12)
    assert done.found is not None
    assert done.found.violations[0].checker == "no-exception"
    assert "AssertionError: cannot be (test_hunt.py:" in done.found.violations[0].text
    assert done.smallest is not None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"seeds": 0}, "seeds are 0"),
        ({"algorithm": "bulli"}, "no algorithm 'bulli'"),
        ({"faults": ["crush"]}, "no fault 'crush'"),
        ({"check": ["one"]}, "no checker 'one'"),
        ({"detector": "x"}, "no detector 'x'"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_runs(options: dict[str, Any], complaint: str) -> None:
    """By name, and with what there is."""
    executor = Reversed()
    with pytest.raises(ConfigurationError, match=complaint):
        hunt(**{"algorithm": "bully", "seeds": 5, "executor": executor, **options})
    assert executor.submitted == 0


def test_a_worker_that_dies_ends_the_hunt_with_advice() -> None:
    """Out of memory, for example."""

    class Dying(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            del fn, args, kwargs
            future = Future[Any]()
            future.set_exception(BrokenProcessPool())
            return future

    with pytest.raises(TenureError, match="fewer workers"):
        hunt("bully", 5, executor=Dying())


HUNTER = """
import sys
from tenure.simulator.hunt import hunt
if __name__ == "__main__":
    hunt("bully", 100_000, workers=2, progress=lambda done: print(done, flush=True))
"""


def children(pid: int) -> list[int]:
    """The processes that this one has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_hunt_that_is_ended(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C ends it and its workers; so does a kill, of which it learns nothing itself."""
    program = tmp_path / "hunter.py"
    program.write_text(HUNTER, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "it has begun"
        started = children(process.pid)
        process.send_signal(number)
        _, complained = process.communicate(timeout=60)
    assert started, "it had workers"
    end_s = time.monotonic() + 30
    while any(_lives(pid) for pid in started):
        assert time.monotonic() < end_s, "its workers live on"
        time.sleep(0.02)
    if number is signal.SIGINT:
        assert complained.rstrip().endswith(b"KeyboardInterrupt")
        assert complained.count(b"Traceback") == 1, "workers say nothing"


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_tally_of_two_halves_is_that_of_the_whole() -> None:
    """Counts are added; what was expected keeps its row."""
    whole, halves = Tally(), [Tally(), Tally()]
    for seed in range(4):
        outcome = look(Job("ring", until_ns=5 * 10**9), seed)
        whole.add(outcome.tally)
        halves[seed % 2].add(outcome.tally)
    halves[0].add(halves[1])
    assert halves[0] == whole
