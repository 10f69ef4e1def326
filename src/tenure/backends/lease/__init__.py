"""The backend for one host that replaces a paused leader: `lease://`."""

from tenure.backends.lease.backend import DEFAULT_LEASE_S, DEFAULT_POLL_S, MIN_LEASE_S, LeaseBackend, open_lease
from tenure.backends.lease.grant import LeaseGrant

__all__ = ["DEFAULT_LEASE_S", "DEFAULT_POLL_S", "MIN_LEASE_S", "LeaseBackend", "LeaseGrant", "open_lease"]
