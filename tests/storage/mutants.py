"""The log with one rule taken away at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from tenure.storage.wal import format as wal_format
from tenure.storage.wal import recovery
from tenure.storage.wal.appender import Appender
from tenure.storage.wal.files import Files
from tenure.storage.wal.format import Kind, Part, Position
from tenure.storage.wal.recovery import LogFile, Reader
from tenure.storage.wal.segments import Segment, Segments
from tests.mutation import name_of
from tests.storage import disks, test_crashes, test_recovery


class Mutant(NamedTuple):
    """What stands in the place of a rule, and the test that must fail then, with what it is given."""

    owner: Any
    attribute: str
    instead: Any
    test: Any
    takes: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        return name_of(self)


def cut_whatever_cannot_be_read(part: Part, end: Position) -> bool:
    """Damage is left out as if it had been torn."""
    del part, end
    return False


def take_every_torn_batch_for_damage(part: Part, end: Position) -> bool:
    """Whatever is valid behind it counts, as where each record has a checksum of its own and none says more."""
    del part, end
    return True


def begin_checksums_with_the_log_alone(log: bytes, kind: Kind, number: int) -> int:
    """What a recycled segment held before is as good as what is written to it."""
    del kind, number
    return sum(log)


def take_any_next_part(self: Reader, part: Part) -> bool:
    """Whatever bears the next number, without a look at what it says of the batch before."""
    del self, part
    return True


def miss_no_segment(self: Reader, *_: object) -> None:
    """A gap is passed over."""


def say_it_when_it_is_written(self: Files, fd: int, data: memoryview, offset: int) -> None:
    """No sync."""
    self.write(fd, data, offset)


def take_what_was_read_for_durable(self: Files, paths: Iterable[Path]) -> None:
    """It was read, so it is there."""


def trust_every_name(self: Segments) -> tuple[LogFile | None, list[LogFile]]:
    """What a directory shows is on the disk."""
    with patch.object(self.files, "sync_directory"):
        return look(self)


def sync_only_the_last_file(self: Appender, segment: Segment, payload: bytes) -> Segment:
    """The parts of a batch in an earlier file are as good as those in the last."""
    files = self._files
    last: list[int] = []
    with patch.object(files, "sync", last.append):
        segment = append_in_parts(self, segment, payload)
    files.sync(last[-1])
    return segment


look = Segments.look
append_in_parts = Appender._append_in_parts  # noqa: SLF001  the rule itself
TOLD = test_crashes.test_C1_what_is_told_is_durable_in_each_file_that_it_is_in
MUTANTS = (
    Mutant(
        recovery,
        "names_a_later_end",
        cut_whatever_cannot_be_read,
        test_recovery.test_C9_each_flipped_bit_below_what_was_synced_stops_the_node,
    ),
    Mutant(
        recovery,
        "names_a_later_end",
        take_every_torn_batch_for_damage,
        test_recovery.test_C31_a_batch_of_several_parts_torn_in_any_of_them_is_no_damage,
        (0,),
    ),
    Mutant(
        wal_format,
        "seed_of",
        begin_checksums_with_the_log_alone,
        test_recovery.test_C9_what_a_recycled_segment_held_before_is_not_valid_in_it,
    ),
    Mutant(
        Reader,
        "_continues",
        take_any_next_part,
        test_recovery.test_C31_what_a_torn_batch_left_is_never_read_by_a_later_life,
    ),
    Mutant(
        Reader,
        "_see_that_none_is_missing",
        miss_no_segment,
        test_recovery.test_C9_a_missing_segment_stops_the_node,
    ),
    Mutant(disks.VolatileFiles, "write_synced", say_it_when_it_is_written, TOLD),
    Mutant(Appender, "_append_in_parts", sync_only_the_last_file, TOLD),
    Mutant(
        disks.VolatileFiles,
        "sync_files",
        take_what_was_read_for_durable,
        test_crashes.test_C7_what_a_life_has_read_outlives_the_next_crash,
    ),
    Mutant(
        Segments,
        "look",
        trust_every_name,
        test_crashes.test_C7_a_checkpoint_that_a_life_has_read_outlives_the_next_crash,
    ),
)
