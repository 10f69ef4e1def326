"""Take one rule of the front away, and a named test must fail; with the rule it passes.

The rules are those at the top of `body`, and the keeper's way to classify errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from types import MappingProxyType, SimpleNamespace, TracebackType
from typing import Any, NamedTuple

import pytest

from tenure import LeadershipLost, Reason, views
from tenure.backends.base import Gone, Grant
from tenure.backends.memory import LoseAnswer, LoseRequest
from tenure.body import Body, Pulse, Tenure
from tenure.errors import BackendRefused
from tenure.handle import Hold
from tenure.holding import events
from tenure.keeper import Seat
from tests.election import test_body, test_body_nested, test_keeper, test_run, test_watch
from tests.election.stage import Stage

MUTANT_LIMIT_S = 3.0
"""How long a mutant may hang before it counts as caught: what the test waits for never comes."""


class Mutant(NamedTuple):
    """A rule, how to take it away, and the test that notices."""

    rule: str
    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., None]
    arguments: Mapping[str, Any] = MappingProxyType({})


def cancel_from_the_keepers_thread(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: without `call_soon_threadsafe`; the loop is not woken, and the task is touched from another thread."""
    patch.setattr(Body, "told_to_stop", lambda self, reason: self._stop(reason))


def begin_whatever_was_won(patch: pytest.MonkeyPatch) -> None:
    """Rule 2: the tenure is not looked at again before its body starts."""

    async def campaign(self: Body, wait_s: float | None) -> Tenure | None:
        self._won = asyncio.get_running_loop().create_future()
        self._seat = self._options.seat(self)
        self._seat.stand(wait_s)
        grant = await self._won
        return Tenure(self, self._seat, grant, self._is_lost)

    patch.setattr(Body, "_campaign", campaign)


def leave_without_waiting_for_the_release(patch: pytest.MonkeyPatch) -> None:
    """Rule 3: the block is left while the service still thinks that this candidate leads."""

    async def released(self: Body) -> None:
        del self

    patch.setattr(Body, "_released", released)


def forget_cancellations_during_the_release(patch: pytest.MonkeyPatch) -> None:
    """Rule 3: what comes while the task waits for the release is dropped."""
    real = vars(Body)["_released"]

    async def released(self: Body) -> None:
        await real(self)
        assert self._task is not None
        while self._task.cancelling() > self._cancelling + self._cancels:
            self._task.uncancel()

    patch.setattr(Body, "_released", released)


