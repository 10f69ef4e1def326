"""An elector around another: the base of those that take any elector and add to it.

The outer one sees every event first and every effect of the inner one last. Messages of both travel side by side, told
apart by their types; so do records, which are counted together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, ClassVar, Self

import msgspec

from tenure.core.account import Account
from tenure.core.effects import Effect, Persist, Send
from tenure.core.elector import DutyBroken, Elector, Serving, WishRefused
from tenure.core.events import Demand, Event, Message, NodeId, PeerLost, Persisted, Record, Requested, Started
from tenure.core.model import FaultModel, Guarantee


class Composed(Elector):
    """One node's elector `inner` with another around it. Made by `over`; a subclass has its own messages and records
    in `own_messages` and `own_records`, and says what it assumes and guarantees over a given inner one.
    """

    inner_kind: ClassVar[type[Elector]]
    inner_settings: ClassVar[Any]
    own_kind: ClassVar[type[Composed]]
    """What stands around, whatever is inside."""
    own_messages: ClassVar[tuple[type[Message], ...]] = ()
    own_records: ClassVar[tuple[type[Record], ...]] = ()
    passes_demands: ClassVar[bool] = False
    """Whether it serves clients where the inner one does: it hands on what they ask and what kernels tell."""

    @classmethod
    def over(cls, inner: type[Elector], inner_settings: object = None) -> type[Self]:
        """The class of electors that put this one around `inner`, which gets `inner_settings` (None: its defaults)."""
        own: Any = cls.own_kind if "inner_kind" in vars(cls) else cls
        return type(
            f"{own.__name__}Over{inner.__name__}",
            (own, Serving) if own.passes_demands and issubclass(inner, Serving) else (own,),
            {
                "__doc__": own.__doc__,
                "__module__": own.__module__,
                "name": f"{inner.name}+{own.name}",
                "own_kind": own,
                "inner_kind": inner,
                "inner_settings": inner_settings,
                "messages": (*inner.messages, *own.own_messages),
                "records": (*inner.records, *own.own_records),
                "takes_rated": own.takes_rated or inner.takes_rated,
                "assumes": own.assumes_over(inner),
                "guarantees": own.guarantees_over(inner),
            }
            | ({"requests": inner.requests, "answers": inner.answers} if issubclass(inner, Serving) else {}),
        )

    @classmethod
    def assumes_over(cls, inner: type[Elector]) -> FaultModel:
        """What both together assume: what the inner one does, unless a subclass says otherwise."""
        return inner.assumes

    @classmethod
    def guarantees_over(cls, inner: type[Elector]) -> frozenset[Guarantee]:
        """What both together promise within that: what the inner one does, unless a subclass says otherwise."""
        return inner.guarantees

    def __init__(self, me: NodeId, members: Iterable[NodeId], chance: Random) -> None:
        super().__init__(me, members, chance)
        make: Any = self.inner_kind  # the settings are each algorithm's own
        own = () if self.inner_settings is None else (self.inner_settings,)  # not every algorithm has any
        self.inner: Elector = make(me, self.members, chance, *own)
        self._written = 0  # records of both so far, in this life
        self._durable = 0
        self._inner_numbers = deque[tuple[int, int]]()  # (ours, the inner one's) of its records that are not durable

    @property
    def authority_ns(self) -> int:
        return self.inner.authority_ns or self._own_authority_ns()

    def _own_authority_ns(self) -> int:
        """As `authority_ns`, where this one gives authority around one that gives none."""
        return 0

    def why_not(self, to: NodeId | None) -> str | None:
        return self.inner.why_not(to)

    def account(self, now_ns: int) -> Account:
        return self.inner.account(now_ns)

    def hold_on(self) -> None:
        self.inner.hold_on()

    def _persist(self, record: Record) -> Persist:
        """The effect that makes a record durable, with the next number of the common count."""
        self._written += 1
        return Persist(self._written, record)

    def _tell_inner(self, event: Event | Demand, now_ns: int) -> Sequence[Effect]:
        """Hand an event to the inner elector; its effects, with its records in the common count.

        Call it before this one has changed: what the inner one refuses must have changed nothing.
        """
        inner = self.inner
        match event:
            case Requested() | PeerLost():
                if not isinstance(inner, Serving):
                    raise WishRefused(f"{inner.name} serves no clients: ask one that does, such as raft")
                return [self._in_common_count(effect) for effect in inner.handle(event, now_ns)]
            case Started(durable=records):
                event = Started(tuple(record for record in records if type(record) in self.inner.records))
            case Persisted(number=number) if number > self._written:
                raise DutyBroken(4, f"record {number} is said to be durable, and {self._written} were given")
            case Persisted(number=number):
                inner_number = self._made_durable(number)
                if inner_number is None:
                    return ()
                event = Persisted(inner_number)
            case _:
                ...
        return [self._in_common_count(effect) for effect in inner.handle(event, now_ns)]

    def _made_durable(self, number: int) -> int | None:
        """Note that records up to `number` are durable; the number of the inner one's last among them, if any."""
        self._durable = max(self._durable, number)
        last = None
        while self._inner_numbers and self._inner_numbers[0][0] <= number:
            _, last = self._inner_numbers.popleft()
        return last

    def _in_common_count(self, effect: Effect) -> Effect:
        match effect:
            case Persist(number=number, record=record):
                common = self._persist(record)
                self._inner_numbers.append((common.number, number))
                return common
            case Send(after=after) if after:
                waits_for = next((ours for ours, theirs in self._inner_numbers if theirs >= after), 0)
                return msgspec.structs.replace(effect, after=waits_for)
            case _:
                return effect


def innermost(elector: Elector) -> Elector:
    """What stands inside all that is around it."""
    return innermost(elector.inner) if isinstance(elector, Composed) else elector
