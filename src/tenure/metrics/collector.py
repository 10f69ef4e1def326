"""Answers scrapes from what notices told, and from what the clock says at that instant.

Rules of this file (the tests name them):
 1. Who leads, and for how long still, is asked of the tenure's own clock at each scrape; no notice is trusted for it.
 2. Whoever tells a notice waits for nobody: it is put into a bounded queue, which who reads empties.
 3. There are so many series and no more: what comes beyond the limit is added up under `OVERFLOW`.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator

from tenure import announcer
from tenure._version import __version__
from tenure.clock import BootClock, Clock
from tenure.durations import NS_PER_S
from tenure.errors import Reason
from tenure.handle import Hold, valid_holds
from tenure.holding.notices import Notice
from tenure.lag import lags
from tenure.metrics.exposition import Family, Labels, Sample, buckets, render
from tenure.metrics.tally import Sight, Tally, Vacancy

LIMIT = 100
"""How many candidates, and how many elections, have series of their own."""
QUEUE_LIMIT = 10_000
"""How many notices wait to be counted; they are at each scrape, and each second where health is served."""
OVERFLOW = "_overflow"
"""The label of what came beyond the limit; no name begins with an underscore."""

_Key = tuple[str, str]
_Live = dict[_Key, list[Hold]]


class Metrics:
    """Counts from when it is made until `close()`. Thread-safe; the keeper never waits for it."""

    def __init__(self, *, limit: int = LIMIT, clock: Clock | None = None) -> None:
        self._limit = limit
        self._clock = clock or BootClock()
        self._tallies: dict[_Key, Tally] = {}
        self._vacancies: dict[str, Vacancy] = {}
        self._queue: deque[Notice | tuple[str, Sight | None, int]] = deque(maxlen=QUEUE_LIMIT)
        self._dropped = 0
        self._overflowed = False
        self._lock = threading.Lock()
        self.close: Callable[[], None] = announcer.ANNOUNCER.observe(self._put)

    def saw(self, election: str, sight: Sight | None) -> None:
        """Note what is seen of an election; may be called by whoever must not wait."""
        self._put((election, sight, self._clock.now_ns()))

    def stands(self, election: str, candidate: str) -> None:
        """There is this candidate, though it may not have told anything since this was made."""
        with self._lock:
            self._tally(election, candidate)

    @property
    def elections(self) -> set[str]:
        """Those of which anything is known, within the limit."""
        self.drain()
        with self._lock:
            return {election for election, _ in self._tallies} - {OVERFLOW}

    def drain(self) -> None:
        """Count what was told; to be called often enough that the queue does not overflow."""
        with self._lock:
            self._drain()

    def text(self, standing: Collection[_Key] = (), *, client_go: bool = False) -> str:
        """The answer to a scrape, in the text format; with `client_go` also who leads under client-go's name.

        `standing`: the election and the candidate of each candidacy that is not over, as the caller sees them now.
        """
        with self._lock:
            self._drain()
            for who in standing:
                self._tally(*who)
            candidacies = Counter(self._key(*who) for who in standing)
            live: _Live = {}
            for hold in valid_holds():  # rule 1
                self._tally(hold.election, hold.candidate).opened((hold.election, hold.candidate), hold.token)
                live.setdefault(self._key(hold.election, hold.candidate), []).append(hold)
            return render(
                [*self._standing(live, candidacies), *(self._alias(live) if client_go else ()), *self._counted()]
            )

    # Counting

    def _put(self, item: Notice | tuple[str, Sight | None, int]) -> None:
        self._dropped += len(self._queue) == QUEUE_LIMIT
        self._queue.append(item)  # rule 2: atomic, and without a lock

    def _drain(self) -> None:
        while self._queue:
            match self._queue.popleft():
                case Notice() as notice:
                    self._tally(notice.election, notice.candidate).count(notice)
                case (election, sight, at_ns):
                    if election in self._vacancies or len(self._vacancies) < self._limit:
                        self._vacancies.setdefault(election, Vacancy()).saw(sight, at_ns)
                    else:  # times of several elections make no sum
                        self._overflowed = True

    def _key(self, election: str, candidate: str) -> _Key:
        return (election, candidate) if (election, candidate) in self._tallies else (OVERFLOW, OVERFLOW)

    def _tally(self, election: str, candidate: str) -> Tally:
        key = (election, candidate)
        if key not in self._tallies and len(self._tallies) >= self._limit:  # rule 3
            self._overflowed, key = True, (OVERFLOW, OVERFLOW)
        return self._tallies.setdefault(key, Tally())

    # Families, in the order in which they are read

    def _standing(self, live: _Live, candidacies: Counter[_Key]) -> Iterator[Family]:
        """What is so at this instant."""
        who = [(key, _labels(key), live.get(key, [])) for key in self._tallies]
        alone = [(labels, holds, self._tallies[key]) for key, labels, holds in who if key[0] != OVERFLOW]
        yield Family("tenure_build_info", "gauge", "1, with the version.", [Sample((("version", __version__),), 1)])
        yield Family(
            "tenure_is_leader",
            "gauge",
            "1 while this process holds a valid tenure of the election, by the clock at this scrape; else 0.",
            [Sample(labels, len(holds) if key[0] == OVERFLOW else bool(holds)) for key, labels, holds in who],
        )
        yield Family(
            "tenure_is_candidate",
            "gauge",
            "1 while this process stands for the election or leads it; 0 once it did, and does not any more.",
            [
                Sample(labels, candidacies[key] if key[0] == OVERFLOW else bool(candidacies[key] or holds))
                for key, labels, holds in who
            ],
        )
        yield Family(
            "tenure_token",
            "gauge",
            "Fencing token of the tenure that the candidate holds, or held last; absent before its first.",
            [Sample(labels, tally.token) for labels, _, tally in alone if tally.token is not None],
        )
        yield Family(
            "tenure_remaining_seconds",
            "gauge",
            "Time left until the tenure ends unless it is renewed; 0 without a tenure, +Inf without a lease.",
            [Sample(labels, max((hold.remaining() for hold in holds), default=0.0)) for labels, holds, _ in alone],
        )
        yield Family(
            "tenure_smallest_margin_seconds",
            "gauge",
            "Of the tenure held last, the least time that was left of the lease when a renewal was answered.",
            [
                Sample(labels, tally.smallest_margin_ns / NS_PER_S)
                for labels, _, tally in alone
                if tally.smallest_margin_ns is not None
            ],
        )
        worst_ns: dict[str, int] = {}
        for lag in lags():
            worst_ns[lag.name] = max(worst_ns.get(lag.name, 0), lag.worst_ns())
        yield Family(
            "tenure_loop_lag_seconds",
            "gauge",
            "Longest wait of the last 30 to 60 s for an event loop to turn: tenure's own, and those of the owners.",
            [Sample((("loop", name),), worst / NS_PER_S) for name, worst in sorted(worst_ns.items())],
        )
        yield Family(
            "tenure_series_overflow",
            "gauge",
            "1 once there were more candidates or elections than have series of their own.",
            [Sample((), self._overflowed)],
        )

    def _alias(self, live: _Live) -> Iterator[Family]:
        """The gauge of Kubernetes' client-go (k8s.io/component-base), for dashboards that have it."""
        names: dict[str, bool] = {}
        for key in self._tallies:
            if key[0] != OVERFLOW:
                names[key[0]] = names.get(key[0], False) or bool(live.get(key))
        yield Family(
            "leader_election_master_status",
            "gauge",
            "1 while this process leads the election called name; the same as tenure_is_leader.",
            [Sample((("name", name),), is_leader) for name, is_leader in names.items()],
        )

    def _counted(self) -> Iterator[Family]:
        """What was counted since this was made."""
        who = [(_labels(key), tally) for key, tally in self._tallies.items()]
        yield Family(
            "tenure_transitions_total",
            "counter",
            "Times that the candidate became leader, and ceased to be, by reason.",
            [sample for labels, tally in who for sample in _transitions(labels, tally)],
        )
        yield from (
            Family(name, "counter", text, [Sample(labels, float(getattr(tally, field))) for labels, tally in who])
            for name, field, text in _COUNTERS
        )
        yield Family(
            "tenure_renew_latency_seconds",
            "histogram",
            "Time from when a renewal was sent until it was granted; those that failed are not in it.",
            [sample for labels, tally in who for sample in buckets(tally.latency, labels)],
        )
        now_ns = self._clock.now_ns()
        for name, sight, text in _VACANCIES:
            yield Family(
                name,
                "counter",
                text,
                [
                    Sample((("election", election),), vacancy.sum_ns(sight, now_ns) / NS_PER_S)
                    for election, vacancy in self._vacancies.items()
                ],
            )
        yield Family(
            "tenure_notices_dropped_total",
            "counter",
            "Notices that were not counted because nobody had read for too long; the other counters lack them.",
            [Sample((), self._dropped)],
        )


