"""What every test shares: how a test names what it needs, and what that means when CI runs it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import threading
from collections.abc import Generator
from typing import NoReturn

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # A shell ignores Ctrl-C in what it runs in the background, and the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Recorded output is compared, or with this option recorded anew: look at what git says has changed."""
    parser.addoption("--rewrite", action="store_true", help="record the output of tests/scenarios anew")


def missing(thing: str) -> NoReturn:
    """End the running test because `thing` is not to be had here: a skip, which CI counts as a failure."""
    pytest.skip(f"missing here: {thing}")


def is_present(thing: str) -> bool:
    """Whether `thing` can be imported as a module or run as a program."""
    return importlib.util.find_spec(thing) is not None or shutil.which(thing) is not None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `needs(thing)` where the thing is missing."""
    for mark in item.iter_markers("needs"):
        for thing in mark.args:
            if not is_present(thing):
                missing(thing)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, turn each skip into a failure, but for tests marked `may_skip`."""
    report = yield
    was_skipped = report.skipped and not hasattr(report, "wasxfail")
    if IN_CI and was_skipped and item.get_closest_marker("may_skip") is None:
        refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI, turn the skip of a whole module into a failure."""
    report = yield
    if IN_CI and report.skipped:
        refuse(report)
    return report


def refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip, and say why."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"CI=true, and a test was skipped: {reason}\nInstall what is missing; nothing is skipped in CI."
