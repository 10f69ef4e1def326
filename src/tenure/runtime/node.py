"""One node: an elector with a disk and peers of its own, in the loop that starts it.

What goes from node to node is a message of the algorithm, or a request that one hands on to another for somebody who
asked it, or what comes back, or a note of a node's owner to another's; the first byte tells which (see `operations`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random, SystemRandom

import msgspec

from tenure.clock import BootClock, Clock
from tenure.core.elector import Elector, Serving
from tenure.core.events import Answer, Asked, Joined, Left, NodeId, PeerLost, Request, Suspected, Trusted
from tenure.detectors.watched import Watched
from tenure.errors import ConfigurationError
from tenure.runtime import place, roster
from tenure.runtime.clerk import NodeClerk
from tenure.runtime.desk import Desk
from tenure.runtime.driver import Driver
from tenure.runtime.membership import Membership
from tenure.runtime.operations import ASKS, NOTES, ROSTER, Operation, Result
from tenure.runtime.owner import Owner
from tenure.runtime.patience import Patience
from tenure.runtime.recorder import Recorder
from tenure.runtime.relay import LIMIT_HANDED_ON, Relay
from tenure.runtime.roster import Roster, Seat
from tenure.storage.base import Storage
from tenure.storage.directory import DataDirectory
from tenure.storage.memory import MemoryStorage
from tenure.storage.wal import Wal
from tenure.transports.base import Identity, Receiver, Transport

Make = Callable[[NodeId, Sequence[NodeId], Random], Elector]
Carry = Callable[[Identity, Receiver], Transport]


class Peer(msgspec.Struct, frozen=True):
    """Another member: its name, and where it listens."""

    name: str
    address: str


class RuntimeNode:
    """A member of the group of `peers` and itself. `make` makes its elector, `carry` its transport.

    `directory` is where it keeps what its elector must not forget; None is for those that keep nothing. `cluster` is
    the name that operators know its group by, `founders` are those of its founders. A node that `joins`, with
    the roster that it was told, takes no part until members tell it that it is one of them; later lives of it know that
    from its directory.
    """

    def __init__(
        self,
        me: Identity,
        make: Make,
        *,
        peers: Mapping[NodeId, Peer],
        carry: Carry,
        directory: Path | None = None,
        owner: Owner | None = None,
        clock: Clock | None = None,
        traces: Path | None = None,
        cluster: str = "",
        founders: Sequence[str] = (),
        joins: Roster | None = None,
    ) -> None:
        self.me, self.peers, self.cluster = me, dict(peers), cluster
        self.clock = clock or BootClock()
        self.made_ns = self.clock.now_ns()
        self.heard_ns: dict[NodeId, int] = {}
        """When each peer was heard last in this life, by the node's clock."""
        self.life = 0
        self._make, self._carry, self._path, self._traces = make, carry, directory, traces
        self._owner = owner or Owner()
        self._founders, self._joins = tuple(founders), joins
        self._patience = Patience(self.clock.now_ns)
        self._directory: DataDirectory | None = None
        self._storage: Storage | None = None
        self._led_by: NodeId | None = None

    @property
    def elector(self) -> Elector:
        """Its part in the algorithm, to be read only."""
        return self.driver.elector

    @property
    def is_started(self) -> bool:
        """Whether it has an elector: it may have ended since."""
        return hasattr(self, "driver")

    @property
    def storage(self) -> Storage | None:
        """Its disk, from when it was opened; to be read only."""
        return self._storage

    @property
    def handed_on(self) -> int:
        """Requests that wait for the answer of another node."""
        return self.relay.handed_on if self.is_started else 0

    @property
    def answering(self) -> int:
        """Requests of other nodes that wait for an answer here."""
        return len(self.relay.answering) if self.is_started else 0

    # Its life

    async def start(self) -> None:
        """Read the disk, listen, and take part. Raises ConfigurationError, StorageError or OSError: then nothing of it
        is left behind.
        """
        try:
            if self._path is not None:
                self._directory = await asyncio.to_thread(DataDirectory.open, self._path)
            kept = None if self._path is None else await asyncio.to_thread(roster.read, self._path)
            self._remember(kept)
            members = tuple(sorted({self.me.number, *self.peers}))
            elector = self._make(self.me.number, members, Random(SystemRandom().getrandbits(64)))
            storage = self._storage = await self._open_storage(elector)
            self.transport = self._carry(self.me, self)
            known = self._roster(kept)
            if self._path is not None and self._joins is not None and kept is None:
                await asyncio.to_thread(roster.write, self._path, known.encode())
            self.membership = Membership(self, known, self._path)
            for number, peer in self.peers.items():
                self.transport.know(number, peer.name, peer.address)
            for seat in self.membership.roster.seats:
                if seat.is_gone:
                    self.transport.forget(seat.number, for_ever=True)
            self.driver = Driver(
                elector,
                disk=storage,
                post=self._post,
                clock=self.clock,
                owner=self._owner,
                recorder=self._recorder(elector),
            )
            self.desk = Desk(self)
            self.relay = Relay(elector, self.desk, self.transport.send)
            self.driver.became = self._became
            self.transport.serve(NodeClerk(self))
            storage.begin(self.driver.persisted, self.driver.disk_failed)
            await self.transport.open()
            if self.membership.is_member:
                self.take_part()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End this life as a crash would, but in good order: what was begun to be written is, and all is given back."""
        if hasattr(self, "driver"):
            self.driver.stop()
        if hasattr(self, "membership"):
            await self.membership.close()
        if hasattr(self, "desk"):
            self.desk.stop()
        if hasattr(self, "transport"):
            await self.transport.close()
        if hasattr(self, "relay"):
            self.relay.stop()
        if self._storage is not None:
            await self._storage.close()
        if self._directory is not None:
            self._directory.close()

    def _remember(self, kept: Roster | None) -> None:
        """Take part among those who were members when the last life ended, each where it was then, unless it was
        founded elsewhere by now.
        """
        told = () if self._joins is None else self._joins.seats
        for seat in (*told, *(() if kept is None else kept.seats)):
            if seat.number == self.me.number and seat.is_gone:
                raise ConfigurationError(
                    f"node {self.me.name!r} was removed from the cluster: to take part again, join with an empty data "
                    "directory, as a new node"
                )
            if seat.is_gone:
                self.peers.pop(seat.number, None)
            elif seat.number != self.me.number and (seat.version > 0 or seat.number not in self.peers):
                self.peers[seat.number] = Peer(seat.name, seat.address)

    def _roster(self, kept: Roster | None) -> Roster:
        """What was kept, and what this node was started with."""
        seats = [Seat(number, peer.name, peer.address) for number, peer in self.peers.items()]
        if self._joins is None:
            seats.append(Seat(self.me.number, self.me.name, self.transport.address))
        found = Roster(self._founders, seats)
        found.learn(() if self._joins is None else self._joins.seats)
        found.learn(() if kept is None else kept.seats)
        return found

    async def _open_storage(self, elector: Elector) -> Storage:
        if self._path is None:
            if elector.records:
                raise TypeError(f"{elector.name} must not forget what it said: give its node a data directory")
            return MemoryStorage()
        assert self._directory is not None
        whose = await asyncio.to_thread(place.enter, self._path, self.me, elector.name)
        self.life = whose.life
        if not elector.records:
            return MemoryStorage()
        return await asyncio.to_thread(Wal.open, self._directory, elector.records)

    def _recorder(self, elector: Elector) -> Recorder | None:
        if self._traces is None:
            return None
        life = max(1, self.life)
        path = self._traces / f"{self.me.name}-{life}.jsonl"
        return Recorder(path, elector, life=life, clock=self.clock)

    def _became(self, elector: Elector) -> None:
        if elector.leader not in {None, self._led_by}:
            self._led_by = leader = elector.leader
            self.relay.led_by(leader)
            self.desk.led_by(leader)

    # What the transport tells

    def connected(self, peer: NodeId, incarnation: int) -> None:
        """As of a Receiver. Who serves clients has no detector, and one follower never hears another."""
        self._owner.peer_heard(peer, incarnation)
        self.relay.heard(peer)
        if self.takes_part and isinstance(self.elector, Serving):
            self.driver.give(Trusted(peer))

    def received(self, peer: NodeId, payload: bytes) -> None:
        """As of a Receiver."""
        self.heard_ns[peer] = self.clock.now_ns()
        kind = payload[0]
        if kind < ASKS:
            if self.takes_part:  # else it says nothing that this node could answer
                self.driver.receive(peer, payload)
        elif kind == NOTES:
            self._owner.noted(peer, payload[1:])
        elif kind == ROSTER:
            self.membership.received(peer, payload)
        else:
            self.relay.received(peer, payload, LIMIT_HANDED_ON * max(1, len(self.peers)))

    def lost(self, peer: NodeId, incarnation: int, certain: bool) -> None:
        """As of a Receiver. Who serves clients is told how it was lost; a detector, only where it is certain."""
        self._owner.peer_lost(peer, incarnation, certain)
        self.relay.lost(peer)
        elector = self.elector
        if not self.takes_part:
            return
        if isinstance(elector, Serving):
            self.driver.give(PeerLost(peer, certain))
        elif certain and isinstance(elector, Watched):
            self.driver.give(Suspected(peer))

    def note(self, to: NodeId, note: bytes) -> bool:
        """Say something to the owner of another node; False where there is no way to it now. It may be lost."""
        return self.transport.send(to, bytes((NOTES,)) + note)

    def reached(self, peer: NodeId) -> None:
        """As of a Receiver."""
        self.membership.reached(peer)
        for payload in self._patience.take(peer):
            self.transport.send(peer, payload)

    def expelled(self, by: NodeId) -> None:
        """As of a Receiver: this node is no member any more, and stops."""
        self.membership.expelled()
        peer = self.peers.get(by)
        who = self.me.name if peer is None else peer.name
        self.driver.expel(who)

    def _post(self, to: NodeId, payload: bytes) -> bool:
        """Send it; to a peer that is not reached, a little later. Who serves clients sends again by itself."""
        if self.transport.send(to, payload):
            return True
        return to in self.peers and not isinstance(self.elector, Serving) and self._patience.keep(to, payload)

    # Who is a member

    @property
    def takes_part(self) -> bool:
        """Whether its elector has begun."""
        return self.is_started and self.driver.is_begun

    def take_part(self) -> None:
        """Begin, unless it has."""
        if not self.takes_part:
            self.driver.start()
            for number in self.peers:
                if number not in self.elector.members:
                    self.driver.give(Joined(number))

    def know(self, number: NodeId, name: str, address: str) -> None:
        """This node is a member from now on, or is reached elsewhere. Raises ConfigurationError."""
        self.transport.know(number, name, address)
        is_new, self.peers[number] = number not in self.peers, Peer(name, address)
        if is_new and self.takes_part:
            self.driver.give(Joined(number))

    def forget(self, number: NodeId) -> None:
        """It was removed for ever."""
        if self.driver.end is not None:
            return
        self.transport.forget(number, for_ever=True)
        self.relay.lost(number)
        self._patience.forget(number)
        if self.peers.pop(number, None) is not None and self.takes_part:
            self.driver.give(Left(number))

    # Clients

    def ask(self, to: NodeId, kind: type[Request], *fields: object) -> asyncio.Future[Answer]:
        """Ask node `to`, which may be this one, for `kind(id, *fields)`. Limit the time in which you wait.

        The future fails with NotAsked or WishRefused, and then nothing was asked for; with AnswerLost, NodeStopped or
        NodeFailed, and then it may have come about.
        """
        if to == self.me.number:
            return self.driver.ask(kind, *fields)
        return self.relay.ask(to, kind, *fields)

    def whom(self) -> NodeId:
        """As of a Way."""
        return self.elector.leader or self.me.number

    def doubt(self, to: NodeId) -> None:
        """As of a Way: time-outs are the elector's affair."""

    # Operators

    def operate(self, to: NodeId, operation: Operation) -> asyncio.Future[Result]:
        """Ask node `to`, which may be this one, for an operation. The future fails as that of `ask` does."""
        return self.desk.operate(operation) if to == self.me.number else self.relay.operate(to, operation)

    def resign(self, to: NodeId | None = None) -> None:
        """Have the node, if it leads, step down, in favour of `to`, once what acts on its authority has stopped.

        Raises WishRefused with what would help.
        """
        if not self._owner.asked(to):
            self.driver.give(Asked(to))
