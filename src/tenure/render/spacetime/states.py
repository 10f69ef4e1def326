"""What each node is after each record: the table beside the picture of a page."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tenure.core.events import NodeId
from tenure.trace import Became, Began, Clock, Crashed, Gone, Held, Lost, Paused, Record, Resumed, Trace


class Situation(msgspec.Struct, kw_only=True):
    """One node from record number `step` on; -1 stands for the time before the first record."""

    step: int
    life: str = "not begun"
    number: int = 1
    """Of its life."""
    role: str = ""
    leader: NodeId | None = None
    term: int = 0
    token: int | None = None
    until_ns: int = 0
    """Until when it may act under its token, where it has one."""
    ppm: int = 0


def states(trace: Trace, nodes: Sequence[NodeId]) -> dict[NodeId, list[Situation]]:
    """The changes of these nodes, in order, each beginning with one of step -1."""
    found = {node: [Situation(step=-1)] for node in nodes}
    for step, record in enumerate(trace.records):
        node = getattr(record, "node", None)
        changed = after(found[node][-1], record) if node in found else None
        if node is not None and changed is not None:
            changed.step = step
            found[node].append(changed)
    return found


def after(state: Situation, record: Record) -> Situation | None:
    """What a node is after a record about it; None where that changes nothing."""
    new = msgspec.structs.replace(state)
    match record:
        case Began():
            new = Situation(step=0, life=_lives(record.life), number=record.life, ppm=state.ppm)
        case Crashed():
            new = Situation(step=0, life="crashed", ppm=state.ppm)
        case Gone():
            new = Situation(step=0, life="left", ppm=state.ppm)
        case Paused():
            new.life = "paused"
        case Resumed():
            new.life = _lives(state.number)
        case Became(role=role, leader=leader, term=term):
            new.role, new.leader, new.term = role, leader, term
            new.life = "living" if state.life == "not begun" else state.life
        case Held(token=token, until_ns=until_ns):
            new.token, new.until_ns = token, until_ns
        case Lost(token=token):
            if token != state.token:
                return None
            new.token = None
        case Clock(ppm=ppm):
            new.ppm = ppm
        case _:
            return None
    return new


def _lives(life: int) -> str:
    return "living" if life == 1 else f"living, life {life}"
