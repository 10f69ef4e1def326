"""Programs that lead and do not stop when they should, one a function: `stalls.py FUNCTION URL`.

With TENURE_TEST_OPTIONS, a JSON object, an election gets these options besides.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tenure import Election, LeadershipLost, Reason, Tenure
from tenure.blocking import Election as BlockingElection

OPTIONS: dict[str, Any] = {"grace": 0.2, **json.loads(os.environ.get("TENURE_TEST_OPTIONS", "{}"))}
LONG_S = 30.0


def say(*words: object) -> None:
    """One line, at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def _asyncio(url: str, body: Callable[[Tenure], Any]) -> None:
    async def main() -> None:
        try:
            async with Election("e", url, **OPTIONS).lead() as tenure:
                say("leading", tenure.token)
                result = body(tenure)
                if asyncio.iscoroutine(result):
                    await result
                say("body", tenure.is_valid())
        except LeadershipLost as lost:
            say("lost", lost.reason.value)

    asyncio.run(main())
    say("left")


def healthy(url: str) -> None:
    """Leads for longer than a lease, then resigns."""
    _asyncio(url, lambda _: asyncio.sleep(2.5))


def idle(url: str) -> None:
    """Leads for ever, with a child that does, too."""

    async def body(_: Tenure) -> None:
        child = await asyncio.create_subprocess_exec("sleep", "300")
        say("child", child.pid)
        await asyncio.Event().wait()

    _asyncio(url, body)


def blocks_the_loop(url: str) -> None:
    """Sleeps in the loop's own thread."""
    _asyncio(url, lambda _: time.sleep(LONG_S))


def holds_the_gil(url: str) -> None:
    """Sleeps in C code that does not give the interpreter away: not even the keeper runs."""
    _asyncio(url, lambda _: ctypes.PyDLL(None).usleep(int(LONG_S * 1e6)))


def swallows_the_loss(url: str) -> None:
    """Goes on whatever it is told."""

    async def body(tenure: Tenure) -> None:
        tenure.resign()
        end_s = time.monotonic() + LONG_S
        while time.monotonic() < end_s:
            try:
                await asyncio.sleep(LONG_S)
            except asyncio.CancelledError:
                say("swallowed")

    _asyncio(url, body)


def leaks_a_thread(url: str) -> None:
    """Its body ends in time; a thread that it started works on, and asks the tenure."""
    threads: list[threading.Thread] = []

    def work(tenure: Tenure) -> None:
        while tenure.is_valid():
            time.sleep(0.01)
        say("the thread stops", tenure.reason)

    async def body(tenure: Tenure) -> None:
        threads.append(threading.Thread(target=work, args=(tenure,)))
        threads[0].start()
        await asyncio.sleep(0.1)

    _asyncio(url, body)
    threads[0].join()


def never_ends(url: str) -> None:
    """Without asyncio: nobody can interrupt a thread."""
    try:
        with BlockingElection("e", url, **OPTIONS).lead() as tenure:
            say("leading", tenure.token)
            assert tenure.wait_lost() is not None
            say("told", tenure.reason.value if isinstance(tenure.reason, Reason) else "")
            time.sleep(LONG_S)
    except LeadershipLost as lost:
        say("lost", lost.reason.value)


def execs(url: str) -> None:
    """Becomes another program, which knows nothing of tenures."""
    with BlockingElection("e", url, **OPTIONS).lead() as tenure:
        say("leading", tenure.token)
        os.execvp("sleep", ["sleep", f"{LONG_S:g}"])  # noqa: S606  the program that takes our place is the test


def forks(url: str) -> None:
    """Leads under a guardian; a forked child of it goes its own way."""
    with BlockingElection("e", url, **OPTIONS).lead() as tenure:
        say("leading", tenure.token)
        pid = os.fork()
        if pid == 0:
            with BlockingElection("other", url, **OPTIONS).lead() as own:
                say("child", own.token)
            os._exit(7)
        say("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), tenure.is_valid())


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
