"""`tenure node`: one member of a group of real processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from tenure import announcer
from tenure.admin import serve_admin
from tenure.backends.member import Authority
from tenure.cli import node_file
from tenure.cli.options import is_quiet, talk_options
from tenure.core.effects import Divided
from tenure.core.elector import Elector, WishRefused
from tenure.core.events import NodeId
from tenure.errors import ConfigurationError, NodeFailed, NodeRemoved

if TYPE_CHECKING:
    from tenure.admin.news import News
    from tenure.kinds import Choice
    from tenure.runtime.node import RuntimeNode
    from tenure.runtime.owner import Owner
    from tenure.transports.tls import Tls


class _Common(TypedDict):
    """What nodes are given, whether they found a group or join one."""

    cluster: str
    tls: Tls | None
    allow_plain: bool
    terms: str
    owner: Owner
    traces: Path | None


FAREWELL_S = 3.0
"""How long a leader that is told to end waits for another to lead."""


def _peer(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    del ctx
    peers: dict[str, str] = {}
    for value in values:
        name, separator, address = value.partition("=")
        if not separator or not name or not address:
            raise click.BadParameter(f"{value!r} is not NAME=ADDRESS, such as b=127.0.0.1:7102", param=param)
        if name in peers:
            raise click.BadParameter(f"{name!r} is given twice; each node has a name of its own", param=param)
        peers[name] = address
    return peers


@click.command("node")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=node_file.load,
    help="A TOML file with any of these options; what is typed, or is in the environment, counts before it.",
)
@click.option("--name", required=True, help="This node's name, unique in its group.")
@click.option("--listen", required=True, metavar="ADDRESS", help="host:port or unix:/path, where peers reach it.")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    callback=_peer,
    envvar="TENURE_NODE_PEER",
    metavar="NAME=ADDRESS",
    help="Each other node; say it for each.",
)
@click.option(
    "--join",
    "contacts",
    multiple=True,
    envvar="TENURE_NODE_JOIN",
    metavar="ADDRESS",
    help="Join a running cluster, instead of --peer: some node of it; can be said again.",
)
@click.option(
    "--data",
    "directory",
    type=click.Path(path_type=Path),
    envvar="TENURE_NODE_DATA",
    metavar="DIR",
    help="What it must not forget.",
)
@click.option(
    "--algorithm", default="raft", show_default=True, help="raft, bully, ring, paxos or paxos-lease; see `simulate`."
)
@click.option(
    "--authority",
    type=click.Choice(["own", "majority"]),
    default="own",
    show_default=True,
    help="majority: whoever is elected leads only with a lease from a majority; needed for bully, ring and paxos.",
)
@click.option(
    "--lease",
    metavar="TIME",
    help="How long a leader leads without the others' word; the same at all nodes.",
)
@click.option(
    "--election-timeout",
    metavar="TIME",
    help="With raft: without a word of a leader for so long others elect another (350ms); the same at all nodes.",
)
@click.option("--cluster", default="tenure", show_default=True, help="The group's name; others are refused.")
@click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="TLS: the authority of all nodes.")
@click.option("--cert", type=click.Path(path_type=Path), metavar="FILE", help="TLS: this node's certificate.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="TLS: its private key.")
@click.option("--allow-plain", is_flag=True, help="Listen beyond this machine without TLS: on a closed network only.")
@click.option(
    "--trace",
    "traces",
    type=click.Path(path_type=Path),
    envvar="TENURE_NODE_TRACE",
    metavar="DIR",
    help="Write what it sees, for replay.",
)
@click.option("--http", "http", metavar="HOST:PORT", help="Serve its health, state, events and metrics there.")
@talk_options
def command(  # noqa: PLR0917  click hands options by name
    name: str,
    listen: str,
    peers: dict[str, str],
    contacts: tuple[str, ...],
    directory: Path | None,
    algorithm: str,
    authority: str,
    lease: str | None,
    election_timeout: str | None,
    cluster: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    allow_plain: bool,
    traces: Path | None,
    http: str | None,
) -> None:
    """Be a member of a group that elects a leader, until SIGTERM or Ctrl-C; a leader hands over before it ends.

    \b
    Try it, in three terminals:
      tenure node --name a --listen 127.0.0.1:7101 --peer b=127.0.0.1:7102 --peer c=127.0.0.1:7103 --data a
      tenure node --name b --listen 127.0.0.1:7102 --peer a=127.0.0.1:7101 --peer c=127.0.0.1:7103 --data b
      tenure node --name c --listen 127.0.0.1:7103 --peer a=127.0.0.1:7101 --peer b=127.0.0.1:7102 --data c
    """  # noqa: D301  click reads the backspace itself as "do not wrap"
    from tenure.admin.news import News
    from tenure.core.model import Guarantee
    from tenure.kinds import choose
    from tenure.runtime.threads import fast_loop

    if not is_quiet():
        logging.getLogger("tenure").setLevel(min(logging.INFO, logging.getLogger("tenure").level))
    choice = choose(algorithm, authority, lease=lease, election_timeout=election_timeout)
    kind = choice.kind
    if Guarantee.ONE_AT_A_TIME not in kind.guarantees:
        _say(f"{algorithm} elects and gives no authority: in a partition two may lead; see --authority majority")
    if traces is not None:
        traces.mkdir(parents=True, exist_ok=True)
    talk = _Talk()
    news = None if http is None else News(talk)
    common: _Common = {
        "cluster": cluster,
        "tls": _tls(ca, cert, key, cluster),
        "allow_plain": allow_plain,
        "terms": choice.terms,
        "owner": talk if news is None else news,
        "traces": traces,
    }

    making = _node(name, listen, peers, contacts, directory, choice, common)
    try:
        with asyncio.Runner(loop_factory=lambda: fast_loop() or asyncio.new_event_loop()) as runner:
            runner.run(_serve(making, talk, http, news))
    finally:
        announcer.ANNOUNCER.flush()


async def _node(  # noqa: PLR0917  called in one place, with what the options are called
    name: str,
    listen: str,
    peers: Mapping[str, str],
    contacts: Sequence[str],
    directory: Path | None,
    choice: Choice,
    common: _Common,
) -> RuntimeNode:
    """One that founds a group with its peers, or one that joins a group that runs."""
    from tenure.runtime.assembly import assemble, assemble_joining

    if not contacts:
        return assemble(name, listen, peers, choice.kind, *choice.arguments, directory=directory, **common)
    if peers:
        raise click.UsageError("--peer names the founders of a group, and --join a group that runs: give one of both")
    if directory is None:
        raise ConfigurationError("a node that joins keeps its number in its data directory: give --data")
    return await assemble_joining(name, listen, contacts, choice.kind, *choice.arguments, directory=directory, **common)


def _tls(ca: Path | None, cert: Path | None, key: Path | None, cluster: str) -> Tls | None:
    from tenure.transports.tls import Tls

    if ca is not None and cert is not None and key is not None:
        return Tls(authority=ca, certificate=cert, key=key, cluster=cluster)
    if any(one is not None for one in (ca, cert, key)):
        raise click.UsageError("TLS needs all three: --ca, --cert and --key")
    return None


def _say(text: str) -> None:
    """On a thread of its own: a reader of stderr that has stopped must not stop the node."""
    announcer.ANNOUNCER.say(logging.INFO, text)


class _Talk(Authority):
    """Says on stderr what becomes of the node, a line for each change; and knows of its end.

    Where applications are members of its group, nobody stands at this node, and it gives way to where somebody does.
    """

    def __init__(self) -> None:
        super().__init__()
        self._leader: NodeId | None = None
        self._said = 0  # the token that was told of
        self.ended = asyncio.Event()
        self.another = asyncio.Event()
        """Set while another node leads."""
        self.failure: NodeFailed | None = None

    def became(self, elector: Elector) -> None:
        super().became(elector)
        if elector.leader == self._leader:
            return
        self._leader = elector.leader
        if elector.leader in {None, elector.me}:
            self.another.clear()
        else:
            self.another.set()
        term = f" (term {elector.term})" if elector.term else ""
        whom = "nobody is known to lead" if elector.leader is None else f"{self._name(elector.leader)} leads"
        _say(whom + term)

    def authorised(self, token: int, deadline_ns: int) -> None:
        super().authorised(token, deadline_ns)
        if token != self._said:  # else it is extended
            self._said = token
            _say(f"this node may act under token {token}")

    def deposed(self, token: int, why: str) -> None:
        super().deposed(token, why)
        _say(f"this node may not act under token {token} any more: {why}")

    def divided(self, divided: Divided) -> None:
        _say(f"the group has come apart: this side {divided.side.value} ({divided.why})")

    def _name(self, number: NodeId) -> str:
        node = self.node
        if number == node.me.number:
            return node.me.name
        peer = node.peers.get(number)
        return f"node {number}" if peer is None else peer.name

    def failed(self, error: NodeFailed) -> None:
        super().failed(error)
        self.failure = error
        self.ended.set()


async def _serve(making: Awaitable[RuntimeNode], talk: _Talk, http: str | None, news: News | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, talk.ended.set)
    node = await _unless_ended(making, talk)
    if node is None:
        return
    talk.attach(node)
    async with contextlib.AsyncExitStack() as stack:
        admin = None
        if http is not None and news is not None:
            admin = await stack.enter_async_context(serve_admin(node, news, http))
            _say(f"serving HTTP at {admin.url}")
        await node.start()
        stack.push_async_callback(node.stop)
        talk.begin()
        stack.callback(talk.end)
        _say(f"{node.me.name} is node {node.me.number}, in its life number {max(1, node.life)}")
        if not node.takes_part:
            where = node.transport.address
            _say(f"{node.me.name} is no member yet; add it: tenure cluster add {node.me.name}={where} --at ...")
        await talk.ended.wait()
        if admin is not None:
            admin.ending("it was told to end, or failed")
        if isinstance(talk.failure, NodeRemoved):
            _say(str(talk.failure))
            return
        if talk.failure is not None:
            raise talk.failure
        await _hand_over(node, talk)


async def _unless_ended(making: Awaitable[RuntimeNode], talk: _Talk) -> RuntimeNode | None:
    """The node, or None where this process is told to end before there is one."""
    made, ended = asyncio.ensure_future(making), asyncio.ensure_future(talk.ended.wait())
    await asyncio.wait({made, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not made.done():
        made.cancel()
        await asyncio.gather(made, return_exceptions=True)
        return None
    ended.cancel()
    return made.result()


async def _hand_over(node: RuntimeNode, talk: _Talk) -> None:
    """A leader that goes lets another lead first, if that does not take long."""
    if node.elector.leader != node.me.number:
        return
    try:
        node.resign()
    except WishRefused:
        return  # it would be elected again, or there is nobody else
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            await talk.another.wait()
