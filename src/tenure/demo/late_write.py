"""The fifth accident, where there are leases: a leader is paused past its lease, replaced, and wakes with a write."""

from __future__ import annotations

from tenure.audit import Noted, Opened
from tenure.audit.verdict import in_words
from tenure.demo import fenced_worker
from tenure.demo.narrator import Narrator
from tenure.demo.script import FEW, SHIFT, Pause, Refusal, TakeOver, named
from tenure.demo.sides import Side
from tenure.demo.stage import is_living


class LateWrite:
    """Plays it on one side and notes what followed."""

    def __init__(self, side: Side, narrator: Narrator) -> None:
        self.side = side
        self.take_overs: list[TakeOver] = []
        self.pause: Pause | None = None
        self.refusal: Refusal | None = None
        self.killed_pids: set[int] = set()
        self._narrator = narrator

    def play(self) -> None:
        """Play it. Raises ShowStopped where something did not happen in time."""
        stage, tell = self.side.stage, self._narrator.tell
        tell("starting two candidates; the ledger takes a payment only with the greatest token that it has seen ...")
        actor = self.side.start("ada")
        leader = stage.wait_leader()
        self.side.start("bob")
        tell(f"{named(leader)} leads and books payments")
        stage.wait_worked(SHIFT)
        self._narrator.scene("the leader is frozen past its lease, and wakes")
        frozen_ns = stage.freeze(actor)
        tell(f"paused {named(leader)} with SIGSTOP: it had looked, it leads, and its payment is on its way")
        successor = stage.wait_leader(after_ns=frozen_ns)
        replaced_ns = successor.at_ns - frozen_ns
        self.take_overs.append(TakeOver(accident="paused", after_ns=replaced_ns, by=successor.candidate))
        tell(f"{named(successor)} leads {in_words(replaced_ns)} later, when the lease had run out")
        stage.wait_booked(successor.pid, FEW, since_ns=successor.at_ns)
        resumed_ns = stage.resume(actor)
        self.pause = Pause(
            candidate=leader.candidate,
            from_ns=frozen_ns,
            to_ns=resumed_ns,
            replaced_after_ns=replaced_ns,
            idle_ns=replaced_ns,
        )
        refused = self._wait_refused(leader)
        reason = refused.note.partition(": ")[2]
        self.refusal = Refusal(candidate=leader.candidate, token=leader.token, at_ns=refused.at_ns, reason=reason)
        woke = f"woke {leader.candidate} after {in_words(resumed_ns - frozen_ns)}, and its payment reached the ledger"
        tell(f"{woke}: refused, for token {leader.token} < {successor.token}. Nothing was booked")
        stage.wait_worked(FEW, since_ns=stage.now_ns())
        tell("everybody is told to end, and does")
        stage.retire()

    def _wait_refused(self, leader: Opened) -> Noted:
        found: list[Noted] = []

        def look() -> bool:
            records = (one for one in self.side.stage.look() if isinstance(one, Noted) and one.pid == leader.pid)
            found[:] = [one for one in records if one.note.startswith(fenced_worker.REFUSED)]
            return bool(found) or not is_living(leader.pid)

        self.side.stage.until(look, f"{leader.candidate}'s late payment is refused")
        assert found, f"{leader.candidate} ended instead\n{self.side.stage.said()}"
        return found[0]
