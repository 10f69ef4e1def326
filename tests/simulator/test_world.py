"""The driver's duties of `tenure.core.elector`, each by its number, kept by the simulated world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from tenure import trace
from tenure.core.effects import Authorised, Deposed, Effect, Persist, Send
from tenure.core.elector import WishRefused
from tenure.core.events import Asked, Event, Left, NodeId, Persisted, Received, Started, Woke
from tenure.durations import NEVER_NS
from tenure.errors import ConfigurationError
from tenure.simulator import world as world_module
from tenure.simulator.drawing import KINDS
from tenure.simulator.faults import LyingDisk
from tenure.simulator.network import MS
from tenure.simulator.node import RanAway
from tenure.simulator.plan import draw
from tenure.simulator.run import Setup, run
from tenure.simulator.surroundings import Surroundings
from tests.simulator.probe import Also, InOrder, Kept, Note, Probe, S, Scene, Script

STORM = tuple(kind for kind in KINDS if kind != "lying-disk")


def numbers(script: Script, node: NodeId) -> list[int]:
    """Of the notes that this node was given, in their order."""
    received = [event.message for event in script.events(node) if isinstance(event, Received)]
    return [message.number for message in received if isinstance(message, Note)]


class Busy:
    """A script that sends, writes, and lets itself be woken, all at any time; it checks the duties as it goes."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.last_ns: dict[tuple[NodeId, int], int] = {}
        self.written = defaultdict[tuple[NodeId, int], int](int)
        self.durable = defaultdict[tuple[NodeId, int], int](int)
        self.records: dict[NodeId, dict[int, Kept]] = defaultdict(dict)
        self.due: dict[tuple[NodeId, int], int] = {}
        self.sent: dict[int, tuple[NodeId, int, NodeId, int]] = {}
        self.begun = set[tuple[NodeId, int]]()
        self.woken = self.waited = 0

    def __call__(self, probe: Probe, event: Event, now_ns: int) -> Iterator[Effect]:
        me = (probe.me, probe.life)
        assert isinstance(event, Started) == (me not in self.begun), "duty 1: Started first, and once"
        self.begun.add(me)
        assert now_ns >= self.last_ns.get(me, 0), "duty 2: its clock never goes back"
        self.last_ns[me] = now_ns
        match event:
            case Woke():
                assert now_ns >= probe.wake_ns, "duty 3: no alarm before its time"
                self.woken += 1
            case Persisted(number=number):
                assert self.durable[me] < number <= self.written[me], "duty 4: told once, of what was written"
                self.durable[me] = number
            case Received(message=Note(number=number), sender=sender):
                came_from, _, to, after = self.sent[number]
                assert (came_from, to) == (sender, probe.me), "duty 6: messages are not altered"
                assert after <= self.durable[sender, self.sent[number][1]], "duty 5: not before it is durable"
                self.waited += after > 0
            case Started(durable=durable):
                assert set(durable) <= set(self.records[probe.me].values()), "duty 7: nothing but what it wrote"
        probe.wake_ns = now_ns + 1 + int(self.chance.random() * S)
        for _ in range(int(self.chance.random() * 2.2)):
            if self.chance.random() < 0.4:
                self.written[me] += 1
                record = self.records[probe.me][len(self.records[probe.me])] = Kept(len(self.records[probe.me]))
                yield Persist(self.written[me], record)
            peers = sorted(probe.members - {probe.me})
            to = peers[int(self.chance.random() * len(peers))]
            after = self.written[me] if self.chance.random() < 0.5 else 0
            number = len(self.sent)
            self.sent[number] = (*me, to, after)
            if len(self.sent) < 20_000:
                yield Send(to, Note(number), after)


@pytest.mark.parametrize("seed", range(20))
def test_duties_1_to_7_are_kept_in_a_storm_of_all_faults(seed: int) -> None:
    """Whatever strikes: crashes, pauses, cuts, drift, disks that are slow or stall, news and alarms."""
    busy = Busy(seed)
    plan = draw(Probe, (1, 2, 3, 4), seed, 20 * S, STORM)
    done = run(Setup(kind=Probe, nodes=(1, 2, 3, 4), seed=seed, until_ns=20 * S, plan=plan, settings=Script(busy)))
    assert [violation for violation in done.violations if violation.checker == "no-exception"] == []
    assert min(busy.woken, busy.waited, done.delivered) > 50


