"""A fixed time-out: who is silent for longer than that is suspected.

The oldest detector, and where bounds on time are known the only one that is never wrong: if heartbeats leave every
`every_ns` and take `delay_ns` at most, then no `timeout_ns` above their sum suspects a peer that lives, and each that
has crashed is suspected within `delay_ns` and `timeout_ns`. Where nothing is known it has to be long enough for the
worst hour, and is too long for the rest of the day; `phi` measures instead.
"""

from __future__ import annotations

from typing import ClassVar

from tenure.core.events import NodeId
from tenure.detectors import base


class Settings(base.Settings, frozen=True, kw_only=True):
    """How often heartbeats are sent, and how long to wait for one."""

    timeout_ns: int = 500_000_000
    """How long a silence makes a peer suspected: here five heartbeats, so that a pause of some hundred milliseconds, or
    three losses in a row, pass. Kubernetes gives a node four of its heartbeats (40 s and 10 s), etcd's followers ten
    (1 s and 100 ms). Below three of them, one that is lost and one that is late look like a crash."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.timeout_ns <= self.every_ns:
            raise ValueError(
                f"timeout_ns is {self.timeout_ns}, and heartbeats come only every {self.every_ns} ns: everybody would"
                " be suspected between two of them; make it three times as long at least"
            )


class Timeout(base.Detector):
    """Suspects who is silent for `timeout_ns`."""

    name: ClassVar[str] = "heartbeat"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        super().__init__(self.settings)

    def _begin(self, peer: NodeId) -> None:
        """Nothing is measured."""

    def _measure(self, peer: NodeId, now_ns: int, *, is_late: bool) -> None:
        """Nothing is learned."""

    def _patience_ns(self, peer: NodeId) -> int:
        del peer  # the same for all
        return self.settings.timeout_ns
