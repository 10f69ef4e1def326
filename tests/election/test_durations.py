"""Durations: what people write, and what is refused because no deadline could be counted from it."""

from __future__ import annotations

from typing import Any

import pytest

from tenure import ConfigurationError
from tenure.durations import seconds, to_ns
from tests.election.stage import Stage

pytestmark = pytest.mark.versions
NO_DURATIONS = [
    "9" * 400,
    "999999999999d",
    "inf",
    "nan",
    "-1s",
    "1e3",
    "",
    float("inf"),
    float("nan"),
    -1,
    -0.001,
    1e300,
    10**400,
    None,
    [],
    b"1s",
]


def _short(value: object) -> str:
    return repr(value)[:20]


@pytest.mark.parametrize(
    ("value", "in_seconds"),
    [
        (0, 0.0),
        (1.5, 1.5),
        ("1.5", 1.5),
        ("500ms", 0.5),
        (" 15s ", 15.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_text_with_a_unit(value: float | str, in_seconds: float) -> None:
    """Both spellings mean the same."""
    assert seconds(value) == in_seconds
    assert to_ns(value) == round(in_seconds * 1e9)


@pytest.mark.parametrize("value", NO_DURATIONS, ids=_short)
def test_what_is_no_duration_is_refused_with_what_to_write(value: Any) -> None:
    """ConfigurationError, and never what `float` happens to raise; the message is short enough to be read."""
    with pytest.raises(ConfigurationError, match="is not a duration"):
        seconds(value)
    with pytest.raises(ConfigurationError, match="is not a duration"):
        to_ns(value)


@pytest.mark.parametrize("option", ["lease", "grace", "stall_after", "takeover_delay"])
@pytest.mark.parametrize("value", ["9" * 400, 10**400, float("nan"), []], ids=_short)
def test_an_election_refuses_what_is_no_duration(stage: Stage, option: str, value: Any) -> None:
    """Whichever option it is given for."""
    with pytest.raises(ConfigurationError, match="is not a duration"):
        stage.election(**{option: value})


@pytest.mark.parametrize("value", ["9" * 400, 10**400, []], ids=_short)
def test_waiting_and_backing_off_refuse_what_is_no_duration(stage: Stage, value: Any) -> None:
    """`wait` and `backoff` are checked before anybody stands."""
    with pytest.raises(ConfigurationError, match="is not a duration"):
        stage.blocking().lead(wait=value)
    with pytest.raises(ConfigurationError, match="is not a duration"):
        stage.blocking().run(lambda tenure: tenure.token, backoff=(1, value))
    assert not stage.service.requests
