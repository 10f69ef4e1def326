"""In a forked child nothing that a node has open may stay open: whoever keeps a copy of a socket hides the end of the
parent from its peers, and keeps its address and its directory from the next one.

Descriptors are not closed but turned into others of /dev/null, since objects of the parent, which the child has too,
may close them again when they stand for something else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from weakref import WeakSet


class Opens(Protocol):
    """What has descriptors that a forked child must not keep."""

    def descriptors(self) -> Iterable[int]:
        """Those that are open now; below 0 for none."""
        ...


_open: WeakSet[Opens] = WeakSet()


def not_for_children(one: Opens) -> None:
    """Whatever this has open, children that are forked from now on have not."""
    _open.add(one)


def blank(descriptors: Iterable[int]) -> None:
    """Let go of what stands behind these."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in descriptors:
        if descriptor >= 0:
            os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)


def open_in(directory: Path) -> list[int]:
    """Descriptors of files there; the thread that opened them is not here, and nobody else knows of them all."""
    found, inside = [], f"{directory.resolve()}/"
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  numbers, not paths
        with suppress(OSError):  # the listing's own
            if os.readlink(f"/proc/self/fd/{name}").startswith(inside):  # noqa: PTH115  as above
                found.append(int(name))
    return found


def _after_fork_in_child() -> None:
    blank([descriptor for one in tuple(_open) for descriptor in one.descriptors()])


os.register_at_fork(after_in_child=_after_fork_in_child)
