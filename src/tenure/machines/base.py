"""The interface of a replicated state machine: deterministic, with no clock, no chance and no world.

F. B. Schneider, "Implementing Fault-Tolerant Services Using the State Machine Approach", ACM Computing Surveys 22(4),
December 1990, pages 299-319, doi:10.1145/98163.98167: "outputs of a state machine are completely determined by the
sequence of requests it processes, independent of time and any other activity in a system".
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Machine(ABC):
    """What a log applies its commands to. Commands, queries and answers are bytes; the log reads none of them."""

    @abstractmethod
    def apply(self, index: int, command: bytes) -> bytes:
        """Carry out the command that stands at `index` of the log, and answer it.

        Indexes grow from call to call, with gaps. Raises nothing: what cannot be read is answered with that, since
        every copy has to get past it.
        """

    @abstractmethod
    def query(self, query: bytes) -> bytes:
        """Answer from what is there, and change nothing. Raises nothing."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """All that is there, the same bytes wherever the same commands were applied."""

    @abstractmethod
    def restore(self, snapshot: bytes) -> None:
        """Be what `snapshot` says, and nothing else. Raises ValueError for what is no snapshot of this machine, and
        then has changed nothing.
        """
