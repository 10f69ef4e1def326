"""The lab for code without asyncio: it waits on the thread of the test, while other threads run the code under test."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from tenure.errors import ConfigurationError
from tenure.testing.lab import Lab, Steps

__all__ = ["ElectionLab"]

_T = TypeVar("_T")


class ElectionLab(Lab):
    """The twin of `tenure.testing.ElectionLab` for threads; as fixture it is `blocking_tenure_lab`.

    The test may lead on its own thread, or on others. A body on the test's own thread cannot leave while the test waits
    in the lab: past its loss the clock does not go on before it has left, and AssertionError says so.
    """

    def grant(self, name: str | None = None) -> int:
        """Let the code under test lead: who leads elsewhere steps down. Returns its token once it leads."""
        return self._taken(self._granting(name))

    def make_uncertain(self, name: str | None = None) -> None:
        """Let no renewal be answered, and time pass until the first has failed."""
        self._taken(self._failing(name))

    def recover(self) -> None:
        """Let renewals be answered again, and time pass until they were."""
        self._taken(self._recovering())

    def advance(self, seconds: float | str) -> None:
        """Let time pass as it does for a program that runs; details at the twin."""
        self._taken(self._advancing(seconds))

    def wait_stopped(self, name: str | None = None) -> None:
        """Wait until all work whose tenure has ended has left its body, and the grant was given back."""
        self._taken(self._stopping(name))

    def wait_standing(self, name: str | None = None) -> None:
        """Wait until the code under test stands by while somebody else leads."""
        self._taken(self._standing(name))

    def _taken(self, steps: Steps[_T]) -> _T:
        if _in_a_loop():
            raise ConfigurationError(
                "this thread runs an event loop, which cannot turn meanwhile; use the lab that is "
                "awaited: tenure.testing.ElectionLab, or the fixture tenure_lab"
            )
        self._waits_here = True
        try:
            while True:
                try:
                    pause_s = next(steps)
                except StopIteration as end:
                    result: _T = end.value
                    return result
                self._hear()
                if pause_s:
                    time.sleep(pause_s)
        finally:
            self._waits_here = False


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
