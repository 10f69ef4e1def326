"""The fixtures as users have them: pytest in a process of its own, on small suites, with nothing configured."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

GOOD = """
import asyncio, threading
import pytest
from tenure import Election, LeadershipLost, blocking

async def job(tenure):
    await asyncio.Event().wait()

def test_asyncio_run(tenure_lab):
    async def main():
        task = asyncio.create_task(Election("orders").run(job))
        assert await tenure_lab.grant() == 1
        tenure_lab.revoke()
        await tenure_lab.wait_stopped()
        task.cancel()
        await asyncio.wait([task])
    asyncio.run(main())

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(tenure_lab):
    with pytest.raises(LeadershipLost):
        async with Election("orders").lead() as tenure:
            await tenure_lab.make_uncertain()
            await tenure_lab.advance(20)

def test_threads(blocking_tenure_lab):
    with pytest.raises(LeadershipLost):
        with blocking.Election("orders").lead() as tenure:
            assert tenure.token == 1  # each test has a lab of its own
            blocking_tenure_lab.revoke()

def test_nothing_is_left():
    import os
    from tenure.keeper import Keeper
    assert "TENURE_URL" not in os.environ
    assert not Keeper.current().seats
    assert {thread.name for thread in threading.enumerate()} <= {"MainThread", "tenure-keeper", "tenure-announcer"}
"""
BAD = """
import asyncio, threading
from tenure import Election, blocking

async def stubborn(tenure):
    while not stop.is_set():
        try:
            await stop.wait()
        except asyncio.CancelledError:
            pass  # the defect that the fixture is to find

def test_overrun(tenure_lab):
    async def main():
        global stop
        stop, tenure_lab._limit_s = asyncio.Event(), 0.1
        task = asyncio.create_task(Election("orders").run(stubborn))
        await tenure_lab.grant()
        tenure_lab.revoke()
        await tenure_lab.advance(20)
        stop.set()
        await task
    asyncio.run(main())

def test_leak(tenure_lab):
    async def main():
        await Election("orders").lead().__aenter__()
    asyncio.run(main())

def test_after_them(tenure_lab):
    async def main():
        async with Election("orders").lead() as tenure:
            assert tenure.token == 1
    asyncio.run(main())

def test_never_stops(tenure_lab):
    async def main():
        global stop
        stop, tenure_lab._limit_s = asyncio.Event(), 0.1
        task = asyncio.create_task(Election("orders").run(stubborn))
        try:
            await tenure_lab.grant()
            tenure_lab.revoke()
            await tenure_lab.wait_stopped()
        finally:
            stop.set()
            await task
    asyncio.run(main())
"""


def test_a_users_suite_has_the_fixtures(pytester: pytest.Pytester) -> None:
    """With asyncio.run, with anyio, and with threads; every warning is an error, and nothing is left."""
    pytester.makepyfile(GOOD)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", timeout=60)
    result.assert_outcomes(passed=4)


def test_a_users_defects_are_found(pytester: pytest.Pytester) -> None:
    """A job that swallows its cancellation, and a tenure that is not left; the test after them is not affected."""
    pytester.makepyfile(BAD)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)
    result.assert_outcomes(passed=3, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_overrun*",
            "*AssertionError: tenure 1 of 'orders' by * overran: its work still ran at its hard deadline*",
            "*in stubborn*",
            "*ERROR at teardown of test_leak*",
            "*AssertionError: tenure 1 of 'orders' by * is not over (LEADING): end what the test began*",
            "*test_never_stops*",
            "*AssertionError: waited 0.1 s of real time in vain for work that was told to stop to leave its body*",
            "*ENDING, LOST, lost (deposed)*",
            "*in stubborn*",
        ]
    )


def test_pytest_finds_the_plugin_by_itself() -> None:
    """The installed distribution names it for pytest; no conftest.py has to."""
    found = [entry for entry in entry_points(group="pytest11") if entry.value == "tenure.testing.plugin"]
    assert [entry.name for entry in found] == ["tenure"], "install the project again: make test does"


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("tenure.testing.plugin", ("msgspec", "tenure.election", "tenure.keeper", "tenure.testing.lab")),
        ("tenure, tenure.testing, tenure.testing.front, tenure.testing.blocking", ("pytest", "_pytest")),
    ],
)
def test_what_is_not_needed_is_not_imported(imported: str, absent: tuple[str, ...]) -> None:
    """A project that does not use the fixtures pays nothing for them; the library needs no pytest."""
    program = f"import {imported}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
