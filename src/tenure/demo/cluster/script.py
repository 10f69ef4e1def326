"""The accidents of a cluster: its leader is killed, frozen, and cut off; all members are restarted, one by one."""

from __future__ import annotations

from pathlib import Path

from tenure.audit import Ended, Opened
from tenure.audit.verdict import in_words
from tenure.demo.cluster.links import Links
from tenure.demo.narrator import Narrator
from tenure.demo.script import FEW, SHIFT, Pause, Refusal, TakeOver, named
from tenure.demo.sides import ELECTION, MODULE, paths
from tenure.demo.stage import Actor, ShowStopped, Stage

NAMES = ("ada", "bob", "cy")


class Members:
    """Three processes, each a node of the group and a candidate, on a stage of their own.

    They speak by TCP over `links`, or, without, by Unix sockets.
    """

    def __init__(self, stage: Stage, links: Links | None) -> None:
        self.stage, self.links = stage, links
        self.title = "by Unix sockets, on one host" if links is None else "by TCP, over a network that can part"
        self.traces = stage.directory / "traces"
        self.traces.mkdir()
        self.actors: dict[str, Actor] = {}

    def start(self, name: str) -> None:
        """Start a member, or start it again on its own data."""
        sockets = {one: f"unix:{self.stage.directory}/{one}.sock" for one in NAMES}
        listen = sockets.pop(name) if self.links is None else self.links.address(name)
        others = sockets if self.links is None else self.links.peers(name)
        peers = ",".join(f"{other}={address}" for other, address in others.items())
        places = (listen, peers, str(self.stage.directory / name), str(self.traces))
        command = [*MODULE, "tenure.demo.cluster.member", name, *places, ELECTION, *paths(self.stage)]
        self.actors[name] = self.stage.start(name, command)

    def trace_files(self) -> list[Path]:
        """What the nodes saw, one file for each life."""
        return sorted(self.traces.iterdir())


class ClusterScript:
    """Plays the accidents and notes what followed."""

    def __init__(self, side: Members, narrator: Narrator) -> None:
        self.side = side
        self.take_overs: list[TakeOver] = []
        self.pause: Pause | None = None
        self.refusal: Refusal | None = None
        self.killed_pids: set[int] = set()
        self._stage = side.stage
        self._narrator = narrator

    def play(self) -> None:
        """Play it. Raises ShowStopped where something did not happen in time."""
        tell = self._narrator.tell
        tell("starting three processes; each is a node of the cluster, and a candidate ...")
        for name in NAMES:
            self.side.start(name)
        leader = self._stage.wait_leader()
        pids = ", ".join(f"{name} {actor.process.pid}" for name, actor in self.side.actors.items())
        tell(f"they are {pids}; {named(leader)} leads and books payments")
        self._kill(self._work())
        if self.side.links is None:
            self._freeze(self._work())
            self._restart_all()
        else:
            self._part(self._work(), self.side.links)
        self._work()
        tell("everybody is told to end, and does")
        self._stage.retire()

    def _work(self) -> Opened:
        """Let the leader book for about a second; returns who it is."""
        return self._stage.wait_worked(SHIFT)

    def _kill(self, leader: Opened) -> None:
        self._narrator.scene("the leader is killed")
        killed_ns = self._stage.kill(self._stage.actor_of(leader), leader)
        self.killed_pids.add(leader.pid)
        successor = self._stage.wait_leader(after_ns=killed_ns)
        self._took_over(successor, "killed", killed_ns, f"killed {leader.candidate} ({leader.pid}) with SIGKILL")
        self.side.start(leader.candidate)
        self._narrator.tell(f"started {leader.candidate} again on its own data: it follows")

    def _freeze(self, leader: Opened) -> None:
        stage, tell = self._stage, self._narrator.tell
        self._narrator.scene("the leader is frozen, and wakes")
        actor = stage.actor_of(leader)
        frozen_ns = stage.freeze(actor)
        tell(f"paused {named(leader)} with SIGSTOP in the middle of a payment")
        successor = stage.wait_leader(after_ns=frozen_ns)
        self._took_over(successor, "paused", frozen_ns, "nobody hears of it")
        stage.wait_booked(successor.pid, FEW, since_ns=successor.at_ns)
        resumed_ns = stage.resume(actor)
        after_ns = successor.at_ns - frozen_ns
        self.pause = Pause(
            candidate=leader.candidate,
            from_ns=frozen_ns,
            to_ns=resumed_ns,
            replaced_after_ns=after_ns,
            idle_ns=after_ns,
        )
        self._wait_over(leader)
        paused = in_words(resumed_ns - frozen_ns)
        tell(f"woke {leader.candidate} after {paused}: its tenure is over, and nothing of it was booked")

    def _part(self, leader: Opened, links: Links) -> None:
        stage, tell = self._stage, self._narrator.tell
        self._narrator.scene("the network parts, with the leader alone on its side")
        parted_ns = stage.now_ns()
        links.part({leader.candidate})
        successor = stage.wait_leader(after_ns=parted_ns)
        ended_ns = self._wait_over(leader)
        if ended_ns > successor.at_ns:
            raise ShowStopped(f"{leader.candidate} led on while {successor.candidate} did\n{stage.said()}")
        tell(f"cut {leader.candidate} off from the other two: it stopped {in_words(ended_ns - parted_ns)} later")
        self._took_over(successor, "cut off", parted_ns, "the others are a majority")
        stage.wait_booked(successor.pid, FEW, since_ns=successor.at_ns)
        links.heal()
        leading = self._work()
        tell(f"the network is whole again; {named(leading)} leads on")
        if leading.token != successor.token:
            raise ShowStopped(f"{successor.candidate} was deposed by one that came back\n{stage.said()}")

    def _restart_all(self) -> None:
        """A rolling restart, whoever leads last: as an operator changes versions."""
        stage = self._stage
        self._narrator.scene("every node is restarted, one after the other")
        leader = self._work()
        others = [name for name in NAMES if name != leader.candidate]
        for name in (*others, leader.candidate):
            actor = self.side.actors[name]
            told_ns = stage.now_ns()
            actor.process.terminate()
            stage.until(lambda one=actor: not one.is_living, f"{name} ends on SIGTERM")  # type: ignore[misc]  # a lambda's default has no type of its own
            self.side.start(name)
            if name == leader.candidate:
                successor = stage.wait_leader(after_ns=told_ns)
                ended_ns = self._wait_over(leader)
                self._took_over(successor, "resigned", ended_ns, f"{name} handed over before it ended")
            else:
                self._narrator.tell(f"restarted {name}, which follows")
            self._work()
            self._stage.wait_worked(SHIFT, since_ns=stage.now_ns())

    def _wait_over(self, leader: Opened) -> int:
        """When the work of this leader's tenure ended."""
        found: list[int] = []

        def look() -> bool:
            own = (one for one in self._stage.look() if isinstance(one, Ended) and one.pid == leader.pid)
            found[:] = [one.at_ns for one in own if one.token == leader.token]
            return bool(found)

        self._stage.until(look, f"{leader.candidate}'s work ends")
        return found[0]

    def _took_over(self, successor: Opened, accident: str, from_ns: int, deed: str) -> None:
        after_ns = successor.at_ns - from_ns
        self.take_overs.append(TakeOver(accident=accident, after_ns=after_ns, by=successor.candidate))
        self._narrator.tell(f"{deed}; next leader {named(successor)} worked {in_words(after_ns)} later")
