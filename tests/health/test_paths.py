"""What each path answers, by what is so at that instant."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from contextlib import suppress

import pytest

from tenure import Health, LeadershipLost, Tenure
from tenure.backends.base import Candidate
from tenure.durations import NS_PER_S
from tenure.keeper import Keeper
from tenure.lag import lags
from tests.election.stage import LIMIT_S, InThread, Stage, hear, until, wait_until
from tests.metrics.stand_in import value
from tests.tidy.tree import ROOT

ALERTS = ROOT / "docs" / "operations" / "tenure-alerts.yml"


def answered(health: Health, target: str) -> int:
    """The status only."""
    return health.answer(target).status


def test_nobody_stands_yet(health: Health) -> None:
    """Alive and a standby, but not ready: it could not lead if it had to."""
    found = {path: answered(health, path) for path in ("/livez", "/readyz", "/leader", "/standby")}

    assert found == {"/livez": 200, "/readyz": 503, "/leader": 503, "/standby": 200}


def paths(health: Health) -> dict[str, int]:
    """The status of each path for which there are only two."""
    return {path: answered(health, path) for path in ("/livez", "/readyz", "/leader", "/standby")}


def test_a_leader_is_ready_and_no_standby(stage: Stage, health: Health) -> None:
    """And what it says of itself is its tenure."""

    async def main() -> int:
        async with stage.election().lead() as tenure:
            assert paths(health) == {"/livez": 200, "/readyz": 200, "/leader": 200, "/standby": 503}
            said = json.loads(health.answer("/leader").body)
            assert {**said, "remaining_s": tenure.remaining()} == {
                "election": "e",
                "leads": True,
                "candidate": "a",
                "token": tenure.token,
                "remaining_s": tenure.remaining(),
            }
            return tenure.token

    assert asyncio.run(main()) == 1


def test_a_standby_is_ready_and_no_leader(stage: Stage, health: Health) -> None:
    """Somebody else leads, in another process as far as this one can tell."""
    rival = Candidate(election="e", name="rival", nonce="n", lease_ns=15 * NS_PER_S)
    assert Keeper.current().call(stage.backend().campaign(rival, once=True), LIMIT_S).result() is not None

    async def main() -> None:
        async with stage.election().stand():
            await until(lambda: stage.waiting() == ["a"])
            assert paths(health) == {"/livez": 200, "/readyz": 200, "/leader": 503, "/standby": 200}

    asyncio.run(main())


def test_a_leader_whose_lease_has_run_out_answers_503_though_nobody_has_told_it(stage: Stage, health: Health) -> None:
    """The keeper's loop is held, so that no event comes; the clock alone has moved."""
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        let_go.wait(LIMIT_S)

    with suppress(LeadershipLost), stage.blocking().lead():
        assert answered(health, "/leader") == 200
        Keeper.current().soon(hold)
        assert held.wait(LIMIT_S)
        try:
            stage.clock.advance(15)
            assert (answered(health, "/leader"), answered(health, "/standby")) == (503, 200)
            assert 'tenure_is_leader{election="e",candidate="a"} 0' in health.answer("/metrics").body.decode()
        finally:
            let_go.set()


def test_the_alert_for_want_of_a_leader_fires_only_where_somebody_stands(stage: Stage, health: Health) -> None:
    """Not before the first tenure, not after the last, and not while one leads; but while one waits in vain."""

    (expression,) = re.findall(r"- alert: TenureNobodyLeads\n +expr: >-\n((?: {10}.*\n)+)", ALERTS.read_text("utf-8"))
    conditions = re.findall(r'max by \(election\) \((\w+)\{election!="_overflow"\}\) == (\d)', expression)
    assert expression.count("tenure_") == len(conditions) == 2

    def is_true() -> bool:
        text = health.answer("/metrics").body.decode()
        return all(value(text, name, election="e") == int(wanted) for name, wanted in conditions)

    async def main() -> None:
        assert not is_true()
        async with stage.election().lead():
            assert not is_true()
        await until(lambda: not is_true())
        rival = Candidate(election="e", name="rival", nonce="n", lease_ns=15 * NS_PER_S)
        assert Keeper.current().call(stage.backend().campaign(rival, once=True), LIMIT_S).result() is not None
        async with stage.election().stand():
            await until(is_true)
        await until(lambda: not is_true())

    asyncio.run(main())


