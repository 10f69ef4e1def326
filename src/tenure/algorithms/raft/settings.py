"""How long things last and how much fits, with the reasons."""

from __future__ import annotations

import msgspec

from tenure.algorithms.raft.log import ENTRY_BYTES
from tenure.algorithms.raft.tuning import Timing, Tuning
from tenure.core.codec import LIMIT_BYTES
from tenure.core.events import NodeId
from tenure.durations import NS_PER_S, PPM, safe_ns

MS = NS_PER_S // 1000
PART_BYTES = LIMIT_BYTES // 2
"""Of a message, for what it is there to carry; the rest is for what stands around that."""
PARTS = ("batch_bytes", "command_bytes", "piece_bytes")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`promise_ns`, `tenure_ns` and `rho_ppm` must be the same at all nodes; to change them, stop all of them for the
    longer tenure. All else may differ unless it says otherwise.
    """

    voters: tuple[NodeId, ...] = ()
    """Who votes when the group begins, the same at all nodes, also at those that join later; empty: those who are
    members when a node starts for the first time, which is right only where nobody joins before the log has begun."""
    election_ns: int = 1 * NS_PER_S
    """Without a word of a leader for so long, and up to `spread_ns` more by chance, a follower campaigns; a leader that
    no majority answered for so long steps down. etcd's default; the paper has 150 ms, for one machine room."""
    spread_ns: int = 1 * NS_PER_S
    """The paper's rule: as wide as the shortest time-out, so that votes rarely split."""
    heartbeat_ns: int = 100 * MS
    """etcd's default: a tenth of the time-out, so that several may be lost in a row."""
    pre_vote: bool = True
    """Whether a candidate asks first if it could win (dissertation, section 9.6). Off only to repeat the paper."""
    promise_ns: int = 800 * MS
    """For so long from each word of a leader a voter elects nobody else. Below the time-out, so that whoever times out
    first finds the others free, even with clocks that differ by 10 %."""
    tenure_ns: int = 2 * NS_PER_S
    """How long a tenure lasts without being extended. Two time-outs: a tenure survives some lost heartbeats, and a
    leader that dies is replaced in three seconds or so. Kubernetes takes 15 s, CockroachDB 6 s."""
    rho_ppm: int = 100_000
    """How far each clock's rate may be off, in parts per million. Ten per cent, since chrony may slew by 8.3 %."""
    hosts: dict[NodeId, str] = {}
    """On which host each node runs, by any name. A node believes a candidate that says that the leader is dead if both
    run on one host; who is not named is believed by nobody. A name that is wrong costs time, and no safety: candidates
    say only what their own kernel told them."""
    stagger_ns: int = 50 * MS
    """How long each voter that knows of the leader's death waits for the one before it, though never past its time-out.
    Long enough for a question and its answer, a durable write, and a request for a vote: 35 ms where a message takes
    10 ms and a write 5 ms."""
    batch_entries: int = 64
    """Entries of one message; hashicorp/raft has 64."""
    batch_bytes: int = 512 * 1024
    """Bytes of commands in one message, which one larger command may exceed. Half of what a message may have."""
    window: int = 16
    """Messages with entries under way to one follower without an answer; etcd has 256, hashicorp/raft 128."""
    window_bytes: int = 4 * 1024 * 1024
    """The same in bytes."""
    command_bytes: int = 256 * 1024
    """The longest command, and the longest query; longer ones are refused."""
    uncommitted: int = 4096
    """Entries that a leader keeps before they are committed; more requests are answered with Busy."""
    uncommitted_bytes: int = 16 * 1024 * 1024
    """The same in bytes: CockroachDB's default for max-uncommitted-size of etcd's library, which has none. A command
    that is allowed has room when nothing waits."""
    lease_reads: bool = True
    """Whether a leader answers reads while a majority has promised to elect nobody else, without asking anybody; it is
    as safe as tenures are. etcd's default is to ask."""
    reads: int = 1024
    """Reads that wait at a node; more are answered with Busy."""
    sessions: int = 4096
    """Clients that are remembered, the same at all nodes; then the one that was silent for longest is forgotten."""
    snapshot_every: int = 10_000
    """After so many entries that were applied a snapshot is made. etcd's default; hashicorp/raft has 8192."""
    keep_tail: int = 1_000
    """Entries that stay behind a snapshot, for followers that are a little behind. etcd keeps 5000."""
    piece_bytes: int = 64 * 1024
    """A snapshot is sent in pieces of so many bytes; the dissertation speaks of chunks (section 5.1)."""
    snapshot_bytes: int = 2 * 1024**3
    """The longest snapshot that a node takes from a leader, of which it refuses the first piece of a longer one: let it
    be more than the machine ever holds. etcd's default for all that it stores."""
    catch_up_ns: int = 30 * NS_PER_S
    """A change of voters waits so long until newcomers have the log, and is given up then."""
    transfer_ns: int = 1 * NS_PER_S
    """A transfer that has not come about for so long ends with this leader's resignation: about one time-out, as in
    the dissertation (section 3.10)."""
    disk_stall_ns: int = 2 * NS_PER_S
    """A leader whose disk has kept it waiting for so long steps down: two time-outs, and hundreds of usual writes."""
    tuning: Tuning | None = None
    """How time-outs follow the round trips that are measured, from the configured ones on; None: they do not. A leader
    that has it measures, and a follower that has it makes use of that."""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if field.type is int and field.name not in {"spread_ns", "rho_ppm"} and value < 1:
                raise ValueError(f"{field.name} is {value}; give 1 at least")
            if field.name in PARTS and value > PART_BYTES:
                raise ValueError(f"{field.name} is {value}; a message has room for {PART_BYTES}")
        if self.uncommitted_bytes < (most_bytes := self.command_bytes + ENTRY_BYTES):
            raise ValueError(f"uncommitted_bytes is below {most_bytes}, which one command may take with its entry")
        if not all(self.hosts.values()):
            raise ValueError(f"hosts are {self.hosts}; give each a name such as {{1: 'a', 2: 'a', 3: 'b'}}")
        if self.spread_ns < 0:
            raise ValueError(f"spread_ns is {self.spread_ns}; give 0 or more")
        if not 0 <= self.rho_ppm < PPM:
            raise ValueError(f"rho_ppm is {self.rho_ppm}; give the bound on a clock's rate, from 0 to below {PPM}")
        if self.heartbeat_ns * 2 > self.usable_ns(self.promise_ns):
            raise ValueError(
                f"two heartbeats of {self.heartbeat_ns} ns do not fit into a promise, of which the leader may use "
                f"{self.usable_ns(self.promise_ns)} ns: lengthen promise_ns or shorten heartbeat_ns"
            )
        if self.promise_ns > self.election_ns:
            raise ValueError("promise_ns is above election_ns: who times out would be refused by those who promised")
        if self.tenure_ns < self.promise_ns:
            raise ValueError("tenure_ns is below promise_ns: give a tenure as long as a promise at least")

    def timing(self) -> Timing:
        """What is in force where nothing is tuned."""
        return Timing(self.election_ns, self.spread_ns, self.promise_ns, self.heartbeat_ns)

    def usable_ns(self, granted_ns: int) -> int:
        """Of what a voter grants by its clock from receipt: what the leader may use by its own from sending."""
        return safe_ns(granted_ns, self.rho_ppm)

    def outlasting_ns(self, left_ns: int) -> int:
        """How long to wait by one clock until so much has passed by another."""
        return -(-left_ns * (PPM + self.rho_ppm) // (PPM - self.rho_ppm))
