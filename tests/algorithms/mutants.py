"""The algorithms with one rule taken away at a time, each with the checker that sees it and a recorded storm.

`python -m tests.algorithms.mutants` finds the seeds anew when the world has changed.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from tenure.algorithms import ring
from tenure.algorithms.bully import Bully, Role
from tenure.algorithms.ring import Ring
from tenure.durations import NEVER_NS
from tests.mutation import applied, name_of

_elect, _told = Bully._elect, Bully._told  # noqa: SLF001 -- a mutant wraps what it mutates
_token = Ring._token  # noqa: SLF001 -- the same


class Mutant(NamedTuple):
    """What stands in the place of a rule, and who notices in which storm."""

    storm: str
    owner: type
    attribute: str
    instead: Any
    checker: str
    seed: int

    @property
    def name(self) -> str:
        return name_of(self)


def leads_after_one_message_without_waiting(self: Bully, now_ns: int) -> None:
    """Asks, and declares itself the leader in the same breath: one message, and no waiting for answers."""
    _elect(self, now_ns)
    if self.role is Role.ASKING:
        self._win(now_ns)


def answer_ignored(self: Bully) -> None:
    """A greater node's answer ends nobody's hopes."""
    del self


def answered_waits_for_ever(self: Bully) -> None:
    """Who was answered trusts that somebody will announce itself."""
    if self.role is Role.ASKING:
        self.role, self.wake_ns = Role.ANSWERED, NEVER_NS


def crossed_announcements_left(self: Bully, sender: int, now_ns: int) -> None:
    """Who is deposed right after it announced itself does not care where that announcement lands."""
    self._settled_ns = 0
    _told(self, sender, now_ns)


def comes_back_without_an_election(self: Bully, now_ns: int) -> None:
    """Who starts waits to be told."""
    del now_ns
    self.role = Role.FOLLOWING


def successor_never_repaired(self: Ring) -> bool:
    """The ring stays as it was when the node started."""
    if self.role == "new":
        nodes = sorted(self.members)
        following = nodes[(nodes.index(self.me) + 1) % len(nodes)]
        self.successor = None if following == self.me else following
    return False


def token_passed_for_ever(self: Ring, sender: int, token: ring.Election, now_ns: int) -> None:
    """What a node has passed once it passes again, unless it is its own."""
    if token.term == self.term and token.candidate == self._passed != self.me and self.leader is None:
        self._take_part(token.term, token.candidate, now_ns)
    else:
        _token(self, sender, token, now_ns)


def round_never_begun_again(self: Ring, now_ns: int) -> None:
    """A token that was lost is awaited for ever."""
    del now_ns
    self.wake_ns = NEVER_NS


GREATEST, AGREEMENT, TERMINATION = "greatest-leads", "agreement", "termination"
MUTANTS = (
    Mutant("bully", Bully, "_elect", leads_after_one_message_without_waiting, GREATEST, 0),
    Mutant("bully", Bully, "_answered", answer_ignored, GREATEST, 13),
    Mutant("bully", Bully, "_answered", answered_waits_for_ever, TERMINATION, 721),
    Mutant("bully", Bully, "_told", crossed_announcements_left, GREATEST, 38),
    Mutant("bully", Bully, "_start", comes_back_without_an_election, GREATEST, 0),
    Mutant("ring", Ring, "_find_successor", successor_never_repaired, AGREEMENT, 0),
    Mutant("ring, haunted", Ring, "_token", token_passed_for_ever, AGREEMENT, 1),
    Mutant("ring", Ring, "_time_out", round_never_begun_again, AGREEMENT, 434),
)


def main(most_seeds: int = 2000) -> None:
    """Print for each mutant the first seed in which its checker sees it, beside the recorded one."""
    from tests.algorithms.storms import violated

    for mutant in MUTANTS:
        with applied(mutant):
            lines = ((seed, line) for seed in range(most_seeds) for line in violated(mutant.storm, seed))
            found = next((seed for seed, line in lines if line.startswith(f"{mutant.checker}:")), None)
        sys.stdout.write(f"{mutant.name} -> {mutant.checker} -> {found} (recorded: {mutant.seed})\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
