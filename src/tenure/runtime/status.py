"""A node's view of itself at one instant, for operators: plain data, which goes into JSON as it is.

Every time is an age or a remainder in seconds by the node's own clock; no wall clock is read.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tenure._version import __version__
from tenure.core.account import Account, LogPositions
from tenure.core.elector import NEW
from tenure.core.events import NodeId
from tenure.core.model import Guarantee
from tenure.durations import NS_PER_S
from tenure.errors import NodeFailed
from tenure.runtime.node import RuntimeNode
from tenure.transports.base import Reach

Phase = Literal["starting", "running", "stopped", "failed"]


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """That this node may act as leader, by its clock at the instant of this view."""

    token: int
    left_s: float
    """Until its deadline, unless it is extended; above 0."""


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """What this node's failure detector thinks of a peer."""

    is_suspected: bool
    silent_s: float
    suspect_in_s: float
    """Until it is suspected, if it stays silent; 0 from then on."""


class Replication(msgspec.Struct, frozen=True, kw_only=True):
    """What this node, which leads, knows of a peer's log: indexes, and how it is sent to."""

    match: int
    next: int
    pace: str
    silent_s: float


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the group as this node sees it; of itself only who it is."""

    name: str
    number: NodeId
    address: str | None
    """None for this node itself, and for one whose address this node was never told."""
    role: Literal["voter", "learner", "none"]
    """Whether its vote counts, by the newest configuration that this node has; it may not be committed yet."""
    is_me: bool = False
    is_reached: bool = False
    """Whether what is sent to it leaves."""
    is_heard: bool = False
    """Whether a connection from it stands."""
    is_vouched: bool = False
    """Whether the kernel would tell of the end of its process."""
    incarnation: str | None = None
    """The life that is heard, in hexadecimal digits."""
    heard_s: float | None = None
    """Since it said something last; None if it has not in this life of this node."""
    waiting_bytes: int = 0
    dropped: int = 0
    """Messages to it that were not taken: no connection, or too much waited."""
    suspicion: Suspicion | None = None
    replication: Replication | None = None


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """What this node must not forget."""

    backlog_bytes: int
    """Given to be written, and not durable yet."""
    stalled_s: float
    """For how long nothing has become durable, though something was given; 0 where nothing was."""
    is_full: bool
    """It waits for space; nothing is lost."""
    failure: str | None
    """Why nothing can be kept any more, or what else ended the node."""


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in this node."""

    requests: int
    """Of clients, for their answers."""
    handed_on: int
    """Requests that wait for the answer of another node."""
    answering: int
    """Requests of other nodes that wait for an answer here."""
    messages: int
    """To peers, for the disk."""
    lost: int
    """Messages that came to nothing in this life: too long, too many waiting, or not taken by the transport."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    name: str
    number: NodeId
    incarnation: str
    """This life of the process, in hexadecimal digits."""
    life: int
    """How often a node was started on this data directory; 0 without one."""
    version: str
    algorithm: str | None
    """None before it has started."""
    cluster: str
    cluster_id: str
    """In hexadecimal digits."""
    state: Phase
    age_s: float
    """Since this life began."""
    role: str
    """In the algorithm's own word."""
    leader: NodeId | None
    """Whom it takes for the leader: a belief, no authority."""
    leader_name: str | None
    term: int
    unchanged_s: float
    """Since role, leader or term changed last."""
    gives_authority: bool
    """Whether the algorithm lets its leader act; one that only elects never does."""
    authority: Authority | None
    members: tuple[Member, ...]
    """By number."""
    detector: str | None
    log: LogPositions | None
    disk: Disk
    queues: Queues


def authority(node: RuntimeNode) -> Authority | None:
    """What this node may do by the clock at this instant. Any thread may ask."""
    held = node.driver.held if node.is_started else None
    if held is None:
        return None
    token, deadline_ns = held
    left_ns = deadline_ns - node.clock.now_ns()
    return Authority(token=token, left_s=left_ns / NS_PER_S) if left_ns > 0 else None


