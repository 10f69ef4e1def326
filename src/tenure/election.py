"""Elections for asyncio programs: stand for one, lead it, watch it, ask its leader to go.

The same for code without asyncio is `tenure.blocking`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar, Unpack

from tenure.backends.base import Backend, Leader, Place, Standing
from tenure.body import Body, Tenure, raise_if_around, running_loop
from tenure.durations import seconds
from tenure.errors import ConfigurationError, LeadershipLost, NotStamped
from tenure.holding.events import Resign, Transfer
from tenure.keeper import Keeper
from tenure.options import ElectionOptions, Front
from tenure.reports import Pauses, Rests, report_failure_at_loss, report_job_failure
from tenure.views import Lookout, View

_log = logging.getLogger("tenure")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Election(Front):
    """A named thing to lead, as one candidate sees it.

    name            [A-Za-z0-9][A-Za-z0-9._-]{0,127}
    at              a backend's URL, a Node, or a Backend; None: TENURE_URL, else a file in the user's state directory
    candidate       who stands; None: host and process number
    metadata        told to everybody who looks; at most 2 KiB
    priority        the higher is elected first, among those who stand at the same time
    lease           seconds, or text such as "15s"; None: the backend's default
    grace           the time that work gets to end after it was told to
    stall_after     an owner silent for longer is not renewed; None: as long as the lease allows
    min_grade       refuse a backend below this grade: "A", "B" or "C"
    scope           refuse a backend that elects within less than "process", "user", "host" or "cluster"
    on_overrun      work that will not stop: "report" it, or "exit" the process with code 75
    guard           "process": another one kills this process at a hard deadline, even a stopped one; needs a lease
    takeover_delay  wait so long before leading after a leader that ended without saying so
    fences          told of each new token before the body begins; see `tenure.fencing`

    Raises ConfigurationError where the options cannot work; the message says what to change.
    """

    def lead(self, *, wait: float | str | None = None) -> AbstractAsyncContextManager[Tenure]:
        """Lead for as long as the body runs: `async with election.lead() as tenure: ...`.

        `wait` in seconds, or text such as "15s"; None waits for ever, 0 is one try. The body's task is cancelled when
        the tenure is lost, and `LeadershipLost` comes out; a body that ends first resigns. Raises NotElected after
        `wait`, BackendRefused when the backend says no, BackendUnreachable when one try got no answer, and NotStamped
        when a fence failed, having given the tenure back.
        """
        return Body(self._options, None if wait is None else seconds(wait))

    async def run(
        self, job: Callable[[Tenure], Awaitable[_T]], *, backoff: tuple[float | str, float | str] = (1, 60)
    ) -> _T:
        """Lead and run `job(tenure)`; return what it returns, having resigned.

        When the tenure is lost the job is cancelled and stands again. When the job raises, its error is logged and
        told to subscribers, the tenure is resigned, and after a pause (from `backoff[0]` seconds, doubled each time
        up to `backoff[1]`, and from the start after a run of a minute) it stands again. A CancelledError is the job's
        own failure too, unless this task was cancelled. Errors of the election itself come out.
        """
        pauses, rests = Pauses.of(backoff), Rests()
        loop = running_loop()
        while True:
            failure: BaseException | None = None
            began_s = loop.time()
            try:
                async with self.lead() as tenure:
                    began_s, cancelling = loop.time(), _cancelling()
                    try:
                        return await _started(job, tenure)
                    except _NoCoroutineError:
                        raise
                    except asyncio.CancelledError as error:
                        if _cancelling() > cancelling:  # the count decides: by a loss, or from outside
                            raise
                        failure = error
                    except Exception as error:  # noqa: BLE001 -- the job's own errors must not end the candidacy
                        failure = error
            except LeadershipLost as lost:
                if failure is not None:
                    raise_if_around(failure, self._options)
                    report_failure_at_loss(self._options, lost, failure)
                _log.info("%s; standing again", lost)
                await asyncio.sleep(rests.after(loop.time() - began_s))
                continue
            except NotStamped as unstamped:
                pause_s = pauses.after(0)
                _log.warning("%s; standing again in %g s", unstamped, pause_s)
                await asyncio.sleep(pause_s)
                continue
            except asyncio.CancelledError:
                if failure is not None:  # nobody else would ever hear of it
                    _log.error("%s: the job failed as it was cancelled", self.name, exc_info=failure)
                raise
            assert failure is not None
            raise_if_around(failure, self._options)
            pause_s = pauses.after(loop.time() - began_s)
            report_job_failure(self._options, tenure.token, failure, pause_s)
            await asyncio.sleep(pause_s)

    def stand(self, job: Callable[[Tenure], Awaitable[object]] | None = None) -> Candidacy:
        """Campaign in the background: `async with election.stand() as candidacy: ...`, for services that must start
        meanwhile. With a `job`, it is run as `run` does whenever this candidate leads.
        """
        return Candidacy(self, job)

    async def leader(self) -> Leader | None:
        """Who leads now, None if nobody does. Raises BackendUnreachable rather than repeat an old answer."""
        loop = running_loop()
        return (await asyncio.wrap_future(self._options.read(), loop=loop)).leader

    async def candidates(self) -> tuple[Standing, ...]:
        """Who waits to be elected, in the order in which they would be. Raises BackendUnreachable."""
        loop = running_loop()
        return (await asyncio.wrap_future(self._options.read(), loop=loop)).candidates

    def watch(self) -> Watch:
        """Views of the election: `async with election.watch() as views: async for view in views: ...`."""
        return Watch(self._options.backend, self.name)

    async def ask_resign(self) -> Leader:
        """Ask whoever leads to step down; returns whom. It obeys within its grace; one's own: `tenure.resign()`.

        Raises BackendRefused when nobody leads, BackendUnreachable when it is unknown whether the wish was left.
        """
        loop = running_loop()  # before anything is asked
        return await asyncio.wrap_future(self._options.ask(Resign()), loop=loop)

    async def ask_transfer(self, to: str) -> Leader:
        """Ask whoever leads to step down in favour of the candidate `to`; returns whom.

        Raises BackendRefused when nobody leads or `to` does not stand, BackendUnreachable when it is unknown whether
        the wish was left.
        """
        loop = running_loop()  # before anything is asked
        return await asyncio.wrap_future(self._options.ask(Transfer(to)), loop=loop)


def _cancelling() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


class _NoCoroutineError(ConfigurationError):
    """The job is a plain function: trying it again would not mend that."""


def _started(job: Callable[[Tenure], Awaitable[_T]], tenure: Tenure) -> Awaitable[_T]:
    work = job(tenure)
    if not inspect.isawaitable(work):
        raise _NoCoroutineError(f"{job!r} is no coroutine function; write `async def`, or use tenure.blocking for it")
    return work


class Candidacy:
    """A candidate in the background; what `async with election.stand() as candidacy` gives."""

    def __init__(self, election: Election, job: Callable[[Tenure], Awaitable[object]] | None) -> None:
        self._election = election
        self._job: Callable[[Tenure], Awaitable[object]] = job or Tenure.wait_lost
        self._task: asyncio.Task[None] | None = None
        self._tenure: Tenure | None = None
        self._elected = asyncio.Event()

    @property
    def tenure(self) -> Tenure | None:
        """The tenure while it is valid, else None."""
        tenure = self._tenure
        return tenure if tenure is not None and tenure.is_valid() else None

    def is_leader(self) -> bool:
        """Whether this candidate leads now; compares the clock at every call."""
        return self.tenure is not None

    async def wait_elected(self) -> Tenure:
        """Wait until this candidate leads. Raises what ended the candidacy, if that came first."""
        if self._task is None:
            raise ConfigurationError("enter it first: async with election.stand() as candidacy")
        while (tenure := self.tenure) is None:
            self._elected.clear()
            elected = asyncio.ensure_future(self._elected.wait())
            try:
                await asyncio.wait([elected, self._task], return_when=asyncio.FIRST_COMPLETED)
            finally:
                elected.cancel()
            if self._task.done():
                if not self._task.cancelled():
                    self._task.result()
                raise ConfigurationError("this candidacy has ended; stand again for another")
        return tenure

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise ConfigurationError("this stand() was used before; call stand() again for another candidacy")
        self._task = running_loop().create_task(self._run(), name=f"tenure-stand-{self._election.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Resign, or stop standing; what ended the candidacy by itself comes out here at the latest."""
        assert self._task is not None
        failed = None if not self._task.done() or self._task.cancelled() else self._task.exception()
        if self._tenure is not None:
            self._tenure.resign()  # a job that swallows one cancellation is told again, and reported when it overruns
        self._task.cancel()
        cancelled: asyncio.CancelledError | None = None
        while not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as again:  # what it leads must not outlive this block: pass it on, and wait
                cancelled = again
                self._task.cancel()
        if cancelled is not None:
            raise cancelled
        if failed is not None and error is None:
            raise failed

    async def _run(self) -> None:
        await self._election.run(self._lead)

    async def _lead(self, tenure: Tenure) -> None:
        self._tenure = tenure
        self._elected.set()
        try:
            await self._job(tenure)
        finally:
            self._tenure = None


