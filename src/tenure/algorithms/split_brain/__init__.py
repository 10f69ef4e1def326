"""Split brain: who notices that the group has come apart, and which side steps down.

After Akka's Split Brain Resolver, https://doc.akka.io/libraries/akka-core/current/split-brain-resolver.html; its two
strategies here are keep-majority and static-quorum. A third is a subclass of `SplitBrain` with a name and one method.

The idea. Around any elector: every node tells all others whom it sees, whom it recognises and in which term. From that
each finds out by itself that a member is not seen, that one does not see another, that two leaders are recognised, or
two in one term. When nothing about this picture has changed for a while, each decides with the same rule which nodes
go on. Whoever is not among them steps down: it recognises nobody, gives up its authority, and says so. Whoever goes on
hears in its elector only those that go on too; so a partition with holes becomes a clean one, and the elector comes to
rest. When all see one another again, and that has lasted as long, everybody hears everybody. Should two leaders be
recognised for so long though all see one another, the camps that recognise them are the sides.

Assumes. What the inner elector assumes, but that partitions of any shape are allowed; a detector that in the end
suspects whom it cannot hear, and trusts whom it can; that what all see stays the same for `stable_after_ns` in the end.

Guarantees. Once a partition has been stable for long enough, and if every node was told of the same members, the nodes
that go on all see one another: there is one side that leads, or none. A node that starts recognises nobody until it
has heard from all members, or a decision was made; so one that restarts on the losing side does not lead there.

What it cannot do. From the cut until the view was stable for `stable_after_ns` there are two leaders, one on each side:
that is inherent in deciding by silence, and no setting makes it zero. Nor do different nodes decide in one instant. A
view that never settles is never decided: what was decided last holds. The members that count are those this node was
told of: two nodes that were told of different ones may each see a majority, and both stay; where members come and go by
gossip that is the rule. So it is no substitute for a lease: who must never act beside another needs `majority_lease`,
whose voters change through majorities only. Each View has a row for each node that is met, and each node sends one to
every other: meant for groups of some tens.

Differs from Akka. Who steps down is not shut down: it takes part again when the group is whole. Nodes between which
only some links are cut do not all step down: see `sides`. With five nodes, links 4-2 and 5-3 beside the clique 1-2-3,
Akka downs all five, each being at one end of a cut; here 1, 2 and 3 go on, and hear neither 4 nor 5.
"""

from __future__ import annotations

from tenure.algorithms.split_brain.resolver import Role, Settings, SplitBrain
from tenure.algorithms.split_brain.sight import View
from tenure.algorithms.split_brain.strategies import KeepMajority, QuorumSettings, StaticQuorum

__all__ = ["KeepMajority", "QuorumSettings", "Role", "Settings", "SplitBrain", "StaticQuorum", "View"]
