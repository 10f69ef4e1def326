"""Take away what the front answers a hazard with (L8, L11, L18), and a named test must fail; with the rule it passes.

The rules of `body` and of the keeper have theirs in `test_mutants`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import FrameType, MappingProxyType
from typing import Any, NamedTuple

import pytest

from tenure import Tenure, Unknown, View, views
from tenure import blocking as threaded
from tenure.announcer import Announcer, describe, level
from tenure.body import Body
from tenure.election import Candidacy
from tenure.errors import BackendUnreachable
from tenure.holding import events
from tenure.holding.holder import Holder
from tenure.holding.notices import Notice
from tenure.holding.phases import State
from tenure.keeper import Seat
from tenure.views import Lookout
from tests.election import test_announcer, test_blocking, test_body, test_keeper, test_reports, test_run, test_watch
from tests.election.stage import SlowHandler, Stage
from tests.holding import test_holder

MUTANT_LIMIT_S = 3.0
"""How long a mutant may hang before it counts as caught: what the test waits for never comes."""
REAL_LIMIT_S = 20.0
"""The same for a test that blocks its loop for three seconds: that is its claim."""


class Mutant(NamedTuple):
    """A rule, how to take it away, and the test that notices."""

    hazard: str
    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., None]
    arguments: Mapping[str, Any] = MappingProxyType({})
    limit_s: float = MUTANT_LIMIT_S


def renew_by_way_of_the_users_loop(patch: pytest.MonkeyPatch) -> None:
    """A renewal waits for a turn of the owner's loop before it leaves, instead of leaving from the keeper's own."""
    real = vars(Seat)["_renew"]

    async def renew(self: Seat, call: int) -> events.Event:
        ours = asyncio.get_running_loop()
        turned = ours.create_future()
        owner = self.owner
        assert isinstance(owner, Body)
        loop = owner._loop  # noqa: SLF001  a mutant wraps what it mutates
        assert loop is not None
        loop.call_soon_threadsafe(ours.call_soon_threadsafe, turned.set_result, None)
        await turned
        event: events.Event = await real(self, call)
        return event

    patch.setattr(Seat, "_renew", renew)


def tell_on_the_keepers_thread(patch: pytest.MonkeyPatch) -> None:
    """What happens is logged by whoever it happens to, at once."""
    log = logging.getLogger("tenure")

    def tell(self: Announcer, notice: Notice, cause: Exception | None = None) -> None:
        del self
        log.log(level(notice), "%s", describe(notice), exc_info=cause)

    patch.setattr(Announcer, "tell", tell)


def show_the_source_of_a_stack(patch: pytest.MonkeyPatch) -> None:
    """The offender's stack is told with its lines of source, which are read from the disk."""

    def stack(frame: FrameType | None) -> str:
        return "".join(traceback.format_stack(frame))

    patch.setattr("tenure.body.stack", stack)
    patch.setattr("tenure.post.stack", stack)


def never_say_unknown(patch: pytest.MonkeyPatch) -> None:
    """A watch shows what it has seen, and is silent while it sees nothing."""
    real = vars(Lookout)["_show"]

    def show(self: Lookout, view: View) -> None:
        if not isinstance(view, Unknown):
            real(self, view)

    patch.setattr(Lookout, "_show", show)


def never_doubt_a_watch(patch: pytest.MonkeyPatch) -> None:
    """A watch whose service answers is never begun anew, however much it has missed."""
    patch.setattr(views, "MISSES", 1_000_000)


def safe_until_it_is_lost(patch: pytest.MonkeyPatch) -> None:
    """A tenure whose renewals fail says that it is safe until its deadline has passed."""

    def state(self: Holder, now_ns: int) -> State:
        return State.SAFE if self.is_valid(now_ns) else State.LOST

    patch.setattr(Holder, "state", state)


def enter_a_used_lead(patch: pytest.MonkeyPatch) -> None:
    """A `lead()` that was used begins its body again, with the tenure that is over."""
    real = vars(Body)["__aenter__"]

    async def enter(self: Body) -> Tenure:
        if self._tenure is not None:
            return self._tenure
        tenure: Tenure = await real(self)
        return tenure

    patch.setattr(Body, "__aenter__", enter)


