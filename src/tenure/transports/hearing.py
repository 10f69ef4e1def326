"""What is heard of one peer: which life of it speaks, on which connection, and how that life ended.

1. One life at a time. A life that introduces itself takes the place of another one; its connection takes the place of
   an earlier one of the same life.
2. The end of a connection says little, and is told as that. Only a witness (see `vouching`) can say more: it is kept
   when the connection ends, until the process does or a later life speaks.
3. What a life said before it ended is handed over before its end is told as certain, and nothing after that: the kernel
   is asked how much is left to read.
4. Where two lives speak in turns, two processes claim to be one node, and the end of either says nothing of the other:
   from then on nothing is told as certain of that peer.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from tenure.core.events import NodeId
from tenure.transports.base import Receiver
from tenure.transports.complaints import Complaints, Trouble
from tenure.transports.hello import Refused

LAST_WORDS_S = 0.05
"""How long the rest may take that a dead process has left to read. A forked child that goes on writing ends here."""


class Voice(Protocol):
    """A connection that is heard."""

    def abort(self) -> None: ...
    def unread(self) -> int:
        """How many bytes wait to be read."""


class Vouching(Protocol):
    """The word of somebody who knows when a process is gone: `vouching.Witness`, or a test's."""

    def fileno(self) -> int: ...
    @property
    def is_gone(self) -> bool: ...
    def close(self) -> None: ...


class Hearing:
    """What is heard of one peer."""

    def __init__(self, peer: NodeId, name: str, receiver: Receiver, complaints: Complaints) -> None:
        self.peer = peer
        self.name = name
        self.voice: Voice | None = None
        self.incarnation: int | None = None
        """The life that was heard last."""
        self._receiver = receiver
        self._complaints = complaints
        self._witness: Vouching | None = None
        self._earlier: int | None = None
        self._dead: int | None = None
        self._is_doubtful = False
        self._last_words_until_s: float | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def is_vouched(self) -> bool:
        """Whether the end of the process of the life heard last would be told as certain."""
        return self._witness is not None

    def check(self, incarnation: int) -> None:
        """Raise Refused for a life that is known to be over."""
        if incarnation == self._dead:
            raise Refused(
                Trouble.GONE,
                f"a life of node {self.name!r} speaks whose process has ended: a child that it forked goes on in its "
                "name; end that child",
            )

    def begin(self, voice: Voice, incarnation: int, witness: Vouching | None) -> None:
        """This life has introduced itself on this connection, and is heard there from now on."""
        if incarnation != self.incarnation:
            self._replace(incarnation)
            self._take(witness)
            self.voice = voice
        else:
            before, self.voice = self.voice, voice
            self._take(witness)
            if before is not None:
                before.abort()
        self._receiver.connected(self.peer, incarnation)

    def end(self, voice: Voice) -> None:
        """This connection is over."""
        if voice is not self.voice:
            return
        self.voice = None
        if self._last_words_until_s is None and self.incarnation is not None:
            self._receiver.lost(self.peer, self.incarnation, False)

    def close(self) -> None:
        """Hear nothing more, and say nothing more."""
        self._drop_witness()
        voice, self.voice = self.voice, None
        if voice is not None:
            voice.abort()

    def _replace(self, incarnation: int) -> None:
        """Another life speaks: end the one before, for good if its witness says so now."""
        if self.incarnation is None:
            self.incarnation = incarnation
            return
        if incarnation == self._earlier:
            self._is_doubtful = True
            self._complaints.complain(
                self.name,
                Trouble.TWICE,
                f"two processes speak as node {self.name!r} in turns: stop one of them; until this node is started "
                f"again it takes no end of {self.name!r} for certain",
            )
        if self._witness is not None and self._witness.is_gone:
            self._bury()
        else:
            was_heard, ended = self.voice is not None, self.incarnation
            self.close()
            if was_heard:
                self._receiver.lost(self.peer, ended, False)
        self._earlier, self.incarnation = self.incarnation, incarnation

    def _take(self, witness: Vouching | None) -> None:
        if witness is None:
            return
        if self._witness is not None or self._is_doubtful:  # one is enough for a life
            witness.close()
            return
        self._witness = witness
        self._loop.add_reader(witness.fileno(), self._ended)

    def _drop_witness(self) -> None:
        self._last_words_until_s = None
        if self._witness is not None:
            self._loop.remove_reader(self._witness.fileno())
            self._witness.close()
            self._witness = None

    def _ended(self) -> None:
        """The witness can be read: the process is gone."""
        assert self._witness is not None
        self._loop.remove_reader(self._witness.fileno())
        self._last_words_until_s = self._loop.time() + LAST_WORDS_S
        self._hear_out()

    def _hear_out(self) -> None:
        until_s = self._last_words_until_s
        if until_s is None:  # meanwhile a later life has spoken, or the peer was forgotten
            return
        if self.voice is not None and self.voice.unread() and self._loop.time() < until_s:
            self._loop.call_soon(self._hear_out)
        else:
            self._bury()

    def _bury(self) -> None:
        assert self.incarnation is not None
        self._dead = self.incarnation
        self.close()
        self._receiver.lost(self.peer, self._dead, True)
