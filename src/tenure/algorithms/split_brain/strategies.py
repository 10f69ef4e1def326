"""The strategies: which nodes are enough to go on."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar

from tenure.algorithms.split_brain.resolver import Settings, SplitBrain
from tenure.algorithms.split_brain.sides import is_majority, is_quorum, most_members
from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.core.model import Guarantee
from tenure.core.quorum import majority_of
from tenure.errors import ConfigurationError


class KeepMajority(SplitBrain):
    """More than half of the members that this node was told of go on; of two halves the one with the lowest number."""

    name: ClassVar[str] = "keep-majority"

    def stays(self, side: frozenset[NodeId]) -> bool:
        return is_majority(self.members, side)


class QuorumSettings(Settings, frozen=True, kw_only=True):
    """What all nodes of one group must agree on."""

    size: int | None = None
    """How many nodes a side needs to go on. None: a majority of the members that the node is made with, which must then
    be the same everywhere; so set it where members join."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None and self.size < 1:
            raise ValueError(f"size is {self.size}; a quorum is one node at least")


class StaticQuorum(SplitBrain):
    """So many nodes go on as the settings say, however many members there are: at most 2 * size - 1.

    Raises ConfigurationError where more are named, for then both sides of a partition could have so many. Should more
    join later, nobody stays when the group comes apart, and Divided says why.
    """

    name: ClassVar[str] = "static-quorum"

    @classmethod
    def guarantees_over(cls, inner: type[Elector]) -> frozenset[Guarantee]:
        """Nothing about the end: fewer than the quorum follow nobody, even where they are all that are left, and where
        members have joined nobody may stay.
        """
        return inner.guarantees - {Guarantee.AGREEMENT, Guarantee.GREATEST, Guarantee.TERMINATION}

    def __init__(
        self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: QuorumSettings | None = None
    ) -> None:
        settings = settings or QuorumSettings()
        super().__init__(me, members, chance, settings)
        self.size = majority_of(len(self.members)) if settings.size is None else settings.size
        most = most_members(self.size)
        if len(self.members) > most:
            raise ConfigurationError(
                f"{len(self.members)} members with a static quorum of {self.size}: both sides could have that many; "
                f"name {most} members at most, or set size to {majority_of(len(self.members))}"
            )

    def stays(self, side: frozenset[NodeId]) -> bool:
        return is_quorum(self.members, side, self.size)

    def _count(self, side: frozenset[NodeId]) -> str:
        if len(self.members) > most_members(self.size):
            return f"{len(self.members)} members are too many for a quorum of {self.size}"
        return f"{super()._count(side)}, and {self.size} are needed"