def test_a_leader_that_lost_answers_503_at_once_though_its_body_runs_on(stage: Stage, health: Health) -> None:
    """A thread cannot be interrupted: it works on, and is no leader."""
    with suppress(LeadershipLost), stage.blocking().lead() as tenure:
        assert answered(health, "/leader") == 200
        stage.lose(tenure)
        assert (answered(health, "/leader"), answered(health, "/standby")) == (503, 200)


def test_who_resigned_answers_503_before_the_keeper_knows(stage: Stage, health: Health) -> None:
    """The handle's word counts, not the keeper's."""
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        let_go.wait(LIMIT_S)

    with suppress(LeadershipLost), stage.blocking().lead() as tenure:
        Keeper.current().soon(hold)
        assert held.wait(LIMIT_S)
        try:
            tenure.resign()
            assert answered(health, "/leader") == 503
        finally:
            let_go.set()


def test_of_several_elections_one_has_to_say_which(stage: Stage, health: Health) -> None:
    """With one there is no need to; a name that nobody stands for is not found."""

    async def main() -> None:
        async with stage.election("x").lead():
            assert answered(health, "/leader") == 200
            async with stage.election("y").lead() as inner:
                assert answered(health, "/leader") == answered(health, "/standby") == 400
                assert (answered(health, "/leader?election=x"), answered(health, "/standby?election=x")) == (200, 503)
                inner.resign()
                assert (answered(health, "/leader?election=y"), answered(health, "/standby?election=y")) == (503, 200)
                assert answered(health, "/leader?election=z") == answered(health, "/standby?election=z") == 404
                await until(lambda: asyncio.current_task().cancelling())  # type: ignore[union-attr]  # it is in a task

    with pytest.raises(Exception, match="resigned"):
        asyncio.run(main())


def test_a_process_that_ends_is_not_ready(stage: Stage, health: Health) -> None:
    """`resign_on` has said so; it is alive still, and leads until its clean-up is over."""
    with stage.blocking().lead():
        assert answered(health, "/readyz") == 200
        Keeper.resign_all("SIGTERM came")
        hear()
        assert paths(health) == {"/livez": 200, "/readyz": 503, "/leader": 200, "/standby": 503}
        assert b"SIGTERM came" in health.answer("/readyz").body
    Keeper.current().stop()  # in this one nobody would be elected any more


def test_an_owners_loop_that_does_not_turn_shows_in_livez(stage: Stage) -> None:
    """Whether it leads or not: the loop in which health was asked for is watched."""
    begun, go_on = threading.Event(), threading.Event()
    found: list[Health] = []

    async def main() -> None:
        async with Health(stall_after="200ms") as health:
            found.append(health)
            begun.set()
            go_on.wait(LIMIT_S)  # as a call does that should have been awaited
            await until(lambda: answered(health, "/livez") == 200)

    program = InThread(lambda: asyncio.run(main()))
    assert begun.wait(LIMIT_S)
    try:
        wait_until(lambda: answered(found[0], "/livez") == 503)
        assert b"owner's event loop has not turned" in found[0].answer("/livez").body
    finally:
        go_on.set()
    program.outcome()


