"""One candidate's way to a tenure: everything about a campaign that may block, so all of it runs on the worker.

Nobody tries while a tenure before may still be led. Then the first in the queue makes the next one, waits out all
before it once more (`settle`), and has won. Whoever finds nobody leading though others are ahead waits a little, then
tries: one that is frozen in front delays the others by that, and by one lease if it had made a tenure already (L22).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

from tenure.backends.base import TOKEN_LIMIT, Candidate
from tenure.backends.file import queue
from tenure.backends.file.identity import this_process
from tenure.backends.file.line import Line
from tenure.backends.file.outcomes import HEIR_NS, Declined, Seen
from tenure.backends.lease import tenure_file
from tenure.backends.lease.place import LeasePlace
from tenure.backends.lease.record import Holder
from tenure.backends.lease.sightings import LONG_AGO_NS, Sightings
from tenure.backends.lease.stamp import Phase, Stamp
from tenure.backends.lease.survey import Survey, refuse_moved, survey
from tenure.backends.lease.tenure_file import TenureFile
from tenure.durations import NS_PER_S
from tenure.errors import BackendError, BackendRefused
from tenure.holding.events import Granted

PATIENCE_S = 0.1
"""How long who is ahead may sleep while nobody leads; a busy machine wakes and syncs within some 10 ms."""
STEP_S = 0.02
FARTHEST = 10
"""Those further behind wait a little longer each, so that they do not all try at once; up to this many steps."""
RESTAMPS = 5
"""Who waits for those before it stamps its own tenure so many times a lease: as often as a leader does."""

_log = logging.getLogger(__name__)


class Victory(msgspec.Struct, frozen=True):
    """The tenure is ours, its token durable, all before it over. Whoever gets this owns the file."""

    tenure: TenureFile
    granted: Granted


class Settling(msgspec.Struct, frozen=True):
    """The tenure is made; one before it may be led until `until_ns`. `settle` then, and at least each `again_s`."""

    until_ns: int
    again_s: float


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Not yet. Nobody can win before `until_ns`; `patience_s` after that be eager: try though others are ahead."""

    until_ns: int
    patience_s: float
    blind: bool = False
    """The kernel gave no watch: look often."""
    hold_s: float | None = None
    """Another one is to have it; look again after so long."""


Outcome = Victory | Declined | Settling | Wait


