"""The four accidents, the same for both sides: a leader is killed, one resigns, a wrapper is killed, one is paused."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from tenure.audit import Acted, Ended, Opened
from tenure.audit.verdict import in_words
from tenure.demo import naive
from tenure.demo.narrator import Narrator
from tenure.demo.sides import CANDIDATES, WRAPPED, Side
from tenure.demo.stage import Actor, ShowStopped, is_living
from tenure.durations import NS_PER_S

SHIFT = 14
"""How many payments a leader books before the next accident: about a second's work."""
FEW = 5
PAUSE_NS = round(1.5 * naive.TIMEOUT_S * NS_PER_S)
_ROUNDS = 8


class TakeOver(msgspec.Struct, frozen=True, kw_only=True):
    """A change of leader: from the accident until the next leader's work began."""

    accident: str
    after_ns: int
    by: str
    elected_after_ns: int | None = None
    """When an observer saw it elected; told where its job had to be started then."""
    job_lived_on: bool = False


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A leader that was stopped in the middle of a payment, and went on with it."""

    candidate: str
    from_ns: int
    to_ns: int
    replaced_after_ns: int | None
    """None where nobody took over meanwhile."""
    idle_ns: int
    """The longest time in which nobody booked anything, from the payment before the pause to the one after it."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A write that the ledger did not take, because a newer leader's token was seen."""

    candidate: str
    token: int
    at_ns: int
    reason: str


