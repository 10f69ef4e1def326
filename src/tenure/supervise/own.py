"""A guardian around the process that leads by itself: what `guard="process"` starts for users of the library.

A process that was stopped past its hard deadline would, once continued, run some instructions of its body before any of
its own code could keep it from that. Nothing inside it can help: it is stopped. So another process, started by `exec`
because this one may have threads by now, is told every hard deadline, and ends this process and the descendants that it
still has by SIGKILL when one passes. `own_guardian` is that process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

from tenure.errors import ConfigurationError
from tenure.supervise.own_guardian import PACKET_BYTES, READY, kill_with_descendants, pack
from tenure.supervise.processes import Process, identify, is_stopped, send

START_LIMIT_S = 10.0
"""How long the other interpreter may take to start; it needs some 50 ms."""
MARK = "TENURE_GUARDIAN"
"""Set for what is started as a guardian, which may turn out to be the application again: that starts no other."""
_REMEDY = "Where this Python is embedded in or frozen into another program, leave the guard away, or use tenure run"
_PROGRAM = "import sys; sys.path[:] = sys.argv[3:]; from tenure.supervise.own_guardian import main; main()"


class OwnGuardian:
    """This process's guardian; `current` starts it, or another one where the first has gone. Any thread."""

    _current: OwnGuardian | None = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        try:
            self._socket, self._process = _started()
        except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
            raise ConfigurationError(
                f'guard="process" could not start {sys.executable}: {error}; nobody stands for anything. {_REMEDY}'
            ) from error
        self._identity = self._wait_until_ready()
        self._socket.setblocking(False)

    def _wait_until_ready(self) -> Process | None:
        self._socket.settimeout(START_LIMIT_S)
        with contextlib.suppress(OSError):  # a time-out among them: not ready, either way
            if self._socket.recv(PACKET_BYTES) == READY:
                return identify(self._process.pid)
        self._socket.close()
        if (stranger := identify(self._process.pid)) is not None:
            kill_with_descendants(stranger)  # another program than an interpreter may have begun to do its work
        code = self._process.wait()
        raise ConfigurationError(
            f'guard="process" started {sys.executable}, which did not run as its guardian (it ended with {code}); '
            f"nobody stands for anything. {_REMEDY}"
        )

    @classmethod
    def current(cls) -> OwnGuardian:
        """The guardian of this process, started if need be. Raises ConfigurationError where none can be."""
        _refuse_where_there_is_no_interpreter()
        with cls._lock:
            if cls._current is None or not cls._current.is_alive():
                cls._current = cls()
            return cls._current

    def is_alive(self) -> bool:
        """Whether it still watches."""
        return self._process.poll() is None

    def tell(self, tenure: int, election: str, deadline_ns: int | None) -> bool:
        """Have this process ended at `deadline_ns` (CLOCK_BOOTTIME) for the sake of one of its tenures, or no more.

        False where nobody hears it any more. Never blocks.
        """
        if self._identity is not None and is_stopped(self._identity):
            send(self._identity, signal.SIGCONT)  # it reads what was sent before it looks at the clock
        try:
            self._socket.send(pack(tenure, deadline_ns, election), socket.MSG_NOSIGNAL)
        except OSError:  # it is dead; or its buffer is full, and it hears nothing
            self._process.kill()
            return False
        return True

    @classmethod
    def forget_in_child(cls) -> None:
        """In a forked child: the guardian is the parent's, and watches only that."""
        cls._lock = threading.Lock()
        guardian, cls._current = cls._current, None
        if guardian is not None:
            guardian.disown()

    def disown(self) -> None:
        """In a forked child: it is not our child, nobody here may wait for it or be warned of it."""
        self._socket.close()
        self._process.returncode = 0


def _refuse_where_there_is_no_interpreter() -> None:
    """Whoever starts a frozen application as its interpreter starts the application."""
    if getattr(sys, "frozen", False):  # PyInstaller, cx_Freeze and py2exe set it
        why = f"this is a frozen application, and {sys.executable} is no interpreter"
    elif os.environ.get(MARK):
        why = f"this process was itself started as a guardian: its parent's {sys.executable} is no interpreter"
    elif not sys.executable:
        why = "sys.executable does not say where the interpreter is"
    else:
        return
    raise ConfigurationError(f'guard="process" can start no guardian: {why}; nobody stands for anything. {_REMEDY}')


def _started() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The channel to a new guardian, and the guardian. Raises OSError and ValueError."""
    with contextlib.ExitStack() as undo:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo.callback(ours.close)
        with theirs:
            pidfd = os.pidfd_open(os.getpid())
            try:
                process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), str(pidfd), *_search_path()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env={**os.environ, MARK: "1"},
                    pass_fds=(theirs.fileno(), pidfd),
                    # A signal to our group or terminal is not for it. No session of its own: then our end makes its
                    # group an orphaned one, and the kernel continues it if it is stopped.
                    process_group=0,
                )
            finally:
                os.close(pidfd)
        undo.pop_all()
    return ours, process


def _search_path() -> list[str]:
    """What the guardian imports from; the import system, too, passes over whatever else stands there."""
    places: list[object] = [*sys.path]  # whatever it is declared to be
    return [place for place in places if isinstance(place, str)]


os.register_at_fork(after_in_child=OwnGuardian.forget_in_child)
