"""What is put down about tenures: by the programs that lead, and by those who watch them live and die.

Every instant is in nanoseconds on CLOCK_BOOTTIME, which all processes of a host share. It is *read* where the record
says, which may be long before the line is written: a process can be paused in between. No conclusion may rest on when
a line was written, beyond that it was written after its instant.
"""

from __future__ import annotations

import msgspec

from tenure.errors import Reason

NO_TOKEN = 0
"""The token of a lock that gives none; its tenures are then told apart, and ordered, by their opening."""


class Watched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="what"):
    """What an observer saw of a process."""

    pid: int
    at_ns: int


class Alive(Watched, frozen=True, tag="alive"):
    """The process lived at `at_ns`, which was read *before* it was looked at, or before it was killed."""


class Died(Watched, frozen=True, tag="died"):
    """The process was dead at `at_ns`, which was read *after* its death was seen."""


class Own(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="what"):
    """What a process put down about a tenure of its own. Any of these is a proof that it lived at `at_ns`."""

    election: str
    token: int
    candidate: str
    pid: int
    at_ns: int


class Opened(Own, frozen=True, tag="opened"):
    """`lead()` has returned, or the job was started; `at_ns` was read after that.

    `deadline_ns` is the tenure's deadline as known then; None where there is none. `with_pid` is another process whose
    death must be seen too before the tenure counts as dead, such as the wrapper of a job that renews for it.
    """

    deadline_ns: int | None = None
    with_pid: int | None = None


class Noted(Own, frozen=True, tag="noted"):
    """Anything that the program wanted to say, such as the beginning of a piece of work."""

    note: str


class Acted(Own, frozen=True, tag="acted"):
    """It did what only a leader may do: `began_ns` was read just before and `at_ns` just after.

    `deadline_ns` is the deadline that it knew when it began.
    """

    act: str
    began_ns: int
    deadline_ns: int | None = None


class Told(Own, frozen=True, tag="told"):
    """The body was told to stop, and why; `deadline_ns` is the last deadline of the tenure."""

    reason: Reason
    deadline_ns: int | None = None


class Ended(Own, frozen=True, tag="ended"):
    """The body has ended; `at_ns` was read as its last instruction, before anything was released.

    `reason` is None where it ended of its own accord.
    """

    reason: Reason | None = None
    deadline_ns: int | None = None


Record = Alive | Died | Opened | Noted | Acted | Told | Ended

ENDS_AT_ONCE = frozenset({Reason.DEPOSED, Reason.BACKEND_GONE, Reason.BACKEND_RESET, Reason.FORKED})
"""Losses that leave nothing of the tenure; after any other it is held until the body ends, or its deadline."""
