"""At most one holds the grant, tokens only grow, and those who wait are elected in order."""

from __future__ import annotations

import asyncio
import string

import msgspec
import pytest

from tenure.backends.base import TOKEN_LIMIT
from tenure.errors import BackendRefused
from tests.contracts.stage import ELECTION, Stage


async def takes_floors(stage: Stage) -> bool:
    """Whether tokens can be lifted here; where they cannot, that is refused."""
    if stage.backend.capabilities.movable:
        return True
    with pytest.raises(BackendRefused):
        await stage.backend.floor(ELECTION, 50)
    return False


async def test_the_first_candidate_wins_and_leads(stage: Stage) -> None:
    """An election that nobody leads is won at once, and everybody sees who leads, with the token of the grant."""
    grant = await stage.win("a")

    leader = await stage.leader()
    assert leader is not None
    assert (leader.candidate, leader.token) == ("a", grant.granted.token)


async def test_nobody_wins_while_somebody_leads(stage: Stage) -> None:
    """With `once` a second candidate is told None, on the same backend and on another, and changes nothing."""
    grant = await stage.win("a")

    assert await stage.try_once("b") is None
    assert await stage.try_once("c", on=stage.other) is None

    leader = await stage.leader()
    assert leader is not None
    assert leader.token == grant.granted.token
    assert await stage.standing() == []


async def test_once_wins_where_nobody_leads(stage: Stage) -> None:
    """A single try wins a vacant election: one that is new, and one that was released."""
    first = await stage.try_once("a")
    assert first is not None
    await first.release()

    second = await stage.try_once("b", on=stage.other)
    assert second is not None
    assert second.granted.token > first.granted.token


async def test_two_attempts_under_one_name_exclude_each_other(stage: Stage) -> None:
    """A candidate's name is no identity: the same name cannot win twice, on one backend or on two."""
    await stage.win("a")

    assert await stage.try_once("a") is None
    assert await stage.try_once("a", on=stage.other) is None


async def test_exclusion_holds_under_contention(stage: Stage) -> None:
    """Of eight candidates on two backends that win and release as fast as they can, never two are inside at once."""
    inside: list[str] = []
    tokens: list[int] = []

    async def compete(name: str, number: int) -> None:
        for _ in range(6):
            grant = await stage.win(name, on=(stage.backend, stage.other)[number % 2])
            inside.append(name)
            assert inside == [name]
            tokens.append(grant.granted.token)
            await asyncio.sleep(0)
            inside.remove(name)
            await grant.release()

    await asyncio.gather(*(compete(f"c{number}", number) for number in range(8)))

    assert len(tokens) == 48
    assert tokens == sorted(set(tokens))


async def test_waiters_win_in_order_of_priority_then_arrival(stage: Stage) -> None:
    """`read` lists those who wait in the order in which they are then elected."""
    if not stage.backend.capabilities.ordered:
        return
    grant = await stage.win("leader")
    attempts = {
        name: await stage.stand(name, priority=priority, on=(stage.backend, stage.other)[number % 2])
        for number, (name, priority) in enumerate([("low1", 0), ("high1", 7), ("low2", 0), ("high2", 7), ("mid", 3)])
    }
    order = ["high1", "high2", "mid", "low1", "low2"]
    assert await stage.standing() == order

    for number, name in enumerate(order):
        await grant.release()
        grant = await attempts[name].won()
        assert await stage.standing() == order[number + 1 :]


async def test_a_newcomer_does_not_overtake_who_waits(stage: Stage) -> None:
    """Between a release and the election of the one who waited nobody of the same priority slips in."""
    if not stage.backend.capabilities.ordered:
        return
    grant = await stage.win("leader")
    for number in range(5):
        waiter = await stage.stand(f"waiter{number}", on=stage.other)
        await grant.release()

        newcomer = await stage.try_once("newcomer")

        assert newcomer is None
        grant = await waiter.won()


