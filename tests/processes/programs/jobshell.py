"""The least that a shell with job control does, so that ^Z and fg can be tested without a real one's prompts.

Usage: jobshell.py NOTES COMMANDS COMMAND...: leads a session on the terminal at stdin, runs the command as a foreground
job, appends what becomes of it to the file NOTES, and after each stop takes `fg` or `bg` from the pipe COMMANDS.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
from pathlib import Path

notes, commands, *words = sys.argv[1:]
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(words[0], words)  # noqa: S606  a shell executes what it is given
pipe = os.open(commands, os.O_RDWR)  # also for writing: a writer that closes is no end of file
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    foreground = "ours" if os.tcgetpgrp(0) == pid else "another's"
    os.tcsetpgrp(0, os.getpgrp())
    what = (
        f"stopped {foreground}" if os.WIFSTOPPED(status) else f"ended {os.waitstatus_to_exitcode(status)} {foreground}"
    )
    with Path(notes).open("a", encoding="ascii") as file:
        file.write(what + "\n")
    if not os.WIFSTOPPED(status):
        break
    if os.read(pipe, 3) == b"fg\n":
        os.tcsetpgrp(0, pid)
    os.killpg(pid, signal.SIGCONT)
