"""What nodes ask one another about elections; only the one that may act can tell."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from functools import partial

from tenure.backends.base import Gone, Leader, Reading
from tenure.backends.member.authority import Grants
from tenure.backends.member.held import Held
from tenure.backends.member.notes import Again, Heard, History, Look, Note, Pulse, Said, Seen, Wished, codec
from tenure.core.events import NodeId
from tenure.errors import BackendRefused, BackendUnreachable, StaleToken
from tenure.holding.events import Transfer, Wish

ANSWER_S = 0.25
"""How long another node is waited for before it is asked again, or another."""
PATIENCE_S = 4.0
"""For so long somebody who may act is looked for; elections take a second or two."""
PAUSE_S = 0.005
"""Between two looks for somebody who may act."""


class Authority(Grants):
    """The owner of a node, as the rest of the group speaks with it."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Seen | Heard]] = {}

    def end(self) -> None:
        super().end()
        for future in self._answers.values():
            future.cancel()

    def noted(self, peer: NodeId, note: bytes) -> None:
        self._take(peer, codec.decode(note))

    def _take(self, peer: NodeId, note: Note) -> None:
        match note:
            case Said() | Pulse() | Again():
                if self.board.hear(peer, note):
                    self._soon()
            case Look(id=number, election=election):
                self.node.note(peer, codec.encode(Seen(number, self.look(election))))
            case Wished(id=number, election=election, token=token, wish=wish):
                self.node.note(peer, codec.encode(Heard(number, self.wish(election, token, wish))))
            case Seen() | Heard():
                future = self._answers.pop(note.id, None)
                if future is not None and not future.done():
                    future.set_result(note)
            case _:
                raise AssertionError(f"{type(note).__name__} is no note")

    async def view(self, election: str, patience_s: float = PATIENCE_S) -> Reading:
        """The same from whoever may act. Raises BackendUnreachable where nobody is found who does."""
        end_s = self._loop.time() + patience_s
        while True:
            reading = self.look(election)
            if reading is None:
                answer = await self._ask_leader(lambda number: Look(number, election))
                reading = answer.reading if isinstance(answer, Seen) else None
            if reading is not None:
                return reading
            if self._loop.time() >= end_s or self._is_closing:
                raise BackendUnreachable(
                    f"no node of the group may act now, so nobody knows who leads {election}; does a majority run?"
                )
            await asyncio.sleep(PAUSE_S)

    async def ask(self, election: str, wish: Wish) -> Leader:
        """Leave a wish with whoever leads."""
        while True:
            reading = await self.view(election)
            leader = reading.leader
            if leader is None:
                raise BackendRefused(f"nobody leads {election}, so nobody can step down; nothing was changed")
            if isinstance(wish, Transfer) and all(one.candidate != wish.to for one in reading.candidates):
                names = ", ".join(one.candidate for one in reading.candidates) or "nobody"
                raise BackendRefused(
                    f"{wish.to!r} does not stand for {election}, so {leader.candidate!r} goes on leading; "
                    f"standing now: {names}"
                )
            token = leader.token
            if self.wish(election, token, wish):
                return leader
            answer = await self._ask_leader(partial(_wished, election, token, wish))
            if isinstance(answer, Heard) and answer.done:
                return leader
            await asyncio.sleep(PAUSE_S)  # it has ended meanwhile: look again

    async def _ask_leader(self, make: Callable[[int], Note]) -> Seen | Heard | None:
        """Ask the node that is taken for the leader, if that is another; None where there is no answer in time."""
        leader = self.node.elector.leader
        if leader is None or leader == self.node.me.number:
            return None
        number = next(self._ids)
        future = self._answers[number] = self._loop.create_future()
        try:
            if not self.node.note(leader, codec.encode(make(number))):
                return None
            async with asyncio.timeout(ANSWER_S):
                answer: Seen | Heard = await future
                return answer
        except TimeoutError:
            return None
        finally:
            self._answers.pop(number, None)

    async def publish(self, held: Held, value: str) -> None:
        """Put a value beside a leader's name. Raises StaleToken or Gone where it leads no more."""
        election, token = held.candidate.election, held.granted.token
        if held.leads():
            held.value = value
            self.board.note(election, History(token))
            self._ring()
            return
        highest = (await self.view(election)).token
        if highest > token:
            raise StaleToken(token, highest)
        raise Gone(held.why or "the node may not act under this token any more")

    async def elections(self) -> tuple[str, ...]:
        """All that are known of."""
        return tuple(self.board.elections())


def _wished(election: str, token: int, wish: Wish, number: int) -> Note:
    return Wished(number, election, token, wish)
