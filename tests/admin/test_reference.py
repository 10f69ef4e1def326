"""The reference has every path, field, event and metric that there is, and no other."""

from __future__ import annotations

import json
import re
from functools import partial
from random import Random

import msgspec

from tenure._version import __version__
from tenure.admin.news import News
from tenure.admin.numbers import Totals, families
from tenure.algorithms.raft import Raft
from tenure.core.account import LogPositions
from tenure.core.effects import Divided, Side
from tenure.errors import NodeFailed
from tenure.runtime.counts import Counts
from tenure.runtime.owner import Owner
from tenure.runtime.status import (
    Authority,
    Disk,
    Member,
    Queues,
    Replication,
    Status,
    Suspicion,
)
from tests.admin.stage import Stage
from tests.health.asking import ask
from tests.tidy.tree import ROOT

PAGE = (ROOT / "docs" / "reference" / "node-http.md").read_text(encoding="utf-8")


def everything() -> Status:
    """A node of which everything can be told."""
    peer = Member(
        name="b",
        number=2,
        address="unix:/b",
        role="voter",
        heard_s=1.0,
        suspicion=Suspicion(is_suspected=True, silent_s=1.0, suspect_in_s=0.0),
        replication=Replication(match=1, next=2, pace="streaming", silent_s=0.1),
    )
    return Status(
        name="a",
        number=1,
        incarnation="0" * 16,
        life=1,
        version=__version__,
        algorithm="raft",
        cluster="test",
        cluster_id="0" * 32,
        state="running",
        age_s=1.5,
        role="leading",
        leader=1,
        leader_name="a",
        term=3,
        unchanged_s=1.0,
        gives_authority=True,
        authority=Authority(token=7, left_s=0.5),
        members=(Member(name="a", number=1, address=None, role="voter", is_me=True), peer),
        detector="heartbeat",
        log=LogPositions(last=5, durable=4, committed=3, applied=3, snapshot=2, is_caught_up=True),
        disk=Disk(backlog_bytes=10, stalled_s=0.5, is_full=False, failure=None),
        queues=Queues(requests=1, handed_on=2, answering=3, messages=4, lost=5),
    )


def sums() -> Totals:
    """Some of each."""
    return Totals(
        sent={"VOTE": 1},
        received={"VOTE": 1},
        roles={"leading": 1},
        troubles={"slow": 1},
        leaders=1,
        tenures=1,
        depositions=1,
        records=1,
        syncs=1,
        counts=Counts(),
    )


def test_the_table_of_metrics_is_what_is_exposed() -> None:
    """Names, kinds and labels, in the same order as at a scrape."""
    exposed = []
    for family in families(everything(), sums()):
        labels = list(dict.fromkeys(name for sample in family.samples for name, _ in sample.labels))
        exposed.append((family.name, family.kind, labels))
    section = PAGE[PAGE.index("## Metrics") :]
    rows = re.findall(r"^\| `(tenure_\w+)` \| (\w+) \| (.*?) \|", section, re.MULTILINE)
    assert exposed == [(name, kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows]


def test_every_field_has_a_meaning() -> None:
    """Of the status and of a member, and of what stands in them."""
    for kind, nested in ((Status, (Authority, LogPositions, Disk, Queues)), (Member, (Suspicion, Replication))):
        table = PAGE.split(f"<!-- fields: {kind.__name__} -->")[1].split("\n\n")[0]
        first = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?)\|", table, re.MULTILINE))))
        assert first == {field.name for field in msgspec.structs.fields(kind)}
        for inner in nested:
            assert {field.name for field in msgspec.structs.fields(inner)} <= set(re.findall(r"`(\w+)`", table)), inner


def test_every_path_is_told(stage: Stage) -> None:
    """Those that the server itself names."""
    paths = set(ask(stage.url, "/").json()["paths"])
    assert paths == set(re.findall(r"^\| `(/[a-z0-9/]+)` \|", PAGE, re.MULTILINE))


def test_every_event_is_told() -> None:
    """All that an owner hears, under the names that a stream gives them, and what the stream adds."""
    section = PAGE[PAGE.index("## Events") : PAGE.index("## Limits")]
    told = {
        name: set(re.findall(r"`(\w+)`", data.partition(":")[0]))
        for name, data in re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
    }
    assert told.pop("missed") == {"missed", "why", "id", "at_s"}
    del told["status"]
    news = News()
    for tell in (
        partial(news.became, Raft(1, (1,), Random(1))),
        partial(news.authorised, 1, 0),
        partial(news.deposed, 1, "why"),
        partial(news.divided, Divided(next(iter(Side)), (1,), "why")),
        partial(news.peer_heard, 2, 7),
        partial(news.peer_lost, 2, 7, certain=True),
        partial(news.failed, NodeFailed("why")),
    ):
        tell()
    given = {one.kind: set(json.loads(one.data)) - {"at_s"} for one in news.after(0)[1]}
    assert given == told
    heard = {name for name in vars(Owner) if not name.startswith("_")}
    assert set(given) == heard - {"asked", "noted"}  # those two are for who acts on authority
    assert heard <= set(vars(News))
