"""What is given as a fence and is none, or is a bad one: refused where it is given, or nothing begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenure import ConfigurationError, NotStamped, StaleToken
from tenure.fencing import FenceGate
from tests.election.stage import Stage
from tests.fencing.test_stamping import BOTH, Lead, Notes


class Coroutine:
    """A fence for asyncio, which is not what a fence is."""

    async def stamp(self, bearer: int, election: str, /) -> None: ...


@pytest.mark.parametrize("front", ["election", "blocking"])
def test_a_fence_written_as_a_coroutine_is_refused_where_it_is_given(stage: Stage, front: str) -> None:
    """Nobody would await it, so nothing would be stamped."""
    with pytest.raises(ConfigurationError, match=r"stamp\(\) is a coroutine.*write it with def"):
        getattr(stage, front)(fences=[Coroutine()])


@BOTH
def test_a_coroutine_that_only_the_call_shows_is_not_taken_as_stamped(stage: Stage, lead: Lead) -> None:
    """A wrapper hid it: it fails closed, and warns of nothing that was never awaited."""

    class Wrapper:
        def stamp(self, bearer: int, election: str, /) -> Any:
            return Coroutine().stamp(bearer, election)

    with pytest.raises(NotStamped, match=r"stamp\(\) is a coroutine"):
        lead(stage, Wrapper(), lambda _: pytest.fail("the body began"))


class Speechless(Exception):
    """It cannot say what it is, and fails as it is asked."""

    def __str__(self) -> str:
        raise ValueError("no words")


@BOTH
@pytest.mark.parametrize("error", [StaleToken(1, 9), Speechless()], ids=["stale", "speechless"])
def test_a_fence_that_cannot_say_what_it_is_fails_like_any_other(
    stage: Stage, lead: Lead, error: BaseException
) -> None:
    """At once, named by its class."""

    class Nameless(Notes):
        def __repr__(self) -> str:
            raise ValueError("no words")

    with pytest.raises(NotStamped, match=r"<Nameless> (has seen token 9|failed with Speechless: <Speechless>)"):
        lead(stage, Nameless(error), lambda _: pytest.fail("the body began"))


@pytest.mark.parametrize("front", ["election", "blocking"])
def test_what_cannot_be_stamped_is_refused_where_it_is_written(stage: Stage, front: str) -> None:
    """A gate given by itself, not in a list, or something else in the list."""
    with pytest.raises(ConfigurationError, match=r"fences=\[\.\.\.\] takes"):
        getattr(stage, front)(fences=[object()])
    with pytest.raises(ConfigurationError, match=r"fences=\[\.\.\.\] takes"):
        getattr(stage, front)(fences=FenceGate())


@pytest.mark.parametrize("path", [5, b"/tmp/x", "/tmp/a\0b", "", Path("/tmp/a\0b"), True], ids=repr)  # noqa: S108  never made
def test_a_gate_is_given_a_path_or_nothing(path: Any) -> None:
    """Nothing is guessed: the empty text would be the working directory, whichever that is."""
    with pytest.raises(ConfigurationError, match=r"FenceGate\(path\) takes the path of a directory"):
        FenceGate(path)