class Watch:
    """An iterator of views; merges what its reader is too slow for, so that it holds one view at most."""

    def __init__(self, backend: Backend, election: str) -> None:
        self._backend = backend
        self._election = election
        self._view: View | None = None
        self._came = asyncio.Event()
        self._future: Future[None] | None = None

    async def __aenter__(self) -> Self:
        if self._future is not None:
            raise ConfigurationError("this watch() was used before; call watch() again for another")
        loop = running_loop()
        lookout = Lookout(self._backend, self._election, lambda view: _post(loop, self._take, view))
        self._future = Keeper.current().run(lookout.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._future is not None
        self._future.cancel()
        self._came.set()

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> View:
        if self._future is None:
            raise ConfigurationError("enter it first: async with election.watch() as views: async for view in views")
        await self._came.wait()
        if self._future.cancelled():
            raise StopAsyncIteration
        self._came.clear()
        assert self._view is not None
        return self._view

    def _take(self, view: View) -> None:
        self._view = view
        self._came.set()


def _post(loop: asyncio.AbstractEventLoop, function: Callable[[View], None], view: View) -> None:
    try:
        loop.call_soon_threadsafe(function, view)
    except RuntimeError:
        _log.debug("a watcher's loop is closed")


def singleton(
    name: str, at: str | Backend | Place | None = None, **options: Unpack[ElectionOptions]
) -> Callable[[Callable[Concatenate[Tenure, _P], Awaitable[_T]]], Callable[_P, Awaitable[_T]]]:
    """Make a coroutine function run as the leader of election `name` only; its first argument is the tenure.

    Calling it waits until this process leads, runs it as `Election.run` does, and returns its result. `options` are
    those of `Election`.
    """

    def decorate(job: Callable[Concatenate[Tenure, _P], Awaitable[_T]]) -> Callable[_P, Awaitable[_T]]:
        @functools.wraps(job)
        async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            return await Election(name, at, **options).run(lambda tenure: job(tenure, *args, **kwargs))

        return wrapper

    return decorate