def never_uncancel(patch: pytest.MonkeyPatch) -> None:
    """Rule 4: the count of the task's cancellations stays up."""
    real = vars(Body)["__aexit__"]

    async def leave(
        self: Body, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool:
        cancels, self._cancels = self._cancels, 0
        assert self._task is not None
        self._cancelling += cancels
        self._lost = self._lost or (self._tenure.reason if cancels and self._tenure else None)
        is_handled: bool = await real(self, kind, error, where)
        return is_handled

    patch.setattr(Body, "__aexit__", leave)


def believe_the_exception_that_was_seen(patch: pytest.MonkeyPatch) -> None:
    """Rule 4: a CancelledError after a loss is taken for one's own, whatever the count says."""
    real = vars(Body)["_let_out"]

    def let_out(self: Body, error: BaseException | None, cancelled: asyncio.CancelledError | None) -> bool:
        if isinstance(error, asyncio.CancelledError) and self._cancels and self._lost is not None:
            assert self._tenure is not None
            raise LeadershipLost(self._tenure.election, self._tenure.token, self._lost) from error
        return bool(real(self, error, cancelled))

    patch.setattr(Body, "_let_out", let_out)


def replace_the_bodys_own_error(patch: pytest.MonkeyPatch) -> None:
    """Rule 5: LeadershipLost covers whatever the body raised."""
    real = vars(Body)["_let_out"]

    def let_out(self: Body, error: BaseException | None, cancelled: asyncio.CancelledError | None) -> bool:
        if self._lost is not None and isinstance(error, Exception):
            assert self._tenure is not None
            raise LeadershipLost(self._tenure.election, self._tenure.token, self._lost) from error
        return bool(real(self, error, cancelled))

    patch.setattr(Body, "_let_out", let_out)


def let_a_body_that_swallowed_it_go(patch: pytest.MonkeyPatch) -> None:
    """Rule 5: a body that ended normally after the loss never hears of it."""
    real = vars(Body)["_let_out"]

    def let_out(self: Body, error: BaseException | None, cancelled: asyncio.CancelledError | None) -> bool:
        return False if error is None else bool(real(self, error, cancelled))

    patch.setattr(Body, "_let_out", let_out)


def tell_only_once(patch: pytest.MonkeyPatch) -> None:
    """A cancellation that was swallowed is not told again."""
    real = vars(Body)["_stop"]

    def stop(self: Body, reason: Reason) -> None:
        if not self._cancels:
            real(self, reason)

    patch.setattr(Body, "_stop", stop)


def leave_threads_behind(patch: pytest.MonkeyPatch) -> None:
    """`to_thread` is `asyncio.to_thread`: it leaves its thread behind when it is cancelled."""

    async def to_thread(self: Tenure, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        del self
        return await asyncio.to_thread(function, *args, **kwargs)

    patch.setattr(Tenure, "to_thread", to_thread)


def wait_for_inner_releases_for_ever(patch: pytest.MonkeyPatch) -> None:
    """An inner release that hangs takes more than the grace of the tenure around it."""
    patch.setattr(Body, "_is_pressed", lambda _: False)


def hold_the_loop(patch: pytest.MonkeyPatch) -> None:
    """A pulse keeps its loop, and what keeps the pulse is kept by that."""
    real = Pulse.__init__

    def init(self: Pulse, loop: asyncio.AbstractEventLoop) -> None:
        real(self, loop)
        self._loop = lambda: loop  # type: ignore[assignment]  # what a weak reference would be

    patch.setattr(Pulse, "__init__", init)


def _classify(patch: pytest.MonkeyPatch, change: Callable[[Exception], Exception]) -> None:
    """Let every error of a renewal or a campaign be taken for another one."""
    for name in ("_renew", "_campaign"):
        real = getattr(Seat, name)

        async def ask(self: Seat, *arguments: Any, real: Any = real) -> events.Event:
            try:
                event: events.Event = await real(self, *arguments)
            except Exception as error:
                raise change(error) from error
            return event

        patch.setattr(Seat, name, ask)


def unknown_is_definite(patch: pytest.MonkeyPatch) -> None:
    """What nobody classified ends the tenure (L6)."""
    _classify(patch, lambda error: Gone(str(error)))


def gone_is_unknown(patch: pytest.MonkeyPatch) -> None:
    """The service's word that the grant is gone is taken for a failure of the network."""
    _classify(patch, lambda error: OSError(str(error)))


def refused_is_unknown(patch: pytest.MonkeyPatch) -> None:
    """A refusal is tried again for ever."""
    _classify(patch, lambda error: OSError(str(error)) if isinstance(error, BackendRefused) else error)


def an_error_elects(patch: pytest.MonkeyPatch) -> None:
    """An error while campaigning is swallowed, and the candidate goes on as leader (L7)."""

    async def campaign(self: Seat, call: int, once: bool) -> events.Event:
        try:
            await self.backend.campaign(self._candidate, once=once)
        except Exception:  # noqa: BLE001  this is the mistake that is shown
            granted = events.Granted(token=99, sent_ns=self.clock.now_ns(), lease_ns=15_000_000_000)
            self.grant = self._grants[99] = _NoGrant(granted)
            return events.Won(call, granted)
        raise AssertionError

    patch.setattr(Seat, "_campaign", campaign)


def reuse_a_nonce(patch: pytest.MonkeyPatch) -> None:
    """Every attempt of one candidate has the same nonce, so that a withdrawn one is never elected."""
    patch.setattr("tenure.keeper.seat.os", SimpleNamespace(urandom=bytes))


def never_look(patch: pytest.MonkeyPatch) -> None:
    """A watch trusts the service's silence (L11)."""
    patch.setattr(views, "LOOK_EVERY_S", 3600.0)


def trust_the_scheduling(patch: pytest.MonkeyPatch) -> None:
    """The handle does not compare the clock but waits to be told (L28)."""

    def is_valid(self: Hold, for_s: float = 0) -> bool:
        del for_s
        return self._holder.reason is None

    patch.setattr(Hold, "is_valid", is_valid)


def announce_the_end_again_and_again(patch: pytest.MonkeyPatch) -> None:
    """An owner that is gone is told so at every event."""
    real = Seat.feed

    def feed(self: Seat, event: events.Event) -> None:
        self._ended = False
        real(self, event)

    patch.setattr(Seat, "feed", feed)


def assume_that_closed_loops_answer(patch: pytest.MonkeyPatch) -> None:
    """A tick that was queued before a loop was closed is waited for."""

    def ask(self: Pulse, seat: Seat) -> None:
        self._asking.append(seat)
        loop = self._loop()
        if not self._asked and loop is not None and not loop.is_closed():
            self._asked = True
            loop.call_soon_threadsafe(self._tick)

    patch.setattr(Pulse, "ask", ask)


class _NoGrant(Grant):
    """What somebody holds who was never elected."""

    def __init__(self, granted: events.Granted) -> None:
        self.granted = granted

    async def renew(self) -> int:
        return 15_000_000_000

    async def release(self, to: str | None = None, *, acted: bool = True) -> None:
        del to, acted

    async def attend(self) -> AsyncGenerator[events.Wish | events.Deposed, None]:
        await asyncio.get_running_loop().create_future()
        yield events.Resign()

    async def publish(self, value: str) -> None:
        del value


MUTANTS = [
    Mutant("1", cancel_from_the_keepers_thread, test_body.test_a_task_is_cancelled_by_its_own_thread_only),
    Mutant(
        "2",
        begin_whatever_was_won,
        test_body_nested.test_L3_a_tenure_lost_between_the_win_and_the_body_is_campaigned_on,
    ),
    Mutant(
        "3 waits",
        leave_without_waiting_for_the_release,
        test_body_nested.test_L5_the_block_is_left_only_when_the_release_was_answered,
    ),
    Mutant(
        "3 remembers",
        forget_cancellations_during_the_release,
        test_body_nested.test_the_outer_loss_during_the_release_of_the_inner_one_comes_out,
    ),
    Mutant("4 uncancels", never_uncancel, test_body.test_a_loss_cancels_the_body_and_comes_out_as_leadership_lost),
    Mutant(
        "4 counts",
        believe_the_exception_that_was_seen,
        test_body.test_an_outer_cancellation_in_the_same_turn_as_the_loss_wins,
        {"loss_first": True},
    ),
    Mutant("5 own error", replace_the_bodys_own_error, test_body.test_the_bodys_own_error_goes_on_with_a_note),
    Mutant(
        "5 swallowed",
        let_a_body_that_swallowed_it_go,
        test_body.test_a_body_that_swallows_the_cancellation_still_hears_of_the_loss,
    ),
    Mutant("again", tell_only_once, test_body.test_a_swallowed_cancellation_is_told_again_at_half_the_grace),
    Mutant("threads", leave_threads_behind, test_body.test_to_thread_is_not_left_before_its_function_has_ended),
    Mutant(
        "nested",
        wait_for_inner_releases_for_ever,
        test_body_nested.test_an_inner_release_that_hangs_is_left_to_the_keeper_inside_the_outers_grace,
    ),
    Mutant("pulse", hold_the_loop, test_keeper.test_L20_a_loop_that_led_is_let_go),
    Mutant(
        "unknown",
        unknown_is_definite,
        test_keeper.test_L6_one_transient_error_never_ends_a_tenure,
        {"fault": LoseRequest()},
    ),
    Mutant(
        "unknown, late",
        unknown_is_definite,
        test_keeper.test_L6_one_transient_error_never_ends_a_tenure,
        {"fault": LoseAnswer()},
    ),
    Mutant(
        "gone",
        gone_is_unknown,
        test_keeper.test_a_definite_error_of_a_renewal_ends_the_tenure_at_once,
        {"error": Gone("deleted"), "reason": Reason.DEPOSED},
    ),
    Mutant("refused", refused_is_unknown, test_run.test_errors_of_the_election_come_out_of_run),
    Mutant(
        "error",
        an_error_elects,
        test_run.test_L7_an_error_while_campaigning_never_elects,
        {"error": RuntimeError("a bug")},
    ),
    Mutant("nonce", reuse_a_nonce, test_run.test_L6_one_transient_error_never_ends_a_candidacy),
    Mutant("watch", never_look, test_watch.test_L11_a_service_that_is_silent_is_unknown, {"looks": None}),
    Mutant("clock", trust_the_scheduling, test_keeper.test_L28_a_suspended_machine_wakes_without_leadership),
    Mutant(
        "once",
        announce_the_end_again_and_again,
        test_keeper.test_a_loop_that_is_closed_gives_back_what_it_held,
        {"phase": "leading", "monkeypatch": None},
    ),
    Mutant(
        "closed",
        assume_that_closed_loops_answer,
        test_keeper.test_a_loop_that_is_closed_with_a_proof_in_its_queue_gives_back_too,
    ),
]


def run(mutant: Mutant, patch: pytest.MonkeyPatch) -> None:
    """The test of `mutant`, on a stage of its own and the plain loop."""

    def limited_run(coroutine: Coroutine[Any, Any, Any], *, debug: bool | None = None) -> Any:
        async def limited() -> Any:
            async with asyncio.timeout(MUTANT_LIMIT_S):
                return await coroutine

        with asyncio.Runner(debug=debug) as runner:
            return runner.run(limited())

    def play(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return limited_run(main())

    patch.setattr(asyncio, "run", limited_run)
    stage = Stage()
    arguments: dict[str, Any] = {"stage": stage, **mutant.arguments}
    if "play" in mutant.test.__annotations__:
        arguments["play"] = play
    if "monkeypatch" in arguments:
        arguments["monkeypatch"] = patch
    patch.setattr("tests.election.stage.LIMIT_S", MUTANT_LIMIT_S)
    if "looks" in arguments:
        patch.setattr("tenure.views.LOOK_LIMIT_S", 0.1)
        patch.setattr("tenure.views.RETRY_S", (0.005, 0.02))
        if views.LOOK_EVERY_S < 60:
            patch.setattr("tenure.views.LOOK_EVERY_S", 0.01)
    try:
        mutant.test(**arguments)
    finally:
        stage.service.faults.clear()
        stage.service.resume()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_without_its_rule_a_test_fails_and_with_it_passes(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is patched away in the product's own class: the named test notices, by failing or by waiting in vain."""
    with monkeypatch.context() as patch:
        run(mutant, patch)

    with monkeypatch.context() as patch:
        mutant.take_away(patch)
        with pytest.raises((Exception, BaseExceptionGroup, asyncio.CancelledError, pytest.fail.Exception)):
            run(mutant, patch)
