"""What every transport owes its driver: the promises of transports/base.py, for each implementation and loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tenure.core.codec import Malformed, TooLong
from tenure.errors import ConfigurationError
from tenure.transports.base import Limits
from tests.transports.stage import KINDS, Node, Stage, play, staged, until

Scene = Callable[[Stage], Awaitable[None]]
Play = Callable[[Scene], None]
UVLOOP = pytest.param("uvloop", marks=pytest.mark.needs("uvloop"))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which transport."""
    return str(request.param)


@pytest.fixture(params=["asyncio", UVLOOP])
def on(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Play:
    """Plays a scene on a stage of each kind, on each loop."""

    def run(scene: Scene) -> None:
        async def whole() -> None:
            async with staged(kind, tmp_path) as stage:
                await scene(stage)

        play(whole(), str(request.param))

    return run


def test_what_is_sent_arrives_once_whole_and_in_order(on: Play) -> None:
    """In both directions, whatever the sizes, from one byte to the longest."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        sizes = [1, 2, 100, 65_531, 65_532, 65_533, 70_000, 1 << 20, 3]
        sent = [bytes([number]) * size for number, size in enumerate(sizes)]
        for payload in sent:
            assert a.send(b, payload)
            assert b.send(a, payload)
        await until(lambda: len(b.notes.payloads(1)) == len(sent), "all arrived at b")
        await until(lambda: len(a.notes.payloads(2)) == len(sent), "all arrived at a")
        assert b.notes.payloads(1) == sent
        assert a.notes.payloads(2) == sent

    on(scene)


def test_a_life_is_announced_before_what_it_says(on: Play) -> None:
    """`connected` comes first, with the incarnation that speaks, and once."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        a.send(b, b"one")
        a.send(b, b"two")
        await until(lambda: len(b.notes.payloads(1)) == 2, "both arrived")
        assert b.notes.told == [("connected", 1, a.me.incarnation), ("received", 1, b"one"), ("received", 1, b"two")]

    on(scene)


def test_nothing_is_sent_to_whom_nobody_knows_or_reaches(on: Play) -> None:
    """`send` says that it dropped it."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.node("a"), await stage.node("b")
        assert not a.send(b, b"x")
        a.transport.know(
            3, "c", b.address if stage.kind == "memory" else b.address + ("0" if stage.kind == "unix" else "")
        )
        assert not a.transport.send(3, b"x")
        assert a.transport.reaches()[0].dropped == 1

    on(scene)


def test_a_payload_has_a_size_from_one_to_the_limit(on: Play) -> None:
    """Others are refused where they are sent, and nothing is closed for that."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair(Limits(frame_bytes=1000))
        with pytest.raises(TooLong, match="at most 1000"):
            a.send(b, bytes(1001))
        with pytest.raises(ValueError, match="nothing to send"):
            a.send(b, b"")
        assert a.send(b, bytes(1000))
        await until(lambda: b.notes.payloads(1) == [bytes(1000)], "the longest arrived")

    on(scene)


def test_what_waits_for_a_peer_is_bounded(on: Play) -> None:
    """Above the limit the newest is dropped, counted and said; what was taken arrives, and then there is room again."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair(Limits(frame_bytes=1000, queue_bytes=10_040))
        taken = [a.send(b, bytes([number]) * 1000) for number in range(12)]
        assert taken == [True] * 10 + [False] * 2
        assert a.transport.reaches()[0].dropped == 2
        assert a.transport.reaches()[0].waiting_bytes == 10_040
        await until(lambda: len(b.notes.payloads(1)) == 10, "what was taken arrived")
        await until(lambda: a.send(b, b"again"), "there is room again")
        await until(lambda: b.notes.payloads(1)[-1] == b"again", "that arrived")

    on(scene)


Row = tuple[str, dict[str, object], str, str]
REFUSALS: dict[str, Row] = {
    "another cluster": ("a", {"cluster": "invoices"}, "of another cluster", "cluster"),
    "other founders": ("a", {"founders": ("a", "b")}, "given other founders", "founders"),
    "no member": ("d", {"number": 9}, "is no member", "unknown"),
    "the number of another": ("c", {"number": 1}, "by another name", "name"),
    "the number of the one that it dials": ("a", {"number": 2}, "the same number", "namesake"),
}


@pytest.mark.parametrize("row", REFUSALS.values(), ids=REFUSALS.keys())
def test_who_is_no_member_is_refused_and_both_sides_say_why(on: Play, row: Row) -> None:
    """Nothing of it is handed over, it can send nothing, and one clear line stands in both logs."""
    name, wrong, line, trouble = row

    async def scene(stage: Stage) -> None:
        b = await stage.node("b")
        its_id = {} if "cluster" in wrong else {"cluster_id": b.me.cluster}
        stranger = await stage.node(name, **wrong, **its_id)  # type: ignore[arg-type]  # each row of the table fits
        b.transport.know(1, "a", stranger.address)
        wanted = 1 if stranger.me.number == 2 else 2
        stranger.transport.know(wanted, "b", b.address)
        await until(lambda: b.said(line), f"b says {line!r}")
        await until(lambda: stranger.said(line), f"the stranger says {line!r}")
        assert b.transport.counts[trouble] >= 1
        assert b.notes.told == []
        assert not stranger.transport.send(wanted, b"x")

    on(scene)


def test_who_reaches_another_node_than_it_wanted_is_told(on: Play) -> None:
    """A wrong address in a configuration is named, with the node that it belongs to."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.node("a"), await stage.node("b")
        b.know(a)
        a.transport.know(3, "c", b.address)
        line = "correct the address" if stage.kind != "tls" else "does not name tenure://orders/c"
        await until(lambda: a.said(line), "a is told")
        assert b.notes.told == []
        if stage.kind != "tls":  # there a does not even say hello to who shows the wrong certificate
            await until(lambda: b.said("looks for number 3"), "b says it, too")

    on(scene)


def test_a_peer_that_closes_is_lost_not_for_certain_and_found_again(on: Play) -> None:
    """Its next life is announced under its own incarnation, and both directions stand again."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        await b.transport.close()
        await until(lambda: a.notes.losses(2) == [(b.me.incarnation, False)], "b is lost")
        assert not a.reaches(b)
        again = await stage.node("b", place=b.address)
        again.know(a)
        await stage.joined(a, again)
        assert a.notes.lives(2) == [b.me.incarnation, again.me.incarnation]
        assert a.notes.losses(2) == [(b.me.incarnation, False)]
        assert a.send(again, b"hello again")
        await until(lambda: again.notes.payloads(1) == [b"hello again"], "what is sent arrives")

    on(scene)


def test_an_address_that_changes_is_dialled_at_once(on: Play) -> None:
    """The old connection ends, and what is sent goes to the new place."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        moved = await stage.node("b") if stage.kind != "memory" else await stage.node("b", place="elsewhere")
        moved.know(a)
        a.know(moved)
        await until(lambda: a.notes.lives(2)[-1:] == [moved.me.incarnation], "the new one is heard")
        await until(lambda: moved.notes.lives(1) == [a.me.incarnation], "the new one hears a")
        await until(lambda: a.send(moved, b"here"), "a reaches it")
        await until(lambda: moved.notes.payloads(1)[-1:] == [b"here"], "what is sent arrives there")
        assert b.notes.payloads(1) == []

    on(scene)


def test_who_is_forgotten_is_neither_heard_nor_reached(on: Play) -> None:
    """The receiver is not told of what it asked for itself."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        a.transport.forget(2)
        assert not a.send(b, b"x")
        told = list(a.notes.told)
        await until(lambda: b.said("is no member"), "b is refused from now on")
        assert a.notes.told == told
        assert a.transport.reaches() == []
        a.transport.forget(2)

    on(scene)


def test_a_number_and_a_name_belong_together_for_ever(on: Play) -> None:
    """What cannot be is refused when it is said."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.node("a"), await stage.node("b")
        a.know(b)
        with pytest.raises(ConfigurationError, match="for"):
            a.transport.know(2, "c", b.address)
        with pytest.raises(ConfigurationError, match="this node"):
            a.transport.know(1, "a", b.address)
        with pytest.raises(ConfigurationError, match="is no name"):
            a.transport.know(3, "-", b.address)
        with pytest.raises(ConfigurationError, match=r"address|path"):
            a.transport.know(3, "c", "")

    on(scene)


def test_what_the_receiver_cannot_use_closes_that_connection_alone(on: Play) -> None:
    """It is said once, with the reason; nothing behind it on that connection is handed over; others go on."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        c = await stage.node("c")
        c.know(a)
        a.know(c)
        await stage.joined(a, c)

        def refuse(_peer: int, payload: bytes) -> None:
            if payload == b"nonsense":
                raise Malformed("a message came that cannot be read")

        a.notes.on_received = refuse
        for payload in (b"good", b"nonsense", b"behind it"):
            b.send(a, payload)
        await until(lambda: a.notes.losses(2), "the connection is closed")
        assert a.notes.payloads(2) == [b"good", b"nonsense"]
        assert [line for line in a.lines if "cannot be read" in line and "'b'" in line]
        assert a.transport.counts["message"] == 1
        c.send(a, b"still here")
        await until(lambda: a.notes.payloads(3) == [b"still here"], "c is heard as before")
        assert a.notes.losses(3) == []
        await until(lambda: len(a.notes.lives(2)) == 2, "b comes back")

    on(scene)


def test_a_receiver_may_forget_and_send_from_within(on: Play) -> None:
    """What it does in a call takes effect at once, and nothing more of a forgotten peer is handed over."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()

        def act(peer: int, payload: bytes) -> None:
            if payload == b"echo":
                a.transport.send(peer, b"echoed")
            if payload == b"forget me":
                a.transport.forget(peer)

        a.notes.on_received = act
        for payload in (b"echo", b"forget me", b"behind it"):
            b.send(a, payload)
        await until(lambda: a.transport.reaches() == [], "b is forgotten")
        await until(lambda: b.said("is no member"), "b is refused")
        assert a.notes.payloads(2) == [b"echo", b"forget me"]

    on(scene)


def test_what_was_sent_before_close_arrives(on: Play) -> None:
    """The last words of a node that leaves, such as that it hands over, are not lost."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        for number in range(100):
            assert a.send(b, b"%d" % number)
        await a.transport.close()
        assert not a.send(b, b"late")
        await until(lambda: len(b.notes.payloads(1)) == 100, "all arrived")

    on(scene)


def test_after_close_nothing_is_told(on: Play) -> None:
    """Neither losses nor what comes late."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        told = list(a.notes.told)
        await asyncio.gather(a.transport.close(), b.transport.close())
        assert a.notes.told == told
        assert a.transport.reaches() == []

    on(scene)


def test_flush_sends_at_once(on: Play) -> None:
    """A driver that has no more to say in this turn need not wait for its end; the promise is that nothing is lost."""

    async def scene(stage: Stage) -> None:
        a, b = await stage.pair()
        a.send(b, b"one")
        a.transport.flush()
        a.send(b, b"two")
        a.transport.flush()
        a.transport.flush()
        await until(lambda: b.notes.payloads(1) == [b"one", b"two"], "both arrived")

    on(scene)


def test_the_three_of_a_cluster_hear_one_another(on: Play) -> None:
    """Each hears each, under its own number."""

    async def scene(stage: Stage) -> None:
        nodes: list[Node] = [await stage.node(name) for name in ("a", "b", "c")]
        for node in nodes:
            node.know(*(other for other in nodes if other is not node))
        for one in nodes:
            for other in nodes:
                if one is not other:
                    await stage.joined(one, other)
                    assert one.send(other, f"from {one.me.name}".encode())
        for one in nodes:
            for other in nodes:
                if one is not other:
                    await until(lambda o=one, n=other: o.notes.payloads(n.me.number), "it arrived")  # type: ignore[misc]  # mypy cannot infer defaults
                    assert one.notes.payloads(other.me.number) == [f"from {other.me.name}".encode()]

    on(scene)
