"""Algorithms by name: what `--algorithm` takes, and what else stands around an elector.

A name is an algorithm and what is put around it, from the inside out: bully, bully+lease, ring+lease+preference.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from tenure.algorithms.bully import Bully
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.paxos import Paxos
from tenure.algorithms.paxos_lease import PaxosLease
from tenure.algorithms.preference import Preference
from tenure.algorithms.raft import Raft
from tenure.algorithms.ring import Ring
from tenure.algorithms.split_brain import KeepMajority, StaticQuorum
from tenure.core.composed import Composed
from tenure.core.elector import Elector, Serving
from tenure.detectors.watched import Watched, WatchedByPhi
from tenure.errors import ConfigurationError

ALGORITHMS: Mapping[str, type[Elector]] = MappingProxyType(
    {kind.name: kind for kind in (Bully, Ring, Paxos, PaxosLease, Raft)}
)
"""What elects by itself."""
AROUND: Mapping[str, type[Composed]] = MappingProxyType(
    {kind.name: kind for kind in (MajorityLease, Preference, KeepMajority, StaticQuorum, Watched, WatchedByPhi)}
)
"""What adds to any elector."""
COMPARED = (*ALGORITHMS, "bully+lease", "ring+lease", "bully+keep-majority", "raft+preference")
"""What `tenure compare` compares if nobody says what, and `make hunt` hunts."""
DETECTORS = (Watched.name, WatchedByPhi.name)
TOLD = "told"
"""No detector: the world tells who is dead."""


@functools.cache
def algorithm(name: str) -> type[Elector]:
    """The class of electors of this name. Raises ConfigurationError, which lists the names that there are."""
    first, *around = name.split("+")
    if first not in ALGORITHMS:
        raise ConfigurationError(f"there is no algorithm {first!r}; there are: {', '.join(ALGORITHMS)}")
    kind = ALGORITHMS[first]
    for word in around:
        if word not in AROUND:
            raise ConfigurationError(
                f"nothing called {word!r} can stand around an elector; there are: {', '.join(AROUND)}"
            )
        kind = AROUND[word].over(kind)
    return kind


def watched(kind: type[Elector], detector: str) -> type[Elector]:
    """The same elector with this detector around it, or none around one that serves clients with nothing around it: it
    hears for itself who lives. Raises ConfigurationError for one that is not known.
    """
    if detector == TOLD or (issubclass(kind, Serving) and not issubclass(kind, Composed)):
        return kind
    if detector not in DETECTORS:
        raise ConfigurationError(f"there is no detector {detector!r}; there are: {', '.join(DETECTORS)}, {TOLD}")
    return AROUND[detector].over(kind)
