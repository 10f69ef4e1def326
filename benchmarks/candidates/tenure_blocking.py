"""tenure, without asyncio."""

import sys

from benchmarks.candidates import leading, until_told, waiting
from tenure.blocking import Election

waiting()
with Election("bench", sys.argv[1]).lead():
    leading()
    until_told()
