"""The rules by which a node's authority becomes grants; each is taken away once, to see that its test notices.

On the contract suite's group of three nodes, whose clock is set forward by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tenure.backends.base import Backend, Candidate, Gone, Grant
from tenure.backends.member import Authority
from tenure.backends.member.board import Board
from tenure.backends.member.held import Held
from tenure.backends.member.notes import About, Again, History, Pulse, Said, Stand, codec
from tenure.core.codec import CodecError
from tenure.durations import NS_PER_S
from tenure.errors import BackendUnreachable
from tenure.holding.events import Deposed, Resign
from tests.contracts.member_group import Member, MemberHarness

Scene = Callable[["Group"], Coroutine[Any, Any, None]]
LIMIT_S = 20.0
ATTEMPTS = 3
SHORT_S = 0.5
"""For what ought not to happen."""


class Group:
    """The nodes, and a backend at each."""

    def __init__(self) -> None:
        self.harness = MemberHarness(Path())
        self.backends = [self.harness.connect() for _ in self.harness.members]
        self._numbers = iter(range(1000))

    async def win(self, at: int, election: str = "orders") -> Grant:
        async with asyncio.timeout(LIMIT_S):
            grant = await self.backends[at].campaign(self._candidate(at, election), once=False)
        assert grant is not None
        return grant

    def stand(self, at: int, election: str = "orders") -> asyncio.Task[Grant | None]:
        return asyncio.create_task(self.backends[at].campaign(self._candidate(at, election), once=False))

    def _candidate(self, at: int, election: str) -> Candidate:
        return Candidate(election=election, name="abc"[at], nonce=str(next(self._numbers)))

    def backend(self, at: int) -> Backend:
        return self.backends[at]

    def member(self, at: int) -> Member:
        return self.harness.members[at]

    def token(self, at: int) -> int:
        """Under which that node may act now; 0 for none."""
        held = self.member(at).node.driver.held
        return 0 if held is None else held[0]


def play(scene: Scene) -> None:
    """Let it happen on a group of its own."""

    async def main() -> None:
        group = Group()
        try:
            await scene(group)
        finally:
            await group.harness.close()

    asyncio.run(main())


async def heard(grant: Grant) -> object:
    """The first that its leader hears."""
    async with asyncio.timeout(LIMIT_S):
        async for news in grant.attend():
            return news
    raise AssertionError("it heard nothing")


async def is_quiet(task: asyncio.Task[Any]) -> bool:
    """Whether it does not end for a while."""
    done, _ = await asyncio.wait([task], timeout=SHORT_S)
    return not done


# The scenes


async def a_hanging_leader(group: Group) -> None:
    """Rule 2: whoever does not renew gives the group up, though its elector could go on."""
    grant = await group.win(0)
    waiting = group.stand(1)
    await group.harness.pass_time(group.member(0).node.elector.authority_ns * 1.2 / NS_PER_S)
    async with asyncio.timeout(LIMIT_S):
        won = await waiting
    assert won is not None
    assert won.granted.token > grant.granted.token
    with pytest.raises(Gone):
        await grant.renew()


async def two_elections(group: Group) -> None:
    """Rules 3 and 4: the second leader is told when the first releases, and keeps the token until it has let go."""
    first, second = await group.win(0, "orders"), await group.win(0, "reports")
    assert first.granted.token == second.granted.token
    waiting = group.stand(1, "orders")
    await first.release()
    assert await heard(second) == Resign()
    assert await is_quiet(waiting)
    assert await second.renew() > 0
    assert group.token(0) == first.granted.token
    await second.release()
    async with asyncio.timeout(LIMIT_S):
        won = await waiting
    assert won is not None
    assert won.granted.token > first.granted.token


async def a_released_election(group: Group) -> None:
    """Rule 1: the same candidate stands again while another election is held, and does not win under the old token."""
    first, other = await group.win(0, "orders"), await group.win(0, "reports")
    await first.release()
    again = group.stand(0, "orders")
    assert await is_quiet(again)
    await other.release()
    async with asyncio.timeout(LIMIT_S):
        won = await again
    assert won is not None
    assert won.granted.token > first.granted.token


async def an_operators_wish(group: Group) -> None:
    """Rule 3: a transfer that an operator asks of the node waits for the leader's body, too."""
    grant = await group.win(0)
    member = group.member(0)

    async def resign() -> None:
        member.node.resign()

    await member.thread.call(resign)
    assert await heard(grant) == Resign()
    assert group.token(0) == grant.granted.token
    assert await grant.renew() > 0
    await grant.release()
    async with asyncio.timeout(LIMIT_S):
        while group.token(0) == grant.granted.token:  # noqa: ASYNC110  an elector rings no bell
            await asyncio.sleep(0.001)


async def an_idle_leader(group: Group) -> None:
    """Rule 5: whichever node leads the group, whoever stands at another one is elected."""
    for at in (0, 1, 2, 0):
        await (await group.win(at)).release()


async def a_renewal(group: Group) -> None:
    """Rule 2: it vouches for no longer than the elector does at that instant."""
    grant = await group.win(0)
    for _ in range(50):
        held = group.member(0).node.driver.held
        before_ns = group.harness.clock.now_ns()
        left_ns = await grant.renew()
        after = group.member(0).node.driver.held
        assert held is not None
        assert after is not None
        assert left_ns <= after[1] - before_ns
        await asyncio.sleep(0.005)


