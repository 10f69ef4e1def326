"""What each error of the operating system becomes."""

from __future__ import annotations

import errno
import os

import pytest

from tenure.backends.file.failures import translating
from tenure.errors import BackendError, BackendRefused, BackendUnreachable


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (errno.EACCES, BackendRefused, "write access"),
        (errno.EPERM, BackendRefused, "write access"),
        (errno.EROFS, BackendRefused, "can be written"),
        (errno.ENOTDIR, BackendRefused, "directory of its own"),
        (errno.ELOOP, BackendRefused, "symbolic links"),
        (errno.ENOSPC, BackendUnreachable, "Free some space"),
        (errno.EDQUOT, BackendUnreachable, "Free some space"),
        (errno.EIO, BackendUnreachable, "kernel's log"),
        (errno.EMFILE, BackendUnreachable, "ulimit -n"),
        (errno.ENFILE, BackendUnreachable, "fs.file-max"),
    ],
)
def test_an_error_says_what_to_do(code: int, kind: type[BackendError], says: str) -> None:
    """What needs a change is refused, what may pass is unreachable, and both name the remedy."""
    with pytest.raises(BackendError) as caught, translating("/var/lib/e"):
        raise OSError(code, os.strerror(code), "/var/lib/e/lock")

    assert type(caught.value) is kind
    assert says in str(caught.value)
