"""`guard="process"`: a process that passes its hard deadline is killed, however it came to that."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenure import Election
from tenure.errors import ConfigurationError
from tenure.supervise import own
from tenure.supervise.processes import Process, children_of, identify, is_stopped, send, stat
from tests.processes.library_scene import Program

pytestmark = pytest.mark.serial
PROGRAM = Path(__file__).with_name("programs") / "stalls.py"
LIMIT_S = 30.0
MEMORY = "memory://guarded?lease=1s"


@pytest.fixture
def run() -> Iterator[Callable[..., Program]]:
    """Start a program, guarded unless it is told otherwise; what still runs at the end is killed."""
    programs: list[Program] = []

    def start(function: str, url: str = MEMORY, **options: object) -> Program:
        programs.append(Program(function, url, PROGRAM, {"TENURE_TEST_OPTIONS": json.dumps(options)}))
        return programs[-1]

    yield start
    for program in programs:
        program.close()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it, not for ever."""
    limit_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit_s, f"not within {LIMIT_S:g} s: {what}"
        time.sleep(0.01)


def guardian_of(program: Program) -> Process:
    """The process that watches it."""
    for pid in children_of(program.pid):
        found = stat(pid)
        if found is not None and found.name == "tenure-guardian":
            return Process(pid, found.start)
    raise AssertionError("it has no guardian")


def is_gone(process: Process) -> bool:
    """Whether it has ended; a zombie has."""
    found = stat(process.pid)
    return found is None or found.start != process.start or not found.is_living


def test_L16_a_process_stopped_past_its_deadline_is_killed_and_never_resumed(run: Callable[..., Program]) -> None:
    """It and its child are gone, without an instruction more; its guardian says why, and ends."""
    program = run("idle", guard="process")
    child = identify(int(program.line("child").split()[1]))
    guardian = guardian_of(program)
    program.signal(signal.SIGSTOP)

    assert program.end() == -signal.SIGKILL
    assert "passed its hard deadline as leader of e" in program.errors
    assert child is not None
    until(lambda: is_gone(child), "the child's end")
    until(lambda: is_gone(guardian), "the guardian's end")


def test_a_guarded_leader_that_is_well_renews_and_leaves(run: Callable[..., Program]) -> None:
    """It leads for longer than two leases, and its guardian ends with it."""
    program = run("healthy", guard="process")
    program.line("leading")
    guardian = guardian_of(program)

    assert (program.end(), program.complaints()) == (0, [])
    assert program.lines[-2:] == ["body True", "left"]
    until(lambda: is_gone(guardian), "the guardian's end")


@pytest.mark.parametrize("how", ["blocks_the_loop", "holds_the_gil", "swallows_the_loss", "never_ends", "execs"])
def test_L8_work_that_will_not_stop_is_killed_at_the_hard_deadline(how: str, run: Callable[..., Program]) -> None:
    """Whatever it does with the loop, the interpreter's lock, its cancellation or its program."""
    program = run(how, guard="process", **({"stall_after": 0.4} if how == "never_ends" else {}))
    program.line("leading")

    assert program.end() == -signal.SIGKILL


def test_a_guardian_that_was_killed_ends_the_tenure_in_good_order(run: Callable[..., Program]) -> None:
    """Nobody leads unguarded who wanted a guard: the next renewal notices, and the tenure is resigned."""
    program = run("healthy", guard="process")
    program.line("leading")
    assert send(guardian_of(program), signal.SIGKILL)

    program.line("lost resigned")
    assert program.end() == 0
    assert "the guardian of this process was killed" in program.errors


def test_a_guardian_that_was_stopped_is_continued_and_kills_nobody(run: Callable[..., Program]) -> None:
    """Its orders are read before it judges the clock."""
    program = run("healthy", guard="process")
    program.line("leading")
    guardian = guardian_of(program)
    assert send(guardian, signal.SIGSTOP)
    until(lambda: is_stopped(guardian), "that it stops")
    until(lambda: not is_stopped(guardian), "that it goes on")

    assert program.end() == 0
    assert program.lines[-1] == "left"


def test_a_guardian_that_was_stopped_ends_with_its_process(run: Callable[..., Program]) -> None:
    """Nobody is left who could continue it: the kernel does, because its process group has become an orphan."""
    program = run("healthy", guard="process")
    program.line("leading")
    guardian = guardian_of(program)
    program.signal(signal.SIGSTOP)  # else it would continue its guardian
    assert send(guardian, signal.SIGSTOP)
    program.signal(signal.SIGKILL)

    assert program.end() == -signal.SIGKILL
    until(lambda: is_gone(guardian), "the guardian's end")


def test_a_forked_child_has_a_guardian_of_its_own(run: Callable[..., Program]) -> None:
    """It may lead and end; its parent leads on, guarded."""
    program = run("forks", guard="process")
    program.line("leading")

    assert program.end() == 0
    assert "child 1" in program.lines
    assert program.lines[-1] == "status 7 True"


