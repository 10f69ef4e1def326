"""The fast subset, on every other supported Python that this machine has, against the built wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.built import empty_environment, install, run
from tests.tidy.tree import ROOT

SUPPORTED = ((3, 11), (3, 12), (3, 13))
OTHERS = [version for version in SUPPORTED if version != sys.version_info[:2]]
PROBE = "import sys, venv; print(*sys.version_info[:2], sys.executable)"
MARK = re.compile(r"^(@|pytestmark = )pytest\.mark\.versions$", re.MULTILINE)


def interpreter(version: tuple[int, int]) -> str | None:
    """Where an interpreter of that version is, on the PATH or among pyenv's; each is run, for a shim may be empty."""
    name = f"python{version[0]}.{version[1]}"
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version[0]}.{version[1]}*/bin/python"))
    for candidate in (shutil.which(name), *map(str, kept)):
        if candidate is None:
            continue
        try:
            words = run(candidate, "-c", PROBE, check=False).stdout.split(maxsplit=2)
        except (OSError, subprocess.TimeoutExpired):
            continue  # it is there, and does not run: as good as absent
        if words[:2] == [str(part) for part in version]:
            return words[2].strip()
    return None


def marked() -> list[Path]:
    """The test files with something marked `versions`. No other one is imported: what those need is not installed."""
    return [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if MARK.search(path.read_text())]


@pytest.mark.serial
@pytest.mark.timeout(400)
@pytest.mark.may_skip("an interpreter that is not on the machine cannot be provided by the project")
@pytest.mark.parametrize("version", OTHERS, ids=lambda version: f"{version[0]}.{version[1]}")
def test_the_fast_subset_passes_on_another_python(version: tuple[int, int], wheel: Path, tmp_path: Path) -> None:
    """What is marked `versions` passes on that Python too, with the wheel in place of the source tree."""
    found = interpreter(version)
    if found is None:
        pytest.skip(f"no Python {version[0]}.{version[1]} on this machine, neither on the PATH nor among pyenv's")
    python = empty_environment(found, tmp_path / "venv")
    install(python, wheel, "pytest", "pytest-timeout", "hypothesis", "uvloop", "anyio")

    arguments = ("-q", "-m", "versions", "-p", "no:cacheprovider")
    done = run(python, "-m", "pytest", *arguments, *marked(), check=False, timeout_s=300)

    assert done.returncode == 0, done.stdout + done.stderr
