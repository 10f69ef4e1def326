"""What every elector keeps to, whatever its algorithm: see the contract in `tenure.core.elector`."""

from __future__ import annotations

import builtins
import copy
import enum
import os
import random
import re
import subprocess
import sys
import types
import typing
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tenure.algorithms.bully import Bully
from tenure.algorithms.majority_lease import MajorityLease
from tenure.algorithms.paxos import Paxos
from tenure.algorithms.paxos_lease import PaxosLease
from tenure.algorithms.preference import Preference
from tenure.algorithms.raft import Raft
from tenure.algorithms.ring import Ring
from tenure.algorithms.split_brain import KeepMajority, StaticQuorum
from tenure.core.codec import Codec
from tenure.core.effects import Answered, Authorised, Deposed, Divided, Effect, Persist, Recognised, Send
from tenure.core.elector import DutyBroken, Elector, Serving, UnexpectedMessage, WishRefused
from tenure.core.events import (
    Asked,
    Demand,
    Event,
    Joined,
    Left,
    Message,
    PeerLost,
    Persisted,
    Rated,
    Rating,
    Received,
    Reconfigure,
    Record,
    Requested,
    Started,
    Suspected,
    Trusted,
    Woke,
)
from tenure.core.model import Crashes, Guarantee
from tenure.detectors.watched import Watched, WatchedByPhi
from tenure.durations import NEVER_NS

ELECTORS: tuple[type[Elector], ...] = (
    Bully,
    Ring,
    Watched.over(Bully),
    WatchedByPhi.over(Bully),
    KeepMajority.over(Bully),
    StaticQuorum.over(Ring),
    Preference.over(Bully),
    Paxos,
    PaxosLease,
    Raft,
    Preference.over(Raft),
    MajorityLease.over(Bully),
    MajorityLease.over(Ring),
)
ROOT = Path(__file__).resolve().parents[2]
NODES = range(1, 6)
ME = 3
PAIR = (1, ME)
STEPS = 150
KEPT = {"bully+phi": 7 * 200}
"""What an elector may keep beyond what two hundred events leave behind: here, a window for each of seven nodes."""
every_elector = pytest.mark.parametrize("kind", ELECTORS, ids=lambda kind: kind.name)


class Foreign(Message, frozen=True):
    """Of no algorithm."""


class ForeignRecord(Record, frozen=True):
    """Of no algorithm."""


def make(kind: type[Elector], seed: int = 0) -> Elector:
    """The third of five nodes, before it starts."""
    return kind(ME, NODES, random.Random(seed))


def state(elector: Elector) -> str:
    """All that an elector knows, and those inside it, but for what its last call gave back."""
    return repr(known(elector))


def known(value: Any) -> Any:
    """A value as plain data: objects of the product, electors inside electors among them, as what they hold."""
    match value:
        case set() | frozenset():
            return sorted(value)
        case dict():
            return {key: known(item) for key, item in value.items()}
        case list() | tuple() | deque():
            return [known(item) for item in value]
        case type() | enum.Enum() | msgspec.Struct():
            return value
        case _ if type(value).__module__.startswith("tenure."):
            return {name: known(item) for name, item in vars(value).items() if name not in {"chance", "_effects"}}
        case _:
            return value


def size(value: Any) -> int:
    """How many things a value holds, all in all; `value` is what `known` gave."""
    match value:
        case dict():
            return len(value) + sum(size(item) for item in value.values())
        case list():
            return len(value) + sum(size(item) for item in value)
        case _:
            return 0


def any_value(kind: Any, chance: random.Random) -> Any:
    """A value for a field of a message; numbers from 1 to 7 are nodes as well as anything else."""
    arguments = typing.get_args(kind)
    match typing.get_origin(kind) or kind:
        case types.UnionType | typing.Union:
            return any_value(arguments[int(chance.random() * len(arguments))], chance)
        case types.NoneType:
            return None
        case builtins.tuple if arguments[-1] is ...:
            return tuple(any_value(arguments[0], chance) for _ in range(int(chance.random() * 4)))
        case builtins.tuple:
            return tuple(any_value(argument, chance) for argument in arguments)
        case builtins.bool:
            return chance.random() < 0.5
        case builtins.int:
            return 1 + int(chance.random() * 7)
        case builtins.bytes:
            return bytes(int(chance.random() * 7) for _ in range(int(chance.random() * 4)))
        case builtins.str:
            return f"text {int(chance.random() * 7)}"
        case type() as struct if issubclass(struct, msgspec.Struct):
            return any_message(struct, chance)
        case _:
            raise AssertionError(f"say here what a field of type {kind} may hold")


