"""What happens to a candidate, as typed values for logs, metrics and subscribers. Nothing here decides anything."""

from __future__ import annotations

import msgspec

from tenure.errors import Reason


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to one candidate of one election at `at_ns` of the backend's clock."""

    election: str
    candidate: str
    at_ns: int


class Campaigning(Notice, frozen=True, tag=True):
    """The candidate stands for election from now on."""


class CampaignFailed(Notice, frozen=True, tag=True):
    """An attempt to be elected failed; the next one starts at `retry_at_ns`, unless that is None."""

    detail: str
    retry_at_ns: int | None


class Elected(Notice, frozen=True, tag=True):
    """The candidate leads with `token`; `deadline_ns` is None for a grant without a lease."""

    token: int
    deadline_ns: int | None


class Renewed(Notice, frozen=True, tag=True):
    """The lease was renewed, `latency_ns` after the renewal was sent, with `left_ns` left of the earlier lease."""

    token: int
    deadline_ns: int
    latency_ns: int
    left_ns: int
    late: bool
    """True where an attempt before this one had failed or overrun its time."""


class Uncertain(Notice, frozen=True, tag=True):
    """A renewal failed or did not answer in time; the tenure is still valid, until `deadline_ns` at the latest."""

    token: int
    deadline_ns: int
    detail: str


class Stalled(Notice, frozen=True, tag=True):
    """The owner has not proved itself alive since `silent_since_ns`; with a lease it is not renewed until it does."""

    token: int
    silent_since_ns: int


class Lost(Notice, frozen=True, tag=True):
    """The tenure ended while its body ran; the body was told to stop."""

    token: int
    reason: Reason
    detail: str


class Overran(Notice, frozen=True, tag=True):
    """The body still runs at the hard deadline: from now on it acts beside whoever leads next."""

    token: int
    reason: Reason


class Released(Notice, frozen=True, tag=True):
    """The candidate let go of its grant; `failed` says why the backend may not know that yet, or is empty."""

    token: int
    reason: Reason
    failed: str = ""


class JobFailed(Notice, frozen=True, tag=True):
    """The job of `Election.run` raised; it is tried again at the next tenure, after `retry_after_s` seconds."""

    token: int
    error: str
    retry_after_s: float
