"""`tenure doctor`: small and true, and each finding with the line that mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import closed, leader, tenure, tenure_as_subject

VOLATILE = Path("/dev/shm")  # noqa: S108  nothing is made there


def findings(*arguments: str, **changes: str) -> dict[str, dict[str, Any]]:
    """What the doctor found, by what was looked at."""
    return {one["what"]: one for one in tenure("doctor", *arguments, "-o", "json", **changes).json()}


def damage(place: Path) -> None:
    """Fill the counter of an election with rubbish."""
    (place / "token").write_bytes(b"rubbish" * 2000)


def test_a_healthy_place(url: str) -> None:
    """Code 0, and everything that was resolved is named."""
    with leader(url, "nightly", "a"):
        shown = tenure("doctor", "--at", url)
        found = findings("--at", url)

    assert shown.code == 0
    assert url in shown.out
    assert " ".join(found) == "version clock descriptors url scope file system directory grade budget latency nightly"
    assert found["nightly"]["found"].startswith("led by a (token 1)")
    assert all(one["state"] != "bad" for one in found.values())


def test_it_makes_nothing(url: str, tmp_path: Path) -> None:
    """Looking leaves nothing behind."""
    assert tenure("doctor", "nightly", "--at", url).code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_counter_is_found_and_mended(url: str, tmp_path: Path) -> None:
    """Code 1 with the command that mends it; after that command the next token is above the floor."""
    with leader(url, "nightly", "a"):
        pass
    damage(tmp_path / "elections" / "nightly")

    found = findings("nightly", "--at", url)["nightly"]
    assert found["state"] == "bad"
    assert f"tenure doctor nightly --at {url} --floor N" in found["mend"]
    assert tenure("doctor", "nightly", "--at", url).code == 1

    assert tenure("doctor", "nightly", "--at", url, "--floor", "41").code == 0
    with leader(url, "nightly", "a"):
        assert findings("nightly", "--at", url)["nightly"]["found"].startswith("led by a (token 42)")


def test_a_floor_never_goes_back(url: str) -> None:
    """Code 78, and the counter is as it was."""
    assert tenure("doctor", "nightly", "--at", url, "--floor", "41").code == 0

    refused = tenure("doctor", "nightly", "--at", url, "--floor", "40")

    assert refused.code == 78
    assert "would go back" in refused.err
    assert "highest token 41" in findings("nightly", "--at", url)["nightly"]["found"]


def test_a_floor_is_refused_while_somebody_leads(url: str) -> None:
    """Code 78: its token is in use."""
    with leader(url, "nightly", "a"):
        refused = tenure("doctor", "nightly", "--at", url, "--floor", "41")

    assert refused.code == 78
    assert "somebody leads" in refused.err


def test_a_place_that_is_no_directory(tmp_path: Path) -> None:
    """Code 1, and every other finding is still there."""
    (tmp_path / "file").touch()
    url = (tmp_path / "file").as_uri()

    assert tenure("doctor", "nightly", "--at", url).code == 1
    found = findings("nightly", "--at", url)
    assert found["directory"]["state"] == "bad"
    assert found["directory"]["mend"]
    assert found["nightly"]["state"] == "bad"


@pytest.mark.skipif(not VOLATILE.is_dir(), reason="missing here: /dev/shm, a tmpfs")
def test_a_volatile_place_is_told_of() -> None:
    """On a tmpfs tokens go back at a restart: grade C, and where to go instead."""
    found = findings("nightly", "--at", f"{VOLATILE.as_uri()}/tenure-doctor-looks-only")

    assert (found["file system"]["state"], found["grade"]["state"]) == ("look", "look")
    assert "file:///var/lib/tenure" in found["file system"]["mend"]
    assert found["grade"]["found"].startswith("C")


def test_L30_the_scope_is_a_finding(url: str) -> None:
    """In a container the scope is marked, with the line that mends it."""
    found = findings("--at", url, container="podman")["scope"]

    assert found["state"] == "look"
    assert "this is a container" in found["found"]
    assert "--at URL" in found["mend"]


def test_missing_rights_are_not_mended_by_a_floor(url: str, tmp_path: Path) -> None:
    """The system's own words say what is missing; a floor is for a counter that is damaged."""
    with leader(url, "nightly", "a"), closed(tmp_path / "elections" / "nightly"):
        shown = tenure_as_subject("doctor", "--at", url, "-o", "json")

    assert shown.code == 1
    (found,) = (one for one in shown.json() if one["what"] == "nightly")
    assert found["state"] == "bad"
    assert "Permission denied" in found["found"]
    assert found["mend"] is None


def test_a_name_for_which_nobody_ever_stood_is_marked(url: str) -> None:
    """Nothing is bad, and somebody should look whether the name is right."""
    with leader(url, "nightly", "a"):
        shown = tenure("doctor", "nigthly", "--at", url)
        found = findings("nigthly", "--at", url)["nigthly"]

    assert shown.code == 0
    assert found["state"] == "look"
    assert found["found"].startswith(f"nobody ever stood for it at {url}")


def test_a_counter_at_its_end_is_bad(url: str) -> None:
    """Nobody can be elected under that name any more, and another name mends it."""
    assert tenure("doctor", "nightly", "--at", url, "--floor", str(2**63 - 2)).code == 0
    with leader(url, "nightly", "a"):
        pass

    shown = tenure("doctor", "nightly", "--at", url)

    assert shown.code == 1
    assert "tokens are at their end" in shown.out
    assert "another name" in shown.out