def any_message(kind: type[Any], chance: random.Random) -> Any:
    """A message, or another struct, with anything in its fields."""
    return kind(*(any_value(field.type, chance) for field in msgspec.structs.fields(kind)))


def written(effects: Sequence[Effect], before: int = 0) -> int:
    """The number of the last record, after these effects."""
    return max((effect.number for effect in effects if isinstance(effect, Persist)), default=before)


class Other:
    """Node 1, where it answers as its algorithm does: a real elector whose records are durable at once."""

    def __init__(self, kind: type[Elector]) -> None:
        self.elector = kind(1, PAIR, random.Random(1))
        self.answers = deque[Message]()
        self.give(Started(), 0)

    def give(self, event: Event, now_ns: int) -> None:
        try:
            effects = self.elector.handle(event, now_ns)
        except (UnexpectedMessage, DutyBroken, WishRefused):
            return
        self.answers += [effect.message for effect in effects if isinstance(effect, Send) and effect.to == ME]
        if number := written(effects):
            self.give(Persisted(number), now_ns)

    def take(self, effects: Sequence[Effect], now_ns: int) -> None:
        for effect in effects:
            if isinstance(effect, Send) and effect.to == 1:
                self.give(Received(ME, effect.message), now_ns)


def given_to(elector: Elector, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
    """What it answers; demands are given only to those that serve clients."""
    if isinstance(event, Requested | PeerLost):
        assert isinstance(elector, Serving)
        return elector.handle(event, now_ns)
    return elector.handle(event, now_ns)


def any_event(kind: type[Elector], chance: random.Random, records: int = 0) -> Event | Demand:
    """One that a driver may give which was given so many records, with any message of the algorithm from any node."""
    peer = 1 + int(chance.random() * 7)
    message = any_message(kind.messages[int(chance.random() * len(kind.messages))], chance)
    given_events: Sequence[Event | Demand] = (
        *(Received(peer, message) for _ in range(5)),
        Woke(),
        Suspected(peer),
        Trusted(peer),
        Joined(peer),
        Left(peer) if peer != ME else Woke(),
        Asked(peer),
        Persisted(records or 1),
        Reconfigure((1, 2, 3)),
        Rated(any_value(Rating, chance)),
        *((PeerLost(peer, certain=chance.random() < 0.8),) if issubclass(kind, Serving) else ()),
    )
    return given_events[int(chance.random() * len(given_events))]


def walk(kind: type[Elector], seed: int, steps: int = STEPS) -> list[tuple[str, str]]:
    """One elector through any events: each with what it answered, or the typed error with which it refused.

    With every fourth seed it is one of two, and the other one answers.
    """
    chance, elector, now_ns = random.Random(seed), make(kind, seed), 0
    other = Other(kind) if seed % 4 == 1 else None
    if other is not None:
        elector = kind(ME, PAIR, random.Random(seed))
    effects = elector.handle(Started(), now_ns)
    told, records = [("Started", str(effects))], written(effects)
    for _ in range(steps):
        event = any_event(kind, chance, records)
        if other is not None and other.answers and chance.random() < 0.7:
            event = Received(1, other.answers.popleft())
        now_ns = elector.wake_ns if chance.random() < 0.2 and elector.wake_ns < NEVER_NS else now_ns + 10**7
        now_ns += 10**10 if chance.random() < 0.05 else 0  # a node that was paused
        before, role = state(elector), elector.role
        try:
            effects = given_to(elector, event, now_ns)
            answer, records = str(effects), written(effects, records)
            if other is not None:
                other.take(effects, now_ns)
        except (UnexpectedMessage, DutyBroken, WishRefused) as refusal:
            assert state(elector) == before, f"{event} was refused and changed something"
            answer = repr(refusal)
        told.append((f"{role} {event}", answer))
    return told


@every_elector
def test_who_keeps_nothing_through_crashes_does_not_say_that_it_comes_back_with_it(kind: type[Elector]) -> None:
    """What an algorithm assumes of crashes fits its records."""
    assert (kind.assumes.crashes is Crashes.RECOVERY) == bool(kind.records)


@every_elector
def test_every_event_in_every_role_is_answered_or_refused(kind: type[Elector]) -> None:
    """Nothing but the three typed errors is raised, and what is refused has changed nothing. Each message comes in each
    role.
    """
    told = {told for seed in range(100) for told, _ in walk(kind, seed)}
    met = {found.groups() for one in told if (found := re.match(r"(\S+) Received\(.*?message=(\w+)", one))}
    roles = {role.value for role in type(_begun(kind).role)}  # type: ignore[attr-defined]  # every algorithm's roles are an enum
    assert met >= {(role, message.__name__) for role in roles - {"new", "gone"} for message in kind.messages}


@every_elector
@given(seed=st.integers(min_value=0))
@settings(max_examples=60, deadline=None, database=None)
def test_the_same_events_give_the_same_effects(kind: type[Elector], seed: int) -> None:
    """Twice, with the same chance."""
    assert walk(kind, seed, 60) == walk(kind, seed, 60)


@every_elector
def test_the_hash_seed_changes_nothing(kind: type[Elector]) -> None:
    """Under every PYTHONHASHSEED."""
    program = "import hashlib\nfrom tests.contracts.test_electors import *\n"
    program += f"walks = [walk(ELECTORS[{ELECTORS.index(kind)}], seed) for seed in range(10)]\n"
    program += "print(hashlib.sha256(repr(walks).encode()).hexdigest())"
    printed = {_printed(program, hash_seed) for hash_seed in ("0", "1", "4242")}
    assert len(printed) == 1


@every_elector
def test_state_is_bounded(kind: type[Elector]) -> None:
    """Ten thousand events about seven nodes leave no more behind than two hundred do."""
    sizes = []
    for steps in (200, 10_000):
        chance, elector = random.Random(1), make(kind)
        elector.handle(Started(), 0)
        for step in range(steps):
            try:
                given_to(elector, any_event(kind, chance), step * 10**7)
            except (UnexpectedMessage, DutyBroken, WishRefused):
                continue
        sizes.append(size(known(elector)))
    assert sizes[1] <= sizes[0] + 30 + KEPT.get(kind.name, 0)


@every_elector
def test_a_foreign_message_is_refused_and_changes_nothing(kind: type[Elector]) -> None:
    """Close the connection: the error names who sent it."""
    elector = _begun(kind)
    before = state(elector)

    with pytest.raises(UnexpectedMessage, match="node 2 sent Foreign") as refusal:
        elector.handle(Received(2, Foreign()), 1)

    assert (refusal.value.sender, state(elector)) == (2, before)


@every_elector
@pytest.mark.parametrize(
    ("events", "duty"),
    [
        ([Woke()], 1),
        ([Started(), Started()], 1),
        ([Started((ForeignRecord(),))], 1),
        ([Started(), Persisted(99)], 4),
        ([Started(), Received(ME, Foreign())], 6),
    ],
    ids=["before Started", "twice", "a foreign record", "nothing like that was to be made durable", "from itself"],
)
def test_a_driver_that_breaks_a_duty_is_told_which(kind: type[Elector], events: list[Event], duty: int) -> None:
    """The number is that of the list in `elector`."""
    elector = make(kind)
    for event in events[:-1]:
        elector.handle(event, 0)
    before = state(elector)

    with pytest.raises(DutyBroken) as broken:
        elector.handle(events[-1], 0)

    assert (broken.value.duty, state(elector)) == (duty, before)


@every_elector
@given(seed=st.integers(min_value=0))
@settings(max_examples=60, deadline=None, database=None)
def test_wake_ns_is_honest(kind: type[Elector], seed: int) -> None:
    """Woke before it changes nothing; Woke at it does what was due, so that it is later afterwards."""
    chance, elector, now_ns = random.Random(seed), make(kind), 0
    elector.handle(Started(), now_ns)
    for _ in range(60):
        if elector.wake_ns < NEVER_NS:
            assert elector.wake_ns > now_ns
            early = copy.deepcopy(elector)
            assert list(early.handle(Woke(), elector.wake_ns - 1)) == []
            assert state(early) == state(elector)
            now_ns = elector.wake_ns
            elector.handle(Woke(), now_ns)
            assert elector.wake_ns > now_ns
        try:
            given_to(elector, any_event(kind, chance), now_ns)
        except (UnexpectedMessage, DutyBroken, WishRefused):
            continue


@every_elector
@given(seed=st.integers(min_value=0))
@example(seed=24766996)  # a node was said not to see itself
@settings(max_examples=60, deadline=None, database=None)
def test_effects_are_consistent(kind: type[Elector], seed: int) -> None:
    """Nobody sends to itself; what is sent is of the algorithm and fits its codec; Recognised tells each change.

    Records are of the algorithm and numbered, and nothing waits for one that was not given. Authority has a future, and
    who loses it had it.
    """
    chance, elector, now_ns = random.Random(seed), make(kind), 0
    codec: Codec[Any] = Codec(kind.messages)
    recognised, token, records = elector.leader, None, 0
    for step in range(61):
        event: Event | Demand = any_event(kind, chance, records) if step else Started()
        now_ns += 10**8
        try:
            effects = given_to(elector, event, now_ns)
        except (UnexpectedMessage, DutyBroken, WishRefused):
            continue
        for effect in effects:
            match effect:
                case Send(to=to, message=message, after=after):
                    assert to != ME
                    assert codec.decode(codec.encode(message)) == message
                    assert 0 <= after <= records
                case Persist(number=number, record=record):
                    assert (number, type(record) in kind.records) == (records + 1, True)
                    records = number
                case Authorised(token=given_token, deadline_ns=deadline_ns):
                    assert Guarantee.ONE_AT_A_TIME in kind.guarantees
                    assert deadline_ns > now_ns
                    token = given_token
                case Deposed(token=lost):
                    assert lost == token
                    token = None
                case Recognised(leader=leader, term=term):
                    assert leader != recognised
                    assert term <= elector.term
                    recognised = leader
                case Divided(sees=sees):
                    assert ME in sees
                case Answered():
                    raise AssertionError("nobody asked anything")
                case _:
                    typing.assert_never(effect)
        assert elector.leader == recognised


@every_elector
def test_who_has_left_is_silent(kind: type[Elector]) -> None:
    """It recognises nobody, and answers nothing any more."""
    elector = _begun(kind)
    elector.handle(Left(ME), 1)
    assert (elector.leader, elector.wake_ns) == (None, NEVER_NS)

    chance = random.Random(1)
    for _ in range(100):
        event = any_event(kind, chance)
        if not isinstance(event, Received | Persisted | Rated):
            assert list(given_to(elector, event, 2)) == []


@every_elector
def test_who_leads_alone_may_end_its_tenure_and_nothing_else(kind: type[Elector]) -> None:
    """Asked to step down it says why it does not, and leads on; but work that is done must be able to end the tenure
    under which it was done, so that other work may begin under the next.
    """
    elector, effects, now_ns, durable = kind(ME, (ME,), random.Random(1)), list[Effect](), 0, 0

    def give(event: Event) -> None:
        effects.extend(elector.handle(event, now_ns))

    def tokens() -> list[int]:
        return sorted({effect.token for effect in effects if isinstance(effect, Authorised)})

    give(Started())
    gives_authority = Guarantee.ONE_AT_A_TIME in kind.guarantees
    for ends in (1, 2):
        for _ in range(300):
            if (given := sum(isinstance(effect, Persist) for effect in effects)) > durable:
                durable = given
                give(Persisted(durable))
            elif elector.leader != ME or (gives_authority and len(tokens()) < ends):
                now_ns = max(now_ns, elector.wake_ns)
                give(Woke())
        assert elector.leader == ME
        if gives_authority:
            assert len(tokens()) == ends
            give(Asked())
            assert [effect.token for effect in effects if isinstance(effect, Deposed)] == tokens()
        else:
            with pytest.raises(WishRefused, match="take the node out"):
                give(Asked())
            assert elector.leader == ME


def _begun(kind: type[Elector]) -> Elector:
    elector = make(kind)
    elector.handle(Started(), 0)
    return elector


def _printed(program: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout
