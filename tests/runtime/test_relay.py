"""What one node hands on to another, while both of their connections stand; it is lost as soon as one breaks."""

from __future__ import annotations

import asyncio
from random import Random
from unittest import mock

import pytest

from tenure.algorithms.raft import Raft
from tenure.algorithms.raft.messages import OpenSession
from tenure.core.events import Answer
from tenure.runtime.operations import TellRoster
from tenure.runtime.relay import Desk, Relay
from tenure.runtime.way import AnswerLost, NotAsked
from tests.runtime.group import on_a_loop


def relay() -> tuple[Relay, list[bytes]]:
    """Of node 1, and what it sends."""
    sent: list[bytes] = []

    def send(_to: int, payload: bytes) -> bool:
        sent.append(payload)
        return True

    return Relay(Raft(1, (1, 2, 3), Random(1)), mock.create_autospec(Desk, instance=True), send), sent


def is_over(future: asyncio.Future[Answer]) -> bool:
    """Whether it was told that its answer is lost."""
    return future.done() and isinstance(future.exception(), AnswerLost)


@on_a_loop
async def test_nothing_is_handed_on_to_whom_nothing_is_heard_from() -> None:
    """Its answer would have no way back; and it is not sent."""
    one, sent = relay()
    for asked in (one.ask(2, OpenSession), one.operate(2, TellRoster(0))):
        with pytest.raises(NotAsked, match="no connection to node 2 and back"):
            await asked
    one.heard(2)
    one.lost(2)
    with pytest.raises(NotAsked):
        await one.ask(2, OpenSession)
    assert sent == []


@on_a_loop
async def test_an_answer_is_lost_with_the_connection_that_it_would_have_come_on() -> None:
    """Also where another takes its place and nobody says that it broke: what is asked then waits for its own answer."""
    one, _ = relay()
    one.heard(2)
    one.heard(3)
    first, other = one.ask(2, OpenSession), one.ask(3, OpenSession)
    one.heard(2)
    second = one.ask(2, OpenSession)
    assert is_over(first)
    assert not second.done()
    one.lost(2)
    assert is_over(second)
    assert not other.done()
    assert one.handed_on == 1
    other.cancel()
