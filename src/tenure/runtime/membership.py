"""Who is a member of a running cluster: how a node learns of those that join and leave, and lets them do so itself.

A newcomer is first made known: its seat is durable at a majority of the voters before anything else is done about it.
So whoever leads later, by a majority's votes, is told by one of them where the newcomer is reached: on each connection
the roster goes first. Only then is it made a voter, where the algorithm has voters, by the algorithm's own rules. Who
leaves gives up its vote first, and its seat after that.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.paxos import Paxos
from tenure.algorithms.paxos_lease import PaxosLease
from tenure.algorithms.raft import Raft
from tenure.algorithms.raft.messages import Busy, Changed, ChangeVoters, NotLeader, Refused
from tenure.core.codec import Malformed
from tenure.core.composed import Composed, innermost
from tenure.core.elector import Elector, WishRefused
from tenure.core.events import NodeId, Reconfigure
from tenure.core.quorum import majority_of
from tenure.errors import ConfigurationError
from tenure.runtime.operations import ROSTER, AddNode, Denied, Done, Doubtful, Elsewhere, NotNow, RemoveNode, Result
from tenure.runtime.roster import MOST_SEATS, SAID, Kept, Roster, Seat, Told, write

if TYPE_CHECKING:
    from tenure.runtime.node import RuntimeNode

KEPT_WITHIN_S = 10.0
"""How long a majority may take to keep a seat."""
VOTERS_WITHIN_S = 60.0
"""How long a change of voters may take, newcomers' catching up among it; Raft's own limit for that is half of it."""
LOOK_EVERY_S = 0.02
SOON_S = 5.0
"""A change that is refused at once, because another is under way or a term has just begun, is repeated for so long."""
FAREWELL_S = 0.5
"""How long a node that was asked to remove itself goes on, so that others know of it and it can answer."""


class _Waiting(NamedTuple):
    """Who has said that it keeps what was told under a mark, and who waits for more of them."""

    by: set[NodeId]
    changed: asyncio.Event


class Membership:
    """Of one node. `directory` keeps the roster; without one it is told anew in each life."""

    def __init__(self, node: RuntimeNode, roster: Roster, directory: Path | None) -> None:
        self.roster = roster
        self._node = node
        self._directory = directory
        self._marks = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}
        self._to_tell: list[tuple[NodeId, int]] = []  # (whom, mark) once what is known now is durable
        self._saved = asyncio.Event()
        self._saving: asyncio.Task[None] | None = None
        self._is_dirty = False

    @property
    def is_member(self) -> bool:
        """Whether this node is one, as far as it knows."""
        seat = self.roster.get(self._node.me.number)
        return seat is not None and not seat.is_gone

    async def close(self) -> None:
        """Keep what is known, and learn nothing more."""
        if self._saving is not None:
            await self._saving

    def expelled(self) -> None:
        """This node is a member no more: it shall know that in later lives."""
        me = self._node.me
        own = self.roster.get(me.number) or Seat(me.number, me.name, self._node.transport.address)
        if not own.is_gone:
            self.roster.learn((msgspec.structs.replace(own, version=own.version + 1, is_gone=True),))
            self._save()

    # What nodes tell one another

    def reached(self, peer: NodeId) -> None:
        """From now on `peer` hears this node: of the roster first."""
        if self.roster.has_changed:
            self._tell(peer, 0)

    def received(self, peer: NodeId, payload: bytes) -> None:
        """A frame about the roster. Raises CodecError."""
        said = SAID.decode(payload[1:])
        if isinstance(said, Kept):
            waiting = self._waiting.get(said.mark)
            if waiting is not None:
                waiting.by.add(peer)
                waiting.changed.set()
            return
        mark, seats = said.mark, said.seats
        for seat in seats:
            self._check(seat)
        self._learn(seats, by=peer)
        if mark:
            self._to_tell.append((peer, mark))
            self._save()

    def _tell(self, peer: NodeId, mark: int) -> None:
        self._node.transport.send(peer, bytes((ROSTER,)) + SAID.encode(Told(mark, self.roster.seats)))

    def _check(self, seat: Seat) -> None:
        try:
            self._node.transport.suits(seat.address)
        except ConfigurationError as error:
            raise Malformed(f"a roster came that this node cannot use: {error}") from error

    def _learn(self, seats: tuple[Seat, ...], *, by: NodeId) -> None:
        """Take over what is newer, act on it, and keep it."""
        node, changed = self._node, self.roster.learn(seats)
        for seat in changed:
            if seat.number == node.me.number:
                continue
            if seat.is_gone and seat.number == by:  # it removes itself, and waits to hear that others know it
                asyncio.get_running_loop().call_later(FAREWELL_S, node.forget, seat.number)
            elif seat.is_gone:
                node.forget(seat.number)
            else:
                node.know(seat.number, seat.name, seat.address)
        if changed:
            self._save()
            own = self.roster.get(node.me.number)
            if own is not None and own.is_gone and by == node.me.number:
                asyncio.get_running_loop().call_later(FAREWELL_S, node.expelled, by)
            elif own is not None and own.is_gone:
                node.expelled(by)
            elif own is not None:
                node.take_part()

    # Keeping it

    def _save(self) -> None:
        self._is_dirty = True
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._save_all(), name="tenure keeps its roster")

    async def _save_all(self) -> None:
        while self._is_dirty:
            self._is_dirty = False
            to_tell, self._to_tell = self._to_tell, []
            if self._directory is not None:
                try:
                    await asyncio.to_thread(write, self._directory, self.roster.encode())
                except OSError as error:
                    self._node.driver.disk_failed(error)
                    return
            for peer, mark in to_tell:
                self._node.transport.send(peer, bytes((ROSTER,)) + SAID.encode(Kept(mark)))
        self._saved.set()

    async def _publish(self, seat: Seat, voters: set[NodeId]) -> bool:
        """Let a seat be durable here and at a majority of these; whether it was in time."""
        me, mark = self._node.me.number, next(self._marks)
        self._saved.clear()
        self._learn((seat,), by=me)
        self._save()
        waiting = self._waiting[mark] = _Waiting(set(), asyncio.Event())
        try:
            async with asyncio.timeout(KEPT_WITHIN_S):
                await self._saved.wait()
                for peer in self._node.peers:
                    self._tell(peer, mark)
                waiting.by.add(me)
                while len(waiting.by & voters) < majority_of(len(voters)):
                    waiting.changed.clear()
                    await waiting.changed.wait()
        except TimeoutError:
            return False
        finally:
            del self._waiting[mark]
        return True

    # Joining and leaving, at the node that an operator asks

    async def add(self, asked: AddNode) -> Result:
        """Make a node known, and a voter where there are voters."""
        if (refusal := self._refusal(asked.id)) is not None:
            return refusal
        seat = Seat(asked.number, asked.name, asked.address, 1)
        known = self.roster.get(asked.number)
        if (why := self._why_not(seat, known)) is not None:
            return Denied(asked.id, why)
        if known is not None:
            seat = known
        voters = self._voters()
        if not await self._publish(seat, voters):
            return Doubtful(asked.id, f"no majority has kept the address of {seat.name} yet: ask again in a while")
        voters = self._voters()
        return await self._let_vote(asked.id, voters | {seat.number})

    async def remove(self, asked: RemoveNode) -> Result:
        """Let a node vote no more, and then be none."""
        if (refusal := self._refusal(asked.id)) is not None:
            return refusal
        seat = next((seat for seat in self.roster.members if asked.node in {seat.name, str(seat.number)}), None)
        if seat is None and any(asked.node in {gone.name, str(gone.number)} for gone in self.roster.seats):
            return Done(asked.id)
        if seat is None:
            return Denied(asked.id, f"no member is called {asked.node!r}; look who is: tenure cluster members")
        voters = self._voters()
        if voters == {seat.number}:
            return Denied(asked.id, f"{seat.name} is the last one that votes: stop it instead")
        result = await self._let_vote(asked.id, voters - {seat.number})
        if isinstance(result, Done):
            gone = Seat(seat.number, seat.name, seat.address, seat.version + 1, is_gone=True)
            if not await self._publish(gone, voters - {seat.number}):
                return Doubtful(asked.id, f"{seat.name} votes no more; not all know yet that it is gone: ask again")
        return result

    def _refusal(self, number: int) -> Result | None:
        """Why this node is not the one to ask."""
        node = self._node
        elector = node.elector
        if not node.takes_part:
            return NotNow(number, f"{node.me.name} is no member yet")
        if isinstance(innermost(elector), Paxos | PaxosLease):
            return Denied(
                number,
                f"{elector.name} counts the nodes that it was started with, and takes no others at run time: stop all "
                "nodes, and start them with the new list of peers and empty data directories",
            )
        if not self._has_voters() or self._may_change_voters():
            return None
        return Elsewhere(number, None if elector.leader == node.me.number else elector.leader)

    def _why_not(self, seat: Seat, known: Seat | None) -> str | None:
        if known is not None and known.is_gone:
            return f"number {seat.number} was removed, and never comes back: empty that node's data directory, and join"
        if known is not None and (known.name, known.address) != (seat.name, seat.address):
            return f"number {seat.number} is {known.name} at {known.address} already"
        if known is None and any(one.name == seat.name for one in self.roster.members):
            return f"{seat.name} is the name of another member: remove that one first, or choose another name"
        if known is None and len(self.roster.seats) >= MOST_SEATS:
            return f"this cluster has given {MOST_SEATS} numbers, and gives no more: found a new one"
        try:
            self._node.transport.suits(seat.address)
        except ConfigurationError as error:
            return str(error)
        return None

    def _has_voters(self) -> bool:
        elector = self._node.elector
        return isinstance(innermost(elector), Raft) or _has_lease(elector)

    def _may_change_voters(self) -> bool:
        """Only who leads may, with Raft, and who holds, with a lease: whom its elector prefers is another question."""
        node = self._node
        if not _has_lease(node.elector):
            return node.elector.leader == node.me.number
        return node.driver.held is not None and node.clock.now_ns() < node.driver.held[1]

    def _voters(self) -> set[NodeId]:
        return set(self._node.elector.account(self._node.clock.now_ns()).voters)

    async def _let_vote(self, number: int, voters: set[NodeId]) -> Result:
        """Change who votes, by the algorithm's rules; nothing is to be done where nobody votes."""
        if voters == self._voters() or not self._has_voters():
            return Done(number)
        change = self._change_voters if isinstance(innermost(self._node.elector), Raft) else self._reconfigure
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SOON_S
        while True:
            asked_s = loop.time()
            result = await change(number, voters)
            is_at_once = loop.time() - asked_s < LOOK_EVERY_S
            if not isinstance(result, Denied | NotNow) or not is_at_once or loop.time() >= until_s:
                return result
            await asyncio.sleep(LOOK_EVERY_S)

    async def _change_voters(self, number: int, voters: set[NodeId]) -> Result:
        node = self._node
        learners = set(node.elector.account(node.clock.now_ns()).learners) - voters
        asked = node.driver.ask_at_once(ChangeVoters, tuple(sorted(voters)), tuple(sorted(learners)))
        try:
            async with asyncio.timeout(VOTERS_WITHIN_S):
                answer = await asked
        except TimeoutError:
            return Doubtful(number, "the change of voters takes longer than it should: look who votes")
        match answer:
            case Changed():
                return Done(number)
            case NotLeader(leader=leader):
                return Elsewhere(number, leader)
            case Refused(why=why):
                return Denied(number, why)
            case Busy():
                return NotNow(number, "this leader has only begun: ask again in a moment")
            case _:
                return Doubtful(number, "the change of voters was begun, and the leader changed: look who votes")

    async def _reconfigure(self, number: int, voters: set[NodeId]) -> Result:
        node = self._node
        try:
            node.driver.give(Reconfigure(tuple(sorted(voters))))
        except WishRefused as error:
            return Denied(number, str(error))
        try:
            async with asyncio.timeout(VOTERS_WITHIN_S):
                while self._voters() != voters:  # noqa: ASYNC110  the elector's own state, which rings no bell
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            return Doubtful(number, "the change of voters takes longer than it should: look who votes")
        return Done(number)


def _has_lease(elector: Elector) -> bool:
    if isinstance(elector, MajorityLease):
        return True
    return isinstance(elector, Composed) and _has_lease(elector.inner)
