"""One round: a fresh group, load and faults together for a while, then healing, convergence, and the verdict."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from tenure.errors import TenureError
from tenure.machines.kv import Get, Put, encode
from tenure.runtime.client import Client
from tenure.runtime.operations import StatusIs, TellStatus
from tenure.runtime.status import Status
from tests.nemesis import verdict
from tests.nemesis.faults import Nemesis, files_of, restore_voters
from tests.nemesis.group import Group, Kind, free, numbered, remote
from tests.nemesis.load import Load

CONVERGES_WITHIN_S = 30.0
"""After the last fault has ended: all agree on one leader, who has authority, and every node serves. Time-outs are one
to two seconds, a tenure that must run out first two more; the rest is for a machine that has other things to do."""
STEADY_S = 1.5
"""For so long they must agree then: a little longer than `simulator.checkers.STEADY_NS`."""
SAFETY_S = 60.0
"""On top of all limits; then something of the nemesis itself hangs."""


class Outcome(msgspec.Struct, kw_only=True):
    """What came of a round, or of several."""

    wrong: list[str] = []
    seconds: float = 0.0
    """Under faults."""
    served_s: float = 0.0
    """Of these, with clients."""
    faults: dict[str, int] = {}
    fail_overs: int = 0
    tenures: int = 0
    operations: int = 0
    writes: int = 0
    """Acknowledged."""
    unknown: int = 0
    """Of which nobody knows whether they were done."""
    converged_s: float = 0.0
    """How long the slowest group took after healing."""

    def add(self, other: Outcome) -> None:
        """Both together."""
        self.wrong += other.wrong
        self.seconds += other.seconds
        self.served_s += other.served_s
        self.faults = dict(Counter(self.faults) + Counter(other.faults))
        self.fail_overs += other.fail_overs
        self.tenures += other.tenures
        self.operations += other.operations
        self.writes += other.writes
        self.unknown += other.unknown
        self.converged_s = max(self.converged_s, other.converged_s)


async def play(
    kind: Kind, seconds: float, seed: str, *, where: Path, only: Sequence[str] = (), mutant: str | None = None
) -> Outcome:
    """Play one round. Its folder, in `where`, stays if something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="n-", dir=where))
    outcome = Outcome(seconds=seconds, served_s=seconds if kind.serves else 0)
    try:
        async with asyncio.timeout(seconds + CONVERGES_WITHIN_S * 4 + SAFETY_S):
            async with Group(folder, kind, Random(f"{seed}/group"), mutant) as group:
                nemesis, load = Nemesis(group, seed, only), Load(group, seed)
                has_begun = await _plague(group, nemesis, load, outcome)
            if has_begun:
                await asyncio.to_thread(_judge, group, nemesis, load, outcome)
    except BaseException as error:
        if isinstance(error, TimeoutError):
            outcome.wrong.append("the round did not end in time")
        else:
            if isinstance(error, asyncio.CancelledError):  # Ctrl-C: nobody will look at it
                free(folder)
            raise
    if outcome.wrong:
        outcome.wrong.append(f"all of it is in {folder}; see `tenure replay {folder}/traces/*.jsonl`, and *.log")
    else:
        free(folder)
    return outcome


async def _plague(group: Group, nemesis: Nemesis, load: Load, outcome: Outcome) -> bool:
    """Load and faults, healing, and the end of all nodes; whether it got as far as the faults."""
    try:
        if not await _converges(group, outcome):
            return False
        if group.kind.serves:
            load.begin()
        nemesis.begin()
        await asyncio.sleep(outcome.seconds)
        await nemesis.end()
        nemesis.phase("healed")
        began_s = time.monotonic()
        await group.heal()
        does_serve = await _converges(group, outcome)
        outcome.converged_s = time.monotonic() - began_s
        await load.end()
        if group.kind.serves and does_serve:
            async with remote(group, list(group.names)) as way:
                outcome.wrong += await load.read_back(Client(way))
        await asyncio.sleep(STEADY_S)
        nemesis.phase(verdict.OVER)
    finally:
        nemesis.cancel()
        load.cancel()
    for name in group.names:
        await group.terminate(name)
    return True


def _judge(group: Group, nemesis: Nemesis, load: Load, outcome: Outcome) -> None:
    outcome.wrong += group.troubles
    outcome.wrong += verdict.of_traces(files_of(group.traces), is_raft=group.kind.serves)
    objections, audited = verdict.of_ledger(group.ledger_path)
    outcome.wrong += objections
    if load.history:
        outcome.wrong += verdict.of_history(load.history, group.folder / "history.jsonl")
    outcome.faults = dict(nemesis.struck)
    outcome.fail_overs, outcome.tenures = verdict.fail_overs(audited), len(audited.tenures)
    outcome.operations, outcome.writes, outcome.unknown = load.operations, load.writes, load.unknown


async def _converges(group: Group, outcome: Outcome) -> bool:
    """Whether all votes are given back, all agree, and all serve, in time."""
    until_s = time.monotonic() + CONVERGES_WITHIN_S
    if group.kind.serves and not await restore_voters(group, CONVERGES_WITHIN_S):
        outcome.wrong.append(f"nobody made all nodes voters within {CONVERGES_WITHIN_S:g} s")
        return False
    why = ""
    while time.monotonic() < until_s:
        why = await _why_not(group)
        if not why:
            return True
        await asyncio.sleep(0.1)
    outcome.wrong.append(f"{CONVERGES_WITHIN_S:g} s without a fault, and {why}")
    return False


async def _why_not(group: Group) -> str:
    """What is still missing; "" for nothing."""
    try:
        async with asyncio.timeout(10):
            views = {name: await _view(group, name) for name in group.names}
            leaders = {view.leader for view in views.values()}
            if len(leaders) != 1 or not leaders <= set(numbered(group)):
                return "nodes recognise " + ", ".join(f"{name}: {view.leader}" for name, view in views.items())
            leader = next(view for view in views.values() if view.number == view.leader)
            if leader.authority is None:
                return f"{leader.name} leads and has no authority"
            if group.kind.serves:
                for name in group.names:
                    async with remote(group, [name]) as way:
                        client = Client(way)
                        await client.propose(encode(Put(f"healed.{name}", b"yes")), within_s=5)
                        await client.read(encode(Get(f"healed.{name}")), within_s=5)
    except (TenureError, TimeoutError) as error:
        return f"a node does not serve: {error}"
    return ""


async def _view(group: Group, name: str) -> Status:
    async with remote(group, [name]) as way:
        told: StatusIs = await way.operate(group.number(name), TellStatus)
    return msgspec.json.decode(told.status, type=Status)
