"""Fences: what refuses a stale leader's acts by their token, however late they arrive.

    from tenure.fencing import FenceGate

    gate = FenceGate("/var/lib/report/gate")          # shared by all processes of this host that name the directory
    async with Election("report", fences=[gate]).lead() as tenure:
        async with gate.admit(tenure):
            ...  # no act with an older token runs now, nor begins from now on

A lock cannot stop a process that was paused between its last look at the lock and its act; the thing that is acted on
can, by comparing the token that every act bears with the greatest that it has seen. (Burrows 2006, Chubby's sequencers,
section 2.4; Kleppmann 2016, How to do distributed locking; for the deadline that this backs up, Gray & Cheriton 1989.)

    gate        FenceGate: around an act, in this process or among those of one host
    sql         SqlFence: in a table of the database that is written to, inside the caller's own transaction
    http        AsgiFence, WsgiFence: around a web application's handling of a request
    stamping    what an election does with its `fences`

Each keeps one high-water mark for each election. An act may begin if its token is not below the mark, and raises it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenure.fencing.gate import Admission as Admission
    from tenure.fencing.gate import FenceGate as FenceGate
    from tenure.fencing.http import AsgiFence as AsgiFence
    from tenure.fencing.http import WsgiFence as WsgiFence
    from tenure.fencing.http import token_headers as token_headers
    from tenure.fencing.sql import PSYCOPG as PSYCOPG
    from tenure.fencing.sql import SQLITE as SQLITE
    from tenure.fencing.sql import Dialect as Dialect
    from tenure.fencing.sql import SqlFence as SqlFence
    from tenure.fencing.stamping import Fence as Fence

_HOMES = {
    "tenure.fencing.gate": ("Admission", "FenceGate"),
    "tenure.fencing.http": ("AsgiFence", "WsgiFence", "token_headers"),
    "tenure.fencing.sql": ("PSYCOPG", "SQLITE", "Dialect", "SqlFence"),
    "tenure.fencing.stamping": ("Fence",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605  every name is a string; a test resolves each of them


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: every election looks in here, and most have no fence."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tenure.fencing' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
