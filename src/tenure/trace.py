"""The record of what happened to a group of nodes: one format for the simulator, replay, checkers and pictures.

A file is one JSON object a line: a Head, then records in the order in which they happened. Instants are integer
nanoseconds of true time from the beginning, whatever the nodes' own clocks said. Every line's `what` names its type,
and a field that a later version adds is ignored by an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tenure.core.events import NodeId
from tenure.errors import TenureError

VERSION = 1
LIMIT_RECORDS = 5_000_000
"""The longest trace that is read: about 600 MB."""
LIMIT_LINE_BYTES = 1 << 26
"""The longest line that is read: a partition of two thousand nodes, link by link, is a third of it."""


class Line(msgspec.Struct, frozen=True, tag_field="what", tag=str.lower, omit_defaults=True):
    """One line of a trace."""


class Head(Line, frozen=True):
    """The first line: what ran, and the command that runs it again."""

    version: int
    algorithm: str
    nodes: tuple[NodeId, ...]
    seed: int
    until_ns: int
    again: str = ""
    origin_ns: int = 0
    """What the wall clock showed at the beginning, in nanoseconds of the epoch; 0 in simulated time."""


class Happened(Line, frozen=True):
    """What happened at the true instant `at_ns`."""

    at_ns: int


class Sent(Happened, frozen=True):
    """Message `id`, one number for each, left `sender`; `text` is its fields as `name=value` in words."""

    id: int
    sender: NodeId
    to: NodeId
    kind: str
    text: str = ""
    size: int = 0
    """Bytes as the codec encodes it; 0 where nobody counted them."""


class Arrived(Happened, frozen=True):
    """Message `id` was handed to its receiver; twice where the network repeated it."""

    id: int


class Dropped(Happened, frozen=True):
    """A copy of message `id` came to nothing: "lost", "cut" by a partition, or its receiver was "down"."""

    id: int
    why: str


class Began(Happened, frozen=True):
    """Life number `life` of a node, from 1."""

    node: NodeId
    life: int


class Crashed(Happened, frozen=True):
    """The node is gone with all that was not durable."""

    node: NodeId


class Paused(Happened, frozen=True):
    """The node stands still: its clock goes on, and what comes waits."""

    node: NodeId


class Resumed(Happened, frozen=True):
    """The node goes on after a pause."""

    node: NodeId


class Gone(Happened, frozen=True):
    """The node has left the group."""

    node: NodeId


class Cut(Happened, frozen=True):
    """From now on just these directed links carry nothing: pairs (sender, receiver)."""

    links: tuple[tuple[NodeId, NodeId], ...]


class Became(Happened, frozen=True):
    """What a node is from now on: its role in the algorithm's word, whom it recognises, in which term."""

    node: NodeId
    role: str
    leader: NodeId | None
    term: int


class Suspects(Happened, frozen=True):
    """A node's failure detector began to suspect `peer`, or, with `trusts`, ceased to; or, with `is_certain`, its
    kernel told it that the process of `peer` is gone.
    """

    node: NodeId
    peer: NodeId
    trusts: bool = False
    is_certain: bool = False


class Wrote(Happened, frozen=True):
    """A record became durable."""

    node: NodeId
    kind: str
    text: str = ""


class Held(Happened, frozen=True):
    """A node may act under `token` until the true instant `until_ns`; said anew when it is extended."""

    node: NodeId
    token: int
    until_ns: int


class Lost(Happened, frozen=True):
    """A node may not act under `token` any more; `why` in a few words."""

    node: NodeId
    token: int
    why: str


class Stood(Happened, frozen=True):
    """A holder stands for election on the node; its body gets `grace_ns` to leave, its owner must prove itself alive
    each `stall_after_ns` to be renewed, and a renewal has `call_timeout_ns`: all by the node's clock.
    """

    node: NodeId
    grace_ns: int
    stall_after_ns: int
    call_timeout_ns: int


class Opened(Happened, frozen=True):
    """The node's body may act under `token`: its last act has taken effect by the true instant `until_ns`, and unless
    it is renewed it is told to stop by `tell_by_ns`; said anew when these change.
    """

    node: NodeId
    token: int
    until_ns: int
    tell_by_ns: int


class Told(Happened, frozen=True):
    """The body may not act any more, was told so, and must have left by the true instant `hard_ns`; said anew when that
    changes. `reason` is one of `errors.Reason`.
    """

    node: NodeId
    token: int
    reason: str
    hard_ns: int


class Overran(Happened, frozen=True):
    """The body was reported: it still runs at its hard deadline."""

    node: NodeId
    token: int


