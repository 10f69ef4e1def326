"""Durations as people write them and as the code counts them: seconds outside, whole nanoseconds inside; and what is
left of one by another clock.
"""

from __future__ import annotations

import re

from tenure.errors import ConfigurationError

NS_PER_S = 1_000_000_000
PPM = 1_000_000
"""Parts per million, in which it is told how far the rate of a clock is off."""
NEVER_NS = 2**63 - 1
"""The instant that no clock reaches: the deadline of a grant without a lease."""

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h|d)?")


def seconds(value: float | str) -> float:
    """A duration in seconds, from a number of seconds or from text such as "500ms", "15s", "2m" or "1.5".

    Raises ConfigurationError for anything else, and for negative or endless durations.
    """
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ConfigurationError(f"{value!r} is not a duration; write it like 500ms, 15s, 2m or 1h")
        number = float(match[1]) * _UNITS_S[match[2] or "s"]
    else:
        try:
            if isinstance(value, bool | bytes):
                raise TypeError(value)
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigurationError(f"{value!r} is not a duration; give seconds, or text like 500ms or 15s") from error
    if not 0 <= number < NEVER_NS / NS_PER_S:
        raise ConfigurationError(f"{value!r} is not a duration; give seconds from 0 upwards, below 292 years")
    return number


def to_ns(value: float | str) -> int:
    """The same duration in whole nanoseconds."""
    return round(seconds(value) * NS_PER_S)


def safe_ns(granted_ns: int, rho_ppm: int) -> int:
    """What a holder may use by its own clock, from before it asked, of what another one grants by its, from when asked.

    That is `granted * (1 - rho) / (1 + rho)`, rounded down, if both rates are within `1 - rho` and `1 + rho` of true
    time (C. G. Gray and D. R. Cheriton, "Leases", SOSP 1989, section 3, with a bound on both sides).
    """
    return granted_ns * (PPM - rho_ppm) // (PPM + rho_ppm)
