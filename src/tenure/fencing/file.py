"""Marks in files, shared by the processes of one host: DIR/<election>.mark.

- `flock` makes each change of a mark one step; it is held for microseconds, and for the sync of a new mark.
- Whoever acts with token N holds an open-file-description lock on byte N, shared. "Is an older act inside?" is then
  one question to the kernel, F_OFD_GETLK of the bytes below N, whose answer names the token. A process that dies,
  however it dies, is inside no more; there is nothing to tidy up.
- The mark has two slots with checksums, as the token's counter. Both are written and synced, one after the other,
  before the mark counts as raised: what is torn was told to nobody, and what rots stands in the other slot.
"""

# ruff: noqa: PTH100, PTH103, PTH108, PTH112, PTH116, PTH120 -- paths are plain strings here, as in the file backend

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tenure.backends.file import steps
from tenure.backends.file.counter import OFFSETS, image, newest, older, pack, slots
from tenure.backends.file.filesystems import footing
from tenure.backends.file.place import open_regular, sync_directory
from tenure.backends.url import checked_name
from tenure.errors import BackendRefused, BackendUnreachable, StaleToken
from tenure.fencing.marks import Obstacle, Visit

_log = logging.getLogger("tenure")
_RIGHTS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_OPEN: set[int] = set()
"""Descriptors of this process; a forked child closes its copies, lest it keep its dead parent's acts inside."""


class FileMarks:
    """The marks below one directory."""

    may_block = True

    def __init__(self, directory: str) -> None:
        self._directory = os.path.abspath(directory)
        ground = footing(self._directory)
        if ground.grade == "C":
            _log.warning("the marks in %s are on %s and will be forgotten at a restart", self._directory, ground.kind)
        self._seen: dict[str, int] = {}
        """The greatest mark that this process knows of: a file that was restored from a backup does not lower it."""

    def enter(self, election: str, token: int) -> Visit | Obstacle:
        with self._opened(election) as file:
            if not file.take():
                return Obstacle(None)
            try:
                self._raise(file, election, token)
                oldest = file.oldest_inside(token)
                if oldest is not None:
                    return Obstacle(oldest)
                file.go_inside(token)
            finally:
                file.let_go()
            return file.as_visit()

    def stamp(self, election: str, token: int) -> Obstacle | None:
        with self._opened(election) as file:
            if not file.take():
                return Obstacle(None)
            try:
                self._raise(file, election, token)
            finally:
                file.let_go()
        return None

    def highest(self, election: str) -> int:
        path = self._path(election)
        with self._translating():
            try:
                fd = open_regular(path, os.O_RDONLY)
            except FileNotFoundError:
                return self._seen.get(election, 0)
            try:
                mark = newest(fd)
            finally:
                os.close(fd)
        if mark is None:
            raise _damaged(path)
        return max(mark, self._seen.get(election, 0))

    def _raise(self, file: _MarkFile, election: str, token: int) -> None:
        """Raise the mark to `token`, durably (rule 1), or refuse it (rule 2)."""
        kept = file.read()
        highest = max(kept[0] or 0, kept[1] or 0, self._seen.get(election, 0))
        if token >= highest:
            file.write(kept, token)
            self._seen[election] = token
            return
        file.write(kept, highest)
        self._seen[election] = highest
        raise StaleToken(token, highest)

    @contextmanager
    def _opened(self, election: str) -> Iterator[_MarkFile]:
        """The election's file, closed afterwards unless an act keeps it open."""
        with self._translating():
            path = self._path(election)
            try:
                file = _MarkFile(path)
            except FileNotFoundError:
                self._create(path)
                file = _MarkFile(path)
            try:
                yield file
            finally:
                file.close()

    def _path(self, election: str) -> str:
        return f"{self._directory}/{checked_name(election)}.mark"

    def _create(self, path: str) -> None:
        """Make the file in one step, durably: whoever opens it finds a whole mark."""
        made = []
        directory = self._directory
        while not os.path.isdir(directory):
            made.append(directory)
            directory = os.path.dirname(directory)
        os.makedirs(self._directory, exist_ok=True)
        for path_made in reversed(made):
            sync_directory(os.path.dirname(path_made))
        temporary = f"{self._directory}/.new-{os.urandom(8).hex()}"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            steps.write_whole(fd, image(0), 0)
            os.fsync(fd)
            with suppress(FileExistsError):  # made by somebody else meanwhile
                os.link(temporary, path)
        finally:
            os.close(fd)
            os.unlink(temporary)
        sync_directory(self._directory)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = f"the gate in {self._directory} cannot be used ({error.strerror or error}); nothing was admitted"
            if error.errno in _RIGHTS:
                raise BackendRefused(f"{said}. Give this user write access there, or name another directory") from error
            raise BackendUnreachable(
                f"{said}. Try again; look at the disk and the kernel's log if it goes on"
            ) from error


class _MarkFile:
    """One opening of a mark's file, with its own lock and its own place inside."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = open_regular(path, os.O_RDWR)
        _OPEN.add(self._fd)

    def take(self) -> bool:
        """Take the file for one step; False where another has it, or where the path names another file by now."""
        if not steps.take_lock(self._fd):
            return False
        try:
            return os.path.samestat(os.stat(self._path, follow_symlinks=False), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def let_go(self) -> None:
        """End the step; what is inside stays there."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def read(self) -> tuple[int | None, int | None]:
        """Both slots, of which one may be damaged. Raises BackendRefused where both are."""
        kept = slots(self._fd)
        if kept == (None, None):
            raise _damaged(self._path)
        return kept

    def write(self, kept: tuple[int | None, int | None], mark: int) -> None:
        """Put `mark` into both slots, the lower or damaged one first: what was told stays readable all the time."""
        first = older(*kept)
        for slot in (first, 1 - first):
            if kept[slot] != mark:
                steps.write_whole(self._fd, pack(mark), OFFSETS[slot])
                sync_mark(self._fd)

    def oldest_inside(self, token: int) -> int | None:
        """A token below this one under which somebody acts now; None if there is none."""
        answer = fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, steps.FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, token, 0))
        kind, _, start, _, _ = steps.FLOCK.unpack(answer)
        return None if kind == fcntl.F_UNLCK else int(start)

    def go_inside(self, token: int) -> None:
        """Let others see that an act with this token has begun."""
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, steps.FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, token, 1, 0))

    def as_visit(self) -> Visit:
        """The act that is inside by this opening, which belongs to it from now on."""
        fd, self._fd = self._fd, -1
        return Visit(lambda: _leave(fd))

    def close(self) -> None:
        """Close it, unless an act has it."""
        if self._fd >= 0:
            _close(self._fd)


def sync_mark(fd: int) -> None:
    """Make a mark durable: nothing is done under a new token before."""
    os.fdatasync(fd)


def _leave(fd: int) -> None:
    # Not by closing alone: a child between its fork and its exec has a copy of the descriptor.
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, steps.FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))
    _close(fd)


def _close(fd: int) -> None:
    _OPEN.discard(fd)
    os.close(fd)


def _forked() -> None:
    for fd in _OPEN:
        os.close(fd)
    _OPEN.clear()


os.register_at_fork(after_in_child=_forked)


def _damaged(path: str) -> BackendRefused:
    return BackendRefused(
        f"the mark {path} is damaged in both of its slots, and nothing was admitted: what it refused is not known. "
        "Remove the file while nobody acts, and stamp the greatest token that was ever given: "
        "FenceGate(directory).stamp(token, election)"
    )