class Closed(Happened, frozen=True):
    """The body has left."""

    node: NodeId
    token: int


class Renews(Happened, frozen=True):
    """A renewal left, `silent_ns` after the owner's last sign of life (0: its body has not begun) and `draining_ns`
    after the body was told to stop (0: it was not), both by the node's clock.
    """

    node: NodeId
    token: int
    silent_ns: int
    draining_ns: int = 0


class Released(Happened, frozen=True):
    """The holder began to give its grant back."""

    node: NodeId
    token: int


class Asked(Happened, frozen=True):
    """A client asked the node for something."""

    node: NodeId
    text: str


class Answered(Happened, frozen=True):
    """The node told a client what came of what it asked for."""

    node: NodeId
    text: str


class Sided(Happened, frozen=True):
    """What a node made of a divided group: see `core.effects.Divided`."""

    node: NodeId
    side: str
    sees: tuple[NodeId, ...]
    why: str


class Clock(Happened, frozen=True):
    """A node's clock runs `ppm` parts per million fast from now on; below 0, slow."""

    node: NodeId
    ppm: int


class Struck(Happened, frozen=True):
    """A fault, or any line of a scenario, as text that a scenario script takes."""

    text: str


class Phase(Happened, frozen=True):
    """The run enters a phase: "faults", "healed" or "end"."""

    name: str
    nodes: tuple[NodeId, ...] = ()
    """With "healed": who must converge from now on."""


class Violated(Happened, frozen=True):
    """The checker of this name objects."""

    checker: str
    text: str


Record = (
    Sent
    | Arrived
    | Dropped
    | Began
    | Crashed
    | Paused
    | Resumed
    | Gone
    | Cut
    | Became
    | Suspects
    | Wrote
    | Held
    | Lost
    | Stood
    | Opened
    | Told
    | Overran
    | Closed
    | Renews
    | Released
    | Asked
    | Answered
    | Sided
    | Clock
    | Struck
    | Phase
    | Violated
)


class Trace(msgspec.Struct, frozen=True):
    """A whole run."""

    head: Head
    records: list[Record]


def is_whole(trace: Trace) -> bool:
    """Whether the run's end stands in it; where not, the file was cut, or the run goes on."""
    last = trace.records[-1] if trace.records else None
    return isinstance(last, Phase) and last.name == "end"


class TraceError(TenureError):
    """A file that is no trace of this version; the message names the line and what to do."""


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Head | Record] = msgspec.json.Decoder(Head | Record)


def line(one: Line) -> bytes:
    """A line as it stands in a file, with its end."""
    return _encoder.encode(one) + b"\n"


def lines(trace: Trace) -> Iterator[bytes]:
    """The trace as it stands in a file, line by line, each with its end."""
    yield line(trace.head)
    yield from map(line, trace.records)


def write(trace: Trace, path: Path) -> None:
    """Write the file anew. Raises OSError where it cannot be written."""
    with path.open("wb") as file:
        file.writelines(lines(trace))


def read(path: Path) -> Trace:
    """The trace in this file. Raises TraceError where it is none, OSError where it cannot be read."""
    with path.open("rb") as file:
        return parse(iter(lambda: file.readline(LIMIT_LINE_BYTES + 1), b""), name=str(path))


def parse(file: Iterable[bytes], *, name: str = "the trace") -> Trace:
    """The trace in these lines. Raises TraceError."""
    head: Head | None = None
    records: list[Record] = []
    for number, line in enumerate(file, start=1):
        if len(line) > LIMIT_LINE_BYTES:
            raise TraceError(f"{name}, line {number} has more than {LIMIT_LINE_BYTES} bytes, as no trace has")
        try:
            one = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(
                f"{name}, line {number}: {error}; make it anew by `tenure simulate --trace FILE`"
            ) from error
        if isinstance(one, Head) != (head is None):
            raise TraceError(f"{name}, line {number}: a trace begins with one head; this file is cut or joined")
        if isinstance(one, Head):
            if one.version != VERSION:
                raise TraceError(f"{name} has version {one.version}, and this is version {VERSION}: run it again")
            head = one
        elif len(records) == LIMIT_RECORDS:
            raise TraceError(f"{name} has more than {LIMIT_RECORDS} records; make a shorter one with --until")
        elif one.at_ns < (records[-1].at_ns if records else 0):
            raise TraceError(f"{name}, line {number} happened before the line above; make it anew, and do not sort it")
        else:
            records.append(one)
    if head is None:
        raise TraceError(f"{name} is empty; make one by `tenure simulate --trace FILE`")
    return Trace(head, records)
