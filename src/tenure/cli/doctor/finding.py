"""What the doctor says about one thing."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["ok", "look", "bad"]
DISK = "/var/lib/tenure"
"""A directory on a disk, for examples of what to write instead."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: "ok"; "look" where somebody should decide; "bad" where it does not work."""

    what: str
    state: Severity
    found: str
    mend: str | None = None
