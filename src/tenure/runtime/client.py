"""Asks a group, whoever leads it, by any `Way` to it; a command is applied once, however often it is asked for.

A node that does not answer may be paused for hours, with its connections open. So who is asked has to answer within a
time that doubles with each attempt, and in any case until another leads; then somebody else is asked for the same. A
session of the log lets one command after the other be told from its copies (Ongaro 2014, section 6.3). So there are
as many sessions as commands under way, and another is opened when all are in use.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from types import NoneType
from typing import Any

from tenure.algorithms.raft.messages import (
    Busy,
    Changed,
    ChangeVoters,
    Execute,
    Executed,
    NoSession,
    NotLeader,
    Opened,
    OpenSession,
    Outrun,
    Queried,
    Read,
    Refused,
    Unknown,
)
from tenure.core.elector import WishRefused
from tenure.core.events import Answer, NodeId, Request
from tenure.errors import NotServed, OutcomeUnknown, RequestRefused, TenureError
from tenure.runtime.way import AnswerLost, NotAsked, Way

MOST_SESSIONS = 1024
"""Of one client; a group remembers 4096 unless it is set up otherwise."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.05
"""Between two questions while nobody leads: twice as long each time."""
PATIENCE_S, LONGEST_PATIENCE_S = 0.5, 8.0
"""With who is asked, before somebody else is: twice as long each time. A write takes some milliseconds, or a second
where a disk or a network is in trouble. A change of voters takes what newcomers take to catch up, and has the
longest at once; who asks for it again meanwhile is answered when it is through."""
LOOK_EVERY_S = 0.05
"""How often it is looked whether patience is at its end."""


Failed = Callable[[BaseException], None]


class _Session:
    """`number` is the log's; `sequence` that of the last command."""

    __slots__ = ("number", "sequence")

    def __init__(self, number: int) -> None:
        self.number, self.sequence = number, 0


