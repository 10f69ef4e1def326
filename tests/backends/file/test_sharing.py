"""A directory that several users may write is theirs for every election in it, whatever their umasks are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.scene import TENURE, Ended, ended, ended_as_other, needs_other, tenure

MEMBERS = 4300
"""A group that this machine does not know."""


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """What this process and its children may not give away."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def run(place: Path, user: int, *options: str) -> Ended:
    """One job of that user's, who is a member of the group."""
    line = ("run", "-q", "--no-wait", *options, "job", "--at", place.as_uri(), "--", "printenv", "TENURE_TOKEN")
    private = place.with_name(f"private-{user}")
    private.mkdir(exist_ok=True)
    os.chown(private, user, -1)
    return ended_as_other(*TENURE, *line, user=user, groups=f"--groups={MEMBERS}", XDG_RUNTIME_DIR=str(private))


def modes(election: Path) -> dict[str, int]:
    """The permissions of all that was made for an election."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (election, *election.iterdir())}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the elections are, of the group."""
    place = tmp_path / "elections"
    place.mkdir()
    if os.geteuid() == 0:
        os.chown(place, 0, MEMBERS)
    return place


@needs_other
@pytest.mark.parametrize("mask", [0o022, 0o077])
@pytest.mark.parametrize("mode", [0o1777, 0o2777, 0o2770])
def test_users_that_may_write_the_directory_follow_one_another(place: Path, mode: int, mask: int) -> None:
    """Each is elected after the other, in both orders, and the doctor finds nothing."""
    place.chmod(mode)

    with umask(mask):
        tokens = [run(place, user) for user in (4242, 4243, 4242)]
        found = ended_as_other(
            *TENURE, "doctor", "job", "--at", place.as_uri(), user=4244, groups=f"--groups={MEMBERS}"
        )

    assert tokens == [(0, "1\n", ""), (0, "2\n", ""), (0, "3\n", "")]
    assert found.code == 0, found.out


@needs_other
def test_a_group_that_is_not_handed_on_gets_nothing(place: Path) -> None:
    """Without setgid the files have their maker's own group, which may be another one's: its members get no more."""
    place.chmod(0o770)

    with umask(0o022):
        assert run(place, 4242).code == 0

    assert not any(mode & 0o022 for mode in modes(place / "job").values())


@pytest.mark.parametrize("scheme", ["file", "lease"])
def test_what_all_others_may_their_makers_group_may_too(place: Path, scheme: str) -> None:
    """The kernel asks the group's bits of its members, and nothing of the others' bits."""
    place.chmod(0o757)
    with umask(0o077):
        assert tenure("run", "-q", "job", "--at", f"{scheme}://{place}", "--", "true").code == 0

    found = modes(place / "job")
    assert {name: mode for name, mode in found.items() if mode & 0o070 != (mode & 0o007) << 3} == {}
    assert found["candidates"] & 0o077 == 0o077


def test_a_directory_of_one_user_stays_that_users(place: Path) -> None:
    """Where nobody else may write the root, the umask counts as ever."""
    place.chmod(0o755)
    with umask(0o022):
        assert tenure("run", "-q", "job", "--at", place.as_uri(), "--", "true").code == 0

    assert not any(mode & 0o022 for mode in modes(place / "job").values())


@needs_other
def test_the_doctor_looks_at_the_elections_own_files(place: Path) -> None:
    """Made before the directory was shared, they bar the other user: bad, with the command for their owner."""
    with umask(0o022):
        assert ended(*TENURE, "run", "-q", "job", "--at", place.as_uri(), "--", "true").code == 0
    place.chmod(0o1777)

    found = ended_as_other(*TENURE, "doctor", "job", "--at", place.as_uri(), user=4243)

    assert found.code == 1
    assert f"without write access to {place}/job, {place}/job/lock" in found.out
    assert f"chmod -R a+rwX {place}/job" in found.out
