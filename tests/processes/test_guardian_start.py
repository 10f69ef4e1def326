"""How a job starts and how its end is told: codes, streams, environment, descriptors, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.guarded_scene import Scene, until

SHOW = """
import json, os, signal, sys
fds = {}
for name in os.listdir("/proc/self/fd"):
    try:
        fds[name] = os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:
        pass  # the listing's own descriptor
ignored = [n for n in signal.valid_signals() if n not in (9, 19) and signal.getsignal(n) is signal.SIG_IGN]
status = dict(line.split(":", 1) for line in open("/proc/self/status") if line.startswith("Sig"))
json.dump({"fds": fds, "ignored": [int(n) for n in ignored], "blocked": status["SigBlk"].strip(),
           "really_ignored": status["SigIgn"].strip(), "group": os.getpgrp(), "pid": os.getpid()}, sys.stdout)
"""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene that is empty at the end."""
    with Scene(tmp_path) as scene:
        yield scene


def output(scene: Scene, *command: str, **options: object) -> tuple[int, bytes, bytes]:
    """Run a job to its end: the code, stdout and stderr."""
    wrapper = scene.run(*command, **options)  # type: ignore[arg-type]  # the options of Scene.run, passed on
    out, talk = wrapper.process.communicate(timeout=30)
    return wrapper.wait(), out, talk


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 1", 1), ("exit 75", 75), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)],
)
def test_the_code_is_that_of_the_job(scene: Scene, script: str, code: int) -> None:
    """n for an exit, 128 + s for a signal, as a shell has it."""
    assert output(scene, "sh", "-c", script)[0] == code


def test_the_streams_are_the_wrappers_own(scene: Scene) -> None:
    """The job reads the wrapper's stdin and writes to its stdout and stderr, and nothing is added."""
    wrapper = scene.run("sh", "-c", "cat; echo talk >&2", stdin=subprocess.PIPE)

    out, talk = wrapper.process.communicate(b"line\n" * 100_000, timeout=30)

    assert (wrapper.wait(), out, talk) == (0, b"line\n" * 100_000, b"talk\n")


def test_the_environment_is_the_one_given_and_names_the_deadline_file(scene: Scene) -> None:
    """Variables, bytes that are no UTF-8, and TENURE_DEADLINE_FILE."""
    code, out, _ = output(scene, "env", "-0", env={"GREETING": "a=b\nc", "ODD": os.fsdecode(b"\xff\xfe")})

    found = dict(line.split(b"=", 1) for line in out.rstrip(b"\0").split(b"\0"))
    assert code == 0
    assert found[b"GREETING"] == b"a=b\nc"
    assert found[b"ODD"] == b"\xff\xfe"
    assert found[b"TENURE_DEADLINE_FILE"].startswith(os.fsencode(scene.run_time))


def test_a_large_environment_and_a_long_command_arrive_whole(scene: Scene) -> None:
    """Hundreds of kilobytes, more than a socket takes in one message."""
    many = {f"VARIABLE_{number}": "x" * 1000 for number in range(300)}
    words = ["y" * 1000] * 300

    code, out, _ = output(scene, "sh", "-c", 'echo $# $(env | grep -c "^VARIABLE_")', "sh", *words, env=many)

    assert (code, out) == (0, b"300 300\n")


def test_the_job_has_no_descriptors_but_its_streams(scene: Scene) -> None:
    """Neither ours nor one that the wrapper's own caller left open."""
    reading, writing = os.pipe()
    try:
        code, out, _ = output(scene, sys.executable, "-c", SHOW, pass_fds=(reading, writing))
    finally:
        os.close(reading)
        os.close(writing)

    shown = json.loads(out)
    assert code == 0
    assert sorted(shown["fds"]) == ["0", "1", "2"]


def test_L26_the_job_holds_the_locks_descriptor_out_of_the_way_of_scripts(scene: Scene) -> None:
    """It is inherited at a number that no shell script uses for itself."""
    code, out, _ = output(scene, sys.executable, "-c", SHOW, lock=True)

    shown = json.loads(out)
    extra = {int(number): path for number, path in shown["fds"].items() if int(number) > 2}
    assert code == 0
    assert list(extra.values()) == [str(scene.lock)]
    assert min(extra) >= 100


