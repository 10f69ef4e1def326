"""Hand the steps of a behaviour of specs/raft_replayed.tla to three real electors, and compare what both sides show.

Each step is an event, or a few at once. The messages are the electors' own: a step that delivers one names it by
kind, sender, receiver, term and, for a leader's word and the answers to it, by the leader's tick in which it left;
what left in one tick comes together.
"""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from random import Random
from typing import Any

from msgspec.structs import replace

from tenure.algorithms.raft import Raft, Role, Settings
from tenure.algorithms.raft.messages import AppendEntries, Matched, Mismatched, RequestVote, TimeoutNow, Vote
from tenure.core.effects import Authorised, Deposed, Effect, Persist, Send
from tenure.core.events import Asked, Demand, Event, Message, Persisted, Received, Record, Started, Trusted, Woke

NODES = (1, 2, 3)
MS = 1_000_000
UNIT_NS = 100 * MS
TICK_NS = UNIT_NS + 1000
"""A hair longer than its unit: a third, by which clocks may be off, is no whole number of parts per million."""
PROMISE, TENURE, USABLE_TENURE = 4, 6, 3
"""In ticks, as in specs/replayed.cfg: a clock may tick twice while another ticks once."""
SETTINGS = Settings(
    voters=NODES,
    election_ns=PROMISE * UNIT_NS,
    spread_ns=0,
    heartbeat_ns=90 * MS,
    pre_vote=False,
    promise_ns=PROMISE * UNIT_NS,
    tenure_ns=TENURE * UNIT_NS,
    rho_ppm=333_334,
    transfer_ns=10**6 * UNIT_NS,
)
Label = tuple[Any, ...]
Step = dict[str, Any]


class LogDecides(Exception):
    """The log, which the specification leaves out, makes a difference here."""


class Life:
    """One node: its elector, its clock in ticks, its disk, and the tenure that it was told of."""

    def __init__(self, me: int) -> None:
        self.me = me
        self.ticks = 2 * PROMISE + 100 * me  # clocks agree about nothing
        self.disk: dict[type[Record], Record] = {}
        self.start(self.now_ns - 2 * PROMISE * TICK_NS)

    @property
    def now_ns(self) -> int:
        return self.ticks * TICK_NS

    def start(self, now_ns: int) -> list[Send]:
        """A new life, with what the disk has."""
        self.deadline_ns: int | None = None
        self.core = Raft(self.me, NODES, Random(self.me), SETTINGS)
        return self.give(Started(tuple(self.disk.values())), now_ns)

    def give(self, event: Event | Demand, now_ns: int | None = None) -> list[Send]:
        """What it says to an event; its disk is done at once."""
        at_ns = self.now_ns if now_ns is None else now_ns
        sends: list[Send] = []
        effects: list[Effect] = list(self.core.handle(event, at_ns))
        while effects:
            effect = effects.pop(0)
            match effect:
                case Send():
                    sends.append(effect)
                case Persist(number=number, record=record):
                    kind = type(record)
                    self.disk[kind] = record.over(self.disk[kind]) if kind in self.disk else record
                    effects += self.core.handle(Persisted(number), at_ns)
                case Authorised(deadline_ns=deadline_ns):
                    self.deadline_ns = deadline_ns
                case Deposed():
                    self.deadline_ns = None
                case _:
                    ...
        return sends

    def seen(self) -> list[Any]:
        """Role, term, vote, leader, whether its lease is valid, and whether its tenure is."""
        core = self.core
        has_tenure = self.deadline_ns is not None and self.now_ns < self.deadline_ns
        return [str(core.role), core.term, core.voted_for, core.leader, core.may_read(self.now_ns), has_tenure]


