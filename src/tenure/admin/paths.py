"""What each path answers, from what is so at that instant.

Rules of this file (the tests name them):
 1. `/leader` is 200 only while the node may act, by the clock, at the instant of the answer; what is merely believed
    does not count, and the node's loop is not asked.
 2. `/readyz` is 200 while the node takes part, knows of a leader, and has applied what was committed when it started;
    of one that leads, while it may act; and its disk keeps what it is given.
 3. No answer waits for the node's loop for longer than `window.LOOK_S`; then it is 503, but for `/livez`, which gives
    the loop `STALL_S`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from tenure.admin.numbers import families
from tenure.admin.window import NotSeen, Window
from tenure.health.answers import JSON, Answer, said
from tenure.metrics.exposition import CONTENT_TYPE, render
from tenure.runtime.status import Status

STALL_S = 10.0
"""For how long the node's loop may stand still before the process had better be started anew; as in `tenure.health`."""

DISK_STALL_S = 2.0
"""For how long a disk may keep nothing of what it was given: a node that must remember what it says says nothing
meanwhile. So long raft's leaders lead on."""

Path = Callable[[], Awaitable[Answer]]


class Paths:
    """Answers for one node."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.ending: str | None = None
        """Why the node is about to leave, from when it is."""
        self.all: dict[str, Path] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/leader": self._leader,
            "/standby": self._standby,
            "/metrics": self._metrics,
            "/v1/status": self._status,
            "/v1/members": self._members,
            "/v1/leader": self._who_leads,
            "/v1/log": self._log,
            "/v1/detector": self._detector,
        }

    async def answer(self, path: str) -> Answer:
        """Of one of those. An answer that could not be made says why."""
        try:
            return await self.all[path]()
        except NotSeen as error:
            return said(503, error=str(error))

    # For probes and balancers

    async def _livez(self) -> Answer:
        try:
            seen = (await self._window.look()).status
        except NotSeen as error:
            is_over = error.for_s > STALL_S
            return said(503 if is_over else 200, live=not is_over, troubles=[str(error)])
        troubles = [why for why in (seen.disk.failure,) if why is not None]
        if seen.state == "stopped":
            troubles.append("the node was stopped")
        return said(503 if troubles else 200, live=not troubles, troubles=troubles)

    async def _readyz(self) -> Answer:
        troubles = unready((await self._window.look()).status)
        if self.ending is not None:
            troubles.append(f"it is ending: {self.ending}")
        return said(503 if troubles else 200, ready=not troubles, troubles=troubles)

    async def _leader(self) -> Answer:
        return self._role(wanted=True)

    async def _standby(self) -> Answer:
        seen = (await self._window.look()).status
        if seen.state != "running":
            return said(503, node=seen.name, leads=False, error=f"the node does not take part: it is {seen.state}")
        return self._role(wanted=False)

    def _role(self, *, wanted: bool) -> Answer:
        held = self._window.authority()  # rule 1
        status = 200 if (held is not None) is wanted else 503
        if held is None:
            return said(status, node=self._window.name, leads=False)
        return said(status, node=self._window.name, leads=True, token=held.token, remaining_s=held.left_s)

    # For operators

    async def _metrics(self) -> Answer:
        view = await self._window.look()
        return Answer(200, CONTENT_TYPE, render(families(view.status, view.totals)).encode())

    async def _status(self) -> Answer:
        return _shown((await self._window.look()).status)

    async def _members(self) -> Answer:
        return _shown((await self._window.look()).status.members)

    async def _who_leads(self) -> Answer:
        seen = (await self._window.look()).status
        return _shown(
            {
                "leader": seen.leader,
                "leader_name": seen.leader_name,
                "term": seen.term,
                "is_me": seen.leader == seen.number,
                "gives_authority": seen.gives_authority,
                "authority": seen.authority,
            }
        )

    async def _log(self) -> Answer:
        seen = (await self._window.look()).status
        if seen.log is None:
            return said(404, error=f"{seen.algorithm or 'this node'} has no log, or has not started")
        peers = {one.name: one.replication for one in seen.members if one.replication is not None}
        return _shown({"log": seen.log, "peers": peers})

    async def _detector(self) -> Answer:
        seen = (await self._window.look()).status
        if seen.detector is None:
            return said(404, error=f"{seen.algorithm or 'this node'} has no failure detector, or has not started")
        peers = {one.name: one.suspicion for one in seen.members if one.suspicion is not None}
        return _shown({"detector": seen.detector, "peers": peers})


def unready(seen: Status) -> list[str]:
    """Why this node should get no traffic; empty where it may."""
    if seen.state != "running":
        return [f"the node does not take part: it is {seen.state}"]
    troubles = []
    if seen.leader is None:
        troubles.append("it knows of no leader")
    elif seen.leader == seen.number and seen.gives_authority and seen.authority is None:
        troubles.append("it is elected and may not act yet: the tenure before it may still last")
    if seen.log is not None and not seen.log.is_caught_up:
        troubles.append("it has not applied yet what was committed when it started")
    if seen.disk.is_full:
        troubles.append("its disk is full: make space")
    if seen.disk.stalled_s >= DISK_STALL_S:
        troubles.append(f"its disk has kept nothing for {seen.disk.stalled_s:.1f} s")
    return troubles


def _shown(what: object) -> Answer:
    return Answer(200, JSON, msgspec.json.encode(what) + b"\n")
