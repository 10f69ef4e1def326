"""From names and addresses, as operators write them, to a node."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tenure import announcer
from tenure.algorithms import majority_lease, raft
from tenure.clock import Clock
from tenure.core.composed import Composed
from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.errors import ConfigurationError
from tenure.runtime import place, roster
from tenure.runtime.node import Peer, RuntimeNode
from tenure.runtime.operations import WHOEVER, RosterIs, TellRoster
from tenure.runtime.owner import Owner
from tenure.runtime.remote import RemoteGroup
from tenure.runtime.roster import Roster
from tenure.runtime.way import AnswerLost, NotAsked
from tenure.transports.addresses import UnixAddress, parse
from tenure.transports.base import Identity, Receiver, Transport, identify
from tenure.transports.tcp import TcpTransport
from tenure.transports.tls import Tls
from tenure.transports.unix import UnixTransport

AGAIN_S = 0.05
"""From one question that came to nothing to the next."""
FIRST_OF_JOINERS = 2**32
"""Numbers of those that join are drawn from here on, so that none is a founder's, and no two are the same."""


def assemble(
    name: str,
    listen: str,
    peers: Mapping[str, str],
    kind: type[Elector],
    *arguments: object,
    cluster: str = "tenure",
    directory: Path | None = None,
    tls: Tls | None = None,
    allow_plain: bool = False,
    terms: str = "",
    ends_with_process: bool = True,
    owner: Owner | None = None,
    clock: Clock | None = None,
    traces: Path | None = None,
) -> RuntimeNode:
    """A node that has not been started: `name` at address `listen`, with its `peers` by name, founders all of them.

    `arguments` are what its elector takes behind its source of chance, such as settings; `terms` say of those what must
    be the same at all nodes, and who says otherwise is refused. Raises ConfigurationError for
    names and addresses that cannot be.
    """
    if name in peers:
        raise ConfigurationError(f"{name!r} is the name of this node and of a peer; each node has a name of its own")
    founders = sorted({name, *peers})
    return _node(
        identify(cluster, founders, name, terms=terms),
        {founders.index(peer) + 1: Peer(peer, address) for peer, address in peers.items()},
        founders,
        _Given(listen, kind, arguments, cluster, directory, tls, allow_plain, ends_with_process, owner, clock, traces),
    )


async def assemble_joining(
    name: str,
    listen: str,
    contacts: Sequence[str],
    kind: type[Elector],
    *arguments: object,
    cluster: str = "tenure",
    directory: Path,
    tls: Tls | None = None,
    allow_plain: bool = False,
    terms: str = "",
    ends_with_process: bool = True,
    owner: Owner | None = None,
    clock: Clock | None = None,
    traces: Path | None = None,
    within_s: float = 60.0,
) -> RuntimeNode:
    """The same for a node that joins a running cluster, of which it asks the nodes at `contacts` who they are. It makes
    itself a number that nobody had, and keeps it in its directory, by which later lives know all of that.

    Raises ConfigurationError; Unreachable, and then nothing was done.
    """
    given = _Given(
        listen, kind, arguments, cluster, directory, tls, allow_plain, ends_with_process, owner, clock, traces
    )
    known = await asyncio.to_thread(place.read, directory)
    kept = await asyncio.to_thread(roster.read, directory)
    if known is None or kept is None:
        number = FIRST_OF_JOINERS + secrets.randbits(62) if known is None else known.number
        kept, cluster_id = await _told(contacts, name, number, given, within_s=within_s)
    else:
        number, cluster_id = known.number, bytes.fromhex(known.cluster)
    return _node(
        identify(cluster, kept.founders, name, number=number, cluster_id=cluster_id, terms=terms),
        {},
        kept.founders,
        given,
        joins=kept,
    )


