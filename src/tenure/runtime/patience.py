"""Messages to peers that are not reached yet, or not any more, kept for a moment.

Some algorithms assume that no message is lost between nodes that live. A node that has just been started lives before
all of its connections stand, and the first thing that it does is to ask everybody something.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tenure.core.events import NodeId
from tenure.durations import NS_PER_S

KEEP_NS = NS_PER_S // 2
"""The bound on a message's delay that bully and ring assume unless they are set up otherwise: what is older is as good
as lost to them. A connection to a node that listens takes some milliseconds."""
KEEP_BYTES = 256 * 1024
"""For each peer: some thousand messages of an election."""


class Patience:
    """What waits for its peer to be reached. `now_ns` is the node's clock."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._waiting: dict[NodeId, deque[tuple[int, bytes]]] = {}
        self._bytes: dict[NodeId, int] = {}

    def keep(self, peer: NodeId, payload: bytes) -> bool:
        """Keep it; False where there is no room."""
        self._forget_old(peer)
        size = self._bytes.get(peer, 0) + len(payload)
        if size > KEEP_BYTES:
            return False
        self._waiting.setdefault(peer, deque()).append((self._now_ns() + KEEP_NS, payload))
        self._bytes[peer] = size
        return True

    def take(self, peer: NodeId) -> list[bytes]:
        """What is to be sent now that the peer is reached, in order."""
        self._forget_old(peer)
        self._bytes.pop(peer, None)
        return [payload for _, payload in self._waiting.pop(peer, ())]

    def forget(self, peer: NodeId) -> None:
        """It is no member any more."""
        self._waiting.pop(peer, None)
        self._bytes.pop(peer, None)

    def _forget_old(self, peer: NodeId) -> None:
        waiting, now_ns = self._waiting.get(peer), self._now_ns()
        while waiting and waiting[0][0] <= now_ns:
            _, payload = waiting.popleft()
            self._bytes[peer] -= len(payload)
