"""Take away what tells the scope of an election (hazard L30), and a named test must fail; with the rule it passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tenure.backends.file import filesystems
from tenure.backends.surroundings import Surroundings
from tests.backends import test_registry
from tests.backends.file import test_filesystems


class Mutant(NamedTuple):
    """How to take a rule away, and the test that notices."""

    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., None]
    arguments: Mapping[str, Any] = MappingProxyType({})


def take_a_pod_for_a_host(patch: pytest.MonkeyPatch) -> None:
    """The bare default is given to each pod."""
    patch.setattr(Surroundings, "is_pod", lambda _: False)


def take_a_container_for_a_host(patch: pytest.MonkeyPatch) -> None:
    """Nobody is told that the scope ends with the container."""
    patch.setattr(Surroundings, "container", lambda _: None)


def take_every_directory_for_everybodys(patch: pytest.MonkeyPatch) -> None:
    """The state directory, which only one user may enter, has the scope of the host where its path is written out."""
    patch.setattr(Surroundings, "is_state_directory", lambda *_: False)


def take_a_relative_state_home(patch: pytest.MonkeyPatch) -> None:
    """XDG_STATE_HOME may name a directory below the working directory, of which each process may have another."""
    patch.setattr(Surroundings, "state_directory", lambda self: Path(self.environment["XDG_STATE_HOME"]).absolute())


def lock_on_any_file_system(patch: pytest.MonkeyPatch) -> None:
    """A file system that other hosts serve is as good as a local one."""
    patch.setattr(filesystems, "LOCAL", filesystems.LOCAL | filesystems.NETWORK)


MUTANTS = (
    Mutant(take_a_pod_for_a_host, test_registry.test_L30_in_a_pod_the_bare_default_is_refused),
    Mutant(take_a_container_for_a_host, test_registry.test_L30_the_variable_container_is_believed),
    Mutant(
        take_every_directory_for_everybodys,
        test_registry.test_L30_the_state_directory_is_private_however_it_is_written,
    ),
    Mutant(take_a_relative_state_home, test_registry.test_L30_a_relative_state_home_is_refused),
    Mutant(
        lock_on_any_file_system,
        test_filesystems.test_L30_file_systems_of_other_hosts_and_unknown_ones_are_refused,
        {"path": "/mnt/net/e", "says": "nfs4"},
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.take_away.__name__)
def test_a_rule_taken_away_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rule the named test passes, without it it fails."""
    mutant.test(**mutant.arguments)

    mutant.take_away(monkeypatch)
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):  # the warning to be unpacked is not there
        mutant.test(**mutant.arguments)
