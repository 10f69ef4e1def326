"""Accidents of other implementations, as scripts: each goes well here, and badly once the rule against it is dropped.

The scripts are tests/scenarios/raft-*.txt; tests/simulator/test_scenarios.py compares each with its recording.
"""

# ruff: noqa: SLF001  a mutant wraps what it mutates

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
import pytest

from tenure.algorithms.raft import Raft, Settings
from tenure.algorithms.raft.log import Log
from tenure.algorithms.raft.messages import Canvass, InstallSnapshot, TimeoutNow
from tenure.durations import NEVER_NS
from tenure.simulator import simulate
from tenure.simulator.founding import founded
from tenure.simulator.run import Run
from tenure.simulator.scenario import read
from tests.algorithms.raft import mutants
from tests.tidy.tree import ROOT

SCRIPTS = ROOT / "tests" / "scenarios"
PATHS = sorted(SCRIPTS.glob("raft-*.txt"))
lose_patience, asked_if_it_would, install_snapshot = (
    Raft._lose_patience,
    Raft._asked_if_it_would,
    Raft._install_snapshot,
)


class Dropped(NamedTuple):
    """What stands in the place of `owner`'s rules, by attribute, in this script, and which checkers see it."""

    script: str
    objects: frozenset[str]
    owner: type
    instead: dict[str, Any]
    pre_vote: bool = True


def forget_its_vote(self: Raft, now_ns: int) -> None:
    """C2: a follower that waits in vain is as new in its term."""
    lose_patience(self, now_ns)
    self.voted_for = None


def ignore_who_is_behind(self: Raft, candidate: int, asked: Canvass, now_ns: int) -> None:
    """C16: who asks for a term that is none of the next gets no answer, which would have told it the term."""
    if asked.term > self.term:
        asked_if_it_would(self, candidate, asked, now_ns)


def never(self: Raft, now_ns: int = 0) -> int:
    """Nothing is ever late."""
    del self, now_ns
    return NEVER_NS


def nothing(self: Raft, now_ns: int) -> None:
    """The rule is not carried out."""
    del self, now_ns


def lead_on_without_a_tenure(self: Raft, now_ns: int) -> None:
    """C32: it has lost its tenure, and takes itself for the leader all the same."""
    if self.deadline_ns is not None and now_ns >= self.deadline_ns:
        self._end_tenure("its deadline has passed")


def nobody_acts(self: Raft, now_ns: int) -> bool:
    """A leader's change of voters minds no tenure before its own, which would keep it waiting as well."""
    del self, now_ns
    return False


def change_at_once(self: Raft, voters: tuple[int, ...]) -> str | None:
    """C12: nothing stands against any change."""
    del self, voters
    return None


def take_any_snapshot(self: Raft, leader: int, message: InstallSnapshot, now_ns: int) -> None:
    """C11: also one that says less than this node knows."""
    kept, self.commit = self.commit, 0
    install_snapshot(self, leader, message, now_ns)
    self.commit = self.commit or kept


def lead_on_without_a_vote(self: Raft, why: str, now_ns: int) -> None:
    """C14: the change is through, and the leader that it leaves out leads on."""
    if why != "it is no voter any more":
        step_down(self, why, now_ns)


def tell_it_to_campaign_at_once(self: Raft, now_ns: int) -> None:
    """Whatever the target has of the log."""
    transfer = self._transfer
    if transfer is not None and self._urge_ns <= now_ns < transfer.until_ns:
        self._urge_ns = now_ns + self.settings.heartbeat_ns
        self._send(transfer.to, TimeoutNow(self.term, 0), now_ns)
    else:
        transfer_on(self, now_ns)


step_down, transfer_on = Raft._step_down, Raft._transfer_on


