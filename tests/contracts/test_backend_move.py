"""Moving an election to another place: whoever leads retires it, and nobody is elected where it is not."""

from __future__ import annotations

import pytest

from tenure.backends.base import Backend, Gone, Moved
from tenure.errors import BackendRefused
from tenure.holding.events import Resign
from tests.contracts.stage import ELECTION, Stage

THERE = "lease:///another/place?lease=5s"


async def moved(stage: Stage, *, on: Backend | None = None) -> Moved:
    """What a campaign is told."""
    with pytest.raises(Moved) as told:
        await stage.win("late", on=on)
    return told.value


async def test_L17_nobody_is_elected_where_an_election_has_moved_away(stage: Stage) -> None:
    """Campaigns, single tries, readings, watches and wishes are refused with the new URL, on every connection."""
    grant = await stage.win("mover")

    await grant.retire(THERE)

    for backend in (stage.backend, stage.other, stage.connect()):
        told = await moved(stage, on=backend)
        assert told.url == THERE
        assert told.token >= grant.granted.token
        assert THERE in str(told)
        with pytest.raises(Moved):
            await stage.try_once("late", on=backend)
        with pytest.raises(Moved):
            await backend.read(ELECTION)
        with pytest.raises(Moved):
            await backend.ask(ELECTION, Resign())
        with pytest.raises(Moved):
            await stage.listen(backend.watch(ELECTION)).until_end()


async def test_L17_whoever_waits_where_an_election_moves_away_is_refused(stage: Stage) -> None:
    """All who stand are told, not only the first, and nobody of them is elected."""
    grant = await stage.win("mover")
    waiting = [await stage.stand(f"w{number}", on=on) for number, on in enumerate([stage.backend, stage.other] * 3)]

    await grant.retire(THERE)

    for attempt in waiting:
        with pytest.raises(Moved):
            await attempt.won()


async def test_a_watch_is_told_that_its_election_moves_away(stage: Stage) -> None:
    """It ends with the new URL, though nobody else comes or goes."""
    grant = await stage.win("mover")
    listener = stage.listen(stage.other.watch(ELECTION))
    await listener.until(lambda heard: heard[-1:] != [] and heard[-1].leader is not None)

    await grant.retire(THERE)

    with pytest.raises(Moved):
        await listener.until_end()


async def test_a_listing_still_has_what_moved_away(stage: Stage) -> None:
    """An election that has moved keeps its name, and the others are listed and led beside it."""
    await (await stage.win("mover")).retire(THERE)
    await stage.win("a", election="another")

    assert sorted(await stage.backend.elections()) == ["another", ELECTION]
    assert (await stage.backend.read("another")).leader is not None


async def test_L17_a_floor_opens_a_place_again_above_all_its_tokens(stage: Stage) -> None:
    """That is how an election comes back; without it even a place of higher tokens stays as it is."""
    grant = await stage.win("mover")
    await grant.retire(THERE)
    floor = await stage.backend.shut(ELECTION, grant.granted.token + 40, THERE, clean=True)
    await moved(stage)

    await stage.other.floor(ELECTION, floor)

    back = await stage.win("back")
    assert back.granted.token > floor >= grant.granted.token + 40


async def test_L17_a_place_that_is_shut_elects_nobody_and_goes_on_above(stage: Stage) -> None:
    """The first half of a move, in the new place: it says that the election is still in the old one."""
    floor = await stage.backend.shut(ELECTION, 7, THERE, clean=True)

    assert (await moved(stage)).url == THERE
    await stage.backend.floor(ELECTION, floor)
    assert (await stage.win("a")).granted.token > 7


async def test_L17_a_place_with_higher_tokens_of_its_own_keeps_them(stage: Stage) -> None:
    """The number that opens a shut place is above both histories."""
    tokens = []
    for _ in range(5):
        grant = await stage.win("earlier")
        tokens.append(grant.granted.token)
        await grant.release()

    floor = await stage.backend.shut(ELECTION, 2, THERE, clean=True)

    assert floor > max(tokens)
    await stage.backend.floor(ELECTION, floor)
    assert (await stage.win("a")).granted.token > floor


async def test_L17_who_shut_a_place_earlier_cannot_open_it(stage: Stage) -> None:
    """Of two that move an election at once, one that was overtaken does not open what the other one has shut."""
    first = await stage.backend.shut(ELECTION, 7, THERE, clean=True)
    second = await stage.other.shut(ELECTION, 7, "file:///a/third", clean=True)

    with pytest.raises(BackendRefused, match=r"back|must be from"):
        await stage.backend.floor(ELECTION, first)

    assert (await moved(stage)).url == "file:///a/third"
    await stage.other.floor(ELECTION, second)
    await stage.win("a")


async def test_a_place_is_not_shut_underneath_its_leader(stage: Stage) -> None:
    """Nothing is changed by the refusal."""
    grant = await stage.win("a")

    with pytest.raises(BackendRefused, match="lead"):
        await stage.other.shut(ELECTION, 100, THERE, clean=True)

    leader = await stage.leader()
    assert leader is not None
    assert leader.token == grant.granted.token


async def test_who_leads_no_more_moves_nothing(stage: Stage) -> None:
    """After its release, and after another one was elected: the election stays, and its leader too."""
    released = await stage.win("released")
    await released.release()
    with pytest.raises(Gone):
        await released.retire(THERE)
    deposed = await stage.win("deposed")
    await stage.harness.depose(ELECTION)
    successor = await stage.win("successor", on=stage.other)

    with pytest.raises(Gone):
        await deposed.retire(THERE)

    leader = await stage.leader()
    assert leader is not None
    assert leader.token == successor.granted.token
    await successor.release()
    await stage.win("next")


async def test_a_grant_that_has_retired_is_released_already(stage: Stage) -> None:
    """Releasing it does nothing, and opens nothing."""
    grant = await stage.win("mover")
    await grant.retire(THERE)

    await grant.release()
    await grant.release(acted=False)

    await moved(stage)


async def test_how_the_last_tenure_ended_moves_too(stage: Stage) -> None:
    """After a death in the old place the first one elected in the new place is told so."""
    for clean in (False, True):
        floor = await stage.backend.shut(ELECTION, 1, THERE, clean=clean)
        await stage.backend.floor(ELECTION, floor)
        grant = await stage.win("a")
        assert grant.granted.clean is clean
        await grant.release()


async def test_a_url_that_is_too_long_is_refused(stage: Stage) -> None:
    """Nothing has moved, and the leader still leads."""
    grant = await stage.win("mover")

    with pytest.raises(BackendRefused, match="4096"):
        await grant.retire("file:///" + "a" * 4096)

    assert await stage.leader() is not None
