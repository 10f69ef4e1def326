"""What an election is made with: refused at once where it cannot work, with what to change."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tenure import ConfigurationError, Election, LeadershipLost
from tenure.backends.base import METADATA_LIMIT_BYTES
from tenure.backends.memory import LoseRequest
from tenure.blocking import Election as BlockingElection
from tenure.keeper import Keeper
from tests.election.stage import LIMIT_S, InThread, Stage, heard, kinds, until, wait_until

pytestmark = pytest.mark.versions
HALF_A_PAIR = "\ud800"
"""Text that has no form in UTF-8."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a b"}, "'a-b'"),
        ({"name": ""}, "cannot name"),
        ({"candidate": "x/y"}, "x/y"),
        ({"name": 5}, "the name of an election is text"),
        ({"candidate": 5}, "a candidate is text"),
        ({"at": 5}, "takes a URL such as 'file:///absolute/path'.*not int"),
        ({"at": b"redis://:secret@host"}, "not bytes$"),
        ({"at": Path("/a b")}, "write 'file:///a%20b'"),
        ({"min_grade": "A"}, "has grade C, and grade A is demanded"),
        ({"min_grade": "D"}, "A, B or C"),
        ({"scope": "host"}, "elects within one process"),
        ({"scope": "galaxy"}, "process, user, host, cluster"),
        ({"lease": 0}, "renew a lease of 0 s in time; give one such as lease=15"),
        ({"lease": "999ns"}, "renew a lease of"),
        ({"lease": -1}, "not a duration"),
        ({"lease": "soon"}, "not a duration"),
        ({"grace": "1 day or so"}, "not a duration"),
        ({"stall_after": 0}, "such as stall_after=10"),
        ({"takeover_delay": -1}, "not a duration"),
        ({"on_overrun": "pray"}, "'report' or 'exit'"),
        ({"metadata": {"k": "v" * METADATA_LIMIT_BYTES}}, "2048 bytes"),
        ({"metadata": {"k": 1}}, "text to text"),
        ({"metadata": {1: "v"}}, "text to text"),
        ({"metadata": {"k": None}}, "text to text"),
        ({"metadata": {"k": b"v"}}, "text to text"),
        ({"metadata": ["k"]}, "text to text"),
        ({"metadata": 7}, "text to text"),
        ({"metadata": {"k": HALF_A_PAIR}}, "text to text"),
        ({"metadata": {HALF_A_PAIR: "v"}}, "text to text"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_when_the_election_is_made(
    stage: Stage, options: dict[str, Any], message: str
) -> None:
    """ConfigurationError, also a ValueError, which says what to write instead; nothing is sent to the service."""
    arguments: dict[str, Any] = {"name": "e", "at": stage.backend(), **options}
    with pytest.raises(ConfigurationError, match=message) as caught:
        Election(**arguments)
    assert isinstance(caught.value, ValueError)
    assert not stage.service.requests


@pytest.mark.parametrize("value", [HALF_A_PAIR, 7, b"v", None], ids=repr)
def test_a_value_that_is_no_text_is_refused_and_the_tenure_goes_on(stage: Stage, value: Any) -> None:
    """ConfigurationError in both fronts; nothing is sent."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            with pytest.raises(ConfigurationError, match="UTF-8"):
                await tenure.publish(value)
            tenure.check()

    asyncio.run(main())
    with stage.blocking().lead() as tenure:
        with pytest.raises(ConfigurationError, match="UTF-8"):
            tenure.publish(value)
        tenure.check()
    assert stage.service.requests["publish"] == 0


def test_a_priority_is_refused_where_nobody_is_elected_in_order(stage: Stage) -> None:
    """It would be ignored there; no priority is as good as none."""
    backend = stage.backend()
    backend.capabilities = msgspec.structs.replace(backend.capabilities, ordered=False)
    for front in (Election, BlockingElection):
        with pytest.raises(ConfigurationError, match="leave the priority out"):
            front("e", backend, priority=1)
        assert front("e", backend, candidate="a").candidate == "a"
    assert not stage.service.requests


def test_a_transfer_is_refused_where_nobody_can_be_named(stage: Stage) -> None:
    """ConfigurationError before anything is sent; resigning can still be asked for."""
    backend = stage.backend()
    backend.capabilities = msgspec.structs.replace(backend.capabilities, transfer=False)
    with pytest.raises(LeadershipLost), stage.blocking().lead() as tenure:
        with pytest.raises(ConfigurationError, match="ask to resign"):
            asyncio.run(Election("e", backend).ask_transfer("b"))
        with pytest.raises(ConfigurationError, match="ask to resign"):
            BlockingElection("e", backend).ask_transfer("b")
        assert stage.service.requests["ask"] == 0
        assert BlockingElection("e", backend).ask_resign().candidate == "a"
        tenure.wait_lost(LIMIT_S)


def test_a_budget_that_does_not_fit_is_refused_with_its_arithmetic(stage: Stage) -> None:
    """A grace as long as the lease leaves nothing to renew in; the message adds it up."""
    with pytest.raises(ConfigurationError) as caught:
        stage.election(lease=10, grace=10)
    assert str(caught.value) == (
        "renew_every 2 s + 3 attempts x (call_timeout 0.8 s + backoff 0.2 s) + grace 10 s + margin 0.5 s = 15.5 s, and "
        "a lease of 10 s has 10 s to spend (clock rates off by 0 %): lengthen the lease or shorten the grace"
    )


def test_metadata_up_to_the_limit_are_told(stage: Stage) -> None:
    """At the limit they are taken, in bytes of JSON."""
    room = METADATA_LIMIT_BYTES - len(json.dumps({"k": ""}, separators=(",", ":")))

    async def main() -> None:
        async with stage.election(metadata={"k": "v" * room}).lead():
            leader = stage.service.read("e").leader
            assert leader is not None
            assert len(leader.metadata["k"]) == room

    asyncio.run(main())


def test_a_candidate_is_called_by_host_and_process(stage: Stage) -> None:
    """Unless it is given a name."""
    election = Election("e", stage.backend())
    assert election.candidate == f"{socket.gethostname()}-{os.getpid()}"
    assert repr(election) == f"<Election 'e' at {election.url} as {election.candidate!r}>"


def test_a_lease_that_was_asked_for_is_what_the_service_counts(stage: Stage) -> None:
    """`lease="4s"`: the handle counts on it, and so does the service."""

    async def main() -> None:
        async with stage.election(lease="4s").lead() as tenure:
            assert tenure.remaining() == pytest.approx(3.8)
            stage.service.faults.add("renew", LoseRequest())
            assert stage.leader() == "a"
            stage.clock.advance(4)
            assert stage.leader() is None

    with pytest.raises(Exception, match="lost"):
        asyncio.run(main())


def test_the_repr_of_a_tenure_says_whose_and_what_it_is_worth(stage: Stage) -> None:
    """For logs and debuggers."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            assert repr(tenure) == "<Tenure 1 of 'e' by 'a': safe>"
        assert repr(tenure) == "<Tenure 1 of 'e' by 'a': lost>"

    asyncio.run(main())


def test_without_a_url_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """TENURE_URL is the default."""
    monkeypatch.setenv("TENURE_URL", "memory://from-the-environment")
    assert Election("e").url == "memory://from-the-environment"


def test_one_url_is_one_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elections of one process at one URL share what they have open."""
    first, second = Election("e", "memory://shared"), Election("f", "memory://shared")
    assert Keeper.current().backend(first.url, _never) is Keeper.current().backend(second.url, _never)


def test_the_same_election_by_two_spellings_is_refused_in_one_task() -> None:
    """The options of a URL do not make another election of it."""

    async def main() -> None:
        async with Election("e", "memory://spelling").lead():
            with pytest.raises(ConfigurationError, match="already"):
                async with Election("e", "memory://spelling?lease=30s").lead():
                    raise AssertionError

    asyncio.run(main())


@pytest.mark.parametrize("front", ["asyncio", "blocking"])
def test_a_stack_is_reported_when_work_will_not_stop(
    stage: Stage, front: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At the hard deadline: Overran, and where the offender is; once."""
    working, may_end = threading.Event(), threading.Event()

    def wedge() -> None:
        working.set()
        may_end.wait(30)

    async def lead() -> None:
        async with stage.election().lead():
            wedge()

    def lead_blocking() -> None:
        with stage.blocking().lead():
            wedge()

    with heard() as notices:
        thread = InThread(lead_blocking if front == "blocking" else lambda: asyncio.run(lead()))
        working.wait(30)
        stage.service.faults.add("renew", LoseRequest())
        stage.clock.advance(20)
        wait_until(lambda: "Overran" in kinds(notices))
        stage.clock.advance(20)
        may_end.set()
        with pytest.raises(Exception, match="lost"):
            thread.outcome()
    assert kinds(notices).count("Overran") == 1
    (text,) = [record.message for record in caplog.records if "runs on after" in record.message]
    assert "in wedge" in text


def test_two_elections_on_two_loops_do_not_disturb_each_other(stage: Stage) -> None:
    """Two threads, each with a loop of its own, share the one keeper."""
    may_end = threading.Event()

    async def lead(name: str) -> int:
        async with stage.election(name).lead() as tenure:
            await until(may_end.is_set)
            return tenure.token

    threads = [InThread(lambda name=name: asyncio.run(lead(name))) for name in ("e1", "e2")]  # type: ignore[misc]  # binds the loop's value
    wait_until(lambda: stage.leader("e1") == stage.leader("e2") == "a")
    may_end.set()
    assert [thread.outcome() for thread in threads] == [1, 1]


def _never(url: str) -> Any:
    raise AssertionError(f"{url} was connected to before")


@pytest.mark.parametrize("host", ["(none)", "-x", "host name", ""])
def test_every_host_has_a_candidates_name(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without a host name says `(none)`; that must not refuse whoever gave no name."""
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert Election("e", "memory://hosts").candidate.endswith(f"-{os.getpid()}")


@pytest.mark.parametrize("priority", [10**20, -(10**20), "high", 1.5, True])
def test_a_priority_that_nobody_can_order_is_refused(priority: Any) -> None:
    """Before it stands, not at each attempt."""
    with pytest.raises(ConfigurationError, match="priority"):
        Election("e", "memory://priorities", priority=priority)
