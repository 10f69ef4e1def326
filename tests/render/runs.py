"""Runs that pictures are drawn of, written record by record; instants are in milliseconds."""

from __future__ import annotations

from random import Random

from tenure import trace

MS = 1_000_000


def ns(at_ms: float) -> int:
    """Milliseconds in nanoseconds."""
    return round(at_ms * MS)


class Script:
    """A run that is being written; the records may come in any order."""

    def __init__(self, nodes: int, algorithm: str, until_ms: float, seed: int = 7) -> None:
        self.head = trace.Head(
            version=1,
            algorithm=algorithm,
            nodes=tuple(range(1, nodes + 1)),
            seed=seed,
            until_ns=ns(until_ms),
            again=f"tenure simulate --algorithm {algorithm} --nodes {nodes} --seed {seed}",
        )
        self.records: list[trace.Record] = []
        self._sent = 0

    def add(self, *records: trace.Record) -> None:
        self.records += records

    def send(
        self, at_ms: float, sender: int, to: int, kind: str, took_ms: float = 20, *, why: str = "", again_ms: float = 0
    ) -> None:
        """A message that arrives after `took_ms`, or comes to nothing; a second copy comes after `again_ms`."""
        self._sent += 1
        self.add(trace.Sent(at_ns=ns(at_ms), id=self._sent, sender=sender, to=to, kind=kind, text="term=2"))
        if why:
            self.add(trace.Dropped(at_ns=ns(at_ms + (took_ms if why == "down" else 0)), id=self._sent, why=why))
        else:
            self.add(trace.Arrived(at_ns=ns(at_ms + took_ms), id=self._sent))
        if again_ms:
            self.add(trace.Arrived(at_ns=ns(at_ms + again_ms), id=self._sent))

    def be(self, at_ms: float, node: int, role: str, leader: int | None, term: int = 0) -> None:
        self.add(trace.Became(at_ns=ns(at_ms), node=node, role=role, leader=leader, term=term))

    def begin(self, role: str = "quiet") -> None:
        for node in self.head.nodes:
            self.add(trace.Began(at_ns=0, node=node, life=1))
            self.be(0, node, role, None)

    def trace(self) -> trace.Trace:
        return trace.Trace(self.head, sorted(self.records, key=lambda record: record.at_ns))


def small() -> trace.Trace:
    """Three nodes elect by bully; the leader crashes, another takes over, and the first comes back.

    Nobody leads from 0 to 50 ms and from 400 to 700 ms.
    """
    run = Script(3, "bully", 1000)
    run.begin()
    for sender, to in ((1, 2), (1, 3), (2, 3)):
        run.send(50, sender, to, "ELECTION", 18 + 3 * to)
    run.be(50, 1, "asking", None)
    run.be(50, 2, "asking", None)
    run.be(50, 3, "leading", 3)
    run.send(50, 3, 1, "COORDINATOR", 30)
    run.send(50, 3, 2, "COORDINATOR", 26)
    run.send(75, 2, 1, "ANSWER", 20)
    run.send(78, 3, 1, "ANSWER", 24, again_ms=60)
    run.be(76, 2, "following", 3)
    run.be(80, 1, "following", 3)
    run.add(trace.Struck(at_ns=ns(400), text="crash 3"), trace.Crashed(at_ns=ns(400), node=3))
    run.add(trace.Suspects(at_ns=ns(500), node=2, peer=3))
    run.be(500, 2, "asking", None)
    run.send(500, 2, 3, "ELECTION", 20, why="down")
    run.be(520, 1, "asking", None)
    run.send(520, 1, 2, "ELECTION", 20)
    run.send(520, 1, 3, "ELECTION", why="lost")
    run.send(540, 2, 1, "ANSWER", 20)
    run.be(560, 1, "answered", None)
    run.be(700, 2, "leading", 2)
    run.send(700, 2, 1, "COORDINATOR", 25)
    run.be(725, 1, "following", 2)
    run.add(trace.Began(at_ns=ns(900), node=3, life=2))
    run.be(900, 3, "quiet", None)
    return run.trace()


