"""`file://`: the kernel's lock on a file of a local disk is the authority. Needs nothing but the disk.

Whoever holds the lock leads. A process that dies, however it dies, lets go of it at once; one that is paused keeps it;
there is no lease, and nothing to renew. Each election is a directory:

    lock          the lock; its holder leads. Never deleted: who deletes it ends the tenure within a second
    token         the fencing token's counter (`counter`)
    leader        who leads, since when, with what value (`record`)
    wish          the wish that the leader step down (`wishes`)
    candidates/   one file for each candidate (`queue`)

How a campaign goes is in `contest` (what it does) and `campaign` (when), how a tenure ends in `tenures`. Everything
that may block runs on one worker thread; no standby blocks a thread.
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
from tenure.backends.file import campaign, filesystems, reading, record, tenures, watching, wishes
from tenure.backends.file.failures import translating
from tenure.backends.file.grant import FileGrant
from tenure.backends.file.place import Place, places
from tenure.backends.file.sentry import Sentry
from tenure.backends.file.tools import Tools
from tenure.clock import BootClock, Clock
from tenure.errors import BackendRefused, BackendUnreachable
from tenure.holding.events import Transfer, Wish

DEFAULT_POLL_S = 2.0
"""How often a candidate looks at the lock if nothing wakes it: the fall-back of a fall-back."""
NAME_LIMIT_BYTES = 512
"""The longest name of a candidate; with metadata and value it must fit the leader's record."""


class FileBackend(Backend):
    """Elections in one directory; made by `open_file`."""

    def __init__(self, path: Path, *, poll_s: float, scope: Scope, clock: Clock, footing: filesystems.Footing) -> None:
        root = os.path.abspath(path)  # links are not resolved: one that is pointed elsewhere must be seen to be
        self.url = Path(root).as_uri() + ("" if poll_s == DEFAULT_POLL_S else f"?poll={poll_s:g}s")
        self.clock = clock
        self.capabilities = Capabilities(
            grade=footing.grade, scope=scope, default_lease_s=None, ordered=True, transfer=True, watch="push"
        )
        self._root = root
        self._real_roots = {os.path.realpath(root)}
        self._private = scope == "user"
        self._tools = Tools(clock, poll_s)
        self._sentry = Sentry(self._tools, root)
        self._grants: set[FileGrant] = set()
        self._places: dict[str, Place] = {}

    async def campaign(self, candidate: Candidate, *, once: bool) -> FileGrant | None:
        place = self._begin(candidate.election)
        _check(candidate)
        with translating(place.directory, "stand"):
            victory = await campaign.run(self._tools, place, candidate, once=once)
        if victory is None:
            return None
        if self._tools.closed:
            os.close(victory.fd)
            raise BackendUnreachable("this backend was closed while it campaigned; the lock was let go. Connect again")
        grant = FileGrant(self._tools, self._sentry, place, victory, self._grants.discard)
        self._grants.add(grant)
        return grant

    async def read(self, election: str) -> Reading:
        place = self._begin(election)
        with translating(place.directory, "look"):
            return await reading.read_and_warn(self._tools, place)

    async def watch(self, election: str) -> AsyncGenerator[Reading, None]:
        place = self._begin(election)
        with translating(place.directory, "look"):
            async with aclosing(watching.watch(self._tools, place)) as readings:
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
        place = self._begin(election)
        note = wishes.Note(leader.token, wish, os.urandom(8).hex())
        with translating(place.directory, "change"):
            await self._tools.worker.run(partial(wishes.leave, place, note))
        return leader

    async def floor(self, election: str, token: int) -> None:
        place = self._begin(election)
        with translating(place.directory, "change"):
            await self._tools.worker.run(partial(tenures.floor, place, token))
        self._tools.seen.note(election, token)

    async def shut(self, election: str, token: int, url: str, *, clean: bool) -> int:
        place = self._begin(election)
        with translating(place.directory, "change"):
            floor = await self._tools.worker.run(partial(tenures.shut, place, token, url, clean=clean))
        self._tools.seen.note(election, floor)
        return floor

    async def elections(self) -> tuple[str, ...]:
        with translating(self._root, "look"):
            return await self._tools.worker.run(partial(places, self._root))

    async def close(self) -> None:
        if self._tools.closed:
            return
        self._tools.closed = True
        for grant in list(self._grants):
            grant.drop()
        self._grants.clear()
        self._sentry.ring_all()
        self._sentry.stop()
        for bell in list(self._tools.bells):
            bell.ring()
        await asyncio.sleep(0)  # those who waited leave the queue through the worker
        await asyncio.sleep(0)
        self._tools.worker.close()
        await self._tools.worker.ended()
        self._tools.inotify.close()

    def forked(self) -> None:
        """Close every descriptor of this backend's files that the child inherited; also those of a step that was under
        way on the worker, which nothing here knows of. Closing a copy unlocks nothing.
        """
        self._tools.closed = True
        self._tools.inotify.forked()
        self._tools.worker.forked()
        kept = {fd for grant in self._grants for fd in grant.keep_open}  # wherever their directory is by now
        roots = {*self._real_roots, os.path.realpath(self._root)}
        for name in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{name}")
                if int(name) in kept or any(_is_of(target, root) for root in roots):
                    os.close(int(name))
            except OSError:  # the listing's own descriptor
                continue
        for grant in self._grants:
            grant.forget()
        self._grants = set()

    def _begin(self, election: str) -> Place:
        place = self._places.get(election)
        if place is None:
            place = self._places[election] = Place(self._root, election, private=self._private)
            self._real_roots.add(os.path.realpath(self._root))
        self._tools.inotify.start(asyncio.get_running_loop())
        return place