def test_a_lying_disk_breaks_duty_7() -> None:
    """The checks above see what they should: a record that was told of is gone after a crash."""
    script = Script(lambda _, event, __: [Persist(1, Kept(1))] if isinstance(event, Started) else [])
    scene = Scene(script, nodes=1)
    scene.nemesis.strike(LyingDisk(1))
    scene.run(100)
    assert script.events(1)[-1] == Persisted(1)
    scene.let("restart 1")
    assert script.events(1, life=2)[0] == Started(())


def test_duty_1_each_life_starts_with_the_last_durable_record_of_each_type() -> None:
    """And every life draws from a chance of its own."""
    drawn = []

    def does(probe: Probe, event: Event, _: int) -> Iterable[Effect]:
        drawn.append(probe.chance.random())
        records = (Kept(1), Also(1), Kept(2))
        return [Persist(n, r) for n, r in enumerate(records, 1)] if event == Started() else []

    script = Script(does)
    scene = Scene(script, nodes=1)
    scene.run(100)
    scene.let("crash 1")
    scene.let("restart 1")
    started = script.events(1, life=2)[0]
    assert isinstance(started, Started)
    assert set(started.durable) == {Kept(2), Also(1)}
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize(("ppm", "shown_ns"), [(0, 1000), (500_000, 1500), (-500_000, 500)])
def test_duty_3_woke_comes_exactly_when_its_own_clock_says_so(ppm: int, shown_ns: int) -> None:
    """At whatever rate that runs, from the beginning or changed while it sleeps."""
    begun: list[int] = []

    def does(probe: Probe, event: Event, now_ns: int) -> None:
        begun.append(now_ns)
        probe.wake_ns = now_ns + 2 * S if isinstance(event, Started) else NEVER_NS

    script = Script(does)
    scene = Scene(script, nodes=1)
    scene.run(500)
    scene.let(f"drift 1 {ppm:+d}ppm")
    true_ms = 500 + 1500 * 1000 / shown_ns
    scene.run(true_ms - 0.001)
    assert len(begun) == 1
    scene.run(true_ms + 0.001)
    assert begun == [begun[0], begun[0] + 2 * S]
    assert scene.world.now_ns < 5 * S


def test_duty_3_an_alarm_that_is_moved_rings_when_it_was_moved_to() -> None:
    """Earlier or later, by what came meanwhile; once."""
    shown: list[float] = []

    def does(probe: Probe, event: Event, now_ns: int) -> None:
        match event:
            case Started():
                probe.wake_ns = now_ns + 10 * S
            case Asked(to=to):
                assert to is not None
                probe.wake_ns = now_ns + to * S
            case Woke():
                shown.append(now_ns)
                probe.wake_ns = NEVER_NS

    scene = Scene(Script(does), nodes=1)
    scene.at(1000, "ask 1 to 2")  # due at 3 s
    scene.at(2000, "ask 1 to 4")  # due at 6 s
    scene.run(5_999.9)
    assert shown == []
    scene.run(60_000)
    assert len(shown) == 1


def test_duty_3_an_elector_that_wants_to_be_woken_for_ever_ends_the_run() -> None:
    """It would hang otherwise."""

    def does(probe: Probe, _: Event, now_ns: int) -> None:
        probe.wake_ns = now_ns

    scene = Scene(Script(does), nodes=1)
    with pytest.raises(RanAway, match="for ever"):
        scene.run(1)


def test_duty_5_a_send_that_names_a_record_leaves_when_that_is_durable_and_others_at_once() -> None:
    """Also where a later one waits for less than an earlier one."""

    def does(probe: Probe, event: Event, _: int) -> Iterable[Effect]:
        if isinstance(event, Started) and probe.me == 1:
            yield Persist(1, Kept(1))
            yield Persist(2, Kept(2))
            yield Send(2, Note(2), 2)
            yield Send(2, Note(1), 1)
            yield Send(2, Note(0))

    scene = Scene(Script(does), nodes=2, disk_least_ns=5 * MS, disk_most_ns=100 * MS, seed=3)
    scene.run(1_000)
    sent = {record.text: record.at_ns for record in scene.told(trace.Sent)}
    wrote = {record.text: record.at_ns for record in scene.told(trace.Wrote)}
    assert sent == {"number=0": 0, "number=1": wrote["number=1"], "number=2": wrote["number=2"]}


