"""`lease://`: a lease on one host, for those who want a leader replaced that is paused or hangs. Needs only a disk.

Tenure N is the file N, made by link(2); its holder stamps it with the time again and again. Nobody holds a lock that
another one waits for, so a process that is frozen at any instruction delays the others by one lease and never stops
them; when it wakes its own deadline has passed, and its next look finds the tenure of another.

    place        where everything is           sightings  when a tenure is over for certain
    stamp        until when it is held         survey     one look at all tenures
    record       whose it is, and its value    line       a candidate's place among those who stand
    tenure_file  why there are never two       contest    how one is elected (`campaign`: when)

The file of a tenure and its name are synced before anybody is told; renewals are not, see `stamp`.
"""

# ruff: noqa: PTH100, PTH115, PTH208 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path

from tenure.backends.base import METADATA_LIMIT_BYTES, Backend, Candidate, Capabilities, Leader, Reading, Scope
from tenure.backends.file import filesystems, wishes
from tenure.backends.file.failures import translating
from tenure.backends.file.place import places
from tenure.backends.file.record import metadata_json
from tenure.backends.file.tools import Tools
from tenure.backends.lease import campaign, ending, reading, watching
from tenure.backends.lease.grant import LeaseGrant
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.sightings import Sightings
from tenure.backends.lease.stamp import Frame
from tenure.backends.worker import Worker
from tenure.clock import BootClock, Clock
from tenure.durations import NS_PER_S
from tenure.errors import BackendRefused, BackendUnreachable
from tenure.holding.events import Transfer, Wish

DEFAULT_LEASE_S = 15.0
"""As Kubernetes and etcd's clients have it: long enough for any disk, short enough to be waited for."""
MIN_LEASE_S = 1.0
"""A twelfth of the lease is what one renewal has; below a second a busy machine does not always keep that."""
DEFAULT_POLL_S = 2.0
"""How often a candidate looks if nothing wakes it: the fall-back of a fall-back."""
NAME_LIMIT_BYTES = 512
"""The longest name of a candidate; with metadata it must fit the record of its tenure."""
RENEWAL_LIMIT_S = 1.0
"""A thread that renews is replaced when one renewal takes longer than this: others wait behind it."""


