"""A crowd asks together, and what it is told is checked; a hunt's schedule shows the same with the same clients."""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import patch

import pytest

from tenure.algorithms.raft import Raft, Settings
from tenure.algorithms.raft.messages import ChangeVoters, Execute, OpenSession, Read
from tenure.core.effects import Effect
from tenure.core.events import Demand, Event, Requested
from tenure.errors import ConfigurationError
from tenure.simulator import simulate
from tenure.simulator.clients import ANSWERS, SLOWEST_NS
from tenure.simulator.hunt import Job
from tenure.simulator.run import run
from tenure.simulator.scenario import parse_script
from tenure.simulator.shrink import objection, shrink
from tests.algorithms.raft.mutants import applied
from tests.algorithms.raft.mutants_storms import MUTANTS

SILENT = next(mutant for mutant in MUTANTS if mutant.name == "say_nothing_of_what_was_begun")
handle = Raft.handle


def batches(seed: int) -> list[tuple[type, ...]]:
    """The types of what was asked at one instant, of each batch in this run."""
    seen: list[tuple[type, ...]] = []

    def look(self: Raft, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
        if isinstance(event, Requested):
            seen.append(tuple(type(request) for request in event.requests))
        return handle(self, event, now_ns)

    with patch.object(Raft, "handle", look):
        simulate("raft", nodes=3, seed=seed, faults=("beset-change",), until=30, trace=False)
    return seen


def test_everything_is_asked_at_one_instant_with_a_change_of_voters_amid_the_rest() -> None:
    """Commands stand before and behind it, and reads and openings of sessions are among them."""
    seen = [batch for seed in range(6) for batch in batches(seed) if ChangeVoters in batch]
    amid = [batch for batch in seen if Execute in batch[: batch.index(ChangeVoters)]]
    amid = [batch for batch in amid if Execute in batch[batch.index(ChangeVoters) :]]
    assert amid
    assert {Execute, OpenSession, Read} <= {kind for batch in seen for kind in batch}


def test_a_hunts_schedule_has_the_same_clients_and_settings() -> None:
    """Written down as a script and run again, it is the same run, but for what is judged."""
    job = Job("raft", 3, detector="told", until_ns=20 * 10**9)
    hunted, said = run(job.setup(5)), job.scenario(5)
    assert "clients for 20s\n" in said.script()
    again = simulate(scenario=parse_script(said.script()))
    assert again.setup.settings == hunted.setup.settings
    assert [one.completed_ns for one in again.history] == [one.completed_ns for one in hunted.history]
    assert again.digest() == hunted.digest()


def test_a_request_that_nobody_answers_is_objected_to_and_its_schedule_shrunk() -> None:
    """Clients of the script are those of the hunt, though it ends sooner."""
    job = Job("raft", 3, faults=("leader-death", "partition"), until_ns=45 * 10**9)
    with applied(SILENT):
        said = next(said for seed in range(30) if objection(said := job.scenario(seed), ANSWERS))
        found = shrink(said, ANSWERS, 40)
    assert found is not None
    assert len(found.scenario.strokes) < len(said.strokes)
    assert "has not answered" in found.violation.text
    assert objection(found.scenario, ANSWERS) is None


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("algorithm raft\nnodes 1 2 3\nclients for 0s", "clients for 60s"),
        ("algorithm raft\nnodes 1 2 3\nclients 60s", "clients for 60s"),
        ("algorithm bully\nnodes 1 2 3\nclients for 60s", "serves no clients"),
        ("algorithm raft\nnodes 1 2 3\nuntil 9s\nclients for 60s\nat 1s read a at 1", "say one"),
    ],
)
def test_clients_that_cannot_be_are_refused(script: str, says: str) -> None:
    """With what to write."""
    with pytest.raises(ConfigurationError, match=says):
        simulate(scenario=parse_script(script))


def test_what_is_slow_is_no_missing_answer() -> None:
    """Longer than a change of voters in the laboratory waits for newcomers, and than any time-out."""
    setup = Job("raft", 3).setup(0)
    assert isinstance(setup.settings, Settings)
    assert setup.settings.catch_up_ns * 2 < SLOWEST_NS
