"""Every fault does what it says, to the operation it was put in front of, as often as it was told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tenure.backends.base import Candidate, Gone, Grant, Reading
from tenure.backends.memory import (
    Delay,
    Duplicate,
    Fail,
    Fault,
    Faults,
    Hang,
    LoseAnswer,
    LoseRequest,
    MemoryBackend,
    MemoryService,
)
from tenure.clock import ManualClock
from tenure.errors import BackendRefused, BackendUnreachable, ConfigurationError, Reason
from tenure.holding.events import Deposed, Resign, Wish


class World:
    """A service on a clock that stands still, and two connections."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.service = MemoryService(clock=self.clock, patience=1.0)
        self.a = MemoryBackend(self.service)
        self.b = MemoryBackend(self.service)
        self.faults = self.service.faults
        self._made = 0

    def candidate(self, name: str, priority: int = 0) -> Candidate:
        self._made += 1
        return Candidate(election="e", name=name, nonce=f"n{self._made}", priority=priority)

    async def win(self, name: str = "a", on: MemoryBackend | None = None) -> Grant:
        grant = await (on or self.a).campaign(self.candidate(name), once=True)
        assert grant is not None
        return grant

    async def read(self) -> Reading:
        return self.service.read("e")

    def stand(self, name: str, on: MemoryBackend | None = None, priority: int = 0) -> asyncio.Task[Grant | None]:
        return asyncio.create_task((on or self.b).campaign(self.candidate(name, priority), once=False))


