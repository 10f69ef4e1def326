"""`tenure demo` as a user runs it: real processes, both verdicts, and nothing left behind however it ends."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.demo.scene import LIMIT_S, Scene

pytestmark = [pytest.mark.serial, pytest.mark.timeout(300)]


class Played:
    """A demonstration that was played to its end."""

    def __init__(self, scene: Scene, code: int, data: dict[str, Any], told: str) -> None:
        self.scene = scene
        self.code = code
        self.data = data
        self.told = told


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Played once for all the tests that only look at its outcome."""
    scene = Scene(tmp_path_factory.mktemp("demo") / "scene")
    process = scene.start("-o", "json", "--no-unicode", TENURE_URL="nonsense://that/must/not/matter")
    out, told = process.communicate(timeout=LIMIT_S)
    yield Played(scene, process.returncode, json.loads(out), told)
    scene.clear()


def test_our_ledger_is_clean_and_the_other_one_is_damaged(played: Played) -> None:
    """The same audits judge both, and the exit code says so."""
    ours, theirs = played.data["ours"], played.data["theirs"]
    assert (played.code, played.data["failure"]) == (0, ""), played.told
    assert ours["verdict"]["overlaps"] == ours["verdict"]["token_faults"] == ours["verdict"]["stale_acts"] == []
    assert ours["books"]["booked_twice"] == 0
    assert ours["books"]["paid"] == ours["books"]["balance"]
    leased = played.data["leased"]
    assert leased["verdict"]["overlaps"] == leased["verdict"]["token_faults"] == leased["verdict"]["stale_acts"] == []
    assert leased["books"]["paid"] == leased["books"]["balance"]
    assert theirs["verdict"]["overlaps"] != []
    assert theirs["books"]["booked_twice"] > 0


def test_L16_the_paused_leader_is_what_damages_the_other_ledger(played: Played) -> None:
    """It was replaced while paused, and acted after its successor had: the real reason, not a staged one."""
    theirs = played.data["theirs"]
    paused = theirs["pause"]
    assert paused["replaced_after_ns"] is not None
    stale = [act for act in theirs["verdict"]["stale_acts"] if act["by"]["candidate"] == paused["candidate"]]
    assert [act for act in stale if act["by"]["held_ns"] >= paused["to_ns"]] != []


def test_a_paused_leader_of_ours_is_waited_for(played: Played) -> None:
    """On file:// nobody takes over from a paused leader: nothing is booked meanwhile, and it is said."""
    pause = played.data["ours"]["pause"]
    assert pause["replaced_after_ns"] is None
    assert pause["idle_ns"] >= pause["to_ns"] - pause["from_ns"]
    assert "Nobody else had led" in " ".join(played.told.split())


def test_L16_a_leader_paused_past_its_lease_is_replaced_and_its_late_write_refused(played: Played) -> None:
    """It wakes with a payment on its way; the ledger has seen a greater token, and the strip shows where."""
    leased = played.data["leased"]
    pause, refusal = leased["pause"], leased["refusal"]
    first, second, *_ = leased["verdict"]["tenures"]
    assert refusal["token"] == first["token"] < second["token"]
    assert pause["from_ns"] < second["opened_ns"] < pause["to_ns"] < refusal["at_ns"]
    assert f"token {first['token']} is stale: {second['token']} was seen" in refusal["reason"]
    assert leased["books"]["bookings"] == sum(tenure["acts"] for tenure in leased["verdict"]["tenures"])
    assert "# refused" in played.told


def test_L12_the_job_ends_with_our_wrapper_and_lives_on_without_the_other(played: Played) -> None:
    """SIGKILL for the wrapper alone."""
    lived_on = {
        side: [one["job_lived_on"] for one in played.data[side]["take_overs"] if one["accident"] == "wrapper killed"]
        for side in ("ours", "theirs")
    }
    assert lived_on == {"ours": [False], "theirs": [True]}


def test_all_four_accidents_happened_to_both(played: Played) -> None:
    """A demonstration that left one out has shown nothing."""
    for side in ("ours", "theirs"):
        accidents = {one["accident"] for one in played.data[side]["take_overs"]}
        assert accidents == {"killed", "resigned", "wrapper killed"}
        tenures = played.data[side]["verdict"]["tenures"]
        assert len(tenures) >= 4
        assert all(tenure["acts"] > 0 for tenure in tenures)


def test_what_it_tells_fits_a_terminal_and_needs_no_colour(played: Played) -> None:
    """80 columns, no escape sequences without a terminal, ASCII where it was asked for; ends with two commands."""
    lines = played.told.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert "\x1b" not in played.told
    assert played.told.isascii()
    words = " ".join(played.told.split())
    assert re.search(r"killed ada \(\d+\) with SIGKILL; next leader \w+ \(token 2\) \w+", words)
    assert [line.split()[:2] for line in lines[-2:]] == [["tenure", "run"], ["tenure", "status"]]


def test_nothing_is_left_behind(played: Played) -> None:
    """No process, no file."""
    assert played.scene.ends()
    assert list(played.scene.folder.iterdir()) == []


@pytest.mark.parametrize("moment", ["leads and books", "paused"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(scene: Scene, number: signal.Signals, moment: str) -> None:
    """Ctrl-C or SIGTERM while somebody leads, or is paused: everything ends, and the exit code says by what."""
    process = scene.start()
    assert process.stdout is not None
    assert any(moment in line for line in process.stdout), "the moment came"
    process.send_signal(number)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 128 + number
    assert scene.living() == []
    assert list(scene.folder.iterdir()) == []


@pytest.mark.parametrize("moment", ["leads and books", "paused"])
def test_killed_it_leaves_no_process_behind(scene: Scene, moment: str) -> None:
    """SIGKILL leaves it no time: its processes end by themselves, even one that is paused."""
    process = scene.start()
    assert process.stdout is not None
    assert any(moment in line for line in process.stdout), "the moment came"
    process.kill()
    process.communicate(timeout=LIMIT_S)
    assert scene.ends()


def test_it_ends_when_nobody_reads(scene: Scene) -> None:
    """`tenure demo | head -1`: a closed pipe ends it in good order."""
    process = scene.start()
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(LIMIT_S) == 128 + signal.SIGPIPE
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert scene.living() == []
    assert list(scene.folder.iterdir()) == []
