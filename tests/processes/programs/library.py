"""Programs that lead by the library, one a function: `library.py FUNCTION URL`. Stdout says how far they are."""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tenure import Election, LeadershipLost, NotElected, resign_on
from tenure import Tenure as AsyncioTenure
from tenure.backends.file import open_file
from tenure.backends.memory import Delay, MemoryBackend, MemoryService
from tenure.blocking import Election as BlockingElection
from tenure.blocking import Tenure
from tenure.clock import ManualClock


def say(*words: object) -> None:
    """One line, at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


# ------------------------------------------------------------------------------------------------------ signals


async def _lead(url: str) -> None:
    say("standing")
    try:
        async with Election("e", url).lead() as tenure:
            say("leading", tenure.token)
            try:
                await asyncio.Event().wait()
            finally:
                say("told", "valid" if tenure.is_valid() else tenure.reason)
    finally:
        say("left")


async def _lead_and_resign_on(url: str) -> None:
    with resign_on():
        await _lead(url)


def asyncio_lead(url: str) -> None:
    """Lead until SIGTERM, on the plain loop."""
    asyncio.run(_lead_and_resign_on(url))


def uvloop_lead(url: str) -> None:
    """The same on uvloop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_lead_and_resign_on(url))


def asyncio_interrupted(url: str) -> None:
    """Lead without `resign_on`, for Ctrl-C."""
    asyncio.run(_lead(url))


def asyncio_stand(url: str) -> None:
    """A candidacy in the background until SIGTERM."""

    async def main() -> None:
        with resign_on():
            async with Election("e", url).stand() as candidacy:
                say("standing")
                tenure = await candidacy.wait_elected()
                say("leading", tenure.token)
                await asyncio.Event().wait()

    try:
        asyncio.run(main())
    finally:
        say("left")


def _lead_blocking(url: str) -> None:
    say("standing")
    try:
        with BlockingElection("e", url).lead() as tenure:
            say("leading", tenure.token)
            try:
                tenure.wait_lost()
                tenure.check()
            finally:
                say("told")
    finally:
        say("left")


def blocking_lead(url: str) -> None:
    """Lead until SIGTERM, without asyncio."""
    with resign_on():
        _lead_blocking(url)


def blocking_interrupted(url: str) -> None:
    """The same without `resign_on`, for Ctrl-C."""
    _lead_blocking(url)


def blocking_stand(url: str) -> None:
    """A candidacy on a thread of its own until SIGTERM."""
    try:
        with resign_on(), BlockingElection("e", url).stand() as candidacy:
            say("standing")
            tenure = candidacy.wait_elected()
            say("leading", tenure.token if tenure else "?")
            signal.pause()
    finally:
        say("left")


def running_thread(url: str) -> None:
    """The main thread waits in `resign_on`, another one leads again and again by `run`."""

    def work() -> None:
        try:
            BlockingElection("e", url).run(_work)
        except NotElected as error:
            say("ended", error.detail)

    with resign_on():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


def another_thread(url: str) -> None:
    """The main thread waits in `resign_on`, another one leads and asks `wait_lost`."""

    def work() -> None:
        with suppress(LeadershipLost), BlockingElection("e", url).lead() as tenure:
            say("leading", tenure.token)
            say("told", tenure.wait_lost())
        say("left")

    with resign_on():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


def _slow_service() -> MemoryBackend:
    service = MemoryService()
    service.faults.add("release", Delay(answer_s=1.0))
    return MemoryBackend(service)


def asyncio_releasing(url: str) -> None:
    """The body has ended and the release takes its time."""
    del url

    async def main() -> None:
        with resign_on():
            async with Election("e", _slow_service()).lead():
                say("leading", 1)
            say("not cancelled")

    asyncio.run(main())


def blocking_releasing(url: str) -> None:
    """The same without asyncio."""
    del url
    with resign_on(), BlockingElection("e", _slow_service()).lead():
        say("leading", 1)


def asyncio_stubborn(url: str) -> None:
    """Its body does not end when it is told to."""

    async def main() -> None:
        with resign_on():
            async with Election("e", url).lead() as tenure:
                say("leading", tenure.token)
                while True:
                    with suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
                    say("told")

    asyncio.run(main())


# --------------------------------------------------------------------------------------------------------- exits