class Client:
    """By a way to a group: a node of this process, or `remote.RemoteGroup`. Times are in seconds; a `within_s` bounds
    the whole call.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._pending = _Pending(way)
        self._free = deque[_Session]()
        self._sessions = 0
        self._quick = deque[tuple[float, _Quick]]()
        self._is_looking = False
        self._tasks = set[asyncio.Task[bytes]]()
        self._waiting = deque[asyncio.Future[None]]()

    async def propose(self, command: bytes, *, within_s: float = 10.0) -> bytes:
        """Have the machine apply `command` once, durably at a majority; its answer.

        Raises NotServed or RequestRefused, and then it was not applied and never will be; OutcomeUnknown.
        """
        return await self._propose(command, _Asking(), None, within_s)

    def begin(self, command: bytes, told: Callable[[bytes], None], failed: Failed, *, within_s: float = 10.0) -> None:
        """The same without a coroutine: `told` is called with the answer, or `failed` with what `propose` raises.

        It costs a third of it where a session is free and all goes well; otherwise it goes on as `propose` does.
        """
        if not self._free:
            self._go_on(self._propose(command, _Asking(), None, within_s), told, failed)
            return
        session = self._free.pop()
        session.sequence += 1
        way = self._way
        future = way.ask(way.whom(), Execute, session.number, session.sequence, command)
        quick = _Quick(self, command, session, told, failed, within_s)
        future.add_done_callback(quick.answered)
        loop = asyncio.get_running_loop()
        self._quick.append((loop.time() + PATIENCE_S, quick))
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(LOOK_EVERY_S, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Those that began quickly and were not answered for too long, in the order in which they began."""
        quick, now_s = self._quick, loop.time()
        while quick and (quick[0][1].is_over or quick[0][0] <= now_s):
            quick.popleft()[1].late()
        self._is_looking = bool(quick)
        if quick:
            loop.call_later(LOOK_EVERY_S, self._look, loop)

    def _go_on(self, proposing: Coroutine[Any, Any, bytes], told: Callable[[bytes], None], failed: Failed) -> None:
        def ended(task: asyncio.Task[bytes]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                failed(OutcomeUnknown("nobody waits for the answer any more: it may have come about, or may yet"))
            elif (error := task.exception()) is not None:
                failed(error)
            else:
                told(task.result())

        task = asyncio.get_running_loop().create_task(proposing)
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def _propose(self, command: bytes, asking: _Asking, session: _Session | None, within_s: float) -> bytes:
        """`session` is one under which the command was asked for already, if it was."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    if session is None:
                        session = await self._take()
                        session.sequence += 1
                    match await self._until_led(asking, Execute, session.number, session.sequence, command):
                        case Executed(answer=result):
                            return result
                        case Refused(why=why):
                            raise RequestRefused(why)
                        case NoSession() if not asking.is_in_doubt:
                            self._forget()
                            session = None
                        case NoSession() | Outrun():
                            raise OutcomeUnknown("its session has expired, so nobody knows whether it came about")
                        case answer:
                            raise AssertionError(f"{answer} is no answer to a command")
        except TimeoutError:
            raise asking.late(within_s) from None
        finally:
            if session is not None:
                self._give_back(session)

    async def read(self, query: bytes, *, within_s: float = 10.0) -> bytes:
        """What the machine answers, with all that was answered before this call. Raises NotServed, RequestRefused."""
        try:
            async with asyncio.timeout(within_s):
                answer = await self._until_led(_Asking(), Read, query)
        except TimeoutError:
            raise _Asking().late(within_s) from None
        match answer:
            case Queried(answer=result):
                return result
            case Refused(why=why):
                raise RequestRefused(why)
            case _:
                raise AssertionError(f"{answer} is no answer to a read")

    async def change_voters(
        self, voters: tuple[NodeId, ...], learners: tuple[NodeId, ...] = (), *, within_s: float = 60.0
    ) -> None:
        """Let these be the voters from now on, and those the learners.

        Raises NotServed or RequestRefused, and then nothing was changed; OutcomeUnknown: look who votes.
        """
        asking = _Asking()
        try:
            async with asyncio.timeout(within_s):
                answer = await self._until_led(asking, ChangeVoters, voters, learners)
        except TimeoutError:
            raise asking.late(within_s) from None
        match answer:
            case Changed():
                return
            case Refused(why=why) if asking.is_in_doubt:
                raise OutcomeUnknown(f"the first answer was lost, and the second was: {why}")
            case Refused(why=why):
                raise RequestRefused(why)
            case _:
                raise AssertionError(f"{answer} is no answer to a change of voters")

    async def _until_led(self, asking: _Asking, kind: type[Request], *fields: object) -> Answer:
        """Ask whoever leads until there is an answer other than that somebody else does, or that it is not known."""
        way, told, pause_s = self._way, None, FIRST_PAUSE_S
        patience_s = LONGEST_PATIENCE_S if kind is ChangeVoters else PATIENCE_S
        while True:
            to = told or way.whom()
            told = None
            try:
                asking.is_under_way = True
                answer = await self._pending.answer(way.ask(to, kind, *fields), to, patience_s)
            except NotAsked:
                answer = NotLeader(None)
            except AnswerLost:
                answer, patience_s = Unknown(), min(2 * patience_s, LONGEST_PATIENCE_S)
            except WishRefused as error:
                raise RequestRefused(str(error)) from error
            asking.is_under_way = False
            match answer:
                case NotLeader(leader=leader) if leader is not None and leader != to:
                    told = leader
                case NotLeader() | Busy():
                    ...
                case Unknown():
                    asking.is_in_doubt = True
                case _:
                    return answer
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    # Sessions

    async def _take(self) -> _Session:
        """One that is free, or a new one, or the first that is given back."""
        while not self._free:
            if self._sessions < MOST_SESSIONS:
                self._sessions += 1
                try:
                    opened = await self._until_led(_Asking(), OpenSession)
                except BaseException:
                    self._forget()
                    raise
                assert isinstance(opened, Opened), f"{opened} is no answer to who opens a session"
                return _Session(opened.client)
            free = asyncio.get_running_loop().create_future()
            self._waiting.append(free)
            await free
        return self._free.pop()

    def _give_back(self, session: _Session) -> None:
        self._free.append(session)
        self._wake_one()

    def _forget(self) -> None:
        """One session less: the log knows it no more, or never gave it."""
        self._sessions -= 1
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            free = self._waiting.popleft()
            if not free.done():
                free.set_result(None)
                return


class _Quick:
    """A command that was asked for without a coroutine; what does not go well goes on with one."""

    __slots__ = ("_client", "_command", "_failed", "_session", "_told", "_within_s", "is_over")

    def __init__(  # noqa: PLR0917  made in one place, ten thousands of times a second
        self,
        client: Client,
        command: bytes,
        session: _Session,
        told: Callable[[bytes], None],
        failed: Failed,
        within_s: float,
    ) -> None:
        self._client, self._command, self._session = client, command, session
        self._told, self._failed, self._within_s = told, failed, within_s
        self.is_over = False

    def answered(self, future: asyncio.Future[Answer]) -> None:
        error = None if future.cancelled() else future.exception()
        if self.is_over:
            return
        answer = None if future.cancelled() or error is not None else future.result()
        if isinstance(answer, Executed):
            self.is_over = True
            self._client._give_back(self._session)  # noqa: SLF001  of one file
            self._told(answer.answer)
        else:
            self._go_on(
                is_in_doubt=isinstance(answer, Unknown) or not isinstance(error, NotAsked | WishRefused | NoneType)
            )

    def late(self) -> None:
        """Nobody has answered for long."""
        if not self.is_over:
            self._go_on(is_in_doubt=True)

    def _go_on(self, *, is_in_doubt: bool) -> None:
        self.is_over = True
        asking = _Asking()
        asking.is_in_doubt = is_in_doubt
        client = self._client
        proposing = client._propose(self._command, asking, self._session, self._within_s)  # noqa: SLF001  of one file
        client._go_on(proposing, self._told, self._failed)  # noqa: SLF001  of one file


class _Pending:
    """Requests that are under way: one that nobody answers is taken for lost."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._until: dict[asyncio.Future[Answer], tuple[NodeId, float]] = {}
        self._is_looking = False

    async def answer(self, future: asyncio.Future[Answer], to: NodeId, patience_s: float) -> Answer:
        """What comes within that time. Raises AnswerLost if nothing does, and what the future fails with."""
        if not future.done():
            loop = asyncio.get_running_loop()
            self._until[future] = (to, loop.time() + patience_s)
            if not self._is_looking:
                self._is_looking = True
                loop.call_later(LOOK_EVERY_S, self._look, loop)
        try:
            return await future
        finally:
            self._until.pop(future, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        silent = [(future, to) for future, (to, until_s) in self._until.items() if now_s >= until_s]
        for to in {to for _, to in silent}:
            self._way.doubt(to)
        for future, to in silent:
            if not future.done():
                future.set_exception(AnswerLost(f"node {to} has not answered, and somebody else is asked"))
        self._is_looking = bool(self._until)
        if self._until:
            loop.call_later(LOOK_EVERY_S, self._look, loop)


class _Asking:
    """What is known of a request."""

    def __init__(self) -> None:
        self.is_under_way = False
        self.is_in_doubt = False
        """Whether somebody may have taken it without our being told."""

    def late(self, within_s: float) -> TenureError:
        """What it means that the time is over."""
        if self.is_in_doubt or self.is_under_way:
            return OutcomeUnknown(f"no answer came within {within_s:g} s: it may have come about, or may yet")
        return NotServed(f"nobody could serve it within {within_s:g} s, and nothing was done; does a majority run?")
