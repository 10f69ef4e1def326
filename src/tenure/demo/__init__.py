"""`tenure demo`: the same four accidents happen to two locks, a fifth to one with leases; one audit judges all ledgers.

books          the SQLite ledger that only the leader may write: read, think, write
worker         a candidate that uses the library
fenced_worker  one with a lease, whose writes bear its token
job            what runs under `tenure run`, and under the hand-written wrapper
naive          the time-out lock that people write by hand
naive_worker   a candidate that uses it
naive_wrapper  the wrapper that people write by hand
lifeline       how these processes end: none outlives the demonstration
house          a stage, and nothing left behind
stage          the processes of one side, and waiting for what they do
sides          what differs between the two: how to start, to retire, to look
script         the accidents
late_write     the fifth: a leader that is paused past its lease, and its late write
findings       what came out: tenures, bookings, take-overs
picture        the strip and the table, as text
narrator       what is told while it runs
show           all of it, from the introduction to the verdict
cluster        another play: processes that are their own cluster
"""
