"""PySyncObj, asked in the process of a member: it has no clients elsewhere."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import sys
import threading
from pathlib import Path
from typing import Any

from benchmarks.groups.base import VALUE, WRITE_S, Asker, Group
from benchmarks.servers import Absent, free_port


class _Asker(Asker):
    """Numbers what it asks; the member answers each number with a line."""

    def __init__(self, ask: Any, waiting: dict[int, asyncio.Future[str]]) -> None:
        self._ask, self._waiting = ask, waiting
        self._numbers = itertools.count(1)

    async def tell(self, what: str) -> str:
        number = next(_NUMBERS)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._ask(f"{number} {what}\n")
        try:
            async with asyncio.timeout(WRITE_S):
                return str(await future)
        finally:
            self._waiting.pop(number, None)

    async def write(self) -> None:
        if (answer := await self.tell("write")) != "done":
            raise ConnectionError(answer)


_NUMBERS = itertools.count(1)


class PySyncObj(Group):
    """Written to a journal that it never syncs."""

    is_synced = False
    talks = True

    def __init__(self, folder: Path, members: int = 3) -> None:
        super().__init__(folder, members)
        if importlib.util.find_spec("pysyncobj") is None:
            raise Absent("pysyncobj is not installed")
        self.addresses = {name: f"127.0.0.1:{free_port()}" for name in self.names}
        self._askers: dict[str, _Asker] = {}

    def command(self, name: str) -> list[str]:
        others = [address for other, address in self.addresses.items() if other != name]
        return [
            sys.executable,
            "-m",
            "benchmarks.groups.pysyncobj",
            self.addresses[name],
            f"{self.folder}/{name}",
            *others,
        ]

    def spawn(self, name: str) -> None:
        super().spawn(name)
        process, loop = self.processes[name], asyncio.get_running_loop()
        waiting: dict[int, asyncio.Future[str]] = {}

        def ask(line: str) -> None:
            assert process.stdin is not None
            process.stdin.write(line)
            process.stdin.flush()

        def answered(number: int, answer: str) -> None:
            if (future := waiting.get(number)) is not None and not future.done():
                future.set_result(answer)

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                number, answer = line.rstrip("\n").split(" ", 1)
                loop.call_soon_threadsafe(answered, int(number), answer)

        threading.Thread(target=listen, daemon=True).start()
        self._askers[name] = _Asker(ask, waiting)

    async def leader(self) -> str | None:
        for name in self.names:
            try:
                address = json.loads(await self._askers[name].tell("leader"))
            except (TimeoutError, OSError):
                continue
            if address is not None:
                return next(other for other, its in self.addresses.items() if its == address)
        return None

    async def asker(self, name: str) -> Asker:
        return self._askers[name]


def member(address: str, journal: Path, others: list[str]) -> None:
    """Be one, until stdin ends."""
    from pysyncobj import SyncObj, SyncObjConf, replicated

    class Register(SyncObj):  # type: ignore[misc]  # its library has no types
        value = b""

        @replicated  # type: ignore[untyped-decorator]  # as above
        def put(self, value: bytes) -> None:
            self.value = value

    register = Register(address, others, SyncObjConf(journalFile=str(journal)))
    for line in sys.stdin:
        number, what = line.split()
        if what == "leader":
            leader = register.getStatus()["leader"]
            print(number, json.dumps(None if leader is None else leader.address), flush=True)
        else:

            def done(_: object, error: object, number: str = number) -> None:
                print(number, "done" if not error else f"error {error}", flush=True)

            register.put(VALUE, callback=done)


if __name__ == "__main__":
    member(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
