"""`memory://NAME`: a service inside one process, for tests, on a clock that tests move, with faults that tests inject.

    service   the service itself: one object that backends share, with `pause`, `revoke`, `expire`, `reset`
    record    one election of it: the queue, the grant, and how it is handed on
    backend   a process's connection to it, with `kill` and `break_connection`
    faults    what can be put between the two
    connection, bell, alarms   how requests travel, how waiting coroutines are woken, how time passes

Grade C: nothing survives the process. Exclusion rests on leases: a grant that is not renewed ends when the service's
clock says so, whoever still believes in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from tenure.backends.memory.backend import DEFAULT_LEASE_S, MemoryBackend, MemoryGrant
from tenure.backends.memory.faults import ANY, Delay, Duplicate, Fail, Fault, Faults, Hang, LoseAnswer, LoseRequest
from tenure.backends.memory.service import MemoryService
from tenure.errors import ConfigurationError

__all__ = [
    "ANY",
    "DEFAULT_LEASE_S",
    "Delay",
    "Duplicate",
    "Fail",
    "Fault",
    "Faults",
    "Hang",
    "LoseAnswer",
    "LoseRequest",
    "MemoryBackend",
    "MemoryGrant",
    "MemoryService",
    "share",
    "shared_service",
]

_lock = threading.Lock()
_shared: dict[str, MemoryService] = {}
_lent: dict[str, None] = {}
"""The names of services that were shared by `share`, the newest: nobody else's service has them afterwards."""
_LENT_KEPT = 10_000


def shared_service(name: str) -> MemoryService:
    """The one service called `name` in this process, on the real clock; this is what `memory://name` means.

    Raises ConfigurationError for the name of one that was shared for a time, which is over.
    """
    with _lock:
        if name in _lent and name not in _shared:
            raise ConfigurationError(
                f"memory://{name} was there for one test, which has ended or runs in another process; whoever uses it "
                "now has kept an Election from there: make it anew in each test"
            )
        service = _shared.get(name)
        if service is None:
            service = _shared[name] = MemoryService(name)
        return service


def share(service: MemoryService) -> Callable[[], None]:
    """Let `memory://NAME` mean this service, by its name, until what is returned is called.

    Raises ConfigurationError where there is another one of that name.
    """
    with _lock:
        if _shared.setdefault(service.name, service) is not service:
            raise ConfigurationError(f"there is a memory://{service.name} in this process already; choose another name")
        _lent[service.name] = None
        if len(_lent) > _LENT_KEPT:
            del _lent[next(iter(_lent))]

    def end() -> None:
        with _lock:
            if _shared.get(service.name) is service:
                del _shared[service.name]

    return end


def _forget_in_child() -> None:
    """A forked child is another process, and has services of its own."""
    global _lock  # noqa: PLW0603 -- the inherited lock may be held by a thread that does not exist here
    _lock = threading.Lock()
    _shared.clear()


os.register_at_fork(after_in_child=_forget_in_child)
