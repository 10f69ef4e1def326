"""Clients of a simulated group: they open sessions and read, write and compare-and-set a few keys, and note it all.

A client asks any node, follows the hint where it is told whom to ask, and takes silence for what it is: it asks again
under the same number, and when it has lost patience the outcome stays unknown. Requests and answers take time and get
lost, but no partition between nodes is one between them and clients.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import msgspec

from tenure import trace
from tenure.algorithms.raft import messages as raft
from tenure.core.effects import Answered
from tenure.core.events import Answer, NodeId, Request
from tenure.durations import NS_PER_S
from tenure.machines import kv
from tenure.simulator.history import Operation
from tenure.simulator.network import MS
from tenure.simulator.node import SimulatedNode
from tenure.simulator.world import World

CLIENTS = 3
MEMBERS = 4
"""Of the crowd, which asks for things together (`crowd`)."""
KEYS = ("a", "b")
MOST_OPERATIONS = 150
"""Of one client: a checker of histories goes through them all."""
OPERATIONS_OF_A_SESSION = 20
"""Then a client opens another one, so that somebody's session has to make room."""
ANSWER_NS = 1 * NS_PER_S
"""For so long a client waits for an answer."""
MOST_TRIES = 6
HOP_NS = 5 * MS
"""Between a client and a node a message takes up to this."""
LOST = 0.01
ANSWERS = "answers"
"""The checker that objects to a request that is answered twice, by what is no answer to it, or never."""
SLOWEST_NS = 12 * NS_PER_S
"""A node that lives tells within this time what came of a request: who leads and hears nobody steps down, and reads and
changes of voters are given up."""
SERVICE = "service"
"""The checker that objects where nobody is served in the end."""
LINEARIZABLE = "linearizable"
"""The checker that objects to a history that no single machine could have made."""
MOST_UNSERVED_NS = 6 * NS_PER_S
"""All time-outs of one client in a row, each with another node; there are three."""


def are_fickle(seed: int) -> bool:
    """Whether clients of this run open new sessions now and then, where there is room for one of each client only."""
    return seed % 10 == 9  # noqa: PLR2004  every tenth run


ANYTIME = (raft.NotLeader, raft.Unknown, raft.Busy, raft.Refused)
FITTING: dict[type[Request], tuple[type[Answer], ...]] = {
    raft.OpenSession: (raft.Opened, *ANYTIME),
    raft.Execute: (raft.Executed, raft.NoSession, raft.Outrun, *ANYTIME),
    raft.Read: (raft.Queried, *ANYTIME),
    raft.ChangeVoters: (raft.Changed, *ANYTIME),
}
"""What can be said to each kind of request."""


class _Open(NamedTuple):
    """A request that was handed to a node in one of its lives."""

    node: SimulatedNode
    life: int
    since_ns: int
    request: Request


class Wish(msgspec.Struct, frozen=True):
    """What a client wants, as it stands in the history, and as the machine reads it."""

    kind: str
    key: str
    argument: tuple[Any, ...]
    order: bytes


