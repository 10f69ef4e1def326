"""A thousand elections led at once by one process, and what comes when the descriptors end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes.guarded_scene import PROGRAMS

LIMIT_S = 110.0


def many(url: str, most: int, *descriptors: int) -> dict[str, Any]:
    """Run the program that leads many."""
    words = [sys.executable, str(PROGRAMS / "fault_many.py"), url, str(most), *map(str, descriptors)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_thousand_elections_are_led_at_once(tmp_path: Path, kind: str) -> None:
    """All are valid at one instant, on the one thread of the keeper and the few of the backend, and leave nothing."""
    seen = many("memory://thousand" if kind == "memory" else tmp_path.as_uri(), 1000, 1100)

    assert (seen["led"], seen["valid"], seen["refusal"]) == (1000, 1000, "")
    assert seen["token"] == 2
    assert seen["threads"] <= 3
    assert seen["descriptors"] < 30


def test_beyond_the_descriptors_the_refusal_is_clear_and_the_others_stay(tmp_path: Path) -> None:
    """With `ulimit -n 256` some 240 are led; the next one is told why and what to do; those before are not touched."""
    seen = many(tmp_path.as_uri(), 1000, 256)

    assert 220 < seen["led"] < 256
    assert seen["valid"] == seen["led"]
    assert "descriptor limit (RLIMIT_NOFILE) reached: 256; raise it with ulimit -n" in seen["refusal"]
    assert seen["token"] == 2
