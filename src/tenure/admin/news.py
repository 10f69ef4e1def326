"""What happened to a node, numbered, in a ring of so many: who reads keeps a number and never a queue, so it costs
nothing, however slow it is; what it came too late for it is told to have missed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

import msgspec

from tenure.clock import BootClock, Clock
from tenure.core.effects import Divided
from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.durations import NS_PER_S
from tenure.errors import NodeFailed
from tenure.runtime.owner import Owner

LIMIT = 1024
"""Events that are kept: some hundred elections. Kubernetes keeps those of five minutes."""


class Happening(NamedTuple):
    """One thing that happened: numbers begin at 1 and grow by one; `data` is JSON on one line."""

    number: int
    kind: str
    data: bytes


class News(Owner):
    """Hears what becomes of a node, keeps it, hands it on to `then`. It is told in the node's loop, and read in any."""

    def __init__(self, then: Owner | None = None, *, clock: Clock | None = None, limit: int = LIMIT) -> None:
        self._then = then or Owner()
        self._clock = clock or BootClock()
        self._began_ns = self._clock.now_ns()
        self._ring = deque[Happening](maxlen=limit)
        self._latest = 0
        self._token = 0
        self._lock = threading.Lock()
        self._bell: Callable[[], None] = lambda: None

    # Reading

    @property
    def latest(self) -> int:
        """The number of the last event; 0 before the first."""
        with self._lock:
            return self._latest

    def after(self, number: int, most: int = 100) -> tuple[int, list[Happening]]:
        """How many events after this one are kept no more, and the first of those that are."""
        with self._lock:
            first = self._latest - len(self._ring) + 1
            missed = max(0, first - 1 - number)
            begin = max(0, number + 1 - first)
            return missed, list(islice(self._ring, begin, begin + most))

    def ring(self, bell: Callable[[], None]) -> None:
        """Call this after each event, in the node's loop; it must not wait."""
        self._bell = bell

    # What an owner is told

    def became(self, elector: Elector) -> None:
        self._tell("became", role=str(elector.role), leader=elector.leader, term=elector.term)
        self._then.became(elector)

    def authorised(self, token: int, deadline_ns: int) -> None:
        if token != self._token:  # else it is extended
            self._token = token
            left_s = max(0, deadline_ns - self._clock.now_ns()) / NS_PER_S
            self._tell("authorised", token=token, left_s=left_s)
        self._then.authorised(token, deadline_ns)

    def deposed(self, token: int, why: str) -> None:
        self._tell("deposed", token=token, why=why)
        self._then.deposed(token, why)

    def divided(self, divided: Divided) -> None:
        self._tell("divided", side=divided.side.value, sees=divided.sees, why=divided.why)
        self._then.divided(divided)

    def peer_heard(self, peer: NodeId, incarnation: int) -> None:
        self._tell("peer_heard", peer=peer, incarnation=f"{incarnation:016x}")
        self._then.peer_heard(peer, incarnation)

    def peer_lost(self, peer: NodeId, incarnation: int, certain: bool) -> None:
        self._tell("peer_lost", peer=peer, incarnation=f"{incarnation:016x}", certain=certain)
        self._then.peer_lost(peer, incarnation, certain)

    def asked(self, to: NodeId | None) -> bool:
        return self._then.asked(to)

    def noted(self, peer: NodeId, note: bytes) -> None:
        self._then.noted(peer, note)

    def failed(self, error: NodeFailed) -> None:
        self._tell("failed", why=str(error))
        self._then.failed(error)

    def _tell(self, kind: str, **what: object) -> None:
        at_s = (self._clock.now_ns() - self._began_ns) / NS_PER_S
        data = msgspec.json.encode({"at_s": at_s, **what})
        with self._lock:
            self._latest += 1
            self._ring.append(Happening(self._latest, kind, data))
        self._bell()
