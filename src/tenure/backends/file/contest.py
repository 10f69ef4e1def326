"""One candidate's way to the lock: everything about a campaign that may block, so all of it runs on the worker.

The first two in the queue watch the lock, and everybody the two before (see `line`); the second tries a little later,
in case the first is asleep. So the end of a tenure wakes two and its successor's leaving of the queue two, however many
stand (L15). Whoever finds the lock free though others are ahead waits a little, then takes it: a paused one freezes
nobody (L22).
"""

# ruff: noqa: PTH116 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from tenure.backends.base import Candidate
from tenure.backends.file import counter, queue, record, steps, tenures, wishes
from tenure.backends.file.identity import boot_id, this_process
from tenure.backends.file.inotify import (
    ATTRIB,
    CLOSE_WRITE,
    DELETE_SELF,
    MOVE_SELF,
    Inotify,
    News,
)
from tenure.backends.file.line import Line, Wanted
from tenure.backends.file.outcomes import HEIR_NS, Declined, Orphaned, Outcome, Seen, Victory, Wait
from tenure.backends.file.place import Place
from tenure.clock import Clock
from tenure.durations import NS_PER_S
from tenure.holding.events import Granted

PATIENCE_S = 0.1
"""How long who is ahead may sleep while the lock is free; a busy machine wakes a process within some 10 ms."""
STEP_S = 0.02
FARTHEST = 10
"""Those further behind wait a little longer each, so that they do not all try at once; up to this many steps."""

_log = logging.getLogger(__name__)

LOCK_MASK = CLOSE_WRITE | ATTRIB | DELETE_SELF | MOVE_SELF


