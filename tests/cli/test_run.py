"""`tenure run`: one runs, the others stand by; how it ends, with which code, and what the job sees."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.scene import LIMIT_S, TENURE, ended, environment, eventually, stands, started, tenure

BETWEEN = """
import time
from tenure.supervise.processes import GroupLeader
ask = GroupLeader.stop_signal
GroupLeader.stop_signal = lambda leader: time.sleep(0.2) or ask(leader)
from tenure.__main__ import main
main()
"""
"""`tenure` whose guardian sleeps between the look at its job and the question whether the job was stopped."""
WITHOUT_PROC = """
from tenure.supervise import processes
processes.stat = lambda pid: None
from tenure.__main__ import main
main()
"""
"""`tenure` where /proc shows no processes."""
WAIT = "echo up; exec sleep 1000"
"""A job that says that it runs, and then does so until it is ended."""


@contextmanager
def running(url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`tenure run` in the background, ended as a service manager would, so that its job goes too."""
    with started(*TENURE, "run", "--at", url, *arguments) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(LIMIT_S)


@contextmanager
def leading(url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`tenure run job` whose job has said that it is up."""
    with running(url, "job", *arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process


def test_run_ends_with_the_jobs_code_and_passes_its_streams_through(url: str) -> None:
    """stdin, stdout and stderr are the job's, and so is the exit code."""
    done = subprocess.run(
        [*TENURE, "run", "-q", "job", "--at", url, "--", "sh", "-c", "cat; echo bad >&2; exit 7"],
        env=environment(),
        input="good\n",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "good\n", "bad\n")


def test_a_job_that_ends_between_two_looks_of_the_guardian_has_succeeded(url: str) -> None:
    """The guardian sleeps for longer than the job takes, so that the job ends there: 0, and no word of a failure."""
    done = subprocess.run(
        [sys.executable, "-c", BETWEEN, "run", "-q", "job", "--at", url, "--", "sleep", "0.05"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_job_knows_its_tenure(url: str) -> None:
    """Name, candidate, token and deadline file stand in its environment; without a lease there is no deadline."""
    show = 'echo $TENURE_NAME $TENURE_CANDIDATE $TENURE_TOKEN; cat "$TENURE_DEADLINE_FILE"; tenure=$0; exit 0'
    assert tenure("run", "job", "--at", url, "--", "true").code == 0
    done = tenure("run", "job", "--at", url, "--candidate", "anna", "--", "sh", "-c", show)
    assert done.out.split() == ["job", "anna", "2", str(2**63 - 1)]


def test_the_job_holds_while_it_runs(url: str) -> None:
    """`tenure holds` inside the job answers yes, for as long as anybody likes."""
    holds = f"{sys.executable} -m tenure holds --for 1h"
    assert tenure("run", "job", "--at", url, "--", "sh", "-c", holds).code == 0


@pytest.mark.parametrize(("option", "code"), [("--no-wait", 124), ("--wait=100ms", 124)])
def test_not_elected_in_time_is_said_by_the_code(url: str, option: str, code: int) -> None:
    """Somebody else leads for longer than this candidate waits; its job never starts."""
    with leading(url, "--", "sh", "-c", WAIT):
        done = tenure("run", "job", "--at", url, option, "--", "echo", "ran")
    assert (done.code, done.out) == (code, "")
    assert "not elected" in done.err


def test_the_next_one_runs_when_the_wrapper_is_killed(url: str) -> None:
    """SIGKILL of the wrapper: its guardian ends the job, and the standby's job starts after that (L12)."""
    with leading(url, "--", "sh", "-c", WAIT) as first, running(url, "job", "--", "sh", "-c", WAIT) as second:
        first.kill()
        assert second.stdout is not None
        assert second.stdout.readline() == "up\n"


def test_no_url_at_all_just_works(tmp_path: Path) -> None:
    """Two terminals, the same command, no URL: one runs the job, the other waits for it."""
    home = {"HOME": str(tmp_path)}
    with started(*TENURE, "run", "job", "--", "sh", "-c", WAIT, **home) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert tenure("run", "job", "--no-wait", "--", "true", **home).code == 124
        process.terminate()
        process.wait(LIMIT_S)
    assert (tmp_path / ".local/state/tenure/job").is_dir()


@pytest.mark.parametrize(
    ("script", "options", "ending"),
    [
        ("exit 0", [], (0, 1)),
        ("exit 3", [], (3, 1)),
        ("exit 0", ["--once"], (0, 1)),
        ("exit 3", ["--once"], (3, 1)),
        ("exit 0", ["--restart", "on-failure"], (0, 1)),
        ("test -e second || { touch second; exit 3; }", ["--restart", "on-failure"], (0, 2)),
        ("kill -USR1 $$", [], (128 + signal.SIGUSR1, 1)),
    ],
)
def test_the_table_of_codes_for_jobs_that_end_by_themselves(
    url: str, tmp_path: Path, script: str, options: list[str], ending: tuple[int, int]
) -> None:
    """The job's own end ends `run` with its code, unless it is to be run again."""
    counted = f"cd {tmp_path}; echo ran; {script}"
    done = tenure("run", "job", "--at", url, *options, "--", "sh", "-c", counted)
    assert (done.code, done.out.count("ran")) == ending


def test_restart_always_runs_the_job_again_under_the_same_token(url: str) -> None:
    """It goes on until somebody ends it: between two runs with 128 + 15, during one with that one's code."""
    with running(url, "job", "--restart", "always", "--", "printenv", "TENURE_TOKEN") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["1\n", "1\n"]
        process.terminate()
        assert process.wait(LIMIT_S) in {128 + signal.SIGTERM, 0}


@pytest.mark.parametrize(("options", "code"), [([], None), (["--once"], 75)])
def test_a_loss_stops_the_job_and_stands_again_unless_once(url: str, options: list[str], code: int | None) -> None:
    """A job that was told to stop has not succeeded, though it ends with 0 (L14); only --once ends with the loss."""
    job = "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"
    with leading(url, *options, "--", "sh", "-c", job) as process:
        assert tenure("resign", "job", "--at", url).code == 0 or code is None
        if code is not None:
            assert process.wait(LIMIT_S) == code
            return
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n", "it stood again, and was elected again"


def test_on_lost_is_run_after_a_loss_with_its_reason(url: str, tmp_path: Path) -> None:
    """The job is gone by then; the command sees the election, the token and why."""
    note = tmp_path / "note"
    command = f"echo $TENURE_NAME $TENURE_TOKEN $TENURE_REASON > {note}"
    with leading(url, "--once", "--on-lost", command, "--", "sh", "-c", WAIT) as process:
        tenure("resign", "job", "--at", url)
        assert process.wait(LIMIT_S) == 75
    assert note.read_text() == "job 1 resigned\n"


def test_L12_sigterm_while_on_lost_runs_kills_that_command_too(url: str, tmp_path: Path) -> None:
    """It and what it has started; `run` ends with 128 + 15, and leaves no process."""
    note = tmp_path / "note"
    command = f"sleep 1000 & echo $$ $! > {note}.new; mv {note}.new {note}; wait"
    with leading(url, "--on-lost", command, "--", "sh", "-c", WAIT) as process:
        tenure("resign", "job", "--at", url)
        eventually(note.exists)
        process.terminate()
        assert process.wait(LIMIT_S) == 128 + signal.SIGTERM
    shell, child = note.read_text().split()
    eventually(lambda: not Path(f"/proc/{shell}").exists() and not Path(f"/proc/{child}").exists())


def test_what_on_lost_leaves_behind_is_killed(url: str, tmp_path: Path) -> None:
    """The command has ended well; what it put into the background has not, and goes with it."""
    note = tmp_path / "note"
    command = f"sleep 1000 & echo $! > {note}"
    with leading(url, "--once", "--on-lost", command, "--", "sh", "-c", WAIT) as process:
        tenure("resign", "job", "--at", url)
        assert process.wait(LIMIT_S) == 75
    assert not Path(f"/proc/{note.read_text().strip()}").exists()


def test_what_on_lost_puts_into_a_session_of_its_own_lives_on(url: str, tmp_path: Path) -> None:
    """The way to start something that outlives the command, as the reference says."""
    note = tmp_path / "note"
    program = shlex.quote(f"echo $$ > {note}.new; mv {note}.new {note}; exec sleep 1000 >/dev/null 2>&1")
    command = f"setsid sh -c {program} & until [ -e {note} ]; do sleep 0.05; done"
    with leading(url, "--once", "--on-lost", command, "--", "sh", "-c", WAIT) as process:
        tenure("resign", "job", "--at", url)
        assert process.wait(LIMIT_S) == 75
    os.kill(int(note.read_text()), signal.SIGKILL)  # it is there


@pytest.mark.parametrize(
    ("job", "code"),
    [(WAIT, 128 + signal.SIGTERM), ("trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done", 5)],
)
def test_sigterm_ends_the_job_and_run_with_the_jobs_code(url: str, job: str, code: int) -> None:
    """143 where the job does not handle it, as a service manager expects."""
    with leading(url, "--", "sh", "-c", job) as process:
        process.terminate()
        assert process.wait(LIMIT_S) == code
    assert tenure("run", "job", "--at", url, "--no-wait", "--", "true").code == 0, "nothing is held any more"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_L13_a_signal_while_standing_by_ends_run_and_starts_nothing(url: str, number: signal.Signals) -> None:
    """A standby obeys at once; its job never runs."""
    with (
        leading(url, "--", "sh", "-c", WAIT),
        running(url, "job", "--candidate", "ben", "--", "echo", "ran") as standby,
    ):
        eventually(lambda: stands(url, "job", "ben"))
        standby.send_signal(number)
        assert standby.wait(LIMIT_S) == 128 + number
        assert standby.stdout is not None
        assert standby.stdout.read() == ""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2])
def test_other_signals_are_passed_on_to_the_job(url: str, number: signal.Signals) -> None:
    """The job decides what they mean."""
    job = f"trap 'echo got; exit 9' {number.name[3:]}; echo up; while :; do sleep 0.05; done"
    with leading(url, "--", "sh", "-c", job) as process:
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.readline() == "got\n"
        assert process.wait(LIMIT_S) == 9


def test_grace_is_what_lies_between_term_and_kill(url: str) -> None:
    """A job that ignores SIGTERM is killed when its grace is over."""
    job = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    with leading(url, "--grace", "300ms", "--", "sh", "-c", job) as process:
        process.terminate()
        assert process.wait(LIMIT_S) == 128 + signal.SIGKILL


def test_the_shortest_lease_leaves_time_for_a_grace(tmp_path: Path) -> None:
    """What is reserved for killing on top of it is a share of a short lease, not all of it."""
    for grace in ("0", "200ms"):
        ended = tenure("run", "job", "--at", f"lease://{tmp_path}", "--lease", "1s", "--grace", grace, "--", "true")
        assert ended.code == 0, ended.err


def test_L21_hold_keeps_the_tenure_after_the_job_has_ended(url: str) -> None:
    """A host whose clock is late does not run it again; SIGTERM ends the holding with the job's code."""
    job = "echo up; exit 4"
    with leading(url, "--hold", "1h", "--", "sh", "-c", job) as process:
        assert tenure("run", "job", "--at", url, "--wait", "300ms", "--", "true").code == 124
        process.terminate()
        assert process.wait(LIMIT_S) == 4


def test_commands_that_cannot_run_are_told_apart(url: str, tmp_path: Path) -> None:
    """127 for one that is not there, 126 for one that cannot be executed; nobody is elected for either."""
    plain = tmp_path / "plain"
    plain.write_text("no program\n")
    plain.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert tenure("run", "job", "--at", url, "--", "no-such-command").code == 127
    done = tenure("run", "job", "--at", url, "--", str(plain))
    assert done.code == 126, done.err
    plain.chmod(stat.S_IRUSR)
    done = tenure("run", "job", "--at", url, "--", str(plain))
    assert done.code == 126, done.err
    done = tenure("run", "job", "--at", url, "--", plain.name, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.code == 126, done.err
    done = tenure("run", "job", "--at", url, "--", str(tmp_path))
    assert (done.code, "directory" in done.err) == (126, True), done.err


def test_without_a_place_for_the_deadline_file_nobody_stands(url: str, tmp_path: Path) -> None:
    """It is found out before anybody is elected in vain."""
    done = tenure("run", "job", "--at", url, "--", "true", XDG_RUNTIME_DIR=str(tmp_path / "missing"))
    assert (done.code, "XDG_RUNTIME_DIR" in done.err) == (78, True), done.err
    assert "standing for" not in done.err


def test_a_relative_TMPDIR_gives_the_job_an_absolute_path(url: str, tmp_path: Path) -> None:
    """The job may be anywhere when it looks."""
    command = ("sh", "-c", 'cd /; cat "$TENURE_DEADLINE_FILE"; echo "$TENURE_DEADLINE_FILE"')
    done = tenure("run", "job", "--at", url, "--", *command, XDG_RUNTIME_DIR="", TMPDIR=os.path.relpath(tmp_path))
    deadline, path = done.out.split()
    assert (deadline.isdigit(), Path(path).is_absolute()) == (True, True), done.err


def test_without_proc_it_says_what_is_missing(url: str) -> None:
    """As in a chroot where nobody mounted it."""
    done = ended(sys.executable, "-c", WITHOUT_PROC, "run", "job", "--at", url, "--", "true")
    assert (done.code, "mount -t proc" in done.err) == (78, True), done.err


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["job"], 2, "COMMAND"),
        (["job", "--wait", "1s", "--no-wait", "--", "true"], 2, "exclude"),
        (["job", "--wait", "soon", "--", "true"], 2, "500ms"),
        (["bad name", "--", "true"], 2, "name"),
        (["job", "echo", "-n", "hi"], 2, "after `--`"),
        (["job", "--onse", "--", "true"], 2, "--once"),
        (["job", "--candidate", "a b", "--", "true"], 2, "cannot name a candidate"),
        (["job", "--lease", "15s", "--", "true"], 78, "lease://"),
        (["job", "--at", "fil:///x", "--", "true"], 78, "file"),
        (["job", "--at", "memory://x", "--", "true"], 78, "every candidate reaches"),
    ],
)
def test_bad_input_is_refused_with_what_mends_it(url: str, arguments: list[str], code: int, hint: str) -> None:
    """Nothing runs, and the message names the fix."""
    done = tenure("run", *arguments, TENURE_URL=url)
    assert (done.code, done.out) == (code, "")
    assert hint in done.err


