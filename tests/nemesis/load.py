"""Concurrent clients: registers that several read, write and compare-and-set, and writes of one's own to read back.

Every operation goes into a history, with instants of this process's clock. An operation whose outcome its client does
not know is noted as such. One that the client library says was not done is not noted, nor may it ever be seen.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from random import Random
from typing import Any

from tenure.algorithms.raft.messages import Queried, Read
from tenure.errors import NotServed, OutcomeUnknown, TenureError
from tenure.machines.kv import CompareAndSet, Found, Get, Put, Stored, decode_answer, encode
from tenure.runtime.client import Client
from tenure.runtime.remote import RemoteGroup
from tenure.simulator.history import Operation
from tests.nemesis.group import Group, numbered, remote

CLIENTS = 8
PATIENCE_S = 6.0
"""For one operation: two fail-overs or so."""
PAUSE_S = 0.03
"""Between two operations of a client at the most."""
REGISTERS = 3
"""At a time; others take their place after so many operations, so that each register's history stays short:"""
OPERATIONS_OF_A_REGISTER = 150
READ_BACK_AT_ONCE = 64


class Load:
    """All clients of one group, from `begin` to `end`."""

    def __init__(self, group: Group, seed: str, clients: int = CLIENTS) -> None:
        self._group, self._seed, self._count = group, seed, clients
        self.history: list[Operation] = []
        self.acknowledged: dict[str, bytes] = {}
        """Writes of one's own, which must be there in the end."""
        self.refused = set[str]()
        """Keys of those of which it was said that nothing was done."""
        self.unknown = 0
        self.registers = set[str]()
        self._begun = 0
        self._is_over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._values = itertools.count(1)
        self._last: dict[str, Any] = {}

    @property
    def writes(self) -> int:
        """That were acknowledged."""
        done = sum(one.kind != "read" and one.completed_ns is not None for one in self.history)
        return len(self.acknowledged) + done

    @property
    def operations(self) -> int:
        return len(self.history) + len(self.acknowledged)

    def begin(self) -> None:
        """Let them ask, each at another node first."""
        for number in range(1, self._count + 1):
            self._tasks.append(asyncio.create_task(self._client(number), name=f"client {number}"))

    async def end(self) -> None:
        """Let each finish what it does."""
        self._is_over.set()
        await asyncio.gather(*self._tasks)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _client(self, number: int) -> None:
        chance = Random(f"{self._seed}/client/{number}")
        names = list(self._group.names)
        chance.shuffle(names)
        group = remote(self._group, names)
        while not self._is_over.is_set():
            try:
                await group.open(within_s=PATIENCE_S)
            except TenureError:  # nobody is reached now: the nemesis is at work
                group = remote(self._group, names)
                continue
            break
        try:
            client = Client(group)
            while not self._is_over.is_set():
                await self._operate(number, client, group, chance)
                await asyncio.sleep(chance.random() * PAUSE_S)
        finally:
            await group.close()

    async def _operate(self, number: int, client: Client, group: RemoteGroup, chance: Random) -> None:
        what = chance.random()
        if what < 0.3:
            await self._write_own(number, client)
            return
        self._begun += 1
        generation = self._begun // (REGISTERS * OPERATIONS_OF_A_REGISTER)
        key = f"r{generation}.{chance.randrange(REGISTERS)}"
        self.registers.add(key)
        if what < 0.45:
            await self._read(number, client, key)
        elif what < 0.6:
            await self._read_at(number, group, key, chance.choice(numbered(self._group)))
        elif what < 0.75:
            value = next(self._values)
            await self._change(number, client, Put(key, _bytes(value)), ("write", (value,)))
        else:
            value, expected = next(self._values), self._last.get(key)
            order = CompareAndSet(key, None if expected is None else _bytes(expected), _bytes(value))
            await self._change(number, client, order, ("cas", (expected, value)))

    async def _write_own(self, number: int, client: Client) -> None:
        key = f"w{number}.{next(self._values)}"
        try:
            answer = decode_answer(await client.propose(encode(Put(key, key.encode())), within_s=PATIENCE_S))
            assert answer == Stored(True), answer
            self.acknowledged[key] = key.encode()
        except NotServed:
            self.refused.add(key)
        except OutcomeUnknown:
            self.unknown += 1

    async def _read(self, number: int, client: Client, key: str) -> None:
        began_ns = time.monotonic_ns()
        try:
            answer = await client.read(encode(Get(key)), within_s=PATIENCE_S)
        except NotServed:
            return
        self._found(number, key, answer, began_ns)

    async def _read_at(self, number: int, group: RemoteGroup, key: str, node: int) -> None:
        """It may be down, or have no leader; then it says nothing about the register."""
        began_ns = time.monotonic_ns()
        try:
            async with asyncio.timeout(1):
                answer = await group.ask(node, Read, encode(Get(key)))
        except (TenureError, TimeoutError):
            return
        if isinstance(answer, Queried):
            self._found(number, key, answer.answer, began_ns)

    def _found(self, number: int, key: str, answer: bytes, began_ns: int) -> None:
        found = decode_answer(answer)
        assert isinstance(found, Found), found
        value = None if found.value is None else int(found.value)
        self._last[key] = value
        self._note(number, key, ("read", ()), value, began_ns)

    async def _change(
        self, number: int, client: Client, order: Put | CompareAndSet, what: tuple[str, tuple[Any, ...]]
    ) -> None:
        began_ns = time.monotonic_ns()
        try:
            answer = decode_answer(await client.propose(encode(order), within_s=PATIENCE_S))
        except NotServed:
            return
        except OutcomeUnknown:
            self.unknown += 1
            self.history.append(Operation(number, order.key, *what, None, began_ns, None))
            return
        assert isinstance(answer, Stored), answer
        self._note(number, order.key, what, answer.done if what[0] == "cas" else None, began_ns)

    def _note(self, number: int, key: str, what: tuple[str, tuple[Any, ...]], result: Any, began_ns: int) -> None:
        self.history.append(Operation(number, key, *what, result, began_ns, time.monotonic_ns()))

    # In the end

    async def read_back(self, client: Client) -> list[str]:
        """Read every register once more, for the history, and all that clients wrote alone; what is wrong with that."""
        wrong: list[str] = []
        room = asyncio.Semaphore(READ_BACK_AT_ONCE)

        async def look(key: str) -> None:
            async with room:
                found = decode_answer(await client.read(encode(Get(key)), within_s=60))
            assert isinstance(found, Found), found
            if key in self.refused and found.value is not None:
                wrong.append(f"the client was told that the write of {key} was not done, and it was")
            if key in self.acknowledged and found.value != self.acknowledged[key]:
                wrong.append(f"the acknowledged write of {key} is lost: {found.value!r} is there")

        for key in sorted(self.registers):
            await self._read(self._count + 1, client, key)
        async with asyncio.TaskGroup() as tasks:
            for key in sorted(self.acknowledged.keys() | self.refused):
                tasks.create_task(look(key))
        return wrong


def _bytes(value: int) -> bytes:
    return str(value).encode()
