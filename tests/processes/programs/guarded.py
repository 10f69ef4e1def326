"""A wrapper as small as can be: one job under a guardian. What happens is appended to a file, one JSON object a line.

Usage: guarded.py OPTIONS COMMAND..., where the file OPTIONS is the JSON of `tests.processes.guarded_scene.Options`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from tenure.supervise import Guardian, JobError

OPTIONS = json.loads(Path(sys.argv[1]).read_bytes())
COMMAND = sys.argv[2:]


def note(event: str, **facts: object) -> None:
    """Append one event, in one write."""
    line = json.dumps({"event": event, "at_ns": time.clock_gettime_ns(time.CLOCK_BOOTTIME), **facts}) + "\n"
    descriptor = os.open(OPTIONS["events"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def lock() -> list[int]:
    """The descriptor of a locked file, as the file backend would have it."""
    import fcntl

    if OPTIONS["lock"] is None:
        return []
    descriptor = os.open(OPTIONS["lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return [descriptor]


def deadline_ns() -> int | None:
    """The hard deadline that was asked for, from now."""
    if OPTIONS["deadline_s"] is None:
        return None
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(OPTIONS["deadline_s"] * 1e9)


async def lead(guardian: Guardian, inherited: list[int]) -> int:
    """One job after the other; SIGTERM ends the one that runs, and then us."""
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    asked_to_end = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, asked_to_end.set)
    loop.add_signal_handler(signal.SIGUSR2, lambda: guardian.set_deadline(deadline_ns()))
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGCONT):
        loop.add_signal_handler(number, guardian.forward, number)
    status = 0
    for _ in range(OPTIONS["times"]):
        pid = await guardian.start(
            COMMAND,
            dict(os.environ) | OPTIONS["env"],
            grace_s=OPTIONS["grace_s"],
            hard_deadline_ns=deadline_ns(),
            keep_open=inherited,
        )
        note("started", pid=pid)
        ended = asyncio.ensure_future(guardian.ended())
        order = asyncio.ensure_future(asked_to_end.wait())
        await asyncio.wait({ended, order}, return_when=asyncio.FIRST_COMPLETED)
        order.cancel()
        if asked_to_end.is_set():
            note("ordered")
            await guardian.stop()
            note("stopped", job=[process.pid for process in guardian.job_processes()])
        status = await ended
        note("ended", status=status, because=guardian.because and guardian.because.name)
    return status


def main() -> int:
    """Fork the guardian first, then load asyncio and lead."""
    guardian = Guardian.fork()
    note("forked", guardian=guardian.pid, wrapper=os.getpid())
    import asyncio

    try:
        return asyncio.run(lead(guardian, lock()))
    except JobError as error:
        note("raised", type=type(error).__name__, text=str(error))
        print(error, file=sys.stderr)  # noqa: T201  a program talks on stderr
        return int(getattr(error, "exit_code", 125))
    finally:
        guardian.close()
        note("closed")


if __name__ == "__main__":
    sys.exit(main())
