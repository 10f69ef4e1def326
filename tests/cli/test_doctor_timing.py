"""What `tenure doctor` says about time: the clock, the budget with its arithmetic, and what was measured."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tenure.backends.base import Capabilities
from tenure.cli.doctor import machine, timing
from tenure.cli.doctor.timing import Latency, budget_of, judged
from tenure.errors import BackendUnreachable
from tenure.holding.budget import Budget
from tests.cli.scene import leader, tenure

MS = 1_000_000
LEASED = Capabilities(
    grade="B", scope="host", default_lease_s=15.0, min_lease_s=1.0, ordered=True, transfer=True, watch="push"
)
UNLEASED = Capabilities(grade="B", scope="host", default_lease_s=None, ordered=True, transfer=True, watch="push")


@pytest.mark.parametrize(
    ("longest_ms", "state"), [(1, "ok"), (119, "ok"), (121, "look"), (599, "look"), (601, "bad"), (60_000, "bad")]
)
def test_what_was_measured_is_held_against_what_one_call_may_take(longest_ms: int, state: str) -> None:
    """A call has 1.2 s in a lease of 15 s: ten times the longest probe is plenty, less than twice is too little."""
    found = judged(Latency("a probe", (1, longest_ms * MS, 1)), Budget.of(15.0), "lease")

    assert found.state == state
    assert (found.mend is None) == (state == "ok")
    assert "1.2 s" in found.found


def test_the_lease_that_is_proposed_would_do() -> None:
    """With it the same measurement is a healthy one."""
    slow = Latency("a probe", (1, 700 * MS))
    found = judged(slow, Budget.of(15.0), "lease")
    assert found.mend is not None
    lease_s = float(found.mend.rpartition("lease=")[2].removesuffix("s"))

    assert found.state == "bad"
    assert judged(slow, Budget.of(lease_s), "lease").state == "ok"
    assert judged(slow, Budget.of(lease_s * 0.9), "lease").state == "look"


def test_a_slow_disk_without_a_lease_is_told_of_too() -> None:
    """There is no lease to lengthen."""
    found = judged(Latency("a probe", (3_000 * MS,)), Budget.of(None), "file")

    assert found.state == "bad"
    assert "faster disk" in (found.mend or "")


def test_a_disk_that_hangs_does_not_hang_the_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so within its limit, and what hangs is left alone."""
    goes_on = threading.Event()
    monkeypatch.setattr(timing, "LIMIT_S", 0.05)
    monkeypatch.setattr(os, "fdatasync", lambda _fd: goes_on.wait(30))

    latency = timing.latency_of_disk(tmp_path)
    goes_on.set()

    assert latency.hangs
    found = judged(latency, Budget.of(15.0), "lease")
    assert (found.state, found.mend is None) == ("bad", False)


def test_measuring_leaves_nothing(tmp_path: Path) -> None:
    """The probes go to a file without a name."""
    latency = timing.latency_of_disk(tmp_path)

    assert len(latency.probes_ns) == timing.PROBES
    assert not latency.hangs
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_fails_is_no_fast_one() -> None:
    """The error is the caller's to show."""

    def read() -> None:
        raise BackendUnreachable("no route")

    with pytest.raises(BackendUnreachable, match="no route"):
        timing.latency_of_service(read)


def test_the_budget_is_shown_with_its_arithmetic() -> None:
    """The lease of the URL, or the one that was asked about."""
    usual, budget = budget_of("lease:///d", LEASED, None, None)
    asked, _ = budget_of("lease:///d", LEASED, 30.0, 5.0)

    assert budget == Budget.of(15.0)
    assert (usual.state, asked.state) == ("ok", "ok")
    assert "= 12 s, and a lease of 15 s" in usual.found
    assert "grace 5 s" in asked.found
    assert "a lease of 30 s" in asked.found


