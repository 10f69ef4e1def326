"""A rule of the product, taken away for a while: something else stands in its place."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol
from unittest.mock import patch


class Mutation(Protocol):
    """What every mutant says: which attribute of which class or module, and what stands there instead."""

    @property
    def owner(self) -> Any:
        """The class or module."""

    @property
    def attribute(self) -> str:
        """Its name there."""

    @property
    def instead(self) -> Any:
        """A function, or a property of one."""


def applied(mutant: Mutation) -> AbstractContextManager[object]:
    """The product with this mutation, within a `with` block."""
    return patch.object(mutant.owner, mutant.attribute, mutant.instead)


def name_of(mutant: Mutation) -> str:
    """That of the function, which says what is wrong."""
    return str(getattr(mutant.instead, "fget", mutant.instead).__name__)
