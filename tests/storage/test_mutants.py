"""Each rule of the log, taken away: a named test fails, which passes with it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from tenure.storage.base import StorageError
from tests.mutation import applied
from tests.storage.mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    """The named test fails."""
    wants_path = "tmp_path" in inspect.signature(mutant.test).parameters
    with applied(mutant), pytest.raises((AssertionError, StorageError, pytest.fail.Exception)):
        mutant.test(*mutant.takes, *((tmp_path,) if wants_path else ()))