class Table:
    """Three nodes, and all that they have said."""

    def __init__(self) -> None:
        self.lives = {me: Life(me) for me in NODES}
        self.said: dict[Label, list[Message]] = defaultdict(list)

    def give(self, me: int, event: Event | Demand) -> None:
        self.hear(me, self.lives[me].give(event))

    def hear(self, me: int, sends: list[Send]) -> None:
        """Keep what a node has said: of votes the last, of leaves to campaign the first, as in the behaviours."""
        for send in sends:
            message, to = send.message, send.to
            match message:
                case RequestVote(term=term):
                    self.said["ask", me, to, term] = [message]
                case Vote(term=term, granted=True):
                    self.said["vote", me, to, term] = [message]
                case AppendEntries(term=term, sent_ns=sent_ns):
                    self.said["append", me, to, term, sent_ns // TICK_NS].append(message)
                case Matched(term=term, sent_ns=sent_ns) | Mismatched(term=term, sent_ns=sent_ns):
                    self.said["ack", me, to, term, sent_ns // TICK_NS].append(message)
                case TimeoutNow(term=term):
                    self.said.setdefault(("now", me, to, term), [message])
                case _:
                    ...  # what only binds: the specification has it lost

    def deliver(self, to: int, said: dict[str, Any]) -> None:
        """One message of the specification, which may come again later."""
        kind, sender, term = said["type"], said["from"], said["term"]
        label: Label = (kind, sender, to, term)
        if kind in {"append", "ack"}:
            leader = sender if kind == "append" else to
            label = (*label, self.lives[leader].ticks - (USABLE_TENURE - said["left"]))
        messages = self.said.get(label, [])
        assert messages, f"nobody has said {label}"
        for message in tuple(messages):
            self.give(to, Received(sender, message))

    def do(self, did: list[Any]) -> None:
        """One step of the specification."""
        match did:
            case ["Init"]:
                ...
            case ["Campaign" | "Beat" | "StepDown", me]:
                self.give(me, Woke())
            case ["Restart", me]:
                life = self.lives[me]
                self.hear(me, life.start(life.now_ns))
            case ["Transfer", me, said]:
                self.give(me, Asked(said["to"]))
                if ("now", me, said["to"], said["term"]) not in self.said:
                    raise LogDecides(f"node {said['to']} has not the whole log of node {me}")
            case ["Grant", me, said]:
                self.check_log(me, said)
                self.deliver(me, said)
            case ["Count" | "Extend" | "Succeed" | "Promising", me, said]:
                self.deliver(me, said)
            case ["Tick", *by]:
                for me, ticks in zip(NODES, by, strict=True):
                    self.lives[me].ticks += ticks
                for me in NODES:
                    self.give(me, Trusted(me % 3 + 1))  # tells it nothing but the time
            case _:
                raise AssertionError(f"no step of the specification: {did}")

    def would_elect(self, voter: int) -> list[int]:
        """Whom this node would give a vote now that it has not given yet; a copy of it is asked. Those that only its
        log would refuse are counted in.
        """
        found = []
        for candidate in NODES:
            core, asking = self.lives[voter].core, self.lives[candidate].core
            messages = self.said.get(("ask", candidate, voter, asking.term), [])
            has_vote = (core.term, core.voted_for) == (asking.term, candidate)
            if asking.role != Role.CAMPAIGNING or has_vote or not messages:
                continue
            [asked] = messages
            assert isinstance(asked, RequestVote)
            covering = replace(asked, last_index=core.log.last_index, last_term=core.log.last_term)
            said = deepcopy(core).handle(Received(candidate, covering), self.lives[voter].now_ns)
            if any(isinstance(one, Send) and isinstance(one.message, Vote) and one.message.granted for one in said):
                found.append(candidate)
        return found

    def check_log(self, voter: int, said: dict[str, Any]) -> None:
        [asked] = self.said["ask", said["from"], voter, said["term"]]
        assert isinstance(asked, RequestVote)
        if not self.lives[voter].core.log.is_covered_by(asked.last_index, asked.last_term):
            raise LogDecides(f"node {voter} has a longer log than node {said['from']}")

    def check_commit(self, expected: dict[int, list[Any]]) -> None:
        """A tenure begins with an entry that is committed."""
        for me, (role, _, _, _, _, has_tenure, _) in expected.items():
            core = self.lives[me].core
            if has_tenure and role == core.role and core.commit < core.token:
                raise LogDecides(f"node {me} has not committed its first entry")


def replay(steps: list[Step]) -> int:
    """Let the electors repeat a behaviour up to where the log would decide; returns how many steps those are. Raises
    AssertionError at the first difference.
    """
    table = Table()
    expected: dict[int, list[Any]] = {}
    for number, step in enumerate(steps):
        expected |= {int(node): seen for node, seen in step["seen"].items()}
        try:
            table.do(step["did"])
            table.check_commit(expected)
        except LogDecides:
            return number
        for me in NODES:
            seen = [*table.lives[me].seen(), table.would_elect(me)]
            assert seen == expected[me], f"node {me} after step {number}, {step['did']}: {seen}, not {expected[me]}"
    return len(steps)
