"""Every way in which a log can be unreadable: what is torn is left out and said, what is damaged stops the node."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tenure.core.codec import Codec
from tenure.storage.base import StorageDamaged, StorageForeign
from tenure.storage.wal.format import BLOCK, Head, Kind, encode_head
from tenure.storage.wal.recovery import LogFile, Reader
from tests.storage.logs import CODEC, LOG, SECTOR, SIZE, Added, Book, Marked, values_of


def three_batches() -> Book:
    """In one segment, and one of another life behind it."""
    return Book().live().write(1).write(2, 3).write(4)


def many_segments() -> Book:
    """Batches in several segments, of two lives; the last is in a segment with others."""
    book = Book().live()
    for value in range(1, 6):
        book.write(value)
    book.live()
    for value in range(6, 9):
        book.write(value)
    return book


def flips(sheet: bytearray, begin: int, end: int) -> Iterator[str]:
    """Flip each bit there, one at a time; the bytes are whole again after each."""
    for at in range(begin, end):
        for bit in range(8):
            sheet[at] ^= 1 << bit
            yield f"byte {at} bit {bit}"
            sheet[at] ^= 1 << bit


def test_what_was_written_is_read() -> None:
    """Across segments and lives, in its order."""
    book = many_segments()

    assert book.values() == tuple(range(1, 9))
    assert len(book.sheets) > 2
    assert book.read().cut is None


def test_C9_each_flipped_bit_below_what_was_synced_stops_the_node() -> None:
    """Wherever it is in any batch but the last."""
    book = many_segments()
    for batch in book.batches[:-1]:
        for number, begin, end in batch.parts:
            for where in flips(book.sheets[number], begin, end):
                with pytest.raises(StorageDamaged, match="damaged at byte"):
                    book.read()
                assert where


def test_C9_each_flipped_bit_of_the_last_batch_is_a_torn_tail() -> None:
    """Nothing behind it says that it had been synced: it is left out, and all before it is there."""
    book = many_segments()
    for number, begin, end in book.batches[-1].parts:
        for where in flips(book.sheets[number], begin, end):
            assert book.values() == tuple(range(1, 8)), where


def test_C9_each_flipped_bit_of_a_head_stops_the_node() -> None:
    """It had been durable before anything was written behind it. Of the zeros that fill it one bit of each byte."""
    book = three_batches()
    for _ in flips(book.sheets[1], 0, 72):
        with pytest.raises(StorageDamaged):
            book.read()
    for at in range(72, BLOCK):
        book.sheets[1][at] ^= 0x10
        with pytest.raises(StorageDamaged):
            book.read()
        book.sheets[1][at] ^= 0x10


def test_what_fills_a_block_does_not_count() -> None:
    """No checksum covers it, and nobody reads it."""
    book = three_batches()
    for batch in book.batches:
        (number, _, end), *_ = batch.parts
        for at in range(end, -(-end // BLOCK) * BLOCK, 97):
            book.sheets[number][at] ^= 1
    assert book.values() == (1, 2, 3, 4)


def test_the_damaged_place_is_named() -> None:
    """File, offset, and what says that it had been durable; nothing else would help an operator."""
    book = three_batches()
    number, begin, _ = book.batches[1].parts[0]
    book.sheets[number][begin + 40] ^= 1

    with pytest.raises(
        StorageDamaged, match=rf"segment-{number} is damaged at byte {begin}: byte {begin + BLOCK}"
    ) as e:
        book.read()
    assert "add it anew" in str(e.value)


def test_C9_a_file_cut_at_any_length_stops_the_node() -> None:
    """Segments have their whole size from the beginning: no crash makes one shorter."""
    whole = three_batches()
    for length in [*range(200), *range(200, SIZE, 61), SIZE - 1]:
        book = three_batches()
        book.sheets[1] = whole.sheets[1][:length]
        with pytest.raises(StorageDamaged):
            book.read()


def test_C9_the_last_batch_torn_at_any_sector_is_left_out() -> None:
    """Sectors reach a disk in any order: each way in which some of its are missing."""
    for old in (b"", random.Random(1).randbytes(SIZE)):
        before = Book(old=old).live().write(1).write(2)
        after = Book(old=old).live().write(1).write(2).write(3, padding=3 * SECTOR)
        ((number, begin, end),) = after.batches[-1].parts
        sectors = range(begin, end, SECTOR)
        for missing in range(1, 1 << len(sectors)):
            book = Book()
            book.sheets[number] = bytearray(after.sheets[number])
            for bit, at in enumerate(sectors):
                if missing >> bit & 1:
                    book.sheets[number][at : at + SECTOR] = before.sheets[number][at : at + SECTOR]
            assert book.values() == (1, 2)


def test_a_torn_write_is_said() -> None:
    """With its file and offset, for the line of the program's log; a clean end says nothing."""
    book = three_batches()
    number, begin, end = book.batches[-1].parts[0]
    book.sheets[number][end - 1] ^= 1

    recovered = book.read()
    assert recovered.cut is not None
    assert (recovered.cut.path, recovered.cut.offset) == (f"segment-{number}", begin)
    assert f"incomplete write at byte {begin}" in str(recovered)
    assert "incomplete" not in str(three_batches().read())


@pytest.mark.parametrize("spoilt", range(5))
def test_C31_a_batch_of_several_parts_torn_in_any_of_them_is_no_damage(spoilt: int) -> None:
    """Valid parts behind the torn one are of the same batch, and say that only what was before it had been synced."""
    book = Book(size=8 * BLOCK).live().write(1).write(2, padding=8 * BLOCK)
    parts = book.batches[-1].parts
    assert len(parts) == 5
    assert parts[0][0] == parts[1][0] != parts[4][0]
    number, begin, _ = parts[spoilt]
    book.sheets[number][begin + 50] ^= 1

    assert book.values() == (1,)
    assert book.read().cut is not None


def test_C31_what_a_torn_batch_left_is_never_read_by_a_later_life() -> None:
    """Whole parts of it stay behind in their segments, and bear the numbers that come next."""
    for spoilt in range(5):
        book = Book(size=8 * BLOCK).live().write(1).write(2, padding=8 * BLOCK)
        number, begin, _ = book.batches[-1].parts[spoilt]
        book.sheets[number][begin + 50] ^= 1
        book.live().write(3, padding=8 * BLOCK).live().write(4)

        assert book.values() == (1, 3, 4)
        assert book.read().cut is None


def test_C9_damage_is_found_behind_a_batch_that_an_earlier_life_tore() -> None:
    """What was torn stays where it is; what the next life wrote counts all the same."""
    book = Book().live().write(1).write(2)
    number, begin, _ = book.batches[-1].parts[0]
    book.sheets[number][begin + 3] ^= 1
    book.live().write(3).write(4)
    assert book.values() == (1, 3, 4)

    number, begin, _ = book.batches[-2].parts[0]
    book.sheets[number][begin + 3] ^= 1
    with pytest.raises(StorageDamaged, match=f"segment-{number} is damaged at byte {begin}"):
        book.read()


def test_C9_a_batch_of_zeros_is_torn_at_the_end_and_damage_before_it() -> None:
    """A disk that lost a write gives zeros."""
    for index, wanted in ((2, (1, 2, 3)), (1, None), (0, None)):
        book = three_batches()
        number, begin, end = book.batches[index].parts[0]
        book.sheets[number][begin:end] = bytes(end - begin)
        if wanted is None:
            with pytest.raises(StorageDamaged):
                book.read()
        else:
            assert book.values() == wanted


def test_C9_what_a_recycled_segment_held_before_is_not_valid_in_it() -> None:
    """Neither as the next batch, nor as what says that something had been durable."""
    old = Book().live()
    for value in range(100, 112):
        old.write(value)
    assert len(old.sheets) > 2
    for number, sheet in old.sheets.items():
        if number == 1:
            continue  # no number is used twice
        book = Book(old=bytes(sheet)).live().write(1)
        assert book.values() == (1,)
        assert book.read().cut is None


def test_C9_a_missing_segment_stops_the_node() -> None:
    """The first or one in the middle; its name is told."""
    for number in (1, 2):
        book = many_segments()
        del book.sheets[number]
        with pytest.raises(StorageDamaged, match=rf"wal-0+{number}\.log is missing"):
            book.read()


