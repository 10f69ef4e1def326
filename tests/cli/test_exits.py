"""Each error has its code and its one line; nobody sees a traceback who has not asked for it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import click
import pytest

from tenure import (
    BackendRefused,
    BackendUnreachable,
    ConfigurationError,
    LeadershipLost,
    NotElected,
    Reason,
    StaleToken,
)
from tenure.cli import COMMANDS, main
from tenure.cli.exits import Exit, Stop, code_of, message_of
from tenure.supervise import CommandNotExecutable, CommandNotFound
from tests.cli.scene import LIMIT_S, TENURE, environment, tenure


def caused(error: Exception, cause: Exception) -> Exception:
    """`error` as it looks when it was raised from `cause`."""
    error.__cause__ = cause
    return error


CODES: list[tuple[BaseException, int]] = [
    (ConfigurationError("write it like this"), 78),
    (BackendRefused("no"), 78),
    (caused(BackendRefused("no"), PermissionError(errno.EACCES, "denied")), 77),
    (caused(BackendRefused("no"), OSError(errno.EROFS, "read-only")), 77),
    (caused(BackendRefused("no"), OSError(errno.ENOTDIR, "not a directory")), 78),
    (caused(ConfigurationError("no"), PermissionError(errno.EPERM, "denied")), 77),
    (PermissionError(errno.EACCES, "denied"), 77),
    (BackendUnreachable("no answer"), 69),
    (NotElected("nightly", 3.0), 124),
    (LeadershipLost("nightly", 7, Reason.EXPIRED), 75),
    (StaleToken(6, 7), 75),
    (CommandNotFound("nowhere"), 127),
    (CommandNotExecutable("/etc/passwd", errno.EACCES), 126),
    (click.UsageError("wrong"), 2),
    (click.ClickException("something"), 1),
    (OSError(errno.ENOSPC, "full"), 1),
    (KeyboardInterrupt(), 130),
    (BrokenPipeError(), 141),
    (Stop(3, "nobody leads"), 3),
]


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, body: Callable[[], object]) -> None:
    """Put `body` in the place of the command `name`."""
    command = click.Command(name, callback=body)
    monkeypatch.setitem(sys.modules, f"tenure.cli.{name}", SimpleNamespace(command=command))


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda value: repr(value)[:40])
def test_every_error_has_its_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that raises ends with the code of the table and at most one line on stderr."""

    def body() -> NoReturn:
        raise error

    replaced(monkeypatch, "status", body)

    assert main(["status"]) == code == code_of(error)
    said = capsys.readouterr().err
    assert said == (f"tenure: {message_of(error)}\n" if message_of(error) else "")
    assert "Traceback" not in said


