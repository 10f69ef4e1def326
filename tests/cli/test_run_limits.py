"""`tenure run` where the system has run out of something: code 125, what is missing, and what raises the limit."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.scene import TENURE, Ended, ended, ended_as_other, environment, needs_other, tenure

IN_A_REMOVED_DIRECTORY = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'


def limited(kind: int, limit: int, *arguments: str) -> Ended:
    """The command under a soft and hard limit of its own."""
    script = (
        f"import os, resource, sys; resource.setrlimit({kind}, ({limit}, {limit})); os.execv(sys.argv[1], sys.argv[1:])"
    )
    return ended(sys.executable, "-c", script, *TENURE, *arguments)


@pytest.mark.parametrize("limit", [5, 8, 10, 20])
def test_too_few_descriptors_are_told_at_the_start(url: str, tmp_path: Path, limit: int) -> None:
    """One line that names limit and remedy, and nothing was made: nobody stands who could not lead."""
    done = limited(resource.RLIMIT_NOFILE, limit, "run", "job", "--at", url, "--", "true")

    assert done.code == 125
    assert len(done.err.splitlines()) == 1
    assert f"RLIMIT_NOFILE is {limit}" in done.err
    assert "ulimit -n" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_hundred_descriptors_are_enough(url: str) -> None:
    """The limit that is asked for suffices, with the descriptors that the job inherits."""
    assert limited(resource.RLIMIT_NOFILE, 100, "run", "-q", "job", "--at", url, "--", "true") == (0, "", "")


@needs_other
@pytest.mark.parametrize("limit", [1, 2])
def test_too_few_processes_are_told(tmp_path: Path, limit: int) -> None:
    """Neither the guardian's fork nor the first thread that fails is a defect: 125, and the limit to raise."""
    tmp_path.chmod(0o777)
    done = ended_as_other(
        "prlimit",
        f"--nproc={limit}",
        *TENURE,
        "run",
        "job",
        "--at",
        tmp_path.as_uri(),
        "--",
        "true",
        TMPDIR=str(tmp_path),
    )

    assert done.code == 125
    assert "ulimit -u" in done.err
    assert "defect" not in done.err
    assert "Traceback" not in done.err


@needs_other
def test_who_only_looks_is_told_the_same(tmp_path: Path) -> None:
    """`status` without a thread to look with: a failure, and what to do about it."""
    done = ended_as_other("prlimit", "--nproc=1", *TENURE, "status", "job", "--at", tmp_path.as_uri())

    assert done.code == 1
    assert "ulimit -u" in done.err
    assert "defect" not in done.err


@needs_other
def test_a_full_place_for_the_deadline_file_is_told_at_the_start(url: str, tmp_path: Path) -> None:
    """78 before anybody stands: in a job that cannot read its deadline nothing would ever hold."""
    script = f'mount -t tmpfs -o size=64k none {tmp_path} && {{ cat /dev/zero >{tmp_path}/fill; exec "$@"; }}'
    line = ("run", "-q", "job", "--at", url, "--", "true")
    done = ended("unshare", "-m", "sh", "-c", script, "sh", *TENURE, *line, TMPDIR=str(tmp_path), XDG_RUNTIME_DIR="")

    assert done.code == 78
    assert "No space left on device" in done.err.splitlines()[-1]
    assert "XDG_RUNTIME_DIR" in done.err


def test_a_relative_path_in_a_directory_that_was_removed(tmp_path: Path) -> None:
    """There is no absolute path to name; the refusal is that of every relative path."""
    done = subprocess.run(
        ["/bin/sh", "-c", IN_A_REMOVED_DIRECTORY, "sh", *TENURE, "run", "job", "--at", "rel", "--", "true"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 78
    assert "write file:///absolute/path" in done.stderr


def test_what_is_typed_counts_before_a_variable_that_excludes_it(url: str) -> None:
    """TENURE_RUN_NO_WAIT is no reason to refuse --wait, nor TENURE_RUN_WAIT to refuse --no-wait; both typed are."""
    run = ("run", "-q", "job", "--at", url)

    assert tenure(*run, "--wait", "5", "--", "true", TENURE_RUN_NO_WAIT="1").code == 0
    assert tenure(*run, "--no-wait", "--", "true", TENURE_RUN_WAIT="5").code == 0
    for arguments, variables in (
        (("--wait", "5", "--no-wait"), {}),
        ((), {"TENURE_RUN_NO_WAIT": "1", "TENURE_RUN_WAIT": "5"}),
    ):
        refused = tenure(*run, *arguments, "--", "true", **variables)
        assert refused.code == 2
        assert "exclude each other" in refused.err
