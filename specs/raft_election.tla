--------------------------- MODULE raft_election ---------------------------
(***************************************************************************)
(* The election and lease layer of `tenure.algorithms.raft`: terms, votes, *)
(* promises, tenures and transfers, without the log.  README.md says what  *)
(* is left out, and why leaving it out adds behaviours and hides none.     *)
(*                                                                         *)
(* D. Ongaro and J. Ousterhout, "In Search of an Understandable Consensus  *)
(* Algorithm", 2014; C. G. Gray and D. R. Cheriton, "Leases", 1989.        *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, TLC

CONSTANTS
    Server, None,
    MaxTerm,        \* nobody campaigns beyond it
    MaxRestarts,    \* in all
    Promise,        \* for so many ticks of its clock a voter elects nobody else
    Tenure,         \* for so many a tenure lasts; Promise <= Tenure
    Slow, Fast      \* while true time goes on by one, a clock ticks so often

CONSTANTS           \* the rules; each is dropped in a configuration of its own
    KeepsPromise,       \* a voter that has promised elects nobody else
    KeepsItInAnyTerm,   \* also in a later term, which it may have learned of otherwise
    WaitsAfterRestart,  \* one that comes back counts as having promised just now
    CountsFromSending,  \* a lease counts from when the word left, not from the answer
    CountsByVoter,      \* who votes twice is counted once
    VoteIsDurable,      \* a vote outlives its voter's crash
    WaitsToOpen,        \* a new leader acts once earlier tenures must be over
    AllowsForDrift,     \* a lease is shorter, and a wait longer, by what clocks may differ
    ClosesOnTransfer,   \* who gives way acts no more
    HeedsTerm           \* leave to campaign is good in the term that it was given in

VARIABLES
    node,           \* by server: what it knows
    msgs,           \* all messages that may still come, again and again, in any order, or never
    restarts,
    led,            \* history: the terms that had a leader
    opened          \* history: the greatest term of which a tenure was opened

vars == <<node, msgs, restarts, led, opened>>

-----------------------------------------------------------------------------
Max(a, b) == IF a > b THEN a ELSE b
Less(a, b) == Max(0, a - b)

\* Of what a voter grants by its clock from receipt, what the leader uses by its own.
Usable(ticks) == IF AllowsForDrift THEN (ticks * Slow) \div Fast ELSE ticks
\* How long to wait by one clock until so much has passed by another.
Outlasting(ticks) == IF AllowsForDrift THEN (ticks * Fast + Slow - 1) \div Slow ELSE ticks

IsMajority(set) == 2 * Cardinality(set) > Cardinality(Server)

\* Each answer to a leader, of voter v, lets its tenure run for ack[v] more, and its lease for as much as
\* a promise is shorter; both by the leader's clock.
TenureRuns(s, n) == IsMajority({s} \cup {v \in Server \ {s} : n.ack[v] > 0})
LeaseRuns(s, n) ==
    IsMajority({s} \cup {v \in Server \ {s} : n.ack[v] > Usable(Tenure) - Usable(Promise)})

IsLeading(n) == n.role = "leading"
HasTenure(s) == IsLeading(node[s]) /\ node[s].tenure = "open" /\ TenureRuns(s, node[s])
\* May answer reads without asking anybody.
HasLease(s) == IsLeading(node[s]) /\ node[s].tenure # "closed" /\ LeaseRuns(s, node[s])

\* A voter notes how long a tenure may last that it has heard of, and has promised for as much as a
\* promise is shorter.
IsFree(n) == ~IsLeading(n) /\ (KeepsPromise => n.noted <= Tenure - Promise)

NoAcks == [v \in Server |-> 0]

Following(n, term, voted) ==
    [n EXCEPT !.role = "following", !.term = term, !.voted = voted,
              !.yes = {}, !.wait = 0, !.sanctioned = FALSE, !.ack = NoAcks, !.tenure = "none"]

\* Whoever sees a later term is a follower in it, without a vote given.
In(n, term) == IF term > n.term THEN Following(n, term, None) ELSE n

-----------------------------------------------------------------------------
(* Messages.  Who asks, and who leads, speaks to all at once.              *)

Ask(s, n) == [type |-> "ask", from |-> s, term |-> n.term, sanctioned |-> n.sanctioned]
Vote(v, s, n) == [type |-> "vote", from |-> v, to |-> s, term |-> n.term, left |-> n.noted]
\* `left` goes down with the leader's clock: it is what an answer would be worth now.
Append(s, n) == [type |-> "append", from |-> s, term |-> n.term, left |-> Usable(Tenure)]
Ack(v, m) == [type |-> "ack", from |-> v, to |-> m.from, term |-> m.term, left |-> m.left]
\* `left`: how long tenures before the one that is closed may last.
Now(s, to, n) == [type |-> "now", from |-> s, to |-> to, term |-> n.term, left |-> n.wait]

Leads(nodes, s, term) == IsLeading(nodes[s]) /\ nodes[s].term = term
Campaigns(nodes, s, term) == nodes[s].role = "campaigning" /\ nodes[s].term = term

\* Whether a message may still let somebody do something.  What could only bind a voter, or end a role, is lost:
\* the word and the question of a leader and candidate of old, and what is too late to be worth anything.
Matters(nodes, m) ==
    CASE m.type = "ask" -> Campaigns(nodes, m.from, m.term)
      [] m.type = "vote" -> Campaigns(nodes, m.to, m.term) /\ (m.from \notin nodes[m.to].yes \/ ~CountsByVoter)
      [] m.type = "append" -> Leads(nodes, m.from, m.term) /\ (m.left > 0 \/ ~CountsFromSending)
      [] m.type = "ack" -> Leads(nodes, m.to, m.term) /\ (m.left > nodes[m.to].ack[m.from] \/ ~CountsFromSending)
      [] m.type = "now" -> nodes[m.to].term <= m.term \/ ~HeedsTerm

\* A message joins those under way.  Of two of a kind the one that could only bind more, or allow less, is lost: a
\* later vote, or a later leave to campaign, says with less doubt until when tenures last; an earlier word of a
\* leader, or an answer to it, is worth less.
IsOutdone(m, by) ==
    /\ m.type = by.type /\ m.from = by.from /\ m.term = by.term
    /\ CASE m.type = "ask" -> FALSE
         [] m.type = "append" -> m.left <= by.left
         [] m.type = "ack" -> m.to = by.to /\ m.left <= by.left
         [] OTHER -> m.to = by.to /\ m.left >= by.left
And(m) == {x \in msgs : ~IsOutdone(x, m)} \cup {m}

\* Open the tenure when it is time.
Settled(nodes) ==
    [s \in Server |->
        IF IsLeading(nodes[s]) /\ nodes[s].tenure = "none" /\ nodes[s].wait = 0 /\ TenureRuns(s, nodes[s])
        THEN [nodes[s] EXCEPT !.tenure = "open"] ELSE nodes[s]]

Opened(nodes) == {nodes[s].term : s \in {x \in Server : nodes[x].tenure = "open"}}

Becomes(new, sent) ==
    LET nodes == Settled(new) IN
    /\ node' = nodes
    /\ msgs' = {m \in sent : Matters(nodes, m)}
    /\ led' = led \cup {nodes[s].term : s \in {x \in Server : IsLeading(nodes[x])}}
    /\ opened' = CHOOSE t \in {opened} \cup Opened(nodes) : \A u \in {opened} \cup Opened(nodes) : u <= t

With(s, n) == [node EXCEPT ![s] = n]

-----------------------------------------------------------------------------
Init ==
    /\ node = [s \in Server |->
        [role |-> "following", term |-> 0, voted |-> None, noted |-> 0, yes |-> {}, wait |-> 0,
         sanctioned |-> FALSE, ack |-> NoAcks, tenure |-> "none"]]
    /\ msgs = {} /\ restarts = 0 /\ led = {} /\ opened = 0

\* A candidate, with the leave of the last leader or without.
Candidate(s, wait, sanctioned) ==
    [Following(node[s], node[s].term + 1, s) EXCEPT
        !.role = "campaigning", !.yes = {s}, !.wait = IF WaitsToOpen THEN wait ELSE 0, !.sanctioned = sanctioned]

\* A time-out is no shorter than a promise: whoever campaigns by itself has none to keep.
Campaign(s) ==
    /\ node[s].term < MaxTerm /\ IsFree(node[s])
    /\ LET n == Candidate(s, Outlasting(node[s].noted), FALSE)
       IN Becomes(With(s, n), And(Ask(s, n)))
    /\ UNCHANGED restarts

\* Who has promised does not even look at the term, unless the leader itself gave way.
MayGrant(v, m) ==
    /\ m.type = "ask" /\ v # m.from
    /\ m.term >= node[v].term
    /\ m.sanctioned \/ IsFree(node[v]) \/ (~KeepsItInAnyTerm /\ m.term = node[v].term)
    /\ In(node[v], m.term).voted \in {None, m.from}

Grant(v, m) ==
    /\ MayGrant(v, m)
    /\ LET granted == [In(node[v], m.term) EXCEPT !.voted = m.from]
       IN Becomes(With(v, granted), And(Vote(v, m.from, granted)))
    /\ UNCHANGED restarts

\* A vote says how long a tenure may last that its voter knows of; leave to campaign says it instead.
Count(m) ==
    /\ m.type = "vote" /\ Campaigns(node, m.to, m.term)
    /\ LET s == m.to
           n == node[s]
           wait == IF n.sanctioned \/ ~WaitsToOpen THEN n.wait ELSE Max(n.wait, Outlasting(m.left))
           yes == n.yes \cup {m.from}
           isWon == IsMajority(yes) \/ (~CountsByVoter /\ m.from \in n.yes)
           elected == [Following(n, n.term, s) EXCEPT !.role = "leading", !.wait = wait]
           counted == [n EXCEPT !.yes = yes, !.wait = wait]
       IN IF isWon THEN Becomes(With(s, elected), And(Append(s, elected)))
                   ELSE Becomes(With(s, counted), msgs)
    /\ UNCHANGED restarts

Beat(s) ==
    /\ IsLeading(node[s]) /\ Append(s, node[s]) \notin msgs
    /\ Becomes(node, And(Append(s, node[s])))
    /\ UNCHANGED restarts

\* A leader's word: promise, and note its tenure.
Promising(v, m) ==
    /\ m.type = "append" /\ v # m.from
    /\ m.term >= node[v].term /\ ~Leads(node, v, m.term)
    /\ LET voted == IF m.term > node[v].term THEN None ELSE node[v].voted
           n == [Following(node[v], m.term, voted) EXCEPT !.noted = Tenure]
       IN Becomes(With(v, n), And(Ack(v, m)))
    /\ UNCHANGED restarts

Extend(m) ==
    /\ m.type = "ack" /\ Leads(node, m.to, m.term)
    /\ LET worth == IF CountsFromSending THEN m.left ELSE Usable(Tenure)
       IN Becomes([node EXCEPT ![m.to].ack[m.from] = Max(@, worth)], msgs)
    /\ UNCHANGED restarts

\* Its tenure is closed from the moment on in which it gives way.
Transfer(s, to) ==
    /\ IsLeading(node[s]) /\ node[s].tenure # "closed" /\ to # s
    /\ LET n == IF ClosesOnTransfer THEN [node[s] EXCEPT !.tenure = "closed"] ELSE node[s]
       IN Becomes(With(s, n), And(Now(s, to, n)))
    /\ UNCHANGED restarts

\* The target is told again.
Urge(s, m) ==
    /\ m.type = "now" /\ m.from = s /\ Leads(node, s, m.term)
    /\ Now(s, m.to, node[s]) \notin msgs
    /\ Becomes(node, And(Now(s, m.to, node[s])))
    /\ UNCHANGED restarts

Succeed(m) ==
    /\ m.type = "now" /\ node[m.to].term < MaxTerm /\ node[m.to].role = "following"
    /\ IF HeedsTerm THEN node[m.to].term = m.term ELSE Leads(node, m.from, node[m.to].term)
    /\ LET n == Candidate(m.to, Outlasting(m.left), TRUE)
       IN Becomes(With(m.to, n), And(Ask(m.to, n)))
    /\ UNCHANGED restarts

\* By whatever refusal: somebody is in a later term.
Learn(s, v) ==
    /\ node[v].term > node[s].term
    /\ Becomes(With(s, In(node[s], node[v].term)), msgs)
    /\ UNCHANGED restarts

\* No majority answers, the disk stands still, or it is asked to: a leader may stop at any time.
StepDown(s) ==
    /\ IsLeading(node[s])
    /\ Becomes(With(s, Following(node[s], node[s].term, node[s].voted)), msgs)
    /\ UNCHANGED restarts

\* A crash, and a new life, at once: a node that is down does what one does that nothing reaches.
Restart(s) ==
    /\ restarts < MaxRestarts /\ restarts' = restarts + 1
    /\ LET voted == IF VoteIsDurable THEN node[s].voted ELSE None
           n == [Following(node[s], node[s].term, voted) EXCEPT !.noted = IF WaitsAfterRestart THEN Tenure ELSE 0]
       IN Becomes(With(s, n), msgs)

\* True time goes on by one, and each clock by some ticks; a leader whose tenure is over steps down.
Tick(by) ==
    LET Later(s) == [node[s] EXCEPT !.noted = Less(@, by[s]), !.wait = Less(@, by[s]),
                                    !.ack = [v \in Server |-> Less(@[v], by[s])]]
        Expired(s) == LET n == Later(s) IN
            IF n.tenure = "open" /\ ~TenureRuns(s, n) THEN Following(n, n.term, n.voted) ELSE n
        Worth(m, leader) == IF Leads(node, leader, m.term) THEN Less(m.left, by[leader]) ELSE 0
        Older(m) == CASE m.type = "append" -> [m EXCEPT !.left = Worth(m, m.from)]
                      [] m.type = "ack" -> [m EXCEPT !.left = Worth(m, m.to)]
                      [] OTHER -> m
    IN /\ Becomes([s \in Server |-> Expired(s)], {Older(m) : m \in msgs})
       /\ UNCHANGED restarts

Next ==
    \/ \E s \in Server : Campaign(s) \/ Beat(s) \/ StepDown(s) \/ Restart(s)
    \/ \E s, v \in Server : Learn(s, v) \/ Transfer(s, v)
    \/ \E m \in msgs : Count(m) \/ Extend(m) \/ Succeed(m)
    \/ \E m \in msgs, s \in Server : Grant(s, m) \/ Promising(s, m) \/ Urge(s, m)
    \/ \E by \in [Server -> Slow..Fast] : Tick(by)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* What holds.                                                             *)

\* At most one leader is elected in a term, also one after the other.
OneLeaderPerTerm ==
    [][\A s \in Server : Leads(node', s, node'[s].term) /\ ~Leads(node, s, node'[s].term)
        => node'[s].term \notin led /\ \A v \in Server \ {s} : ~Leads(node', v, node'[s].term)]_vars

\* While a leader's lease lasts nobody is elected after it; so no two have one.
LeaseIsAlone ==
    \A s, v \in Server : s # v /\ HasLease(s) => ~(IsLeading(node[v]) /\ node[v].term > node[s].term)

OneTenureAtATime == \A s, v \in Server : HasTenure(s) /\ HasTenure(v) => s = v

\* The term stands for the token, which grows with it.
TokensGrow ==
    [][\A s \in Server : node'[s].tenure = "open" /\ (node[s].tenure # "open" \/ node[s].term # node'[s].term)
        => node'[s].term > opened]_vars

Shape ==
    /\ \A s \in Server :
        /\ node[s].role \in {"following", "campaigning", "leading"} /\ node[s].term \in 0..MaxTerm
        /\ node[s].tenure \in {"none", "open", "closed"} /\ (node[s].tenure # "none" => IsLeading(node[s]))
        /\ node[s].noted \in 0..Tenure /\ node[s].wait \in 0..Outlasting(Outlasting(Tenure))
        /\ \A v \in Server : node[s].ack[v] \in 0..Usable(Tenure)
    /\ restarts \in 0..MaxRestarts /\ led \subseteq 1..MaxTerm /\ opened \in led \cup {0}

Symmetry == Permutations(Server)
=============================================================================
