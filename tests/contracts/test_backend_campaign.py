"""Waiting for election: who is listed, and what is left of a campaign that is given up."""

from __future__ import annotations

import asyncio

import pytest

from tenure.backends.base import METADATA_LIMIT_BYTES
from tenure.errors import BackendRefused
from tests.contracts.stage import ELECTION, Stage


async def test_a_candidate_is_listed_while_it_waits(stage: Stage) -> None:
    """`read` shows a waiting candidate with its priority and metadata, and the leader not among those who wait."""
    await stage.win("leader")
    candidate = stage.candidate("waiter", priority=3, metadata={"host": "h1", "größe": "ü"})
    stage.campaign(candidate)

    async def is_listed() -> bool:
        return bool(await stage.standing())

    await stage.until(is_listed, "the waiter is listed")
    (standing,) = (await stage.other.read(ELECTION)).candidates
    assert (standing.candidate, standing.priority) == ("waiter", 3)
    assert dict(standing.metadata) == {"host": "h1", "größe": "ü"}


async def test_the_winner_is_no_longer_listed_as_waiting(stage: Stage) -> None:
    """Once elected a candidate leads and waits no more; its metadata stands beside it."""
    first = await stage.win("first")
    candidate = stage.candidate("second", metadata={"host": "h2"})
    attempt = stage.campaign(candidate)
    await first.release()
    await attempt.won()

    reading = await stage.other.read(ELECTION)
    assert reading.leader is not None
    assert (reading.leader.candidate, dict(reading.leader.metadata)) == ("second", {"host": "h2"})
    assert reading.candidates == ()


async def test_a_cancelled_campaign_leaves_nothing(stage: Stage) -> None:
    """A candidate that gives up is listed no more, and is not elected by what happens afterwards."""
    grant = await stage.win("leader")
    attempt = await stage.stand("waiter")

    assert await attempt.cancel() is None

    async def is_gone() -> bool:
        return await stage.standing() == []

    await stage.until(is_gone, "the waiter is gone")
    await grant.release()
    await stage.until_vacant()
    assert (await stage.other.read(ELECTION)).token == grant.granted.token
    assert (await stage.win("next")).granted.token > grant.granted.token


async def test_L18_a_backend_is_used_again_after_a_cancelled_campaign(stage: Stage) -> None:
    """A campaign that was cancelled, and one that was finished, keep nobody from campaigning again."""
    grant = await stage.win("leader")
    for _ in range(3):
        await (await stage.stand("again")).cancel()
    attempt = await stage.stand("again")
    await grant.release()

    won = await attempt.won()
    await won.release()

    assert (await stage.win("again")).granted.token > won.granted.token


@pytest.mark.parametrize("turns", range(12))
async def test_cancelling_an_uncontended_campaign_at_any_point_gives_it_back(stage: Stage, turns: int) -> None:
    """A campaign cancelled after so many turns of the loop was won and is ours, or has left nothing behind. Some turns
    take time, for a backend that wins on another thread or elsewhere: the instants are what is varied.
    """
    attempt = stage.campaign(stage.candidate("hasty"))
    for _ in range(turns):
        await asyncio.sleep(0.0005 * (turns % 4))
    grant = await attempt.cancel()

    if grant is not None:
        await grant.release()
    await stage.until_vacant()
    await stage.win("next", on=stage.other)


@pytest.mark.parametrize("turns", range(12))
async def test_cancelling_while_winning_gives_it_back(stage: Stage, turns: int) -> None:
    """A waiter cancelled around the moment of its election holds the grant, or has given it back; the sleeps make the
    instants as above.
    """
    leader = await stage.win("leader")
    attempt = await stage.stand("hasty", on=stage.other)
    release = asyncio.create_task(leader.release())
    for _ in range(turns):
        await asyncio.sleep(0.0005 * (turns % 4))
    grant = await attempt.cancel()
    await release

    if grant is not None:
        await grant.release()
    await stage.until_vacant()
    await stage.win("next")


async def test_cancelling_the_first_waiter_hands_the_election_on(stage: Stage) -> None:
    """When the one that is about to win gives up, the one behind it wins."""
    leader = await stage.win("leader")
    first = await stage.stand("first")
    second = await stage.stand("second", on=stage.other)
    release = asyncio.create_task(leader.release())
    grant = await first.cancel()
    await release
    if grant is not None:
        await grant.release()

    await second.won()


async def test_a_waiter_that_is_killed_is_passed_over(stage: Stage) -> None:
    """A dead candidate is not elected, or not for long: the one behind it wins."""
    leader = await stage.win("leader")
    puppet = await stage.puppet("doomed")

    async def is_listed() -> bool:
        return await stage.standing() == ["doomed"]

    await stage.until(is_listed, "the puppet is listed")
    behind = await stage.stand("behind")
    await puppet.kill()
    await leader.release()
    await stage.run_out()

    await behind.won()

    async def is_gone() -> bool:
        return await stage.standing() == []

    await stage.until(is_gone, "the dead candidate is listed no more")


async def test_metadata_up_to_the_limit_is_carried(stage: Stage) -> None:
    """Metadata of exactly the limit, as JSON in UTF-8, comes back whole."""
    metadata = {"k": "v" * (METADATA_LIMIT_BYTES - len('{"k":""}'))}
    attempt = stage.campaign(stage.candidate("a", metadata=metadata))
    await attempt.won()

    leader = await stage.leader()
    assert leader is not None
    assert dict(leader.metadata) == metadata


async def test_metadata_above_the_limit_is_refused(stage: Stage) -> None:
    """One byte more is refused, in bytes and not in characters, and the candidate does not stand."""
    for filler in ("v" * METADATA_LIMIT_BYTES, "ü" * (METADATA_LIMIT_BYTES // 2)):
        with pytest.raises(BackendRefused):
            await stage.campaign(stage.candidate("a", metadata={"k": filler})).won()
    await stage.until_vacant()


async def test_an_election_that_nobody_stood_for_reads_as_vacant(stage: Stage) -> None:
    """No leader, token 0, no candidates; and reading makes nothing."""
    reading = await stage.backend.read("never-heard-of")

    assert (reading.leader, reading.token, reading.candidates) == (None, 0, ())


async def test_the_token_is_read_after_the_tenure_has_ended(stage: Stage) -> None:
    """The highest token given so far stays readable while nobody leads."""
    grant = await stage.win("a")
    await grant.release()

    reading = await stage.other.read(ELECTION)
    assert (reading.leader, reading.token) == (None, grant.granted.token)
