"""Elections for programs without asyncio. It cannot interrupt a thread: work must call `tenure.check()` by itself.

A thread that works on after the loss is an overrun. Call `check()` before every act that only a leader may do, wait by
`wait_lost(timeout)` instead of `time.sleep`, or give `on_overrun="exit"`, which ends the process. The names are those
of the asyncio front, with `with` instead of `async with`.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar, Unpack

from tenure.backends.base import Backend, Gone, Grant, Leader, Place, Standing
from tenure.bell import Bell
from tenure.durations import NS_PER_S, seconds
from tenure.errors import ConfigurationError, LeadershipLost, NotElected, Reason
from tenure.fencing.stamping import stamp_all_blocking
from tenure.handle import Hold
from tenure.holding.events import Resign, Transfer
from tenure.jobs import checked_job, run
from tenure.keeper import Keeper, Seat
from tenure.options import ElectionOptions, Front, Options, checked_value
from tenure.post import Post
from tenure.views import Lookout, View

__all__ = ["Candidacy", "Election", "Tenure", "Watch", "singleton"]

_log = logging.getLogger("tenure")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Tenure(Hold):
    """One period of leadership, as its body sees it; `with election.lead() as tenure`."""

    def __init__(self, body: _Body, seat: Seat, grant: Grant) -> None:
        super().__init__(seat.holder, seat.clock, body)
        self._body = body
        self._seat = seat
        self._grant = grant

    @property
    def keep_open(self) -> tuple[int, ...]:
        """Descriptors that carry the grant: a process that inherits them keeps it, should this one die before it."""
        return self._grant.keep_open

    def wait_lost(self, timeout: float | None = None) -> Reason | None:
        """Wait until the tenure is lost and return why; None when it is not lost after `timeout` seconds."""
        self._body.owner_is_alive()
        if not self.is_valid():
            return self.reason
        is_lost = self._body.bell.wait_for(lambda: self._body.is_lost or not self.is_valid(), timeout)
        return self.reason if is_lost else None

    def publish(self, value: str) -> None:
        """Put `value` beside the leader's name for all to read; limits and errors as of `tenure.Tenure.publish`."""
        checked_value(value)
        self.check()
        try:
            self._seat.call(self._grant.publish(value)).result()
        except Gone as error:
            raise self._as_lost(Reason.DEPOSED) from error


class _Body(Post):
    """One use of `lead()`; it belongs to one thread."""

    def __init__(self, options: Options, wait_s: float | None) -> None:
        super().__init__(options)
        self._wait_s = wait_s
        self._tenure: Tenure | None = None

    def enter(self) -> Tenure:
        if self.thread is not None:
            raise ConfigurationError("this lead() was used before; call lead() again for another tenure")
        self.belong_here()
        end_s = None if self._wait_s is None else time.monotonic() + self._wait_s
        left_s = self._wait_s
        try:
            while (tenure := self._campaign(left_s)) is None:
                left_s = None if end_s is None else max(0.0, end_s - time.monotonic())
            self._tenure = tenure
            self.held[self.key] = self
            return self._tenure  # noqa: TRY300  a signal's exception may come at any line up to here
        except BaseException:  # whatever is or will be won goes back
            self.gone()
            raise

    def _campaign(self, wait_s: float | None) -> Tenure | None:
        """Stand until elected; None for a tenure that was lost before its body could start."""
        seat, grant = self.stand(wait_s)
        tenure = Tenure(self, seat, grant)
        self.options.highest = max(self.options.highest, tenure.token)
        failure = stamp_all_blocking(self.options.fences, tenure)
        self.owner_is_alive()
        if failure is None and tenure.is_valid():
            return tenure
        self.let_go()
        if failure is not None:
            raise failure
        return None

    def leave(self) -> LeadershipLost | None:
        """Give the tenure back, and wait for that; what is to be raised where it was lost before."""
        assert self._tenure is not None
        try:
            reason = None if self._tenure.is_valid() else self._tenure.reason
            if reason is not Reason.FORKED:
                self.let_go()
        except BaseException:  # a signal's, at any line: what it has not reached is done here
            self.gone()
            raise
        self.forget()
        return None if reason is None else LeadershipLost(self._tenure.election, self._tenure.token, reason)


