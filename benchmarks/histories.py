"""Operations a second of `tenure check`'s search, on histories drawn from real executions, and on the same with one
wrong read. There is no peer here: Knossos and Porcupine need Clojure or Go.
"""

from __future__ import annotations

import time
from random import Random

import msgspec

from tenure.simulator.history import Operation
from tenure.simulator.linearizability import check
from tests.simulator.executions import execution

CASES = ((5_000, 5, 0.0, 1), (5_000, 20, 0.02, 1), (50_000, 10, 0.0, 1), (50_000, 20, 0.02, 50))
"""Operations, clients, the share whose outcome is unknown, keys."""
LIMIT_S = 10.0


def main(trials: int) -> None:
    """Print a row for each case; `trials` is not used, since each history has thousands of operations."""
    del trials
    print(f"{'operations':>10}{'clients':>9}{'unknown':>9}{'keys':>6}  {'right':>14}  one read wrong", flush=True)
    for count, clients, unknown, keys in CASES:
        operations = execution(Random(1), count, clients, values=5, keys=keys, unknown=unknown)
        took_s, verdict = _timed(operations)
        row = f"{count:10}{clients:9}{unknown:9.0%}{keys:6}  {count / took_s:11.0f}/s  "
        at = next(
            at for at, one in enumerate(operations) if at > count * 0.9 and one.kind == "read" and one.completed_ns
        )
        operations[at] = msgspec.structs.replace(operations[at], result=99)
        took_s, wrong = _timed(operations)
        assert verdict == "linearizable"
        print(f"{row}{wrong} in {took_s:.1f} s", flush=True)


def _timed(operations: list[Operation]) -> tuple[float, str]:
    started_s = time.perf_counter()
    verdict = check(operations, limit_s=LIMIT_S)
    return time.perf_counter() - started_s, verdict.outcome.value
