"""With which code the command ends, and what it says when something went wrong: one line, never a traceback."""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Self

import click
from click.core import ParameterSource

from tenure.errors import (
    BackendRefused,
    BackendUnreachable,
    ConfigurationError,
    LeadershipLost,
    NotElected,
    StaleToken,
    TenureError,
)

DEBUG_VARIABLE = "TENURE_DEBUG"
"""Set to anything but 0, errors come with their traceback."""
_PERMISSIONS = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_THREAD = "can't start new thread"
"""The words of the interpreter, which has no error number for it."""
_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Exit(enum.IntEnum):
    """Every exit code of our own, with its meaning; those from 64 to 78 are those of sysexits.h.

    `tenure run` ends with its child's code n, or with 128+s for a child that signal s killed.
    """

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done; `status`: somebody leads; `holds`: yes"
    FAILURE = 1, "failure; `check`: not linearizable"
    USAGE = 2, "the command line was wrong"
    NO = 3, "`status`, `resign`, `transfer`: nobody leads; `holds`: no; `check`: undecided"
    DATA = 65, "`check`: the file is no history"
    UNREACHABLE = 69, "the backend cannot be reached"
    LOST = 75, "the tenure was lost, and the child stopped"
    NOT_ALLOWED = 77, "not allowed: permissions are missing"
    CONFIGURATION = 78, "bad configuration, or the backend refused"
    NOT_IN_TIME = 124, "not elected within `--wait`; `resign`, `transfer`, `cluster`: not obeyed within it"
    TENURE_FAILED = 125, "`run`, `check`: tenure itself failed"
    NOT_EXECUTABLE = 126, "`run`: the command cannot be executed"
    NOT_FOUND = 127, "`run`: the command was not found"
    INTERRUPTED = 130, "Ctrl-C (128 + SIGINT)"
    BROKEN_PIPE = 141, "the reader of the output went away (128 + SIGPIPE)"


class Stop(Exception):
    """Raised by a command to end the process with `code`, having said `message` on stderr if there is one."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Unexpected(Exception):
    """A defect; `__cause__` is the error that nobody expected, and `code` what the command ends with."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def code_of(error: BaseException) -> int | None:
    """The exit code that `error` stands for, None where nobody expected it."""
    match error:
        case Stop() | Unexpected():
            return error.code
        case KeyboardInterrupt() | EOFError() | click.Abort():
            return Exit.INTERRUPTED
        case BrokenPipeError():
            return Exit.BROKEN_PIPE
        case click.UsageError():
            return Exit.USAGE
        case NotElected():
            return Exit.NOT_IN_TIME
        case LeadershipLost() | StaleToken():
            return Exit.LOST
        case BackendUnreachable():
            return Exit.UNREACHABLE
        case BackendRefused() | ConfigurationError():
            return Exit.NOT_ALLOWED if _is_permission(error) else Exit.CONFIGURATION
        case TenureError():
            code = getattr(error, "exit_code", None)  # the job's errors know their shell's codes
            return code if isinstance(code, int) else None
        case OSError() if error.errno in _PERMISSIONS:
            return Exit.NOT_ALLOWED
        case click.ClickException():
            return Exit.FAILURE
        case OSError() if _is_of_output(error):
            return Exit.FAILURE
        case _:
            return None


def message_of(error: BaseException) -> str:
    """What is said about `error`: what happened, and what to do."""
    match error:
        case Stop():
            return error.message
        case KeyboardInterrupt() | EOFError() | BrokenPipeError() | click.Abort():
            return ""
        case click.UsageError():
            context = error.ctx
            if context is None:
                return error.format_message()
            said = f"{error.format_message().rstrip('.')}{_origin(error)}"
            return f"{said}\n{context.get_usage()}\nTry '{context.command_path} --help' for help."
        case click.ClickException():
            return error.format_message()
        case OSError() if _is_of_output(error):
            return f"the output cannot be written ({error.strerror}) and is incomplete; send it somewhere else"
        case Unexpected():
            cause = error.__cause__
            if isinstance(cause, TenureError):
                return str(cause)
            if isinstance(cause, OSError) or (cause is not None and str(cause) == _NO_THREAD):
                return "; ".join(filter(None, (str(cause), _remedy(cause))))
            return f"a defect of tenure: {type(cause).__name__}: {cause}; {DEBUG_VARIABLE}=1 shows where"
        case _:
            return str(error) or type(error).__name__


def run_and_exit(function: Callable[[], object]) -> int:
    """Call `function` and return the exit code: what it returned, or what its error stands for, having said so.

    With TENURE_DEBUG=1 the traceback is shown first.
    """
    try:
        result = function()
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last handler of the process: each becomes a code
        if os.environ.get(DEBUG_VARIABLE, "0") not in {"", "0"} and not _is_plain(error):
            traceback.print_exception(error)
        code = code_of(error)
        if code == Exit.BROKEN_PIPE or _is_of_output(error):
            _drop_output()
        if code is None:
            unexpected = Unexpected(Exit.FAILURE)
            unexpected.__cause__ = error
            error, code = unexpected, unexpected.code
        say(message_of(error))
        return code
    return result if isinstance(result, int) else Exit.DONE


@contextlib.contextmanager
def ending_on(*signals: signal.Signals) -> Iterator[None]:
    """Leave on these signals in good order, with 128 + signal."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise Stop(128 + number)

    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(message: str) -> None:
    """Talk: on stderr, each message marked as ours. Whoever closed stderr does not want to hear it."""
    if message:
        try:
            sys.stderr.write(f"tenure: {message}\n")
            sys.stderr.flush()
        except OSError:
            return


def _origin(error: click.UsageError) -> str:
    """The variable that a refused value came from: whoever did not type it looks for it in vain."""
    context, param = error.ctx, getattr(error, "param", None)
    if context is None or param is None or param.name is None:
        return ""
    if context.get_parameter_source(param.name) is not ParameterSource.ENVIRONMENT:
        return ""
    return f" (from {param.envvar or f'{context.auto_envvar_prefix}_{param.name.upper()}'})"


def _remedy(error: BaseException) -> str:
    """What to do about a system that has run out of something."""
    code = error.errno if isinstance(error, OSError) else errno.EAGAIN
    return {
        errno.EAGAIN: "no more processes or threads may be started; raise RLIMIT_NPROC (ulimit -u), or pids.max of the "
        "control group",
        errno.EMFILE: "no more files may be opened; raise RLIMIT_NOFILE: ulimit -n 256",
        errno.ENFILE: "this machine has no descriptor left; raise fs.file-max, or end what has so many",
        errno.ENOMEM: "no memory is left; free some, or raise the limit of the control group",
    }.get(code or 0, "")


def _is_permission(error: BaseException) -> bool:
    return any(isinstance(cause, OSError) and cause.errno in _PERMISSIONS for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _is_plain(error: BaseException) -> bool:
    """Whether a command ended itself on purpose: nobody looks for a defect there."""
    return isinstance(error, Stop) and error.__cause__ is None


def _is_of_output(error: BaseException) -> bool:
    """Whether it tells of a full disk or a lost terminal behind stdout: an error of any other file names that file."""
    return isinstance(error, OSError) and error.errno in _OUTPUT and error.filename is None


def _drop_output() -> None:
    """Nobody can read stdout any more: what is left in its buffer goes nowhere, instead of failing at the exit."""
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
    except (OSError, ValueError):  # stdout is no file here: there is no descriptor that could fail at the exit
        return
