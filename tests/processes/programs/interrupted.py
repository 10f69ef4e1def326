"""Programs of the blocking front whose main thread is interrupted, or forked: `interrupted.py FUNCTION URL [SEED]`."""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from tenure import ConfigurationError, resign_on, subscribe
from tenure.blocking import Election
from tenure.keeper import Keeper

ROUNDS = 150
LIMIT_S = 50


def say(*words: object) -> None:
    """A line, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Interrupted(BaseException):
    """What the handler raises."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """A handler that raises, as that of Ctrl-C does."""
    del number, frame
    raise Interrupted


def lead(url: str) -> None:
    """Enter and leave."""
    with Election("e", url).lead(wait=5) as tenure:
        tenure.publish("here")
        tenure.wait_lost(0.0005)


def run(url: str) -> None:
    """A job."""
    Election("e", url).run(lambda tenure: tenure.token)


def stand(url: str) -> None:
    """In the background."""
    with Election("e", url).stand() as candidacy:
        candidacy.wait_elected(5)


def watch(url: str) -> None:
    """See who leads."""
    with Election("e", url).watch() as views:
        views.next(5)
    Election("e", url).leader()


def listen(url: str) -> None:
    """Subscribe while something is told."""
    end = subscribe(lambda _: None)
    lead(url)
    end()


def interrupted(act: Callable[[str], None], url: str, after_s: float) -> bool:
    """Do it, and raise into it so long after it began; whether that hit it. Its traceback goes with this frame."""
    try:
        signal.setitimer(signal.ITIMER_REAL, after_s)
        try:
            act(url)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupted:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return True
    except RuntimeError as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        # A `Condition.wait` of the standard library, left between its giving the lock back and its taking it again,
        # raises this in place of what the handler raised.
        if str(error) != "release unlocked lock" or not isinstance(error.__context__, Interrupted):
            raise
        return True
    return False


def in_peace_s(act: Callable[[str], None], url: str) -> float:
    """How long it takes now, in seconds, if nobody interrupts it."""
    began_s = time.monotonic()
    act(url)
    return time.monotonic() - began_s


def fuzz(url: str, seed: str) -> None:
    """Act after act is interrupted at an instant drawn from `seed`; another election is led all the time."""
    chance = random.Random(seed)
    signal.signal(signal.SIGALRM, interrupt)
    with Election("other", url).lead() as other:
        acts = (lead, run, stand, watch, listen)
        for act in acts:
            in_peace_s(act, url)  # modules are imported, and threads started
        hits = 0
        for _ in range(ROUNDS):
            act = chance.choice(acts)
            hits += interrupted(act, url, in_peace_s(act, url) * chance.random() + 1e-6)
        with Election("e", url, candidate="next").lead(wait=20):
            say("led again")
        assert other.is_valid()
        end_s = time.monotonic() + 20
        while len(Keeper.current().seats) > 1 or _standing():
            assert time.monotonic() < end_s, (Keeper.current().seats, _standing())
            time.sleep(0.01)
    say("enough" if hits > ROUNDS // 10 else f"only {hits} of {ROUNDS} were interrupted")


def _standing() -> list[threading.Thread]:
    """Threads of candidacies. One whose `start` was interrupted hangs in Python's own code, and begins nothing."""
    return [one for one in threading.enumerate() if one.name == "tenure-stand-e" and one.is_alive()]


def forks(url: str, seed: str) -> None:
    """A child waits for what will never come: its parent's candidacy and watch; it is told so."""
    del seed
    election = Election("e", url)
    with election.lead(), Election("e", url, candidate="b").stand() as candidacy, election.watch() as views:
        assert candidacy.wait_elected(0.01) is None
        views.next(5)
        child = os.fork()
        if child == 0:
            for wait in (candidacy.wait_elected, views.next):
                try:
                    wait()
                except ConfigurationError as error:
                    say(error)
            os._exit(0)
        say("child ended with", os.waitpid(child, 0)[1])


def swallows(url: str, seed: str) -> None:
    """A job that catches everything is told to end by SIGTERM."""
    del seed

    def job(tenure: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException as error:  # noqa: BLE001  the claim
            say("swallowed", type(error).__name__, tenure is not None)

    with resign_on(signal.SIGTERM):
        Election("e", url).run(job)
    say("went on")


if __name__ == "__main__":
    faulthandler.dump_traceback_later(LIMIT_S, exit=True)
    name, url, *rest = sys.argv[1:]
    {one.__name__: one for one in (fuzz, forks, swallows)}[name](url, *(rest or ["0"]))