class _Block:
    """The block of `with election.lead()`. Only its `with` statement refers to it: when it is gone, so is the block.

    A signal's handler may raise where the interpreter is about to call `__exit__`; then no code of ours runs at the
    end of the block, and the finalizer is what gives the tenure back. CPython runs it as soon as nothing refers to the
    block: neither a variable (`block = election.lead()`), nor the traceback of that exception.
    """

    def __init__(self, body: _Body) -> None:
        self._body = body
        self._unseen = weakref.finalize(self, body.gone)
        self._unseen.atexit = False  # at exit the keeper releases everything by itself

    def __enter__(self) -> Tenure:
        return self._body.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        lost = self._body.leave()
        self._unseen.detach()
        if lost is None:
            return
        if error is None:
            raise lost
        if not isinstance(error, LeadershipLost) or error.election != lost.election:
            error.add_note(str(lost))


class Election(Front):
    """A named thing to lead, as one candidate sees it; options and errors are those of `tenure.Election`."""

    def lead(self, *, wait: float | str | None = None) -> AbstractContextManager[Tenure]:
        """Lead for as long as the body runs: `with election.lead() as tenure: ...`.

        The body is not interrupted when the tenure is lost: `tenure.check()` raises LeadershipLost there, and leaving
        the body after the loss raises it too. `wait` and the other errors are those of `tenure.Election.lead`.
        """
        return _Block(_Body(self._options, None if wait is None else seconds(wait)))

    def run(self, job: Callable[[Tenure], _T], *, backoff: tuple[float | str, float | str] = (1, 60)) -> _T:
        """Lead and run `job(tenure)`; return what it returns, having resigned. Otherwise as `tenure.Election.run`."""
        return run(self._options, self.lead, job, backoff)

    def stand(self, job: Callable[[Tenure], object] | None = None) -> Candidacy:
        """Campaign on a thread of its own: `with election.stand() as candidacy: ...`."""
        return Candidacy(_Standing(self._options, job))

    def leader(self) -> Leader | None:
        """Who leads now, None if nobody does. Raises BackendUnreachable rather than repeat an old answer."""
        return self._options.read().result().leader

    def candidates(self) -> tuple[Standing, ...]:
        """Who waits to be elected, in the order in which they would be. Raises BackendUnreachable."""
        return self._options.read().result().candidates

    def watch(self) -> Watch:
        """Views of the election: `with election.watch() as views: for view in views: ...`."""
        return Watch(self._options.backend, self.name)

    def ask_resign(self) -> Leader:
        """Ask whoever leads to step down; returns whom. Errors are those of `tenure.Election.ask_resign`."""
        return self._options.ask(Resign()).result()

    def ask_transfer(self, to: str) -> Leader:
        """Ask whoever leads to step down in favour of `to`; returns whom. Errors as of `Election.ask_transfer`."""
        return self._options.ask(Transfer(to)).result()


