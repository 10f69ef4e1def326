"""Votes, counted by voter: a repeated answer is one answer, and an answer of a stranger is none.

Majorities of one configuration intersect (Gifford 1979); of two configurations in force together both must agree
(joint consensus: Ongaro and Ousterhout 2014, section 6).
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping

from tenure.core.events import NodeId


class Verdict(enum.Enum):
    """What the answers so far amount to."""

    PENDING = "pending"
    WON = "won"
    LOST = "lost"


def majority_of(voters: int) -> int:
    """The smallest number that is more than half of so many voters."""
    return voters // 2 + 1


class Quorum:
    """One or two configurations of voters, each of which must agree by majority."""

    def __init__(self, *configurations: Iterable[NodeId]) -> None:
        self.configurations = tuple(frozenset(voters) for voters in configurations)
        if not self.configurations or not all(self.configurations):
            raise ValueError("a quorum needs one configuration at least, and each of them a voter")

    @property
    def voters(self) -> frozenset[NodeId]:
        """Everybody whose answer counts."""
        return frozenset().union(*self.configurations)

    def verdict(self, answers: Mapping[NodeId, bool]) -> Verdict:
        """What these answers decide, True for a yes: won by every configuration, or lost once one cannot be won."""
        verdicts = {_verdict(voters, answers) for voters in self.configurations}
        if Verdict.LOST in verdicts:
            return Verdict.LOST
        return Verdict.PENDING if Verdict.PENDING in verdicts else Verdict.WON

    def is_met_by(self, nodes: Collection[NodeId]) -> bool:
        """Whether these nodes are a majority of every configuration."""
        return self.verdict(dict.fromkeys(nodes, True)) is Verdict.WON

    def reached(self, values: Mapping[NodeId, int]) -> int | None:
        """The greatest value that a majority of every configuration has reached; None while too few have any."""
        reached = [_reached(voters, values) for voters in self.configurations]
        return reached[0] if len(reached) == 1 else min(reached, key=_none_first)


def _verdict(voters: frozenset[NodeId], answers: Mapping[NodeId, bool]) -> Verdict:
    needed = majority_of(len(voters))
    yes = sum(answers.get(voter, False) for voter in voters)
    no = sum(not answers.get(voter, True) for voter in voters)
    if yes >= needed:
        return Verdict.WON
    return Verdict.LOST if no > len(voters) - needed else Verdict.PENDING


def _reached(voters: frozenset[NodeId], values: Mapping[NodeId, int]) -> int | None:
    known = sorted([values[voter] for voter in voters if voter in values])
    needed = majority_of(len(voters))
    return known[-needed] if len(known) >= needed else None


def _none_first(value: int | None) -> tuple[bool, int]:
    return (value is not None, value or 0)
