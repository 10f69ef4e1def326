"""Whether what clients were told can be told by one register for each key that does one thing at a time.

    from tenure.simulator.linearizability import check

    verdict = check(operations)
    verdict.outcome, verdict.failure

M. Herlihy and J. Wing, "Linearizability: A Correctness Condition for Concurrent Objects", TOPLAS 12(3), July 1990,
define it: each operation takes effect at one instant between its invocation and its answer. By their theorem of
locality each key is judged by itself.

verdict   what is found
check     all keys, inside limits of time and memory
part      the operations of one key, numbered for the search
levels    what can be known of them before that, answer by answer
search    the search of Wing and Gong with Lowe's cache
shortest  the shortest part that fails
histories a history from a file, our own or Jepsen's
jepsen    Jepsen's histories of registers, line by line
edn       the little of Clojure's notation that they need
"""

from __future__ import annotations

from tenure.simulator.linearizability.check import check
from tenure.simulator.linearizability.verdict import Failure, HistoryError, Outcome, Verdict

__all__ = ["Failure", "HistoryError", "Outcome", "Verdict", "check"]
