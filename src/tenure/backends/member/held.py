"""A candidate that waits at a node, and what it has once it is elected."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

from tenure.backends.base import Candidate, Gone, Leader
from tenure.errors import Reason
from tenure.holding.events import Deposed, Granted, Wish
from tenure.runtime.node import RuntimeNode
from tenure.runtime.threads import Crossing

LIMIT_NEWS = 64
"""Wishes of one tenure; a leader obeys the first."""

_numbers = itertools.count()


class Attempt:
    """A campaign that waits; made on the loop of who waits, and then the node's."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.crossing: Crossing[Held] = Crossing()
        self.number = next(_numbers)
        self.held: Held | None = None
        self.is_withdrawn = False

    def won(self, held: Held) -> None:
        self.held = held
        self.crossing.told(held)

    def failed(self, error: Exception) -> None:
        self.crossing.failed(error)


class Held:
    """A grant. `renew` may be called from any thread; everything else belongs to the node's."""

    def __init__(
        self,
        candidate: Candidate,
        node: RuntimeNode,
        *,
        token: int,
        now_ns: int,
        deadline_ns: int,
        clean: bool,
    ) -> None:
        self.candidate = candidate
        self.granted = Granted(token=token, sent_ns=now_ns, lease_ns=deadline_ns - now_ns, clean=clean)
        self.ends_ns = deadline_ns
        """Until when it was vouched for."""
        self.news: list[Wish | Deposed] = []
        """What its holder must hear; it only grows."""
        self.told = 0
        """How much of that was heard."""
        self.ears = set[Callable[[], None]]()
        """Called, in the node's thread, when there is more."""
        self._node = node
        self.value: str | None = None
        self._since = time.time()
        self.why: str | None = None
        """Why it is no more; None while it is."""
        self._lock = threading.Lock()
        """Between the one who renews and the one who finds that it was not: raw, see `tenure.bell`."""

    def renew(self) -> int:
        """Have it vouched for until the elector's present deadline; what is left until then. Raises Gone."""
        with self._lock:
            now_ns = self._node.clock.now_ns()
            held = self._node.driver.held
            if self.why is not None:
                raise Gone(self.why or "it was released")
            if held is None or held[0] != self.granted.token or now_ns >= held[1]:
                raise Gone("the node may not act under this token any more")
            self.ends_ns = held[1]
            return held[1] - now_ns

    def runs_out(self, now_ns: int) -> bool:
        """Whether it is over, because it was not renewed in time; from then on it is not renewed any more."""
        with self._lock:
            if self.why is None and now_ns >= self.ends_ns:
                self.why = "it was not renewed before its deadline"
            return self.why is not None

    def ends(self, why: str) -> None:
        """It is no more; its holder hears why, unless it has let go itself."""
        with self._lock:
            self.why = self.why or why
        if why:
            self._hears(Deposed(Reason.DEPOSED, why, None))

    def hears(self, wish: Wish) -> None:
        """Somebody wishes that it end; one wish repeated is one."""
        if (not self.news or self.news[-1] != wish) and len(self.news) < LIMIT_NEWS:
            self._hears(wish)

    def _hears(self, news: Wish | Deposed) -> None:
        self.news.append(news)
        for ear in tuple(self.ears):
            ear()

    def leader(self) -> Leader:
        """As others see it."""
        return Leader(
            candidate=self.candidate.name,
            token=self.granted.token,
            metadata=self.candidate.metadata,
            value=self.value,
            since=self._since,
        )

    def leads(self) -> bool:
        """Whether it may act now."""
        now_ns = self._node.clock.now_ns()
        held = self._node.driver.held
        is_backed = held is not None and held[0] == self.granted.token and now_ns < min(held[1], self.ends_ns)
        return is_backed and self.why is None
