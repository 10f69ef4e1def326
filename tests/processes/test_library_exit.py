"""An interpreter that ends while it leads, however it ends: bounded, quiet, and with the grant given back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenure.blocking import Election
from tests.processes.library_scene import LIMIT_S, Program, leads_at_once

pytestmark = pytest.mark.serial


@pytest.fixture
def program(request: pytest.FixtureRequest, url: str) -> Iterator[Program]:
    """The program that the test is parametrized with."""
    started = Program(request.param, url)
    yield started
    started.close()


@pytest.mark.parametrize("program", ["falls_off", "daemon_thread"], indirect=True)
def test_an_interpreter_that_falls_off_its_end_releases(program: Program, url: str) -> None:
    """A block was never left, a watch is open: status 0, no complaint, and the next one leads."""
    program.line("leading")
    assert (program.end(), program.complaints()) == (0, [])
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("program", ["acts_on", "acts_on_standing", "acts_on_asyncio"], indirect=True)
def test_L5_work_that_goes_on_while_the_interpreter_ends_keeps_the_grant(
    program: Program, url: str, tmp_path: Path
) -> None:
    """Daemon threads run until the very end: no act of the old tenure follows the first one of the next."""
    program.line("leading 1")
    with Election("e", url).lead(wait=LIMIT_S) as tenure, (tmp_path / "acts").open("a") as acts:
        print(tenure.token, file=acts, flush=True)
        assert program.end() == 0
    done = (tmp_path / "acts").read_text().split()
    assert int(done[-1]) > 1
    assert done.count("1") > 1
    assert done == sorted(done)


@pytest.mark.parametrize("program", ["stands_on"], indirect=True)
def test_L13_nobody_is_elected_again_while_the_interpreter_ends(program: Program, url: str) -> None:
    """A candidacy resigns and would stand again: nobody stands any more, and nobody complains."""
    assert (program.end(), program.complaints()) == (0, [])
    assert [line.split()[:2] for line in program.lines] == [["leading", "1"]]
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("program", ["falls_off"], indirect=True)
def test_the_release_at_exit_is_told_to_the_log(program: Program) -> None:
    """The keeper waits for its announcements, so that the last line is not lost."""
    assert program.end() == 0
    assert any("released" in line for line in program.lines)


def test_an_interpreter_that_ends_while_it_stands_is_quiet(url: str) -> None:
    """Status 0 and no complaint; whoever stands next leads."""
    with Election("e", url).lead():
        started = Program("falls_off_standing", url)
        try:
            started.line("standing")
            assert (started.end(), started.complaints()) == (0, [])
        finally:
            started.close()
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("program", ["exits"], indirect=True)
def test_sys_exit_in_a_body_keeps_its_status(program: Program, url: str) -> None:
    """The block is left by it, the status is the body's own."""
    assert (program.end(), program.complaints()) == (3, [])
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("program", ["raises"], indirect=True)
def test_an_error_in_a_body_ends_the_process_with_its_traceback(program: Program, url: str) -> None:
    """As it would without a tenure."""
    assert program.end() == 1
    assert "RuntimeError: of the body" in program.errors
    assert leads_at_once(url) > 1


@pytest.mark.parametrize("program", ["overruns"], indirect=True)
def test_work_that_does_not_stop_ends_with_its_process(program: Program) -> None:
    """`on_overrun="exit"`: status 75 at the hard deadline, although a log handler blocks for ever."""
    program.line("leading")
    assert program.end() == 75


@pytest.mark.parametrize("program", ["candidacy_overruns"], indirect=True)
def test_a_job_that_does_not_stop_when_its_candidacy_is_left_ends_with_its_process(program: Program) -> None:
    """It was told twice; `on_overrun="exit"`: status 75 at the hard deadline."""
    assert program.end() == 75
    assert program.lines.count("told") >= 2


def test_this_is_for_linux() -> None:
    """The programs use what Linux has."""
    assert sys.platform == "linux"


def test_a_block_that_is_left_by_the_ending_interpreter_does_not_hang(url: str) -> None:
    """A generator is closed after the keeper has ended; asking for a new keeper would wait for ever."""
    program = Path(__file__).parent / "programs" / "held_generator.py"
    done = subprocess.run([sys.executable, str(program), url], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert leads_at_once(url) > 1
