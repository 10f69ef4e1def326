"""How an election moves from one place to another, so that never both of them elect, wherever this is killed.

    1 win      lead in the old place: nobody else acts under it from now on
    2 shut     the new place says that the election is in the old one; its tokens go on above those of the old one
    3 retire   the old place says, in the tenure that was won, that the election is in the new one, and is let go
    4 open     the new place elects

At every instant one of the two is shut, or held by who moves it. Killed before 3 is durable, the election is where it
was, killed after it, nobody is elected anywhere until the same line was run again: it finds where it was interrupted,
since each place says where the election is. See docs/decisions.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Awaitable
from contextlib import aclosing, suppress
from typing import TypeVar

import msgspec

from tenure.backends import registry
from tenure.backends.base import Backend, Candidate, Gone, Grant, Leader, Moved
from tenure.cli.exits import Exit, Stop, code_of
from tenure.errors import BackendError, BackendUnreachable, ConfigurationError, NotElected
from tenure.holding.events import Transfer
from tenure.options import CALL_LIMIT_S

PRIORITY = 2**31 - 1
"""Nobody who stands goes before who moves the election."""
AGAIN_S = 0.1
"""Who could not be asked to hand over is asked again so much later."""

T = TypeVar("T")


class Moving(msgspec.Struct, frozen=True, kw_only=True):
    """What is moved: the election, the two places, and how long to wait for its leader."""

    election: str
    old: Backend
    new: Backend
    wait_s: float


class Arrived(msgspec.Struct, frozen=True, kw_only=True, rename={"from_url": "from", "to_url": "to"}):
    """What became of a move, as `-o json` prints it."""

    election: str
    from_url: str
    to_url: str
    token: int | None
    """Every later token is above this one; null where the election had moved before."""
    led: Leader | None
    """Who led in the old place and was asked to hand over; null where nobody did."""
    already: bool
    """Whether there was nothing left to do."""
    waited_ms: float


async def move(moving: Moving) -> Arrived:
    """Move the election, or finish a move that was interrupted.

    Raises NotElected where the leader has not handed over in time, Stop and BackendError where something is in the
    way; each says where the election is.
    """
    began_ns = time.monotonic_ns()
    led: list[Leader] = []
    try:
        grant = await win(moving, led)
    except Moved as moved:
        token = await _finish(moving, moved)
    else:
        token = await _hand_over(moving, grant)
    return Arrived(
        election=moving.election,
        from_url=moving.old.url,
        to_url=moving.new.url,
        token=token,
        led=led[-1] if led else None,
        already=token is None,
        waited_ms=(time.monotonic_ns() - began_ns) / 1_000_000,
    )


def same_place(one: str, other: str) -> bool:
    """Whether two URLs name one place, however they are written and whatever their options are."""
    return _place(one) == _place(other) != ""


# ---------------------------------------------------------------------------------------------------- the four steps


async def win(moving: Moving, led: list[Leader]) -> Grant:
    """Lead in the old place, by a candidate to whom whoever leads is asked to hand over; it is put into `led`."""
    candidate = Candidate(
        election=moving.election,
        name=f"tenure-move-{os.getpid()}-{os.urandom(4).hex()}",
        nonce=uuid.uuid4().hex,
        priority=PRIORITY,
        metadata={"host": socket.gethostname(), "pid": str(os.getpid())},
    )
    asking = asyncio.ensure_future(_ask(moving, candidate, led))
    try:
        async with asyncio.timeout(moving.wait_s or None):
            grant = await moving.old.campaign(candidate, once=not moving.wait_s)
    except TimeoutError:
        grant = None
    finally:
        asking.cancel()
    if grant is None:
        who = f"{led[-1].candidate} leads and has not handed over" if led else "somebody else leads"
        raise NotElected(moving.election, moving.wait_s, f"{who}; nothing has moved")
    return grant


async def shut(place: Backend, election: str, token: int, url: str, *, clean: bool) -> int:
    """Let `place` say that the election is at `url`; returns the floor that opens it."""
    return await _limited(place.shut(election, token, url, clean=clean))


async def retire(grant: Grant, url: str) -> None:
    """End the old place."""
    await _limited(grant.retire(url))


async def open_again(place: Backend, election: str, floor: int) -> None:
    """Let the new place elect."""
    await _limited(place.floor(election, floor))


# ------------------------------------------------------------------------------------------------------------ inside


async def _hand_over(moving: Moving, grant: Grant) -> int:
    token, clean = grant.granted.token, grant.granted.clean
    try:
        floor = await shut(moving.new, moving.election, token, moving.old.url, clean=clean)
        await retire(grant, moving.new.url)
    except BaseException as error:  # it goes on, in words where there are some; the grant must not stay behind
        await _give_back(grant)
        if isinstance(error, (BackendError, Gone)):
            raise Stop(code_of(error) or Exit.FAILURE, await _where(moving, error)) from error
        raise
    await _open(moving, floor)
    return floor


async def _finish(moving: Moving, moved: Moved) -> int | None:
    """Go on where an earlier move was interrupted; None where it was not."""
    if not same_place(moved.url, moving.new.url):
        raise moved
    try:
        await _limited(moving.new.read(moving.election))
    except Moved as back:
        if not same_place(back.url, moving.old.url):
            raise Stop(
                Exit.CONFIGURATION,
                f"{moving.election} moved on from {moving.new.url}, to {back.url}; move it from there",
            ) from back
    else:
        return None
    # Shut, not believed: whoever led there though it had moved away, by a lock file that was deleted, is noticed.
    token = await shut(moving.old, moving.election, moved.token, moving.new.url, clean=False)
    floor = await shut(moving.new, moving.election, token, moving.old.url, clean=False)
    await _open(moving, floor)
    return floor


async def _open(moving: Moving, floor: int) -> None:
    try:
        await open_again(moving.new, moving.election, floor)
    except BackendError as error:
        raise Stop(
            code_of(error) or Exit.FAILURE,
            f"{moving.election} has left {moving.old.url} and is not open at {moving.new.url} yet, so nobody is "
            f"elected: {error}. Run the same line again",
        ) from error


async def _ask(moving: Moving, candidate: Candidate, led: list[Leader]) -> None:
    """Ask each leader once to hand over to the candidate, as soon as that one stands."""
    asked = 0
    while True:
        with suppress(BackendError):  # the campaign meets the same, and tells it; a wish that was refused is left again
            async with aclosing(moving.old.watch(moving.election)) as readings:
                async for reading in readings:
                    leader = reading.leader
                    stands = any(each.candidate == candidate.name for each in reading.candidates)
                    if leader is not None and leader.token > asked and stands:
                        asked = (await _limited(moving.old.ask(moving.election, Transfer(candidate.name)))).token
                        led.append(leader)
        await asyncio.sleep(AGAIN_S)


async def _give_back(grant: Grant) -> None:
    with suppress(BackendError, Gone):  # then it ends with this process
        await _limited(grant.release(acted=False))


async def _where(moving: Moving, error: Exception) -> str:
    """What is so after a move that failed."""
    try:
        await _limited(moving.old.read(moving.election))
    except Moved:
        return f"it was not finished: {error}. Nobody is elected until the same line was run again"
    except BackendError:
        return f"{error}. Whether anything has moved cannot be seen; run the same line again"
    return f"nothing has moved, {moving.election} is at {moving.old.url}: {error}"


async def _limited(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(CALL_LIMIT_S):
            return await call
    except TimeoutError:
        raise BackendUnreachable(
            f"no answer within {CALL_LIMIT_S:g} s; what became of the request is unknown"
        ) from None


def _place(url: str) -> str:
    try:
        resolved = registry.resolve(url)
    except ConfigurationError:  # of another version, or not written by us
        return ""
    return os.path.realpath(resolved.path) if resolved.path is not None else resolved.url
