"""Whom a client asks, and how: through a node of its own process, or by connections to nodes elsewhere."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tenure.core.events import Answer, NodeId, Request
from tenure.errors import TenureError


class NotAsked(TenureError):
    """There is no way to that node now, or too much waits for it: nothing was asked of it. Ask again later."""


class AnswerLost(TenureError):
    """The connection broke before an answer came: what was asked for may have come about, or not."""


class Way(Protocol):
    """A way to a group, on one event loop."""

    def whom(self) -> NodeId:
        """Whom to ask who serves clients: the leader, if it is known, or who would know."""
        ...

    def ask(self, to: NodeId, kind: type[Request], *fields: object) -> asyncio.Future[Answer]:
        """Ask node `to` for `kind(id, *fields)`. It never waits; limit the time in which you wait for the answer.

        The future fails with NotAsked or WishRefused, and then nothing was asked for; with anything else, and then it
        may have come about; and so it does once another node is known to lead.
        """
        ...

    def doubt(self, to: NodeId) -> None:
        """`to` has not answered for longer than it should: look for somebody else."""
