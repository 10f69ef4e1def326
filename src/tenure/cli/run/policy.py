"""What `tenure run` does next, as decisions apart from processes; the reference shows the same table of exit codes.

the job         default           --once            --restart on-failure    --restart always
ended with 0    0                 0                 0                       runs again
ended with n    n                 n                 runs again              runs again
was lost        stands again      75                stands again            stands again
SIGTERM came    the job's code, 128 + 15 where it does not handle the signal; 128 + 15 while standing by
"""

from __future__ import annotations

from typing import Literal

import msgspec

Restart = Literal["never", "on-failure", "always"]

PAUSE_S = (1.0, 60.0)
"""The first and the longest pause before a job is run again (systemd: 100 ms each time; supervisord: 1 s, 2 s, 3 s)."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The user's choices."""

    once: bool = False
    restart: Restart = "never"
    hold_s: float = 0.0
    wait_s: float | None = None
    on_lost: str | None = None
    quiet: bool = False

    def runs_again(self, code: int) -> bool:
        """Whether a job that ended by itself with `code` is run again under the same tenure."""
        return self.restart == "always" or (self.restart == "on-failure" and code != 0)
