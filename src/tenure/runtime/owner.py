"""Whoever has a node, and is told what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.core.effects import Divided
from tenure.core.elector import Elector
from tenure.core.events import NodeId

if TYPE_CHECKING:
    from tenure.errors import NodeFailed


class Owner:
    """Who is told what becomes of a node; each in the loop's thread, after the event was dealt with. Override what
    matters; to ask the driver for something from here is allowed.
    """

    def became(self, elector: Elector) -> None:
        """Its role, leader or term has changed."""

    def authorised(self, token: int, deadline_ns: int) -> None:
        """It may act under the token until then on its own clock; said anew when that is extended."""

    def deposed(self, token: int, why: str) -> None:
        """It may not act under the token any more."""

    def divided(self, divided: Divided) -> None:
        """Its view of a group that has come apart."""

    def peer_heard(self, peer: NodeId, incarnation: int) -> None:
        """A connection from this life of a peer stands."""

    def peer_lost(self, peer: NodeId, incarnation: int, certain: bool) -> None:
        """That connection broke; with `certain`, the kernel says that the peer's process is gone."""

    def failed(self, error: NodeFailed) -> None:
        """It has stopped for good."""

    # Of a whole node, beside its elector

    def asked(self, to: NodeId | None) -> bool:
        """Somebody wishes that the node, if it leads, step down in favour of `to`; whether the owner sees to it.

        Who acts on the node's authority has to stop before the elector hears of it: that closes the tenure at once.
        """
        del to
        return False

    def noted(self, peer: NodeId, note: bytes) -> None:
        """What the owner of another node says to this one. Raises CodecError: then the connection is closed."""
