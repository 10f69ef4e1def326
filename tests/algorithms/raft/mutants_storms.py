"""Rules of Raft that only batches, a crowd, little room, or a change of voters amid everything else put to the test,
taken away one at a time: each with the checker that sees it.
"""

# ruff: noqa: SLF001  a mutant does what it mutates in another way

from __future__ import annotations

from collections.abc import Sequence

from tenure.algorithms.raft import Raft
from tenure.algorithms.raft.messages import ChangeVoters, Command, Executed, NoSession, Outrun
from tenure.algorithms.raft.progress import Progress
from tenure.algorithms.raft.sessions import Session, Sessions
from tenure.core.events import Request
from tenure.simulator.clients import ANSWERS, LINEARIZABLE
from tests.algorithms.raft.mutants import COMPLETE, Mutant, leave_joint_before_it_is_committed, report

requested, execute, matched = Raft._requested, Sessions.execute, Progress.matched
BESET = ("beset-change",)


def number_commands_before_a_change_appends_its_own(self: Raft, requests: Sequence[Request], now_ns: int) -> None:
    """A batch's commands are noted under the indexes that they would have without the entry of its change."""
    changes = [request for request in requests if isinstance(request, ChangeVoters)]
    last_index = self.log.last_index
    requested(self, changes, now_ns)
    appended = self.log.last_index - last_index
    requested(self, [request for request in requests if not isinstance(request, ChangeVoters)], now_ns)
    if appended:
        first = last_index + appended + 1
        self._asked = {(at - appended if at >= first else at): asked for at, asked in self._asked.items()}


def say_nothing_of_what_was_begun(self: Raft) -> None:
    """A leader that is deposed leaves its clients without an answer."""
    self._asked.clear()


def count_what_was_answered_as_under_way(self: Progress, index: int) -> None:
    """A follower's window fills, and never empties."""
    under_way = list(self.under_way)
    matched(self, index)
    self.bytes = sum(size for _, size in under_way) if under_way else self.bytes


def apply_what_was_outrun(self: Sessions, index: int, command: Command) -> Executed | NoSession | Outrun:
    """A command that comes after a later one of its session is applied, perhaps again."""
    answer = execute(self, index, command)
    return Executed(index, self.machine.apply(index, command.payload)) if isinstance(answer, Outrun) else answer


def apply_commands_of_no_session(self: Sessions, index: int, command: Command) -> Executed | NoSession | Outrun:
    """Whose session has expired begins another one by asking."""
    self._known.setdefault(command.client, Session(command.client, index))
    return execute(self, index, command)


def leave_a_joint_configuration_too_soon(self: Raft, now_ns: int) -> None:
    """As soon as it is in force, whoever has it."""
    leave_joint_before_it_is_committed(self, now_ns)


MUTANTS = (
    Mutant(Raft, "_requested", number_commands_before_a_change_appends_its_own, ANSWERS, 40, BESET),
    Mutant(Raft, "_disown", say_nothing_of_what_was_begun, ANSWERS, 2, ("leader-death", "partition")),
    Mutant(Progress, "matched", count_what_was_answered_as_under_way, ANSWERS, 3, BESET),
    Mutant(Sessions, "execute", apply_what_was_outrun, LINEARIZABLE, 18, BESET),
    Mutant(Raft, "_change_on", leave_a_joint_configuration_too_soon, COMPLETE, 59, BESET),
    Mutant(Sessions, "execute", apply_commands_of_no_session, LINEARIZABLE, 2, BESET),
)


if __name__ == "__main__":
    report(MUTANTS)
