"""What each error of the operating system becomes."""

from __future__ import annotations

import errno
import os

import pytest

from tenure.backends.file.failures import Act, translating
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
    with pytest.raises(BackendError) as caught, translating("/var/lib/e", "stand"):
        raise OSError(code, os.strerror(code), "/var/lib/e/lock")

    assert type(caught.value) is kind
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("act", "says", "keeps_to_itself"),
    [
        ("stand", "Nobody was elected by this. Give this user write access", "read access"),
        ("look", "Who leads cannot be told. Give this user read access", "write access"),
        ("change", "Nothing was changed. Give this user write access", "elected"),
    ],
)
def test_missing_rights_are_told_by_what_was_wanted(act: Act, says: str, keeps_to_itself: str) -> None:
    """Who only looks is asked for no right to write, and hears of no election that did not take place."""
    with pytest.raises(BackendRefused) as caught, translating("/var/lib/e", act):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/var/lib/e/leader")

    assert f"{says} to /var/lib/e" in str(caught.value)
    assert keeps_to_itself not in str(caught.value)