def test_a_keeper_that_does_not_turn_shows_in_livez(stage: Stage) -> None:
    """Whatever blocks its thread: nothing is renewed then."""
    let_go = threading.Event()
    with Health(stall_after="200ms") as health:
        Keeper.current().loop.call_soon_threadsafe(let_go.wait, LIMIT_S)
        try:
            wait_until(lambda: answered(health, "/livez") == 503)
            assert b"keeper's event loop has not turned" in health.answer("/livez").body
        finally:
            let_go.set()
        wait_until(lambda: answered(health, "/livez") == 200)


def test_a_keeper_whose_thread_has_died_shows_in_livez(stage: Stage, health: Health) -> None:
    """By a defect, or an exception that no code expects; nobody starts it again."""
    keeper = Keeper.current()
    assert answered(health, "/livez") == 200
    keeper.loop.call_soon_threadsafe(keeper.loop.stop)
    try:
        wait_until(lambda: not keeper._thread.is_alive())  # noqa: SLF001  what it says of itself is the question
        assert answered(health, "/livez") == 503
        assert answered(health, "/readyz") == 503
    finally:
        Keeper._current = None  # noqa: SLF001  no other test shall find the dead one


def test_an_owner_that_is_silent_for_too_long_shows_in_livez(stage: Stage, health: Health) -> None:
    """A thread with `stall_after` that does not call `check()`: only the clock tells, and `check()` mends it."""
    with stage.blocking(stall_after=2).lead() as tenure:
        assert answered(health, "/livez") == 200
        stage.clock.advance(2.5)
        hear()
        assert answered(health, "/livez") == 503
        assert b"the owner of 'e' was silent" in health.answer("/livez").body
        tenure.check()
        stage.clock.advance(0.001)  # each move of this clock has owners asked
        hear()
        assert answered(health, "/livez") == 200


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("/", "GET", 404),
        ("/leader/", "GET", 404),
        ("/nothing", "POST", 404),
        ("/leader", "POST", 405),
        ("/metrics", "DELETE", 405),
        ("/livez", "HEAD", 200),
        ("/livez", "get", 405),
        ("/metrics?alias=client-go", "GET", 200),
        ("/metrics?alias=other", "GET", 400),
        ("http://anything/livez?x=y", "GET", 200),
        ("//[", "GET", 400),
        ("/leader?" + "&".join(["a=b"] * 11), "GET", 400),
        ("*", "GET", 404),
        ("", "GET", 404),
    ],
)
def test_what_makes_no_sense_has_its_status(health: Health, target: str, method: str, status: int) -> None:
    """Unknown paths 404, other methods 405, nonsense 400, and an error says so in words."""
    answer = health.answer(target, method)

    assert answer.status == status
    assert (b"error" in answer.body) == (status != 200)


def test_leaderless_time_is_seen_without_being_told(stage: Stage, health: Health) -> None:
    """A watch of its own: the leader is gone, nobody follows, and it counts."""

    def shown(name: str) -> float:
        lines = health.answer("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f'{name}{{election="e"}}'))

    async def main() -> Tenure:
        async with stage.election().lead() as tenure:
            await until(lambda: b'tenure_leaderless_seconds_total{election="e"}' in health.answer("/metrics").body)
            assert shown("tenure_leaderless_seconds_total") == 0
            return tenure

    asyncio.run(main())
    wait_until(lambda: shown("tenure_leaderless_seconds_total") > 0)
    before = shown("tenure_leaderless_seconds_total")
    wait_until(lambda: shown("tenure_leaderless_seconds_total") > before)


def test_the_lag_of_both_loops_is_measured(stage: Stage, health: Health) -> None:
    """Asked each second, without anybody who leads."""
    Keeper.current()

    async def main() -> None:
        async with Health():
            await until(lambda: b'loop="owner"' in health.answer("/metrics").body)
            await until(lambda: all(lag.worst_ns() > 0 for lag in lags() if lag._loop() is asyncio.get_running_loop()))  # noqa: SLF001  this test's own loop

    asyncio.run(main())
    assert b'tenure_loop_lag_seconds{loop="keeper"}' in health.answer("/metrics").body
