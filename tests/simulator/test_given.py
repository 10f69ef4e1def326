"""What a caller of `simulate` gave: every mistake is a ConfigurationError, and a defect of an elector a violation."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from tenure import trace
from tenure.algorithms import ring
from tenure.algorithms.bully import Bully, Settings
from tenure.core.effects import Effect, Send
from tenure.core.elector import Elector
from tenure.core.events import Event, Message, Received
from tenure.errors import ConfigurationError
from tenure.simulator import node as node_module
from tenure.simulator import simulate
from tenure.simulator import world as world_module
from tenure.simulator.faults import Crash, Stroke
from tenure.simulator.scenario import Scenario, parse_script
from tests.simulator.probe import Note, Probe, Script

NO_SETTINGS: tuple[object, ...] = (5, ring.Settings(), {}, Settings)
WRONG: list[tuple[dict[str, Any], str]] = [
    *(({"nodes": nodes}, "different numbers from 1 on; got ") for nodes in ("abc", b"ab", 2.5, True, None, [1, "a"])),
    *(({"nodes": nodes}, "different numbers from 1 on; got ") for nodes in ([1.5, 2], [], -1, 10**12, [2**70], [0])),
    *(({"seed": seed}, "a seed is a whole number from 0 to") for seed in (-1, "x", None, 1.5, True, 10**18)),
    *(({"settings": wrong}, r"are tenure\.algorithms\.bully\.Settings") for wrong in NO_SETTINGS),
    *(({"faults": faults}, "faults takes names") for faults in (5, "crash", [["crash"]], [None])),
    *(({"check": check}, "check takes names") for check in (5, "agreement", [5])),
    ({"surroundings": 5}, "surroundings takes tenure.simulator.Surroundings"),
    ({"scenario": 5}, "scenario takes what"),
    ({"scenario": parse_script("at 1s crash 9")}, "the scenario: at 1s crash 9: there is no node 9"),
    ({"scenario": parse_script("at 9s crash 1")}, "the run ends at 5s"),
    ({"scenario": Scenario(strokes=(Stroke(-1, Crash(1)),))}, "a run begins at 0s"),
    ({"scenario": Scenario(nodes=(0,))}, "different numbers from 1 on"),
    ({"scenario": Scenario(until_ns=-1)}, "give seconds such as until=60"),
    *(
        ({"algorithm": no}, "is no algorithm; give a name")
        for no in (5, int, Bully(1, [1], Random(1)), ["bully"], b"bully")
    ),
    ({"algorithm": Elector}, "Elector lacks name, assumes, guarantees, messages, handle; tenure.core.elector"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_no_argument_is_refused_with_what_to_give(arguments: dict[str, Any], says: str) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigurationError, match=says):
        simulate(**{"algorithm": Bully, "until": 5, **arguments})


def test_nodes_faults_and_seeds_may_come_in_any_type_that_means_them() -> None:
    """Ranges, sets and iterators; and no order of a hash decides what happens."""
    wanted = simulate(Bully, nodes=3, until=5, faults=("blink", "crash")).trace
    assert wanted is not None
    for nodes in (range(1, 4), {3, 1, 2}, iter([2, 1, 3])):
        found = simulate(Bully, nodes=nodes, until=5, faults={"crash", "blink"}).trace  # type: ignore[arg-type]  # as said
        assert found is not None
        assert found.records == wanted.records


class Plain(Elector):
    """Somebody's first elector: no constructor, no settings; the greatest member leads."""

    name = "plain"
    assumes, guarantees, messages = Bully.assumes, Bully.guarantees, (Note,)

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        del now_ns
        self._admit(event)
        self.role, self.leader = "member", max(self.members)
        return []


class Silent(Plain):
    """Never says what it is."""

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        del event, now_ns
        return []


class Long(Message, frozen=True):
    """A message of any length."""

    text: str


class Lengthy(Probe):
    """Knows long messages."""

    messages = (Long,)


def test_an_elector_without_settings_runs_and_takes_none() -> None:
    """With a detector around it, and told who is dead."""
    for detector in ("heartbeat", "told"):
        run = simulate(Plain, until=5, faults=(), detector=detector)
        assert (run.violations, run.measures.became_leader) == ([], 1)
    with pytest.raises(ConfigurationError, match="plain takes no settings"):
        simulate(Plain, settings=5)


def test_the_line_that_runs_it_again_stands_in_the_run_and_its_trace() -> None:
    """In Python, with all that was said and nothing else."""
    run = simulate(Plain, nodes=3, seed=7, until=5, faults=("crash",), trace=True)
    assert run.setup.again == "simulate(algorithm=Plain, nodes=3, seed=7, until=5, faults=('crash',))"
    assert run.trace is not None
    assert run.trace.head.again == run.setup.again
    assert not simulate(Plain, scenario=parse_script("at 1s crash 1"), until=5).setup.again  # the script says it


def test_an_elector_that_never_says_what_it_is_is_told_to() -> None:
    """By which it is known that it was started."""
    run = simulate(Silent, until=5, faults=())
    assert run.violations[0].checker == "no-exception"
    assert "was given Started and is new still: let `handle` set `role`" in run.violations[0].text


def raises(probe: Probe, event: Event, _: int) -> Any:
    """As soon as it hears somebody."""
    if isinstance(event, Received):
        probe.members.remove(0)
    return to_all(probe)


def to_all(probe: Probe) -> list[Effect]:
    """A message to each other one."""
    return [Send(peer, Note(1)) for peer in sorted(probe.members - {probe.me})]


def fidgets(probe: Probe, _: Event, now_ns: int) -> None:
    """Wants to be woken a nanosecond later, always."""
    probe.wake_ns = now_ns + 1


def chatters(probe: Probe, event: Event, _: int) -> Any:
    """Answers each message by two."""
    return [Send(event.sender, Note(1))] * 2 if isinstance(event, Received) else to_all(probe)


@pytest.mark.parametrize(
    ("does", "checker", "says"),
    [
        (lambda *_: [5], "no-exception", "gave 5, which is none of tenure.core.effects"),
        (lambda *_: 5, "no-exception", "TypeError: 'int' object is not iterable"),
        (lambda *_: [Send(2, Long(""))], "no-exception", "sent a Long, which its `messages` do not name"),
        (raises, "no-exception", r"KeyError: 0 \(test_given.py:"),
        (fidgets, "bounded-messages", "wanted to be woken 1000 times in one second"),
        (chatters, "bounded-messages", "messages and timers are under way"),
    ],
)
def test_what_an_elector_does_wrong_is_a_violation_in_its_words(
    does: Any, checker: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ends the run, so that nothing goes on without a limit."""
    monkeypatch.setattr(node_module, "LIMIT_WAKES", 1000)
    monkeypatch.setattr(world_module, "LIMIT_AHEAD", 1000)
    run = simulate(Probe, nodes=3, until=20, faults=(), detector="told", settings=Script(does))
    assert run.violations[0].checker == checker
    assert re.search(says, run.violations[0].text)


def test_a_message_of_any_length_leaves_a_trace_that_can_be_read() -> None:
    """Its words are cut, with how many there were."""
    says = Script(lambda probe, *_: [Send(2, Long("x" * 200_000))] if probe.me == 1 else [])
    run = simulate(Lengthy, nodes=2, until=1, faults=(), detector="told", settings=says)
    assert run.trace is not None
    (text,) = (record.text for record in run.trace.records if isinstance(record, trace.Sent))
    assert len(text) < 101_000
    assert text.endswith("... (200005 characters)")
