"""How a group of Raft is founded in a run, whatever stands around it: who votes, who runs where, what is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from tenure.algorithms import preference
from tenure.algorithms.preference import Preference
from tenure.algorithms.raft import Raft
from tenure.core.composed import Composed
from tenure.core.elector import Elector
from tenure.core.events import NodeId, Rating
from tenure.durations import NS_PER_S
from tenure.simulator import clients
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
    preferred unless settings say so; otherwise the seed says who is.
    """
    if issubclass(kind, Raft):
        return kind, clients.settings(seed, voters, hosts, settings)
    if not has_raft(kind):
        return kind, settings
    assert issubclass(kind, Composed)
    if issubclass(kind, Preference) and settings is None and not is_calm:
        settings = preferring(seed, voters)
    return kind.over(*founded(kind.inner_kind, kind.inner_settings, seed, voters, hosts)), settings


def preferring(seed: int, nodes: Iterable[NodeId]) -> preference.Settings:
    """Any ratings, and a delay so short that a minute has several changes by preference."""
    chance = Random(f"{seed}/ratings")
    ratings = {node: Rating(chance.random() < 0.8, 0, int(chance.random() * 3)) for node in nodes}  # noqa: PLR2004  most may
    return preference.Settings(ratings=ratings, delay_ns=2 * NS_PER_S, tell_every_ns=500 * MS)