class Candidacy:
    """A candidate in the background; what `with election.stand() as candidacy` gives."""

    def __init__(self, standing: _Standing) -> None:
        self._standing = standing
        self._unseen: weakref.finalize[[], Candidacy] | None = None

    @property
    def tenure(self) -> Tenure | None:
        """The tenure while it is valid, else None."""
        tenure = self._standing.tenure
        return tenure if tenure is not None and tenure.is_valid() else None

    def is_leader(self) -> bool:
        """Whether this candidate leads now; compares the clock at every call."""
        return self.tenure is not None

    def wait_elected(self, timeout: float | None = None) -> Tenure | None:
        """Wait until this candidate leads; None after `timeout` seconds. Raises what ended the candidacy, if it did."""
        standing = self._standing
        if standing.thread.ident is None:
            raise ConfigurationError("enter it first: with election.stand() as candidacy")
        standing.bell.wait_for(lambda: self.is_leader() or standing.has_ended(), timeout)
        tenure = self.tenure
        if tenure is None and standing.has_ended():
            raise standing.error or _EndedError("this candidacy has ended; stand again for another")
        return tenure

    def __enter__(self) -> Candidacy:  # noqa: PYI034  not `self` but another one, as its docstring says
        """Begin to stand. As with `lead()`, only the `with` statement refers to this object then: what it gives is
        another one, so that the candidacy ends with the block also where a signal keeps `__exit__` from being run.
        """
        if self._standing.thread.ident is not None:
            raise ConfigurationError("this stand() was used before; call stand() again for another candidacy")
        self._unseen = weakref.finalize(self, self._standing.leave)
        self._unseen.atexit = False
        try:
            self._standing.thread.start()
        except BaseException:  # a signal's, at any line
            self._standing.leave()
            raise
        return Candidacy(self._standing)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Resign, or stop standing; a job that does not end within the grace is left to its overrun report."""
        try:
            self._standing.leave()
            self._standing.wait_ended()
        except BaseException:  # a signal's, at any line
            self._standing.leave()
            raise
        if self._unseen is not None:
            self._unseen.detach()
        if self._standing.error is not None and error is None:
            raise self._standing.error


class _Standing:
    """What the thread of a candidacy does. It knows nothing of the `Candidacy`, which ends it by being gone."""

    def __init__(self, options: Options, job: Callable[[Tenure], object] | None) -> None:
        self._options = options
        self._job: Callable[[Tenure], object] = checked_job(job or Tenure.wait_lost)
        self.thread = threading.Thread(target=self._run, name=f"tenure-stand-{options.name}", daemon=True)
        self.bell = Bell()
        self.tenure: Tenure | None = None
        self.error: BaseException | None = None
        self._body: _Body | None = None
        self._ending = False
        self._ended = False

    def has_ended(self) -> bool:
        """Also in a forked child, where the thread is not, and nothing would ever come."""
        return self._ended or not self.thread.is_alive()

    def leave(self) -> None:
        """Resign, or stop standing; waits for nothing, and may be called as often as one likes."""
        self._ending = True
        self.bell.ring()
        body = self._body
        if body is not None:
            body.withdraw("the candidacy was left")

    def wait_ended(self) -> None:
        """Wait until the thread has ended, or could not end its job in time."""
        limit_s = self._options.budget.grace_ns / NS_PER_S + self._options.release_limit_s
        if self.bell.wait_for(self.has_ended, limit_s):
            self.thread.join()  # it does nothing any more; before that an exception in `join` would lose sight of it

    def _run(self) -> None:
        try:
            run(self._options, self._next_block, self._lead, (1, 60), self._pause)
        except (_EndedError, NotElected):
            _log.debug("%s: the candidacy was left", self._options.name)
        except BaseException as error:  # noqa: BLE001  it comes out of the `with` block, or of wait_elected
            self.error = error
        finally:
            self._ended = True
            self.bell.ring()

    def _pause(self, pause_s: float) -> None:
        self.bell.wait_for(lambda: self._ending, pause_s)

    def _next_block(self) -> _Block:
        self._body = body = _Body(self._options, None)
        if self._ending:  # asked after the body is there for `leave` to see: one of the two notices the other
            raise _EndedError
        return _Block(body)

    def _lead(self, tenure: Tenure) -> object:
        self.tenure = tenure
        self.bell.ring()
        try:
            return self._job(tenure)
        finally:
            self.tenure = None


class _EndedError(ConfigurationError):
    """The block was left: it gives nothing any more."""


class Watch:
    """An iterator of views; merges what its reader is too slow for, so that it holds one view at most."""

    def __init__(self, backend: Backend, election: str) -> None:
        self._lookout = Lookout(backend, election, self._take)
        self._bell = Bell()
        self._views: deque[View] = deque(maxlen=1)
        self._future: Future[None] | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        if self._future is not None:
            raise ConfigurationError("this watch() was used before; call watch() again for another")
        self._future, self._pid = Keeper.current().run(self._lookout.run()), os.getpid()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._future is not None
        self._future.cancel()
        self._bell.ring()

    def __iter__(self) -> Iterator[View]:
        while True:
            try:
                view = self.next()
            except _EndedError:
                return
            yield view

    def next(self, timeout: float | None = None) -> View:
        """The next view; raises TimeoutError when nothing has changed for `timeout` seconds.

        Raises ConfigurationError outside its `with` block: nothing would ever come.
        """
        if self._future is None:
            raise ConfigurationError("enter it first: with election.watch() as views: for view in views")
        if self._pid != os.getpid():  # the keeper that would see a change is in the parent
            raise ConfigurationError("this watch stayed with the process that forked this one; call watch() again")
        while True:
            if not self._bell.wait_for(lambda: self._views or self._is_left(), timeout):
                raise TimeoutError(f"nothing changed for {timeout:g} s")
            if self._is_left():
                raise _EndedError("this watch was left; call watch() again for another")
            with suppress(IndexError):  # another thread has taken it
                return self._views.popleft()

    def _is_left(self) -> bool:
        return self._future is not None and self._future.cancelled()

    def _take(self, view: View) -> None:
        self._views.append(view)
        self._bell.ring()


def singleton(
    name: str, at: str | Backend | Place | None = None, **options: Unpack[ElectionOptions]
) -> Callable[[Callable[Concatenate[Tenure, _P], _T]], Callable[_P, _T]]:
    """Make a function run as the leader of election `name` only; its first argument is the tenure.

    Calling it waits until this thread leads, runs it as `Election.run` does, and returns its result. `options` are
    those of `Election`.
    """

    def decorate(job: Callable[Concatenate[Tenure, _P], _T]) -> Callable[_P, _T]:
        checked_job(job)

        @functools.wraps(job)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            return Election(name, at, **options).run(lambda tenure: job(tenure, *args, **kwargs))

        return wrapper

    return decorate