@pytest.mark.parametrize(("lease_s", "grace_s"), [(2.0, 5.0), (15.0, 14.0), (1.0, 0.9)])
def test_an_impossible_budget_comes_with_one_that_fits(lease_s: float, grace_s: float) -> None:
    """Both the shorter grace and the longer lease that are named are possible."""
    found, budget = budget_of("lease:///d", LEASED, lease_s, grace_s)

    assert budget is None
    assert found.state == "bad"
    assert "lengthen the lease or shorten the grace" in found.found
    assert found.mend is not None
    words = found.mend.split()
    shorter = float(words[words.index("--grace") + 1].removesuffix("s"))
    longer = float(words[words.index("--lease") + 1].removesuffix("s"))
    assert budget_of("lease:///d", LEASED, lease_s, shorter)[0].state == "ok"
    assert budget_of("lease:///d", LEASED, longer, grace_s)[0].state == "ok"


def test_a_lease_that_cannot_be_had() -> None:
    """Of a backend without leases, and one that is too short."""
    without, _ = budget_of("file:///d", UNLEASED, 5.0, None)
    short, _ = budget_of("lease:///d", LEASED, 0.5, None)

    assert (without.state, short.state) == ("bad", "bad")
    assert "lease://" in (without.mend or "")
    assert short.mend == "--lease 1s"


def test_a_backend_without_leases_says_so() -> None:
    """And how long a call and the end of the work may take."""
    found, budget = budget_of("file:///d", UNLEASED, None, None)

    assert budget == Budget.of(None)
    assert "no lease" in found.found
    assert "grace 10 s" in found.found


def test_L10_another_time_namespace_is_told_of(tmp_path: Path) -> None:
    """Its clock has an offset; the host's has none."""
    offsets = tmp_path / "offsets"
    offsets.write_text("monotonic           0         0\nboottime        86400         0\n")
    moved = machine.clock(offsets)
    offsets.write_text("monotonic           0         0\nboottime            0         0\n")
    usual = machine.clock(offsets)

    assert (moved.state, usual.state) == ("look", "ok")
    assert "boottime 86400 s" in moved.found
    assert moved.mend is not None
    assert machine.clock(tmp_path / "none").state == "ok"


def test_the_command_shows_all_of_it(tmp_path: Path) -> None:
    """For lease:// as for file://; options ask about another budget, and 1 says that it would not do."""
    url = f"lease://{tmp_path}/leases?lease=5s"
    with leader(url, "nightly", "a"):
        found = {one["what"]: one for one in tenure("doctor", "--at", url, "-o", "json").json()}
        asked = tenure("doctor", "--at", url, "--lease", "20s", "--grace", "19s")

    assert "a lease of 5 s has 5 s" in found["budget"]["found"]
    assert "fdatasync" in found["latency"]["found"]
    assert found["nightly"]["found"].startswith("led by a (token 1)")
    assert asked.code == 1
    assert "lease of 20 s" in asked.out


def test_a_damaged_tenure_is_found_and_mended(tmp_path: Path) -> None:
    """Code 1 with the command that mends it; after that command somebody is elected, above the floor."""
    url = f"lease://{tmp_path}/leases"
    with leader(url, "nightly", "a"):
        pass
    (tmp_path / "leases" / "nightly" / "tenures" / "1").write_bytes(b"rubbish" * 6000)

    shown = tenure("doctor", "--at", url, "-o", "json")

    assert shown.code == 1
    (found,) = (one for one in shown.json() if one["what"] == "nightly")
    assert found["state"] == "bad"
    assert "tenures/1 is damaged" in found["found"]
    assert f"tenure doctor nightly --at {url} --floor N" in found["mend"]
    assert tenure("doctor", "nightly", "--at", url, "--floor", "41").code == 0
    with leader(url, "nightly", "a"):
        assert tenure("doctor", "--at", url).code == 0


def test_a_service_is_measured_by_looking_at_it() -> None:
    """Where there is no directory."""
    found = {one["what"]: one for one in tenure("doctor", "--at", "memory://a", "-o", "json").json()}

    assert "a look at an election" in found["latency"]["found"]
    assert found["grade"]["mend"] == "use a directory on a disk: --at file:///var/lib/tenure"
