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

from tenure.fencing.gate import Admission, FenceGate
from tenure.fencing.http import AsgiFence, WsgiFence, token_headers
from tenure.fencing.sql import PSYCOPG, SQLITE, Dialect, SqlFence
from tenure.fencing.stamping import Fence

__all__ = [
    "PSYCOPG",
    "SQLITE",
    "Admission",
    "AsgiFence",
    "Dialect",
    "Fence",
    "FenceGate",
    "SqlFence",
    "WsgiFence",
    "token_headers",
]
