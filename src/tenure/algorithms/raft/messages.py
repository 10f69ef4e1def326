"""What nodes say to one another, what they keep, what clients ask, and what they are told.

The names are the paper's: an RPC is a message, its reply another.
"""

from __future__ import annotations

import msgspec

from tenure.algorithms.raft.configuration import Configuration
from tenure.algorithms.raft.tuning import Pulse, Tuned
from tenure.core.events import Answer, Message, NodeId, Record, Request

# Entries of the log


class Entry(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """One entry; its index is where it stands. `gc=False`: no entry refers to itself, and there are many."""

    term: int


class NoOp(Entry, frozen=True):
    """The first of each leader, so that it learns what is committed (section 8); its index is the tenure's token."""


class Opening(Entry, frozen=True):
    """A client's session begins; its index is the client's number."""


class Command(Entry, frozen=True):
    """A client's command to the machine."""

    client: int
    sequence: int
    payload: bytes


class Configured(Entry, frozen=True):
    """The configuration from here on."""

    configuration: Configuration


AnyEntry = NoOp | Opening | Command | Configured

# Records


class HardState(Record, frozen=True, tag="hard-state"):
    """Figure 2's "persistent state": the latest term, and who got this node's vote in it."""

    term: int
    voted_for: NodeId | None


class Appended(Record, frozen=True, tag="appended"):
    """Entries from `first_index` on, in place of what stood there and behind; nothing is kept up to `base_index`."""

    base_index: int
    base_term: int
    first_index: int
    entries: tuple[AnyEntry, ...]

    def over(self, earlier: Record) -> Appended:
        """Both at once: the whole log, if `earlier` is one, and otherwise what both do to the log before them."""
        assert isinstance(earlier, Appended)
        first = max(self.base_index + 1, min(earlier.first_index, self.first_index))
        begin, end = first - earlier.first_index, self.first_index - earlier.first_index
        kept = earlier.entries[max(0, begin) : max(0, end)]
        return Appended(self.base_index, self.base_term, first, kept + self.entries)


class Snapshot(Record, frozen=True, tag="snapshot"):
    """What the entries up to `index` amount to. The first one of a group has index 0 and holds its founders."""

    index: int
    term: int
    configuration: Configuration
    data: bytes


# Elections


class Leadership(msgspec.Struct, frozen=True, array_like=True):
    """A leader in its term: of one life of that node, since who comes back leads in no term in which it led before."""

    leader: NodeId
    term: int


class Canvass(Message, frozen=True):
    """Would you vote for me in `term`? Nobody's term changes by it: pre-vote (dissertation, section 9.6)."""

    term: int
    last_index: int
    last_term: int
    dead: Leadership | None = None
    """Whose process is gone, as this candidate's kernel told it."""


class Canvassed(Message, frozen=True):
    """I would, or would not, in term `asked`; I am in `term` myself."""

    term: int
    asked: int
    granted: bool


class RequestVote(Message, frozen=True):
    """Vote for me in `term`."""

    term: int
    last_index: int
    last_term: int
    sanctioned: bool = False
    """The leader of the term before has given way to the candidate, so that no promise to it counts any more."""
    dead: Leadership | None = None
    """As in Canvass."""


class Vote(Message, frozen=True):
    """My vote is yours, or not; the last tenure that I know of may last for `left_ns` more by my clock."""

    term: int
    granted: bool
    left_ns: int = 0


# Replication


class AppendEntries(Message, frozen=True):
    """These follow the entry at `prev_index`, which is of `prev_term`; without entries it is a heartbeat."""

    term: int
    prev_index: int
    prev_term: int
    commit: int
    sent_ns: int
    """By the leader's clock; it comes back in the answer, and promises count from it."""
    round: int
    """Of reads that wait to be confirmed."""
    entries: tuple[AnyEntry, ...] = ()
    pulse: Pulse | None = None
    """Of a heartbeat by which time-outs are tuned."""


class Matched(Message, frozen=True):
    """My log is durably as yours up to `match`, and for `promise_ns` I elect nobody else: `tuned`, or as configured."""

    term: int
    match: int
    sent_ns: int
    round: int
    tuned: Tuned | None = None


class Mismatched(Message, frozen=True):
    """I have no such entry at `prev_index`. Up to `hint_index`, of `hint_term`, I have none of a later term than that
    of the entry you meant. I promise all the same.
    """

    term: int
    prev_index: int
    hint_index: int
    hint_term: int
    sent_ns: int
    round: int
    tuned: Tuned | None = None


class StaleTerm(Message, frozen=True):
    """I am in `term`, and you spoke as the leader of an earlier one. It promises nothing."""

    term: int


# Snapshots


class InstallSnapshot(Message, frozen=True):
    """A piece of the snapshot of `index`, from byte `offset` on of `size`."""

    term: int
    index: int
    snapshot_term: int
    configuration: Configuration
    offset: int
    data: bytes
    size: int
    sent_ns: int
    round: int

    @property
    def is_last(self) -> bool:
        return self.offset + len(self.data) == self.size


class Installing(Message, frozen=True):
    """Of the snapshot of `index` I have the first `offset` bytes: go on from there. I promise as in Matched."""

    term: int
    index: int
    offset: int
    sent_ns: int
    round: int


# Reads and transfers


class ReadIndex(Message, frozen=True):
    """How far must I have applied the log to answer a read that I got before this?"""

    term: int
    number: int


class ReadableFrom(Message, frozen=True):
    """That far, for all reads up to this number."""

    term: int
    number: int
    index: int


class TimeoutNow(Message, frozen=True):
    """Campaign at once: my tenure is closed, and those before it for `left_ns` more by my clock at most."""

    term: int
    left_ns: int


# Requests and answers


class OpenSession(Request, frozen=True):
    """Give me a number under which commands are applied once."""


class Execute(Request, frozen=True):
    """Apply a command: once, however often it is asked for under one `sequence`, which grows from command to command.

    A client waits for an answer, or gives up for ever, before it goes on to the next number.
    """

    client: int
    sequence: int
    payload: bytes


class Read(Request, frozen=True):
    """Query the machine, and see everything that was answered before this was asked, by whomever."""

    query: bytes


class ChangeVoters(Request, frozen=True):
    """Let these be the voters, and those the learners."""

    voters: tuple[NodeId, ...]
    learners: tuple[NodeId, ...] = ()


class Opened(Answer, frozen=True):
    """The session's number."""

    client: int


class Executed(Answer, frozen=True):
    """The machine's answer to the command, which stands at `index`; for one applied earlier, at its first index."""

    index: int
    answer: bytes


class Queried(Answer, frozen=True):
    """The machine's answer to the query, as of `index`."""

    index: int
    answer: bytes


class Changed(Answer, frozen=True):
    """The new voters decide alone from `index` on."""

    index: int


class NotLeader(Answer, frozen=True):
    """Nothing was done: ask `leader`, or anybody later if it is None."""

    leader: NodeId | None


class Unknown(Answer, frozen=True):
    """It was begun, and may come about or not: ask again under the same number."""


class Busy(Answer, frozen=True):
    """Nothing was done: too much waits already, or the leader has only begun; ask again later."""


class NoSession(Answer, frozen=True):
    """The session has expired, or never was: what was asked under it before may have come about, this did not."""


class Outrun(Answer, frozen=True):
    """A later command of the session was applied before: this one may have been applied earlier, and is not again."""


class Refused(Answer, frozen=True):
    """Nothing was done, and nothing will be: `why` says what would help."""

    why: str
