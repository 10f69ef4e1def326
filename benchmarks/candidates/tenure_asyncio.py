"""tenure, asyncio."""

import asyncio
import logging
import sys

from benchmarks.candidates import leading, waiting
from tenure import Election


async def main() -> None:
    """Stand, lead, resign when told to."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        loop.remove_reader(sys.stdin)  # or it would stay readable, and the loop would spin
        told.set()

    loop.add_reader(sys.stdin, read)
    waiting()
    async with Election(f"bench-{sys.argv[2]}", sys.argv[1]).lead():
        leading()
        await told.wait()


logging.getLogger("tenure").setLevel(logging.ERROR)  # nothing between the rows of a table
asyncio.run(main())
