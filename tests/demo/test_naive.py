"""The hand-written lock is an honest one: it excludes while nobody is late, and then fails for its known reason."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tenure.demo import naive
from tenure.demo.naive import TimeoutLock

LIMIT_S = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A lock that nobody has."""
    naive.create(tmp_path / "lock")
    return tmp_path / "lock"


def acquired(lock: TimeoutLock) -> threading.Event:
    """Set once the lock was acquired, by a thread of its own."""
    done = threading.Event()

    def acquire() -> None:
        lock.acquire()
        done.set()

    threading.Thread(target=acquire, daemon=True).start()
    return done


def believes(lock: TimeoutLock) -> bool:
    """Whether its owner takes it for held, right now."""
    return lock.is_held


def test_it_excludes_while_it_is_renewed(path: Path) -> None:
    """Held for two time-outs (which is what this test waits for), nobody else gets it; released, the next one does."""
    ada, bob = TimeoutLock(path, "ada"), TimeoutLock(path, "bob")
    ada.acquire()
    got = acquired(bob)
    assert not got.wait(2 * naive.TIMEOUT_S)
    assert ada.is_held
    ada.release()
    assert got.wait(LIMIT_S)
    bob.release()


def test_it_is_taken_over_when_it_is_not_renewed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner that does not renew in time loses it, and learns of it only at its next renewal: that is its flaw."""
    monkeypatch.setattr(naive, "RENEW_S", 2 * naive.TIMEOUT_S)
    ada, bob = TimeoutLock(path, "ada"), TimeoutLock(path, "bob")
    ada.acquire()
    assert acquired(bob).wait(LIMIT_S)
    assert believes(ada)  # both believe it
    end_s = time.monotonic() + LIMIT_S
    while believes(ada) and time.monotonic() < end_s:
        time.sleep(0.01)
    assert not believes(ada)
    bob.release()


def test_it_lets_nobody_release_what_is_not_his(path: Path) -> None:
    """A late release of a former owner frees nothing: the mistake that this lock does not make."""
    ada, bob = TimeoutLock(path, "ada"), TimeoutLock(path, "bob")
    ada.acquire()
    bob.release()
    assert not acquired(TimeoutLock(path, "cy")).wait(3 * naive.POLL_S)
    ada.release()