def enter_a_used_lead_of_threads(patch: pytest.MonkeyPatch) -> None:
    """The same of `tenure.blocking`."""
    body = type(threaded.Election("e", Stage().backend()).lead())
    real = vars(body)["__enter__"]

    def enter(self: Any) -> threaded.Tenure:
        tenure: threaded.Tenure = self._body._tenure or real(self)  # noqa: SLF001  a mutant wraps what it mutates
        return tenure

    patch.setattr(body, "__enter__", enter)


def enter_a_used_candidacy(patch: pytest.MonkeyPatch) -> None:
    """A candidacy that has ended is entered again, and nobody stands."""
    real = vars(Candidacy)["__aenter__"]

    async def enter(self: Candidacy) -> Candidacy:
        if self._task is not None:
            return self
        candidacy: Candidacy = await real(self)
        return candidacy

    patch.setattr(Candidacy, "__aenter__", enter)


MUTANTS = (
    Mutant(
        "L8",
        renew_by_way_of_the_users_loop,
        test_keeper.test_L8_renewals_go_on_while_the_users_loop_is_busy,
        limit_s=REAL_LIMIT_S,
    ),
    Mutant(
        "L8", tell_on_the_keepers_thread, test_announcer.test_L8_a_log_handler_that_blocks_does_not_delay_the_keeper
    ),
    Mutant(
        "L8",
        show_the_source_of_a_stack,
        test_reports.test_L8_the_report_of_an_overrun_reads_no_source_files,
        {"front": "asyncio"},
    ),
    Mutant(
        "L11",
        never_say_unknown,
        test_watch.test_L11_a_watch_that_fails_is_unknown_and_begun_anew,
        {"error": BackendUnreachable("cut")},
    ),
    Mutant("L11", never_doubt_a_watch, test_watch.test_L11_a_watch_that_misses_a_change_is_begun_anew),
    Mutant("L11", safe_until_it_is_lost, test_holder.test_L11_the_state_says_uncertain_instead_of_repeating_safe),
    Mutant("L18", enter_a_used_lead, test_body.test_L18_a_lead_object_is_used_once),
    Mutant("L18", enter_a_used_lead_of_threads, test_blocking.test_L18_a_lead_object_is_used_once),
    Mutant("L18", enter_a_used_candidacy, test_run.test_L18_a_candidacy_is_used_once),
)


@contextmanager
def slow_log() -> Iterator[SlowHandler]:
    """What the fixture of that name gives: a log that blocks everybody who writes to it."""
    handler = SlowHandler()
    log = logging.getLogger("tenure")
    before = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    try:
        yield handler
    finally:
        log.removeHandler(handler)
        handler.let_go.set()
        log.setLevel(before)


def run(mutant: Mutant, patch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The test of `mutant`, with fixtures of its own, on the plain loop, and with a limit."""
    runner = asyncio.run

    def limited_run(coroutine: Coroutine[Any, Any, Any], *, debug: bool | None = None) -> Any:
        async def limited() -> Any:
            async with asyncio.timeout(mutant.limit_s):
                return await coroutine

        return runner(limited(), debug=debug)

    def play(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return limited_run(main())

    patch.setattr(asyncio, "run", limited_run)
    patch.setattr("tests.election.stage.LIMIT_S", mutant.limit_s)
    patch.setattr("tenure.views.LOOK_EVERY_S", 0.01)
    patch.setattr("tenure.views.LOOK_LIMIT_S", 0.1)
    patch.setattr("tenure.views.RETRY_S", (0.005, 0.02))
    stage = Stage()
    with slow_log() if mutant.take_away is tell_on_the_keepers_thread else nullcontext() as log:
        offered = {"stage": stage, "play": play, "monkeypatch": patch, "caplog": caplog, "looks": None, "slow_log": log}
        wanted = inspect.signature(mutant.test).parameters
        mutant.test(**{name: value for name, value in offered.items() if name in wanted}, **mutant.arguments)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.hazard} {mutant.take_away.__name__}")
def test_without_its_rule_a_test_fails_and_with_it_passes(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The rule is patched away in the product's own class: the named test notices, by failing or by waiting in vain."""
    with monkeypatch.context() as patch:
        run(mutant, patch, caplog)
    caplog.clear()

    with monkeypatch.context() as patch:
        mutant.take_away(patch)
        with pytest.raises((AssertionError, TimeoutError, pytest.fail.Exception)):
            run(mutant, patch, caplog)
