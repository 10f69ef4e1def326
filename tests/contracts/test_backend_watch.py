"""What a leader publishes, and what watchers see."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

import pytest

from tenure.backends.base import VALUE_LIMIT_BYTES, Reading
from tenure.errors import BackendRefused, StaleToken
from tests.contracts.stage import ELECTION, Stage

Condition = Callable[[list[Reading]], bool]


def leads(name: str | None) -> Condition:
    """The last reading shows that `name` leads, or with None that nobody does."""
    return lambda seen: bool(seen) and (seen[-1].leader.candidate if seen[-1].leader else None) == name


def value_is(value: str) -> Condition:
    """The last reading shows what the leader published."""
    return lambda seen: bool(seen) and seen[-1].leader is not None and seen[-1].leader.value == value


async def test_a_published_value_is_read_beside_the_leader(stage: Stage) -> None:
    """None before the first, then the last one; through every backend."""
    grant = await stage.win("a")
    leader = await stage.leader()
    assert leader is not None
    assert leader.value is None

    for value in ("first", "", "zweitens: ä\n\0 ☃"):
        await grant.publish(value)
        leader = await stage.leader()
        assert leader is not None
        assert (leader.candidate, leader.value) == ("a", value)


async def test_a_leader_has_led_since_it_was_elected(stage: Stage) -> None:
    """The wall time lies between the campaign's call and its answer, stays while it leads, and is new for the next."""
    last = None
    for name in ("a", "b"):
        before_s = time.time()
        grant = await stage.win(name)
        after_s = time.time()

        first = await stage.leader()
        await grant.publish("x")
        second = await stage.leader()

        assert first is not None
        assert second is not None
        assert first.since is not None
        assert before_s <= first.since <= after_s
        assert second.since == first.since != last
        last = first.since
        await grant.release()


async def test_a_value_belongs_to_its_leader(stage: Stage) -> None:
    """A new leader begins without a value, also when it bears the same name."""
    grant = await stage.win("a")
    await grant.publish("of the first tenure")
    await grant.release()
    await stage.win("a")

    leader = await stage.leader()
    assert leader is not None
    assert leader.value is None


