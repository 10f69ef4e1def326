"""`resign_on`: which signals it takes, and that it leaves every handler as it found it."""

from __future__ import annotations

import asyncio
import copy
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from tenure import ConfigurationError, NotElected, resign_on
from tenure.blocking import Tenure
from tests.election.stage import InThread, Stage, wait_until

pytestmark = pytest.mark.versions
UNCATCHABLE = [signal.SIGKILL, signal.SIGSTOP]


@pytest.fixture(autouse=True)
def _handlers_as_they_were() -> Iterator[None]:
    """Whatever a test does to them, the next one finds the usual handlers."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


def _theirs(number: int, frame: FrameType | None) -> None:
    del number, frame


@pytest.mark.parametrize("uncatchable", UNCATCHABLE)
def test_a_signal_that_nobody_can_catch_is_refused_and_nothing_is_changed(uncatchable: signal.Signals) -> None:
    """ConfigurationError; the handlers of the others, which were set already, are what they were."""
    signal.signal(signal.SIGUSR1, _theirs)
    with (
        pytest.raises(ConfigurationError, match="cannot be caught"),
        resign_on(signal.SIGUSR1, signal.SIGUSR2, uncatchable),
    ):
        raise AssertionError
    assert signal.getsignal(signal.SIGUSR1) is _theirs
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


def test_a_handler_that_is_not_pythons_does_not_break_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """`getsignal` says None of it, which `signal.signal` does not take: the default takes its place at the end."""
    real = signal.getsignal

    def getsignal(number: int) -> object:
        found = real(number)
        return None if number == signal.SIGUSR1 and found is signal.SIG_DFL else found

    monkeypatch.setattr(signal, "getsignal", getsignal)
    with resign_on(signal.SIGUSR1):
        assert callable(real(signal.SIGUSR1))
    assert real(signal.SIGUSR1) is signal.SIG_DFL


def test_the_inner_of_two_blocks_restores_the_outer() -> None:
    """Whoever leaves puts back what was there on entry."""
    with resign_on(signal.SIGUSR1):
        outer = signal.getsignal(signal.SIGUSR1)
        with resign_on(signal.SIGUSR1, signal.SIGUSR2):
            assert signal.getsignal(signal.SIGUSR1) is not outer
        assert signal.getsignal(signal.SIGUSR1) is outer
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


@pytest.mark.usefixtures("fresh_keeper")
def test_a_signal_that_came_to_both_blocks_does_the_third_time_what_it_did_before() -> None:
    """The inner block ends on the first, the outer one on the second: neither is set again by leaving the other."""
    signal.signal(signal.SIGUSR1, _theirs)
    seen: list[object] = []
    with pytest.raises(SystemExit) as caught, resign_on(signal.SIGUSR1):
        try:
            with resign_on(signal.SIGUSR1):
                try:
                    signal.raise_signal(signal.SIGUSR1)
                finally:
                    signal.raise_signal(signal.SIGUSR1)
        finally:
            seen.append(signal.getsignal(signal.SIGUSR1))
    assert caught.value.code == 128 + signal.SIGUSR1
    assert seen == [_theirs]
    assert signal.getsignal(signal.SIGUSR1) is _theirs


def test_a_handler_that_was_set_inside_the_block_is_left_alone() -> None:
    """It is somebody else's, who takes it away himself."""
    with resign_on(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, _theirs)
    assert signal.getsignal(signal.SIGUSR1) is _theirs


def test_in_a_coroutine_the_same_is_restored(stage: Stage) -> None:
    """The signal cancels the task; afterwards the handler is gone and the status is 128 + its number."""

    async def main() -> None:
        with resign_on(signal.SIGUSR1):
            async with stage.election().lead():
                signal.raise_signal(signal.SIGUSR1)
                await asyncio.get_running_loop().create_future()

    with pytest.raises(SystemExit) as caught:
        asyncio.run(main())
    assert caught.value.code == 128 + signal.SIGUSR1
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert stage.leader() is None


@pytest.mark.usefixtures("fresh_keeper")
@pytest.mark.parametrize("then", ["returns", "fails"])
def test_a_job_that_swallows_the_exit_ends_the_process_all_the_same(stage: Stage, then: str) -> None:
    """The status is 128 + the signal's number where the block ends, and nobody is elected again until then."""

    def job(tenure: Tenure) -> None:
        assert tenure.token == 1
        try:
            signal.raise_signal(signal.SIGUSR1)
        except SystemExit:
            if then == "fails":
                raise RuntimeError from None

    with pytest.raises(SystemExit) as caught, resign_on(signal.SIGUSR1):
        stage.blocking().run(job, backoff=(0, 0))
    assert caught.value.code == 128 + signal.SIGUSR1


@pytest.mark.usefixtures("fresh_keeper")
def test_another_error_out_of_the_block_goes_on(stage: Stage) -> None:
    """It tells more than the status would."""
    with pytest.raises(ZeroDivisionError), resign_on(signal.SIGUSR1), stage.blocking().lead():
        try:
            signal.raise_signal(signal.SIGUSR1)
        finally:
            raise ZeroDivisionError


@pytest.mark.usefixtures("fresh_keeper")
def test_who_is_withdrawn_by_a_signal_hears_that_and_not_to_wait_longer(stage: Stage) -> None:
    """Nobody waited for any time, and no time would help: the process ends."""
    with pytest.raises(SystemExit), resign_on(signal.SIGUSR1):
        with stage.blocking(candidate="first").lead():
            thread = InThread(lambda: stage.blocking().lead().__enter__())
            wait_until(lambda: stage.waiting() == ["a"])
            signal.raise_signal(signal.SIGUSR1)
    with pytest.raises(NotElected, match="was withdrawn: this process ends on signal") as caught:
        thread.outcome()
    assert caught.value.withdrawn
    assert "wait longer" not in str(caught.value)
    assert str(copy.copy(caught.value)) == str(caught.value)  # in the way of one that was pickled


def test_it_is_refused_off_the_main_thread() -> None:
    """Signals come to no other thread; no handler is touched."""

    def work() -> None:
        with resign_on(signal.SIGUSR1):
            raise AssertionError

    with pytest.raises(ConfigurationError, match="main thread"):
        InThread(work).outcome()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
