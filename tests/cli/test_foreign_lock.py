"""Whoever may read the lock's file can lock it, and so bar everybody from being elected: that is told, and by whom."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scene import TENURE, ended_as_other, leader, needs_other, tenure


@pytest.fixture
def barred(url: str, tmp_path: Path) -> Iterator[str]:
    """An election whose lock this process holds, without leading."""
    assert tenure("run", "-q", "nightly", "--at", url, "--", "true").code == 0
    lock = os.open(tmp_path / "elections" / "nightly" / "lock", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield f"pid {os.getpid()} ("
    finally:
        os.close(lock)


def test_status_names_who_holds_the_lock(url: str, barred: str) -> None:
    """Vacant, with a warning: in the table, in the list of all, in JSON."""
    one = tenure("status", "nightly", "--at", url)
    every = tenure("status", "--at", url)
    (seen,) = tenure("status", "nightly", "--at", url, "-o", "json").json()["elections"]

    assert (one.code, seen["state"], seen["leader"]) == (3, "vacant", None)
    for said in (one.out, every.out, seen["warning"]):
        assert "nobody can be elected" in said
        assert barred in said


@needs_other
def test_another_users_lock_is_named_too(url: str, barred: str) -> None:
    """The kernel's list of locks is everybody's, where the descriptors of other users' processes are not."""
    seen = ended_as_other(*TENURE, "status", "nightly", "--at", url)

    assert barred in seen.out


def test_doctor_and_resign_name_it(url: str, barred: str) -> None:
    """Bad for the one; the other says it beside that nobody leads."""
    shown = tenure("doctor", "nightly", "--at", url)
    asked = tenure("resign", "nightly", "--at", url)

    assert (shown.code, asked.code) == (1, 3)
    assert barred in shown.out
    assert barred in asked.err


def test_a_lock_that_only_was_there_is_not_told_of(url: str) -> None:
    """Neither while somebody leads, nor when the leader has gone."""
    with leader(url, "nightly", "a"):
        led = tenure("status", "nightly", "--at", url, "-o", "json").json()["elections"][0]
    vacant = tenure("status", "nightly", "--at", url, "-o", "json").json()["elections"][0]

    assert (led["state"], led["warning"]) == ("led", "")
    assert (vacant["state"], vacant["warning"]) == ("vacant", "")