def played(test: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
    """Run a coroutine test on a world of its own."""

    def play() -> None:
        async def scene() -> None:
            async with asyncio.timeout(20):
                await test(World())

        asyncio.run(scene())

    play.__doc__ = test.__doc__
    return play


async def turns(number: int = 5) -> None:
    """Let everybody run who can: on a clock that stands still nothing else happens."""
    for _ in range(number):
        await asyncio.sleep(0)


@played
async def test_a_lost_request_never_reaches_the_service(world: World) -> None:
    """The caller is told BackendUnreachable, and nothing was done."""
    world.faults.add("campaign", LoseRequest(), times=1)

    with pytest.raises(BackendUnreachable):
        await world.win("a")

    assert world.service.requests["campaign"] == 0
    assert (await world.win("b")).granted.token == 1


@played
async def test_a_lost_answer_hides_what_was_done(world: World) -> None:
    """The service published, though its caller heard BackendUnreachable."""
    grant = await world.win()
    world.faults.add("publish", LoseAnswer(), times=1)

    with pytest.raises(BackendUnreachable):
        await grant.publish("done all the same")

    leader = (await world.read()).leader
    assert leader is not None
    assert leader.value == "done all the same"


@played
async def test_a_win_whose_answer_is_lost_is_given_back_by_its_nonce(world: World) -> None:
    """A campaign that failed with unknown outcome leaves no grant that nobody knows of."""
    world.faults.add("campaign", LoseAnswer(), times=1)

    with pytest.raises(BackendUnreachable):
        await world.win("a")

    assert (await world.read()).leader is None
    assert (await world.win("b")).granted.token == 2


@played
async def test_what_could_not_be_withdrawn_is_withdrawn_with_the_next_call(world: World) -> None:
    """If the withdrawal is lost too, the grant stands until this connection speaks again."""
    world.faults.add("campaign", LoseAnswer(), times=1)
    world.faults.add("withdraw", LoseRequest(), times=1)
    with pytest.raises(BackendUnreachable):
        await world.win("a")
    assert (await world.read()).leader is not None

    await world.a.read("e")

    assert (await world.read()).leader is None


@played
async def test_a_request_that_arrives_after_its_withdrawal_takes_nothing(world: World) -> None:
    """A campaign cancelled while its request was under way does not win when the request arrives."""
    world.faults.add("campaign", Delay(request_s=5.0), times=1)
    hasty = world.stand("hasty")
    await turns()
    hasty.cancel()
    await turns()

    world.clock.advance(6.0)

    reading = await world.read()
    assert world.service.requests["campaign"] == 1
    assert (reading.leader, reading.token, reading.candidates) == (None, 0, ())


@played
async def test_a_delayed_request_counts_from_before_it_left(world: World) -> None:
    """L10: `sent_ns` is read before the request leaves, however long that takes to arrive."""
    sent_ns = world.clock.now_ns()
    world.faults.add("campaign", Delay(request_s=5.0, answer_s=2.0), times=1)
    campaign = world.stand("slow")
    await turns()
    world.clock.advance(5.0)
    await turns()
    world.clock.advance(2.0)

    grant = await campaign

    assert grant is not None
    assert grant.granted.sent_ns == sent_ns


@played
async def test_a_delayed_renewal_arrives_though_its_caller_left(world: World) -> None:
    """A renewal that was abandoned under way still prolongs the lease, which harms nobody."""
    grant = await world.win()
    world.faults.add("renew", Delay(request_s=10.0), times=1)
    renewal = asyncio.create_task(grant.renew())
    await turns()
    renewal.cancel()
    await turns()
    world.clock.advance(10.0)
    world.clock.advance(10.0)

    assert (await world.read()).leader is not None
    world.clock.advance(5.0)
    assert (await world.read()).leader is None


@pytest.mark.parametrize("operation", ["campaign", "renew", "release", "read", "watch", "ask", "attend", "publish"])
@pytest.mark.parametrize("fault", [LoseRequest(), Fail(ZeroDivisionError("unclassified")), Fail(BackendRefused("no"))])
def test_every_operation_meets_its_fault(operation: str, fault: Fault) -> None:
    """A fault in front of an operation is raised from there, counted, spent, and the next call succeeds."""

    async def scene() -> None:
        world = World()
        grant = await world.win()

        async def act() -> object:
            match operation:
                case "campaign":
                    return await world.b.campaign(world.candidate("b"), once=True)
                case "renew":
                    return await grant.renew()
                case "release":
                    await grant.release()
                    return None
                case "read":
                    return await world.b.read("e")
                case "watch":
                    return await anext(world.b.watch("e"))
                case "ask":
                    return await world.b.ask("e", Resign())
                case "attend":
                    await world.b.ask("e", Resign())
                    return await anext(grant.attend())
                case _:
                    await grant.publish("v")
                    return None

        world.faults.add(operation, fault, times=1)
        expected = type(fault.error) if isinstance(fault, Fail) else BackendUnreachable
        with pytest.raises(expected):
            await act()
        await act()
        assert world.faults.count(operation) == world.faults.count() == world.faults.count(kind=type(fault)) == 1

    asyncio.run(scene())


@played
async def test_a_duplicate_changes_nothing(world: World) -> None:
    """Every operation is the same done twice: tokens, wishes and queue see one request."""
    world.faults.add("*", Duplicate())
    grant = await world.win()
    waiting = world.stand("b")
    await turns()
    assert [each.candidate for each in (await world.read()).candidates] == ["b"]
    await grant.renew()
    await grant.publish("v")
    await world.b.ask("e", Resign())
    ear = grant.attend()
    assert await anext(ear) == Resign()
    await grant.release()
    second = await waiting

    assert second is not None
    assert (grant.granted.token, second.granted.token) == (1, 2)
    heard = [item async for item in ear]
    assert [type(item) for item in heard] == [Deposed]


@played
async def test_a_hanging_call_ends_when_it_is_cancelled(world: World) -> None:
    """By itself it never ends; another call passes meanwhile."""
    grant = await world.win()
    world.faults.add("renew", Hang(), times=1)
    stuck = asyncio.create_task(grant.renew())
    await turns()
    assert await grant.renew() == grant.granted.lease_ns
    assert not stuck.done()

    stuck.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stuck


@played
async def test_a_stubborn_hang_survives_being_cancelled(world: World) -> None:
    """L9: it ends only when the faults are cleared, and then its late request arrives."""
    grant = await world.win()
    world.faults.add("publish", Hang(stubborn=True), times=1)
    stuck = asyncio.create_task(grant.publish("late"))
    for _ in range(3):
        await turns()
        stuck.cancel()
    await turns()
    assert not stuck.done()

    world.faults.clear()
    await stuck

    leader = (await world.read()).leader
    assert leader is not None
    assert leader.value == "late"


@played
async def test_an_answered_hang_has_done_its_part(world: World) -> None:
    """The service released, and its caller does not hear of it."""
    grant = await world.win()
    world.faults.add("release", Hang(answered=True), times=1)
    stuck = asyncio.create_task(grant.release())
    await turns()

    assert (await world.read()).leader is None
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)


@played
async def test_faults_are_chosen_by_candidate_election_and_connection(world: World) -> None:
    """A fault meets whom it was meant for, and nobody else."""
    world.faults.add("campaign", LoseRequest(), candidate="unlucky")
    world.faults.add("campaign", LoseRequest(), election="another")
    world.b.faults.add("campaign", LoseRequest())

    with pytest.raises(BackendUnreachable):
        await world.win("unlucky")
    with pytest.raises(BackendUnreachable):
        await world.win("lucky", on=world.b)
    await world.win("lucky")
    assert world.b.faults.count() == 1


