"""`tenure run` with an order to end at a named step of its own.

Usage: fault_run.py STEP before|after ARGUMENTS...: the steps are those of the file backend, `fork` (the guardian's) and
`start` (the order to the guardian to start the job). The wrapper sends SIGTERM to itself there, once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tenure.__main__ import main
from tenure.backends.file import steps
from tenure.supervise import Guardian
from tenure.supervise.wire import Channel, Start


def order(home: Any, name: str, when: str, applies: Callable[..., bool] = lambda *_: True) -> None:
    """Have `home.name` send SIGTERM to this process before or after its first call."""
    whole = getattr(home, name)
    left = [1]

    def wrapped(*arguments: Any) -> Any:
        is_due = applies(*arguments) and left.pop() if left else False
        if is_due and when == "before":
            os.kill(os.getpid(), signal.SIGTERM)
        result = whole(*arguments)
        if is_due and when == "after":
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    setattr(home, name, wrapped)


if __name__ == "__main__":
    _, step, when, *arguments = sys.argv
    if step == "fork":
        order(Guardian, "fork", when)
    elif step == "start":
        order(Channel, "send", when, lambda _channel, message, *_: isinstance(message, Start))
    else:
        order(steps, step, when)
    sys.argv = ["tenure", *arguments]
    main()
