"""A candidate in a process of its own: `python player.py DIRECTORY ELECTION NAME [key=value ...]`.

It campaigns, says "elected TOKEN CLEAN" and obeys lines on its standard input: `release [to]`, `publish VALUE`,
`again`, `count` (how often it woke), `fork` (a child that keeps every descriptor), `fork told` (one that lets go of
them), `arm WHEN STEP` (die before or after it), `quit`. Keys: `priority`, `poll`. The variable PLAYER_MUTANT names a
function of this file that takes a rule of the backend away.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenure.backends.base import Candidate, Grant
from tenure.backends.file import FileBackend, open_file, steps
from tenure.backends.file.contest import Contest
from tenure.backends.file.inotify import News, Watches
from tenure.backends.file.outcomes import Outcome
from tenure.errors import BackendError

turns = 0


def say(*words: object) -> None:
    """Print one line."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def count_turns() -> None:
    """Count how often this process woke to look at its election, and has looked."""
    perform = Contest.perform

    def counted(contest: Contest, step: Callable[[], Outcome]) -> Outcome:
        global turns  # noqa: PLW0603 -- one number for one small program
        try:
            return perform(contest, step)
        finally:
            turns += 1

    setattr(Contest, "perform", counted)  # noqa: B010 -- an assignment would have to be exempted from type checks


def die_at(when: str, name: str) -> None:
    """Kill this process by SIGKILL before or after the step."""
    step: Callable[..., Any] = getattr(steps, name)

    def deadly(*arguments: Any) -> Any:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        step(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(steps, name, deadly)


def watch_the_lock_from_everywhere() -> None:
    """Everybody who stands watches the lock, not the first two only."""
    watch = Watches.set

    def watch_all(self: Watches, wanted: dict[str, tuple[int, News]]) -> bool:
        for path, (mask, news) in list(wanted.items()):
            parent = Path(path).parent
            if parent.name == "candidates":
                wanted.setdefault(str(parent.parent / "lock"), (mask, news))
        return watch(self, wanted)

    setattr(Watches, "set", watch_all)  # noqa: B010 -- an assignment would have to be exempted from type checks


MUTANTS = {mutant.__name__: mutant for mutant in (watch_the_lock_from_everywhere,)}


async def campaign(backend: FileBackend, election: str, name: str, priority: int) -> Grant:
    """Campaign until elected, and say so."""
    candidate = Candidate(election=election, name=name, nonce=uuid.uuid4().hex, priority=priority)
    grant = await backend.campaign(candidate, once=False)
    assert grant is not None, "a campaign that waits ended without a grant"
    say("elected", grant.granted.token, grant.granted.clean)
    return grant


async def main(directory: str, election: str, name: str, options: dict[str, str]) -> None:
    """Campaign, and obey."""
    count_turns()
    loop = asyncio.get_running_loop()
    orders: asyncio.Queue[list[str]] = asyncio.Queue()

    def obey() -> None:
        for line in os.read(0, 65536).decode().splitlines():
            orders.put_nowait(line.split())

    loop.add_reader(0, obey)
    backend = open_file(Path(directory), poll_s=float(options.get("poll", "2")))
    priority = int(options.get("priority", "0"))
    say("ready")
    task = asyncio.create_task(campaign(backend, election, name, priority))
    while True:
        order = await orders.get()
        match order:
            case ["count"]:
                say("count", turns)
            case ["quit"]:
                break
            case ["release", *to]:
                await (await task).release(to[0] if to else None)
                say("released")
            case ["again"]:
                task = asyncio.create_task(campaign(backend, election, name, priority))
            case ["arm", when, step]:
                die_at(when, step)
                say("armed")
            case ["fork", *told]:
                await task
                child = os.fork()
                if child == 0:
                    if told:
                        backend.forked()
                    signal.pause()
                say("child", child)
            case ["publish", value]:
                try:
                    await (await task).publish(value)
                    say("published")
                except BackendError as error:
                    say("failed", error)
            case _:
                say("what?", *order)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await backend.close()


if __name__ == "__main__":
    place, what, who, *pairs = sys.argv[1:]
    if mutant := os.environ.get("PLAYER_MUTANT"):
        MUTANTS[mutant]()
    asyncio.run(main(place, what, who, dict(pair.split("=", 1) for pair in pairs)))