async def test_L22_waiters_of_one_priority_do_not_freeze_one_another(stage: Stage) -> None:
    """Ten candidates of the same priority all have their turn."""
    grant = await stage.win("leader")
    attempts = [await stage.stand(f"w{number}", priority=5) for number in range(10)]

    for _ in range(10):
        await grant.release()
        async with asyncio.timeout(20):
            done, _ = await asyncio.wait([attempt.task for attempt in attempts], return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        attempt = next(attempt for attempt in attempts if attempt.task in done)
        attempts.remove(attempt)
        grant = await attempt.won()


async def test_L17_tokens_grow_over_release_death_and_reopening(stage: Stage) -> None:
    """No tenure gets a token that is not above all before it, however the one before it ended."""
    tokens: list[int] = []
    for _ in range(3):
        grant = await stage.win("a")
        tokens.append(grant.granted.token)
        await grant.release()

    doomed = stage.connect()
    tokens.append((await stage.win("b", on=doomed)).granted.token)
    await stage.harness.crash(doomed)
    await stage.run_out()
    grant = await stage.win("c", on=stage.other)
    tokens.append(grant.granted.token)
    await grant.release()

    for backend in (stage.backend, stage.other):
        await backend.close()
    reopened = stage.connect()
    tokens.append((await stage.win("d", on=reopened)).granted.token)

    assert tokens == sorted(set(tokens))
    assert (await reopened.read(ELECTION)).token == tokens[-1]


async def test_token_of_a_killed_process_is_passed(stage: Stage) -> None:
    """When the process that leads is killed, the next one wins, with a greater token."""
    puppet = await stage.puppet("killed")
    token = await puppet.elected()
    waiter = await stage.stand("heir")
    await puppet.kill()
    await stage.run_out()

    grant = await waiter.won()

    assert grant.granted.token > token
    assert not grant.granted.clean


async def test_clean_tells_how_the_tenure_before_ended(stage: Stage) -> None:
    """The first tenure is clean, so is one after a release; one after a death is not, and the next is again."""
    first = await stage.win("a")
    await first.release()
    doomed = stage.connect()
    second = await stage.win("b", on=doomed)
    await stage.harness.crash(doomed)
    await stage.run_out()
    third = await stage.win("c")
    await third.release()
    fourth = await stage.win("d")

    assert [each.granted.clean for each in (first, second, third, fourth)] == [True, True, False, True]


async def test_L1_a_record_left_behind_is_never_taken_for_ones_own(stage: Stage) -> None:
    """A candidate whose namesake died, and whose record may still stand, does not lead by that record."""
    doomed = stage.connect()
    old = await stage.win("a", on=doomed)
    await stage.harness.crash(doomed)

    at_once = await stage.try_once("a")
    if stage.has_lease:
        assert at_once is None, "the dead leader's lease still runs: nobody else may lead"
    await stage.run_out()
    new = at_once if at_once is not None else await stage.win("a")

    assert new.granted.token > old.granted.token


async def test_L2_a_middle_waiter_that_leaves_elects_nobody(stage: Stage) -> None:
    """When one of those in between gives up, nobody wins by it, and the order of the others stays."""
    grant = await stage.win("leader")
    first, middle, last = [await stage.stand(name) for name in ("first", "middle", "last")]

    assert await middle.cancel() is None
    reading = await stage.chance()

    assert first.is_waiting
    assert last.is_waiting
    assert reading.leader is not None
    assert reading.leader.candidate == "leader"
    assert [each.candidate for each in reading.candidates] == ["first", "last"]
    await grant.release()
    await first.won()
    assert last.is_waiting


async def test_L3_a_grant_won_after_a_long_wait_is_whole(stage: Stage) -> None:
    """A candidate that waited for longer than a lease gets a full one, counted from a request sent after the wait."""
    grant = await stage.win("leader")
    waiter = await stage.stand("waiter")
    lease_s = stage.backend.capabilities.default_lease_s
    if lease_s is not None:
        for _ in range(8):
            await stage.harness.pass_time(lease_s / 4)
            await grant.renew()
    released_ns = stage.backend.clock.now_ns()
    await grant.release()

    won = await waiter.won()

    assert released_ns <= won.granted.sent_ns <= stage.backend.clock.now_ns()
    if lease_s is not None:
        await won.renew()


async def test_sent_ns_lies_between_call_and_answer(stage: Stage) -> None:
    """The instant from which a lease counts was read after the campaign began and before it was answered."""
    began_ns = stage.backend.clock.now_ns()
    grant = await stage.win("a")

    assert began_ns <= grant.granted.sent_ns <= stage.backend.clock.now_ns()


async def test_an_expired_lease_is_never_renewed(stage: Stage) -> None:
    """A grant whose lease has run out is gone even if nobody else was elected meanwhile."""
    from tenure.backends.base import Gone

    if not stage.has_lease:
        return
    grant = await stage.win("a")
    await stage.run_out()

    with pytest.raises(Gone):
        await grant.renew()
    assert await stage.leader() is None


async def test_a_renewed_lease_outlasts_the_first(stage: Stage) -> None:
    """A leader that renews goes on leading, and a renewal is for the length that it returns."""
    lease_s = stage.backend.capabilities.default_lease_s
    if lease_s is None:
        return
    grant = await stage.win("a")
    for _ in range(5):
        await stage.harness.pass_time(lease_s / 2)
        left_ns = await grant.renew()
        assert left_ns == grant.granted.lease_ns if stage.backend.capabilities.takes_leases else left_ns > 0
        assert await stage.try_once("b", on=stage.other) is None


async def test_the_grant_tells_its_lease(stage: Stage) -> None:
    """`granted.lease_ns` is the length that the capabilities name, or None where they name none."""
    grant = await stage.win("a")

    lease_s = stage.backend.capabilities.default_lease_s
    if stage.backend.capabilities.takes_leases:
        assert grant.granted.lease_ns == (None if lease_s is None else round(lease_s * 1e9))
    else:  # what is left of it: enough for the budget, of which a fifth is never spent
        assert lease_s is not None
        assert grant.granted.lease_ns is not None
        assert grant.granted.lease_ns > lease_s * 0.8e9


async def test_a_lease_that_was_asked_for_is_granted(stage: Stage) -> None:
    """A candidate may ask for another lease than the usual one; it is granted, renewed, and runs out by its length.
    Where it may not, it is refused.
    """
    lease_s = stage.backend.capabilities.default_lease_s
    if lease_s is None:
        return
    wanted_ns = round(lease_s * 3e9)
    candidate = msgspec.structs.replace(stage.candidate("a"), lease_ns=wanted_ns)
    if not stage.backend.capabilities.takes_leases:
        with pytest.raises(BackendRefused):
            await stage.campaign(candidate).won()
        return
    grant = await stage.campaign(candidate).won()

    assert grant.granted.lease_ns == wanted_ns
    assert await grant.renew() == wanted_ns
    await stage.harness.pass_time(lease_s * 2)
    assert await stage.try_once("b") is None
    await stage.harness.pass_time(lease_s * 1.1)
    assert await stage.try_once("b") is not None


async def test_L17_a_floor_lifts_every_later_token(stage: Stage) -> None:
    """After `floor` tokens are above it, on every backend, and other elections are not touched."""
    if not await takes_floors(stage):
        return
    await stage.backend.floor(ELECTION, 1_000_000)

    grant = await stage.win("a", on=stage.other)
    elsewhere = await stage.win("a", election="elsewhere")

    assert grant.granted.token > 1_000_000
    assert elsewhere.granted.token < 1_000_000
    await grant.release()
    assert (await stage.win("b")).granted.token > grant.granted.token


async def test_a_floor_is_refused_while_somebody_leads(stage: Stage) -> None:
    """`floor` under a leader is refused and changes nothing."""
    if not await takes_floors(stage):
        return
    grant = await stage.win("a")

    with pytest.raises(BackendRefused):
        await stage.other.floor(ELECTION, grant.granted.token + 100)

    await grant.release()
    assert (await stage.win("b")).granted.token < grant.granted.token + 100


async def test_a_floor_never_goes_back(stage: Stage) -> None:
    """A floor below the highest token is refused, and tokens go on from there."""
    if not await takes_floors(stage):
        return
    await stage.backend.floor(ELECTION, 50)
    grant = await stage.win("a")
    await grant.release()

    with pytest.raises(BackendRefused):
        await stage.backend.floor(ELECTION, 10)

    assert (await stage.win("b")).granted.token > grant.granted.token


async def test_no_token_is_above_the_largest(stage: Stage) -> None:
    """The largest token is given; after it everybody is refused, whoever waited and whoever comes, and nobody leads."""
    if not await takes_floors(stage):
        return
    await stage.backend.floor(ELECTION, TOKEN_LIMIT - 1)
    last = await stage.win("a")
    assert last.granted.token == TOKEN_LIMIT
    waiting = [await stage.stand("b", on=stage.other), await stage.stand("c", on=stage.other)]
    await last.release()

    for attempt in waiting:
        with pytest.raises(BackendRefused, match=f"{TOKEN_LIMIT} is the largest.*[Nn]obody was elected"):
            await attempt.won()
    with pytest.raises(BackendRefused, match=f"{TOKEN_LIMIT} is the largest"):
        await stage.try_once("d")

    await stage.until_vacant()
    assert (await stage.backend.read(ELECTION)).token == TOKEN_LIMIT


NAMES = (
    "a",
    "0",
    "A.b_c-d",
    "x" * 128,
    "a..b",
    "a-",
    "a.",
    "a.lock",
    "a.token",
    "lock",
    "CON",
    "0" + string.digits + string.ascii_letters + "._-",
)


@pytest.mark.parametrize("name", NAMES)
async def test_every_allowed_name_works(stage: Stage, name: str) -> None:
    """An election can bear every name that the rule for names allows."""
    grant = await stage.win("a", election=name)
    assert await stage.try_once("b", on=stage.other, election=name) is None
    await grant.release()
    again = await stage.win("b", on=stage.other, election=name)

    assert again.granted.token > grant.granted.token


async def test_elections_with_similar_names_are_apart(stage: Stage) -> None:
    """Names that differ in one character only, or in case, are different elections."""
    names = (*NAMES, "A", "b", "a.b", "a_b", "a-b", "a.B", "x" * 127)

    grants = [await stage.win("one", election=name) for name in names]

    leaders = [await stage.leader(name) for name in names]
    assert [leader and leader.token for leader in leaders] == [grant.granted.token for grant in grants]


async def test_a_hundred_elections_at_once(stage: Stage) -> None:
    """One backend carries a hundred elections concurrently, each led, contested, and handed on by itself."""
    names = [f"election-{number}" for number in range(100)]

    grants = await asyncio.gather(*(stage.win("a", election=name) for name in names))
    assert await asyncio.gather(*(stage.try_once("b", election=name) for name in names)) == [None] * 100
    await asyncio.gather(*(grant.release() for grant in grants))
    again = await asyncio.gather(*(stage.win("b", election=name) for name in names))

    assert all(new.granted.token > old.granted.token for old, new in zip(grants, again, strict=True))