class Client:
    """One client, which wants one thing at a time."""

    def __init__(self, clients: Clients, number: int, keys: Sequence[str] = KEYS) -> None:
        self.number = number
        self._keys = keys
        self.completed_ns = 0
        """When it was last told what it had asked for."""
        self._clients, self._world = clients, clients.world
        self._chance = Random(f"{self._world.seed}/client/{number}")
        self._session: int | None = None
        self._sequence = 0
        self._wish: Wish | None = None  # None while it opens a session
        self._invoked_ns = 0
        self._tries = 0
        self._turn = 0  # tells what it wants now from what it wanted when it set a timer
        self._ids = set[int]()  # under which it has asked for it
        self._node: NodeId | None = None
        self._values = itertools.count(1000 * number + 1)
        self._left = MOST_OPERATIONS

    @property
    def is_done(self) -> bool:
        """Whether it wants nothing more."""
        return self._left == 0

    def begin(self) -> None:
        """Want the next thing, after a while."""
        pause_ns = int(self._chance.random() * self._clients.pace_ns)
        self._world.call_at(self._world.now_ns + pause_ns, self._begin, None)

    def _begin(self, _: None) -> None:
        if self._left:
            self._want()
            self._ask()

    def _want(self) -> None:
        """Make up its mind."""
        self._tries, self._invoked_ns = 0, self._world.now_ns
        self._ids = set()
        self._wish = None if self._session is None else self._next_wish()
        if self._wish is not None:
            self._left -= 1
            if self._wish.kind != "read":
                self._sequence += 1

    def _next_wish(self) -> Wish:
        key = self._keys[int(self._chance.random() * len(self._keys))]
        what = self._chance.random()
        if what < 0.4:  # noqa: PLR2004  two of five are reads
            return Wish("read", key, (), kv.encode(kv.Get(key)))
        value = next(self._values)
        if what < 0.7:  # noqa: PLR2004  half of the others write whatever is there
            return Wish("write", key, (value,), kv.encode(kv.Put(key, _bytes(value))))
        expected = self._clients.last_read.get(key)
        there = None if expected is None else _bytes(expected)
        return Wish("cas", key, (expected, value), kv.encode(kv.CompareAndSet(key, there, _bytes(value))))

    def _ask(self) -> None:
        """Ask the node that it takes for the leader, or any."""
        if self._tries == MOST_TRIES:
            self._lose_patience()
            return
        self._tries += 1
        numbers = sorted(self._world.nodes)
        if self._node is None or self._chance.random() < 0.1:  # noqa: PLR2004  now and then another one answers a read
            self._node = numbers[int(self._chance.random() * len(numbers))]
        self._later(self._deliver, (self._node, self._asking()))

    def _asking(self) -> Request:
        """What it asks for, under a number of its own; if nobody answers, it asks again."""
        number = self._clients.register(self)
        self._ids.add(number)
        self._world.call_at(self._world.now_ns + ANSWER_NS, self._remind, (number, self._turn, self._tries))
        return self._request(number)

    def _request(self, number: int) -> Request:
        if self._wish is None:
            return raft.OpenSession(number)
        if self._wish.kind == "read":
            return raft.Read(number, self._wish.order)
        assert self._session is not None
        return raft.Execute(number, self._session, self._sequence, self._wish.order)

    def _deliver(self, what: tuple[NodeId, Request]) -> None:
        self._clients.hand_over(what[0], (what[1],))

    def _later(self, act: Any, argument: Any) -> None:
        """On the way between client and node."""
        if self._chance.random() >= LOST:
            self._world.call_at(self._world.now_ns + int(self._chance.random() * HOP_NS), act, argument)

    def _remind(self, of: tuple[int, int, int]) -> None:
        """Nobody has answered: ask somebody else."""
        if of[0] in self._ids and of[1:] == (self._turn, self._tries):
            self._node = None
            self._ask()

    def answered(self, number: int, answer: Answer) -> None:
        """A node answers; it arrives, or not."""
        self._later(self._hear, (number, answer))

    def _hear(self, what: tuple[int, Answer]) -> None:
        number, answer = what
        if number not in self._ids:
            return  # it wants something else by now
        match answer:
            case raft.Opened(client=client):
                self._session, self._sequence = client, 0
                self._end()
            case raft.Executed(answer=said) | raft.Queried(answer=said):
                self._complete(kv.decode_answer(said))
            case raft.NotLeader() | raft.Busy():
                self._ids.discard(number)
                if isinstance(answer, raft.NotLeader):
                    self._node = answer.leader
                pause_ns = 10 * MS + int(self._chance.random() * 200 * MS)
                self._world.call_at(self._world.now_ns + pause_ns, self._again, (self._turn, self._tries))
            case raft.NoSession() | raft.Outrun():
                self._session = None
                self._lose_patience()
            case _:
                ...  # silence says as much: ask again when patience is over

    def _again(self, of: tuple[int, int]) -> None:
        if of == (self._turn, self._tries):
            self._ask()

    def _complete(self, said: kv.Answer) -> None:
        wish = self._wish
        assert wish is not None
        result: Any = None
        if isinstance(said, kv.Found):
            result = None if said.value is None else int(said.value)
            self._clients.last_read[wish.key] = result
        elif isinstance(said, kv.Stored) and wish.kind == "cas":
            result = said.done
        self.completed_ns = self._world.now_ns
        self._note(wish, result, self._world.now_ns)
        self._end()

    def _lose_patience(self) -> None:
        """What it asked for may have come about, or may still; a read has no effect."""
        if self._wish is not None and self._wish.kind != "read":
            self._note(self._wish, None, None)
        self._node = None
        self._end()

    def _note(self, wish: Wish, result: Any, completed_ns: int | None) -> None:
        self._clients.history.append(
            Operation(self.number, wish.key, wish.kind, wish.argument, result, self._invoked_ns, completed_ns)
        )

    def _end(self) -> None:
        is_over = self._wish is not None and self._left % OPERATIONS_OF_A_SESSION == 0
        if is_over and are_fickle(self._world.seed):
            self._session = None
        self._ids, self._wish = set(), None
        self._turn += 1  # whatever was to remind it of this is too late
        self.begin()

    def stop(self) -> None:
        """The run is over: what is under way stays unknown."""
        if self._wish is not None and self._wish.kind != "read":
            self._note(self._wish, None, None)


