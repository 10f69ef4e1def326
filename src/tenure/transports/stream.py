"""What transports over streams of bytes share: listening, admitting, dialling, and sending once a turn."""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections.abc import Callable

from tenure.core.events import NodeId
from tenure.errors import ConfigurationError
from tenure.transports import hello as greetings
from tenure.transports import vouching
from tenure.transports.addresses import Address, parse
from tenure.transports.base import Clerk, Identity, Limits, Reach, Receiver, Say, Transport, checked_name, log
from tenure.transports.complaints import Complaints, Trouble
from tenure.transports.connection import Flushed, Inbound
from tenure.transports.dialling import Dialling
from tenure.transports.forking import not_for_children
from tenure.transports.hearing import Hearing, Vouching
from tenure.transports.hello import ClientHello, Hello, Refused
from tenure.transports.outbound import Outbound
from tenure.transports.serving import ServedClient
from tenure.transports.tls import Contexts, Tls

BACKLOG = 128
"""Connections that the kernel keeps until they are accepted."""


class StreamTransport(Transport):
    """`listen` is where this node is reached; `tls` encrypts, and shows who is who; `chance` is for pauses alone.

    `say` takes lines for the log and must not block. A node whose jobs may outlive its process gives
    `ends_with_process=False`: then nobody takes its death for certain.
    """

    def __init__(
        self,
        me: Identity,
        listen: str,
        receiver: Receiver,
        *,
        limits: Limits | None = None,
        tls: Tls | None = None,
        chance: random.Random | None = None,
        say: Say = log,
        ends_with_process: bool = True,
    ) -> None:
        self.me = me
        self.limits = limits or Limits()
        self.ends_with_process = ends_with_process
        self.started = vouching.start_time()
        self._listens = self._suited(parse(listen))
        self._receiver = receiver
        self._tls = tls
        self._contexts: Contexts | None = None
        self._chance = chance or random.Random()
        self._loop = asyncio.get_running_loop()
        self.complaints = Complaints(say, self._loop.time)
        self._servers: list[asyncio.Server] = []
        self._diallings: dict[NodeId, Dialling] = {}
        self._hearings: dict[NodeId, Hearing] = {}
        self._removed = set[NodeId]()
        self._strangers: dict[Inbound, None] = {}
        self._leaving = set[Inbound]()
        self._clerk: Clerk | None = None
        self._clients: dict[Inbound, ServedClient] = {}
        self._sending: list[Flushed] = []
        self._is_in_turn = False
        self._is_flush_due = False
        self._is_open = False

    # What kinds of streams differ in ------------------------------------------------------------------------------

    @abstractmethod
    def _suited(self, address: Address) -> Address:
        """The address itself. Raises ConfigurationError for one of another kind."""

    @abstractmethod
    async def _serve(self, factory: Callable[[], Inbound]) -> list[asyncio.Server]:
        """Listen."""

    @abstractmethod
    async def _connect(self, factory: Callable[[], Outbound], address: Address) -> object:
        """Dial."""

    @abstractmethod
    def vet(self, transport: asyncio.Transport) -> None:
        """As in connection.House."""

    def _stopped_serving(self) -> None:
        """Tidy up behind what listened."""

    def _witness(self, inbound: Inbound, said: Hello) -> Vouching | None:
        """Who would tell of the end of the process that speaks there."""
        del inbound, said
        return None

    # The seam -----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        if self._tls is not None and self._contexts is None:
            self._contexts = Contexts(self._tls, self.me.name)
        self._servers = await self._serve(self._accepted)
        not_for_children(self)
        self._is_open = True
        for dialling in self._diallings.values():
            dialling.start()

    def descriptors(self) -> list[int]:
        """As of forking.Opens."""
        return [one.fileno() for server in self._servers for one in server.sockets]

    @property
    def address(self) -> str:
        """Where this node is reached, with the port that it was given where it listens on any."""
        return str(self._listens)

    def serve(self, clerk: Clerk) -> None:
        self._clerk = clerk

    def suits(self, address: str) -> None:
        self._suited(parse(address))

    def know(self, peer: NodeId, name: str, address: str) -> None:
        where = self._suited(parse(address))
        checked_name(name)
        if peer == self.me.number:
            raise ConfigurationError(
                f"node {name!r} cannot be a peer: {peer} is the number of this node, {self.me.name!r}"
            )
        known = self._diallings.get(peer)
        if known is not None and known.name != name:
            raise ConfigurationError(
                f"number {peer} is that of node {known.name!r} and cannot be that of {name!r}, too: "
                "a number is of one node for ever"
            )
        if known is not None:
            known.move(where)
            return
        self._hearings[peer] = Hearing(peer, name, self._receiver, self.complaints)
        dialling = self._diallings[peer] = Dialling(
            peer,
            name,
            where,
            make=self._dialled,
            connect=self._connect,
            limits=self.limits,
            chance=self._chance,
            complaints=self.complaints,
            receiver=self._receiver,
        )
        if self._is_open:
            dialling.start()

    def forget(self, peer: NodeId, *, for_ever: bool = False) -> None:
        if for_ever:
            self._removed.add(peer)
        dialling = self._diallings.pop(peer, None)
        if dialling is not None:
            dialling.stop()
            self._hearings.pop(peer).close()
            self.complaints.forget(dialling.name)

    def send(self, peer: NodeId, payload: bytes) -> bool:
        dialling = self._diallings.get(peer)
        if dialling is None:
            return False
        if dialling.outbound is not None and dialling.outbound.send(payload):
            return True
        dialling.dropped += 1
        return False

    def flush(self) -> None:
        sending, self._sending = self._sending, []
        for sender in sending:
            sender.flush()

    async def close(self) -> None:
        self._is_open = False
        await self._stop_serving()
        self.flush()
        for inbound in (*self._strangers, *self._leaving):
            inbound.abort()
        for inbound in self._clients:
            inbound.finish()
        for hearing in self._hearings.values():
            hearing.close()
        farewells = [asyncio.create_task(dialling.farewell()) for dialling in self._diallings.values()]
        if farewells:
            _, late = await asyncio.wait(farewells, timeout=self.limits.farewell_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*farewells, return_exceptions=True)
        for inbound in (*self._clients,):
            inbound.abort()
        self._diallings.clear()
        self._hearings.clear()
        await asyncio.sleep(0)  # connections that were ended are told so in the next turn

    async def _stop_serving(self) -> None:
        """Accept nothing more, and let what was accepted enter first, so that it is ended with the others.

        A server that closes while a connection is between the two loses that connection, open, in Python 3.11.
        """
        for server in self._servers:
            for listening in server.sockets:
                self._loop.remove_reader(listening.fileno())
        await asyncio.sleep(0)  # it is made
        await asyncio.sleep(0)  # it enters
        for server in self._servers:
            server.close()
        if self._servers:
            self._servers = []
            self._stopped_serving()

    def reaches(self) -> list[Reach]:
        found = []
        for peer, dialling in self._diallings.items():
            hearing, outbound = self._hearings[peer], dialling.outbound
            found.append(
                Reach(
                    peer=peer,
                    name=dialling.name,
                    address=str(dialling.address),
                    is_reached=outbound is not None,
                    heard=hearing.incarnation if hearing.voice is not None else None,
                    is_vouched=hearing.is_vouched,
                    waiting_bytes=0 if outbound is None else outbound.waiting_bytes,
                    dropped=dialling.dropped,
                )
            )
        return found

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.complaints.counts)

    # The house of its connections ---------------------------------------------------------------------------------

    def entered(self, inbound: Inbound) -> None:
        if not self._is_open:
            inbound.abort()
            return
        self._strangers[inbound] = None
        if len(self._strangers) > self.limits.strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            self._leaving.add(oldest)
            self.complaints.complain(
                "",
                Trouble.CROWDED,
                f"more than {self.limits.strangers} connections at a time have not introduced themselves; the oldest, "
                f"from {oldest.origin()}, was closed: look who dials this port",
            )
            oldest.abort()

    def admit(self, inbound: Inbound, said: Hello) -> None:
        hearing = self._hearings.get(said.number)
        inbound.check_certificate(said.name)  # first: who has none of this authority learns nothing of the cluster
        is_removed = said.number in self._removed
        greetings.examine(self.me, said, None if hearing is None else hearing.name, is_removed=is_removed)
        assert hearing is not None
        incarnation = greetings.incarnation(said)
        hearing.check(incarnation)
        del self._strangers[inbound]
        inbound.peer, inbound.who = said.number, said.name
        witness = self._witness(inbound, said) if said.ends_with_process else None
        hearing.begin(inbound, incarnation, witness)
        if said.number in self._diallings:  # unless whoever was told has forgotten it
            self._diallings[said.number].nudge()

    def admit_client(self, inbound: Inbound, said: ClientHello) -> ServedClient:
        inbound.check_client_certificate(said.name)
        if self._clerk is None:
            raise Refused(Trouble.UNKNOWN, f"{self.me.name!r} serves no clients")
        if said.cluster not in {b"", self.me.cluster}:
            raise Refused(
                Trouble.CLUSTER,
                f"client {said.name!r} looks for another cluster than that of {self.me.name!r}: correct the address",
            )
        if len(self._clients) >= self.limits.clients:
            raise Refused(
                Trouble.CROWDED,
                f"{self.me.name!r} serves {self.limits.clients} connections of clients already: close some, ask "
                "another node, or let more requests share one",
            )
        del self._strangers[inbound]
        client = self._clients[inbound] = ServedClient(self, inbound, said.name, self._clerk)
        return client

    def left(self, inbound: Inbound) -> None:
        self._strangers.pop(inbound, None)
        self._leaving.discard(inbound)
        client = self._clients.pop(inbound, None)
        if client is not None:
            client.gone()
        if inbound.peer is not None and inbound.peer in self._hearings:
            self._hearings[inbound.peer].end(inbound)

    def handed(self, peer: NodeId, payload: bytes) -> None:
        self._receiver.received(peer, payload)

    def will_flush(self, sender: Flushed) -> None:
        self._sending.append(sender)
        if not self._is_in_turn and not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush_due)

    def begin_turn(self) -> None:
        self._is_in_turn = True

    def end_turn(self) -> None:
        self._is_in_turn = False
        if self._sending:
            self.flush()

    def _flush_due(self) -> None:
        self._is_flush_due = False
        self.flush()

    def _accepted(self) -> Inbound:
        return Inbound(self, None if self._contexts is None else self._contexts.channel(listens=True))

    def _dialled(self, peer: NodeId, name: str) -> Outbound:
        channel = None if self._contexts is None else self._contexts.channel(listens=False)
        return Outbound(self, channel, peer, name)