class Contest:
    """Made on the loop; every method belongs to the worker."""

    def __init__(
        self,
        place: Place,
        candidate: Candidate,
        *,
        clock: Clock,
        inotify: Inotify,
        seen: Seen,
        news: Callable[[str], News],
    ) -> None:
        self.place = place
        self.begun = False
        """Whether a step was ever done, so that there may be something to withdraw."""
        self._candidate = candidate
        self._clock = clock
        self._seen = seen
        self._news = news
        self._line = Line(
            place,
            candidate,
            clock.now_ns(),
            inotify=inotify,
            news=news,
            besides=self._besides,
            at_once={place.lock: self._lock_moved},
        )
        self._heir = False
        """Whether the last leader stepped down for this candidate."""
        self._hold_for_s: float | None = None
        """How long to hold back for another one."""
        self._lock = -1
        self._sent_ns = 0
        self._inode: tuple[int, int] | None = None
        self._moved = False
        self._front = False
        self._sprung: list[Outcome] = []
        """What came of trying on the news themselves, until somebody takes it out."""
        self._withdrawn = False

    @property
    def stands(self) -> bool:
        """Whether there is anything in the queue to withdraw."""
        return self._line.stands

    def sprung(self) -> Outcome | None:
        """What was won on the news themselves, to whoever asks first: the loop or the next step."""
        try:
            return self._sprung.pop()
        except IndexError:
            return None

    # ------------------------------------------------------------------------------------------- jobs for the worker

    def perform(self, step: Callable[[], Outcome]) -> Outcome:
        """Do one of the steps below; one that a stalled disk gives back after the withdrawal cleans up after itself."""
        self.begun = True
        sprung = self.sprung()
        if sprung is not None:
            return sprung
        try:
            return step()
        except FileNotFoundError:  # somebody removed the directory while we looked: begin again in a new one
            self.place.create()
            return Wait(front=False, blind=True)
        except BaseException:  # it goes on as it is; only what was withdrawn meanwhile is given back
            if self._withdrawn:
                self.withdraw()
            raise

    def first(self, *, once: bool) -> Outcome:
        """Try at once if nobody is ahead; otherwise queue, unless it is a single try."""
        try:
            ahead = self._line.is_anybody_ahead()
        except FileNotFoundError:
            self.place.create()
            ahead = False
        held = self.place.is_held()
        if not held and not ahead:
            outcome = self._attempt()
            if outcome is not None:
                return outcome
        if not once:
            return self.turn(eager=False)
        self._close_lock()
        return Declined() if held or not ahead else Wait(front=False, eager_s=PATIENCE_S)

    def last(self) -> Outcome:
        """The second half of a single try, after those ahead had their time."""
        outcome = self._attempt()
        if outcome is None:
            self._close_lock()
        return outcome or Declined()

    def turn(self, *, eager: bool) -> Outcome:
        """Find the own place in the queue, watch what matters there, and try if it is time."""
        position, watching = self._line.take()
        self._front = front = position == 0 or self._heir
        if self._hold_for_s is not None:
            return Wait(front=False, blind=not watching, hold_s=self._hold_for_s)
        if front or eager:
            outcome = self._attempt()
            if outcome is not None:
                return outcome
        if position > 1 and not self._heir:
            self._close_lock()
        free_behind = not front and not eager and not self.place.is_held()
        patience_s = PATIENCE_S + STEP_S * min(position - 1, FARTHEST)
        return Wait(front=front, blind=not watching, eager_s=patience_s if free_behind else None)

    def finish(self) -> Outcome:
        """Win after waiting for the one before; the lock was ours all the time."""
        if self._lock < 0 or not self.place.is_current(self._lock):
            return self.turn(eager=True)
        self._moved = False
        return self._ascend(record.look(self.place))

    def is_settled(self) -> bool:
        """Whether the tenure that an Orphaned told of has been closed meanwhile."""
        last = record.read(self.place)
        return last is not None and last.closed

    def give_back(self, outcome: Outcome | None) -> None:
        """End what was won for somebody who has gone."""
        if isinstance(outcome, Victory):
            tenures.end(self._clock, self.place, outcome.fd, outcome.state, clean=outcome.granted.clean)

    def withdraw(self) -> None:
        """Leave nothing behind; may be called at any time, and again."""
        self._withdrawn = True
        self._line.withdraw()
        self.give_back(self.sprung())
        self._close_lock()

    # ------------------------------------------------------------------------------------------------- in the queue

    def _besides(self, position: int) -> Wanted:
        """The first two watch the lock, and whoever the last leader stepped down for."""
        self._note_directory()
        self._heir, self._hold_for_s = self._succession()
        if position > 1 and not self._heir:
            return {}
        if self._lock < 0:  # a watch needs the file
            self._lock = self.place.open_lock()
        return {self.place.lock: (LOCK_MASK, self._news("lock"))}

    def _note_directory(self) -> None:
        """Remember in which directory this candidate stands: in another one nobody knows who led in the first."""
        found = os.stat(self.place.directory)
        inode = (found.st_dev, found.st_ino)
        self._moved = self._moved or self._inode not in (None, inode)
        self._inode = inode

    def _succession(self) -> tuple[bool, float | None]:
        """Whether the last leader stepped down for this candidate, and for how long to hold back for another one."""
        last = record.read(self.place)
        if last is None:
            return False, None
        self._seen.note(self.place.election, last.token)
        return last.heir == self._line.entry and last.closed, self._hold_s(last)

    def _hold_s(self, last: record.Record) -> float | None:
        if not last.closed or last.heir in ("", self._line.entry) or last.process.boot != boot_id():
            return None
        left_ns = last.heir_until_ns - self._clock.now_ns()
        if not 0 < left_ns <= HEIR_NS or not queue.lives(self.place, last.heir):
            return None
        return min(left_ns / NS_PER_S, PATIENCE_S / 2)

    # -------------------------------------------------------------------------------------------------- at the lock

    def _attempt(self) -> Victory | Orphaned | None:
        """Try to take the lock of the file that bears its name now (L23)."""
        self._sent_ns = self._clock.now_ns()
        for _ in range(5):
            if self._lock < 0:
                self._lock = self.place.open_lock()
            taken = steps.take_lock(self._lock)
            if self.place.is_current(self._lock):
                return self._decide() if taken else None
            self._close_lock()
        return None

    def _lock_moved(self, _mask: int) -> None:
        """What wakes the first in the queue is mostly the lock: try it at once, before the loop hears of it.

        A lock that is still current also says that the directory is the one that this candidate stands in.
        """
        if not self._front or self._lock < 0 or self._withdrawn:
            return
        self._sent_ns = self._clock.now_ns()
        try:
            if not queue.is_first(self.place, self._line.entry) or not steps.take_lock(self._lock):
                return
            if not self.place.is_current(self._lock):
                self._close_lock()
                return
            outcome = self._decide()
        except Exception:  # noqa: BLE001  the turn that follows meets the same trouble, and tells it
            return
        if outcome is not None:
            self._front = False
            self._sprung.append(outcome)

    def _decide(self) -> Victory | Orphaned | None:
        try:
            found = record.look(self.place)
            last = found.newest
            if last is not None and self._hold_s(last) is not None:
                self._close_lock()
                return None
            if self._moved:
                return Orphaned(None)
            if last is not None and tenures.may_still_act(last, self._lock):
                return Orphaned(last.process)
            return self._ascend(found)
        except BaseException:  # it goes on as it is; nobody is left who would let go of the lock
            self._close_lock()
            raise

    def _ascend(self, found: record.Found) -> Victory:
        """Take a token that is durable, and only then let readers see who leads."""
        last = found.newest
        try:
            tenures.refuse_moved(self.place, last)
            state = self._take_reserved(found)
            before = state.token - 1 if state is not None else 0
            if state is None:
                seen = self._seen.highest(self.place.election)
                token, before = counter.mint(self.place, 0 if last is None else last.token, seen)
                if last is not None and _knows_reserve(found) and before == last.token + 1:
                    before = last.token  # the reserved one is skipped: nobody was given it
                state = self._record(last, token)
                self._announce(state)
            self._seen.note(self.place.election, state.token)
            wishes.discard(self.place)
        except BaseException:  # it goes on as it is; nobody is left who would let go of the lock
            self._close_lock()
            raise
        clean = before == 0 or (last is not None and last.closed and last.clean and last.token == before)
        fd, self._lock = self._lock, -1
        return Victory(fd, Granted(token=state.token, sent_ns=self._sent_ns, lease_ns=None, clean=clean), state)

    def _take_reserved(self, found: record.Found) -> record.Record | None:
        """The token that the last leader has made durable for whoever comes next; None where there is any doubt.

        That it was not given yet, only the records tell. They are as good as the memory of this kernel: believed where
        the same kernel wrote them, about the same lock, and nothing of them is damaged. And it is given only once the
        record of that is written.
        """
        last = found.newest
        if last is None or not _knows_reserve(found):
            return None
        state = self._record(last, last.token + 1)
        same_lock = (last.lock_device, last.lock_inode) == (state.lock_device, state.lock_inode)
        unseen = self._seen.highest(self.place.election) <= last.token
        if same_lock and unseen and counter.reserved(self.place, last.token) and self._announce(state):
            return state
        return None

    def _record(self, last: record.Record | None, token: int) -> record.Record:
        found = os.fstat(self._lock)
        return record.Record(
            seq=1 if last is None else last.seq + 1,
            token=token,
            candidate=self._candidate.name,
            nonce=self._candidate.nonce,
            metadata=dict(self._candidate.metadata),
            process=this_process(),
            lock_device=found.st_dev,
            lock_inode=found.st_ino,
            since=time.time(),
        )

    def _announce(self, state: record.Record) -> bool:
        """Show the lock, then write the record: a lock that is seen with the counter and the record in step is that
        leader's. Returns whether it could be written; a disk that refuses the record does not undo the win.
        """
        steps.show_lock(self._lock)
        try:
            record.write(self.place, state)
        except OSError as error:
            _log.warning("%s: who leads could not be written down: %s", self.place.leader, error)
            return False
        return True

    def _close_lock(self) -> None:
        if self._lock >= 0:
            fd, self._lock = self._lock, -1
            os.close(fd)


def _knows_reserve(found: record.Found) -> bool:
    """Whether the record tells for certain that a token was reserved after its own and not given."""
    last = found.newest
    return last is not None and found.whole and last.reserve == "durable" and last.process.boot == boot_id()
