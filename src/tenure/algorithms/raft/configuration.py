"""Who votes, who only learns, and the majorities of both.

Ongaro and Ousterhout 2014, section 6: joint consensus, in which "agreement (for elections and entry commitment)
requires separate majorities from both the old and new configurations".
"""

from __future__ import annotations

import msgspec

from tenure.core.events import NodeId
from tenure.core.quorum import Quorum

NODE_BYTES = 9
"""What a node's number takes in a message at most."""


class Goal(msgspec.Struct, frozen=True, array_like=True):
    """What a configuration is on its way to, until its newcomers have the log: it stands in the log, so that whoever
    leads next goes on with it or gives it up.
    """

    voters: tuple[NodeId, ...]
    learners: tuple[NodeId, ...]
    newcomers: tuple[NodeId, ...]
    """Who learns for this alone, and learns no more if it is given up."""


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """In force at a node from when it stands in the node's log, committed or not."""

    voters: tuple[NodeId, ...]
    old: tuple[NodeId, ...] = ()
    """Of a joint configuration: the voters before; otherwise nobody."""
    learners: tuple[NodeId, ...] = ()
    """Who gets the log and has no vote."""
    goal: Goal | None = None
    """Of one with newcomers: what they learn for."""

    @property
    def is_joint(self) -> bool:
        return bool(self.old)

    @property
    def everybody(self) -> frozenset[NodeId]:
        return frozenset((*self.voters, *self.old, *self.learners))

    @property
    def is_nobodys(self) -> bool:
        """Whether nobody votes in it, or in what it is on its way to."""
        return not self.voters or (self.goal is not None and not self.goal.voters)

    @property
    def size(self) -> int:
        """Bytes that it takes in a message at most, nearly."""
        goal = () if self.goal is None else (*self.goal.voters, *self.goal.learners, *self.goal.newcomers)
        return NODE_BYTES * len((*self.voters, *self.old, *self.learners, *goal))

    def quorum(self) -> Quorum:
        """Its majorities. Raises ValueError where nobody votes."""
        return Quorum(self.voters, self.old) if self.old else Quorum(self.voters)

    def learning(self, voters: frozenset[NodeId], learners: frozenset[NodeId]) -> Configuration:
        """The same, where all those voters that have no vote yet learn, on the way to those voters and learners."""
        newcomers = voters - {*self.voters, *self.learners}
        goal = Goal(tuple(sorted(voters)), tuple(sorted(learners)), tuple(sorted(newcomers)))
        return Configuration(self.voters, (), tuple(sorted({*self.learners, *newcomers})), goal)

    def given_up(self) -> Configuration:
        """What it was before its goal."""
        assert self.goal is not None
        learners = tuple(learner for learner in self.learners if learner not in self.goal.newcomers)
        return Configuration(self.voters, (), learners)

    def towards(self, voters: frozenset[NodeId], learners: frozenset[NodeId]) -> Configuration:
        """The joint configuration that leads from this one to those voters and learners."""
        return Configuration(tuple(sorted(voters)), self.voters, tuple(sorted(learners - voters)))

    def final(self) -> Configuration:
        """What follows a joint configuration."""
        return Configuration(self.voters, (), self.learners)
