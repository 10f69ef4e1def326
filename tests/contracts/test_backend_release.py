"""Giving a grant back: at once, in favour of somebody, twice, and when it is gone."""

from __future__ import annotations

import pytest

from tenure.backends.base import Gone
from tenure.errors import BackendRefused, StaleToken
from tests.contracts.stage import ELECTION, Stage


async def test_a_release_lets_the_next_candidate_win(stage: Stage) -> None:
    """The next candidate is elected by the release itself: no time passes on the service's clock."""
    grant = await stage.win("a")
    waiter = await stage.stand("b", on=stage.other)

    await grant.release()

    assert (await waiter.won()).granted.clean
    leader = await stage.leader()
    assert leader is not None
    assert leader.candidate == "b"


async def test_a_release_in_favour_of_a_candidate_elects_it(stage: Stage) -> None:
    """`release(to)` prefers the named candidate, though others came earlier or have a higher priority."""
    if not stage.backend.capabilities.transfer:
        return
    grant = await stage.win("leader")
    earlier = await stage.stand("earlier")
    higher = await stage.stand("higher", priority=9)
    named = await stage.stand("named", on=stage.other)

    await grant.release(to="named")

    second = await named.won()
    assert earlier.is_waiting
    assert higher.is_waiting
    await second.release()
    await higher.won()


async def test_a_preference_lasts_for_one_election_only(stage: Stage) -> None:
    """After the named candidate was elected, the usual order counts again."""
    if not (stage.backend.capabilities.transfer and stage.backend.capabilities.ordered):
        return
    grant = await stage.win("leader")
    first = await stage.stand("first")
    named = await stage.stand("named")
    await grant.release(to="named")
    second = await named.won()
    again = await stage.stand("named")
    await second.release()

    await first.won()
    assert again.is_waiting


@pytest.mark.parametrize("to", ["nobody-of-that-name", "leader"])
async def test_a_release_in_favour_of_nobody_falls_back(stage: Stage, to: str) -> None:
    """If the named candidate does not stand, the next in order wins."""
    grant = await stage.win("leader")
    waiter = await stage.stand("waiter")

    await grant.release(to=to)

    await waiter.won()


async def test_a_release_in_favour_of_the_dead_falls_back(stage: Stage) -> None:
    """If the named candidate was killed while it waited, somebody else wins."""
    grant = await stage.win("leader")
    puppet = await stage.puppet("dead")

    async def is_listed() -> bool:
        return await stage.standing() == ["dead"]

    await stage.until(is_listed, "the puppet is listed")
    waiter = await stage.stand("waiter", on=stage.other)
    await puppet.kill()

    await grant.release(to="dead")
    await stage.run_out()

    await waiter.won()


async def test_releasing_twice_does_nothing(stage: Stage) -> None:
    """The second release neither fails nor ends the tenure of the one who leads by then."""
    grant = await stage.win("a")
    await grant.release()
    successor = await stage.win("b", on=stage.other)

    await grant.release()
    await grant.release(to="a")

    leader = await stage.leader()
    assert leader is not None
    assert leader.token == successor.granted.token
    assert await stage.try_once("c") is None


async def test_releasing_a_grant_that_is_gone_does_nothing(stage: Stage) -> None:
    """A deposed leader's release neither fails nor ends the tenure of its successor, nor makes it clean."""
    grant = await stage.win("a")
    await stage.harness.depose(ELECTION)
    successor = await stage.win("b", on=stage.other)

    await grant.release()

    assert not successor.granted.clean
    leader = await stage.leader()
    assert leader is not None
    assert leader.token == successor.granted.token
    assert await stage.try_once("c") is None


async def test_a_released_grant_can_do_nothing_any_more(stage: Stage) -> None:
    """After its release a grant is neither renewed nor used to publish."""
    grant = await stage.win("a")
    await grant.release()

    if stage.has_lease:
        with pytest.raises(Gone):
            await grant.renew()
    with pytest.raises((Gone, StaleToken, BackendRefused)):
        await grant.publish("too late")
    reading = await stage.other.read(ELECTION)
    assert reading.leader is None


async def test_what_nobody_acted_on_closes_nothing_but_itself(stage: Stage) -> None:
    """After a death every grant is unclean until one that was acted on is released, however many are given back."""
    await (await stage.win("first")).release()
    lost = stage.connect()
    await stage.win("dies", on=lost)
    await stage.harness.crash(lost)
    await stage.run_out()
    clean = []
    for acted in (False, False, True, False, True):
        grant = await stage.win("next")
        clean.append(grant.granted.clean)
        await grant.release(acted=acted)

    assert clean == [False, False, False, True, True]
