"""An elector with a failure detector around it: heartbeats go out, opinions go in.

    Watched.over(Bully)         a fixed time-out: "bully+heartbeat"
    WatchedByPhi.over(Bully)    phi accrual: "bully+phi"

The idea. Each node tells every member each `every_ns` that it lives, and feeds what it hears to its detector. Exactly
when the detector's opinion on a member changes, the inner elector is given Suspected or Trusted. Only members are
watched, and in each life all count as trusted until the detector says otherwise (the driver's duty 8, kept here). A
driver need not suspect anybody, and may where it knows more, such as that a connection broke: its Suspected counts
until the peer is heard, and its Trusted as a sign of life. The inner elector hears one voice, told once of each change.

A node that was paused. It was deaf while it stood still, and finds upon waking that everybody has been silent for too
long. Suspecting them all, it would elect itself (in production: restate#5156). So silence counts only while this node
could hear: who wakes later than it asked for, by more than one period, excuses all for so long. Cassandra suspects
nobody for five seconds after a pause of its own that was longer than that (`max_local_pause`), and memberlist stretches
its time-outs while it is slow itself (A. Dadgar, J. Phillips and J. Currey, "Lifeguard: local health awareness for more
accurate failure detection", 2018). Here a node that is late all the time is slower to suspect by just that much, and
still suspects who is dead in the end.

Assumes and guarantees what the inner elector does. Heartbeats that are lost make mistakes likelier, copies and late
ones put off the detection of a crash until the last of them has come; none of them does any other harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, ClassVar, assert_never

import msgspec

from tenure.core.account import Account, Opinion
from tenure.core.composed import Composed
from tenure.core.effects import Effect, Send
from tenure.core.elector import NEW
from tenure.core.events import (
    Asked,
    Demand,
    Event,
    Joined,
    Left,
    Message,
    NodeId,
    PeerLost,
    Persisted,
    Rated,
    Received,
    Reconfigure,
    Requested,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.detectors.base import Detector, Settings
from tenure.detectors.heartbeat import Timeout
from tenure.detectors.phi import Phi
from tenure.durations import NEVER_NS


class Heartbeat(Message, frozen=True):
    """From each node to every other: I live."""


class Watched(Composed):
    """One node's elector with a detector around it; `settings` are those of its kind of detector."""

    name: ClassVar[str] = Timeout.name
    own_messages: ClassVar[tuple[type[Message], ...]] = (Heartbeat,)
    passes_demands: ClassVar[bool] = True
    detector_kind: ClassVar[type[Detector]] = Timeout

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random, settings: Settings | None = None) -> None:
        super().__init__(me, members, chance)
        make: Any = self.detector_kind  # the settings are each detector's own
        self.detector: Detector = make(settings)
        self.suspects = set[NodeId]()
        """Whom the inner elector was told to suspect, and not yet to trust again."""
        self._beat_ns = NEVER_NS  # when the next heartbeats leave
        self._look_ns = NEVER_NS  # no opinion changes by itself before
        self._rests_until_ns = NEVER_NS  # who is handed nothing before then, has nothing to do
        self._is_gone = False
        self._effects: list[Effect] = []

    def handle(self, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
        self._admit(event)
        self._effects = []
        if self._is_gone:  # the inner elector knows what clients are told then
            return self._tell_inner(event, now_ns) if isinstance(event, Requested) else ()
        match event:
            case Suspected() | Trusted() | Received(message=Heartbeat()):
                ...  # the inner elector is told what comes of it
            case _:
                self._pass(event, now_ns)  # which may refuse it, so that nothing may have changed before
        self._excuse(now_ns)
        match event:
            case Started():
                self._start(now_ns)
            case Woke():
                self._beat(now_ns)
                self._look(now_ns)
            case Received(sender=peer, message=Heartbeat()) | Trusted(peer=peer):
                self._hear(peer, now_ns)
            case Suspected(peer=peer):
                self._suspect(peer, now_ns)
            case Joined(peer=peer):
                self._join(peer, now_ns)
            case Left(peer=peer):
                self._leave(peer)
            case Received() | Persisted() | Asked() | Reconfigure() | Rated() | Requested() | PeerLost():
                ...
            case _:
                assert_never(event)
        self._settle(now_ns)
        return self._effects

    def account(self, now_ns: int) -> Account:
        detector = self.detector
        opinions = {
            peer: Opinion(
                is_suspected=peer in self.suspects,
                silent_ns=detector.silent_ns(peer, now_ns),
                suspect_in_ns=max(0, detector.suspect_ns(peer) - now_ns),
            )
            for peer in (self._peers() if self.role != NEW else ())
        }
        return msgspec.structs.replace(super().account(now_ns), detector=detector.name, opinions=opinions)

    # Heartbeats

    def _start(self, now_ns: int) -> None:
        """Trust everybody, and let them hear that this node lives."""
        for peer in self._peers():
            self._watch(peer, now_ns)
        self._beat_ns = now_ns
        self._beat(now_ns)

    def _beat(self, now_ns: int) -> None:
        """Tell everybody that this node lives, if it is time to; a heartbeat that a pause has swallowed is not made up
        for.
        """
        if now_ns >= self._beat_ns:
            self._beat_ns = now_ns + self.detector.every_ns
            self._effects += [Send(peer, Heartbeat()) for peer in self._peers()]

    def _hear(self, peer: NodeId, now_ns: int) -> None:
        """A member lives; who is none is not listened to."""
        if peer == self.me or peer not in self.members:
            return
        self.detector.hear(peer, now_ns)
        self._look_ns = min(self._look_ns, self.detector.suspect_ns(peer))
        if peer in self.suspects:
            self.suspects.discard(peer)
            self._pass(Trusted(peer), now_ns)

    # Opinions

    def _look(self, now_ns: int) -> None:
        """Pass on whom the detector suspects by now. Not before the driver has said that it is time: what waits to be
        handed over may be a heartbeat.
        """
        if now_ns < self._look_ns:
            return
        for peer in self._peers():
            if self.detector.is_suspected(peer, now_ns):
                self._suspect(peer, now_ns)
        self._look_ns = self.detector.next_ns(now_ns)

    def _suspect(self, peer: NodeId, now_ns: int) -> None:
        """A member seems to be dead: say so once."""
        if peer != self.me and peer in self.members - self.suspects:
            self.suspects.add(peer)
            self._pass(Suspected(peer), now_ns)

    def _excuse(self, now_ns: int) -> None:
        """Count nobody's silence while this node stood still itself.

        It did at least from when it wished to be woken, unless it was handed something since then. Up to one period is
        the ordinary lateness of timers, and counts as silence.
        """
        deaf_ns = now_ns - self._rests_until_ns
        if deaf_ns > self.detector.every_ns:
            for peer in self._peers():
                if peer not in self.suspects:
                    self.detector.excuse(peer, deaf_ns)

    # Membership

    def _join(self, peer: NodeId, now_ns: int) -> None:
        if peer not in self.members:
            self.members.add(peer)
            self._watch(peer, now_ns)

    def _watch(self, peer: NodeId, now_ns: int) -> None:
        self.detector.watch(peer, now_ns)
        self._look_ns = min(self._look_ns, self.detector.suspect_ns(peer))

    def _leave(self, peer: NodeId) -> None:
        """Forget who has left; who leaves itself falls silent."""
        leaving = self._peers() if peer == self.me else [peer]
        for member in leaving:
            self.members.discard(member)
            self.suspects.discard(member)
            self.detector.forget(member)
        if peer == self.me:
            self._is_gone = True
            self._beat_ns = self._look_ns = NEVER_NS

    # The inner elector

    def _peers(self) -> list[NodeId]:
        return sorted(self.members - {self.me})

    def _pass(self, event: Event | Demand, now_ns: int) -> None:
        self._effects += self._tell_inner(event, now_ns)

    def _settle(self, now_ns: int) -> None:
        """Show what the inner elector has become, and when either of both has something to do."""
        self.role, self.leader, self.term = self.inner.role, self.inner.leader, self.inner.term
        self.wake_ns = min(self._beat_ns, self._look_ns, self.inner.wake_ns)
        self._rests_until_ns = max(self.wake_ns, now_ns)


class WatchedByPhi(Watched):
    """The same with phi accrual."""

    name: ClassVar[str] = Phi.name
    detector_kind: ClassVar[type[Detector]] = Phi