def test_an_operation_that_does_not_exist_is_refused() -> None:
    """A misspelt fault would test nothing."""
    with pytest.raises(ConfigurationError):
        Faults().add("renewal", LoseRequest())


@played
async def test_a_revoked_grant_is_told_and_gone(world: World) -> None:
    """The leader hears Deposed with the reason; renewing is Gone; the next candidate wins, and it is not clean."""
    grant = await world.win()
    waiting = world.stand("b")
    await turns()
    world.service.revoke("e", Reason.BACKEND_GONE)

    heard = [item async for item in grant.attend()]
    assert [(item.reason) for item in heard if isinstance(item, Deposed)] == [Reason.BACKEND_GONE]
    with pytest.raises(Gone):
        await grant.renew()
    second = await waiting
    assert second is not None
    assert not second.granted.clean


@played
async def test_an_expired_session_ends_waiting_and_leading(world: World) -> None:
    """L19: who waits is told BackendUnreachable and is listed no more; who leads is deposed."""
    grant = await world.win()
    waiting = world.stand("b")
    await turns()
    world.service.expire("e", "b")
    with pytest.raises(BackendUnreachable):
        await waiting
    assert (await world.read()).candidates == ()

    world.service.expire("e", "a")
    with pytest.raises(Gone):
        await grant.renew()
    assert (await world.read()).leader is None


@played
async def test_L34_a_reset_takes_tokens_back_and_holds_the_next_win_until_the_longest_lease_is_over(
    world: World,
) -> None:
    """The old leader is told BACKEND_RESET and until when it is safe; nobody wins before that; tokens start anew."""
    await (await world.win()).release()
    grant = await world.win()
    now_ns = world.clock.now_ns()
    world.service.reset()

    (deposed,) = [item async for item in grant.attend()]
    assert isinstance(deposed, Deposed)
    assert (deposed.reason, deposed.until_ns) == (Reason.BACKEND_RESET, now_ns + 15_000_000_000)
    with pytest.raises(Gone):
        await grant.renew()
    waiting = world.stand("b")
    await turns()
    world.clock.advance(14.9)
    await turns()
    assert not waiting.done()
    world.clock.advance(0.2)
    won = await waiting
    assert won is not None
    assert (won.granted.token, won.granted.clean) == (1, False)


@played
async def test_L34_a_careless_reset_lets_the_next_win_at_once(world: World) -> None:
    """Without holding back there are two who believe: what tests of the holder need."""
    grant = await world.win()
    world.service.reset(hold_back=False)

    assert (await world.win("b")).granted.token == grant.granted.token


@played
async def test_a_paused_service_answers_nothing_and_then_everything(world: World) -> None:
    """While it is paused no call ends and no lease does; then first what ran out, then the requests."""
    grant = await world.win()
    world.service.pause()
    renewal = asyncio.create_task(grant.renew())
    reading = asyncio.create_task(world.b.read("e"))
    abandoned = asyncio.create_task(grant.publish("abandoned"))
    world.clock.advance(20.0)
    await turns()
    assert not renewal.done()
    assert not reading.done()
    abandoned.cancel()
    await turns()
    world.service.resume()

    with pytest.raises(Gone):
        await renewal
    assert (await reading).leader is None


@played
async def test_a_broken_connection_fails_what_waits_and_ends_nothing_held(world: World) -> None:
    """Waiting calls end with BackendUnreachable, the next call works, and the grant is still held."""
    grant = await world.win()
    waiting = world.stand("b", on=world.a)

    async def hear() -> Wish | Deposed:
        return await anext(grant.attend())

    hearing = asyncio.create_task(hear())
    await turns()
    world.a.break_connection()

    with pytest.raises(BackendUnreachable):
        await waiting
    with pytest.raises(BackendUnreachable):
        await hearing
    await grant.renew()
    reading = await world.a.read("e")
    assert reading.leader is not None
    assert reading.candidates == ()


@played
async def test_a_killed_connection_gives_nothing_back(world: World) -> None:
    """What a killed process held stays held until its lease has run out, and it can say nothing any more."""
    grant = await world.win()
    waiting = world.stand("b")
    await turns()
    world.a.kill()
    with pytest.raises(BackendUnreachable):
        await grant.release()
    world.clock.advance(14.9)
    await turns()
    assert not waiting.done()

    world.clock.advance(0.2)

    won = await waiting
    assert won is not None
    assert won.granted.token > grant.granted.token
