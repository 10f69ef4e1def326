"""Inside one process, for tests: the seam without sockets, with faults that a test injects.

A Network is the wire: it knows who listens where, cuts one direction between two, and says when a process is gone.
Greetings are those of the wire, so that the same peers are refused for the same reasons.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

from tenure.core.codec import CodecError
from tenure.core.elector import UnexpectedMessage
from tenure.core.events import NodeId
from tenure.errors import ConfigurationError
from tenure.transports import hello as greetings
from tenure.transports.base import Identity, Limits, Reach, Receiver, Say, Transport, checked_name, checked_size, log
from tenure.transports.complaints import Complaints, Trouble
from tenure.transports.frames import HEADER
from tenure.transports.hearing import Hearing
from tenure.transports.hello import Refused


class Network:
    """The wire between the transports of one loop. Addresses are any words."""

    def __init__(self) -> None:
        self._listening: dict[str, MemoryTransport] = {}
        self._cut = set[tuple[str, str]]()
        self._pipes = set[_Pipe]()

    def cut(self, source: str, target: str) -> None:
        """Nothing leaves the node at address `source` for that at `target`; what stands between them breaks."""
        self._cut.add((source, target))
        for pipe in [pipe for pipe in self._pipes if (pipe.source.address, pipe.address) == (source, target)]:
            pipe.break_off()

    def heal(self, source: str, target: str) -> None:
        """It can be dialled again."""
        self._cut.discard((source, target))
        self._dial_all()

    def kill(self, address: str) -> None:
        """The process at this address ends now; its peers know it for certain."""
        dead = self._listening.pop(address)
        pipes = [pipe for pipe in self._pipes if dead in {pipe.source, pipe.target}]
        for pipe in pipes:
            if pipe.source is not dead or not pipe.is_heard:
                pipe.break_off()
        for witness in dead.witnesses:
            witness.end()
        dead.stop()

    def listen(self, transport: MemoryTransport) -> None:
        if transport.address in self._listening:
            raise ConfigurationError(f"another node listens at {transport.address!r} already")
        self._listening[transport.address] = transport
        self._dial_all()

    def leave(self, transport: MemoryTransport) -> None:
        """It listens no more, and what stands from and to it ends."""
        if self._listening.get(transport.address) is transport:
            del self._listening[transport.address]
        for pipe in [pipe for pipe in self._pipes if transport in {pipe.source, pipe.target}]:
            pipe.break_off()

    def dial(self, source: MemoryTransport, peer: NodeId, address: str) -> _Pipe:
        """A connection on which the node at `address` has welcomed `source`. Raises Refused or OSError."""
        target = self._listening.get(address)
        if target is None or (source.address, address) in self._cut:
            raise ConnectionRefusedError(f"nobody listens at {address!r}")
        pipe = _Pipe(source, target, address, self._pipes.discard)
        said, _ = greetings.hello_reader().feed(greetings.hello(source.me, peer)) or (None, b"")
        assert isinstance(said, greetings.Hello)
        try:
            target.admit(pipe, said)
        except Refused as why:
            target.complaints.complain("", why.trouble, f"a connection from {source.address} was refused: {why}")
            is_removed = why.trouble is Trouble.REMOVED
            raise Refused(Trouble.REMOVED if is_removed else Trouble.REFUSED, str(why)) from why
        self._pipes.add(pipe)
        return pipe

    def _dial_all(self) -> None:
        for transport in list(self._listening.values()):
            transport.dial_all()


class _Witness:
    """Can be read once the process is gone."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_closed = False
        self.is_gone = False

    def end(self) -> None:
        """The process is gone."""
        self.is_gone = True
        if not self._is_closed:
            os.eventfd_write(self._descriptor, 1)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        self._is_closed = True
        os.close(self._descriptor)


