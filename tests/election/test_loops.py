"""Which loops an election can be used on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tenure import ConfigurationError, Election, Tenure
from tests.election.stage import Stage

USES: dict[str, Callable[[Election], Coroutine[Any, Any, object]]] = {
    "lead": lambda election: election.lead().__aenter__(),
    "run": lambda election: election.run(Tenure.wait_lost),
    "stand": lambda election: election.stand().__aenter__(),
    "watch": lambda election: election.watch().__aenter__(),
    "leader": lambda election: election.leader(),
    "candidates": lambda election: election.candidates(),
    "ask_resign": lambda election: election.ask_resign(),
    "ask_transfer": lambda election: election.ask_transfer("b"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_without_a_loop_of_asyncio_an_election_says_what_to_use(
    stage: Stage, use: Callable[[Election], Coroutine[Any, Any, object]]
) -> None:
    """As under trio, whose loop runs a coroutine by sending to it, and is none of asyncio's. Nothing is left behind."""
    with pytest.raises(ConfigurationError, match=r"for asyncio only.*use tenure\.blocking"):
        use(stage.election()).send(None)
    assert stage.waiting() == []
