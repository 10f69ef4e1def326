"""Foreground and job control, as a shell does them for its jobs, because the wrapper is the job's shell.

The job leads a process group of its own, so the wrapper hands the terminal over and takes it back. ^Z stops the job
alone; the wrapper then takes the terminal back and stops *itself*, which is what the shell above waits for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import threading

STDIN = 0


class Terminal:
    """The terminal on stdin, if there is one and it controls our session."""

    def __init__(self) -> None:
        self._modes: list[int | list[bytes | int]] | None = None
        self._is_given = False

    def is_ours(self) -> bool:
        """Whether our process group is in the foreground."""
        return self._foreground() == os.getpgrp()

    def is_lent(self, group: int) -> bool:
        """Whether this group of the job's is in the foreground."""
        return self._foreground() == group

    def note_given(self) -> None:
        """The job takes the foreground by itself, before its first instruction; remember the modes that it finds."""
        self._is_given = True
        with contextlib.suppress(termios.error):
            self._modes = termios.tcgetattr(STDIN)

    def give(self, group: int) -> None:
        """Put the job into the foreground."""
        self.note_given()
        self._set(group)

    def take_back(self) -> None:
        """Put ourselves into the foreground again."""
        self._is_given = False
        self._set(os.getpgrp())

    def job_is_over(self, status: int) -> None:
        """Take the terminal back unless somebody else has it by now; undo the modes of a job that was killed."""
        if not self._is_given:
            return
        foreground = self._foreground()
        if foreground is not None and (foreground == os.getpgrp() or not _exists(foreground)):
            self.take_back()
            if status > 128 and self._modes is not None:  # noqa: PLR2004  128 + signal, as in a shell
                with contextlib.suppress(termios.error):
                    termios.tcsetattr(STDIN, termios.TCSADRAIN, self._modes)
        self._is_given = False

    def _foreground(self) -> int | None:
        try:
            return os.tcgetpgrp(STDIN)
        except OSError:  # no terminal, not ours, or hung up
            return None

    def _set(self, group: int) -> None:
        with contextlib.suppress(OSError):  # hung up meanwhile, or the group has just ended
            os.tcsetpgrp(STDIN, group)


def stop_ourselves() -> None:
    """Stop as ^Z would have stopped us; returns when continued, or at once where no shell could continue us.

    The whole group is stopped: the shell above us may be a script. And this very thread, because a signal to the
    process may be taken by another thread, and this one must do nothing more while the shell has the terminal. Both
    are pending before either is taken, so that whichever stops us, SIGCONT discards the other.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})
    signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
    os.killpg(os.getpgrp(), signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
