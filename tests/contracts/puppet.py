"""A candidate in a process of its own, for the contract suite: `python puppet.py URL ELECTION NAME NONCE`.

Prints its token when it is elected, and then leads until it is killed.
"""

from __future__ import annotations

import asyncio
import sys

from tenure.backends.base import Candidate
from tenure.backends.registry import connect


async def main(url: str, election: str, name: str, nonce: str) -> None:
    """Campaign, print the token, and lead until killed."""
    backend = connect(url)
    grant = await backend.campaign(Candidate(election=election, name=name, nonce=nonce), once=False)
    assert grant is not None, "a campaign that waits ended without a grant"
    sys.stdout.write(f"{grant.granted.token}\n")
    sys.stdout.flush()
    if grant.granted.lease_ns is None:
        await asyncio.Event().wait()
    while True:
        lease_ns = await grant.renew()
        await asyncio.sleep(lease_ns / 1e9 / 5)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
