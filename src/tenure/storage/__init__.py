"""Where a node keeps its records: the other end is its own disk.

base        the seam: what every storage does, and how it fails
folding     what many records of one type amount to
memory      for electors without records, and for tests
directory   a node's data directory, one process at a time
wal         a write-ahead log of segments, with group commit
"""