def split() -> trace.Trace:
    """Five nodes under a lease, cut into 1 2 3 | 4 5 from 1 s to 2.8 s: nodes 3 and 5 lead at once from 1.8 to 2.95 s,
    while their tenures, 0.3 to 1.3 s and 1.9 to 3.3 s, never meet. The body of the first is told to stop at 1.1 s and
    leaves too late, at 1.35 s. Node 1 pauses, and leaves in the end.
    """
    run = Script(5, "bully+lease", 4000)
    run.add(trace.Phase(at_ns=0, name="faults"))
    run.begin()
    run.be(200, 5, "leading", 5, 1)
    for node in range(1, 5):
        run.send(200, 5, node, "COORDINATOR", 20 + node * 3)
        run.be(220 + node * 3, node, "following", 5, 1)
    run.add(trace.Wrote(at_ns=ns(290), node=5, kind="Granted", text="token=1"))
    run.add(trace.Held(at_ns=ns(300), node=5, token=1, until_ns=ns(900)))
    run.add(trace.Held(at_ns=ns(700), node=5, token=1, until_ns=ns(1300)))
    run.add(
        trace.Stood(at_ns=ns(250), node=5, grace_ns=ns(200), stall_after_ns=ns(500), call_timeout_ns=ns(100)),
        trace.Opened(at_ns=ns(310), node=5, token=1, until_ns=ns(900), tell_by_ns=ns(700)),
        trace.Renews(at_ns=ns(500), node=5, token=1, silent_ns=ns(20)),
        trace.Opened(at_ns=ns(710), node=5, token=1, until_ns=ns(1300), tell_by_ns=ns(1100)),
        trace.Told(at_ns=ns(1100), node=5, token=1, reason="lost", hard_ns=ns(1280)),
        trace.Overran(at_ns=ns(1290), node=5, token=1),
        trace.Closed(at_ns=ns(1350), node=5, token=1),
    )
    links = [(a, b) for a in (1, 2, 3) for b in (4, 5)]
    run.add(trace.Struck(at_ns=ns(1000), text="cut 1 2 3 | 4 5"))
    run.add(trace.Cut(at_ns=ns(1000), links=(*links, *((b, a) for a, b in links))))
    for node in (1, 2, 3):
        run.send(1010 + node * 40, 5, node, "RENEW", why="cut")
        run.add(trace.Suspects(at_ns=ns(1400 + node), node=node, peer=5))
        run.be(1401 + node, node, "asking", None, 1)
    run.send(1060, 5, 4, "RENEW", 30)
    run.send(1095, 4, 5, "GRANTED", 30)
    run.be(1800, 3, "leading", 3, 2)
    run.add(trace.Violated(at_ns=ns(1800), checker="one leader", text="nodes 3 and 5 believe that they lead"))
    for node in (1, 2):
        run.send(1800, 3, node, "COORDINATOR", 25)
        run.be(1825, node, "following", 3, 2)
    run.add(trace.Held(at_ns=ns(1900), node=3, token=2, until_ns=ns(3300)))
    run.add(trace.Paused(at_ns=ns(2000), node=1), trace.Resumed(at_ns=ns(2600), node=1))
    run.add(trace.Phase(at_ns=ns(2800), name="healed"), trace.Cut(at_ns=ns(2800), links=()))
    run.add(trace.Sided(at_ns=ns(2900), node=5, side="steps down", sees=(4, 5), why="it is the smaller side"))
    run.be(2900, 4, "following", 3, 2)
    run.be(2950, 5, "following", 3, 2)
    run.add(trace.Opened(at_ns=ns(1910), node=3, token=2, until_ns=ns(3300), tell_by_ns=ns(3100)))
    run.add(trace.Closed(at_ns=ns(3250), node=3, token=2), trace.Released(at_ns=ns(3260), node=3, token=2))
    run.add(trace.Clock(at_ns=ns(3000), node=4, ppm=200), trace.Lost(at_ns=ns(3300), node=3, token=2, why="resigned"))
    run.add(trace.Cut(at_ns=ns(3300), links=((3, 1), (1, 3), (2, 5))), trace.Cut(at_ns=ns(3600), links=()))
    run.add(trace.Gone(at_ns=ns(3700), node=1))
    return run.trace()