def test_a_guard_needs_a_deadline(tmp_path: Path) -> None:
    """A lock without a lease has none, a clock that is moved by hand another one than the guardian's."""
    with pytest.raises(ConfigurationError, match="gives no leases"):
        Election("e", f"file://{tmp_path}", guard="process")
    with pytest.raises(ConfigurationError, match="guard is 'process' or None"):
        Election("e", MEMORY, guard="thread")  # type: ignore[arg-type]  # what somebody may write who does not check types


def test_an_interpreter_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that embeds Python, whose `sys.executable` is that program."""
    monkeypatch.setattr(own.OwnGuardian, "_current", None)
    monkeypatch.setattr("sys.executable", "/bin/true")
    with pytest.raises(ConfigurationError, match="did not run as its guardian"):
        own.OwnGuardian.current()
    monkeypatch.setattr("sys.executable", "/nowhere")
    with pytest.raises(ConfigurationError, match="could not start /nowhere"):
        own.OwnGuardian.current()


APPLICATION = """#!{python}
import os, sys
sys.executable, sys.frozen = {path!r}, {frozen}
with open({path!r} + ".starts", "a+") as starts:
    starts.write("started\\n")
    starts.seek(0)
    if len(starts.readlines()) > 3:
        sys.exit("a chain")
from tenure.errors import ConfigurationError
from tenure.supervise.own import OwnGuardian
try:
    OwnGuardian.current()
except ConfigurationError as error:
    sys.exit(str(error))
"""
"""A program that is its own `sys.executable`, as one made by PyInstaller or Nuitka; so a chain of them ends here."""


@pytest.mark.parametrize(
    ("frozen", "starts", "why"), [(True, 1, "a frozen"), (False, 2, "did not run as its guardian")]
)
def test_an_application_that_is_its_own_interpreter_starts_no_chain(
    tmp_path: Path, frozen: bool, starts: int, why: str
) -> None:
    """Where it does not say that it is frozen it is started once more, as a guardian, and that one starts none."""
    path = tmp_path / "app"
    path.write_text(APPLICATION.format(python=sys.executable, path=str(path), frozen=frozen), encoding="utf-8")
    path.chmod(0o755)

    ended = subprocess.run([path], capture_output=True, text=True, timeout=LIMIT_S, check=False)

    assert (ended.returncode, why in ended.stderr) == (1, True), ended.stderr
    assert (tmp_path / "app.starts").read_text(encoding="utf-8").count("started") == starts


STRANGER = """#!{python}
import os, subprocess, sys, time
with open({path!r} + ".child", "w") as said:
    said.write(str(subprocess.Popen(["sleep", "300"]).pid))
os.close(int(sys.argv[3]))  # the channel: nobody waits for it any longer
time.sleep(300)
"""


def test_a_program_that_is_no_interpreter_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not asked to do its work, and may have begun."""
    path = tmp_path / "app"
    path.write_text(STRANGER.format(python=sys.executable, path=str(path)), encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(own.OwnGuardian, "_current", None)
    monkeypatch.setattr("sys.executable", str(path))

    with pytest.raises(ConfigurationError, match="did not run as its guardian"):
        own.OwnGuardian.current()

    child = identify(int((tmp_path / "app.child").read_text(encoding="utf-8")))
    until(lambda: child is None or is_gone(child), "the child's end")


def test_where_no_interpreter_can_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in `sys` may be nothing, and descriptors may run out."""
    monkeypatch.setattr(own.OwnGuardian, "_current", None)
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", None)
        with pytest.raises(ConfigurationError, match=r"sys\.executable does not say"):
            own.OwnGuardian.current()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(ConfigurationError, match="Too many open files"):
            own.OwnGuardian.current()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_stands_in_the_search_path_besides_paths_is_passed_over() -> None:
    """As the import system passes it over."""
    code = """
import sys
sys.path.insert(0, None)
from tenure.supervise.own import OwnGuardian
print(OwnGuardian.current().is_alive())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (ended.stdout, ended.returncode) == ("True\n", 0), ended.stderr


# ------------------------------------------------------------------------------- without a guard: what is promised then


def test_L8_a_blocked_loop_without_a_guard_is_deposed_and_reported(run: Callable[..., Program]) -> None:
    """The lease runs out for it, and the overrun names the line."""
    program = run("blocks_the_loop", on_overrun="exit")
    program.line("leading")

    assert program.end() == 75
    assert "work runs on after its tenure was lost (stalled)" in program.errors
    assert "stalls.py" in program.errors


def test_L4_a_thread_that_outlives_the_body_learns_it_from_the_tenure(run: Callable[..., Program]) -> None:
    """Only the body is waited for: a thread that asks stops; one that does not, only a guard or a token stops."""
    program = run("leaks_a_thread")

    assert program.end() == 0
    assert "the thread stops Reason.RESIGNED" in program.lines
