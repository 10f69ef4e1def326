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

_elect = Bully._elect  # noqa: SLF001 -- a mutant wraps what it mutates
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


def asks_and_waits_too_briefly(self: Bully, now_ns: int) -> None:
    """One delay is enough for a question, and not for its answer."""
    _elect(self, now_ns)
    if self.role is Role.ASKING:
        self.wake_ns -= self.settings.delay_ns


def overtaken_announcements_believed(self: Bully, leader: int | None) -> bool:
    """Who follows one that is smaller than another whom it trusts does not wonder."""
    return leader in self.suspects or leader not in self.members


def last_words_believed(self: Bully, leader: int | None) -> bool:
    """Who is told by one that it knows to be dead, or to have left, does not wonder."""
    return leader is None or any(peer > leader for peer in self.members - self.suspects)


def return_of_a_greater_ignored(self: Bully, peer: int, now_ns: int) -> None:
    """Who is trusted again has told all by itself."""
    del now_ns
    self.suspects.discard(peer)


def late_news_of_a_greater_ignored(self: Bully, peer: int, now_ns: int) -> None:
    """Who has joined has told all by itself, but for those who are asking just now."""
    self.members.add(peer)
    if self.role is Role.ASKING and peer > self.me:
        self._elect(now_ns)


def newcomer_not_asked(self: Bully, peer: int, now_ns: int) -> None:
    """An election that is under way goes on among those whom it began with."""
    self.members.add(peer)
    if self.leader is not None and peer > self.leader:
        self._elect(now_ns)


def starts_without_an_election(self: Bully, now_ns: int) -> None:
    """Who starts waits to be told."""
    if self.role is Role.NEW:
        self.role = Role.FOLLOWING
    else:
        _elect(self, now_ns)


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


def returned_not_told(self: Ring, peer: int) -> None:
    """Who is back or new finds out by itself."""
    self.suspects.discard(peer)
    self._find_successor()


GREATEST, AGREEMENT, TERMINATION = "greatest-leads", "agreement", "termination"
MUTANTS = (
    Mutant("bully", Bully, "_elect", leads_after_one_message_without_waiting, GREATEST, 1),
    Mutant("bully", Bully, "_answered", answer_ignored, GREATEST, 74),
    Mutant("bully, flurry", Bully, "_answered", answered_waits_for_ever, TERMINATION, 21),
    Mutant("bully", Bully, "_elect", asks_and_waits_too_briefly, GREATEST, 114),
    Mutant("bully", Bully, "_elect", starts_without_an_election, GREATEST, 0),
    Mutant("bully, flurry", Bully, "_is_doubtful", overtaken_announcements_believed, GREATEST, 102),
    Mutant("bully, flurry", Bully, "_is_doubtful", last_words_believed, GREATEST, 12),
    Mutant("bully, flurry", Bully, "_trust", return_of_a_greater_ignored, GREATEST, 2635),
    Mutant("bully, flurry", Bully, "_join", late_news_of_a_greater_ignored, GREATEST, 39),
    Mutant("bully, flurry", Bully, "_join", newcomer_not_asked, GREATEST, 822),
    Mutant("ring", Ring, "_find_successor", successor_never_repaired, AGREEMENT, 2),
    Mutant("ring, haunted", Ring, "_token", token_passed_for_ever, AGREEMENT, 1),
    Mutant("ring, wide flurry", Ring, "_gain", returned_not_told, AGREEMENT, 53),
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
