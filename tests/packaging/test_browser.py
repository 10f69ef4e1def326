"""`make test` brings the browser that pages are tested in where it may, and otherwise says what is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULE = "include Makefile\nbrowser:\n\t@$(find_browser)\n"
IS_DEBIAN = Path("/etc/debian_version").exists()

pytestmark = pytest.mark.needs("make")


def asked(
    directory: Path, *, apt: str | None = None, user: int = 0, browser: bool = False
) -> tuple[list[str], list[str]]:
    """What make says, and what apt-get was called with, where these stand-ins are all there is."""
    called = directory / "called"
    called.touch()
    for name in ("bash", "sh"):
        (directory / name).symlink_to(shutil.which(name) or name)
    programs = {"id": f"echo {user}"}
    if browser:
        programs["chromium"] = "exit 1"
    if apt is not None:
        programs["apt-get"] = f'echo "$*" >>{called}; {apt}'
    for name, text in programs.items():
        (directory / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (directory / name).chmod(0o755)
    (directory / "rule").write_text(RULE, encoding="utf-8")
    make = shutil.which("make")
    assert make is not None
    ended = subprocess.run(
        [make, "-s", "-f", str(directory / "rule"), "browser", "PYTHON=python", f"LOG={directory / 'log'}"],
        cwd=ROOT,
        env={**os.environ, "PATH": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # make looks for `find`, which the rule does not need
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout.splitlines(), called.read_text(encoding="utf-8").splitlines()


@pytest.mark.skipif(not IS_DEBIAN, reason="apt-get is used on a Debian system only, and this is none")
def test_root_on_debian_gets_it(tmp_path: Path) -> None:
    """Quietly, without what is only recommended, and with one line that says so."""
    said, called = asked(tmp_path, apt="true")
    assert said == ["installing chromium, in which pages are tested: apt-get install --no-install-recommends chromium"]
    assert called == ["update -qq", "install -y -qq --no-install-recommends chromium"]


@pytest.mark.skipif(not IS_DEBIAN, reason="apt-get is used on a Debian system only, and this is none")
def test_where_that_fails_the_tests_go_on(tmp_path: Path) -> None:
    """Without a network, say: it is told, and is no error."""
    said, called = asked(tmp_path, apt="echo why; exit 100")
    assert said[1:] == [f"that failed (see {tmp_path / 'log'}); the tests that need a browser will be skipped"]
    assert called == ["update -qq"]
    assert (tmp_path / "log").read_text(encoding="utf-8") == "why\n"


@pytest.mark.parametrize(("apt", "user"), [(None, 0), ("true", 1000)])
def test_elsewhere_it_says_what_is_skipped(apt: str | None, user: int, tmp_path: Path) -> None:
    """Neither another system nor a user without the right is asked for anything."""
    said, called = asked(tmp_path, apt=apt, user=user)
    assert said == [
        "no chromium here: the tests that need a browser will be skipped (Debian: apt-get install chromium)"
    ]
    assert called == []


def test_who_has_it_hears_nothing(tmp_path: Path) -> None:
    """It is installed once."""
    assert asked(tmp_path, apt="true", browser=True) == ([], [])
