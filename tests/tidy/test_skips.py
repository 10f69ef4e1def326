"""In CI nothing is skipped that the machine can provide: the rule of tests/conftest.py, shown on a small suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT

SUITES = {
    "a thing that a mark names": "@pytest.mark.needs('no_such_thing')\ndef test_a(): ...",
    "a skip of the test's own": "def test_a():\n    pytest.skip('not today')",
    "a whole module": "pytest.importorskip('no_such_thing')\ndef test_a(): ...",
}


def outcome(body: str, folder: Path, ci: str) -> int:
    """The exit code of a suite with one test, run with CI set to `ci`."""
    (folder / "test_sample.py").write_text(f"import pytest\n{body}\n", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  needs\n  may_skip\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "."]
    environment = os.environ | {"CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False).returncode


@pytest.mark.parametrize("body", SUITES.values(), ids=SUITES.keys())
def test_a_skip_is_a_failure_in_ci(body: str, tmp_path: Path) -> None:
    """With CI=true a suite that skips fails."""
    assert outcome(body, tmp_path, "true") not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}


@pytest.mark.parametrize("body", SUITES.values(), ids=SUITES.keys())
def test_a_skip_is_a_skip_elsewhere(body: str, tmp_path: Path) -> None:
    """Without CI a developer's machine may lack things."""
    assert outcome(body, tmp_path, "") in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}


@pytest.mark.parametrize(
    "body",
    [
        "@pytest.mark.may_skip('cannot be provided')\ndef test_a():\n    pytest.skip('absent')",
        "@pytest.mark.needs('pytest')\ndef test_a(): ...",
        "@pytest.mark.xfail\ndef test_a():\n    raise AssertionError",
    ],
    ids=["allowed", "present", "expected failure"],
)
def test_what_is_allowed_or_present_passes_in_ci(body: str, tmp_path: Path) -> None:
    """With CI=true neither an allowed skip, nor a present thing, nor an expected failure is held against a suite."""
    assert outcome(body, tmp_path, "true") == pytest.ExitCode.OK
