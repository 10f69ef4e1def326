"""Who votes, who only learns, and the majorities of both.

Ongaro and Ousterhout 2014, section 6: joint consensus, in which "agreement (for elections and entry commitment)
requires separate majorities from both the old and new configurations".
"""

from __future__ import annotations

import msgspec

from tenure.core.events import NodeId
from tenure.core.quorum import Quorum


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """In force at a node from when it stands in the node's log, committed or not."""

    voters: tuple[NodeId, ...]
    old: tuple[NodeId, ...] = ()
    """Of a joint configuration: the voters before; otherwise nobody."""
    learners: tuple[NodeId, ...] = ()
    """Who gets the log and has no vote."""

    @property
    def is_joint(self) -> bool:
        return bool(self.old)

    @property
    def everybody(self) -> frozenset[NodeId]:
        return frozenset((*self.voters, *self.old, *self.learners))

    def quorum(self) -> Quorum:
        """Its majorities. Raises ValueError where nobody votes."""
        return Quorum(self.voters, self.old) if self.old else Quorum(self.voters)

    def learning(self, newcomers: frozenset[NodeId]) -> Configuration:
        """The same with these for learners besides."""
        return Configuration(self.voters, (), tuple(sorted({*self.learners, *newcomers})))

    def towards(self, voters: frozenset[NodeId], learners: frozenset[NodeId]) -> Configuration:
        """The joint configuration that leads from this one to those voters and learners."""
        return Configuration(tuple(sorted(voters)), self.voters, tuple(sorted(learners - voters)))

    def final(self) -> Configuration:
        """What follows a joint configuration."""
        return Configuration(self.voters, (), self.learners)