@pytest.mark.parametrize("prefix", [(), ("nohup",)], ids=["plain", "nohup"])
def test_the_job_starts_with_default_signals(scene: Scene, prefix: tuple[str, ...]) -> None:
    """Nothing is ignored, nothing blocked, whatever wrapper and guardian ignore.

    Signals 32 and 33 are the C library's own: it lets nobody reset them, and its posix_spawn ignores them.
    """
    code, out, _ = output(scene, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", prefix=prefix)

    masks = [int(word, 16) for word in out.split()[1::2]]
    assert code == 0
    assert [mask & ~(0b11 << 31) for mask in masks] == [0, 0]


def test_the_job_leads_a_process_group_of_its_own(scene: Scene) -> None:
    """Its pid is its group, so that an order reaches the whole group."""
    code, out, _ = output(scene, sys.executable, "-c", SHOW)

    shown = json.loads(out)
    assert code == 0
    assert shown["group"] == shown["pid"]


def test_a_command_that_does_not_exist_is_127(scene: Scene) -> None:
    """Nothing runs, and the message names the command."""
    code, _, talk = output(scene, "no-such-command-anywhere")

    assert code == 127
    assert b"'no-such-command-anywhere' was not found" in talk
    assert scene.leftovers() == []


def test_a_script_whose_interpreter_does_not_exist_is_127(scene: Scene) -> None:
    """The kernel says the same of both, and so do shells."""
    script = scene.folder / "script"
    script.write_text("#!/no/such/interpreter\n", encoding="ascii")
    script.chmod(0o755)

    assert output(scene, str(script))[0] == 127


@pytest.mark.parametrize(
    ("content", "mode", "hint"), [("#!/bin/sh\n", 0o644, b"chmod +x"), ("no first line\n", 0o755, b"#!/bin/sh")]
)
def test_a_file_that_cannot_be_executed_is_126(scene: Scene, content: str, mode: int, hint: bytes) -> None:
    """The message says why, and what to do about it."""
    script = scene.folder / "script"
    script.write_text(content, encoding="ascii")
    script.chmod(mode)

    code, _, talk = output(scene, str(script))

    assert code == 126
    assert hint in talk


def test_one_guardian_runs_several_jobs(scene: Scene) -> None:
    """One after the other, as after a loss: each starts, ends, and leaves nothing."""
    count = scene.folder / "count"
    wrapper = scene.run("sh", "-c", f"sleep 1000 & echo . >> {count}", times=5, lock=True)

    assert wrapper.wait() == 0
    assert count.read_text(encoding="ascii") == ".\n" * 5
    assert [event["event"] for event in wrapper.events()].count("ended") == 5
    assert scene.leftovers() == []


def test_a_forwarded_signal_reaches_the_whole_group_of_the_job(scene: Scene) -> None:
    """SIGUSR1 to the wrapper is the job's affair."""
    ready = scene.folder / "ready"
    inner = f"trap 'exit 3' USR1; echo > {ready}; while :; do sleep 0.05; done"
    wrapper = scene.run("sh", "-c", f'trap : USR1; sh -c "{inner}" & wait; wait $!; exit $?')
    until(ready.exists, "the job has set its traps")

    os.kill(wrapper.pid, signal.SIGUSR1)

    assert wrapper.wait() == 3


def test_L13_an_order_to_stop_while_the_job_starts_is_not_lost(scene: Scene) -> None:
    """A signal that comes between fork and exec waits for the default dispositions: no grace is waited out."""
    for _ in range(20):
        wrapper = scene.run("sleep", "1000", grace_s=1000)
        wrapper.event("forked")
        # SIGTERM before the handler stands ends the wrapper at once, and the guardian ends the job: that is right too.
        os.kill(wrapper.pid, signal.SIGTERM)
        wrapper.wait()
        until(lambda: not scene.living(), "nothing is left")


def test_closed_standard_streams_are_no_trap(scene: Scene) -> None:
    """A wrapper started without stdin, stdout and stderr does not hand its own sockets to the job as such."""
    words, events = scene.command("sh", "-c", "echo lost; exit 6")
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words], env=scene.environment(), process_group=0
    )
    wrapper = scene.adopt(process, events)

    assert wrapper.wait() == 6