def test_a_copy_of_a_segment_under_another_name_is_refused() -> None:
    """It would be the same writes once more."""
    book = many_segments()
    book.sheets[4] = bytearray(book.sheets[3])
    with pytest.raises(StorageForeign, match=r"copy of wal-0+3\.log"):
        book.read()


def test_a_segment_of_another_log_is_refused() -> None:
    """It may be older, or of another node."""
    book = many_segments()
    book.sheets[3][:BLOCK] = encode_head(Head(log=b"another-one's-id", kind=Kind.SEGMENT, number=3, size=SIZE))
    with pytest.raises(StorageForeign, match="another log"):
        book.read()


def test_a_later_version_is_told_from_damage() -> None:
    """Its head has the same checksum at the same place."""
    book = three_batches()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenure.storage.wal.format.VERSION", 2)
        book.sheets[1][:BLOCK] = encode_head(Head(log=LOG, kind=Kind.SEGMENT, number=1, size=SIZE))
    with pytest.raises(StorageForeign, match=r"later version \(format 2\)"):
        book.read()


def test_records_of_another_algorithm_are_refused() -> None:
    """Their checksum is right: nothing is damaged, and nothing is left out."""
    book = three_batches()
    codec: Codec[Marked] = Codec((Marked,))
    with pytest.raises(StorageForeign, match="another algorithm"):
        Reader(codec).read(None, book.log_files())  # type: ignore[arg-type]  # a codec that knows fewer, on purpose


def test_any_bytes_in_the_place_of_a_batch_are_read_without_another_error() -> None:
    """Chance decides what stands there, also where lengths do."""
    chance = random.Random(7)
    for _ in range(400):
        book = many_segments()
        number = chance.choice(list(book.sheets))
        begin = chance.randrange(0, SIZE)
        length = chance.choice((1, 4, 28, 512, 4096))
        junk = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
        book.sheets[number][begin : begin + length] = junk[: SIZE - begin]
        try:
            values = book.values()
        except StorageDamaged:
            continue
        assert values in {tuple(range(1, 9)), tuple(range(1, 8))}


def test_a_hundred_thousand_small_records_are_read_quickly_enough_to_be_read_at_all() -> None:
    """Folding them one by one would copy five thousand million values."""
    book = Book(size=1 << 24).live()
    for value in range(0, 100_000, 1000):
        book.write(*range(value, value + 1000))

    assert book.values() == tuple(range(100_000))
    assert book.read().records == 100_000


def test_no_log_at_all_is_an_empty_one() -> None:
    """The first life."""
    recovered = Reader(CODEC).read(None, [])

    assert (recovered.kept, recovered.log, recovered.cut) == ((), None, None)


def test_a_checkpoint_damaged_anywhere_stops_the_node() -> None:
    """It got its name when all of it was durable, so nothing in it is torn."""
    from tenure.storage.wal.format import Position, join, put_part

    head = Head(log=LOG, kind=Kind.CHECKPOINT, number=3, size=3 * BLOCK, sequence=9)
    sheet = bytearray(3 * BLOCK)
    sheet[:BLOCK] = encode_head(head)
    payload = join([CODEC.encode(Added((1, 2, 3)))])
    end = Position(3, BLOCK)
    put_part(memoryview(sheet)[BLOCK:], payload[:10], seed=head.seed(), sequence=1, synced=end, is_last=False)
    put_part(memoryview(sheet)[2 * BLOCK :], payload[10:], seed=head.seed(), sequence=2, synced=end, is_last=True)
    file = LogFile("checkpoint", 3, lambda: memoryview(sheet))
    found = Reader(CODEC).read(file, [])
    assert (values_of(found.kept), found.end, found.sequence) == ((1, 2, 3), end, 9)

    for begin, stop in ((0, 72), (BLOCK, BLOCK + 38), (2 * BLOCK, 2 * BLOCK + 28)):
        for _ in flips(sheet, begin, stop):
            with pytest.raises(StorageDamaged):
                Reader(CODEC).read(file, [])
