"""The two fronts: what is public, and that `tenure` and `tenure.blocking` are twins."""

from __future__ import annotations

import importlib
import inspect

import pytest

from tenure import blocking, election

ONLY_WITH_ASYNCIO = {("Tenure", "to_thread")}
"""A thread needs no other thread to run a blocking function in."""
ONLY_IN_THREADS = {("Watch", "next")}
"""What `anext` is with asyncio, with a time limit."""
FRONT = importlib.import_module("tenure")
TWINS = ["Candidacy", "Election", "Tenure", "Watch", "singleton"]


def methods(front: object, name: str) -> set[str]:
    """The public methods and properties of a class."""
    return {member for member in dir(getattr(front, name)) if not member.startswith("_")}


@pytest.mark.versions
@pytest.mark.parametrize("module", ["tenure", "tenure.blocking"])
def test_every_public_name_resolves(module: str) -> None:
    """What `__all__` lists is there, in order and once."""
    front = importlib.import_module(module)
    assert [name for name in front.__all__ if not hasattr(front, name)] == []
    assert len(front.__all__) == len(set(front.__all__))


def test_the_twin_has_the_names_of_what_is_not_shared() -> None:
    """Errors, views and the rest are imported from `tenure` in either case."""
    assert sorted(blocking.__all__) == TWINS
    assert set(TWINS) <= set(FRONT.__all__)


@pytest.mark.parametrize("name", [name for name in TWINS if name != "singleton"])
def test_both_fronts_have_the_same_methods(name: str) -> None:
    """Those who know one know the other; each difference is listed above with its reason."""
    only_asyncio = {(name, member) for member in methods(FRONT, name) - methods(blocking, name)}
    only_threads = {(name, member) for member in methods(blocking, name) - methods(FRONT, name)}
    assert only_asyncio == {pair for pair in ONLY_WITH_ASYNCIO if pair[0] == name}
    assert only_threads == {pair for pair in ONLY_IN_THREADS if pair[0] == name}


@pytest.mark.parametrize("method", ["__init__", "lead", "run", "stand", "watch", "ask_resign", "ask_transfer"])
def test_both_elections_take_the_same_arguments(method: str) -> None:
    """Names, order, kinds and defaults."""

    def arguments(front: type) -> list[tuple[str, object, object]]:
        parameters = inspect.signature(getattr(front, method)).parameters.values()
        return [(one.name, one.kind, one.default) for one in parameters]

    assert arguments(election.Election) == arguments(blocking.Election)


@pytest.mark.parametrize("front", [election, blocking], ids=["asyncio", "blocking"])
def test_every_public_method_has_a_docstring(front: object) -> None:
    """What a user may call says what it does."""
    missing = [
        f"{name}.{member}"
        for name in TWINS
        if name != "singleton"
        for member in methods(front, name)
        if hasattr(front, name) and callable(getattr(getattr(front, name), member))
        if not inspect.getdoc(getattr(getattr(front, name), member))
    ]
    assert missing == []


def test_the_twin_says_first_that_it_cannot_interrupt() -> None:
    """The warning stands in the first line, where nobody can miss it."""
    assert "cannot interrupt a thread" in (blocking.__doc__ or "").splitlines()[0]