async def a_lost_majority(group: Group) -> None:
    """Rule 6: a node alone knows of nobody who leads, once the authority that it knew of is over."""
    grant = await group.win(0)
    for at in (1, 2):
        await group.member(at).stop()
    group.harness.members = group.harness.members[:1]
    await group.harness.pass_time(group.member(0).node.elector.authority_ns * 1.2 / NS_PER_S)
    with pytest.raises(Gone):
        await grant.renew()
    assert isinstance(await heard(grant), Deposed)
    with pytest.raises(BackendUnreachable, match="no node of the group may act now"):
        await group.backend(0).read("orders")


SCENES: tuple[Scene, ...] = (
    a_hanging_leader,
    two_elections,
    a_released_election,
    an_operators_wish,
    an_idle_leader,
    a_renewal,
    a_lost_majority,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_rules_are_kept(scene: Scene) -> None:
    """What each scene's docstring says."""
    play(scene)


def _renew_later(self: Held) -> int:
    """A second more than the elector vouches for."""
    held = self._node.driver.held
    assert held is not None
    self.ends_ns = held[1]
    return held[1] + NS_PER_S - self._node.clock.now_ns()


MUTANTS: dict[str, tuple[Scene, Callable[[], Any]]] = {
    "a leader that hangs keeps the group": (
        a_hanging_leader,
        partial(patch.object, Held, "runs_out", return_value=False),
    ),
    "nobody tells the other leaders": (
        two_elections,
        partial(patch.object, Authority, "_end_the_others"),
    ),
    "an operator's wish goes past the leader": (
        an_operators_wish,
        partial(patch.object, Authority, "asked", return_value=False),
    ),
    "a node where nobody stands keeps the group": (
        an_idle_leader,
        partial(patch.object, Authority, "_give_way"),
    ),
    "a renewal adds a second": (a_renewal, partial(patch.object, Held, "renew", _renew_later)),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_rule_is_needed(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it taken away its scene fails, if not always: an election may do by chance what the rule would have done."""
    scene, without = MUTANTS[mutant]
    monkeypatch.setattr(f"{__name__}.LIMIT_S", 1.0)
    for _ in range(ATTEMPTS):
        try:
            with without():
                play(scene)
        except (AssertionError, TimeoutError, Gone):
            return
    pytest.fail(f"without this rule all is well, {ATTEMPTS} times: {mutant}")


# Notes


class Wire:
    """Two boards, and what goes between them; some of it is lost."""

    def __init__(self) -> None:
        self.boards = {1: self._board(1, 2), 2: self._board(2, 1)}
        self.is_cut = False

    def _board(self, me: int, other: int) -> Board:
        def post(to: int, note: bytes) -> bool:
            if not self.is_cut:
                spoken = codec.decode(note)
                assert isinstance(spoken, Said | Pulse | Again)
                self.boards[to].hear(me, spoken)
            return not self.is_cut

        return Board(me, lambda: [other], post)

    def seen(self) -> list[str]:
        """Who is seen by the second to stand at the first."""
        return sorted(stand.name for _, _, stand in self.boards[2].elsewhere("orders"))


def stand(name: str) -> Stand:
    """A candidate of that name."""
    return Stand(nonce=name, name=name, priority=0, metadata={}, since=0.0)


def test_what_was_lost_is_said_again() -> None:
    """A pulse tells that something is missing; what came and went meanwhile is not told of."""
    wire = Wire()
    board = wire.boards[1]
    board.stand("orders", stand("a"))
    assert wire.seen() == ["a"]
    wire.is_cut = True
    board.stand("orders", stand("b"))
    board.leave("orders", "a")
    board.stand("orders", stand("c"))
    board.leave("orders", "c")
    wire.is_cut = False
    assert wire.seen() == ["a"]
    board.pulse()
    assert wire.seen() == ["b"]


def test_a_peer_that_is_lost_is_forgotten_and_says_all_again() -> None:
    """Its candidates are gone until it is heard; the end of its last tenure is remembered."""
    wire = Wire()
    wire.boards[1].stand("orders", stand("a"))
    wire.boards[1].note("orders", History(7, clean=True))
    assert wire.boards[2].lost(1)
    assert wire.seen() == []
    assert wire.boards[2].history["orders"] == History(7, clean=True)
    wire.boards[1].pulse()
    assert wire.seen() == ["a"]


def test_of_two_histories_the_later_counts_and_of_one_tenure_its_end() -> None:
    """In whatever order they come."""
    begun, ended, later = History(7), History(7, clean=True, to="b"), History(8)
    for first, second, result in ((begun, ended, ended), (ended, begun, ended), (ended, later, later)):
        assert second.over(first) == result
        assert first.over(second) == result


@pytest.mark.parametrize("note", [b"", b"\x01", b"\x01\x91\xa4Said", b"\xff" * 40, codec.encode(Pulse(1, 2))[:-1]])
def test_what_is_no_note_is_refused(note: bytes) -> None:
    """The connection that it came on is closed for it."""
    with pytest.raises(CodecError):
        Authority().noted(2, note)


def test_a_note_of_an_election_is_read_as_it_was_written() -> None:
    """Every field of it."""
    said = Said(1, 2, 3, About("orders", (stand("a"),), History(7, clean=True, to="b")))
    assert codec.decode(codec.encode(said)) == said
