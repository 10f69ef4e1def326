"""The file by which a job learns how long it may act."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenure.errors import ConfigurationError
from tenure.supervise import NO_DEADLINE_NS, holds
from tenure.supervise.deadline_file import DeadlineFile, check_place

S = 1_000_000_000
NOW_NS = 10**12
KILLED_GUARDIAN = """
import os, signal
from tenure.supervise.deadline_file import DeadlineFile, check_place
DeadlineFile.create().write(None)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's files go."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / f"tenure-{os.geteuid()}"


@pytest.mark.parametrize(
    ("content", "for_s", "answer"),
    [
        (f"{NOW_NS + 2 * S}\n", 0, True),
        (f"{NOW_NS + 2 * S}\n", 1.9, True),
        (f"{NOW_NS + 2 * S}\n", 2, False),
        (f"{NOW_NS}\n", 0, False),
        (f"{NOW_NS - 1}\n", 0, False),
        ("0\n", 0, False),
        (f"{NO_DEADLINE_NS}\n", 3600, True),
        ("", 0, False),
        ("rubbish", 0, False),
        ("9" * 100, 0, True),  # cut off, still a number, still far
    ],
)
def test_a_deadline_holds_only_while_it_lies_far_enough_ahead(
    tmp_path: Path, content: str, for_s: float, answer: bool
) -> None:
    """Strictly more than `for_s` must be left; what is no number holds nothing."""
    path = tmp_path / "deadline"
    path.write_text(content, encoding="ascii")

    assert holds(path, for_s, NOW_NS) is answer


def test_no_file_holds_nothing(tmp_path: Path) -> None:
    """Neither a missing file nor a directory is an error: they say no."""
    assert not holds(tmp_path / "missing", 0, 0)
    assert not holds(tmp_path, 0, 0)


def test_the_file_follows_the_deadline(place: Path) -> None:
    """Written, renewed, without a deadline, void, removed."""
    file = DeadlineFile.create()
    seen = []
    for deadline_ns in (NOW_NS + S, NOW_NS + 9 * S, None):
        file.write(deadline_ns)
        seen.append(int(file.path.read_text(encoding="ascii")))
    file.void()
    seen.append(int(file.path.read_text(encoding="ascii")))

    file.remove()

    assert seen == [NOW_NS + S, NOW_NS + 9 * S, NO_DEADLINE_NS, 0]
    assert list(place.iterdir()) == []


def test_where_nothing_can_be_written_a_void_deadline_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk does not leave a deadline behind that has been revoked."""
    file = DeadlineFile.create()
    file.write(None)

    def full(*_: object, **__: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "open", full)
    file.void()

    assert not holds(file.path, 0, 0)
    file.remove()


@pytest.mark.parametrize("umask", [0o777, 0o277, 0])
def test_the_umask_decides_nothing(place: Path, umask: int) -> None:
    """The owner may use what is made, and nobody else; nothing stays behind."""
    before = os.umask(umask)
    try:
        file = DeadlineFile.create()
        file.begin(None)
        modes = [path.stat().st_mode & 0o777 for path in (place, file.path.parent, file.path)]
        file.remove()
    finally:
        os.umask(before)

    assert modes == [0o700, 0o700, 0o600]
    assert list(place.iterdir()) == []


def test_a_full_place_is_refused_before_anybody_stands(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory can be made where no file has room: what the job could never read is told at the start."""
    write = DeadlineFile._replace

    def full(file: DeadlineFile, deadline_ns: int | None) -> None:
        write(file, deadline_ns)
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(DeadlineFile, "_replace", full)

    with pytest.raises(ConfigurationError, match=r"No space left on device.*XDG_RUNTIME_DIR"):
        check_place()
    assert list(place.iterdir()) == []


def test_a_pipe_holds_nothing_and_is_not_waited_for(tmp_path: Path) -> None:
    """Whether nobody has it open for writing, or somebody has and says nothing."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not holds(pipe, 0, 0)
    both_ends = os.open(pipe, os.O_RDWR)
    try:
        assert not holds(pipe, 0, 0)
    finally:
        os.close(both_ends)


def test_only_the_owner_may_enter(place: Path) -> None:
    """The directory is private, and so are those in it."""
    file = DeadlineFile.create()

    assert place.stat().st_mode & 0o777 == 0o700
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    file.remove()


@pytest.mark.parametrize("kind", ["open to others", "a link", "a file"])
def test_a_place_that_is_not_private_is_refused(place: Path, tmp_path: Path, kind: str) -> None:
    """Nothing is written where somebody else could have written first; the message names the way out."""
    match kind:
        case "open to others":
            place.mkdir()
            place.chmod(0o755)
        case "a link":
            (tmp_path / "elsewhere").mkdir(mode=0o700)
            place.symlink_to(tmp_path / "elsewhere")
        case _:
            place.touch()

    with pytest.raises(ConfigurationError, match="XDG_RUNTIME_DIR"):
        DeadlineFile.create()


def test_a_place_of_another_user_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However private it is, it is not ours."""
    place.mkdir(mode=0o700)
    place.rename(place.with_name("tenure-4242"))
    monkeypatch.setattr(os, "geteuid", lambda: 4242)

    with pytest.raises(ConfigurationError, match="only you"):
        DeadlineFile.create()


def test_L31_leftovers_are_told_from_living_files_by_a_lock_and_no_pid(place: Path) -> None:
    """What a killed guardian left goes though its pid is in use; a living one's stays though its pid means nothing."""
    subprocess.run([sys.executable, "-c", KILLED_GUARDIAN], check=False)
    (left,) = place.iterdir()
    left.rename(place / f"{os.getpid()}-0000")  # as if that pid, ours, had been used again
    living = DeadlineFile.create()
    living.write(None)
    living.path.parent.rename(place / "99999999-0000")  # as if its pid were of another namespace

    another = DeadlineFile.create()

    assert sorted(path.name for path in place.iterdir()) == sorted(["99999999-0000", another.path.parent.name])
    another.remove()


def test_a_relative_place_gives_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job may change its directory before it looks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("TMPDIR", ".")
    file = DeadlineFile.create()
    path = file.path
    file.remove()
    assert path.is_absolute()
    assert path.is_relative_to(tmp_path)


def test_a_directory_that_a_sweeper_removed_before_it_was_opened_is_made_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guardians that start and end at once sweep what they take for a dead one's; the second directory stays."""
    left = [1]
    whole = os.open

    def swept(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).parent == place and left:
            left.pop()
            Path(path).rmdir()
        return whole(path, flags, mode)

    monkeypatch.setattr(os, "open", swept)
    file = DeadlineFile.create()
    monkeypatch.setattr(os, "open", whole)
    file.begin(None)

    assert left == []
    assert holds(file.path, 0, 0)
    file.remove()


def test_a_directory_that_a_sweeper_removed_before_its_mode_was_set_is_made_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same one call earlier: of two that start at once neither fails."""
    left = [1]
    whole = Path.chmod

    def swept(path: Path, mode: int) -> None:
        if path.parent == place and left:
            left.pop()
            path.rmdir()
        whole(path, mode)

    monkeypatch.setattr(Path, "chmod", swept)
    file = DeadlineFile.create()
    file.begin(None)

    assert left == []
    assert holds(file.path, 0, 0)
    file.remove()