class LeaseBackend(Backend):
    """Elections in one directory; made by `open_lease`."""

    def __init__(
        self,
        path: Path,
        *,
        lease_s: float,
        poll_s: float,
        scope: Scope,
        clock: Clock,
        frame: Frame | None,
        footing: filesystems.Footing,
    ) -> None:
        root = os.path.abspath(path)  # links are not resolved: one that is pointed elsewhere must be seen to be
        wanted = {"lease": (lease_s, DEFAULT_LEASE_S), "poll": (poll_s, DEFAULT_POLL_S)}
        options = "&".join(f"{name}={given:g}s" for name, (given, usual) in wanted.items() if given != usual)
        self.url = "lease" + Path(root).as_uri().removeprefix("file") + (f"?{options}" if options else "")
        self.clock = clock
        self.capabilities = Capabilities(
            grade=footing.grade,
            scope=scope,
            default_lease_s=lease_s,
            min_lease_s=min(MIN_LEASE_S, lease_s),
            ordered=True,
            transfer=True,
            watch="push",
        )
        self._root = root
        self._private = scope == "user"
        self._lease_ns = round(lease_s * NS_PER_S)
        self._tools = Tools(clock, poll_s, name="tenure-lease")
        self._pulse = Worker("tenure-lease-renewals", limit_s=RENEWAL_LIMIT_S)
        self._sightings = Sightings(clock, frame)
        self._grants: set[LeaseGrant] = set()
        self._places: dict[str, LeasePlace] = {}

    async def campaign(self, candidate: Candidate, *, once: bool) -> LeaseGrant | None:
        place = self._begin(candidate.election)
        _check(candidate)
        lease_ns = self._lease_ns if candidate.lease_ns is None else candidate.lease_ns
        if lease_ns <= 0:
            raise BackendRefused(f"a lease of {lease_ns} ns ends before it begins; ask for a longer one")
        with translating(place.directory, "stand"):
            victory = await campaign.run(self._tools, place, candidate, lease_ns, self._sightings, once=once)
        if victory is None:
            return None
        if self._tools.closed:
            ending.give_back(victory)
            raise BackendUnreachable("this backend was closed while it campaigned; nothing is held. Connect again")
        grant = LeaseGrant(self._tools, self._pulse, place, victory, self._grants.discard)
        self._grants.add(grant)
        self._tools.worker.post(partial(place.prune, grant.granted.token))
        return grant

    async def read(self, election: str) -> Reading:
        place = self._begin(election)
        with translating(place.directory, "look"):
            look = await self._tools.worker.run(partial(reading.look, self._tools, place, self._sightings))
        return look.reading

    async def watch(self, election: str) -> AsyncGenerator[Reading, None]:
        place = self._begin(election)
        with translating(place.directory, "look"):
            async with aclosing(watching.watch(self._tools, place, self._sightings)) as readings:
                async for found in readings:
                    yield found

    async def ask(self, election: str, wish: Wish) -> Leader:
        found = await self.read(election)
        leader = found.leader
        if leader is None:
            raise BackendRefused(f"nobody leads {election}, so nobody can step down; nothing was changed")
        if isinstance(wish, Transfer) and all(standing.candidate != wish.to for standing in found.candidates):
            names = ", ".join(standing.candidate for standing in found.candidates) or "nobody"
            raise BackendRefused(
                f"{wish.to!r} does not stand for {election}, so {leader.candidate!r} goes on leading; "
                f"standing now: {names}"
            )
        place = self._begin(election).of(leader.token)
        note = wishes.Note(leader.token, wish, os.urandom(8).hex())
        with translating(place.directory, "change"):
            await self._tools.worker.run(partial(wishes.leave, place, note))
        return leader

    async def floor(self, election: str, token: int) -> None:
        place = self._begin(election)
        with translating(place.directory, "change"):
            await self._tools.worker.run(partial(ending.floor, place, self._sightings, token))
        self._tools.seen.note(election, token)

    async def shut(self, election: str, token: int, url: str, *, clean: bool) -> int:
        place = self._begin(election)
        with translating(place.directory, "change"):
            floor = await self._tools.worker.run(partial(ending.shut, place, self._sightings, token, url, clean=clean))
        self._tools.seen.note(election, floor)
        return floor

    async def elections(self) -> tuple[str, ...]:
        def found() -> tuple[str, ...]:
            names = places(self._root)
            return tuple(name for name in names if os.path.isdir(f"{self._root}/{name}/tenures"))  # noqa: PTH112 -- as above

        with translating(self._root, "look"):
            return await self._tools.worker.run(found)

    async def close(self) -> None:
        if self._tools.closed:
            return
        self._tools.closed = True
        for grant in list(self._grants):
            grant.drop()
            grant.ring()
        for bell in list(self._tools.bells):
            bell.ring()
        await asyncio.sleep(0)  # those who waited leave the queue through the worker
        await asyncio.sleep(0)
        for worker in (self._tools.worker, self._pulse):
            worker.close()
            await worker.ended()
        self._tools.inotify.close()

    def forked(self) -> None:
        """Close every descriptor of this backend's files that the child inherited; also those of a step that was under
        way on a worker, which nothing here knows of. What the parent holds is a stamp, which the child has not.
        """
        self._tools.closed = True
        self._tools.inotify.forked()
        self._tools.worker.forked()
        self._pulse.forked()
        for grant in list(self._grants):
            grant.forget()
        self._grants = set()
        root = os.path.realpath(self._root)
        for name in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{name}").startswith(f"{root}/"):
                    os.close(int(name))
            except OSError:  # the listing's own descriptor
                continue

    def _begin(self, election: str) -> LeasePlace:
        place = self._places.get(election)
        if place is None:
            place = self._places[election] = LeasePlace(self._root, election, private=self._private)
        self._tools.inotify.start(asyncio.get_running_loop())
        return place


def open_lease(
    path: Path,
    *,
    lease_s: float = DEFAULT_LEASE_S,
    poll_s: float = DEFAULT_POLL_S,
    scope: Scope = "host",
    clock: Clock | None = None,
    frame: Frame | None = None,
) -> LeaseBackend:
    """Elections with leases in the directory `path`, which need not exist yet; the first campaign makes it.

    `lease_s` is how long a grant lasts without renewal where the candidate does not say; `poll_s` is how often a
    standby looks by itself, in case the kernel's news fail. `clock` and `frame` are for tests.
    Raises BackendRefused on file systems that other hosts, with other clocks, may share.
    """
    footing = filesystems.footing(str(path))
    chosen = BootClock() if clock is None else clock
    return LeaseBackend(path, lease_s=lease_s, poll_s=poll_s, scope=scope, clock=chosen, frame=frame, footing=footing)


def _check(candidate: Candidate) -> None:
    try:
        sizes = [len(text.encode()) for text in (candidate.name, candidate.nonce)]
        size = len(metadata_json(candidate.metadata))
    except UnicodeEncodeError as error:
        raise BackendRefused(
            f"a candidate's name or metadata has no form in UTF-8 ({error}); it did not stand"
        ) from None
    if max(sizes) > NAME_LIMIT_BYTES:
        raise BackendRefused(
            f"a candidate's name may have {NAME_LIMIT_BYTES} bytes; this one did not stand. Shorten it"
        )
    if size > METADATA_LIMIT_BYTES:
        raise BackendRefused(
            f"the metadata of {candidate.name!r} has {size} bytes, and {METADATA_LIMIT_BYTES} are allowed; it did not "
            f"stand. Put less there"
        )
