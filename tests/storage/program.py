"""A process that writes to a log for as long as it lives, and says what is durable: `python program.py DIRECTORY`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.storage.life import life


async def main(path: Path) -> None:
    """Say how many values were found, then each count that is durable."""
    async with life(path) as one:
        values = len(one.began_with)
        assert one.began_with == tuple(range(values))
        found = values
        os.write(1, f"{found}\n".encode())
        while True:
            count = 1 + values % 7
            await one.until(one.write(*range(values, values + count)))
            values += count
            os.write(1, f"{values}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