class Script:
    """Plays the accidents on one side and notes what followed."""

    def __init__(self, side: Side, narrator: Narrator) -> None:
        self.side = side
        self.take_overs: list[TakeOver] = []
        self.pause: Pause | None = None
        self.refusal: Refusal | None = None
        self.killed_pids: set[int] = set()
        self._stage = side.stage
        self._narrator = narrator
        self._actors: dict[str, Actor] = {}

    def play(self) -> None:
        """Play it. Raises ShowStopped where something did not happen in time."""
        tell = self._narrator.tell
        tell("starting three candidates ...")
        self._start(CANDIDATES[0])
        leader = self._stage.wait_leader()
        for candidate in CANDIDATES[1:]:
            self._start(candidate)
        pids = ", ".join(f"{actor.candidate} {actor.process.pid}" for actor in self._actors.values())
        tell(f"three candidates stand: {pids}; {WRAPPED}'s job runs under {self.side.wrapper}")
        tell(f"{named(leader)} leads and books payments")
        self._kill(self._work())
        todo = {"resign", "wrapper"}
        for _ in range(_ROUNDS):
            if not todo:
                break
            leader = self._work()
            if leader.candidate == WRAPPED and "wrapper" in todo:
                self._fill(but=WRAPPED)
                self._kill_wrapper(leader)
                todo.remove("wrapper")
            else:
                self._resign(leader)
                todo.discard("resign")
        if todo:
            raise ShowStopped(f"{WRAPPED} was never elected, though it stood all the time\n{self._stage.said()}")
        self._fill()
        leader = self._work()
        if leader.candidate == WRAPPED:  # only a candidate of our own can be paused as a whole
            self._resign(leader)
            leader = self._work()
        self._pause(leader)
        self._stage.wait_worked(SHIFT, since_ns=self._stage.now_ns())
        tell("everybody is told to end, and does")
        self._stage.retire()

    def _start(self, candidate: str) -> None:
        self._actors[candidate] = self.side.start(candidate)

    def _fill(self, but: str = "") -> None:
        """Start those again who died or ended, as a supervisor would; `but` not this one."""
        gone = [name for name in CANDIDATES if name != but and not self._actors[name].is_living]
        for candidate in gone:
            self._start(candidate)
        if gone:
            again = " and ".join(f"{name} {self._actors[name].process.pid}" for name in gone)
            self._narrator.tell(f"started again, as a supervisor would: {again}")

    def _work(self) -> Opened:
        """Let the leader book for about a second; returns who it is."""
        return self._stage.wait_worked(SHIFT)

    def _kill(self, leader: Opened) -> None:
        self._narrator.scene("the leader is killed")
        actor = self._stage.actor_of(leader)
        killed_ns = self._stage.kill(actor, leader)
        self.killed_pids.add(leader.pid)
        successor = self._stage.wait_leader(after_ns=killed_ns)
        deed = f"killed {actor.candidate} ({actor.process.pid}) with SIGKILL"
        self._took_over(successor, "killed", killed_ns, deed)

    def _resign(self, leader: Opened) -> None:
        self._narrator.scene("the leader resigns")
        how = self.side.resign(self._stage.actor_of(leader))
        successor = self._stage.wait_leader(after_ns=leader.at_ns)
        ended_ns = next(
            record.at_ns
            for record in self._stage.look()
            if isinstance(record, Ended) and record.pid == leader.pid and record.at_ns > leader.at_ns
        )
        self._took_over(successor, "resigned", ended_ns, how)

    def _kill_wrapper(self, leader: Opened) -> None:
        """SIGKILL for the wrapper alone; its job may die with it, or live on beside the next leader."""
        self._narrator.scene("the leader's wrapper is killed, and not its job")
        actor = self._stage.actor_of(leader)
        killed_ns = self._stage.kill(actor, leader)
        self.killed_pids.add(leader.pid)
        successor = self._stage.wait_leader(after_ns=killed_ns)
        deed = f"killed {self.side.wrapper}, {actor.process.pid}, with SIGKILL"
        lived_on = is_living(leader.pid)
        if lived_on:
            self._stage.wait_booked(successor.pid, SHIFT, since_ns=successor.at_ns)
            self._stage.wait_booked(leader.pid, SHIFT, since_ns=successor.at_ns)
        self._took_over(successor, "wrapper killed", killed_ns, deed, job_lived_on=lived_on)
        if lived_on:
            self._narrator.tell(f"its job {leader.pid} lived on, and both booked payments; now we end it, too")
            actor.cut_lifeline()
        else:
            ended = (one.at_ns for one in self._stage.look() if isinstance(one, Ended) and one.pid == leader.pid)
            when = "".join(f" after {in_words(ended_ns - killed_ns)}" for ended_ns in ended)
            self._narrator.tell(f"its job {leader.pid} had stopped{when}, before anybody else led")
        self._stage.wait_dead(leader.pid)

    def _took_over(
        self, successor: Opened, accident: str, from_ns: int, deed: str, *, job_lived_on: bool = False
    ) -> None:
        after_ns = successor.at_ns - from_ns
        elected_ns = self.side.elected_ns(successor)
        starts_job = elected_ns is not None and successor.candidate == WRAPPED
        elected_after_ns = min(elected_ns, successor.at_ns) - from_ns if elected_ns and starts_job else None
        self.take_overs.append(
            TakeOver(
                accident=accident,
                after_ns=after_ns,
                by=successor.candidate,
                elected_after_ns=elected_after_ns,
                job_lived_on=job_lived_on,
            )
        )
        if elected_after_ns is None:
            followed = f"worked {in_words(after_ns)} later"
        else:
            started_ns = after_ns - elected_after_ns
            followed = (
                f"was elected {in_words(elected_after_ns)} later, and its job ran after {in_words(started_ns)} more"
            )
        self._narrator.tell(f"{deed}; next leader {named(successor)} {followed}")

    def _pause(self, leader: Opened) -> None:
        stage, tell = self._stage, self._narrator.tell
        self._narrator.scene("the leader is frozen, and wakes")
        actor = stage.actor_of(leader)
        frozen_ns = stage.freeze(actor, *stage.directory.glob("lock.sqlite"))
        tell(f"paused {named(leader)} with SIGSTOP in the middle of a payment")
        stage.until(lambda: stage.now_ns() - frozen_ns > PAUSE_NS, "the pause lasts")
        successor: Opened | None = None
        if self.side.replaces_paused:
            successor = stage.wait_leader(after_ns=frozen_ns)
            stage.wait_booked(successor.pid, FEW, since_ns=successor.at_ns)
            tell(f"after {in_words(successor.at_ns - frozen_ns)} {named(successor)} leads and books payments")
        resumed_ns = stage.resume(actor)
        stage.wait_booked(leader.pid, 1, since_ns=resumed_ns)
        wrote = stage.acts(leader.pid, resumed_ns)[0]
        self.pause = Pause(
            candidate=leader.candidate,
            from_ns=frozen_ns,
            to_ns=resumed_ns,
            replaced_after_ns=None if successor is None else successor.at_ns - frozen_ns,
            idle_ns=self._longest_idle_ns(frozen_ns, wrote.at_ns),
        )
        what = f"woke {leader.candidate} after {in_words(resumed_ns - frozen_ns)}; it finished what it was doing"
        if successor is None:
            tell(f"{what}, {wrote.act}. Nobody else had led, and nothing was booked for {in_words(self.pause.idle_ns)}")
        else:
            tell(f"{what}, {wrote.act}, which had been booked meanwhile: now it is booked twice")

    def _longest_idle_ns(self, from_ns: int, to_ns: int) -> int:
        booked = [record.at_ns for record in self._stage.look() if isinstance(record, Acted)]
        around = [max((at_ns for at_ns in booked if at_ns <= from_ns), default=from_ns)]
        around += sorted(at_ns for at_ns in booked if from_ns < at_ns <= to_ns)
        return max((later - earlier for earlier, later in pairwise(around)), default=0)


def named(leader: Opened) -> str:
    """The leader with its token, if it has one."""
    return f"{leader.candidate} (token {leader.token})" if leader.token else leader.candidate