def many(nodes: int = 9, messages: int = 900, seconds: int = 20, seed: int = 3) -> trace.Trace:
    """Leaders that heartbeat and crash, one after another: about so many heartbeats, and some votes."""
    chance, run = Random(seed), Script(nodes, "raft", seconds * 1000, seed)
    run.begin("follower")
    length = seconds * 1000 / 10
    for term in range(1, 11):
        at, leader = (term - 1) * length, 1 + term % nodes
        others = [node for node in run.head.nodes if node != leader]
        run.be(at + 20, leader, "candidate", None, term)
        for node in others:
            run.send(at + 20, leader, node, "REQUEST_VOTE", chance.uniform(2, 9))
            run.send(at + 30, node, leader, "VOTE", chance.uniform(2, 9), why=chance.choice(["", "", "", "lost"]))
            run.be(at + 50, node, "follower", leader, term)
        run.be(at + 45, leader, "leader", leader, term)
        for beat in range(messages // 10 // len(others)):
            for node in others:
                run.send(at + 60 + beat * 15, leader, node, "HEARTBEAT", chance.uniform(2, 9))
        run.add(trace.Struck(at_ns=ns(at + length * 0.7), text=f"crash {leader}"))
        run.add(trace.Crashed(at_ns=ns(at + length * 0.7), node=leader))
        run.add(trace.Began(at_ns=ns(at + length * 0.9), node=leader, life=2 + term // nodes))
        run.be(at + length * 0.9, leader, "follower", None, term)
    return run.trace()


HOSTILE = (
    "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'&amp;]]>@@DATA@@\x00\x1b[31m\u202e"
)


def hostile() -> trace.Trace:
    """Every text of the format is what somebody would write who wishes the reader ill."""
    bad = HOSTILE
    head = trace.Head(version=1, algorithm=bad, nodes=(1, 2), seed=1, until_ns=ns(100), again=bad)
    records: list[trace.Record] = [
        trace.Began(at_ns=0, node=1, life=1),
        trace.Began(at_ns=0, node=2, life=1),
        trace.Became(at_ns=ns(1), node=1, role=bad, leader=1, term=1),
        trace.Sent(at_ns=ns(2), id=1, sender=1, to=2, kind=bad, text=bad),
        trace.Dropped(at_ns=ns(3), id=1, why=bad),
        trace.Sent(at_ns=ns(2), id=2, sender=1, to=2, kind=bad, text=bad),
        trace.Arrived(at_ns=ns(4), id=2),
        trace.Arrived(at_ns=ns(4), id=99),
        trace.Wrote(at_ns=ns(5), node=1, kind=bad, text=bad),
        trace.Held(at_ns=ns(6), node=1, token=1 << 70, until_ns=ns(1 << 70)),
        trace.Lost(at_ns=ns(7), node=1, token=1 << 70, why=bad),
        trace.Sided(at_ns=ns(8), node=2, side=bad, sees=tuple(range(1000)), why=bad),
        trace.Asked(at_ns=ns(9), node=1, text=bad),
        trace.Answered(at_ns=ns(9), node=1, text=bad),
        trace.Struck(at_ns=ns(9), text=bad),
        trace.Phase(at_ns=ns(10), name=bad),
        trace.Violated(at_ns=ns(11), checker=bad, text=bad),
    ]
    return trace.Trace(head, records)
