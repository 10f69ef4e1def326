"""Each rule at the head of `tenure.testing.lab`, and what shows when it is taken away."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from tenure.blocking import Election
from tenure.errors import LeadershipLost
from tenure.testing import lab as steps
from tenure.testing.blocking import ElectionLab
from tenure.testing.lab import Lab


def _an_hour_with_renewals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 1: the clock stops wherever a renewal is due."""
    del monkeypatch
    with ElectionLab() as lab, Election("orders").lead() as tenure:
        lab.advance("1h")
        tenure.check()


def _a_thread_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 2: work that leaves as soon as the lab waits for it, and no sooner, has left in time."""
    waited = threading.Event()
    monkeypatch.setattr("tenure.testing.blocking.time", SimpleNamespace(sleep=lambda _: waited.set()))

    def work() -> None:
        with pytest.raises(LeadershipLost), Election("orders").lead() as tenure:
            tenure.wait_lost()
            waited.wait(30)

    with ElectionLab() as lab:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        lab.grant()
        lab.make_uncertain()
        waited.clear()
        lab.advance(60)
        waited.set()
        thread.join(30)


def _an_end_to_every_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 3: after the limit, on a clock that is moved here, a wait says what it waited for."""
    looks = itertools.count()

    def monotonic() -> int:
        look = next(looks)
        assert look < 200, "it waits without an end"
        return look

    with ElectionLab(limit=10) as lab:
        lab.lead_elsewhere("orders")
        monkeypatch.setattr("tenure.testing.lab.time", SimpleNamespace(monotonic=monotonic))
        with pytest.raises(AssertionError, match="waited 10 s of real time in vain"):
            lab.wait_standing()


def _nothing_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4: a body that was not left is an error of the test."""
    del monkeypatch
    with ExitStack() as stack:
        lab = stack.enter_context(ElectionLab())
        lead = Election("orders").lead()
        lead.__enter__()
        with pytest.raises(AssertionError, match="is not over"):
            stack.pop_all().close()
    assert lab.tokens() == (1,)
    with pytest.raises(LeadershipLost):
        lead.__exit__(None, None, None)


CHECKS = (_an_hour_with_renewals, _a_thread_that_takes_its_time, _an_end_to_every_wait, _nothing_is_left_over)


def _jump(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lab, "_next_ns", lambda *_: 2**63)


def _impatience(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(steps, "_is_caught", lambda *_: False)


def _patience_without_end(patch: pytest.MonkeyPatch) -> None:
    make = Lab.__init__
    patch.setattr(Lab, "__init__", lambda lab, **_: make(lab, limit=1e6))


def _carelessness(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lab, "_left_over", lambda _: [])


MUTANTS: tuple[Callable[[pytest.MonkeyPatch], None], ...] = (_jump, _impatience, _patience_without_end, _carelessness)


@pytest.mark.parametrize("check", CHECKS)
def test_a_rule_holds(check: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """With every rule in place each check passes."""
    check(monkeypatch)


@pytest.mark.parametrize(("mutant", "check"), list(zip(MUTANTS, CHECKS, strict=True)))
def test_a_rule_that_is_taken_away_is_missed(
    mutant: Callable[[pytest.MonkeyPatch], None],
    check: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without its rule a check fails."""
    mutant(monkeypatch)
    with pytest.raises((AssertionError, LeadershipLost, pytest.fail.Exception)):
        check(monkeypatch)
