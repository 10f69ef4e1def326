"""What the tests with real processes share."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.processes.harness import Trial
from tests.processes.library_scene import Program, Start

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test failed: what is left behind then is no second failure, and not waited for."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest.fixture
def trial(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """An election whose candidates are real processes; nothing of it may be left at the end."""
    trial = Trial(tmp_path)
    yield trial
    trial.close(has_failed=request.node.stash.get(_FAILED, True))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Elections in a directory of the test's own."""
    return f"file://{tmp_path}/elections"


@pytest.fixture
def start(url: str) -> Iterator[Start]:
    """Start programs; what still runs at the end is killed."""
    programs: list[Program] = []

    def run(function: str) -> Program:
        programs.append(Program(function, url))
        return programs[-1]

    yield run
    for program in programs:
        program.close()
