"""tenure, asyncio."""

import asyncio
import sys

from benchmarks.candidates import leading, waiting
from tenure import Election


async def main() -> None:
    """Stand, lead, resign when told to."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, told.set)
    waiting()
    async with Election("bench", sys.argv[1]).lead():
        leading()
        await told.wait()


asyncio.run(main())