_COUNTERS = (
    ("tenure_overruns_total", "overruns", "Times that work still ran at the hard deadline of its lost tenure."),
    ("tenure_stalls_total", "stalls", "Times that the owner of a tenure was silent for longer than it may be."),
    ("tenure_renewal_failures_total", "renewal_failures", "Renewals that failed or were not answered in time."),
    ("tenure_campaign_failures_total", "campaign_failures", "Campaigns that failed and are tried again."),
    ("tenure_job_failures_total", "job_failures", "Times that the job of run() or stand() raised an error."),
)
_VACANCIES: tuple[tuple[str, Sight, str], ...] = (
    ("tenure_leaderless_seconds_total", "vacant", "Time in which this process watched and saw that nobody led."),
    (
        "tenure_leader_unknown_seconds_total",
        "unknown",
        "Time in which this process watched and could not tell whether anybody led.",
    ),
)


def _labels(key: _Key) -> Labels:
    return (("election", key[0]), ("candidate", key[1]))


def _transitions(labels: Labels, tally: Tally) -> Iterator[Sample]:
    yield Sample((*labels, ("to", "leader"), ("reason", "elected")), tally.elected)
    for reason, count in tally.ended.items():
        if reason is not Reason.FORKED:  # a child tells nobody
            yield Sample((*labels, ("to", "follower"), ("reason", reason.value)), count)
