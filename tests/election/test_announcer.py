"""Telling the world: in order, without ever holding the keeper up."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from tenure import State, announcer, subscribe
from tenure.announcer import ANNOUNCER, QUEUE_LIMIT, Announcer, describe, level
from tenure.errors import Reason
from tenure.holding import notices
from tenure.holding.notices import Elected, Lost, Notice, Renewed
from tests.election.stage import SlowHandler, Stage, heard, kinds, settle, until, wait_until

KINDS = [kind for kind in vars(notices).values() if isinstance(kind, type) and issubclass(kind, Notice)]


@pytest.fixture
def slow_log() -> Iterator[SlowHandler]:
    """A log that blocks, as one on a full pipe does."""
    handler = SlowHandler()
    log = logging.getLogger("tenure")
    before = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    handler.let_go.set()
    log.setLevel(before)
    ANNOUNCER.flush(30)


def elected(number: int) -> Elected:
    """A notice that can be told from the others."""
    return Elected(election="e", candidate="a", at_ns=number, token=number, deadline_ns=None)


def test_a_life_is_told_in_order(stage: Stage) -> None:
    """Campaigning, elected, renewed, lost, released."""

    async def main() -> None:
        async with stage.election().lead():
            stage.clock.advance(3)
            await until(lambda: "Renewed" in kinds(told))

    with heard() as told:
        asyncio.run(main())
    assert kinds(told) == ["Campaigning", "Elected", "Renewed", "Released"]


def test_a_slow_subscriber_does_not_delay_the_keeper(stage: Stage) -> None:
    """It blocks on the first notice; the lease is renewed again and again meanwhile."""
    may_go_on = threading.Event()

    def wait(notice: Notice) -> None:
        del notice
        may_go_on.wait(30)

    end = subscribe(wait)

    async def main() -> None:
        async with stage.election().lead() as tenure:
            for _ in range(10):
                stage.clock.advance(3)
                await settle()
            await until(lambda: stage.service.requests["renew"] >= 10)
            assert tenure.state is State.SAFE

    asyncio.run(main())
    may_go_on.set()
    end()
    assert ANNOUNCER.flush(30)


def test_L8_a_log_handler_that_blocks_does_not_delay_the_keeper(stage: Stage, slow_log: SlowHandler) -> None:
    """The same with the log: whatever the keeper says, it waits for nobody to write it down."""

    async def main() -> None:
        async with stage.election().lead() as tenure:
            await until(slow_log.blocked.is_set)
            for _ in range(10):
                stage.clock.advance(3)
                await settle()
            await until(lambda: stage.service.requests["renew"] >= 10)
            assert tenure.is_valid()

    asyncio.run(main())


def test_too_many_notices_drop_the_oldest_and_say_so(caplog: pytest.LogCaptureFixture) -> None:
    """The queue is bounded; the newest are told, in order, and how many went is logged."""
    own = Announcer()
    told: list[Notice] = []
    busy, may_go_on = threading.Event(), threading.Event()

    def slowly(notice: Notice) -> None:
        busy.set()
        may_go_on.wait(30)
        told.append(notice)

    own.subscribe(slowly)
    own.tell(elected(0))
    busy.wait(30)
    for number in range(1, QUEUE_LIMIT + 6):
        own.tell(elected(number))
    may_go_on.set()
    assert own.flush(60)
    assert [notice.at_ns for notice in told] == [0, *range(6, QUEUE_LIMIT + 6)]
    assert "5 notices were dropped" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_a_subscriber_that_fails_harms_nobody(error: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """Its error is logged with the traceback; the next subscriber and the next notice are told."""
    own = Announcer()
    told: list[Notice] = []

    def fail(notice: Notice) -> None:
        raise error("of the subscriber")

    own.subscribe(fail)
    own.subscribe(told.append)
    own.tell(elected(1))
    own.tell(elected(2))
    assert own.flush(30)
    assert [notice.at_ns for notice in told] == [1, 2]
    assert caplog.text.count(f"{error.__name__}: of the subscriber") == 2


def test_a_log_handler_that_raises_does_not_end_the_telling(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Later notices are told to subscribers all the same."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            del record
            raise OSError("no space left")

    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    handler = Broken()
    logging.getLogger("tenure").addHandler(handler)
    own = Announcer()
    told: list[Notice] = []
    own.subscribe(told.append)
    caplog.set_level(logging.DEBUG, logger="tenure")
    try:
        own.tell(elected(1))
        own.tell(elected(2))
        assert own.flush(30)
    finally:
        logging.getLogger("tenure").removeHandler(handler)
    assert [notice.at_ns for notice in told] == [1, 2]


def test_unsubscribing_ends_it() -> None:
    """The returned function ends that subscription only, and may be called twice."""
    own = Announcer()
    one: list[Notice] = []
    other: list[Notice] = []
    end = own.subscribe(one.append)
    own.subscribe(other.append)
    own.tell(elected(1))
    assert own.flush(30)
    end()
    end()
    own.tell(elected(2))
    assert own.flush(30)
    assert [notice.at_ns for notice in one] == [1]
    assert [notice.at_ns for notice in other] == [1, 2]


def test_nothing_is_queued_for_nobody() -> None:
    """Without subscribers, below the log's level, no thread is started."""
    own = Announcer()
    own.tell(Renewed(election="e", candidate="a", at_ns=1, token=1, deadline_ns=1, latency_ns=1, left_ns=1, late=False))
    assert "tenure-announcer" not in {thread.name for thread in threading.enumerate() if thread is own._thread}  # noqa: SLF001  whether there is one is the claim
    assert own.flush(0)


def test_an_interpreter_that_starts_no_threads_any_more_does_not_fail_a_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At exit Python refuses new threads: the notice goes, the caller goes on."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    own = Announcer()
    own.subscribe(lambda _: None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    own.tell(elected(1))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Notice], ids=lambda kind: kind.__name__)
def test_every_notice_has_a_level_and_words(kind: type[Notice]) -> None:
    """None is forgotten: how loud it is, and one line that begins with the election and what happened."""
    values: dict[str, object] = {"election": "nightly", "candidate": "a", "at_ns": 1, "reason": Reason.DEPOSED}
    fields = {name: values.get(name, 1) for name in kind.__struct_fields__}
    notice = kind(**fields)  # type: ignore[arg-type]  # numbers stand for everything else
    assert level(notice) in {logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR}
    assert describe(notice).startswith(f"nightly: {kind.__name__.lower()} ")
    assert "\n" not in describe(notice)


def test_the_log_record_carries_the_notice(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that wants the fields has them, as `record.notice`."""
    own = Announcer()
    lost = Lost(election="e", candidate="a", at_ns=1, token=3, reason=Reason.DEPOSED, detail="gone")
    own.tell(lost)
    assert own.flush(30)
    (record,) = [record for record in caplog.records if getattr(record, "notice", None) == lost]
    assert record.message == "e: lost token=3 reason=deposed detail=gone candidate=a"
    assert record.levelno == logging.WARNING


def test_the_current_announcer_is_the_modules() -> None:
    """`subscribe` and the keeper speak to the same one."""
    assert announcer.ANNOUNCER is ANNOUNCER
    told: list[Notice] = []
    end = subscribe(told.append)
    ANNOUNCER.tell(elected(9))
    wait_until(lambda: told)
    end()
