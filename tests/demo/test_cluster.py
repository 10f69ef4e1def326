"""`tenure demo --cluster` as a user runs it: real nodes, clean ledgers, pictures, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.demo.scene import LIMIT_S, Scene

pytestmark = [pytest.mark.serial, pytest.mark.timeout(300)]


class Played:
    """Both plays, to their end."""

    def __init__(self, folder: Path) -> None:
        self.scene = Scene(folder / "scene")
        self.pictures = [folder / "host.html", folder / "network.svg"]
        drawn = [word for picture in self.pictures for word in ("--picture", str(picture))]
        process = self.scene.start("--cluster", "-o", "json", "--no-unicode", *drawn)
        out, self.told = process.communicate(timeout=LIMIT_S)
        self.code = process.returncode
        self.data: dict[str, Any] = json.loads(out)

    def changes(self, part: int) -> dict[str, int]:
        """After how many nanoseconds the next leader worked, by accident."""
        return {one["accident"]: one["after_ns"] for one in self.data["parts"][part]["findings"]["take_overs"]}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Played once for all the tests that only look at its outcome."""
    done = Played(tmp_path_factory.mktemp("cluster"))
    yield done
    done.scene.clear()


def test_both_ledgers_are_clean_and_the_checkers_object_to_nothing(played: Played) -> None:
    """One leader at a time, tokens that grow, every payment booked once; and the traces of all lives agree."""
    assert (played.code, played.data["failure"]) == (0, ""), played.told
    for part in played.data["parts"]:
        verdict, books = part["findings"]["verdict"], part["findings"]["books"]
        assert verdict["overlaps"] == verdict["token_faults"] == verdict["stale_acts"] == part["objections"] == []
        assert books["booked_twice"] == 0
        assert books["paid"] == books["balance"]
        tokens = [tenure["token"] for tenure in verdict["tenures"]]
        assert all(earlier < later for earlier, later in pairwise(tokens))


def test_every_accident_made_another_lead(played: Played) -> None:
    """A demonstration that left one out has shown nothing."""
    assert set(played.changes(0)) == {"killed", "paused", "resigned"}
    assert set(played.changes(1)) == {"killed", "cut off"}


def test_where_the_kernel_vouches_nobody_waits_for_a_dead_leader(played: Played) -> None:
    """The next one works before the dead one's tenure has run out, which the other play has to wait for."""
    assert 4 * played.changes(0)["killed"] < played.changes(1)["killed"], (played.changes(0), played.changes(1))


def test_the_pictures_show_what_the_nodes_saw(played: Played) -> None:
    """One for each play: the node that was killed, and who followed."""
    host, network = (picture.read_text(encoding="utf-8") for picture in played.pictures)
    assert host.startswith("<!DOCTYPE html>")
    assert "crashed at" in host
    assert network.startswith("<svg")
    assert "raft, 3 nodes, real processes" in network


def test_what_it_tells_fits_a_terminal(played: Played) -> None:
    """80 columns but for the names of files, and ASCII where it was asked for."""
    assert [line for line in played.told.splitlines() if len(line) > 80 and "is drawn in" not in line] == []
    assert played.told.isascii()


def test_nothing_is_left_behind(played: Played) -> None:
    """No process, no file."""
    assert played.scene.ends()
    assert list(played.scene.folder.iterdir()) == []


@pytest.mark.parametrize(("moment", "number"), [("paused", signal.SIGINT), ("parts", signal.SIGTERM)])
def test_interrupted_it_leaves_nothing_behind(scene: Scene, number: signal.Signals, moment: str) -> None:
    """Ctrl-C while the leader is paused, or SIGTERM while it is cut off: everything ends."""
    process = scene.start("--cluster")
    assert process.stdout is not None
    assert any(moment in line for line in process.stdout if "--" in line or "SIGSTOP" in line), "the moment came"
    process.send_signal(number)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 128 + number
    assert scene.living() == []
    assert list(scene.folder.iterdir()) == []


def test_killed_it_leaves_no_process_behind(scene: Scene) -> None:
    """SIGKILL leaves it no time: its nodes end by themselves."""
    process = scene.start("--cluster")
    assert process.stdout is not None
    assert any("paused" in line for line in process.stdout), "the moment came"
    process.kill()
    process.communicate(timeout=LIMIT_S)
    assert scene.ends()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--picture", "a.svg"], "say --cluster, too"),
        (["--cluster", *("--picture", "a.svg") * 3], "there are 2 pictures"),
    ],
)
def test_a_picture_of_nothing_is_refused(tmp_path: Path, words: list[str], complaint: str) -> None:
    """Before anything is played."""
    command = [sys.executable, "-m", "tenure", "demo", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in done.stderr
