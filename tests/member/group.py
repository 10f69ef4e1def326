"""Three applications' nodes in one process, over Unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from tenure.machines.base import Machine
from tenure.member import Node

NAMES = ("a", "b", "c")
LIMIT_S = 30.0


def make(folder: Path, name: str, **options: Any) -> Node:
    """One of them, not entered yet."""
    peers = {other: f"unix:{folder}/{other}" for other in NAMES if other != name}
    return Node(name, **{"listen": f"unix:{folder}/{name}", "peers": peers, "data": folder / f"{name}.d", **options})


@contextlib.asynccontextmanager
async def three(machine: Callable[[], Machine] | None = None, **options: Any) -> AsyncIterator[list[Node]]:
    """All three, entered; each has its own copy of the machine."""
    with tempfile.TemporaryDirectory(prefix="tn-") as place:
        async with contextlib.AsyncExitStack() as stack:
            nodes = []
            for name in NAMES:
                made = make(Path(place), name, machine=None if machine is None else machine(), **options)
                nodes.append(await stack.enter_async_context(made))
            yield nodes


@contextlib.asynccontextmanager
async def alone(**options: Any) -> AsyncIterator[Node]:
    """A group of one."""
    with tempfile.TemporaryDirectory(prefix="tn-") as place:
        async with make(Path(place), "a", **{"peers": {}, **options}) as node:
            yield node


async def led(nodes: list[Node]) -> Node:
    """The one that all of them take for their leader."""
    async with asyncio.timeout(LIMIT_S):
        while len(leaders := {node.leader for node in nodes}) != 1 or None in leaders:  # noqa: ASYNC110  rings no bell
            await asyncio.sleep(0.005)
    return next(node for node in nodes if node.name in leaders)