class Contest:
    """Made on the loop; every method belongs to the worker."""

    def __init__(
        self, place: LeasePlace, candidate: Candidate, lease_ns: int, *, line: Line, sightings: Sightings, seen: Seen
    ) -> None:
        self.place = place
        self.line = line
        self.begun = False
        """Whether a step was ever done, so that there may be something to withdraw."""
        self._candidate = candidate
        self._lease_ns = lease_ns
        self._sightings = sightings
        self._clock = sightings.clock
        self._seen = seen
        self._once = False
        self._tenure: TenureFile | None = None
        self._clean = True
        self._missed_ns: int | None = None
        self._withdrawn = False

    # ------------------------------------------------------------------------------------------- jobs for the worker

    def perform(self, step: Callable[[], Outcome]) -> Outcome:
        """Do one of the steps below; one that a stalled disk gives back after the withdrawal cleans up after itself."""
        self.begun = True
        try:
            outcome = step()
        except FileNotFoundError:  # somebody removed the directory while we looked: begin again in a new one
            self._give_back()
            self.place.create()
            return Wait(until_ns=LONG_AGO_NS, patience_s=PATIENCE_S, blind=True)
        except BaseException:  # it goes on as it is; only what was withdrawn meanwhile is given back
            if self._withdrawn:
                self.withdraw()
            raise
        if self._withdrawn and not isinstance(outcome, Victory):
            self.withdraw()
        return outcome

    def first(self, *, once: bool) -> Outcome:
        """Try at once if nobody is ahead; otherwise queue, unless it is a single try."""
        self._once = once
        try:
            ahead = self.line.is_anybody_ahead()
        except FileNotFoundError:
            self.place.create()
            ahead = False
        found = self._survey()
        vacant = self._is_vacant(found)
        if vacant and not ahead:
            outcome = self._attempt(found)
            if outcome is not None:
                return outcome
        if not once:
            return self.turn(eager=False)
        eager = Wait(until_ns=LONG_AGO_NS, patience_s=PATIENCE_S)
        return eager if vacant and ahead else Declined()

    def last(self) -> Outcome:
        """The second half of a single try, after those ahead had their time."""
        if self._tenure is not None:
            return self.settle()
        found = self._survey()
        return (self._attempt(found) if self._is_vacant(found) else None) or Declined()

    def turn(self, *, eager: bool) -> Outcome:
        """Find the own place in the queue, watch what matters there, and try if it is time."""
        position, watching = self.line.take()
        found = self._survey()
        last = found.last
        heir = last is not None and last.is_over and last.heir == self.line.entry
        hold_s = self._hold_s(last)
        if hold_s is not None:
            return Wait(until_ns=LONG_AGO_NS, patience_s=0, blind=not watching, hold_s=hold_s)
        front = position == 0 or heir
        if (front or eager) and self._is_vacant(found):
            outcome = self._attempt(found)
            if outcome is not None:
                return outcome
            found = self._survey()
        patience_s = 0.0 if front else PATIENCE_S + STEP_S * min(position - 1, FARTHEST)
        return Wait(until_ns=self._vacant_ns(found), patience_s=patience_s, blind=not watching)

    def settle(self) -> Outcome:
        """Stamp the tenure that was made, look whether it is still the last, and wait out all before it.

        The stamp and the look are one renewal, and the last of them is what the grant counts from.
        """
        assert self._tenure is not None, "there is something to settle once a tenure was made"
        sent_ns = self._clock.now_ns()
        if not self._tenure.renew(sent_ns):
            self._give_back()  # this process slept for a lease, and somebody went on without it
            return Declined() if self._once else self.turn(eager=False)
        token = self._tenure.token
        before = survey(self.place, self._sightings, below=token)
        refuse_moved(self.place, before)
        until_ns = max(before.over_ns, self._restored_ns())
        if until_ns > self._clock.now_ns():
            return Settling(until_ns, self._lease_ns / RESTAMPS / NS_PER_S)
        self._tenure.lead()
        self._seen.note(self.place.election, token)
        tenure, self._tenure, self._missed_ns = self._tenure, None, None
        granted = Granted(token=token, sent_ns=sent_ns, lease_ns=self._lease_ns, clean=before.clean and self._clean)
        return Victory(tenure, granted)

    def withdraw(self) -> None:
        """Leave nothing behind; may be called at any time, and again."""
        self._withdrawn = True
        self.line.withdraw()
        self._give_back()

    # ------------------------------------------------------------------------------------------------------- inside

    def _survey(self) -> Survey:
        found = survey(self.place, self._sightings)
        refuse_moved(self.place, found)
        self._note_restored(found)
        return found

    def _is_vacant(self, found: Survey) -> bool:
        return self._vacant_ns(found) <= self._clock.now_ns()

    def _vacant_ns(self, found: Survey) -> int:
        return max(found.over_ns, self._restored_ns())

    def _note_restored(self, found: Survey) -> None:
        """A token that this process saw is gone: the directory was wiped, or restored from a backup (L34).

        Its leader may go on until the end of its lease, which nobody knows any more: none was longer than the longest.
        """
        if found.top < self._seen.highest(self.place.election):
            self._missed_ns = self._clock.now_ns() if self._missed_ns is None else self._missed_ns
        else:
            self._seen.note(self.place.election, found.top)

    def _restored_ns(self) -> int:
        longest_ns = max(self._sightings.longest_ns, self._lease_ns)  # its own: who led first saw no other
        return LONG_AGO_NS if self._missed_ns is None else self._missed_ns + longest_ns

    def _hold_s(self, last: Stamp | None) -> float | None:
        """How long to hold back for the one in whose favour the last leader stepped down."""
        if last is None or not last.is_over or last.heir in ("", self.line.entry):
            return None
        left_ns = last.heir_until_ns - self._clock.now_ns()
        if last.frame != self._sightings.frame or not 0 < left_ns <= HEIR_NS or not queue.lives(self.place, last.heir):
            return None
        return min(left_ns / NS_PER_S, PATIENCE_S / 2)

    def _attempt(self, found: Survey) -> Outcome | None:
        """Make the next tenure; None where somebody else was first."""
        token = max(found.top, self._seen.highest(self.place.election)) + 1
        if token > TOKEN_LIMIT:
            raise BackendRefused(
                f"the tokens of {self.place.election} are at their end: {TOKEN_LIMIT} is the largest that everybody "
                f"can compare. Nothing was changed and nobody was elected. Go on with an election of another name"
            )
        self._clean = found.clean and self._missed_ns is None
        first = Stamp(
            number=0,
            phase=Phase.CLAIMED,
            at_ns=self._clock.now_ns(),
            lease_ns=self._lease_ns,
            frame=self._sightings.frame,
        )
        holder = Holder(
            candidate=self._candidate.name,
            nonce=self._candidate.nonce,
            metadata=dict(self._candidate.metadata),
            process=this_process(),
            since=time.time(),
        )
        self._tenure = tenure_file.make(self.place, token, first, holder)
        return None if self._tenure is None else self.settle()

    def _give_back(self) -> None:
        """Let nobody wait for a tenure that is not led. Nobody acted on it, so what was before it still counts."""
        if self._tenure is None:
            return
        tenure, self._tenure = self._tenure, None
        try:
            tenure.close(clean=self._clean)
        except (OSError, BackendError) as error:  # then it is waited out
            _log.warning("%s could not be closed: %s", self.place.path(tenure.token), error)
            tenure.drop()
