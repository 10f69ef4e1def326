"""Raft."""

from tenure.algorithms.raft.elector import Raft
from tenure.algorithms.raft.settings import Settings
from tenure.algorithms.raft.state import Role

__all__ = ["Raft", "Role", "Settings"]
