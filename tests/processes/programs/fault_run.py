"""`tenure run` with an order to end at a named step of its own.

Usage: fault_run.py STEP before|after ARGUMENTS...: the steps are those of the file backend, `fork` (the guardian's),
`start` (the order to the guardian to start the job) and `none`. The wrapper sends SIGTERM to itself there, once. The
variable FAULT_MUTANT names a function of this file that takes one rule of the wrapper away.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
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


def ignore_orders_before_the_job() -> None:
    """A signal to end that comes before there is a job is forgotten."""
    from tenure.cli.run.wrapper import Wrapper

    whole = Wrapper._signalled  # noqa: SLF001  a mutant wraps what it mutates
    Wrapper._signalled = lambda self, number: whole(self, number) if self._has_job else None  # type: ignore[method-assign]  # noqa: SLF001  the same


def believe_the_jobs_code() -> None:
    """A loss changes nothing: a job that obeyed and ended with 0 has succeeded."""
    from tenure.cli.run.wrapper import Wrapper
    from tenure.errors import LeadershipLost

    async def after_loss(self: Wrapper, lost: LeadershipLost) -> int | None:
        return 0

    Wrapper._after_loss = after_loss  # type: ignore[method-assign]  # noqa: SLF001  a mutant replaces what it mutates


def kill_the_shell_of_on_lost_only() -> None:
    """Of what the command of --on-lost has started nobody is killed but its shell."""
    from tenure.cli.run import wrapper

    def kill(group: int, number: int) -> None:
        with suppress(ProcessLookupError):  # the group has outlived its leader
            os.kill(group, number)

    setattr(wrapper, "os", SimpleNamespace(**{**vars(os), "killpg": kill}))  # noqa: B010  an assignment would need a type exemption


def resign_as_soon_as_the_job_has_ended() -> None:
    """--hold is not kept: whoever comes a moment later is elected."""
    from tenure.cli.run.policy import Policy

    setattr(Policy, "hold_s", 0.0)  # noqa: B010  an assignment would need a type exemption


MUTANTS = {
    mutant.__name__: mutant
    for mutant in (
        ignore_orders_before_the_job,
        believe_the_jobs_code,
        kill_the_shell_of_on_lost_only,
        resign_as_soon_as_the_job_has_ended,
    )
}

if __name__ == "__main__":
    _, step, when, *arguments = sys.argv
    if mutant := os.environ.get("FAULT_MUTANT"):
        MUTANTS[mutant]()
    if step == "fork":
        order(Guardian, "fork", when)
    elif step == "start":
        order(Channel, "send", when, lambda _channel, message, *_: isinstance(message, Start))
    elif step != "none":
        order(steps, step, when)
    sys.argv = ["tenure", *arguments]
    main()
