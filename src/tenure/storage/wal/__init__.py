"""A write-ahead log: segments that are reserved ahead, batches with checksums, one sync for all that waits.

format       the bytes
recovery     reading them: what was torn, and what is damaged
files        system calls
segments     the files in their directory
appender     puts batches behind one another
checkpoint   what many segments amount to, in one file
keeper       the thread that makes segments and checkpoints
writer       the thread that writes
log          `Wal`, as the loop sees it
"""

from tenure.storage.wal.log import Wal
from tenure.storage.wal.recovery import Cut, Recovered
from tenure.storage.wal.segments import Limits

__all__ = ["Cut", "Limits", "Recovered", "Wal"]
