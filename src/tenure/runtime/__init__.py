"""Electors as real processes: what runs a pure core on an event loop, with a disk and with peers.

driver    one elector: events in, effects out, in the order that the core's contract asks for
recorder  what one node saw, as a trace
joining   the traces of several nodes as one
place     what a data directory says of its node
node      an elector with a disk and peers of its own
assembly  from names and addresses to a node
counts    what a node has done
status    a node's view of itself, for operators
client    commands that are applied once, and reads, whoever leads
"""
