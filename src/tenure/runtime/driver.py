"""Drives one elector on asyncio: what happens goes in, and what it says is done. The duties are those of
`tenure.core.elector`; what a storage and a transport are, it knows by what it asks of them.

Everything happens in the loop's thread, one event at a time. Clients' requests of one turn of the loop are handed over
together, so that they share one write and one message to each peer; records are begun at once, and whatever has come
together while the disk was busy shares one sync.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

from tenure.clock import Clock
from tenure.core.codec import Codec, TooLong
from tenure.core.effects import Answered, Authorised, Deposed, Divided, Effect, Persist, Recognised, Send
from tenure.core.elector import Elector, Serving, UnexpectedMessage, WishRefused
from tenure.core.events import (
    Answer,
    Demand,
    Event,
    Message,
    NodeId,
    PeerLost,
    Persisted,
    Received,
    Record,
    Request,
    Requested,
    Started,
    Woke,
)
from tenure.core.model import Links
from tenure.durations import NEVER_NS, NS_PER_S
from tenure.errors import NodeFailed, NodeRemoved, NodeStopped, TenureError
from tenure.runtime.counts import Counts
from tenure.runtime.owner import Owner
from tenure.runtime.recorder import Recorder

LIMIT_WAITING = 10_000
"""Messages that wait for the disk. What comes on top is lost, as by a full buffer: a disk that stands still for so long
has cost the node its part in elections anyway."""
LIMIT_WAKES = 100_000
"""In one second: no time-out is that short."""


NUMBER_BYTES = 8
"""In front of each message on its way: the sender's number for it, by which traces of several nodes are joined."""


class Disk(Protocol):
    """What a driver asks of a storage."""

    @property
    def kept(self) -> tuple[Record, ...]:
        """What earlier lives made durable."""
        ...

    def write(self, number: int, record: Record) -> None:
        """Begin to make it durable."""
        ...


