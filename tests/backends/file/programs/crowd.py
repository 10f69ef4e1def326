"""Leads as many elections as descriptors allow: `python crowd.py DIRECTORY LIMIT`; prints how many, and why no more.

Then it releases all and leads one more, to show that it is still in order.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import uuid
from pathlib import Path

from tenure.backends.base import Candidate
from tenure.backends.file import FileGrant, open_file
from tenure.errors import BackendUnreachable


async def main(directory: str, limit: int) -> None:
    """Lead until a descriptor is missing; print how many, and the reason."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    backend = open_file(Path(directory))
    grants: list[FileGrant] = []
    try:
        while True:
            candidate = Candidate(election=f"e{len(grants)}", name="a", nonce=uuid.uuid4().hex)
            grant = await backend.campaign(candidate, once=False)
            assert grant is not None, "a campaign that waits ended without a grant"
            grants.append(grant)
    except BackendUnreachable as error:
        sys.stdout.write(f"{len(grants)}\n{error}\n")
    for grant in grants:
        await grant.release()
    again = await backend.campaign(Candidate(election="e0", name="a", nonce=uuid.uuid4().hex), once=True)
    assert again is not None, "everything was released, and still nobody can be elected"
    sys.stdout.write(f"{again.granted.token}\n")
    await backend.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
