"""The seam: what carries payloads from one node to another, and what it tells its receiver.

A transport's promises, whichever it is (tests/contracts/test_transports.py holds each of them to these):

 1. `send` never waits. What it takes arrives once, whole and in order, or is lost with all that followed it on that
    connection; nothing is altered, repeated or handed to another node.
 2. The receiver hears of a life by `connected` before anything that this life said, and nothing of an earlier life
    after that.
 3. `lost` with `certain` is said only where the kernel vouches that the process is gone, at most once for a life, never
    after a later life of that node was announced; nothing that the dead life said comes after it.
 4. A peer that is slow, dead or hostile costs a bounded amount of memory and delays nobody else.
 5. Who is not a member, speaks for another cluster, or sends what cannot be read is refused with a reason that both
    sides log, and only its own connection ends.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from tenure.core import codec
from tenure.core.events import NodeId
from tenure.errors import ConfigurationError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
DIGEST_BYTES = 16
GREATEST_NUMBER = 2**63 - 1

Say = Callable[[int, str], None]
"""Takes a line for the log: a level of `logging`, and the text. It must not block."""

_log = logging.getLogger("tenure")


def log(level: int, text: str) -> None:
    """Say it by `logging`, on the thread that calls; a node gives its transport something that never blocks."""
    _log.log(level, "%s", text)


class Receiver(Protocol):
    """Who is told, on the loop's thread; none of these may block or await."""

    def connected(self, peer: NodeId, incarnation: int) -> None:
        """From now on this life of `peer` is heard, on a new connection: what it said before may be lost, also where
        nothing was told of the end of another one, which it then takes the place of.
        """

    def received(self, peer: NodeId, payload: bytes) -> None:
        """`peer` sent this. Raise CodecError or UnexpectedMessage for what no such peer would send: its connection
        is closed, and why is said.
        """

    def lost(self, peer: NodeId, incarnation: int, certain: bool) -> None:
        """This life of `peer` is not heard any more, or with `certain`, its process is gone for ever."""

    def reached(self, peer: NodeId) -> None:
        """What is sent to `peer` leaves, from now until it is lost."""

    def expelled(self, by: NodeId) -> None:
        """`by` says that this node was removed for ever."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a node is: the same on all nodes of a cluster but for `number`, `name` and `incarnation`."""

    cluster: bytes
    """DIGEST_BYTES that no other cluster has."""
    founders: bytes
    """DIGEST_BYTES of the list of founders, and of the terms among them: whose list differs counts other voters."""
    number: NodeId
    name: str
    incarnation: int
    """This life of the process: 64 random bits."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a transport spends at most. Sizes in bytes, times in seconds."""

    frame_bytes: int = codec.LIMIT_BYTES
    """The longest payload; the same on all nodes."""
    queue_bytes: int = 16 << 20
    """What waits for one peer at most, headers of frames included. NATS lets 64 MiB wait for a client, etcd 4,096
    messages for a peer.
    """
    strangers: int = 128
    """Connections at a time that have not introduced themselves; one more, and the one that has waited longest goes."""
    clients: int = 1024
    """Connections of clients at a time; one more is refused."""
    requests: int = 4096
    """Of one client that wait for their answers: nothing more is read from it meanwhile."""
    hello_s: float = 2.0
    """From when a connection stands until both sides are introduced, a handshake of TLS included."""
    connect_s: float = 1.0
    """Until a connection stands; Linux repeats a lost SYN after one second."""
    backoff_s: float = 0.005
    """Before the second attempt to connect; it doubles with each, and up to half of it is taken off by chance."""
    longest_backoff_s: float = 1.0
    """Where it stops doubling. A connection that lived for so long begins anew."""
    silence_s: float = 2.0
    """TCP: for how long what was sent may stay unacknowledged. After a partition TCP itself would wait twice as long as
    the partition lasted.
    """
    farewell_s: float = 0.5
    """How long `close` waits for what was sent before to leave."""

    def __post_init__(self) -> None:
        counts = min(self.strangers, self.requests, self.clients + 1)
        if not 1 <= self.frame_bytes < 2**32 or self.queue_bytes < self.frame_bytes + 4 or counts < 1:
            raise ConfigurationError(
                f"these limits carry nothing: frame_bytes={self.frame_bytes} must be from 1 to 2**32 - 1, "
                f"queue_bytes={self.queue_bytes} at least 4 more, strangers={self.strangers} and "
                f"requests={self.requests} at least 1, clients={self.clients} at least 0"
            )
        times = (self.hello_s, self.connect_s, self.backoff_s, self.silence_s, self.farewell_s)
        if min(times) <= 0 or self.longest_backoff_s < self.backoff_s:
            raise ConfigurationError("each time in Limits must be above 0, and longest_backoff_s at least backoff_s")


class Reach(msgspec.Struct, frozen=True):
    """How it stands with one peer: for operators."""

    peer: NodeId
    name: str
    address: str
    is_reached: bool
    """Whether what is sent to it leaves."""
    heard: int | None
    """The life that is heard from now."""
    is_vouched: bool
    """Whether the kernel would tell of the end of that life's process."""
    waiting_bytes: int
    dropped: int
    """Payloads that were not taken, because its queue was full or there was no connection."""


