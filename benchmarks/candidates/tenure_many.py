"""tenure, asyncio: one process that leads as many elections as it is told, for as long as it lives."""

import asyncio
import sys

from benchmarks.candidates import leading, waiting
from tenure import Election


async def main(url: str, elections: int) -> None:
    """Lead all of them, then say so."""
    elected = asyncio.Semaphore(0)

    async def lead(number: int) -> None:
        async with Election(f"bench-{number}", url).lead():
            elected.release()
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(lead(number)) for number in range(elections)]
    waiting()
    for _ in tasks:
        await elected.acquire()
    leading()
    await asyncio.gather(*tasks)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