def test_options_also_come_from_the_environment(url: str) -> None:
    """TENURE_RUN_<OPTION> is the option."""
    done = tenure("run", "job", "--", "printenv", "TENURE_CANDIDATE", TENURE_URL=url, TENURE_RUN_CANDIDATE="carl")
    assert done.out == "carl\n"


def test_a_standby_that_is_killed_leaves_nobody_waiting(url: str) -> None:
    """Its presence goes with it, and its guardian too."""
    with leading(url, "--", "sh", "-c", WAIT):
        with started(*TENURE, "run", "job", "--at", url, "--candidate", "ben", "--", "true") as standby:
            eventually(lambda: stands(url, "job", "ben"))
            guardians = Path(f"/proc/{standby.pid}/task/{standby.pid}/children").read_text().split()
            assert len(guardians) == 1
            standby.kill()
            standby.wait(LIMIT_S)
            eventually(lambda: not Path(f"/proc/{guardians[0]}").exists())
        eventually(lambda: not stands(url, "job", "ben"))


def test_L23_a_job_is_gone_before_anybody_leads_on_another_lock_file(url: str, tmp_path: Path) -> None:
    """The lock file is deleted under a job that ignores SIGTERM and has a long grace: it is killed all the same."""
    book = tmp_path / "book"
    job = f"trap '' TERM; echo up; while :; do echo $TENURE_TOKEN >> {book}; sleep 0.05; done"
    with (
        leading(url, "--grace", "30s", "--", "sh", "-c", job),
        running(url, "job", "--grace", "0s", "--", "sh", "-c", job) as second,
    ):
        Path(url.removeprefix("file://"), "job", "lock").unlink()
        assert second.stdout is not None
        assert second.stdout.readline() == "up\n"
        eventually(lambda: len([token for token in book.read_text().split() if token != "1"]) > 20)
    tokens = [int(token) for token in book.read_text().split()]
    assert tokens == sorted(tokens), "the first job acted after the second had begun"


@pytest.mark.parametrize("job", [WAIT, "exec 2>/dev/null; trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"])
def test_sigterm_is_obeyed_while_nobody_reads_stderr(url: str, job: str) -> None:
    """Stderr is a full pipe from the start, with all the talk that -vv makes; the job and `run` end all the same."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    process = subprocess.Popen(
        [*TENURE, "run", "-vv", "job", "--at", url, "--", "sh", "-c", job],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(LIMIT_S) == (128 + signal.SIGTERM if job is WAIT else 5)
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)
        os.close(reading)
        os.close(writing)
