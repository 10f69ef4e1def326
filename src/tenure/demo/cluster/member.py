"""One member: `... member NAME LISTEN PEERS DATA TRACES ELECTION BOOKS LEDGER`; PEERS as b=host:port,c=host:port.

There is no server anywhere: the process is a node of the group whose leader books the payments.
"""

from __future__ import annotations

import asyncio
import sys

from tenure import Node
from tenure.demo import lifeline
from tenure.demo.fenced_worker import stand


async def main(name: str, listen: str, peers: str, data: str, traces: str, *books: str) -> None:
    """Be a member, and stand."""
    others = dict(peer.split("=", 1) for peer in peers.split(","))
    election, books_path, ledger_path = books
    async with Node(name, listen=listen, peers=others, data=data, traces=traces) as node:
        await stand(node, election, name, books_path, ledger_path)


if __name__ == "__main__":
    lifeline.hold()
    asyncio.run(main(*sys.argv[1:]))
