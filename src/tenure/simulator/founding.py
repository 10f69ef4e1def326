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
from tenure.simulator.clients import CLIENTS, are_fickle
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
) -> tuple[type[Elector], object]:
    """The kind with the settings that it needs; one that has no Raft inside as it was. In a calm run nobody is
    preferred unless settings say so; otherwise the seed says who is. Raft's settings, given or drawn, say who votes and
    who runs where.
    """
    if issubclass(kind, Raft):
        return kind, _of_raft(settings, seed, voters, hosts)
    if not has_raft(kind):
        return kind, settings
    assert issubclass(kind, Composed)
    if issubclass(kind, Preference) and settings is None and not is_calm:
        settings = preferring(seed, voters)
    return kind.over(*founded(kind.inner_kind, kind.inner_settings, seed, voters, hosts)), settings


def _of_raft(given: object, seed: int, voters: tuple[NodeId, ...], hosts: Iterable[tuple[NodeId, ...]]) -> Settings:
    """Who joins later must know who founds the group, lest it take itself for one."""
    settings = _small(seed) if given is None else given
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


def preferring(seed: int, nodes: Iterable[NodeId]) -> preference.Settings:
    """Any ratings, and a delay so short that a minute has several changes by preference."""
    chance = Random(f"{seed}/ratings")
    ratings = {node: Rating(chance.random() < 0.8, 0, int(chance.random() * 3)) for node in nodes}  # noqa: PLR2004  most may
    return preference.Settings(ratings=ratings, delay_ns=2 * NS_PER_S, tell_every_ns=500 * MS)
