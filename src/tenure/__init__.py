"""Exactly one of many Python processes leads, knows for how long, and can do no harm when it is stale.

    from tenure import Election

    async with Election("nightly-report").lead() as tenure:
        ...  # cancelled before anybody else can lead

The layers, each importing only what stands below it (checked by import-linter):

    cli, demo             the command, and what it shows
    testing               an election for the tests of users' own code
    blocking | health     the same without asyncio | who is alive, ready, leading, over HTTP
    election              Election: lead, run, stand, watch, ask
    jobs                  a job on a thread, tenure after tenure
    body, post            what a loss does to a task, and to a thread
    signals, views        ending on a signal; watching
    options | member      what an election was made with | an application as a node of its own group
    keeper | supervise    drives holders on its thread | guards a job's processes
    fencing               refuses a stale leader's acts by their token
    backends | kinds | metrics  who is elected is their word | what a node is made of | what happened, in numbers
    runtime | simulator   electors as real processes | the laboratory: electors on virtual time, under faults
    announcer | lag | render | transports  tells what happened | whether loops turn | draws it | peers
    audit | handle | trace    judges tenures | what user code holds | the record of a run
    algorithms            who should lead: one file, one paper (pure)
    holding | detectors   the law: when to renew, to stop, to let go | who is alive (pure)
    core                  what every elector is made of (pure)
    bell | clock, durations, errors  wakes who waits | the time | durations | every exception
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tenure._version import __version__

if TYPE_CHECKING:
    from tenure.announcer import subscribe as subscribe
    from tenure.backends.base import Leader as Leader
    from tenure.backends.base import Standing as Standing
    from tenure.body import Tenure as Tenure
    from tenure.election import Candidacy as Candidacy
    from tenure.election import Election as Election
    from tenure.election import Watch as Watch
    from tenure.election import singleton as singleton
    from tenure.errors import BackendError as BackendError
    from tenure.errors import BackendRefused as BackendRefused
    from tenure.errors import BackendUnreachable as BackendUnreachable
    from tenure.errors import ConfigurationError as ConfigurationError
    from tenure.errors import LeadershipLost as LeadershipLost
    from tenure.errors import NodeFailed as NodeFailed
    from tenure.errors import NodeForked as NodeForked
    from tenure.errors import NodeRemoved as NodeRemoved
    from tenure.errors import NodeStopped as NodeStopped
    from tenure.errors import NotAdmitted as NotAdmitted
    from tenure.errors import NotElected as NotElected
    from tenure.errors import NotServed as NotServed
    from tenure.errors import NotStamped as NotStamped
    from tenure.errors import OutcomeUnknown as OutcomeUnknown
    from tenure.errors import Reason as Reason
    from tenure.errors import RequestRefused as RequestRefused
    from tenure.errors import StaleToken as StaleToken
    from tenure.errors import TenureError as TenureError
    from tenure.health.service import Health as Health
    from tenure.health.service import serve_health as serve_health
    from tenure.holding.phases import State as State
    from tenure.machines.base import Machine as Machine
    from tenure.member import Node as Node
    from tenure.signals import resign_on as resign_on
    from tenure.views import Led as Led
    from tenure.views import Unknown as Unknown
    from tenure.views import Vacant as Vacant
    from tenure.views import View as View

_HOMES = {
    "tenure.announcer": ("subscribe",),
    "tenure.backends.base": ("Leader", "Standing"),
    "tenure.body": ("Tenure",),
    "tenure.election": ("Candidacy", "Election", "Watch", "singleton"),
    "tenure.errors": (
        "BackendError",
        "BackendRefused",
        "BackendUnreachable",
        "ConfigurationError",
        "LeadershipLost",
        "NodeFailed",
        "NodeForked",
        "NodeRemoved",
        "NodeStopped",
        "NotAdmitted",
        "NotElected",
        "NotServed",
        "NotStamped",
        "OutcomeUnknown",
        "Reason",
        "RequestRefused",
        "StaleToken",
        "TenureError",
    ),
    "tenure.health.service": ("Health", "serve_health"),
    "tenure.holding.phases": ("State",),
    "tenure.machines.base": ("Machine",),
    "tenure.member": ("Node",),
    "tenure.signals": ("resign_on",),
    "tenure.views": ("Led", "Unknown", "Vacant", "View"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604  every name is a string; a test resolves each of them


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: `tenure --version` needs none of them."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tenure' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
