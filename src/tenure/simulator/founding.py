"""How a group of Raft is founded in a run, whatever stands around it: who votes, who runs where, what is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import msgspec

from tenure.algorithms import preference
from tenure.algorithms.preference import Preference
from tenure.algorithms.raft import Raft, Settings
from tenure.core.composed import Composed
from tenure.core.elector import Elector
from tenure.core.events import NodeId, Rating
from tenure.durations import NS_PER_S
from tenure.simulator.clients import CLIENTS, MEMBERS, are_fickle
from tenure.simulator.network import MS


def has_raft(kind: type[Elector]) -> bool:
    """Whether it is Raft, or stands around it."""
    return issubclass(kind, Raft) or (issubclass(kind, Composed) and has_raft(kind.inner_kind))


def founded(
    kind: type[Elector],
    settings: object,
    seed: int,
    voters: tuple[NodeId, ...],
    hosts: Iterable[tuple[NodeId, ...]],
    *,
    is_calm: bool = False,
    is_storm: bool = False,
) -> tuple[type[Elector], object]:
    """The kind with the settings that it needs; one that has no Raft inside as it was. In a calm run nobody is
    preferred unless settings say so; otherwise the seed says who is. Raft's settings, given or drawn, say who votes and
    who runs where; in a storm the seed says how little fits.
    """
    if issubclass(kind, Raft):
        settings = (_drawn(seed) if is_storm else _small(seed)) if settings is None else settings
        return kind, _of_raft(settings, voters, hosts)
    if not has_raft(kind):
        return kind, settings
    assert issubclass(kind, Composed)
    if issubclass(kind, Preference) and settings is None and not is_calm:
        settings = preferring(seed, voters)
    inner = founded(kind.inner_kind, kind.inner_settings, seed, voters, hosts, is_storm=is_storm)
    return kind.over(*inner), settings


def _of_raft(settings: object, voters: tuple[NodeId, ...], hosts: Iterable[tuple[NodeId, ...]]) -> Settings:
    """Who joins later must know who founds the group, lest it take itself for one."""
    assert isinstance(settings, Settings)
    named = {node: f"host {number}" for number, host in enumerate(hosts, start=1) for node in host}
    return msgspec.structs.replace(settings, voters=settings.voters or voters, hosts=settings.hosts or named)


def _small(seed: int) -> Settings:
    """With snapshots, pieces of them and sessions so small that a minute has many; every other seed has lease reads."""
    return Settings(
        snapshot_every=40,
        keep_tail=5,
        piece_bytes=100,
        sessions=CLIENTS if are_fickle(seed) else 2 * CLIENTS,
        catch_up_ns=5 * NS_PER_S,
        lease_reads=seed % 2 == 0,
    )


def _drawn(seed: int) -> Settings:
    """As those, or with even less room: half of all limits are so low that they are met again and again. And with
    heartbeats as rare as a promise allows, so that one that is lost is missed.
    """
    chance, few = Random(f"{seed}/settings"), _small(seed)

    def one_of(*values: int) -> int:
        return values[int(chance.random() * len(values))]

    return msgspec.structs.replace(
        few,
        snapshot_every=one_of(few.snapshot_every, few.snapshot_every, 3, 15),
        keep_tail=one_of(few.keep_tail, few.keep_tail, 1, 20),
        piece_bytes=one_of(few.piece_bytes, few.piece_bytes, 20, 1000),
        batch_entries=one_of(few.batch_entries, few.batch_entries, 1, 3),
        batch_bytes=one_of(few.batch_bytes, few.batch_bytes, 1, 150),
        window=one_of(few.window, few.window, 1, 2),
        window_bytes=one_of(few.window_bytes, few.window_bytes, 1, 300),
        uncommitted=one_of(few.uncommitted, few.uncommitted, 1, 4),
        reads=one_of(few.reads, few.reads, 1, 3),
        sessions=(1 if are_fickle(seed) else 2) * (CLIENTS + MEMBERS),
        heartbeat_ns=one_of(few.heartbeat_ns, few.heartbeat_ns, 200 * MS, 300 * MS),
    )


def preferring(seed: int, nodes: Iterable[NodeId]) -> preference.Settings:
    """Any ratings, and a delay so short that a minute has several changes by preference."""
    chance = Random(f"{seed}/ratings")
    ratings = {node: Rating(chance.random() < 0.8, 0, int(chance.random() * 3)) for node in nodes}  # noqa: PLR2004  most may
    return preference.Settings(ratings=ratings, delay_ns=2 * NS_PER_S, tell_every_ns=500 * MS)