FREE = {"_is_free": mutants.vote_in_spite_of_a_promise}
DEAF = {"_quorum_due_ns": never, "_expire": lead_on_without_a_tenure}
EXPECTED = frozenset({"expectation"})
DROPPED = (
    Dropped("cloudflare-2020", EXPECTED, Raft, FREE, pre_vote=False),
    Dropped("one-way-cut", EXPECTED, Raft, FREE, pre_vote=False),
    Dropped("five-in-a-chain", EXPECTED, Raft, FREE, pre_vote=False),
    Dropped("removed-server", EXPECTED, Raft, FREE, pre_vote=False),
    Dropped("rejoining-server", EXPECTED, Raft, {}, pre_vote=False),
    Dropped("deaf-leader", EXPECTED, Raft, DEAF),
    Dropped("quorum-loss", EXPECTED, Raft, DEAF),
    Dropped(
        "constrained-election", frozenset({"leader-completeness"}), Log, {"is_covered_by": mutants.elect_whoever_asks}
    ),
    Dropped("pre-vote-behind", EXPECTED, Raft, {"_asked_if_it_would": ignore_who_is_behind}),
    Dropped("transfer-to-the-dead", EXPECTED, Raft, {"_asked_to_go": mutants.wait_for_the_target_for_ever}),
    Dropped("transfer-to-a-laggard", EXPECTED, Raft, {"_transfer_on": tell_it_to_campaign_at_once}),
    Dropped(
        "lease-read-in-transfer",
        frozenset({"one-lease", "linearizable"}),
        Raft,
        {"_is_giving_way": mutants.read_by_lease_while_giving_way},
    ),
    Dropped(
        "read-before-own-commit",
        frozenset({"linearizable"}),
        Raft,
        {"term_committed": property(mutants.read_before_the_first_commit)},
    ),
    Dropped(
        "change-before-own-commit",
        EXPECTED,
        Raft,
        {
            "_why_not_change": change_at_once,
            "term_committed": property(mutants.read_before_the_first_commit),
            "_may_others_act": nobody_acts,
        },
    ),
    Dropped("joint-recovered", EXPECTED, Raft, {"_change_on": mutants.leave_joint_before_it_is_committed}),
    Dropped("leader-removes-itself", EXPECTED, Raft, {"_step_down": lead_on_without_a_vote}),
    Dropped("stalled-disk", EXPECTED, Raft, {"_disk_due_ns": never}),
    Dropped("old-snapshot", frozenset({"monotonic"}), Raft, {"_install_snapshot": take_any_snapshot}),
    Dropped(
        "figure-8",
        frozenset({"leader-completeness"}),
        Raft,
        {"_advance_commit": mutants.commit_entries_of_earlier_terms},
    ),
    Dropped("vote-kept", frozenset({"election-safety", "one-per-term"}), Raft, {"_lose_patience": forget_its_vote}),
    Dropped("restarted-voter", frozenset({"one-lease"}), Raft, {"_recall_promises": nothing}),
    Dropped("drift-at-the-bound", frozenset({"one-at-a-time"}), Settings, {"usable_ns": mutants.trust_all_clocks}),
)


def run(dropped: Dropped, *, drops: bool) -> Run:
    """The script, of the product or without the rule."""
    scenario = read(SCRIPTS / f"raft-{dropped.script}.txt")
    assert scenario.nodes is not None
    assert scenario.seed is not None
    _, chosen = founded(Raft, None, scenario.seed, scenario.nodes, ())
    assert isinstance(chosen, Settings)
    if not drops:
        return simulate(scenario=scenario, settings=chosen, trace=False)
    with ExitStack() as stack:
        for attribute, instead in dropped.instead.items():
            stack.enter_context(patch.object(dropped.owner, attribute, instead))
        chosen = msgspec.structs.replace(chosen, pre_vote=dropped.pre_vote)
        return simulate(scenario=scenario, settings=chosen, trace=False)


@pytest.mark.parametrize("dropped", DROPPED, ids=lambda dropped: dropped.script)
def test_an_accident_needs_that_a_rule_is_dropped(dropped: Dropped) -> None:
    """Nothing is violated with it, and these are without it."""
    assert run(dropped, drops=False).violations == []

    found = {violation.checker for violation in run(dropped, drops=True).violations}

    assert dropped.objects <= found


def test_no_script_is_without_such_a_rule() -> None:
    """An accident that nothing prevents would show nothing."""
    assert sorted(f"raft-{dropped.script}" for dropped in DROPPED) == [path.stem for path in PATHS]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_script_begins_with_its_accident(path: Path) -> None:
    """Three lines of remarks: what happened and where, and what happens here."""
    lines = path.read_text(encoding="utf-8").splitlines()

    assert [line.startswith("# ") for line in lines[:4]] == [True, True, True, False]
    assert lines[2].startswith("# Here: ")
    assert max(map(len, lines)) <= 120
