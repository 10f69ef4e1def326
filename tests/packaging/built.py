"""Building the project, and environments to try what was built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import missing
from tests.tidy.tree import ROOT

BUILD = "import sys; from flit_core import buildapi; print(getattr(buildapi, 'build_' + sys.argv[1])(sys.argv[2]))"


def run(
    *arguments: str | Path, cwd: Path = ROOT, check: bool = True, timeout_s: float = 100
) -> subprocess.CompletedProcess[str]:
    """Run a program that must end in time, without what this checkout or the caller's settings would add."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TENURE_", "PYTEST_")) and name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def build(kind: str, folder: Path) -> Path:
    """Build the project as a "wheel" or an "sdist" into `folder`, by the backend that pyproject.toml names."""
    return folder / run(sys.executable, "-c", BUILD, kind, folder).stdout.strip().splitlines()[-1]


def empty_environment(python: str | Path, folder: Path) -> Path:
    """A new virtual environment with nothing in it, not even pip; its interpreter."""
    run(python, "-m", "venv", "--without-pip", folder)
    return folder / "bin" / "python"


def install(python: Path, *what: str | Path) -> None:
    """Install into that environment, at the versions of constraints.txt, by the pip of the one that runs the tests."""
    pip = (sys.executable, "-m", "pip", "--python", python)
    done = run(*pip, "install", "-q", "-c", ROOT / "constraints.txt", *what, check=False)
    if "No matching distribution" in done.stderr or "connection" in done.stderr.lower():
        missing(f"a package index that pip reaches ({done.stderr.strip().splitlines()[-1]})")
    assert done.returncode == 0, done.stderr
