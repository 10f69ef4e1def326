"""A node in a process of its own, told line by line what to do: see tests/transports/test_deaths.py."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

from tenure.transports.base import identify
from tenure.transports.unix import UnixTransport


class Ignores:
    """A receiver to whom nothing matters."""

    def connected(self, peer: int, incarnation: int) -> None: ...
    def received(self, peer: int, payload: bytes) -> None: ...
    def lost(self, peer: int, incarnation: int, certain: bool) -> None: ...
    def reached(self, peer: int) -> None: ...
    def expelled(self, by: int) -> None: ...


def answer(line: str) -> None:
    """Tell whoever started this process."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(own: str, others: str, outlived: str) -> None:
    """Be node b, and do what each line says."""
    me = identify("orders", ("a", "b", "c"), "b")
    transport = UnixTransport(me, own, Ignores(), ends_with_process=outlived != "outlived")
    await transport.open()
    transport.know(1, "a", others)
    while not transport.reaches()[0].is_reached:  # noqa: ASYNC110  the seam has no event for it
        await asyncio.sleep(0.001)
    answer(f"ready {me.incarnation}")
    loop = asyncio.get_running_loop()
    while True:
        match (await loop.run_in_executor(None, sys.stdin.readline)).split():
            case ["say", text]:
                transport.send(1, text.encode())
            case ["last", text]:
                for number in range(200):
                    transport.send(1, b"%d" % number)
                transport.send(1, text.encode())
                transport.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            case ["fork"]:  # the child keeps the connection open, and outlives its parent
                for open_one in os.listdir("/proc/self/fd"):  # noqa: PTH208  numbers, not paths
                    with contextlib.suppress(OSError):  # the listing's own
                        os.dup(int(open_one))  # of which nobody knows that children must not have it
                child = os.fork()
                if child == 0:
                    signal.pause()
                answer(f"forked {child}")
            case ["close"]:
                await transport.close()
                answer("closed")
            case ["exec"]:
                os.execvp("sleep", ["sleep", "60"])  # noqa: S606  that it is another program is the point
            case _:
                return


asyncio.run(main(*sys.argv[1:4]))