def falls_off(url: str) -> None:
    """Enter a block and never leave it; a watch is open, too."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    election = BlockingElection("e", url)
    _KEPT.extend([election.lead(), election.watch()])
    tenure = _KEPT[0].__enter__()  # type: ignore[attr-defined]  # a context manager, entered by hand on purpose
    _KEPT[1].__enter__()  # type: ignore[attr-defined]  # the same
    say("leading", tenure.token)


def falls_off_standing(url: str) -> None:
    """The same with a candidacy that stands, on a daemon thread."""
    _KEPT.append(BlockingElection("e", url).stand())
    _KEPT[0].__enter__()  # type: ignore[attr-defined]  # a context manager, entered by hand on purpose
    while not BlockingElection("e", url).candidates():
        time.sleep(0.01)
    say("standing")


def exits(url: str) -> None:
    """`sys.exit` within a body."""

    async def main() -> None:
        async with Election("e", url).lead() as tenure:
            say("leading", tenure.token)
            sys.exit(3)

    asyncio.run(main())


def raises(url: str) -> None:
    """An error within a body that nobody catches."""
    with BlockingElection("e", url).lead() as tenure:
        say("leading", tenure.token)
        raise RuntimeError("of the body")


def daemon_thread(url: str) -> None:
    """A daemon thread leads when the main thread ends."""
    leads = threading.Event()

    def work() -> None:
        with BlockingElection("e", url).lead() as tenure:
            say("leading", tenure.token)
            leads.set()
            tenure.wait_lost()
            threading.Event().wait()

    threading.Thread(target=work, daemon=True).start()
    leads.wait()


LINGER_S = 1.0
"""How long an interpreter that ends goes on after the keeper has wound up, unless somebody else has led by then."""


def _acts(url: str) -> Path:
    """The file that every leader appends its token to at each act; beside the elections."""
    return Path(url.removeprefix("file://")).parent / "acts"


def _linger(url: str) -> None:
    """At exit, after the keeper: daemon threads still run now. Give the next leader time to act, and old work after."""
    end_s = time.monotonic() + LINGER_S
    while time.monotonic() < end_s:
        if "2\n" in _acts(url).read_text():
            end_s = min(end_s, time.monotonic() + 0.1)
        time.sleep(0.01)


def _act_for_ever(url: str, tenure: Tenure | AsyncioTenure) -> None:
    acts = os.open(_acts(url), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(acts, f"{tenure.token}\n".encode())
    say("leading", tenure.token)
    while True:
        os.write(acts, f"{tenure.token}\n".encode())
        time.sleep(0.001)  # it works, and lets other threads run


def acts_on(url: str) -> None:
    """A daemon thread leads and does not look whether it still does, when the main thread ends."""
    atexit.register(_linger, url)  # registered before the keeper's, so that it is run after that

    def work() -> None:
        with BlockingElection("e", url).lead() as tenure:
            _act_for_ever(url, tenure)

    threading.Thread(target=work, daemon=True).start()
    _until_somebody_acts(url)


def acts_on_standing(url: str) -> None:
    """The same by a candidacy that is never left."""
    atexit.register(_linger, url)
    _KEPT.append(BlockingElection("e", url).stand(lambda tenure: _act_for_ever(url, tenure)))
    _KEPT[0].__enter__()  # type: ignore[attr-defined]  # a context manager, entered by hand on purpose
    _until_somebody_acts(url)


def acts_on_asyncio(url: str) -> None:
    """The same by a loop on a daemon thread, whose body blocks it."""
    atexit.register(_linger, url)

    async def main() -> None:
        async with Election("e", url).lead() as tenure:
            _act_for_ever(url, tenure)

    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    _until_somebody_acts(url)


def _until_somebody_acts(url: str) -> None:
    while not _acts(url).exists() or not _acts(url).read_bytes():
        time.sleep(0.01)


def stands_on(url: str) -> None:
    """A candidacy leads on its thread when the main thread ends; its job ends when it is told to."""
    _KEPT.append(BlockingElection("e", url).stand(_work))
    _KEPT[0].__enter__()  # type: ignore[attr-defined]  # a context manager, entered by hand on purpose
    _KEPT[0].wait_elected()  # type: ignore[attr-defined]  # the same


_KEPT: list[object] = []


class _BlockedHandler(logging.Handler):
    """A log handler that never returns."""

    def emit(self, record: logging.LogRecord) -> None:
        del record
        threading.Event().wait()


def overruns(url: str) -> None:
    """Work that does not stop, with `on_overrun="exit"` and a log that blocks."""
    del url
    logging.getLogger("tenure").addHandler(_BlockedHandler())
    clock = ManualClock()
    backend = MemoryBackend(MemoryService(clock=clock))
    with BlockingElection("e", backend, on_overrun="exit").lead() as tenure:
        say("leading", tenure.token)
        tenure.resign()
        tenure.wait_lost()
        clock.advance(60)
        threading.Event().wait()


def candidacy_overruns(url: str) -> None:
    """A job that swallows every cancellation when its candidacy is left, with `on_overrun="exit"`."""
    del url
    clock = ManualClock()
    told = asyncio.Event()

    async def job(tenure: AsyncioTenure) -> None:
        say("leading", tenure.token)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                say("told")
                told.set()

    async def main() -> None:
        election = Election("e", MemoryBackend(MemoryService(clock=clock)), on_overrun="exit")
        advancing = asyncio.create_task(advance())
        async with election.stand(job) as candidacy:
            await candidacy.wait_elected()
        await advancing  # never reached: the process ends in the middle of it

    async def advance() -> None:
        await told.wait()
        while True:
            clock.advance(1)
            await asyncio.sleep(0.01)

    asyncio.run(main())


# --------------------------------------------------------------------------------------------------------- forks


def _in_child(tenure: Tenure, url: str) -> None:
    """What a forked child sees of its parent's tenure, and that it may stand for itself."""
    say("child", tenure.state.value, tenure.reason, tenure.is_valid(), tenure.remaining(), tenure.wait_lost())
    for act, arguments in ((tenure.check, ()), (tenure.publish, ("x",))):
        try:
            act(*arguments)
        except LeadershipLost as lost:
            say("child", "lost", lost.reason)
    tenure.resign()
    try:
        with BlockingElection("e", url).lead(wait=0):
            say("child", "leads beside its parent")
    except NotElected:
        say("child", "not elected")
    leader = BlockingElection("e", url).leader()
    say("child", "sees", leader.token if leader else None)


