"""tenure, without asyncio."""

import logging
import sys

from benchmarks.candidates import leading, until_told, waiting
from tenure.blocking import Election

logging.getLogger("tenure").setLevel(logging.ERROR)  # nothing between the rows of a table
waiting()
with Election(f"bench-{sys.argv[2]}", sys.argv[1]).lead():
    leading()
    until_told()
