"""Time-outs that follow what round trips take: off unless `Settings.tuning` says otherwise.

K. Shiozaki and J. Nakamura, "Dynatune: Dynamic Tuning of Raft Election Parameters Using Network Measurement", 2025,
arXiv:2507.15154.

The idea. The leader measures how long a follower's answer takes and says so with the next heartbeat. The follower keeps
the last of these, and notes which heartbeats it missed. Its time-out becomes `mu + s sigma` of the round trips, and it
asks for as many heartbeats within one time-out that hardly ever all of them are lost. With too few measurements, and
from the first word of another leader on, the configured times are in force.

Differs from the paper. (1) A promise to elect nobody else becomes shorter with the time-out; else the others would
refuse whoever noticed early. (2) Two heartbeats at least go into a time-out: that none was lost so far does not mean
that none will be late. (3) None are rarer than configured, since tenures rest on them. (4) Who times out, or votes,
takes twice its time-out for the next one, up to the configured one: an election takes two round trips. With the
configured one at once, a vote that splits would cost a second, and all that was won. (5) What is measured includes the
writes that an answer waits for.

Nothing of safety rests on what is measured. A lease is counted from what each answer says that its voter has promised.
A voter keeps the longest of what it has promised, whatever it promises next, and so does a candidate that would vote
for itself: no time-out ends before. No tuned promise is longer than the configured one, which is what binds a restarted
voter. Tenures are never tuned: their length is what their owner asked for. A time-out that is too short costs questions
whether one would be elected, which are refused while promises run, or an election; one that is too long costs time.

It costs heartbeats, and reads by lease: a promise about as long as a round trip is over when its answer comes, so that
reads take a round of their own.
"""

from __future__ import annotations

from collections import deque
from math import isqrt

import msgspec

from tenure.core.events import NodeId
from tenure.durations import NS_PER_S, PPM

