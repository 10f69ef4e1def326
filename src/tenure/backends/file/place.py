"""Where one election lives on disk: DIR/<election>/, with the files named here."""

# ruff: noqa: PTH102, PTH104, PTH108, PTH112, PTH116, PTH120 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from tenure.backends.file import steps
from tenure.backends.url import checked_name, is_name
from tenure.errors import BackendRefused, ConfigurationError

TEMPORARY = ".tmp-"
"""How the names of files begin that are not finished yet. They live in candidates/, where the dead are reaped."""


_NO_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENODEV})
"""What opening says to a symbolic link, a directory, a socket and a device without a driver."""


class Place:
    """The paths of one election, and how its files come into being. `private`: readable by this user only."""

    __slots__ = ("candidates", "directory", "election", "leader", "lock", "private", "root", "token", "wish")

    def __init__(self, root: str, election: str, *, private: bool) -> None:
        self.root = root
        self.election = _checked(election)
        self.private = private
        self.directory = f"{root}/{election}"
        self.lock = f"{self.directory}/lock"
        self.token = f"{self.directory}/token"
        self.leader = f"{self.directory}/leader"
        self.wish = f"{self.directory}/wish"
        self.candidates = f"{self.directory}/candidates"

    @property
    def file_mode(self) -> int:
        return 0o600 if self.private else 0o666

    def create(self) -> None:
        """Make the directories, durably: a counter that vanishes with its directory at a power cut would go back."""
        mode = 0o700 if self.private else 0o777
        made = [path for path in (*_ancestors(self.root), self.directory) if not os.path.isdir(path)]
        for path in (*made, self.candidates):
            try:
                os.mkdir(path, mode)
            except FileExistsError:
                continue
        self.share_directories(self.directory, self.candidates)
        for path in made:
            sync_directory(os.path.dirname(path))
        if made:
            sync_directory(self.directory)

    def open_lock(self) -> int:
        """A descriptor of the lock file, made where it is missing; nothing is locked yet."""
        fd = open_regular(self.lock, os.O_RDWR | os.O_CREAT, self.file_mode)
        self._share(fd)
        return fd

    def share_directories(self, *paths: str) -> None:
        """Let whoever may write the root use these directories, as far as this user made them."""
        for path in paths if not self.private else ():
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                self._share(fd)
            finally:
                os.close(fd)

    def _share(self, fd: int) -> None:
        """The same for a file or directory. Who takes part is said by the root's mode, once, and by nobody's umask.

        What all others may, the file's group may too: of its members the kernel asks nothing else. The root's sticky
        bit is not taken over: everybody must be able to remove the files of the dead.
        """
        if self.private:
            return
        root, ours = os.stat(self.root), os.fstat(fd)
        writers = root.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if ours.st_gid == root.st_gid else 0))
        writers |= (writers & stat.S_IWOTH) << 3
        bits = writers | writers << 1 | (writers >> 1 if stat.S_ISDIR(ours.st_mode) else 0)
        if bits & ~ours.st_mode and ours.st_uid == os.geteuid():
            os.fchmod(fd, stat.S_IMODE(ours.st_mode) | bits)

    def is_current(self, fd: int) -> bool:
        """Whether the descriptor is still of the file that everybody else finds under the lock's path."""
        try:
            found = os.stat(self.lock, follow_symlinks=False)
        except FileNotFoundError:
            return False
        ours = os.fstat(fd)
        return (found.st_ino, found.st_dev) == (ours.st_ino, ours.st_dev)

    def is_held(self) -> bool:
        """Whether somebody leads, asked without locking anything and without waking anybody."""
        try:
            fd = open_regular(self.lock, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return steps.is_marked(fd)
        finally:
            os.close(fd)

    def put(self, path: str, data: bytes, *, durable: bool) -> None:
        """Make or replace the file `path` as a whole: readers and a power cut see the old or the new."""
        fd = self.begin()
        try:
            steps.write_whole(fd.fileno, data, 0)
            if durable:
                os.fsync(fd.fileno)
            fd.rename(path)
        finally:
            fd.close()
        if durable:
            sync_directory(os.path.dirname(path))

    def begin(self) -> Unfinished:
        """A file under a temporary name, locked to show that its maker lives."""
        unfinished = Unfinished(f"{self.candidates}/{TEMPORARY}{os.urandom(8).hex()}", self.file_mode)
        self._share(unfinished.fileno)
        return unfinished


class IrregularFileError(BackendRefused):
    """Where an election keeps a file there is something else: a pipe, a directory, a device, a symbolic link."""


class Unfinished:
    """A file that does not bear its name yet. Who dies meanwhile leaves it unlocked, and it is reaped."""

    __slots__ = ("fileno", "name")

    def __init__(self, name: str, mode: int) -> None:
        self.name: str | None = name
        self.fileno = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        steps.mark(self.fileno)

    def rename(self, path: str) -> None:
        """Give it its name. Raises FileNotFoundError where it was reaped between its making and its locking."""
        assert self.name is not None
        os.rename(self.name, path)
        self.name = None

    def close(self) -> None:
        """Drop it, unless it was renamed; the descriptor is closed in both cases."""
        if self.name is not None:
            remove(self.name)
            self.name = None
        os.close(self.fileno)


def open_regular(path: str, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a regular file, and of nothing else: opening a pipe would wait for its other end for ever.

    Raises IrregularFileError where something else has the name, FileNotFoundError where nothing has it.
    """
    try:
        fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _irregular(path, os.strerror(error.errno)) from None
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise _irregular(path, "something else has its name")


def _irregular(path: str, what: str) -> IrregularFileError:
    directory = os.path.dirname(path)
    if path == f"{directory}/lock" and os.path.isdir(
        f"{directory}/tenures"
    ):  # it is made so that nobody gets past here
        return IrregularFileError(
            f"{directory} is an election of lease:// and is led there; a lock beside it would elect a second leader. "
            f"Give the URL lease://{os.path.dirname(directory)}, or use another directory, or another name"
        )
    return IrregularFileError(
        f"{path} is no regular file ({what}), and nothing was read from it or written to it. An election's directory "
        f"must be one of its own, without symbolic links, pipes or other things in it: remove {path}"
    )


def places(root: str) -> tuple[str, ...]:
    """The elections below `root`, also those that this user may not look into, for else nobody seems to stand there.

    A directory that holds no candidates/ is somebody else's.
    """
    try:
        with os.scandir(root) as found:
            names = [entry.name for entry in found if is_name(entry.name)]
    except FileNotFoundError:  # nobody has stood for anything there yet
        return ()
    return tuple(name for name in names if _may_be_election(f"{root}/{name}"))


def _may_be_election(directory: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(f"{directory}/candidates").st_mode)
    except PermissionError:
        return os.path.isdir(directory) or not os.access(os.path.dirname(directory), os.X_OK)
    except OSError:
        return False


def _checked(election: str) -> str:
    try:
        return checked_name(election)  # nothing that leaves the directory gets past here, whoever checked before
    except ConfigurationError as error:
        raise BackendRefused(str(error)) from None


def remove(path: str) -> None:
    """Remove a file that another process may have removed already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def retried(attempt: Callable[[], None]) -> None:
    """Repeat what fails because somebody reaped a temporary in the microseconds before it was locked."""
    for left in range(4, -1, -1):
        try:
            attempt()
        except FileNotFoundError:
            if left == 0:
                raise
        else:
            return


def _ancestors(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(2, len(parts) + 1)]
