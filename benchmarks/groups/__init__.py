"""Groups of real processes that replicate what is written: ours and the peers', each with its own way to be asked.

All run on loopback of this machine, none pinned to a core, at their defaults unless their name says otherwise.
"""
