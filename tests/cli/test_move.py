"""`tenure move`: what it prints and ends with; that never two lead meanwhile is shown by tests/processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tenure.backends.base import Moved
from tenure.cli.moving import same_place
from tests.cli.scene import TENURE, candidate, ended, eventually, leader, stands, started, tenure


@pytest.fixture
def there(tmp_path: Path) -> str:
    """Where the election goes."""
    return f"lease://{tmp_path}/leased"


def test_what_nobody_leads_moves_at_once(url: str, there: str) -> None:
    """Code 0; tokens go on above; who asks in the old place is told the new URL."""
    with leader(url, "nightly", "a"):
        pass

    moved = tenure("move", "nightly", "--from", url, "--to", there, "--wait", "0", "-o", "json")

    assert moved.code == 0, moved.err
    told = moved.json()
    assert (told["election"], told["from"], told["to"], told["led"]) == ("nightly", url, there, None)
    assert f"--at {there}" in moved.err
    with leader(there, "nightly", "a"):
        seen = tenure("status", "nightly", "--at", there, "-o", "json").json()["elections"][0]
    assert seen["leader"]["token"] > told["token"] >= 2
    refused = tenure("run", "nightly", "--at", url, "--", "true")
    assert refused.code == 78
    assert f"--at {there}" in refused.err


def test_a_leader_is_asked_and_waited_for(url: str, there: str) -> None:
    """Whoever leads hands over; standbys in the old place end, instead of waiting there for ever."""
    with leader(url, "nightly", "a"), candidate(url, "nightly", "b") as standby:
        eventually(lambda: stands(url, "nightly", "b"))

        moved = tenure("move", "nightly", "--from", url, "--to", there)

        assert moved.code == 0, moved.err
        assert "a (token 1)" in moved.out
        assert standby.wait(60) == 1
        assert standby.stderr is not None
        assert there in standby.stderr.read()


def test_a_leader_that_does_not_hand_over_keeps_the_election(url: str, there: str) -> None:
    """Code 124, and nothing has moved: neither place says anything else than before."""
    with leader(url, "nightly", "a") as leading:
        os.kill(leading.pid, signal.SIGSTOP)

        late = tenure("move", "nightly", "--from", url, "--to", there, "--wait", "500ms")

        assert late.code == 124
        assert "nothing has moved" in late.err
        assert tenure("status", "nightly", "--at", url).code == 0
        os.kill(leading.pid, signal.SIGCONT)
    assert tenure("run", "nightly", "--at", there, "--", "true").code == 0


def test_the_same_line_again_changes_nothing(url: str, there: str) -> None:
    """Code 0, also while somebody leads in the new place."""
    line = ("move", "nightly", "--from", url, "--to", there)
    assert tenure(*line).code == 0
    with leader(there, "nightly", "a"):
        again = tenure(*line, "-o", "jsonl")

        assert again.code == 0
        assert '"already":true' in again.out
        assert tenure("status", "nightly", "--at", there).code == 0


def test_a_place_in_which_somebody_leads_takes_nothing_over(url: str, there: str) -> None:
    """Code 78; the old place elects as before."""
    with leader(there, "nightly", "other"):
        refused = tenure("move", "nightly", "--from", url, "--to", there)

    assert refused.code == 78
    assert "nothing has moved" in refused.err
    assert tenure("run", "nightly", "--at", url, "--", "true").code == 0


def test_an_election_is_moved_from_where_it_is(url: str, there: str, tmp_path: Path) -> None:
    """Code 78 with the place that it has moved to; from there it goes on to a third, and back to the first."""
    third = (tmp_path / "third").as_uri()
    assert tenure("move", "nightly", "--from", url, "--to", there).code == 0

    refused = tenure("move", "nightly", "--from", url, "--to", third)

    assert refused.code == 78
    assert there in refused.err
    assert tenure("move", "nightly", "--from", there, "--to", third).code == 0
    overtaken = tenure("move", "nightly", "--from", url, "--to", there)
    assert overtaken.code == 78
    assert third in overtaken.err
    assert tenure("move", "nightly", "--from", third, "--to", url).code == 0
    assert tenure("run", "nightly", "--at", url, "--", "true").code == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("file://{}/a", "file://{}/a?poll=1s", "one directory"),
        ("file://{}/a", "lease://{}/a", "one directory"),
        ("file://{}/a", "file://{}/link", "one directory"),
        ("memory://a", "file://{}/a", "inside one process"),
        ("file://{}/a", "memory://a", "inside one process"),
    ],
)
def test_places_between_which_nothing_can_move(tmp_path: Path, old: str, new: str, says: str) -> None:
    """Code 2, and nothing is made."""
    (tmp_path / "link").symlink_to(tmp_path / "a")

    refused = tenure("move", "nightly", "--from", old.format(tmp_path), "--to", new.format(tmp_path))

    assert refused.code == 2
    assert says in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_place_that_is_no_authority_is_refused(url: str) -> None:
    """Code 78 with the words of the backend, before anybody is asked for anything."""
    refused = tenure("move", "nightly", "--from", url, "--to", "lease:///proc/self")

    assert refused.code == 78
    assert "Nothing was made" in refused.err


def test_both_places_stand_in_the_environment(url: str, there: str) -> None:
    """As every option does."""
    moved = tenure("move", "nightly", TENURE_MOVE_FROM=url, TENURE_MOVE_TO=there)

    assert moved.code == 0, moved.err


def test_an_interrupted_wait_gives_everything_back(url: str, there: str) -> None:
    """Ctrl-C while a leader is waited for: code 130, and its candidate stands no more."""
    with leader(url, "nightly", "a") as leading:
        os.kill(leading.pid, signal.SIGSTOP)
        with started(*TENURE, "move", "nightly", "--from", url, "--to", there) as moving:

            def is_asked() -> bool:
                return bool(tenure("status", "nightly", "--at", url, "-o", "json").json()["elections"][0]["candidates"])

            eventually(is_asked)
            moving.send_signal(signal.SIGINT)
            assert moving.wait(60) == 130
        assert not is_asked()
        os.kill(leading.pid, signal.SIGCONT)


def test_status_and_doctor_show_what_moved_away(url: str, there: str) -> None:
    """A listing shows it beside the others, and its code is theirs; named, it is 78."""
    assert tenure("move", "nightly", "--from", url, "--to", there).code == 0
    with leader(url, "another", "a"):
        listing = tenure("status", "--at", url, "-o", "json")
        assert listing.code == 0
        assert {one["election"]: one["state"] for one in listing.json()["elections"]} == {
            "another": "led",
            "nightly": "moved",
        }
        examined = tenure("doctor", "--at", url, "-o", "json")
    assert tenure("status", "nightly", "--at", url).code == 78
    assert tenure("status", "--at", url).code == 3
    assert examined.code == 0
    (found,) = (one for one in examined.json() if one["what"] == "nightly")
    assert found["state"] == "look"
    assert f"--at {there}" in found["mend"]


def test_a_floor_brings_back_what_moved_to_a_place_that_is_lost(url: str, there: str) -> None:
    """Where the new place is gone for good, the operator opens the old one again."""
    assert tenure("move", "nightly", "--from", url, "--to", there).code == 0

    assert tenure("doctor", "nightly", "--at", url, "--floor", "500").code == 0

    with leader(url, "nightly", "a"):
        assert tenure("status", "nightly", "--at", url, "-o", "json").json()["elections"][0]["token"] > 500


def test_one_place_however_it_is_written(tmp_path: Path) -> None:
    """Options and links make no other place; what cannot be read is none."""
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert same_place(f"file://{tmp_path}/a", f"lease://{tmp_path}/link?lease=3s")
    assert not same_place(f"file://{tmp_path}/a", f"file://{tmp_path}/b")
    assert not same_place("etcd://a", "etcd://a")


def test_what_cannot_be_read_is_told_without_a_url() -> None:
    """A note that rotted is still a note: nobody is elected, and nobody is sent to an empty URL."""
    assert "--at" not in str(Moved("nightly", "/dir", "", 7))


def test_its_help_says_how_to_go_on() -> None:
    """After any error: the same line."""
    assert "same line again" in " ".join(ended(*TENURE, "move", "--help").out.split())
