"""Majority lease: whoever should lead, by any elector, may lead only while a majority says so.

C. G. Gray and D. R. Cheriton, "Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache Consistency",
SOSP 1989, pages 202-210, doi:10.1145/74850.74870, granted by majorities as in M. Trencseni, A. Gazso and H. Reinhardt,
"PaxosLease: Diskless Paxos for Leases", 2012, arXiv:1209.4187, but with durable tokens; the voters are changed through
joint majorities as in D. Ongaro and J. Ousterhout, "In Search of an Understandable Consensus Algorithm", USENIX ATC
2014, section 6, each configuration decided as in L. Lamport, "The Part-Time Parliament", ACM TOCS 16(2), 1998, pages
133-169, doi:10.1145/279227.279229.

The idea. An elector says who should lead. That node claims: it asks the voters for a lease under a token above all
that it knows. Each voter keeps its word in time and on disk: it has one lessee at a time, and never grants a claim
whose token is not above all that it ever granted. With leases from a majority the node holds, until a deadline that it
counts on its own clock from when it asked, and asks anew long before. Nobody has to tell it that it is over: silence
ends it. Where the elector fails to bring anybody to hold, a voter that has seen no holder for long claims by itself.

Assumes. Asynchrony: messages are lost, repeated, reordered and late without bound; partitions; nodes crash and come
back with what they had made durable. Clocks run within `rho` of true time. Of each configuration a majority is up,
linked and undisturbed for long enough that somebody may win, which only progress depends on. Nothing of the elector
inside.

Guarantees. At no instant do two nodes hold. Who wins later has a greater token, also after all have crashed. Once
faults end, somebody holds and goes on holding. What the elector inside says of who should lead may be wrong while its
own model does not hold, and from then on until something makes it look again. A node of bully that lost what it asked
or was told, and so leads itself, does when a greater one is trusted again, joins or announces itself; parts of a ring
with two results do when a neighbour is suspected, trusted again, joins or leaves. A detector that noticed the loss
gives such news when it is over; a loss too short for it gives none. Meanwhile such a node claims in vain, again and
again after a pause: that costs messages, and nothing else.

Why nobody else holds until the deadline. A voter's lease lasts `duration` on its clock from when the request came,
which is `duration / (1 + rho)` of true time at least. The holder counts `duration * (1 - rho) / (1 + rho)` on its
clock from before the request left, which is at most as much. So while a node holds, a majority has it for lessee; two
majorities share a voter, and no voter has two. A voter that comes back has forgotten its leases, so it takes the last
claim that it granted for its lessee for one whole duration: every earlier promise has run out by then.

Why tokens grow. Say that t was won, and then u. They share a voter. Had it granted u first, its lease to u was over
when it granted t, before t was won; so its answer does not count for u any more when u wins. Hence it granted t first,
and u is greater. Renewals win nothing, which is why a voter extends them whatever it has granted since to claims that
failed.

Why changes of the voters are safe. Configurations are numbered, and the next is proposed only when the last is
decided: a majority of it (of each half of a joint one) has made it durable, and said so to the holder that proposed
it, which still holds. Neighbours share majorities, since a joint configuration has the old voters in one half and the
new ones in the other; so there is one holder at a time as long as only neighbours are in use. And only they are: a
voter refuses claims of an older configuration than its own, so after a decision every claim by the configurations
before it meets a refusal. Of two proposals of one number that of the greater token is the newer one; who made it had
the leases of a majority, and so knew of the other if that had been decided, and proposed the same. A change is begun
only when a majority of those who shall vote has granted its leases, so nobody is made to wait for nodes that are not
there.

Differs from PaxosLease. Tokens are durable, and never used again. Leases are renewed under the token that won. There
is no phase in which proposals of others are learned: a claim wins or is released. Who makes way for another names it,
and for a moment voters grant nobody else's claim. The voters change.
"""

from tenure.algorithms.majority_lease.elector import MajorityLease, Role
from tenure.algorithms.majority_lease.messages import (
    Claim,
    Configuration,
    Granted,
    Refused,
    Release,
    Renew,
    TakeOver,
    Vote,
)
from tenure.algorithms.majority_lease.settings import Settings

__all__ = [
    "Claim",
    "Configuration",
    "Granted",
    "MajorityLease",
    "Refused",
    "Release",
    "Renew",
    "Role",
    "Settings",
    "TakeOver",
    "Vote",
]
