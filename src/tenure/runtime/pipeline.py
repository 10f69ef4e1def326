"""Many commands at once: as many are under way as there are sessions, and the next begins when one is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tenure.runtime.client import MOST_SESSIONS, Client, Failed


class Pipeline:
    """Commands that are begun in their order, and may be applied in any; `told` is called with all answers, or `failed`
    with the first error.
    """

    def __init__(
        self, client: Client, commands: Sequence[bytes], told: Callable[[list[bytes]], None], failed: Failed
    ) -> None:
        self._client, self._commands, self._told, self._failed = client, commands, told, failed
        self._answers: list[bytes] = [b""] * len(commands)
        self._begun = self._answered = 0
        self._is_over = False

    def begin(self, within_s: float) -> None:
        """Begin; each command has so much time. In the loop's thread."""
        self._within_s = within_s
        if not self._commands:
            self._told([])
        for _ in range(min(MOST_SESSIONS, len(self._commands))):
            self._next()

    def _next(self) -> None:
        at, self._begun = self._begun, self._begun + 1
        self._client.begin(self._commands[at], partial(self._came, at), self._broke, within_s=self._within_s)

    def _came(self, at: int, answer: bytes) -> None:
        self._answers[at] = answer
        self._answered += 1
        if self._is_over:
            return
        if self._begun < len(self._commands):
            self._next()
        elif self._answered == len(self._commands):
            self._is_over = True
            self._told(self._answers)

    def _broke(self, error: BaseException) -> None:
        """Those that are under way come about or not; the others do not begin."""
        if not self._is_over:
            self._is_over = True
            self._failed(error)
