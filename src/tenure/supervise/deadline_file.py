"""The file by which a job learns how long it may act: TENURE_DEADLINE_FILE.

One integer, CLOCK_BOOTTIME nanoseconds, replaced atomically. It only grows while the tenure is renewed, becomes 0 when
the job is to end, and is gone when the job is over: what cannot be read holds nothing.

    $XDG_RUNTIME_DIR/tenure-UID/GUARDIAN/deadline        (or below $TMPDIR, or /tmp)

Each guardian has a directory of its own and holds an flock on it, so the kernel says which guardian is dead. Leftovers
are swept by that word alone: no pid is read from a file (hazard L31), and a guardian in another container that shares
the directory is not taken for dead because its pid means nothing here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from tenure.durations import NS_PER_S
from tenure.errors import ConfigurationError

NO_DEADLINE_NS = 2**63 - 1
"""What stands in the file where the tenure has no deadline: under `file://` it holds until it ends."""
CONTENT_BYTES = 32
SWEPT = 1000
"""At most so many leftovers are looked at by one start."""
_NAME = "deadline"


def holds(path: str | os.PathLike[str], for_s: float, now_ns: int) -> bool:
    """Whether the deadline in the file at `path` lies more than `for_s` seconds after `now_ns` (CLOCK_BOOTTIME).

    A file that is missing, cut short, no number or no regular file says no.
    """
    try:
        deadline_ns = int(content(path))
    except (OSError, ValueError):
        return False
    return deadline_ns - now_ns > for_s * NS_PER_S


def content(path: str | os.PathLike[str]) -> bytes:
    """What stands in the file at `path`; nothing in what is no regular file: a pipe would wait for its other end.

    Raises OSError where it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, CONTENT_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


class DeadlineFile:
    """The file of one guardian."""

    def __init__(self, directory: Path, lock: int) -> None:
        self._directory = directory
        self._lock: int | None = lock
        self.path = directory / _NAME

    @classmethod
    def create(cls) -> DeadlineFile:
        """A directory of our own, locked; sweeps those of dead guardians.

        Raises ConfigurationError where none can be made, or where its place belongs to somebody else.
        """
        place = _private_place()
        try:
            _sweep(place)
            while True:
                directory = place / f"{os.getpid()}-{os.urandom(4).hex()}"  # the pid is for the reader's eye only
                directory.mkdir(0o700)
                try:
                    directory.chmod(0o700)  # whatever the umask is
                    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                except FileNotFoundError:  # a sweeper was faster still
                    continue
                fcntl.flock(lock, fcntl.LOCK_EX)
                if directory.exists():
                    return cls(directory, lock)
                os.close(lock)  # a sweeper was faster than our lock, and removed the new directory
        except OSError as error:
            raise _unusable(place, error) from error

    def begin(self, deadline_ns: int | None) -> None:
        """Write the first deadline of a job. Raises ConfigurationError where that fails: it would hold nothing."""
        try:
            self._replace(deadline_ns)
        except OSError as error:
            self.remove_file()
            raise _unusable(self._directory, error) from error

    def write(self, deadline_ns: int | None) -> None:
        """Replace the deadline. Where that fails the old one stays: it comes sooner, so it is safe."""
        with contextlib.suppress(OSError):
            self._replace(deadline_ns)

    def _replace(self, deadline_ns: int | None) -> None:
        new = self._directory / "new"
        with new.open("w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask is: the job reads it
            file.write(f"{NO_DEADLINE_NS if deadline_ns is None else deadline_ns}\n")
        new.replace(self.path)

    def void(self) -> None:
        """From now on nothing is held: 0, or no file where not even that can be written (a full disk)."""
        self.write(0)
        if holds(self.path, 0, 0):
            self.remove_file()

    def remove_file(self) -> None:
        """No job, no file."""
        _remove_files(self._directory)

    def remove(self) -> None:
        """Leave nothing behind."""
        self.remove_file()
        with contextlib.suppress(OSError):
            self._directory.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def check_place() -> None:
    """Raise ConfigurationError now where the job's file could not be written: before anybody is elected for nothing."""
    file = DeadlineFile.create()
    try:
        file.begin(0)
    finally:
        file.remove()


def sweep() -> None:
    """Remove what guardians left that were killed; what cannot be removed now is left to the next."""
    with contextlib.suppress(ConfigurationError, OSError):
        _sweep(_private_place())


def _private_place() -> Path:
    """The directory of this user's guardians; only this user may look into it."""
    base = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  made private below
    place = Path(base).absolute() / f"tenure-{os.geteuid()}"
    try:
        with contextlib.suppress(FileExistsError):
            _make_private(place)
        found = place.lstat()
    except OSError as error:
        raise _unusable(place, error) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise _unusable(place, "it is not a directory that only you can enter")
    return place


def _make_private(directory: Path) -> None:
    """Make a directory that its owner may use, and nobody else, whatever the umask is."""
    directory.mkdir(0o700)
    directory.chmod(0o700)


def _unusable(place: Path, why: OSError | str) -> ConfigurationError:
    return ConfigurationError(
        f"no place for the job's deadline file at {place} ({why}); nothing was started; "
        "let XDG_RUNTIME_DIR name a directory that is yours alone and has some space left"
    )


def _sweep(place: Path) -> None:
    """Remove what guardians left that were killed: nobody holds the lock on their directory."""
    for directory in list(place.iterdir())[:SWEPT]:
        with contextlib.suppress(OSError):  # swept by another guardian in the same moment, or locked: alive
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove_files(directory)
                directory.rmdir()
            finally:
                os.close(lock)


def _remove_files(directory: Path) -> None:
    for name in (_NAME, "new"):
        (directory / name).unlink(missing_ok=True)
