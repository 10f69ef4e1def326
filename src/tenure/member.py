"""An application as a member of its own group: `async with Node("a", listen=..., peers=...) as node`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakSet

from tenure.admin import serve_admin
from tenure.admin.news import News
from tenure.backends.base import Backend, Place
from tenure.backends.member import Authority, MemberBackend
from tenure.core.elector import Serving, WishRefused
from tenure.errors import ConfigurationError, NodeForked, NodeStopped, RequestRefused, TenureError
from tenure.kinds import choose
from tenure.machines.base import Machine
from tenure.runtime.assembly import assemble
from tenure.runtime.client import Client
from tenure.runtime.pipeline import Pipeline
from tenure.runtime.status import Status, status
from tenure.runtime.threads import Crossing, LoopThread
from tenure.transports.addresses import UnixAddress, parse
from tenure.transports.forking import blank, open_in
from tenure.transports.tls import Tls

if TYPE_CHECKING:
    from tenure.admin.server import Admin

FAREWELL_S = 3.0
"""How long a leader that closes waits for another to lead, as `tenure node` does."""
STOP_S = 5.0
"""How long a node waits for its disk and its connections when it closes."""
START_S = 60.0
"""How long it may take to read the log."""


class Node(Place):
    """A member of a group of processes that elect a leader among themselves; no server is needed.

    name            of this node, [A-Za-z0-9][A-Za-z0-9._-]{0,127}
    listen          where the others reach it: "host:port" or "unix:/path"
    peers           the other members: where each is reached, by name
    data            a directory of its own, for what it must not forget; only bully and ring alone need none
    algorithm       "raft", "paxos-lease", "bully", "ring" or "paxos"
    authority       "majority": who is elected leads only with a lease from a majority; bully, ring and paxos need it
    machine         what `propose` and `read` speak to, with raft; None: a small key-value machine, `machines.kv`
    lease           how long a leader leads without the others' word, as 15 or "15s"; the same at all nodes
    election_timeout  of raft: others elect another after so long without a word, 0.35 s; the same at all nodes
    cluster         the group's name; nodes of others are refused
    ca, cert, key   files for TLS: the authority of all nodes, this node's certificate, and its private key
    allow_plain     listen beyond this machine without TLS: on a closed network only
    ends_with_process  False where something that acts for this node may outlive its process
    traces          a directory for what the node sees, for `tenure replay`
    http            "host:port" where its health, state, events and metrics are served, with the extra `server`

    To change the lease or the time-out, stop all nodes for as long as the longer lease. Something may outlive the
    process where the job starts programs: then nobody takes the end of the process for the end of its tenure.

    It runs on a thread and an event loop of its own and may be used from any number of loops and threads, from when it
    was entered until it is left. Leaving it hands leadership over. A node is of one process: in a forked child every
    call raises NodeForked. Raises ConfigurationError for what cannot be; entering raises OSError or StorageError where
    the address or the directory cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        listen: str,
        peers: Mapping[str, str],
        data: str | os.PathLike[str] | None = None,
        algorithm: str = "raft",
        authority: Literal["own", "majority"] = "own",
        machine: Machine | None = None,
        lease: float | str | None = None,
        election_timeout: float | str | None = None,
        cluster: str = "tenure",
        ca: str | os.PathLike[str] | None = None,
        cert: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
        allow_plain: bool = False,
        ends_with_process: bool = True,
        traces: str | os.PathLike[str] | None = None,
        http: str | None = None,
    ) -> None:
        self.name, self.cluster = name, cluster
        choice = choose(algorithm, authority, lease=lease, election_timeout=election_timeout, machine=machine)
        kind = choice.kind
        self._authority = Authority()
        self._http = http
        self._admin: Admin | None = None
        self._news = None if http is None else News(self._authority)
        self._node = assemble(
            name,
            listen,
            dict(peers),
            kind,
            *choice.arguments,
            cluster=cluster,
            directory=None if data is None or not kind.records else Path(data),
            tls=_tls(ca, cert, key, cluster),
            allow_plain=allow_plain,
            terms=choice.terms,
            ends_with_process=ends_with_process,
            owner=self._news or self._authority,
            traces=None if traces is None else Path(traces),
        )
        self._authority.attach(self._node)
        self._data = None if data is None else Path(data)
        self._serves = issubclass(kind, Serving)
        self._algorithm = kind.name
        self._scope: Literal["host", "cluster"] = "host" if isinstance(parse(listen), UnixAddress) else "cluster"
        self._names = dict(enumerate(sorted({name, *peers}), 1))
        self._thread: LoopThread | None = None
        self._client = Client(self._node)
        self._backend: MemberBackend | None = None
        self._is_entered = False
        _nodes.add(self)

    # Its life

    async def __aenter__(self) -> Self:
        """Read the disk, listen, and take part."""
        if self._is_entered:
            raise ConfigurationError(f"node {self.name!r} was entered before; make another Node for another life")
        self._is_entered = True
        thread = self._thread = LoopThread(f"tenure-node-{self.name}", self._node.stop)
        thread.start()
        try:
            async with asyncio.timeout(START_S):
                await thread.call(self._start)
        except BaseException:
            await self._settled(self._abandon(thread))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Let another lead, if this one does, and stop; bounded in time."""
        await self._settled(self._close(self._running()))

    async def _start(self) -> None:
        if self._http is not None and self._news is not None:
            self._admin = serve_admin(self._node, self._news, self._http)
        await self._node.start()
        self._node.elector.hold_on()  # applications decide by where they stand
        self._authority.begin()

    async def _abandon(self, thread: LoopThread) -> None:
        await thread.stop(NodeStopped(f"node {self.name!r} did not start"))
        if self._admin is not None:
            await self._admin.close()

    async def _close(self, thread: LoopThread) -> None:
        with suppress(TenureError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S + STOP_S + 1):
                await thread.call(self._leave)
        await thread.stop(NodeStopped(f"node {self.name!r} was closed"))
        if self._admin is not None:
            await self._admin.close()

    async def _leave(self) -> None:
        """In the node's thread."""
        if self._admin is not None:
            self._admin.ending("the application leaves it")
        self._authority.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._hand_over()
        self._authority.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._node.stop()

    async def _hand_over(self) -> None:
        """Have another lead, once nobody acts on this node's authority any more."""
        node = self._node
        while not self._authority.is_free:  # noqa: ASYNC110  bounded, once per life
            await asyncio.sleep(0.002)
        if node.elector.leader != node.me.number or not node.driver.is_running:
            return
        with suppress(WishRefused):
            node.resign()
        nobody_else = {None, node.me.number}
        while node.elector.leader in nobody_else and any(one.is_reached for one in node.transport.reaches()):  # noqa: ASYNC110  as above
            await asyncio.sleep(0.002)

    async def _settled(self, closing: Any) -> None:
        """Wait for it to the end: who is cancelled meanwhile hears of it when the thread is gone."""
        task = asyncio.ensure_future(closing)
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as again:
                cancelled = again
        if cancelled is not None:
            raise cancelled
        task.result()

    # What the machine is asked

    async def propose(self, command: bytes, *, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109  of the whole group
        """Have every copy of the machine apply `command`, once and in the same order; this one's answer.

        When it returns, a majority has the command on disk. Raises NotServed or RequestRefused: it was not applied, and
        never will be; OutcomeUnknown, NodeStopped or NodeFailed: nobody knows. `timeout` in seconds.
        """
        thread: LoopThread = self._served()
        crossing: Crossing[bytes] = Crossing()
        thread.post(self._propose, crossing, command, timeout)
        return await thread.wait(crossing)

    async def propose_all(self, commands: Iterable[bytes], *, timeout: float = 10.0) -> list[bytes]:  # noqa: ASYNC109  of the whole group
        """The same for many commands, pipelined: several times as fast. Each answer stands where its command stood.

        They may be applied in any order: what belongs together goes into one command. Raises what `propose` raises for
        the first that fails; then nobody knows of the others. `timeout` is that of each command.
        """
        thread: LoopThread = self._served()
        crossing: Crossing[list[bytes]] = Crossing()
        pipeline = Pipeline(self._client, list(commands), crossing.told, crossing.failed)
        thread.post(pipeline.begin, timeout)
        return await thread.wait(crossing)

    async def read(self, query: bytes, *, timeout: float = 10.0) -> bytes:  # noqa: ASYNC109  of the whole group
        """What the machine answers to `query`, with all that was answered to anybody before this call: linearizable.

        Raises NotServed, RequestRefused, NodeStopped or NodeFailed. `timeout` in seconds.
        """
        return await self._served().call(self._read, query, timeout)

    def _propose(self, crossing: Crossing[bytes], command: bytes, within_s: float) -> None:
        if not crossing.future.cancelled():
            self._client.begin(command, crossing.told, crossing.failed, within_s=within_s)

    async def _read(self, query: bytes, within_s: float) -> bytes:
        return await self._client.read(query, within_s=within_s)

    # What it is now; but for `status` none of this waits

    async def status(self) -> Status:
        """All that this node sees of itself and of the group at one instant: members, log, disk, detector, queues.

        Plain data, `msgspec.json.encode(status)` is what `/v1/status` answers. Raises NodeStopped or NodeFailed where
        its thread has ended.
        """
        return await self._running().call(self._look)

    async def _look(self) -> Status:
        return status(self._node)

    @property
    def http_url(self) -> str | None:
        """Where it is served over HTTP, with the port that it has; None without `http`, and before it was entered."""
        return None if self._admin is None else self._admin.url

    @property
    def leader(self) -> str | None:
        """The name of the node that this one takes for the leader; None: it knows of none."""
        self._running()
        number = self._node.elector.leader
        return None if number is None else self._names.get(number, f"number {number}")

    @property
    def is_leader(self) -> bool:
        """Whether this node may act for the group now; compares the clock at every call."""
        self._running()
        held = self._node.driver.held
        return held is not None and self._node.clock.now_ns() < held[1]

    @property
    def term(self) -> int:
        """The round of the algorithm that it is in; 0 before the first, and where there are none."""
        self._running()
        return self._node.elector.term

    @property
    def role(self) -> str:
        """What it is now, in the algorithm's own word."""
        self._running()
        return str(self._node.elector.role)

    # Elections

    @property
    def backend(self) -> Backend:
        """What `Election(name, at=node)` is at. Raises ConfigurationError where the algorithm gives no authority."""
        self._running()
        if self._backend is None:
            self._backend = MemberBackend(
                self._node, self._authority, self._running(), cluster=self.cluster, scope=self._scope
            )
        return self._backend

    def __repr__(self) -> str:
        return f"<Node {self.name!r} of {self.cluster!r}, {self._algorithm}>"

    def _running(self) -> LoopThread:
        if self._thread is None:
            raise ConfigurationError(f"enter node {self.name!r} first: async with Node(...) as node")
        if isinstance(self._thread.end, NodeForked):
            raise self._thread.end
        return self._thread

    def _served(self) -> LoopThread:
        if not self._serves:
            raise RequestRefused(
                f'{self._algorithm} elects, and replicates nothing: propose and read need Node(..., algorithm="raft")'
            )
        return self._running()

    def forked(self) -> None:
        """In a forked child: let go of everything without a word to anybody."""
        thread = self._thread
        if thread is None:
            return
        if self._data is not None:
            blank(open_in(self._data))
        thread.forked(
            NodeForked(
                f"node {self.name!r} stayed with the parent of this forked process: make another in each process"
            )
        )


_nodes: WeakSet[Node] = WeakSet()


def _after_fork_in_child() -> None:
    for node in tuple(_nodes):
        node.forked()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _tls(
    ca: str | os.PathLike[str] | None,
    cert: str | os.PathLike[str] | None,
    key: str | os.PathLike[str] | None,
    cluster: str,
) -> Tls | None:
    if ca is None and cert is None and key is None:
        return None
    if ca is None or cert is None or key is None:
        raise ConfigurationError("TLS needs all three: ca, cert and key")
    return Tls(authority=Path(ca), certificate=Path(cert), key=Path(key), cluster=cluster)
