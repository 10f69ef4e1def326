"""The end of a job: a signal to its process group, the grace, SIGKILL to all, until nobody is left.

Written once: the guardian goes through it, or the wrapper where the guardian cannot. Nothing here waits: the caller
calls `step` again, as soon as a child has died and at least as often as `wait_ns` says.
"""

from __future__ import annotations

import signal

from tenure.supervise.processes import Family, GroupLeader, Process, send, stat

LINGER_NS = 100_000_000
"""How long what the main process left may go on unasked after it ended by itself. A shell's `> >(tee log)` is one of
these: it reads the end of its pipe only then, and ends by itself."""
LOOK_AGAIN_NS = 10_000_000
"""How soon to look again after SIGKILL: what dies deep below is not our child, and its death wakes nobody."""
ROUNDS = 200
"""How often one step looks for processes that were forked while it killed; a limit, so that the caller stays awake."""


class Ending:
    """One job's end, from the first signal on; instants are CLOCK_BOOTTIME."""

    def __init__(self, family: Family, leader: GroupLeader | None, *, tell_at_ns: int, kill_at_ns: int) -> None:
        self._family = family
        self._leader = leader
        self.tell_at_ns = tell_at_ns
        self.kill_at_ns = kill_at_ns
        self.told: dict[Process, str] = {}
        """Those whom the end of the main process left and who were told to end, with their names."""
        self._killed: set[Process] = set()

    def tell(self, number: int, now_ns: int) -> None:
        """Send the first signal to the group now.

        The rest is told only when the main process has ended: until then it may end its own in its own order.
        """
        self.tell_at_ns = min(self.tell_at_ns, now_ns)
        if self._leader is not None:
            self._leader.signal_group(number)
            self._leader.signal_group(signal.SIGCONT)  # who is stopped hears nothing

    def hasten(self, kill_at_ns: int) -> None:
        """Kill at this instant, if that is earlier."""
        self.kill_at_ns = min(self.kill_at_ns, kill_at_ns)

    def step(self, now_ns: int) -> bool:
        """Do what is due; True when nobody is left."""
        leader = self._leader
        if leader is not None:
            leader.look()
        self._family.reap(keep=None if leader is None else leader.zombie)
        if now_ns >= self.kill_at_ns:
            self._kill()
        elif now_ns >= self.tell_at_ns and (leader is None or leader.has_ended):
            self._tell_the_rest()
        return self._nobody_is_left()

    def wait_ns(self, now_ns: int) -> int:
        """How long to wait at most before the next step."""
        if now_ns >= self.kill_at_ns:
            return LOOK_AGAIN_NS
        if now_ns < self.tell_at_ns:
            return self.tell_at_ns - now_ns
        return self.kill_at_ns - now_ns

    def _tell_the_rest(self) -> None:
        for process in self._family.members():
            if process not in self.told:
                found = stat(process.pid)
                self.told[process] = "?" if found is None else found.name
                send(process, signal.SIGTERM)
                send(process, signal.SIGCONT)

    def _kill(self) -> None:
        """Kill until no new face shows: what forked while it was being killed has left children to kill."""
        for _ in range(ROUNDS):
            if self._leader is not None:
                self._leader.signal_group(signal.SIGKILL)
            fresh = [process for process in self._family.members() if process not in self._killed]
            if not fresh:
                return
            for process in fresh:
                send(process, signal.SIGKILL)
            self._killed.update(fresh)

    def _nobody_is_left(self) -> bool:
        leader = self._leader
        if leader is not None:
            leader.look()
            if not leader.has_ended:
                return False
        keep = None if leader is None else leader.zombie
        self._family.reap(keep)
        if any(pid != keep for pid in self._family.children()):
            return False
        if leader is not None:
            leader.reap()
        return self._family.is_empty()
