"""Clients of a scenario: one beside each node, so that no word between them is late or lost. It opens a session with
its first write. What was asked and told is a history of clients, and is judged as one.
"""

from __future__ import annotations

import itertools
import re

import msgspec

from tenure import trace
from tenure.algorithms.raft import messages as raft
from tenure.core.effects import Answered
from tenure.core.events import Answer, NodeId, Request
from tenure.errors import ConfigurationError
from tenure.machines import kv
from tenure.simulator.faults import NUMBER
from tenure.simulator.given import MOST_SHOWN
from tenure.simulator.history import Operation
from tenure.simulator.node import SimulatedNode
from tenure.simulator.world import World

MOST_WRITES = 1000
"""Of one line of a script."""
NOTHING = "nothing"
"""What a node tells that has not answered."""
SAYINGS = "write KEY 1 at N, write KEY 1..60 at N, read KEY at N"


class Call(msgspec.Struct, frozen=True):
    """What somebody asks a node for."""

    node: NodeId
    key: str


class Write(Call, frozen=True):
    """Let the numbers from `first` to `last` be at `key`, one after another."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.last - self.first < MOST_WRITES:
            raise ValueError(f"write 1 to {MOST_WRITES} values, the least first, as in `write a 1..60 at 2`")

    def __str__(self) -> str:
        values = str(self.first) if self.first == self.last else f"{self.first}..{self.last}"
        return f"write {self.key} {values} at {self.node}"


class Read(Call, frozen=True):
    """What is at `key`?"""

    def __str__(self) -> str:
        return f"read {self.key} at {self.node}"


AnyCall = Write | Read
_KEY = r"([a-z][a-z0-9]{0,31})"
_WRITE = re.compile(rf"write {_KEY} (\d{{1,9}})(?:\.\.(\d{{1,9}}))? at ({NUMBER.pattern})")
_READ = re.compile(rf"read {_KEY} at ({NUMBER.pattern})")
VERBS = ("write", "read")


def parse(words: str) -> AnyCall:
    """The call that these words say. Raises ConfigurationError, which lists what can be said."""
    if match := _READ.fullmatch(words):
        return Read(int(match[2]), match[1])
    if match := _WRITE.fullmatch(words):
        try:
            return Write(int(match[4]), match[1], int(match[2]), int(match[3] or match[2]))
        except ValueError as error:
            raise ConfigurationError(f"{words[:MOST_SHOWN]!r}: {error}") from error
    raise ConfigurationError(f"{words[:MOST_SHOWN]!r} asks for nothing; write one of: {SAYINGS}")


class _Open(msgspec.Struct):
    """What is not answered yet."""

    call: AnyCall
    client: int
    since_ns: int
    value: int | None = None
    """Of a write, once its session is open."""


class Callers:
    """All calls of one run, and what came of them."""

    def __init__(self, world: World) -> None:
        self.told: dict[NodeId, str] = {}
        """By node: what it told who asked it last."""
        self._world = world
        self._history: list[Operation] = []
        self._open: dict[int, _Open] = {}
        self._latest: dict[NodeId, AnyCall] = {}
        self._sessions: dict[NodeId, int] = {}
        self._sequences: dict[NodeId, int] = {}
        self._numbers = itertools.count(1)
        world.on_answer = self._answered

    def ask(self, call: AnyCall) -> None:
        """Ask now; a node that is down or paused hears nothing."""
        self._world.tell(trace.Asked(self._world.now_ns, call.node, str(call)))
        node = self._world.nodes.get(call.node)
        self.told[call.node], self._latest[call.node] = NOTHING, call
        if node is None:
            return
        number = next(self._numbers)
        if isinstance(call, Read):
            self._hand(node, {number: _Open(call, number, self._world.now_ns)}, (_read(number, call.key),))
        elif call.node in self._sessions:
            self._write(call)
        else:
            self._hand(node, {number: _Open(call, number, self._world.now_ns)}, (raft.OpenSession(number),))

    def ended(self) -> list[Operation]:
        """The history, now that the run is over: of a write under way nobody knows what comes of it."""
        for one in self._open.values():
            self._note(one, None, None)
        return self._history

    def _hand(self, node: SimulatedNode, calls: dict[int, _Open], requests: tuple[Request, ...]) -> None:
        self._open.update(calls)
        if not self._world.ask(node, requests):
            for number in calls:
                del self._open[number]

    def _answered(self, number: NodeId, answered: Answered) -> None:
        one = self._open.pop(answered.id, None)
        assert one is not None, f"request {answered.id} was answered twice"
        answer = answered.answer
        if isinstance(answer, raft.Opened):
            assert isinstance(one.call, Write)
            self._sessions[number], self._sequences[number] = answer.client, 0
            self._world.call_at(self._world.now_ns, self._write, one.call)  # once the elector has told all it has to
            return
        if isinstance(answer, raft.NoSession):
            self._sessions.pop(number, None)
        if isinstance(answer, raft.Executed | raft.Queried):
            result = _found(kv.decode_answer(answer.answer))
            self._note(one, result, self._world.now_ns)
        elif isinstance(answer, raft.Unknown | raft.Outrun):
            self._note(one, None, None)
        is_last = not any(other.call is one.call for other in self._open.values())
        if is_last:
            self._world.tell(trace.Answered(self._world.now_ns, number, _words(answer)))
        if is_last and self._latest[number] is one.call:
            self.told[number] = _words(answer)

    def _write(self, call: Write) -> None:
        """Everything goes at once, under one number after another."""
        calls: dict[int, _Open] = {}
        requests: list[Request] = []
        for value in range(call.first, call.last + 1):
            number = next(self._numbers)
            self._sequences[call.node] += 1
            calls[number] = _Open(call, number, self._world.now_ns, value)
            payload = kv.encode(kv.Put(call.key, str(value).encode()))
            session, sequence = self._sessions[call.node], self._sequences[call.node]
            requests.append(raft.Execute(number, session, sequence, payload))
        self._hand(self._world.nodes[call.node], calls, tuple(requests))

    def _note(self, one: _Open, result: int | None, completed_ns: int | None) -> None:
        """Each is a client of its own; of what was not answered only writes may have come about."""
        call = one.call
        if isinstance(call, Read):
            if completed_ns is not None:
                self._history.append(Operation(one.client, call.key, "read", (), result, one.since_ns, completed_ns))
        elif one.value is not None:
            self._history.append(
                Operation(one.client, call.key, "write", (one.value,), None, one.since_ns, completed_ns)
            )


def _read(number: int, key: str) -> raft.Read:
    return raft.Read(number, kv.encode(kv.Get(key)))


def _found(answer: kv.Answer) -> int | None:
    """What a read found; nothing for a write."""
    return int(answer.value) if isinstance(answer, kv.Found) and answer.value is not None else None


def _words(answer: Answer) -> str:
    """What a node told, as a script expects it."""
    match answer:
        case raft.Executed():
            return "done"
        case raft.Queried(answer=data):
            found = _found(kv.decode_answer(data))
            return "none" if found is None else str(found)
        case raft.NotLeader(leader=leader):
            return "ask later" if leader is None else f"ask {leader}"
        case raft.Busy():
            return "busy"
        case raft.Unknown() | raft.Outrun():
            return "unknown"
        case _:
            return "refused"