class Clients:
    """All clients of a run, and their history."""

    def __init__(self, world: World, until_ns: int) -> None:
        self.world = world
        self.history: list[Operation] = []
        self.last_read: dict[str, int | None] = {}
        """By key: what a client expects when it compares."""
        self.pace_ns = max(1, 3 * until_ns // MOST_OPERATIONS)  # so that they go on until the end
        self._asked: dict[int, Client | None] = {}
        self._open: dict[int, _Open] = {}
        """What was handed over and not answered."""
        self._numbers = itertools.count(1)
        self._others: list[Client] = []
        self._clients = [Client(self, number) for number in range(1, CLIENTS + 1)]
        world.on_answer = self._answered
        for client in self._clients:
            client.begin()

    def register(self, client: Client | None = None) -> int:
        """A number for a request, never used before; None: nobody cares for the answer."""
        number = next(self._numbers)
        self._asked[number] = client
        return number

    def join(self, client: Client) -> None:
        """One more, which begins when it likes."""
        self._others.append(client)

    def hand_over(self, number: NodeId, requests: tuple[Request, ...]) -> None:
        """At one instant; a node that is not there hears nothing."""
        node, world = self.world.nodes.get(number), self.world
        if node is None or node.elector is None or node.paused_until_ns:
            return
        for request in requests:
            self._open[request.id] = _Open(node, node.life, world.now_ns, request)
        world.ask(node, requests)

    def ended(self) -> list[Operation]:
        """The history, now that the run is over."""
        for client in (*self._clients, *self._others):
            client.stop()
        return self.history

    def why_no_service(self) -> str | None:
        """What is wrong with how they were served in the end, if anything."""
        if all(client.is_done for client in self._clients):
            return None
        last_ns = max(client.completed_ns for client in self._clients)
        unserved_ns = self.world.now_ns - last_ns
        if unserved_ns > MOST_UNSERVED_NS:
            return f"in the end no client was told anything for {unserved_ns / NS_PER_S:g} s"
        return None

    def why_unanswered(self) -> str | None:
        """Which request a node that lives should have answered and did not, if any."""
        for one in self._open.values():
            lives = one.node.life == one.life and one.node.elector is not None and not one.node.paused_until_ns
            if lives and one.node.is_member and self.world.now_ns - one.since_ns > SLOWEST_NS:
                since = f"was asked at {one.since_ns / NS_PER_S:g} s"
                return f"node {one.node.number} {since} for {one.request}, and lives, and has not answered"
        return None

    def _answered(self, node: NodeId, answered: Answered) -> None:
        one, answer = self._open.pop(answered.id, None), answered.answer
        if one is None or not isinstance(answer, FITTING[type(one.request)]):
            to = "nothing that is open" if one is None else str(one.request)
            text = f"node {node} answers {to} by {answer}"
            self.world.tell(trace.Violated(self.world.now_ns, ANSWERS, text))
            return
        client = self._asked.pop(answered.id)
        if client is not None:
            client.answered(answered.id, answer)


def _bytes(value: int) -> bytes:
    return str(value).encode()
