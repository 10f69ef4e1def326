"""Election algorithms as pure electors: one file, or one folder, is one algorithm is one paper. None imports another.

Who should lead:
bully            the greatest number that lives (Garcia-Molina 1982)
ring             the greatest number that a token meets on a ring (Chang and Roberts 1979)
paxos            whom a majority has chosen for this term (Lamport 1998)

Who should lead, and may act:
paxos_lease      to whom a majority lends it for a while (Trencseni, Gazso and Reinhardt 2012)
raft             whom a majority elected in this term, while it renews its promises; with a replicated log (Ongaro 2014)

Around any of them:
majority_lease   whoever should lead may act only with leases from a majority (Gray and Cheriton 1989)
split_brain      the side of a partition that is not to go on steps down
preference       the leader gives way to a node that has been a better one for a while
"""