def test_duty_5_on_links_in_order_none_passes_an_earlier_one_that_waits_for_the_disk() -> None:
    """To the same peer; others need not wait."""

    def does(probe: Probe, event: Event, _: int) -> Iterable[Effect]:
        if isinstance(event, Started) and probe.me == 1:
            yield Persist(1, Kept(1))
            yield Send(2, Note(1), 1)
            yield Send(2, Note(2))
            yield Send(3, Note(3))

    script = Script(does)
    scene = Scene(script, kind=InOrder, disk_least_ns=50 * MS, disk_most_ns=50 * MS)
    scene.run(40)
    assert Received(1, Note(3)) in script.events(3)
    scene.run(1_000)
    assert script.events(2)[1:] == [Received(1, Note(1)), Received(1, Note(2))]


def test_duty_5_a_paused_or_stalled_node_sends_nothing_that_waits_for_its_disk() -> None:
    """Once it goes on, it does."""

    def does(probe: Probe, event: Event, _: int) -> Iterable[Effect]:
        return [Persist(1, Kept(1)), Send(2, Note(1), 1)] if isinstance(event, Started) and probe.me == 1 else []

    for words, mend in (("pause 1 for 1s", "heal"), ("disk 1 stalls", "disk 1 works")):
        scene = Scene(Script(does), nodes=2)
        scene.let(words)
        scene.run(999)
        assert scene.told(trace.Sent) == []
        scene.let(mend)
        scene.run(2_000)
        assert len(scene.told(trace.Sent)) == 1


def test_a_paused_node_is_given_everything_in_order_afterwards() -> None:
    """What came while it stood still, then what comes at that very instant, then Woke; nothing while it stands."""

    def does(probe: Probe, event: Event, now_ns: int) -> Iterable[Effect]:
        if probe.me == 1:
            yield Send(2, Note(now_ns))  # arrives 10 ms later
            probe.wake_ns = now_ns + 10 * MS
        elif isinstance(event, Started):
            probe.wake_ns = now_ns + 15 * MS
        elif isinstance(event, Woke):
            probe.wake_ns = NEVER_NS

    script = Script(does)
    scene = Scene(script, kind=InOrder, nodes=2, least_ns=10 * MS, most_ns=10 * MS)
    scene.run(1)
    scene.let("pause 2 for 95ms")
    scene.run(20)
    scene.let("pause 2 for 10ms")  # no shorter for that
    scene.run(95)
    scene.let("pause 2 for 5ms")  # until 100 ms, at which a message arrives that is on its way already
    scene.run(99.9)
    assert script.events(2) == [Started()]
    scene.run(100)
    came = numbers(script, 2)
    assert len(came) == 10
    assert came == sorted(came)
    assert isinstance(script.events(2)[-1], Woke)
    assert [len(scene.told(kind)) for kind in (trace.Paused, trace.Resumed)] == [1, 1]


def test_duty_7_nothing_of_an_earlier_life_reaches_a_later_one() -> None:
    """No alarm, no record, no message: those that wait for the disk, lie in the inbox, or are under way."""

    def does(probe: Probe, event: Event, now_ns: int) -> Iterable[Effect]:
        if isinstance(event, Started) and (probe.me, probe.life) in {(1, 1), (2, 1)}:
            probe.wake_ns = now_ns + 50 * MS
            yield Persist(1, Kept(1))
            yield Send(3 - probe.me, Note(1), 1)
            yield Send(3 - probe.me, Note(2))

    script = Script(does)
    scene = Scene(script, nodes=2, least_ns=5 * MS, most_ns=5 * MS, disk_least_ns=20 * MS, disk_most_ns=20 * MS)
    scene.let("pause 1 for 30ms")
    scene.run(10)  # node 2's message lies in node 1's inbox
    scene.let("restart 1")
    scene.run(12)
    scene.let("crash 2")
    scene.let("restart 2")
    scene.run(1_000)
    assert len(script.events(1, life=2)) == 1
    assert len(script.events(2, life=2)) == 1
    assert {type(event) for event in script.events(2)} == {Started, Received}


