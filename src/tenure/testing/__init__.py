"""What users need to test their own code: an election whose tenure a test grants, revokes and moves in time.

    ElectionLab                       for asyncio; `tenure.testing.blocking` has its twin for code without it
    tenure_lab, blocking_tenure_lab   the same as fixtures of pytest, there as soon as tenure is installed

Nothing is imitated: the code under test runs with the real `Election`, keeper and holder, against the lease service of
`memory://` on a clock that stands still until the test moves it.

    lab      what both kinds of lab do, as steps that either may take     front     taking them on an event loop
    rival    a leader that is not the code under test                     blocking  taking them on a thread
    ledger   the service, which writes down to whom it gave tokens        plugin    the fixtures
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenure.testing.front import ElectionLab as ElectionLab

__all__ = ["ElectionLab"]


def __getattr__(name: str) -> object:
    """Import the lab when it is asked for: pytest imports this package at every start, in every project."""
    if name != "ElectionLab":
        raise AttributeError(f"module 'tenure.testing' has no attribute {name!r}")
    from tenure.testing.front import ElectionLab

    globals()[name] = ElectionLab
    return ElectionLab


def __dir__() -> list[str]:
    return __all__
