"""What a leader must hear: wishes bound to its token, and the end of its grant."""

from __future__ import annotations

import pytest

from tenure.backends.base import Gone
from tenure.errors import BackendRefused
from tenure.holding.events import Deposed, Resign, Transfer
from tests.contracts.stage import ELECTION, Stage


async def test_a_wish_reaches_the_leader_that_attends(stage: Stage) -> None:
    """A wish left through another backend is told to the leader, and the asker is told who that is."""
    grant = await stage.win("a")
    ear = stage.listen(grant.attend())
    await stage.chance()

    asked = await stage.other.ask(ELECTION, Resign())

    assert await ear.until(lambda heard: len(heard) > 0) == [Resign()]
    assert (asked.candidate, asked.token) == ("a", grant.granted.token)


async def test_a_wish_left_before_the_leader_attends_is_told(stage: Stage) -> None:
    """Wishes are durable: the leader hears it when it comes to attend."""
    grant = await stage.win("a")
    await stage.other.ask(ELECTION, Resign())

    ear = stage.listen(grant.attend())

    assert await ear.until(lambda heard: len(heard) > 0) == [Resign()]


async def test_a_wish_left_between_two_attendances_is_told(stage: Stage) -> None:
    """Whoever stops attending and attends again has missed nothing."""
    grant = await stage.win("a")
    await stage.stand("b")
    first = stage.listen(grant.attend())
    await stage.chance()
    await first.stop()
    await stage.other.ask(ELECTION, Transfer("b"))

    second = stage.listen(grant.attend())

    assert Transfer("b") in await second.until(lambda heard: len(heard) > 0)


async def test_a_later_wish_is_told_too(stage: Stage) -> None:
    """After one wish was heard, another that differs is told as well."""
    grant = await stage.win("a")
    await stage.stand("b")
    ear = stage.listen(grant.attend())
    await stage.other.ask(ELECTION, Resign())
    await ear.until(lambda heard: Resign() in heard)

    await stage.other.ask(ELECTION, Transfer("b"))

    await ear.until(lambda heard: Transfer("b") in heard)


async def test_a_wish_for_an_older_token_is_never_told(stage: Stage) -> None:
    """A wish ends with the tenure that it was for, though the same candidate leads again."""
    grant = await stage.win("a")
    await stage.other.ask(ELECTION, Resign())
    await grant.release()
    again = await stage.win("a")
    await stage.stand("b")
    ear = stage.listen(again.attend())
    await stage.chance()

    await stage.other.ask(ELECTION, Transfer("b"))

    assert await ear.until(lambda heard: len(heard) > 0) == [Transfer("b")]


async def test_asking_where_nobody_leads_is_refused(stage: Stage) -> None:
    """In an election that is unknown, and in one that was released; the wish does not wait for the next leader."""
    with pytest.raises(BackendRefused):
        await stage.backend.ask("never-heard-of", Resign())
    grant = await stage.win("a")
    await grant.release()

    with pytest.raises(BackendRefused):
        await stage.other.ask(ELECTION, Resign())

    ear = stage.listen((await stage.win("b")).attend())
    await stage.chance()
    assert await ear.stop() == []


@pytest.mark.parametrize("to", ["nobody-of-that-name", "leader"])
async def test_asking_for_a_transfer_to_who_does_not_stand_is_refused(stage: Stage, to: str) -> None:
    """Only a waiting candidate can be wished for, and the leader hears nothing of a refused wish."""
    grant = await stage.win("leader")
    await stage.stand("waiter")
    ear = stage.listen(grant.attend())

    with pytest.raises(BackendRefused):
        await stage.other.ask(ELECTION, Transfer(to))

    await stage.chance()
    assert await ear.stop() == []


async def test_the_end_of_the_grant_is_told(stage: Stage) -> None:
    """A leader whose grant was taken hears Deposed, and nothing after it; a lease is then renewed no more."""
    grant = await stage.win("a")
    ear = stage.listen(grant.attend())
    await stage.chance()

    await stage.harness.depose(ELECTION)

    heard = await ear.until_end()
    assert isinstance(heard[-1], Deposed)
    assert heard[-1].detail
    if stage.has_lease:
        with pytest.raises(Gone):
            await grant.renew()


async def test_the_end_of_the_grant_is_told_to_who_attends_later(stage: Stage) -> None:
    """Who comes to attend after its grant was taken hears that first of all."""
    grant = await stage.win("a")
    await stage.harness.depose(ELECTION)
    await stage.win("b", on=stage.other)

    heard = await stage.listen(grant.attend()).until_end()

    assert len(heard) == 1
    assert isinstance(heard[0], Deposed)


async def test_a_lease_that_runs_out_is_told(stage: Stage) -> None:
    """A leader that does not renew hears that its grant is gone, though nobody else stands."""
    if not stage.has_lease:
        return
    grant = await stage.win("a")
    ear = stage.listen(grant.attend())
    await stage.run_out()

    assert isinstance((await ear.until_end())[-1], Deposed)


async def test_attending_ends_when_it_is_closed(stage: Stage) -> None:
    """Closing the iterator ends it and touches the grant in no way."""
    grant = await stage.win("a")
    for _ in range(3):
        ear = stage.listen(grant.attend())
        await stage.chance()
        assert await ear.stop() == []

    leader = await stage.leader()
    assert leader is not None
    assert leader.token == grant.granted.token
