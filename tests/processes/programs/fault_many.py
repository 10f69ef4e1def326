"""Leads as many elections at once as it can, in one process, and says what it saw as one JSON object.

Usage: fault_many.py URL MOST [DESCRIPTORS]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sys
import threading

from tenure import BackendUnreachable, Election, Tenure


async def lead(url: str, most: int) -> dict[str, object]:
    """Lead election after election until the backend has had enough; then look at all, leave all, and lead one more."""
    refusal = ""
    threads = threading.active_count()
    async with contextlib.AsyncExitStack() as stack:
        tenures: list[Tenure] = []
        while len(tenures) < most and not refusal:
            try:
                tenures.append(await stack.enter_async_context(Election(f"e{len(tenures)}", url).lead(wait=0)))
            except BackendUnreachable as error:
                refusal = str(error)
        await asyncio.sleep(1.0)  # longer than a leader needs to notice that it is none
        valid = sum(tenure.is_valid() for tenure in tenures)
        led = len(tenures)
    async with Election("e0", url).lead(wait=5) as again:
        token = again.token
    return {
        "led": led,
        "valid": valid,
        "refusal": refusal,
        "token": token,
        "threads": threading.active_count() - threads,
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208  only counted
    }


if __name__ == "__main__":
    _, where, how_many, *limit = sys.argv
    if limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit[0]), int(limit[0])))
    print(json.dumps(asyncio.run(lead(where, int(how_many)))))  # noqa: T201  what it saw
