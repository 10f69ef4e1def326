---------------------------- MODULE raft_replayed ----------------------------
(***************************************************************************)
(* Behaviours of `raft_election` that a driver can have the code repeat.   *)
(* It adds what the code does at its own time: a follower campaigns when   *)
(* it has lost patience, and a leader goes that has heard of no majority   *)
(* for as long, which is a promise's length here.                          *)
(***************************************************************************)
EXTENDS raft_election

VARIABLES
    patience,   \* by server: how much of it is left, by its clock
    leader,     \* by server: whom it recognises
    did,        \* the last step, with what it was about
    seen        \* by server: what is compared

replayed == <<vars, patience, leader, did, seen>>

\* Who follows a leader votes for nobody else in its term, and has no vote left for that one.
MayVote(v, m) == MayGrant(v, m) /\ (m.term = node[v].term => leader[v] = None)
Granted(v, m) == Grant(v, m) /\ MayVote(v, m)

\* Whom it would give a vote now that it has not given yet.
VotesFor(v) ==
    LET isNew(m) == m.term > node[v].term \/ node[v].voted = None
    IN {m.from : m \in {x \in msgs : x.type = "ask" /\ MayVote(v, x) /\ isNew(x)}}

RInit ==
    /\ Init /\ patience = [s \in Server |-> 0] /\ leader = [s \in Server |-> None] /\ did = <<"Init">>
    /\ seen = [s \in Server |-> <<"following", 0, None, None, FALSE, FALSE, {}>>]

\* Whoever comes into a later term, or steps down, recognises nobody.
Recognised(s) ==
    IF IsLeading(node'[s]) THEN s
    ELSE IF node'[s].role # "following" \/ node'[s].term # node[s].term \/ IsLeading(node[s]) THEN None
    ELSE leader[s]

Does(step) ==
    /\ did' = step
    /\ leader' = [s \in Server |-> IF step[1] = "Promising" /\ s = step[2] THEN step[3].from
                                  ELSE IF step[1] = "Restart" /\ s = step[2] THEN None ELSE Recognised(s)]
    /\ seen' = [s \in Server |-> <<node'[s].role, node'[s].term, node'[s].voted, leader'[s],
                                HasLease(s)', HasTenure(s)', VotesFor(s)'>>]

\* A leader hears of a majority with each answer; one that goes is patient again.
Hears(s) == patience' = [p \in Server |-> IF p = s \/ (IsLeading(node[p]) /\ ~IsLeading(node'[p])) THEN Promise
                                          ELSE patience[p]]
Only == patience' = [p \in Server |-> IF IsLeading(node[p]) /\ ~IsLeading(node'[p]) THEN Promise ELSE patience[p]]

\* TLC draws among all successors alike: one of time, and one of a crash, leave room for what else may happen.
RNext ==
    \/ \E s \in Server : Campaign(s) /\ ~IsLeading(node[s]) /\ patience[s] = 0 /\ Hears(s) /\ Does(<<"Campaign", s>>)
    \/ \E s \in Server : Beat(s) /\ patience[s] > 0 /\ Only /\ Does(<<"Beat", s>>)
    \/ \E s \in Server : StepDown(s) /\ patience[s] = 0 /\ Hears(s) /\ Does(<<"StepDown", s>>)
    \/ \E s \in {RandomElement(Server)} : Restart(s) /\ Hears(s) /\ Does(<<"Restart", s>>)
    \/ \E s, v \in Server : Transfer(s, v) /\ Only /\ Does(<<"Transfer", s, Now(s, v, node'[s])>>)
    \/ \E m \in msgs : Count(m) /\ (IF IsLeading(node'[m.to]) THEN Hears(m.to) ELSE Only) /\ Does(<<"Count", m.to, m>>)
    \/ \E m \in msgs : Extend(m) /\ Hears(m.to) /\ Does(<<"Extend", m.to, m>>)
    \/ \E m \in msgs : Succeed(m) /\ leader[m.to] = m.from /\ Hears(m.to) /\ Does(<<"Succeed", m.to, m>>)
    \/ \E m \in msgs, v \in Server : Granted(v, m) /\ Hears(v) /\ Does(<<"Grant", v, m>>)
    \/ \E m \in msgs, v \in Server : Promising(v, m) /\ Hears(v) /\ Does(<<"Promising", v, m>>)
    \/ \E by \in {RandomElement([Server -> Slow..Fast])} :
        /\ Tick(by) /\ Does(<<"Tick", by>>)
        /\ patience' = [p \in Server |-> IF IsLeading(node[p]) /\ ~IsLeading(node'[p]) THEN Promise
                                         ELSE Less(patience[p], by[p])]

RSpec == RInit /\ [][RNext]_replayed
=============================================================================
