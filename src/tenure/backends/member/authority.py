"""A node's authority as grants of elections: each token of the elector backs one tenure of each election at most.

Rules of this file (all but `Held.renew` in the node's own thread):

 1. A grant is backed by one token, and no election gets two grants of one token.
 2. A grant is vouched for until the deadline that the elector had given when it was last asked. Whoever does not ask
    again loses it then: so a leader that hangs gives the group up.
 3. The elector is asked to step down only when no grant is left: it closes its tenure at once, and another node acts.
 4. From the first release on a token gives no more grants, and those that are left are wished to end: leadership of
    the group is one, and goes from node to node with all its elections.
 5. A node that may act and where nobody stands gives way to one where somebody does.
 6. Only a node that may act says who leads, of itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tenure.backends.base import Candidate, Reading
from tenure.backends.member.board import PULSE_S, Board
from tenure.backends.member.held import Attempt, Held
from tenure.backends.member.notes import History, Stand
from tenure.core.elector import Elector, WishRefused
from tenure.core.events import Asked, NodeId
from tenure.durations import NS_PER_S
from tenure.errors import BackendRefused, NodeFailed
from tenure.holding.events import Resign, Wish
from tenure.runtime.node import RuntimeNode
from tenure.runtime.owner import Owner

AGAIN_S = 1.0
"""An elector that did not step down is asked again after so long."""
LIMIT_STANDS = 1000
"""Candidates of one election at one node."""
ENOUGH_PERCENT = 85
"""Of the usual lease must be left of an authority that is granted; it is extended within moments otherwise."""


class Grants(Owner):
    """The owner of one node, which hands its authority to candidates. `attach` it before the node is started."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Attempt]] = {}
        self._held: dict[str, Held] = {}
        """By election: grants of the present token that are not over."""
        self._token = 0
        self._is_spent = False
        """Whether the present token gives no more grants."""
        self._is_closing = False
        self._to: NodeId | None = None
        """To whom it is to give way, if that matters."""
        self._asked = (0, 0.0)  # which token to give up, and when to ask again
        self._is_due = False
        self._alarm: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._watch_no_more: Callable[[], None] = lambda: None
        self.bells = set[Callable[[], None]]()
        """Rung, in the node's thread, when something may have changed that a reading tells."""

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def attach(self, node: RuntimeNode) -> None:
        """Be the owner of this node."""
        self.node = node
        self.board = Board(node.me.number, lambda: node.peers, node.note)

    def begin(self) -> None:
        """The node has started, in the running loop."""
        loop = self._loop

        def moved() -> None:
            loop.call_soon_threadsafe(self._soon)

        self._watch_no_more = self.node.clock.on_move(moved)
        self._pulse()

    def end(self) -> None:
        """The node is about to stop, or has: nobody waits for anything here any more."""
        self._is_due = True  # for ever
        self._watch_no_more()
        for timer in (self._alarm, self._beat):
            if timer is not None:
                timer.cancel()
        for held in tuple(self._held.values()):
            self._over(held, "the node was stopped")

    @property
    def is_free(self) -> bool:
        """Whether nobody acts on this node's authority."""
        return not self._held

    def close(self) -> None:
        """Grant nothing any more; who leads is wished to end."""
        self._is_closing = True
        self._soon()

    # The node tells

    def became(self, elector: Elector) -> None:
        del elector
        self._soon()

    def authorised(self, token: int, deadline_ns: int) -> None:
        del token, deadline_ns
        self._soon()

    def deposed(self, token: int, why: str) -> None:
        for held in tuple(self._held.values()):
            if held.granted.token == token:
                self._over(held, why)
        self._soon()

    def failed(self, error: NodeFailed) -> None:
        for held in tuple(self._held.values()):
            self._over(held, str(error))
        self._ring()

    def asked(self, to: NodeId | None) -> bool:
        if not self._held:
            return False
        self._is_spent, self._to = True, to
        self._soon()
        return True

    def peer_heard(self, peer: NodeId, incarnation: int) -> None:
        del incarnation
        self.board.tell(peer, 0)

    def peer_lost(self, peer: NodeId, incarnation: int, certain: bool) -> None:
        del incarnation, certain
        if self.board.lost(peer):
            self._soon()

    # Candidates

    def stand(self, attempt: Attempt) -> None:
        """Let a candidate wait for its election."""
        candidate = attempt.candidate
        waiting = self._waiting.setdefault(candidate.election, [])
        if len(waiting) >= LIMIT_STANDS:
            attempt.failed(BackendRefused(f"{LIMIT_STANDS} stand for {candidate.election} at this node already"))
        elif not attempt.is_withdrawn:
            waiting.append(attempt)
            self.board.stand(candidate.election, _stand(candidate))
            self._soon()

    def withdraw(self, attempt: Attempt) -> None:
        """It waits no more; what it has won meanwhile, it gives back."""
        attempt.is_withdrawn = True
        self._no_longer_waits(attempt)
        if attempt.held is not None:
            self.release(attempt.held, None, acted=False)

    async def try_to_withdraw(self, attempt: Attempt) -> Held | None:
        """The same, but what it has won meanwhile, it keeps."""
        if attempt.held is None:
            self.withdraw(attempt)
        return attempt.held

    def _no_longer_waits(self, attempt: Attempt) -> None:
        election = attempt.candidate.election
        waiting = self._waiting.get(election, [])
        if attempt in waiting:
            waiting.remove(attempt)
            if not waiting:
                del self._waiting[election]
            self.board.leave(election, attempt.candidate.nonce)
            self._soon()

    # Leaders

    async def released(self, held: Held, to: str | None, acted: bool) -> None:
        """The same as `release`, for another thread to wait for."""
        self.release(held, to, acted=acted)

    def release(self, held: Held, to: str | None, *, acted: bool) -> None:
        """Close a tenure in good order; one that is over is left as it is."""
        election = held.candidate.election
        if self._held.get(election) is not held:
            return
        clean = acted or held.granted.clean
        self._over(held, "", History(held.granted.token, clean, to))
        self._is_spent = True
        self._settle()  # at once: the next leader waits for it

    def wish(self, election: str, token: int, wish: Wish) -> bool:
        """Tell the leader of that token; False where it leads no more."""
        held = self._held.get(election)
        if held is None or held.granted.token != token:
            return False
        held.hears(wish)
        return True

    def look(self, election: str) -> Reading | None:
        """How it stands with an election, of which only a node that may act can tell."""
        if self._authority() is None:
            return None
        held, history = self._held.get(election), self.board.history.get(election)
        return Reading(
            leader=None if held is None else held.leader(),
            token=0 if history is None else history.token,
            candidates=self.board.standings(election),
        )

    # The rules

    def _soon(self) -> None:
        """Look at it all once this event is over."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._settle)

    def _authority(self) -> tuple[int, int] | None:
        """The token and the deadline, while this node may act."""
        held = self.node.driver.held
        return held if held is not None and self.node.clock.now_ns() < held[1] else None

    def _settle(self) -> None:
        self._is_due = False
        self._end_what_was_not_renewed()
        authority = self._authority()
        if authority is not None:
            token, deadline_ns = authority
            if token != self._token:
                self._token, self._is_spent, self._to = token, False, None
            self._is_spent = self._is_spent or self._is_closing
            if not self._is_spent and not self._held:
                self._give_way_to_the_named(token)
            if not self._is_spent:
                self._grant(token, deadline_ns)
            if not self._is_spent and not self._held and not self._waiting:
                self._give_way()
            if self._is_spent:
                self._end_the_others()
                if not self._held:
                    self._step_down(token)
        self._set_alarm()
        self._ring()

    def _end_what_was_not_renewed(self) -> None:
        """Rule 2."""
        now_ns = self.node.clock.now_ns()
        for held in tuple(self._held.values()):
            if held.runs_out(now_ns):
                self._over(held, "it was not renewed before its deadline")
                self._is_spent = True

    def _give_way_to_the_named(self, token: int) -> None:
        """Who was named by the last leader comes first, wherever it stands; once."""
        for election, history in self.board.history.items():
            if history.to is None or history.token >= token:
                continue
            here = [one for one in self._waiting.get(election, []) if one.candidate.name == history.to]
            there = [peer for peer, _, stand in self.board.elsewhere(election) if stand.name == history.to]
            self.board.history[election] = History(history.token, history.clean, history.to if here else None)
            if there and not here:
                self._is_spent, self._to = True, there[0]
                return

    def _grant(self, token: int, deadline_ns: int) -> None:
        """Rule 1: whoever stands here for an election that has no grant of this token."""
        now_ns = self.node.clock.now_ns()
        for election, waiting in tuple(self._waiting.items()):
            history = self.board.history.get(election)
            if election in self._held or (history is not None and history.token >= token):
                continue
            named = None if history is None else history.to
            attempt = max(waiting, key=lambda one: (one.candidate.name == named, one.candidate.priority, -one.number))
            lease_ns = attempt.candidate.lease_ns or self.node.elector.authority_ns
            if (deadline_ns - now_ns) * 100 < lease_ns * ENOUGH_PERCENT:
                continue  # it is extended soon
            held = self._held[election] = Held(
                attempt.candidate,
                self.node,
                token=token,
                now_ns=now_ns,
                deadline_ns=deadline_ns,
                clean=history is None or history.clean,
            )
            self._no_longer_waits(attempt)
            self.board.note(election, History(token))
            attempt.won(held)

    def _give_way(self) -> None:
        """Rule 5."""
        there = list(self.board.elsewhere())
        if there:
            self._to, _, _ = min(there, key=lambda one: (-one[2].priority, one[2].since))
            self._is_spent = True

    def _end_the_others(self) -> None:
        """Rule 4."""
        for held in self._held.values():
            held.hears(Resign())

    def _step_down(self, token: int) -> None:
        """Rule 3."""
        asked, again_s = self._asked
        now_s = self._loop.time()
        if asked == token and now_s < again_s:
            return
        self._asked = (token, now_s + AGAIN_S)
        for wish in dict.fromkeys((self._to or self._best() or self._reached(), None)):
            try:
                self.node.driver.give(Asked(wish))
            except WishRefused:
                continue
            break
        self._loop.call_later(AGAIN_S, self._soon)

    def _best(self) -> NodeId | None:
        """Where the next leader stands: whom the last one has named, or whoever stands elsewhere; None: anywhere."""
        there = list(self.board.elsewhere())
        for peer, election, stand in there:
            history = self.board.history.get(election)
            if history is not None and history.token == self._token and history.to == stand.name:
                return peer
        return min(there, key=lambda one: (-one[2].priority, one[2].since))[0] if there else None

    def _reached(self) -> NodeId | None:
        """Somebody who lives, where not all do: else the elector chooses better."""
        reaches = self.node.transport.reaches()
        reached = [one.peer for one in reaches if one.is_reached]
        return reached[0] if reached and len(reached) < len(reaches) else None

    def _over(self, held: Held, why: str, history: History | None = None) -> None:
        """A grant is no more; `why` is for its holder, and empty where it is the one that released it."""
        election = held.candidate.election
        if self._held.get(election) is held:
            del self._held[election]
        held.ends(why)
        if history is not None:
            self.board.note(election, history)

    # Time

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._held:
            left_ns = min(held.ends_ns for held in self._held.values()) - self.node.clock.now_ns()
            self._alarm = self._loop.call_later(max(0, left_ns) / NS_PER_S + 0.001, self._settle)

    def _pulse(self) -> None:
        self._beat = self._loop.call_later(PULSE_S, self._pulse)
        self.board.pulse()
        if self.board.silence() or self._held:
            self._soon()

    def _ring(self) -> None:
        for bell in tuple(self.bells):
            bell()


def _stand(candidate: Candidate) -> Stand:
    return Stand(candidate.nonce, candidate.name, candidate.priority, candidate.metadata, time.time())