def test_on_links_in_order_messages_arrive_as_they_were_sent() -> None:
    """Every one, whatever time each takes."""

    def does(probe: Probe, _: Event, now_ns: int) -> Iterable[Effect]:
        if probe.me == 1:
            yield Send(2, Note(now_ns))
            probe.wake_ns = now_ns + MS

    script = Script(does)
    scene = Scene(script, kind=InOrder, nodes=2, least_ns=0, most_ns=50 * MS)
    scene.at(300, "latency 0ms to 500ms")
    scene.at(500, "pause 2 for 300ms")
    scene.run(1_000)
    came = numbers(script, 2)
    assert len(came) > 400
    assert came == sorted(came)


def test_what_an_elector_may_do_is_told_in_true_time() -> None:
    """And anew when its clock changes its rate; of a tenure that has run out nothing is said any more."""

    def does(_: Probe, event: Event, now_ns: int) -> Iterable[Effect]:
        match event:
            case Started():
                return [Authorised(7, now_ns + 2 * S)]
            case Asked():
                return [Deposed(7, "asked")]
            case _:
                return []

    scene = Scene(Script(does), nodes=1)
    scene.at(1_000, "drift 1 -500000ppm")
    scene.at(4_000, "drift 1 +0ppm")
    scene.at(5_000, "ask 1")
    scene.run(6_000)
    assert [(held.at_ns, held.until_ns) for held in scene.told(trace.Held)] == [(0, 2 * S), (S, 3 * S)]
    assert [(lost.at_ns, lost.why) for lost in scene.told(trace.Lost)] == [(5 * S, "asked")]


def test_what_an_elector_refuses_is_told() -> None:
    """A wish is counted; a message that no honest node sends is a violation."""

    def does(probe: Probe, event: Event, _: int) -> Iterable[Effect]:
        if isinstance(event, Asked):
            raise WishRefused("no")
        return [Send(probe.me, Note(1))] if isinstance(event, Started) else []

    scene = Scene(Script(does), nodes=1)
    scene.let("ask 1")
    scene.run(100)
    assert scene.world.refused == {"Asked": 1}
    assert [violated.checker for violated in scene.told(trace.Violated)] == ["nothing refused among honest nodes"]


@pytest.mark.parametrize("tells_messages", [True, False])
def test_a_run_without_end_is_ended(tells_messages: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a trace as without one."""
    monkeypatch.setattr(world_module, "LIMIT_MESSAGES", 1000)

    def does(probe: Probe, _: Event, __: int) -> Iterable[Effect]:
        return [Send(3 - probe.me, Note(1))]

    scene = Scene(Script(does), nodes=2, tells_messages=tells_messages, least_ns=0, most_ns=0)
    with pytest.raises(RanAway, match="more come"):
        scene.run(1)


def test_who_leaves_is_told_and_silent_afterwards() -> None:
    """What it says at once arrives."""

    def does(_: Probe, event: Event, __: int) -> Iterable[Effect]:
        return [Send(2, Note(1))] if isinstance(event, Left) else []

    script = Script(does)
    scene = Scene(script, nodes=2)
    scene.let("leave 1")
    scene.run(1_000)
    assert script.events(1) == [Started(), Left(1)]
    assert Received(1, Note(1)) in script.events(2)
    assert scene.world.members == [2]


@pytest.mark.parametrize("what", ["", "disk_", "detect_", "news_"])
def test_impossible_surroundings_are_refused(what: str) -> None:
    """The message names the setting."""
    times: dict[str, Any] = {f"{what}least_ns": 5, f"{what}most_ns": 4}
    with pytest.raises(ConfigurationError, match=f"{what}least_ns 5, {what}most_ns 4"):
        Surroundings(**times)