async def test_a_value_of_the_limit_is_carried(stage: Stage) -> None:
    """Exactly the limit, in bytes, comes back whole."""
    grant = await stage.win("a")
    value = "ü" * (VALUE_LIMIT_BYTES // 2)

    await grant.publish(value)

    leader = await stage.leader()
    assert leader is not None
    assert leader.value == value


@pytest.mark.parametrize("value", ["x" * (VALUE_LIMIT_BYTES + 1), "ü" * (VALUE_LIMIT_BYTES // 2) + "x", "\ud800"])
async def test_a_value_that_cannot_be_kept_is_refused(stage: Stage, value: str) -> None:
    """One byte above the limit, or text that has no UTF-8, is refused; the value before it stays."""
    grant = await stage.win("a")
    await grant.publish("kept")

    with pytest.raises(BackendRefused):
        await grant.publish(value)

    leader = await stage.leader()
    assert leader is not None
    assert leader.value == "kept"


async def test_a_stale_leader_cannot_publish(stage: Stage) -> None:
    """When a newer leader was elected, publishing raises StaleToken with both tokens and changes nothing."""
    grant = await stage.win("a")
    await stage.harness.depose(ELECTION)
    successor = await stage.win("b", on=stage.other)
    await successor.publish("new")

    with pytest.raises(StaleToken) as caught:
        await grant.publish("old")

    assert (caught.value.token, caught.value.highest) == (grant.granted.token, successor.granted.token)
    leader = await stage.leader()
    assert leader is not None
    assert (leader.candidate, leader.value) == ("b", "new")


async def test_a_watcher_gets_a_snapshot_first(stage: Stage) -> None:
    """What is true when the watch begins comes at once, in an unknown election too."""
    grant = await stage.win("a")
    await grant.publish("v")

    known = stage.listen(stage.other.watch(ELECTION))
    unknown = stage.listen(stage.other.watch("never-heard-of"))

    (reading,) = (await known.until(lambda seen: len(seen) > 0))[:1]
    assert reading.leader is not None
    assert (reading.leader.candidate, reading.leader.value, reading.token) == ("a", "v", grant.granted.token)
    (vacant,) = (await unknown.until(lambda seen: len(seen) > 0))[:1]
    assert (vacant.leader, vacant.token, vacant.candidates) == (None, 0, ())


async def test_a_watcher_sees_every_kind_of_change(stage: Stage) -> None:
    """Election, value, a candidate that comes, one that goes, resignation, and the next election."""
    eye = stage.listen(stage.other.watch(ELECTION))
    await eye.until(leads(None))

    grant = await stage.win("a")
    await eye.until(leads("a"))
    await grant.publish("v")
    await eye.until(value_is("v"))
    waiter = await stage.stand("b")
    await eye.until(lambda seen: [each.candidate for each in seen[-1].candidates] == ["b"])
    await waiter.cancel()
    await eye.until(lambda seen: seen[-1].candidates == ())
    await grant.release()
    await eye.until(leads(None))
    await stage.win("c")
    await eye.until(leads("c"))


async def test_a_watcher_sees_a_leader_die(stage: Stage) -> None:
    """When the leader's process is killed the watcher sees that nobody leads, without anybody else's doing."""
    puppet = await stage.puppet("killed")
    await puppet.elected()
    eye = stage.listen(stage.other.watch(ELECTION))
    await eye.until(leads("killed"))

    await puppet.kill()
    await stage.run_out()

    await eye.until(leads(None))


async def test_a_watcher_never_sees_an_older_reading_after_a_newer(stage: Stage) -> None:
    """Tokens never go back, nor the values of one tenure, nor does an ended tenure return, whatever is merged."""
    eyes = [stage.listen(backend.watch(ELECTION)) for backend in (stage.backend, stage.other)]
    for round_ in range(5):
        grant = await stage.win(f"c{round_}", on=(stage.backend, stage.other)[round_ % 2])
        for number in range(10):
            await grant.publish(f"{number:04}")
            await asyncio.sleep(0)
        await grant.release()
    await stage.win("last")

    for eye in eyes:
        seen = await eye.until(leads("last"))
        tokens = [each.token for each in seen]
        assert tokens == sorted(tokens)
        values = [(each.leader.token, each.leader.value or "") for each in seen if each.leader]
        assert values == sorted(values)
        tenures = [
            token for token, _ in itertools.groupby(seen, lambda each: each.leader and each.leader.token) if token
        ]
        assert len(tenures) == len(set(tenures)), "a tenure that had ended was seen again"


async def test_a_watcher_is_not_told_the_same_twice(stage: Stage) -> None:
    """Each reading differs from the one before it."""
    eye = stage.listen(stage.other.watch(ELECTION))
    grant = await stage.win("a")
    for _ in range(3):
        await grant.publish("v")
        await eye.until(value_is("v"))
        await stage.chance()
    await grant.release()
    await stage.win("b")

    seen = await eye.until(leads("b"))

    assert all(before != after for before, after in itertools.pairwise(seen))


async def test_watchers_are_independent(stage: Stage) -> None:
    """Several watchers of one election all see a change; one that ends takes none of the others with it."""
    eyes = [stage.listen(backend.watch(ELECTION)) for backend in (stage.backend, stage.backend, stage.other)]
    for eye in eyes:
        await eye.until(leads(None))
    await eyes[0].stop()

    await stage.win("a")

    for eye in eyes[1:]:
        await eye.until(leads("a"))
    assert leads(None)(eyes[0].heard)


async def test_a_watcher_of_one_election_hears_nothing_of_another(stage: Stage) -> None:
    """Changes elsewhere wake nobody here."""
    eye = stage.listen(stage.other.watch(ELECTION))
    await eye.until(leads(None))
    grant = await stage.win("a", election="elsewhere")
    await grant.publish("v")
    await stage.chance()

    assert len(await eye.stop()) == 1
