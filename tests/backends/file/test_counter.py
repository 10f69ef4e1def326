"""The token's counter: what torn, rotten, cut and missing files do to the next token."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.backends.base import TOKEN_LIMIT
from tenure.backends.file import counter, steps
from tenure.backends.file.place import Place
from tenure.errors import BackendRefused


def make(root: str | Path) -> Place:
    """An election's directory."""
    place = Place(str(root), "e", private=False)
    place.create()
    return place


def mint(place: Place) -> int:
    """The next token, knowing nothing beside the file."""
    return counter.mint(place, 0, 0)[0]


def test_tokens_begin_at_one_and_grow_by_one(tmp_path: Path) -> None:
    """In good order no token is left out."""
    place = make(tmp_path)

    assert [mint(place) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert counter.highest(place) == 5


def test_the_counter_has_its_full_size_from_the_start(tmp_path: Path) -> None:
    """A later win needs no space on the disk."""
    place = make(tmp_path)
    mint(place)
    size = Path(place.token).stat().st_size
    for _ in range(5):
        mint(place)

    assert Path(place.token).stat().st_size == size == counter.FILE_BYTES


@settings(deadline=None)
@given(wins=st.integers(1, 6), torn_at=st.integers(0, counter.SLOT_BYTES), rubbish=st.binary(min_size=64, max_size=64))
def test_a_torn_write_never_gives_a_token_twice(wins: int, torn_at: int, rubbish: bytes) -> None:
    """A win that dies at any byte of its write damages a token that nobody was told: the next is above the told."""
    with tempfile.TemporaryDirectory() as root:
        place = make(root)
        told = [mint(place) for _ in range(wins)]
        before = Path(place.token).read_bytes()
        mint(place)
        after = Path(place.token).read_bytes()
        offset = next(start for start in counter.OFFSETS if before[start : start + 64] != after[start : start + 64])
        torn = after[offset : offset + torn_at] + rubbish[torn_at:]
        Path(place.token).write_bytes(before[:offset] + torn + before[offset + 64 :])

        assert mint(place) > told[-1]
        assert mint(place) > told[-1] + 1


@settings(deadline=None)
@given(wins=st.integers(1, 6), slot=st.sampled_from(counter.OFFSETS), rot=st.binary(min_size=1, max_size=64))
def test_a_rotten_slot_never_gives_a_token_twice(wins: int, slot: int, rot: bytes) -> None:
    """Any one slot may be lost after its token was told, also the highest: the one above the other slot is skipped."""
    with tempfile.TemporaryDirectory() as root:
        place = make(root)
        told = [mint(place) for _ in range(wins)]
        data = bytearray(Path(place.token).read_bytes())
        data[slot : slot + len(rot)] = rot
        Path(place.token).write_bytes(data)

        assert mint(place) > told[-1]


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_rubbish_is_refused_and_left_alone(data: bytes) -> None:
    """A counter that is no counter elects nobody, is not touched, and the error names what repairs it."""
    with tempfile.TemporaryDirectory() as root:
        place = make(root)
        mint(place)
        Path(place.token).write_bytes(data)

        with pytest.raises(BackendRefused, match=r"Nothing was changed.*tenure doctor e --floor N"):
            mint(place)
        assert Path(place.token).read_bytes() == data


@pytest.mark.parametrize("length", [0, 1, 63])
def test_a_counter_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    """Shorter than one slot, nothing is left to know."""
    place = make(tmp_path)
    mint(place)
    os.truncate(place.token, length)

    with pytest.raises(BackendRefused, match="damaged in both"):
        mint(place)
    assert counter.highest(place) is None


def test_L17_a_missing_counter_is_refused_where_there_were_tenures(tmp_path: Path) -> None:
    """A counter that was deleted does not begin again at one."""
    place = make(tmp_path)
    mint(place)
    Path(place.token).unlink()

    with pytest.raises(BackendRefused, match=r"is missing.*token 7"):
        counter.mint(place, 7, 0)


def test_L17_the_next_token_is_above_all_that_is_known(tmp_path: Path) -> None:
    """A counter that was restored from a backup is corrected by the record and by this process's memory."""
    place = make(tmp_path)
    mint(place)

    assert counter.mint(place, 40, 0) == (41, 40)
    assert counter.mint(place, 0, 90) == (91, 90)
    assert mint(place) == 92


@settings(deadline=None)
@given(rot=st.binary(max_size=200), floor=st.integers(0, 2**62))
def test_a_floor_repairs_whatever_was_there(rot: bytes, floor: int) -> None:
    """After `replace` the next token is the floor's successor."""
    with tempfile.TemporaryDirectory() as root:
        place = make(root)
        Path(place.token).write_bytes(rot)
        counter.replace(place, floor)

        assert mint(place) == floor + 1


@pytest.mark.parametrize(("recorded", "seen"), [(0, 0), (TOKEN_LIMIT, 0), (0, TOKEN_LIMIT)])
def test_the_last_token_has_no_successor(tmp_path: Path, recorded: int, seen: int) -> None:
    """Beyond the limit tokens could not be compared by everybody: the counter is left as it is, and nobody elected."""
    place = make(tmp_path)
    counter.replace(place, TOKEN_LIMIT - 1)
    assert mint(place) == TOKEN_LIMIT
    before = Path(place.token).read_bytes()

    with pytest.raises(BackendRefused, match=f"{TOKEN_LIMIT} is the largest"):
        counter.mint(place, recorded, seen)
    assert Path(place.token).read_bytes() == before
    assert counter.highest(place) == TOKEN_LIMIT


def test_the_token_is_durable_before_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write is followed by the sync, and only then does `mint` return."""
    place = make(tmp_path)
    mint(place)
    order: list[str] = []
    write, sync = steps.write_token, steps.sync_token

    def noted_write(fd: int, data: bytes, offset: int) -> None:
        order.append("write")
        write(fd, data, offset)

    def noted_sync(fd: int) -> None:
        order.append("sync")
        sync(fd)

    monkeypatch.setattr(steps, "write_token", noted_write)
    monkeypatch.setattr(steps, "sync_token", noted_sync)

    mint(place)

    assert order == ["write", "sync"]


def test_a_failed_sync_is_no_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk goes to the caller; the token that it hit is not given to anybody later."""

    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    place = make(tmp_path)
    told = mint(place)
    with monkeypatch.context() as patch:
        patch.setattr(steps, "sync_token", fails)
        with pytest.raises(OSError, match="Input/output"):
            mint(place)

    assert mint(place) > told
