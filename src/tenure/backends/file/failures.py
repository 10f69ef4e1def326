"""What the operating system's errors mean for a caller: refused (change something) or unreachable (try again)."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from tenure.errors import BackendError, BackendRefused, BackendUnreachable

Act = Literal["stand", "look", "change"]
_DENIED: dict[Act, str] = {
    "stand": "Nobody was elected by this. Give this user write access to {0}, or use another directory",
    "look": "Who leads cannot be told. Give this user read access to {0} and to the files in it",
    "change": "Nothing was changed. Give this user write access to {0} and to the files in it",
}
_RIGHTS = frozenset({errno.EACCES, errno.EPERM})
_SHAPE = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def translated(error: OSError, where: str, act: Act) -> BackendError:
    """The backend error that tells what `error`, met in the directory `where`, means to who wanted to `act`."""
    named = error.filename
    path = named if isinstance(named, str) else where
    said = f"{path}: {error.strerror or error}"
    code = error.errno
    if code in _RIGHTS:
        return BackendRefused(f"{said}. {_DENIED[act].format(where)}")
    if code == errno.EROFS:
        return BackendRefused(f"{said}. Nothing was changed. Elections need a directory that can be written")
    if code in _SHAPE:
        return BackendRefused(
            f"{said}. Nothing was changed. {where} must be a directory of its own, without symbolic links in it"
        )
    if code == errno.EMFILE:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return BackendUnreachable(
            f"descriptor limit (RLIMIT_NOFILE) reached: {limit}; raise it with ulimit -n. Each election that is led "
            f"needs one descriptor. Grants that are held stay held"
        )
    if code == errno.ENFILE:
        return BackendUnreachable(
            f"{said}. This machine has no descriptor left (fs.file-max). Grants that are held stay held"
        )
    if code in _FULL:
        return BackendUnreachable(f"{said}. Grants that are held stay held. Free some space in {where}, then try again")
    return BackendUnreachable(f"{said}. Grants that are held stay held. Look at the kernel's log if this goes on")


@contextmanager
def translating(where: str, act: Act) -> Iterator[None]:
    """Turn every OSError inside into the backend error that says what to do about it."""
    try:
        yield
    except OSError as error:
        raise translated(error, where, act) from error