async def _told(
    contacts: Sequence[str], name: str, number: NodeId, given: _Given, *, within_s: float
) -> tuple[Roster, bytes]:
    """What a running cluster says of itself: its roster and its id."""
    kind, cluster = given.kind, given.cluster
    group = RemoteGroup(contacts, name=name, tls=given.tls, allow_plain=given.allow_plain)
    await group.open(within_s=within_s)
    try:
        async with asyncio.timeout(within_s):
            told = await _roster_of(group)
        cluster_id = group.reached[0].cluster
    finally:
        await group.close()
    if told.cluster != cluster:
        raise ConfigurationError(f"the cluster there is called {told.cluster!r}, and not {cluster!r}: say --cluster")
    if told.algorithm != kind.name:
        raise ConfigurationError(
            f"the cluster there elects by {told.algorithm}, and this node would by {kind.name}: give it the same "
            "algorithm and authority"
        )
    if any(seat.name == name and seat.number != number and not seat.is_gone for seat in told.seats):
        raise ConfigurationError(
            f"{name!r} is a member there already: take another name, or, if that node is lost, remove it first: "
            f"tenure cluster remove {name}"
        )
    return Roster(told.founders, told.seats), cluster_id


async def _roster_of(group: RemoteGroup) -> RosterIs:
    while True:
        try:
            told: RosterIs = await group.operate(WHOEVER, TellRoster)
        except (NotAsked, AnswerLost):  # connections come and go
            await asyncio.sleep(AGAIN_S)
        else:
            return told


class _Given(NamedTuple):
    """What every node is given."""

    listen: str
    kind: type[Elector]
    arguments: tuple[object, ...]
    cluster: str
    directory: Path | None
    tls: Tls | None
    allow_plain: bool
    ends_with_process: bool
    owner: Owner | None
    clock: Clock | None
    traces: Path | None


def _node(
    me: Identity,
    peers: Mapping[NodeId, Peer],
    founders: Sequence[str],
    given: _Given,
    *,
    joins: Roster | None = None,
) -> RuntimeNode:
    """Raises ConfigurationError for what does not go together."""
    is_unix = isinstance(parse(given.listen), UnixAddress)
    if given.kind.records and given.directory is None:
        raise ConfigurationError(f"{given.kind.name} must remember what it has promised: give a data directory")
    if is_unix and given.tls is not None:
        raise ConfigurationError("a Unix socket needs no certificates: the kernel says whose process it is; leave them")
    kind, arguments = _with_voters(given.kind, given.arguments, tuple(range(1, len(founders) + 1)))
    make: Any = kind

    def carry(me: Identity, receiver: Receiver) -> Transport:
        say = announcer.ANNOUNCER.say
        if is_unix:
            return UnixTransport(me, given.listen, receiver, say=say, ends_with_process=given.ends_with_process)
        return TcpTransport(
            me,
            given.listen,
            receiver,
            tls=given.tls,
            allow_plain=given.allow_plain,
            say=say,
            ends_with_process=given.ends_with_process,
        )

    return RuntimeNode(
        me,
        lambda me, members, chance: make(me, members, chance, *arguments),
        peers=peers,
        carry=carry,
        directory=given.directory,
        owner=given.owner,
        clock=given.clock,
        traces=given.traces,
        cluster=given.cluster,
        founders=founders,
        joins=joins,
    )


def _with_voters(
    kind: type[Elector], arguments: tuple[object, ...], founders: tuple[NodeId, ...]
) -> tuple[type[Elector], tuple[object, ...]]:
    """The same elector, told who votes at first: not all that it finds when it starts, since some may have joined."""
    first = arguments[0] if arguments else None
    if issubclass(kind, raft.Raft):
        of_raft = first if isinstance(first, raft.Settings) else raft.Settings()
        return kind, (msgspec.structs.replace(of_raft, voters=of_raft.voters or founders), *arguments[1:])
    if not issubclass(kind, Composed):
        return kind, arguments
    inner, settings = _with_voters(kind.inner_kind, (kind.inner_settings,), founders)
    if issubclass(kind, majority_lease.MajorityLease):
        of_lease = first if isinstance(first, majority_lease.Settings) else majority_lease.Settings()
        arguments = (msgspec.structs.replace(of_lease, voters=of_lease.voters or founders), *arguments[1:])
    return kind.over(inner, settings[0]), arguments
