"""Which elector a real process drives, and how long its times are where nobody says.

The laboratory keeps each algorithm's own defaults, which its pages and figures are about. Real groups of Raft stand on
one host or in one machine room, where a message takes well under ten milliseconds, so theirs are shorter.
"""

from __future__ import annotations

from dataclasses import dataclass

from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.majority_lease import Settings as LeaseSettings
from tenure.algorithms.paxos_lease import PaxosLease
from tenure.algorithms.paxos_lease import Settings as PaxosLeaseSettings
from tenure.algorithms.raft import Raft
from tenure.algorithms.raft import Settings as RaftSettings
from tenure.core.composed import Composed
from tenure.core.elector import Elector
from tenure.detectors.watched import Watched
from tenure.durations import NS_PER_S, to_ns
from tenure.errors import ConfigurationError
from tenure.machines.base import Machine
from tenure.simulator import names

ELECTION_TIMEOUT_NS = 350 * NS_PER_S // 1000
"""Of Raft. A leader that is gone, with nobody to vouch for it, is replaced within half a second as a rule; one whose
interpreter stands still for less leads on. etcd's default is a second, the paper's 150 ms."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a node is made of."""

    kind: type[Elector]
    arguments: tuple[object, ...]
    """What its elector takes behind its source of chance."""
    terms: str
    """What of that must be the same at all nodes, as far as somebody chose it."""


def choose(
    algorithm: str,
    authority: str = "own",
    *,
    lease: float | str | None = None,
    election_timeout: float | str | None = None,
    machine: Machine | None = None,
) -> Choice:
    """An algorithm by name, such as "raft" or "bully", with `authority` "own" or "majority"; durations as 15 or "15s".

    Raises ConfigurationError for what there is not, or what does not go together.
    """
    if authority not in {"own", "majority"}:
        raise ConfigurationError(f"authority is 'own' or 'majority', not {authority!r}")
    name = algorithm if authority == "own" else f"{algorithm}+lease"
    kind = names.algorithm(name)
    if kind is not Raft:
        if machine is not None:
            raise ConfigurationError(f"{name} replicates nothing to a machine: leave it away, or take algorithm='raft'")
        if election_timeout is not None:
            raise ConfigurationError(f"{name} has no election time-out: leave it away, or take algorithm='raft'")
    given = {"lease": lease, "election timeout": election_timeout}
    times_ns = {what: to_ns(value) for what, value in given.items() if value is not None}
    try:
        if short := next((what for what, time_ns in times_ns.items() if time_ns <= 0), None):
            raise ValueError(f"give a {short} of more than 0 seconds")
        settings = _settings(kind, times_ns.get("lease"), times_ns.get("election timeout", ELECTION_TIMEOUT_NS))
    except ValueError as error:
        said = " and ".join(f"{what} of {value!r}" for what, value in given.items() if value is not None)
        raise ConfigurationError(f"a {said} does not fit {name}: {error}") from error
    terms = ", ".join(f"{what} {time_ns}" for what, time_ns in times_ns.items())
    if kind is Raft:
        return Choice(kind, (settings, machine), terms)
    if settings is not None:
        return Choice(Watched.over(kind, settings), (), terms)
    return Choice(names.watched(kind, names.DETECTORS[0]), (), terms)


def _settings(kind: type[Elector], lease_ns: int | None, election_ns: int) -> object:
    if kind is Raft:
        tenure_ns = max(RaftSettings().tenure_ns, election_ns) if lease_ns is None else lease_ns
        if tenure_ns < election_ns:
            raise ValueError(f"the lease must last as long as the election time-out, {election_ns / NS_PER_S:g} s")
        return RaftSettings(
            election_ns=election_ns,
            spread_ns=election_ns // 2,
            heartbeat_ns=election_ns // 4,
            promise_ns=election_ns * 4 // 5,
            tenure_ns=tenure_ns,
        )
    if lease_ns is None:
        return None
    if kind is PaxosLease:
        return PaxosLeaseSettings(lease_ns=lease_ns, renew_ns=lease_ns // 4)
    if issubclass(kind, Composed) and kind.own_kind is MajorityLease:
        return LeaseSettings(
            duration_ns=lease_ns, renew_every_ns=lease_ns // 5, give_way_ns=2 * lease_ns, patience_ns=3 * lease_ns
        )
    raise ConfigurationError(f"{kind.name} has no lease that could be given; leave it away")