def open_file(
    path: Path, *, poll_s: float = DEFAULT_POLL_S, scope: Scope = "host", clock: Clock | None = None
) -> FileBackend:
    """Elections in the directory `path`, which need not exist yet; nothing is made before the first campaign.

    `poll_s` is how often a standby looks by itself, in case the kernel's news fail. With the scope "user" only this
    user may read what is made here. Raises BackendRefused on file systems whose locks are not this kernel's.
    """
    footing = filesystems.footing(str(path))
    return FileBackend(path, poll_s=poll_s, scope=scope, clock=BootClock() if clock is None else clock, footing=footing)


def _check(candidate: Candidate) -> None:
    try:
        _check_sizes(candidate)
    except UnicodeEncodeError as error:
        raise BackendRefused(
            f"a candidate's name or metadata has no form in UTF-8 ({error}); it did not stand"
        ) from None


def _check_sizes(candidate: Candidate) -> None:
    if len(candidate.name.encode()) > NAME_LIMIT_BYTES or len(candidate.nonce.encode()) > NAME_LIMIT_BYTES:
        raise BackendRefused(
            f"a candidate's name may have {NAME_LIMIT_BYTES} bytes; this one did not stand. Shorten it"
        )
    size = len(record.metadata_json(candidate.metadata))
    if size > METADATA_LIMIT_BYTES:
        raise BackendRefused(
            f"the metadata of {candidate.name!r} has {size} bytes, and {METADATA_LIMIT_BYTES} are allowed; it did not "
            f"stand. Put less there"
        )


def _is_of(target: str, root: str) -> bool:
    """Whether /proc names a file of an election under `root`: its lock, or something in candidates/.

    /proc shows paths without symbolic links, so `root` has none either.
    """
    target = target.removesuffix(" (deleted)")
    if not target.startswith(f"{root}/"):
        return False
    parts = target[len(root) + 1 :].split("/")
    return parts[1:] == ["lock"] or (len(parts) == 3 and parts[1] == "candidates")  # noqa: PLR2004 -- election/candidates/name