def status(node: RuntimeNode) -> Status:
    """The node's view of itself now. Call it in the thread of the node's loop; it waits for nothing, and takes some
    ten microseconds.
    """
    now_ns, me = node.clock.now_ns(), node.me
    driver = node.driver if node.is_started else None
    elector = None if driver is None else driver.elector
    account = Account(voters=()) if elector is None else elector.account(now_ns)
    members = _members(node, account, now_ns)
    leader = None if elector is None else elector.leader
    end = None if driver is None else driver.end
    storage = node.storage
    return Status(
        name=me.name,
        number=me.number,
        incarnation=f"{me.incarnation:016x}",
        life=node.life,
        version=__version__,
        algorithm=None if elector is None else elector.name,
        cluster=node.cluster,
        cluster_id=me.cluster.hex(),
        state=_state(node),
        age_s=(now_ns - node.made_ns) / NS_PER_S,
        role=NEW if elector is None else str(elector.role),
        leader=leader,
        leader_name=next((one.name for one in members if one.number == leader), None),
        term=0 if elector is None else elector.term,
        unchanged_s=(now_ns - (node.made_ns if driver is None else driver.changed_ns)) / NS_PER_S,
        gives_authority=elector is not None and Guarantee.ONE_AT_A_TIME in elector.guarantees,
        authority=authority(node),
        members=members,
        detector=account.detector,
        log=account.log,
        disk=Disk(
            backlog_bytes=0 if storage is None else storage.backlog_bytes,
            stalled_s=0.0 if driver is None or end is not None else driver.disk_stalled_ns(now_ns) / NS_PER_S,
            is_full=storage is not None and storage.waits_for_space,
            failure=str(end) if isinstance(end, NodeFailed) else None,
        ),
        queues=Queues(
            requests=0 if driver is None else driver.waiting_requests,
            handed_on=node.handed_on,
            answering=node.answering,
            messages=0 if driver is None else driver.waiting_messages,
            lost=0 if driver is None else driver.lost,
        ),
    )


def _state(node: RuntimeNode) -> Phase:
    if not node.is_started:
        return "starting"
    if node.driver.is_running:
        return "running"
    match node.driver.end:
        case None:
            return "starting"
        case NodeFailed():
            return "failed"
        case _:
            return "stopped"


def _members(node: RuntimeNode, account: Account, now_ns: int) -> tuple[Member, ...]:
    reaches = {reach.peer: reach for reach in node.transport.reaches()} if node.is_started else {}
    numbers = {node.me.number, *node.peers, *reaches, *account.voters, *account.learners}
    return tuple(_member(node, number, reaches.get(number), account, now_ns) for number in sorted(numbers))


def _member(node: RuntimeNode, number: NodeId, reach: Reach | None, account: Account, now_ns: int) -> Member:
    role: Literal["voter", "learner", "none"]
    role = "voter" if number in account.voters else "learner" if number in account.learners else "none"
    if number == node.me.number:
        return Member(name=node.me.name, number=number, address=None, role=role, is_me=True)
    peer, heard_ns = node.peers.get(number), node.heard_ns.get(number)
    if reach is None:
        name, address = (str(number), None) if peer is None else (peer.name, peer.address)
        return Member(name=name, number=number, address=address, role=role)
    opinion, position = account.opinions.get(number), account.peers.get(number)
    return Member(
        name=reach.name,
        number=number,
        address=reach.address,
        role=role,
        is_reached=reach.is_reached,
        is_heard=reach.heard is not None,
        is_vouched=reach.is_vouched,
        incarnation=None if reach.heard is None else f"{reach.heard:016x}",
        heard_s=None if heard_ns is None else (now_ns - heard_ns) / NS_PER_S,
        waiting_bytes=reach.waiting_bytes,
        dropped=reach.dropped,
        suspicion=None
        if opinion is None
        else Suspicion(
            is_suspected=opinion.is_suspected,
            silent_s=opinion.silent_ns / NS_PER_S,
            suspect_in_s=opinion.suspect_in_ns / NS_PER_S,
        ),
        replication=None
        if position is None
        else Replication(
            match=position.match, next=position.next, pace=position.pace, silent_s=position.silent_ns / NS_PER_S
        ),
    )
