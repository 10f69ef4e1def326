"""A client's connection, as the node has it that the client dialled: what it asks comes in frames, and so do answers.

How much one client costs is bounded. While `Limits.requests` of it wait for their answers, or it does not read those
that it got, nothing more is read from it: what it sends waits in the kernel, and then on its own side. One whose
answers amount to `Limits.queue_bytes` all the same is closed.
"""

from __future__ import annotations

from tenure.core.codec import CodecError
from tenure.transports.base import Clerk, checked_size
from tenure.transports.complaints import Trouble
from tenure.transports.connection import House, Inbound
from tenure.transports.frames import HEADER, FrameError, FrameReader
from tenure.transports.hello import Refused


class ServedClient:
    """One client that has introduced itself: a Guest of its connection, and a Caller for the clerk."""

    def __init__(self, house: House, inbound: Inbound, name: str, clerk: Clerk) -> None:
        self.name = name
        self.inbound = inbound
        self._house = house
        self._clerk = clerk
        self._frames = FrameReader(house.limits.frame_bytes)
        self._under_way = 0
        self._answers: list[bytes] = []
        self._is_paused = False
        self._is_heard = True

    def take(self, data: bytes | memoryview) -> None:
        """Hand over what it asks. Raises Refused for what no client would send."""
        try:
            for payload in self._frames.feed(data):
                self._under_way += 1
                self._clerk.asked(self, payload)
                if self.inbound.is_over:
                    return
        except FrameError as error:
            raise Refused(Trouble.MALFORMED, f"client {self.name!r} was heard no longer: {error}") from error
        except CodecError as error:
            raise Refused(
                Trouble.MESSAGE,
                f"client {self.name!r} asked what is of no use here: {error}; run the same version on both sides",
            ) from error
        self._regulate()

    def answer(self, payload: bytes) -> None:
        """As of a Caller. Raises TooLong for an answer that no frame can carry, and then it is still to be answered."""
        if self.inbound.is_over:
            return
        size = checked_size(payload, self._house.limits.frame_bytes)
        self._under_way -= 1
        if not self._answers:
            self._house.will_flush(self)
        self._answers.append(HEADER.pack(size))
        self._answers.append(payload)

    def flush(self) -> None:
        """Let the answers leave that came together."""
        data = b"".join(self._answers)
        self._answers.clear()
        if self.inbound.is_over or not data:
            return
        self.inbound.write(data)
        limit = self._house.limits.queue_bytes
        if self.inbound.unsent_bytes > limit:
            self._house.complaints.complain(
                "",
                Trouble.FULL,
                f"client {self.name!r} was closed: more than {limit} bytes wait for it, since it reads too slowly",
            )
            self.inbound.abort()
        else:
            self._regulate()

    def pause(self) -> None:
        """As of a Guest."""
        self._is_paused = True
        self._regulate()

    def resume(self) -> None:
        """As of a Guest."""
        self._is_paused = False
        self._regulate()

    def gone(self) -> None:
        """Its connection is over."""
        self._clerk.left(self)

    def _regulate(self) -> None:
        """Hear it, unless it has to wait."""
        may_speak = not self._is_paused and self._under_way < self._house.limits.requests
        if may_speak is not self._is_heard:
            self._is_heard = may_speak
            self.inbound.hear(may_speak)
