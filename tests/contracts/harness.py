"""What the contract suite needs from a backend beside `tenure.backends.base`: each kind has one of these.

A new backend gets a `BackendHarness` in `harnesses.py`; it passes the whole suite, or is not done. What a backend
cannot do is asked of its capabilities, never of its class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from tenure.backends.base import Backend, Candidate


class Puppet(ABC):
    """A candidate that campaigns in a process of its own, or in what passes for one, until it is killed."""

    @abstractmethod
    async def elected(self) -> int:
        """Wait until it is elected; returns its token."""

    @abstractmethod
    async def kill(self) -> None:
        """End it as SIGKILL does: it gives nothing back and says nothing any more."""


class BackendHarness(ABC):
    """One service for one test, empty at the start."""

    kind: str
    moves = True
    """Whether elections can move here and away; where not, the tests of that do not run."""

    @abstractmethod
    def connect(self) -> Backend:
        """A new backend on the one service, as another process would have one."""

    @abstractmethod
    async def crash(self, backend: Backend) -> None:
        """End `backend` as if its process were killed, as far as that can be done within this process."""

    @abstractmethod
    async def puppet(self, candidate: Candidate) -> Puppet:
        """Let `candidate` campaign in another process."""

    @abstractmethod
    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass on the service's clock."""

    @abstractmethod
    async def depose(self, election: str) -> None:
        """Take the grant from whoever leads, against its will."""

    @abstractmethod
    async def close(self) -> None:
        """Remove the service, which is connected to no more."""