MS = NS_PER_S // 1000


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """How time-outs follow round trips; nodes may differ in it."""

    sigmas: int = 2
    """How many standard deviations above the mean: the paper's safety factor."""
    missed_ppm: int = 1_000
    """How likely all heartbeats within one time-out may be lost, in parts per million: the paper's 0.1 %."""
    fewest: int = 2
    """Heartbeats within one time-out, so that a late one is not missed."""
    most: int = 10
    """The same, however many are lost: at six of ten and more, some of all are missed too often anyhow."""
    enough: int = 10
    """Round trips without which nothing is tuned: a second of the usual heartbeats."""
    window: int = 1_000
    """Round trips and heartbeats that are remembered: a minute of them, or some."""
    least_ns: int = 100 * MS
    """The shortest time-out: below it one would measure pauses of interpreters and disks. The paper of Raft has 150."""
    most_ns: int = 5 * NS_PER_S
    """The longest; etcd's manual takes 5 s for safe around the globe."""

    def __post_init__(self) -> None:
        for name in ("fewest", "enough", "least_ns"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of tuning is {getattr(self, name)}; give 1 at least")
        if self.sigmas < 0 or not 0 < self.missed_ppm < PPM:
            raise ValueError(f"sigmas is {self.sigmas}, missed_ppm {self.missed_ppm}: give 0 at least; 1 to {PPM - 1}")
        for least, most in (("fewest", "most"), ("enough", "window"), ("least_ns", "most_ns")):
            if getattr(self, least) > getattr(self, most):
                raise ValueError(f"{least} of tuning is above its {most}")

    def heartbeats(self, lost: int, sent: int) -> int:
        """How many must go into one time-out if `lost` of `sent` did not come: the least K with p^K below the bound."""
        for count in range(self.fewest, self.most):
            if lost**count * PPM < self.missed_ppm * sent**count:
                return count
        return self.most


class Pulse(msgspec.Struct, frozen=True, array_like=True):
    """What a leader whose time-outs are tuned adds to a heartbeat."""

    number: int
    """Of this heartbeat to this follower, from 1 on."""
    round_trip_ns: int | None
    """Of an answer that came since the last one, by the leader's clock."""


class Tuned(msgspec.Struct, frozen=True, array_like=True):
    """What a follower adds to its answer, if it does not keep to the settings."""

    promise_ns: int
    """For so long it elects nobody else."""
    heartbeat_ns: int
    """So often it wishes to hear from the leader."""


class Timing(msgspec.Struct, frozen=True):
    """What is in force at a follower, as in the settings of these names."""

    election_ns: int
    spread_ns: int
    promise_ns: int
    heartbeat_ns: int

    def tuned(self, election_ns: int, heartbeats: int) -> Timing:
        """With that time-out, and what else there is in the proportions of this one; nothing is promised for longer,
        and no heartbeat is rarer.
        """
        return Timing(
            election_ns=election_ns,
            spread_ns=election_ns * self.spread_ns // self.election_ns,
            promise_ns=min(self.promise_ns, max(1, election_ns * self.promise_ns // self.election_ns)),
            heartbeat_ns=min(self.heartbeat_ns, max(1, election_ns // heartbeats)),
        )


class Measured:
    """What one follower knows of the way to one leader. All of it is integers: the same on every machine."""

    def __init__(self, tuning: Tuning) -> None:
        self.tuning = tuning
        self._round_trips = deque[int]()
        self._sum = self._squares = 0
        self._came = 0  # bit n: heartbeat newest - n
        self._newest = self._first = 0

    def note(self, pulse: Pulse) -> None:
        """A heartbeat came; in whatever order, and some more than once."""
        if pulse.round_trip_ns is not None:
            self._round_trips.append(pulse.round_trip_ns)
            self._sum += pulse.round_trip_ns
            self._squares += pulse.round_trip_ns**2
        if len(self._round_trips) > self.tuning.window:
            oldest = self._round_trips.popleft()
            self._sum -= oldest
            self._squares -= oldest**2
        self._note_number(pulse.number)

    def _note_number(self, number: int) -> None:
        window, ahead = self.tuning.window, number - self._newest
        if not self._came or ahead >= window:
            self._first, self._newest, self._came = number, number, 1
        elif ahead > 0:
            self._newest, self._came = number, (self._came << ahead | 1) & ((1 << window) - 1)
        elif -ahead < window and number >= self._first:
            self._came |= 1 << -ahead

    def election_ns(self) -> int | None:
        """The time-out; None while too little is known."""
        count, tuning = len(self._round_trips), self.tuning
        if count < tuning.enough:
            return None
        mean_ns = self._sum // count
        deviation_ns = isqrt(count * self._squares - self._sum**2) // count
        return min(max(mean_ns + tuning.sigmas * deviation_ns, tuning.least_ns), tuning.most_ns)

    def heartbeats(self) -> int:
        """That should go into one time-out."""
        sent = min(self.tuning.window, self._newest - self._first + 1)
        return self.tuning.heartbeats(sent - self._came.bit_count(), sent)


class Tuner:
    """The times in force at one node: measured ones of the leader that it follows, or else the configured ones."""

    def __init__(self, tuning: Tuning, configured: Timing) -> None:
        self._tuning, self._configured = tuning, configured
        self._measured = Measured(tuning)
        self._of: tuple[NodeId, int] | None = None  # the leader and term that were measured

    def follow(self, leader: NodeId, term: int, pulse: Pulse | None) -> Timing:
        """What is in force from now on: the word of a leader has come, or a heartbeat."""
        if self._of != (leader, term):
            self._of, self._measured = (leader, term), Measured(self._tuning)
        if pulse is not None:
            self._measured.note(pulse)
        election_ns = self._measured.election_ns()
        if election_ns is None:
            return self._configured
        return self._configured.tuned(election_ns, self._measured.heartbeats())

    def void(self) -> None:
        """Forget what was measured."""
        self._of = None

    def give_up(self, timing: Timing) -> Timing:
        """What is in force until there is a leader: what was measured is void, and an election takes longer."""
        self.void()
        if timing.election_ns >= self._configured.election_ns:
            return timing
        election_ns = min(2 * timing.election_ns, self._configured.election_ns)
        return self._configured.tuned(election_ns, self._tuning.fewest)
