"""What a real process drives: times that follow one another, and terms that hold what somebody chose."""

from __future__ import annotations

from tenure.algorithms.raft import Raft, Settings
from tenure.durations import NS_PER_S
from tenure.kinds import ELECTION_TIMEOUT_NS, choose

MS = NS_PER_S // 1000


def raft_settings(election_timeout: str | None = None) -> Settings:
    """What a node's Raft gets."""
    settings, machine = choose("raft", election_timeout=election_timeout).arguments
    assert isinstance(settings, Settings)
    assert machine is None
    return settings


def test_real_groups_of_raft_are_quicker_than_the_laboratory() -> None:
    """Half a second for what is not vouched for, and as long a tenure."""
    settings = raft_settings()
    assert settings.election_ns + settings.spread_ns // 3 < NS_PER_S // 2
    assert settings.election_ns == ELECTION_TIMEOUT_NS < Settings().election_ns
    assert settings.tenure_ns == Settings().tenure_ns


def test_all_times_follow_the_time_out_that_was_given() -> None:
    """At any length, and the tenure is never below it."""
    for time_out, ms in (("50ms", 50), ("1s", 1000), ("1m", 60_000)):
        settings = raft_settings(election_timeout=time_out)
        assert settings.election_ns == ms * MS
        assert settings.heartbeat_ns * 4 == settings.election_ns
        assert settings.tenure_ns >= settings.election_ns


def test_nodes_must_agree_on_what_somebody_chose() -> None:
    """Whose lease or time-out differs is refused by its terms."""
    assert choose("raft").terms == ""
    chosen = {choose("raft", lease=lease, election_timeout=out).terms for lease in (3, 4) for out in ("1s", "2s")}
    assert len(chosen) == 4
    assert choose("bully", "majority", lease="15s").terms == choose("raft", lease=15).terms == "lease 15000000000"
    assert choose("raft").kind is Raft
