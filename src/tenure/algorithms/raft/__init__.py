"""Raft: a replicated log with one leader in each term, and that leader's authority to act.

D. Ongaro and J. Ousterhout, "In Search of an Understandable Consensus Algorithm", USENIX ATC 2014, pages 305-319, cited
here by the sections and figures of its extended version; D. Ongaro, "Consensus: Bridging Theory and Practice", PhD
dissertation, Stanford University, 2014.

The idea. Time is divided into terms, each with one leader at most, which a majority elects by votes that are durable.
Only who has all that is committed can be elected. The leader takes the clients' commands into its log and sends it to
all; what a majority has is committed, and every node applies the same commands in the same order.

Assumes. For safety nothing about time but that clocks run within `rho` of true time, on which leases, tenures and lease
reads rest. For progress, a while in which a majority can talk. Nodes crash and come back with what was durable, and one
that has lost it never does under its number: disks may be slow, stand still and tear a write, but never lie. Messages
are lost, repeated and overtaken; links fail, one by one, in one direction, or whole groups.

Guarantees. Figure 3: one leader in a term; a leader never replaces entries of its own log; logs that agree on an entry
agree on all before it; what is committed stays so; no two nodes apply different commands at one index. Nobody else is
elected while a leader has its lease, no two tenures overlap, and tokens grow. A client's command is applied once,
however often it is asked for. In the end all that live recognise one leader.

Differs from the paper. (1) Leases and tenures rest on promises that voters give, not on time-outs (`tenures`). (2) An
acknowledgement, a vote and a request for one leave when all that the node wrote before is durable; a leader's entries
do not wait, and its own log counts as far as it is durable. (3) A change of voters always goes through a joint
configuration. Members that have no vote get the log too, so that they know who leads and disturb nobody. (4) A transfer
that fails ends in the leader's resignation. (5) What an earlier life may have promised binds a restarted voter.
(6) Who joins later must be told who founded the group (`Settings.voters`), since nobody may count whom it finds.
(7) Who was told by the kernel that the leader's process is gone campaigns at once, and whoever believes it is bound by
no promise to it, and waits for no tenure of its (`deaths`).
(8) Time-outs may follow the round trips that are measured (`tuning`).

Failure detectors are not asked: Suspected and Trusted change nothing, nor does PeerLost that is not certain.

configuration, log, progress, sessions   what the rest is made of
messages     what is said, kept, asked and answered
tuning       time-outs from measured round trips
settings     how long, and how much
state        what one node knows
tenures      promises, the lease, the tenure
applying     committed entries, and snapshots of one's own
replication  AppendEntries
snapshots    InstallSnapshot
membership   joint consensus
reads        ReadIndex, and reads by lease
transfers    TimeoutNow
deaths       certain death of the leader
elections    RequestVote, and pre-vote
requests     what clients ask
admission    what is refused
elector      the order of it all
"""

from tenure.algorithms.raft.elector import Raft
from tenure.algorithms.raft.settings import Settings
from tenure.algorithms.raft.state import Role

__all__ = ["Raft", "Role", "Settings"]