@pytest.mark.parametrize(("name", "code"), [("status", 1), ("run", 125)])
def test_a_defect_is_told_apart(
    name: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody expected is 1, and 125 from `run`, whose child may end with 1."""
    replaced(monkeypatch, name, lambda: 1 // 0)

    assert main([name]) == code
    said = capsys.readouterr().err
    assert said.startswith("tenure: a defect of tenure: ZeroDivisionError")
    assert "TENURE_DEBUG=1" in said
    assert "Traceback" not in said


def test_the_traceback_comes_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With TENURE_DEBUG=1 a defect shows where it is."""
    replaced(monkeypatch, "status", lambda: 1 // 0)
    monkeypatch.setenv("TENURE_DEBUG", "1")

    main(["status"])

    assert "Traceback" in capsys.readouterr().err


def test_an_end_on_purpose_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even with TENURE_DEBUG=1: there is no defect to look for."""

    def body() -> NoReturn:
        raise Stop(3, "nobody leads")

    replaced(monkeypatch, "status", body)
    monkeypatch.setenv("TENURE_DEBUG", "1")

    assert main(["status"]) == 3
    assert capsys.readouterr().err == "tenure: nobody leads\n"


@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "words",
    ["--version", "-V", "--help", "status x", "status x -o json", "watch x --count 1", "completion bash", "doctor"],
)
def test_a_full_disk_is_one_clear_line(url: str, words: str, buffered: str) -> None:
    """Code 1 and what could not be written, once; nothing more when the interpreter ends."""
    with open("/dev/full", "w", encoding="ascii") as full:  # noqa: PTH123  a device, as a shell's redirection opens it
        done = subprocess.run(
            [*TENURE, *words.split()],
            env=environment(TENURE_URL=url, PYTHONUNBUFFERED=buffered),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if "nobody ever stood" not in line)
    assert line.startswith("tenure: the output cannot be written (No space left on device)")


@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "words", ["--version", "-V", "--help", "status x", "status x -o json", "completion bash", "doctor"]
)
def test_a_reader_that_has_gone_is_no_failure_to_talk_about(url: str, words: str, buffered: str) -> None:
    """Like `tenure --help | head -1`: quiet, and 141, which is what a shell shows for SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*TENURE, *words.split()],
            env=environment(TENURE_URL=url, PYTHONUNBUFFERED=buffered),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (Exit.BROKEN_PIPE, "")


@pytest.mark.parametrize(
    ("words", "variable", "value"),
    [
        ("status x", "TENURE_STATUS_OUTPUT", "xml"),
        ("run x -- true", "TENURE_RUN_GRACE", "soon"),
        ("watch x", "TENURE_WATCH_FOR", "soon"),
        ("holds", "TENURE_HOLDS_FOR", "soon"),
    ],
)
def test_a_value_that_nobody_typed_is_named_with_its_variable(words: str, variable: str, value: str) -> None:
    """Code 2; a value that was typed needs no such hint."""
    done = tenure(*words.split(), **{variable: value})

    assert done.code == 2
    assert f"(from {variable})" in done.err.splitlines()[0]
    assert "(from " not in tenure("status", "x", "-o", "xml").err


def test_what_a_command_returns_is_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """An integer is the exit code; nothing is 0."""
    replaced(monkeypatch, "status", lambda: 3)
    assert main(["status"]) == 3
    replaced(monkeypatch, "status", lambda: None)
    assert main(["status"]) == 0


def test_every_code_has_a_meaning_of_its_own() -> None:
    """No two codes share a number or a meaning; `run` and `check`, whose 1 means something, know 125."""
    assert len({code.meaning for code in Exit}) == len(list(Exit)) == len({int(code) for code in Exit})
    assert [name for name, listed in COMMANDS.items() if listed.unexpected != Exit.FAILURE] == ["run", "check"]


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (("status", "x", "--at", "etdc://host"), 78, "did you mean etcd://"),
        (("status", "x", "--at", "etcd://host"), 78, "does not have etcd:// yet"),
        (("status", "x", "--at", "elections"), 78, "write file:///"),
        (("status", "x", "--at", "file:///tmp?pol=1s"), 78, "did you mean poll"),
        (("status", "-q", "--", "-x"), 2, "try 'x'"),
        (("status", "a/b"), 2, "A-Z a-z 0-9"),
        (("watch", "x", "--for", "5 parsecs"), 2, "write it like 500ms"),
        (("watch", "x", "--count", "0"), 2, "--count"),
        (("watch",), 2, "NAME"),
        (("transfer", "x"), 2, "--to"),
        (("status", "-o", "xml"), 2, "'table', 'json', 'jsonl'"),
        (("doctor", "--floor", "7"), 2, "NAME"),
        (("completion", "tcsh"), 2, "'bash', 'zsh', 'fish'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_answered_with_what_to_write(arguments: tuple[str, ...], code: int, hint: str) -> None:
    """Each error of the caller ends with 2 or 78, says nothing on stdout, and names its fix."""
    answer = tenure(*arguments)

    assert (answer.code, answer.out) == (code, "")
    assert hint in answer.err
    assert "Traceback" not in answer.err


def test_a_bad_url_in_the_environment_says_where_it_comes_from() -> None:
    """TENURE_URL is named where it is at fault."""
    answer = tenure("status", "x", TENURE_URL="nonsense://")

    assert answer.code == 78
    assert "TENURE_URL" in answer.err


def test_a_closed_stdout_is_no_defect(url: str) -> None:
    """Started with stdout or stderr closed, the command ends with its own code."""
    for closed in (">&-", "2>&-"):
        line = f'"$@" {closed}'
        done = subprocess.run(
            ["/bin/sh", "-c", line, "sh", *TENURE, "status", "x", "--at", url],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == Exit.NO
        assert "Traceback" not in done.stderr


def test_the_version_told_to_nobody_is_no_defect() -> None:
    """Started with stdout closed, it ends well and quietly."""
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&-', "sh", *TENURE, "--version"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (Exit.DONE, "")


def test_a_full_disk_is_told(url: str) -> None:
    """Output that could not be written is a failure, not a success."""
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123  a device file, not a path of ours
        done = subprocess.run(
            [*TENURE, "doctor", "--at", url],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    assert done.returncode == Exit.FAILURE
    assert os.strerror(errno.ENOSPC) in done.stderr


def test_ctrl_c_during_the_imports_has_no_traceback(tmp_path: Path) -> None:
    """A module that is interrupted as it is imported stands for a Ctrl-C at that instant: 130, and not a word."""
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")

    assert tenure("status", "x", PYTHONPATH=str(tmp_path)) == (Exit.INTERRUPTED, "", "")
