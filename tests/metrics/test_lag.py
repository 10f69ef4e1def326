"""How late loops are: what was answered, what has not been answered by now, and what is forgotten."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator

import pytest

from tenure import lag as lag_module
from tenure.lag import WINDOW_NS, Lag, lag_of, lags
from tests.election.stage import LIMIT_S, wait_until


class Time:
    """The monotonic clock, moved by the test."""

    def __init__(self) -> None:
        self.now_ns = 10**15

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """In the place of the module's clock."""
    time = Time()
    monkeypatch.setattr(lag_module, "time", time)
    return time


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    wait_until(loop.is_running)
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(LIMIT_S)
    loop.close()


def test_a_loop_that_does_not_turn_shows_at_once(time: Time, loop: asyncio.AbstractEventLoop) -> None:
    """The question that is not answered counts, and goes on counting; answered, it stays the worst for a while."""
    lag, wedged, go_on = Lag("owner", loop), threading.Event(), threading.Event()

    def wedge() -> None:
        wedged.set()
        go_on.wait(LIMIT_S)

    loop.call_soon_threadsafe(wedge)
    assert wedged.wait(LIMIT_S)
    lag.ask()
    for seconds in (1, 2):
        time.now_ns += 10**9
        assert (lag.silent_ns(), lag.worst_ns()) == (seconds * 10**9, seconds * 10**9)
        lag.ask()  # no second one is under way

    go_on.set()
    wait_until(lambda: lag.silent_ns() == 0)

    assert lag.worst_ns() == 2 * 10**9
    time.now_ns += WINDOW_NS
    assert lag.worst_ns() == 2 * 10**9
    time.now_ns += WINDOW_NS
    assert lag.worst_ns() == 0


def test_a_loop_that_nobody_runs_is_not_late(time: Time) -> None:
    """Between two `run_until_complete`, and after its end, no answer is owed."""
    loop = asyncio.new_event_loop()
    lag = Lag("owner", loop)
    lag.ask()
    time.now_ns += 10**12
    assert lag.silent_ns() == 0

    loop.close()
    lag.ask()
    Lag("owner", loop).ask()
    assert lag.worst_ns() == 0


def test_each_loop_has_one_lag_and_takes_it_along() -> None:
    """Asked for twice it is the same; a loop that is gone is in no list, and is not held by it."""
    loop = asyncio.new_event_loop()
    lag = lag_of(loop, "owner")
    assert lag_of(loop, "owner") is lag
    assert lag in lags()

    loop.close()
    del loop
    gc.collect()

    assert lag not in lags()
