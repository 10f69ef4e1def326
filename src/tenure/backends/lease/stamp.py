"""The stamp of a tenure: until when others must leave it alone. Two slots in its file, written in turn by its holder.

Only who made a tenure ever writes its stamps, so there is nothing to lock. The slot that does not hold the newest stamp
is written, with a checksum: readers find the stamp before or the one after, never half of one. A stamp that cannot be
read whole in both slots is *unsure*: the newest one may be the one that is lost, so nothing is concluded from the age
of the other.

A renewal is not synced to disk. What only the page cache has is lost by a power cut or a crash of the kernel alone, and
then the boot id of whatever is left is another one: its holder is dead, and the age of its stamp means nothing. The
first stamp, which names that boot, is synced before the file gets its name.
"""

from __future__ import annotations

import enum
import os
import struct
import zlib

import msgspec

_SLOT = struct.Struct("<8sHBBQqq16sQq160sI")
"""Magic, version, phase, clean, number, at, lease, boot, time namespace, heir's time, heir, crc32 of all before it."""
_MAGIC = b"tenure%\n"
_VERSION = 1
SLOT_BYTES = _SLOT.size
OFFSETS = (0, 4096)
"""Two blocks, as in the counter of file://: rot takes one slot with it, not both."""
_READS = 3
"""A write takes microseconds: whoever finds half of one and looks again finds the whole."""


class Frame(msgspec.Struct, frozen=True):
    """Whose clock it is: instants are comparable only within one boot *and* one time namespace."""

    boot: bytes
    """The kernel's random name of this boot, 16 bytes."""
    namespace: int
    """The inode of the time namespace, see time_namespaces(7); 0 where the kernel has none."""


class Phase(enum.IntEnum):
    """How far a tenure has come; it only goes on."""

    CLAIMED = 0
    """It has its token; those before it are waited for. Nobody was told that it leads."""
    LED = 1
    CLOSED = 2
    """It is over, by its own word."""
    FLOOR = 3
    """Nobody's tenure: it lifts the token, and who made it vouches that all before it is over."""
    RETIRED = 4
    """It is over, and the election is at the URL that its value tells; taken back by `CLOSED` where that came late."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """One stamp. `number` grows with each."""

    number: int
    phase: Phase
    at_ns: int
    """When the holder last said that it holds, on CLOCK_BOOTTIME of its frame, read before it was written."""
    lease_ns: int
    frame: Frame
    clean: bool = True
    """False in a closed tenure that nobody acted on, where the one before it was not closed in good order."""
    heir: str = ""
    """The presence file of the candidate in whose favour the leader stepped down."""
    heir_until_ns: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it is over by its own word."""
        return self.phase >= Phase.CLOSED


class Sight(msgspec.Struct, frozen=True):
    """What a look at both slots gave: the newest stamp that can be read, and whether it is sure to be the newest."""

    stamp: Stamp
    sure: bool = True


def pack(stamp: Stamp) -> bytes:
    """One slot."""
    heir = stamp.heir.encode()
    head = _SLOT.pack(
        _MAGIC,
        _VERSION,
        stamp.phase,
        stamp.clean,
        stamp.number,
        stamp.at_ns,
        stamp.lease_ns,
        stamp.frame.boot,
        stamp.frame.namespace,
        stamp.heir_until_ns,
        heir,
        0,
    )[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little")


def unpack(data: bytes) -> Stamp | None:
    """The stamp of one slot, or None where it is damaged, torn or not of this version."""
    if len(data) != SLOT_BYTES or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        return None
    magic, version, phase, clean, number, at_ns, lease_ns, boot, namespace, until_ns, heir, _ = _SLOT.unpack(data)
    if magic != _MAGIC or version != _VERSION or phase not in iter(Phase) or lease_ns <= 0:
        return None
    return Stamp(
        number=number,
        phase=Phase(phase),
        at_ns=at_ns,
        lease_ns=lease_ns,
        frame=Frame(boot, namespace),
        clean=bool(clean),
        heir=heir.rstrip(b"\0").decode(errors="replace"),
        heir_until_ns=until_ns,
    )


def image(stamp: Stamp) -> bytes:
    """Both slots of a new file, as far as the end of the second block."""
    later = msgspec.structs.replace(stamp, number=stamp.number + 1)
    slots = {offset(each): pack(each) for each in (stamp, later)}
    return b"".join(slots[at].ljust(OFFSETS[1], b"\0") for at in OFFSETS)


def offset(stamp: Stamp) -> int:
    """Where this stamp is written: never over the one before it."""
    return OFFSETS[stamp.number % len(OFFSETS)]


def read(fd: int) -> Sight | None:
    """The newest stamp in an open file; None where there is none that can be trusted."""
    found: list[Stamp] = []
    for _ in range(_READS):
        slots = [unpack(os.pread(fd, SLOT_BYTES, at)) for at in OFFSETS]
        found = [slot for slot in slots if slot is not None]
        if len(found) == len(slots):
            break
    if not found:
        return None
    return Sight(max(found, key=lambda slot: slot.number), sure=len(found) == len(OFFSETS))