class Driver:
    """One life of one elector. `post(to, payload)` gives bytes to a transport, and tells whether it took them."""

    def __init__(
        self,
        elector: Elector,
        *,
        disk: Disk,
        post: Callable[[NodeId, bytes], bool],
        clock: Clock,
        owner: Owner | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.elector = elector
        self.clock = clock
        self.held: tuple[int, int] | None = None
        """The token under which it may act, and until when on its own clock; it may have run out since."""
        self.lost = 0
        """Messages that came to nothing here: too long, too many waiting, or not taken by the transport."""
        self.changed_ns = clock.now_ns()
        """When its role, leader or term changed last."""
        self.counts = Counts()
        self._disk, self._post, self._owner, self._recorder = disk, post, owner or Owner(), recorder
        self._codec: Codec[Message] = Codec(elector.messages)
        self._in_order = elector.assumes.links is Links.RELIABLE_FIFO
        self._written = self._durable = 0
        self._owed_ns = 0  # since when the disk has kept nothing of what it owes
        self._waiting = deque[Send]()
        self._asked: list[Request] = []
        self._futures: dict[int, asyncio.Future[Answer]] = {}
        self._ids = itertools.count(1)
        self._alarm_ns = NEVER_NS
        self._alarm: asyncio.TimerHandle | None = None
        self._woken = (0, 0)  # a second, and how often it was woken in it
        self._seen: object = None
        self._end: TenureError | None = None  # why nothing is done any more
        self._news: list[Authorised | Deposed | Divided] = []
        self._is_busy = False
        self._watch_no_more: Callable[[], None] = lambda: None
        self.became: Callable[[Elector], None] = lambda _: None
        """Is told before the owner that role, leader or term has changed."""

    @property
    def is_running(self) -> bool:
        """Whether it has been started, and has neither failed nor been stopped."""
        return self._seen is not None and self._end is None

    @property
    def end(self) -> TenureError | None:
        """Why nothing is done any more: NodeFailed or NodeStopped."""
        return self._end

    @property
    def waiting_messages(self) -> int:
        """Messages that wait for the disk."""
        return len(self._waiting)

    @property
    def records(self) -> int:
        """How many were given to the disk in this life."""
        return self._written

    def disk_stalled_ns(self, now_ns: int) -> int:
        """For how long the disk has kept nothing, though it owes something; 0 where it owes nothing."""
        return now_ns - self._owed_ns if self._written > self._durable else 0

    @property
    def waiting_requests(self) -> int:
        """What clients have asked for and were not answered yet."""
        return len(self._futures)

    @property
    def is_begun(self) -> bool:
        """Whether it has been started; it may have ended since."""
        return self._seen is not None

    # What happens

    def start(self) -> None:
        """Begin this life, in a running loop."""
        loop = self._loop = asyncio.get_running_loop()

        def moved() -> None:
            loop.call_soon_threadsafe(self._clock_moved)

        self._watch_no_more = self.clock.on_move(moved)
        self.give(Started(self._disk.kept))

    def stop(self) -> None:
        """End this life, as a crash would: nothing leaves any more, and who waits for an answer is told so."""
        self._finish(NodeStopped("the node was stopped before it answered; ask another one whether it came about"))

    def give(self, event: Event | PeerLost) -> None:
        """Hand over one event. Raises UnexpectedMessage or WishRefused where the elector refuses it and has changed
        nothing; anything else that it raises is the end of this life.
        """
        if self._end is None and not (isinstance(event, PeerLost) and not isinstance(self.elector, Serving)):
            self._hand_over(event)

    def receive(self, sender: NodeId, payload: bytes) -> None:
        """A peer's message, as `post` was given it. Raises CodecError or UnexpectedMessage: close the connection."""
        message = self._codec.decode(payload[NUMBER_BYTES:])
        self.counts.received[type(message)] += 1
        if self._recorder is not None:
            self._recorder.arrived(int.from_bytes(payload[:NUMBER_BYTES]))
        self.give(Received(sender, message))

    def persisted(self, number: int) -> None:
        """The storage says that records up to this number are durable."""
        if self._end is not None:
            return
        self._durable = number
        self._owed_ns = now_ns = self.clock.now_ns()
        if self.counts.writes.ends(number):
            self.counts.writes.end(now_ns)
        if self._recorder is not None:
            self._recorder.persisted(number)
        waiting, self._waiting = self._waiting, deque()
        for send in waiting:
            self._send(send)
        self.give(Persisted(number))

    def disk_failed(self, error: Exception) -> None:
        """The storage says that it can keep nothing any more: a node that went on would forget what it said."""
        self._fail("its disk failed", error)

    def ask(self, kind: type[Request], *fields: object) -> asyncio.Future[Answer]:
        """Ask for `kind(id, *fields)`. The answer comes when there is one: limit the time in which you wait for it.

        The future fails with NodeStopped, NodeFailed, or WishRefused where the elector serves nobody.
        """
        future = self._loop.create_future()
        if self._end is not None:
            future.set_exception(self._end)
        elif not isinstance(self.elector, Serving):
            name = self.elector.name
            future.set_exception(WishRefused(f"{name} serves no clients: it only elects; ask one that does, as raft"))
        else:
            request = kind(next(self._ids), *fields)
            self._futures[request.id] = future
            if self.counts.requests.is_free:
                self.counts.requests.begin(request.id, self.clock.now_ns())
            if not self._asked:
                self._loop.call_soon(self._hand_over_asked)
            self._asked.append(request)
        return future

    def ask_at_once(self, kind: type[Request], *fields: object) -> asyncio.Future[Answer]:
        """The same, handed over before this returns: for what was found out of the elector just now."""
        future = self.ask(kind, *fields)
        self._hand_over_asked()
        return future

    def _hand_over_asked(self) -> None:
        asked, self._asked = self._asked, []
        if asked and self._end is None:
            self._hand_over(Requested(tuple(asked)))

    def _hand_over(self, event: Event | Demand) -> None:
        assert not self._is_busy, "an elector deals with one event after the other"
        elector, self._is_busy = self.elector, True
        try:
            for effect in _handled(elector, event, self.clock.now_ns()):
                self._carry_out(effect)
        except (UnexpectedMessage, WishRefused):
            raise
        except Exception as error:  # noqa: BLE001  whatever it was, a core that broke is not asked anything more
            self._fail(f"{elector.name} broke at {type(event).__name__}", error)
        finally:
            self._is_busy = False
        if self._end is None:
            self._set_alarm()
            self._tell_news()

    # What is to be done

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._send(effect)
            case Persist(number=number, record=record):
                self._disk.write(number, record)
                if self.counts.writes.is_free:
                    self.counts.writes.begin(number, self.clock.now_ns())
                if self._written == self._durable:
                    self._owed_ns = self.clock.now_ns()
                self._written = number
                if self._recorder is not None:
                    self._recorder.writes(number, record)
            case Answered(id=number, answer=answer):
                future = self._futures.pop(number)
                if self.counts.requests.is_timed(number):
                    self.counts.requests.end(self.clock.now_ns())
                if not future.done():  # who asked may have gone
                    future.set_result(answer)
            case Authorised(token=token, deadline_ns=deadline_ns):
                self.held = (token, deadline_ns)
                self._news.append(effect)
            case Deposed(token=token):
                if self.held is not None and self.held[0] == token:
                    self.held = None
                self._news.append(effect)
            case Divided():
                self._news.append(effect)
            case Recognised():
                ...  # what the elector says of itself is read after every event
            case _:
                assert_never(effect)

    def _send(self, send: Send) -> None:
        """Let a message leave, or wait for the disk."""
        if send.after > self._durable or (self._in_order and any(one.to == send.to for one in self._waiting)):
            if len(self._waiting) < LIMIT_WAITING:
                self._waiting.append(send)
            else:
                self.lost += 1
            return
        try:
            data = self._codec.encode(send.message)
        except TooLong:  # the algorithm's settings allow more than a message may have: it is lost each time it is sent
            self.lost += 1
            return
        recorder = self._recorder
        number = 0 if recorder is None else recorder.sent(send.to, send.message, len(data))
        if not self._post(send.to, number.to_bytes(NUMBER_BYTES) + data):
            self.lost += 1
            if recorder is not None:
                recorder.dropped(number)
            return
        self.counts.sent[type(send.message)] += 1

    def _tell_news(self) -> None:
        """Tell the owner, who may ask for something in return, what has come of the event."""
        elector = self.elector
        seen = (elector.role, elector.leader, elector.term)
        news, self._news = self._news, []
        for effect in news:
            match effect:
                case Authorised(token=token, deadline_ns=deadline_ns):
                    self.counts.authorised(token)
                    self._owner.authorised(token, deadline_ns)
                case Deposed(token=token, why=why):
                    self.counts.depositions += 1
                    self._owner.deposed(token, why)
                case Divided():
                    self._owner.divided(effect)
        if seen != self._seen:
            self._seen, self.changed_ns = seen, self.clock.now_ns()
            self.counts.became(str(elector.role), elector.leader)
            self.became(elector)
            self._owner.became(elector)
        if self._recorder is not None:
            self._recorder.handled(elector, news)

    # Time

    def _set_alarm(self) -> None:
        """Ring when the elector wants to be woken. An alarm that comes too early is left, and set anew when it rings:
        that is cheaper where time-outs are put off by every message.
        """
        wake_ns = self.elector.wake_ns
        if wake_ns >= self._alarm_ns:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_ns = wake_ns
        self._alarm = self._loop.call_later(max(0, wake_ns - self.clock.now_ns()) / NS_PER_S, self._ring)

    def _clock_moved(self) -> None:
        """What was set by where it stood before is set anew."""
        if self._end is None:
            self._alarm_ns = NEVER_NS
            self._set_alarm()

    def _ring(self) -> None:
        self._alarm, self._alarm_ns = None, NEVER_NS
        now_ns = self.clock.now_ns()
        if self.elector.wake_ns > now_ns:  # put off meanwhile; or the loop's clock stood still while this one went on
            self._set_alarm()
            return
        second, times = self._woken
        self._woken = (now_ns // NS_PER_S, times + 1 if second == now_ns // NS_PER_S else 1)
        if self._woken[1] > LIMIT_WAKES:
            self._fail(f"{self.elector.name} wants to be woken more than {LIMIT_WAKES} times a second", None)
        else:
            self.give(Woke())

    # The end

    def expel(self, by: str) -> None:
        """End this life: `by` says that the node is no member any more."""
        removed = NodeRemoved(
            f"this node was removed from the cluster, as {by} says, and has stopped; to take part again it joins as a "
            "new node, with an empty data directory"
        )
        if self._finish(removed):
            self._owner.failed(removed)

    def _fail(self, what: str, error: Exception | None) -> None:
        failed = NodeFailed(f"{what}{f': {error}' if error else ''}; this node has stopped")
        failed.__cause__ = error
        if self._finish(failed):
            self._owner.failed(failed)

    def _finish(self, end: TenureError) -> bool:
        """Whether it was still going on."""
        if self._end is not None:
            return False
        self._end, self.held = end, None
        self._watch_no_more()
        if self._alarm is not None:
            self._alarm.cancel()
        self._waiting.clear()
        if self._recorder is not None:
            self._recorder.close()
        futures, self._futures = self._futures, {}
        for future in futures.values():
            if not future.done():
                future.set_exception(end)
        return True


def _handled(elector: Elector, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
    if isinstance(elector, Serving):
        return elector.handle(event, now_ns)
    assert not isinstance(event, Requested | PeerLost), "demands are for electors that serve clients"
    return elector.handle(event, now_ns)