def _is_locked(url: str) -> bool:
    """Whether the lock of the election cannot be had; whoever gets it here lets go of it at once."""
    with Path(url.removeprefix("file://"), "e", "lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def forks(url: str) -> None:
    """Fork while leading; the child leaves the block, collects garbage and exits as usual."""
    with BlockingElection("e", url).lead() as tenure:
        child = os.fork()
        if child == 0:
            _in_child(tenure, url)
        else:
            say("parent", os.waitpid(child, 0)[1], tenure.state.value)
            say("parent", "holds the lock" if _is_locked(url) else "has lost the lock")
    if child == 0:
        say("child was not told")


def forks_asyncio(url: str) -> None:
    """The same from a coroutine; the child leaves the block and ends, and not by way of asyncio."""

    async def main() -> None:
        child = -1
        try:
            async with Election("e", url).lead() as tenure:
                child = os.fork()
                if child:
                    status = os.waitpid(child, 0)[1]  # noqa: ASYNC222  the loop may stand still: it is no longer than that
                    say("parent", os.waitstatus_to_exitcode(status), tenure.state.value)
                else:
                    say("child", tenure.state.value, tenure.reason)
                    gc.collect()
        finally:
            if child == 0:
                os._exit(7)

    asyncio.run(main())


def forks_standing(url: str) -> None:
    """Fork while a candidate stands; the child drops everything and exits as usual."""
    with BlockingElection("e", url, candidate="standby").stand():
        while not BlockingElection("e", url).candidates():
            time.sleep(0.01)
        child = os.fork()
        if child == 0:
            gc.collect()
            sys.exit(0)
        os.waitpid(child, 0)
        say("still", *[one.candidate for one in BlockingElection("e", url).candidates()])


def forks_and_waits(url: str) -> None:
    """Fork while leading; the child lives on until its stdin ends."""
    with BlockingElection("e", url).lead():
        child = os.fork()
        if child == 0:
            say("child", os.getpid())
            os.read(0, 1)
            os._exit(0)
        signal.pause()


def forks_with_an_object(url: str) -> None:
    """The same with a backend that the program has made by itself."""
    backend = open_file(Path(url.removeprefix("file://")))
    with BlockingElection("e", backend).lead():
        child = os.fork()
        if child == 0:
            say("child", os.getpid())
            os.read(0, 1)
            os._exit(0)
        signal.pause()


def multiprocess(url: str) -> None:
    """The same by `multiprocessing`, as most forks are."""
    with BlockingElection("e", url).lead() as tenure:
        process = multiprocessing.get_context("fork").Process(target=_in_child, args=(tenure, url))
        process.start()
        process.join()
        say("parent", process.exitcode, tenure.state.value)


def preload(url: str) -> None:
    """A pre-forking server: the election is made in the master, the workers stand for it."""
    election = BlockingElection("e", url)
    say("master", election.leader())
    for _ in range(3):
        if os.fork() == 0:
            with resign_on():
                election.run(_work)
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _work(tenure: Tenure) -> None:
    say("leading", tenure.token, os.getpid())
    tenure.wait_lost()


FUNCTIONS: dict[str, Callable[[str], None]] = {
    function.__name__: function
    for function in (
        asyncio_lead,
        uvloop_lead,
        asyncio_interrupted,
        asyncio_stand,
        blocking_lead,
        blocking_interrupted,
        blocking_stand,
        another_thread,
        running_thread,
        asyncio_releasing,
        blocking_releasing,
        asyncio_stubborn,
        falls_off,
        falls_off_standing,
        exits,
        raises,
        daemon_thread,
        acts_on,
        acts_on_standing,
        acts_on_asyncio,
        stands_on,
        overruns,
        candidacy_overruns,
        forks,
        forks_asyncio,
        forks_standing,
        forks_and_waits,
        forks_with_an_object,
        multiprocess,
        preload,
    )
}

if __name__ == "__main__":
    FUNCTIONS[sys.argv[1]](sys.argv[2])
