"""What a leader writes and does while it leads and when it steps down. All of it runs on the worker."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from tenure.backends.base import TOKEN_LIMIT, VALUE_LIMIT_BYTES, Gone, Moved
from tenure.backends.file import counter, queue, record, steps, wishes
from tenure.backends.file.identity import is_dead, this_process
from tenure.backends.file.outcomes import HEIR_NS
from tenure.backends.file.place import Place
from tenure.clock import Clock
from tenure.errors import BackendRefused, StaleToken

LOOKS = 50
LOOK_S = 0.01
"""How often and how long after one another a lock is tried for that nobody has shown to hold."""

_log = logging.getLogger(__name__)


def end(
    clock: Clock,
    place: Place,
    fd: int,
    state: record.Record,
    to: str | None = None,
    *,
    clean: bool,
    wished: bool = False,
) -> None:
    """Close the tenure in good order, let go of the lock, wake who is next. No error keeps the lock.

    With `clean` false the next winner is told that what went before it was not closed in good order. `wished` tells
    that somebody's wish lies there, which is fulfilled now; a wish that nobody heard is left to the next winner.
    """
    heir = ""
    try:
        heir = _find(place, to) if to is not None else ""
        until_ns = clock.now_ns() + HEIR_NS if heir else 0
        _close(place, fd, msgspec.structs.replace(state, clean=clean, heir=heir, heir_until_ns=until_ns))
        if wished:
            wishes.discard(place)
    except (OSError, BackendRefused) as error:
        _log.warning("%s: the end of tenure %d could not be written down: %s", place.leader, state.token, error)
    finally:
        let_go(place, fd, heir)


def let_go(place: Place, fd: int, heir: str = "") -> None:
    """Let go of the lock, and wake who is next."""
    steps.let_go(fd)
    for path in (place.lock, f"{place.candidates}/{heir}") if heir else (place.lock,):
        try:
            steps.poke(path)
        except OSError as error:  # deleted, or another user's: the closing woke them, and they look by themselves
            _log.debug("%s: nobody could be woken: %s", path, error)


def publish(place: Place, fd: int | None, state: record.Record, value: str) -> record.Record:
    """Write the leader's value; returns the state that is now on disk.

    Raises StaleToken where a newer tenure is known, BackendRefused where this one has ended.
    """
    last = record.read(place)
    highest = highest_given(last, counter.highest(place) or 0)
    if highest > state.token:
        raise StaleToken(state.token, highest)
    if fd is None or not place.is_current(fd):
        raise BackendRefused(f"tenure {state.token} of {place.election} has ended; nothing was published")
    return record.write(place, msgspec.structs.replace(state, seq=_next(last, state), value=value))


def reserve(place: Place, lock: int, state: record.Record, *, leads: Callable[[], bool]) -> record.Record:
    """Put the counter one ahead for the successor, which then need not wait for the disk; see `counter`.

    Readers are told before it begins, so that they do not take the counter for a newer leader's. A disk that hangs in
    it keeps the lock, even if that is let go meanwhile: a write that comes late must not meet a later tenure's.
    Returns the state that is now on disk.
    """
    held = os.dup(lock)
    try:
        if not place.is_current(held):
            return state
        state = record.write(place, msgspec.structs.replace(state, seq=state.seq + 1, reserve="begun"))
        if counter.reserve(place, state.token) and leads():
            state = record.write(place, msgspec.structs.replace(state, seq=state.seq + 1, reserve="durable"))
        return state
    finally:
        os.close(held)


def highest_given(last: record.Record | None, counted: int) -> int:
    """The highest token that anybody may have been given, by the newest record and the counter."""
    if last is not None and last.reserve != "none" and counted == last.token + 1:
        return last.token
    return max(counted, 0 if last is None else last.token)


def may_still_act(last: record.Record, lock: int) -> bool:
    """Whether the last leader held another lock file than this one, and neither closed its tenure nor is dead."""
    found = os.fstat(lock)
    elsewhere = (last.lock_device, last.lock_inode) != (found.st_dev, found.st_ino)
    return elsewhere and not last.closed and not is_dead(last.process)


def _close(place: Place, lock: int, state: record.Record) -> None:
    current = place.is_current(lock)
    if not current and record.read(place) is None:
        return  # the directory is another one, or is being removed: a record made there would belie its counter
    fd = record.open_for_writing(place)
    try:
        last = state if current else record.find(fd).newest  # under our lock nobody else writes
        if last is not None and last.token > state.token:  # our lock file was deleted, and another leads since
            return
        state = msgspec.structs.replace(state, seq=_next(last, state), closed=True, value=None)
        steps.close_record(fd, record.pack(state), record.offset(state))
    finally:
        os.close(fd)


def _next(last: record.Record | None, state: record.Record) -> int:
    return max(state.seq, 0 if last is None else last.seq) + 1


def _find(place: Place, name: str) -> str:
    return next((entry for entry, presence in queue.standing(place) if presence.candidate == name), "")


def floor(place: Place, token: int) -> None:
    """Let every later token be above `token`; repairs a damaged counter. See Backend.floor."""
    with _vacant(place) as (fd, last):
        highest = highest_given(last, counter.highest(place) or 0)
        if token < highest:
            raise BackendRefused(
                f"{place.election} has given token {highest} already; a floor of {token} would go back. "
                f"Nothing was changed"
            )
        if token >= TOKEN_LIMIT:
            raise BackendRefused(
                f"a floor must be below the largest token, {TOKEN_LIMIT}, and {token} is not; nothing was changed"
            )
        counter.replace(place, token)
        _write_floor(place, fd, token, last, clean=last is None or (last.closed and last.clean))  # nobody acted on it


def shut(place: Place, token: int, url: str, *, clean: bool) -> int:
    """Say that the election is at `url`; returns the floor that opens this place again. See Backend.shut."""
    check_url(url)
    with _vacant(place) as (fd, last):
        counted = counter.highest(place)
        if counted is None:
            raise BackendRefused(
                f"the counter {place.token} is damaged; nothing was changed. Give it a floor first: tenure doctor "
                f"{place.election} --floor N"
            )
        bottom = max(token, highest_given(last, counted) + 1)
        if bottom >= TOKEN_LIMIT:
            raise BackendRefused(f"the tokens of {place.election} are at their end, {TOKEN_LIMIT}; nothing was changed")
        counter.replace(place, bottom)
        _write_floor(place, fd, bottom, last, clean=clean, moved_to=url)
    return bottom


def retire(place: Place, lock: int, state: record.Record, url: str, *, clean: bool) -> record.Record:
    """Say, while the lock is held, that the election is at `url` from now on; the lock is then let go by the caller.

    Raises Gone where the lock is ours no more: whoever won on another file may have looked too early to see it.
    """
    check_url(url)
    if place.is_current(lock):
        fd = record.open_for_writing(place)
        try:
            last = record.find(fd).newest
            if last is None or last.token <= state.token:
                seq = max(state.seq, 0 if last is None else last.seq)
                ended = msgspec.structs.replace(
                    state, seq=seq, closed=True, clean=clean, value=None, metadata={}, moved_to=url
                )
                state = record.write_durably(fd, ended)
                if place.is_current(lock):
                    return state
        finally:
            os.close(fd)
    raise Gone(f"{place.lock} was deleted or replaced underneath tenure {state.token}")


def refuse_moved(place: Place, last: record.Record | None) -> None:
    """Raise Moved where the newest record says that the election is elsewhere."""
    if last is not None and last.moved_to:
        raise Moved(place.election, place.root, last.moved_to, last.token)


def check_url(url: str) -> None:
    """Raise BackendRefused for a URL that no record has room for."""
    if len(url.encode(errors="surrogateescape")) > VALUE_LIMIT_BYTES:
        raise BackendRefused(f"a URL may have {VALUE_LIMIT_BYTES} bytes; nothing was changed. Use a shorter path")


@contextmanager
def _vacant(place: Place) -> Iterator[tuple[int, record.Record | None]]:
    """The lock of an election that nobody leads, held inside, and its last record."""
    place.create()
    fd = place.open_lock()
    try:
        last = record.read(place)
        if not _take(fd) or not place.is_current(fd) or (last is not None and may_still_act(last, fd)):
            raise BackendRefused(
                f"somebody leads {place.election}; its counter was not changed. Have the leader resign first"
            )
        yield fd, record.read(place)  # under the lock nobody else writes
    finally:
        os.close(fd)


def _take(fd: int) -> bool:
    """Take the lock, also from a candidate that has it for an instant only, to find that it may not lead."""
    for _ in range(LOOKS):
        if steps.take_lock(fd):
            return True
        if steps.is_marked(fd):  # as the lock of a leader is
            return False
        time.sleep(LOOK_S)
    return False


def _write_floor(
    place: Place, lock: int, token: int, last: record.Record | None, *, clean: bool, moved_to: str = ""
) -> None:
    """A closed tenure of nobody, so that the next leader finds counter and record in step."""
    inode = os.fstat(lock)
    state = record.Record(
        seq=0 if last is None else last.seq,
        token=token,
        candidate="",
        nonce="",
        metadata={},
        process=this_process(),
        lock_device=inode.st_dev,
        lock_inode=inode.st_ino,
        closed=True,
        clean=clean,
        moved_to=moved_to,
    )
    fd = record.open_for_writing(place)
    try:
        record.write_durably(fd, state)
    finally:
        os.close(fd)