class _Pipe:
    """One direction between two nodes; hands over a payload a turn."""

    def __init__(
        self,
        source: MemoryTransport,
        target: MemoryTransport,
        address: str,
        ended: Callable[[_Pipe], None],
    ) -> None:
        self.source = source
        self.target = target
        self.address = address
        self.peer: NodeId = source.me.number
        self.is_over = False
        self.is_heard = False
        self.waiting_bytes = 0
        self._ended = ended
        self._queue = deque[bytes]()

    def send(self, payload: bytes) -> None:
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._queue.append(payload)
        self.waiting_bytes += len(payload) + HEADER.size

    def unread(self) -> int:
        return self.waiting_bytes

    def abort(self) -> None:
        """The end of one side is that of the other."""
        self.break_off()

    def break_off(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._queue.clear()
            self._ended(self)
            self.source.broke(self)
            self.target.ended(self)

    def _hand_over(self) -> None:
        if self.is_over or not self._queue:
            return
        payload = self._queue.popleft()
        self.waiting_bytes -= len(payload) + HEADER.size
        self.target.take(self, payload)
        if self._queue and not self.is_over:
            asyncio.get_running_loop().call_soon(self._hand_over)


class MemoryTransport(Transport):
    """One node on a Network; `address` is where the others find it."""

    def __init__(
        self,
        me: Identity,
        network: Network,
        address: str,
        receiver: Receiver,
        *,
        limits: Limits | None = None,
        say: Say = log,
    ) -> None:
        self.me = me
        self._address = address
        self._network = network
        self._receiver = receiver
        self._limits = limits or Limits()
        self._loop = asyncio.get_running_loop()
        self.complaints = Complaints(say, self._loop.time)
        self._known: dict[NodeId, tuple[str, str]] = {}
        self._removed = set[NodeId]()
        self._pipes: dict[NodeId, _Pipe] = {}
        self._hearings: dict[NodeId, Hearing] = {}
        self._dropped: dict[NodeId, int] = {}
        self._is_open = False
        self._redial: asyncio.TimerHandle | None = None
        self.witnesses: list[_Witness] = []
        """Held by those who hear this node."""

    @property
    def address(self) -> str:
        return self._address

    async def open(self) -> None:
        self._is_open = True
        self._network.listen(self)

    def suits(self, address: str) -> None:
        if not address:
            raise ConfigurationError("an address in memory is any word, but not none")

    def know(self, peer: NodeId, name: str, address: str) -> None:
        checked_name(name)
        self.suits(address)
        if peer == self.me.number:
            raise ConfigurationError(
                f"node {name!r} cannot be a peer: {peer} is the number of this node, {self.me.name!r}"
            )
        known = self._known.get(peer)
        if known is not None and known[0] != name:
            raise ConfigurationError(
                f"number {peer} is that of node {known[0]!r} for ever, and cannot be that of {name!r}"
            )
        self._known[peer] = (name, address)
        self._dropped.setdefault(peer, 0)
        if known is None:
            self._hearings[peer] = Hearing(peer, name, self._receiver, self.complaints)
        elif known[1] != address and peer in self._pipes:
            self._pipes[peer].break_off()
        self.dial_all()

    def forget(self, peer: NodeId, *, for_ever: bool = False) -> None:
        if for_ever:
            self._removed.add(peer)
        if self._known.pop(peer, None) is not None:
            hearing = self._hearings.pop(peer)
            if peer in self._pipes:
                self._pipes[peer].break_off()
            hearing.close()

    def send(self, peer: NodeId, payload: bytes) -> bool:
        if peer not in self._known:
            return False
        size = checked_size(payload, self._limits.frame_bytes) + HEADER.size
        pipe = self._pipes.get(peer)
        if pipe is None or pipe.waiting_bytes + size > self._limits.queue_bytes:
            self._dropped[peer] += 1
            return False
        pipe.send(payload)
        return True

    def flush(self) -> None:
        """What was sent is on its way."""

    async def close(self) -> None:
        end_s = self._loop.time() + self._limits.farewell_s
        for hearing in list(self._hearings.values()):
            hearing.close()
        while any(pipe.waiting_bytes for pipe in self._pipes.values()):
            await asyncio.sleep(0)
            if self._loop.time() > end_s:
                break
        self.stop()
        self._network.leave(self)

    def reaches(self) -> list[Reach]:
        return [
            Reach(
                peer=peer,
                name=name,
                address=address,
                is_reached=peer in self._pipes,
                heard=self._hearings[peer].incarnation if self._hearings[peer].voice is not None else None,
                is_vouched=self._hearings[peer].is_vouched,
                waiting_bytes=self._pipes[peer].waiting_bytes if peer in self._pipes else 0,
                dropped=self._dropped[peer],
            )
            for peer, (name, address) in self._known.items()
        ]

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.complaints.counts)

    # What the network does ----------------------------------------------------------------------------------------

    def dial_all(self) -> None:
        """Connect to all that are known and not connected."""
        for peer, (name, address) in list(self._known.items()):
            if self._is_open and peer not in self._pipes:
                try:
                    pipe = self._pipes[peer] = self._network.dial(self, peer, address)
                    self._loop.call_soon(self._reached, pipe)
                except (Refused, OSError) as error:
                    trouble = error.trouble if isinstance(error, Refused) else Trouble.UNREACHABLE
                    self.complaints.complain(name, trouble, f"node {name!r} at {address} is not reached: {error}")
                    if trouble is Trouble.REMOVED:
                        self._loop.call_soon(self._receiver.expelled, peer)
                    self._dial_again()

    def _reached(self, pipe: _Pipe) -> None:
        peer = pipe.target.me.number
        if self._pipes.get(peer) is pipe:
            self._receiver.reached(peer)

    def admit(self, pipe: _Pipe, said: greetings.Hello) -> None:
        hearing = self._hearings.get(said.number)
        is_removed = said.number in self._removed
        greetings.examine(self.me, said, None if hearing is None else hearing.name, is_removed=is_removed)
        assert hearing is not None
        incarnation = greetings.incarnation(said)
        hearing.check(incarnation)
        self._loop.call_soon(self._begin, pipe, incarnation)

    def take(self, pipe: _Pipe, payload: bytes) -> None:
        try:
            self._receiver.received(pipe.peer, payload)
        except (CodecError, UnexpectedMessage) as error:
            name = self._known[pipe.peer][0]
            self.complaints.complain(name, Trouble.MESSAGE, f"the connection from node {name!r} was closed: {error}")
            pipe.break_off()

    def broke(self, pipe: _Pipe) -> None:
        """The pipe that leads away from here is over."""
        if self._pipes.get(pipe.target.me.number) is pipe:
            del self._pipes[pipe.target.me.number]
            self._dial_again()

    def ended(self, pipe: _Pipe) -> None:
        """The pipe that leads here is over."""
        if pipe.peer in self._hearings:
            self._hearings[pipe.peer].end(pipe)

    def stop(self) -> None:
        """Say and hear nothing more."""
        self._is_open = False
        for hearing in self._hearings.values():
            hearing.close()
        self._hearings.clear()
        self._pipes.clear()
        self._known.clear()
        if self._redial is not None:
            self._redial.cancel()

    def _begin(self, pipe: _Pipe, incarnation: int) -> None:
        hearing = self._hearings.get(pipe.peer)
        if hearing is not None and not pipe.is_over:
            pipe.is_heard = True
            witness = _Witness()
            pipe.source.witnesses.append(witness)
            hearing.begin(pipe, incarnation, witness)

    def _dial_again(self) -> None:
        if self._redial is None and self._is_open:
            self._redial = self._loop.call_later(self._limits.longest_backoff_s / 20, self._dialled_again)

    def _dialled_again(self) -> None:
        self._redial = None
        self.dial_all()