class Caller(Protocol):
    """A client that has introduced itself."""

    @property
    def name(self) -> str:
        """What it calls itself; with TLS, as its certificate shows."""
        ...

    def answer(self, payload: bytes) -> None:
        """Send it the one answer to something that it asked; one that has gone is told nothing."""


class Clerk(Protocol):
    """Who serves clients; on the loop's thread, and neither may block or await."""

    def asked(self, caller: Caller, payload: bytes) -> None:
        """Answer this once, now or later. Raise CodecError for what no client would send: its connection is closed."""

    def left(self, caller: Caller) -> None:
        """It is gone, and hears no answer any more."""


class Transport(ABC):
    """Carries payloads between this node and those that it is told of. One loop's thread makes, uses and closes it."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where this node is reached, with the port that it was given where it listens on any."""

    @abstractmethod
    async def open(self) -> None:
        """Listen, and begin to connect to those that are known. Raises ConfigurationError where that cannot work, and
        OSError where the system refuses it.
        """

    def serve(self, clerk: Clerk) -> None:
        """Let clients in from now on. One that carries nothing but what nodes say need not."""
        del clerk

    @abstractmethod
    def suits(self, address: str) -> None:
        """Raise ConfigurationError for an address that no peer of this transport can have."""

    @abstractmethod
    def know(self, peer: NodeId, name: str, address: str) -> None:
        """`peer` of this name is a member and is reached at `address`; another one than before is dialled at once.

        Raises ConfigurationError for a name or an address that cannot be.
        """

    @abstractmethod
    def forget(self, peer: NodeId, *, for_ever: bool = False) -> None:
        """`peer` is no member any more: it is neither dialled nor admitted, and its connections end without a word.
        With `for_ever` it is told so whenever it dials.
        """

    @abstractmethod
    def send(self, peer: NodeId, payload: bytes) -> bool:
        """Send `payload` as soon as this turn of the loop ends; never blocks. False: it was dropped, because there is
        no connection or too much waits for that peer already.

        Raises TooLong for more than `Limits.frame_bytes`, ValueError for none.
        """

    @abstractmethod
    def flush(self) -> None:
        """Let leave at once what was sent in this turn, for a driver that has no more to say in it."""

    @abstractmethod
    async def close(self) -> None:
        """Stop listening, let leave what was sent if that takes no longer than `Limits.farewell_s`, and end every
        connection. The receiver is told nothing any more.
        """

    @abstractmethod
    def reaches(self) -> list[Reach]:
        """How it stands with each peer."""

    @property
    @abstractmethod
    def counts(self) -> dict[str, int]:
        """How often each thing went wrong, by the value of its Trouble."""


def identify(
    cluster: str,
    founders: Iterable[str],
    name: str,
    *,
    number: NodeId | None = None,
    cluster_id: bytes | None = None,
    terms: str = "",
) -> Identity:
    """One life of the node `name` in the cluster of that name, which `founders` began.

    A founder's number is the rank of its name among theirs, from 1; who joins later gives the `number` that it keeps.
    `terms` are whatever else must be the same at all nodes, such as the length of a lease.
    Raises ConfigurationError for names and numbers that cannot be.
    """
    names = sorted(set(founders))
    for each in (cluster, name, *names):
        checked_name(each)
    if number is None:
        if name not in names:
            raise ConfigurationError(f"{name!r} is none of the founders {', '.join(names)}: give it a number")
        number = names.index(name) + 1
    if not 1 <= number <= GREATEST_NUMBER:
        raise ConfigurationError(f"a node's number is from 1 to {GREATEST_NUMBER}, not {number}")
    listed = "\n".join(names).encode()
    identity = cluster_id if cluster_id is not None else _digest(cluster.encode() + b"\0" + listed)
    if len(identity) != DIGEST_BYTES:
        raise ConfigurationError(f"a cluster's id has {DIGEST_BYTES} bytes, not {len(identity)}")
    return Identity(
        cluster=identity,
        founders=_digest(listed + b"\0" + terms.encode() if terms else listed),
        number=number,
        name=name,
        incarnation=secrets.randbits(64),
    )


def checked_name(name: str) -> str:
    """The name itself. Raises ConfigurationError for one that no node and no cluster can have."""
    if NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name!r} is no name: it begins with a letter or digit and has at most 128 of A-Z a-z 0-9 . _ -"
        )
    return name


def checked_size(payload: bytes, limit_bytes: int) -> int:
    """How long the payload is. Raises TooLong or ValueError for one that no frame can carry."""
    size = len(payload)
    if size > limit_bytes:
        raise codec.TooLong(f"{size} bytes cannot be sent: a frame has at most {limit_bytes}; send less at a time")
    if size == 0:
        raise ValueError("there is nothing to send: a frame has at least one byte")
    return size


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
