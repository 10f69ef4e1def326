"""The fixtures of tenure for pytest, which finds them by the entry point `pytest11` wherever tenure is installed.

Nothing of tenure is imported before a test asks for a fixture: every other project's tests start as fast as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tenure.testing import ElectionLab
    from tenure.testing.blocking import ElectionLab as BlockingElectionLab


@pytest.fixture
def tenure_lab() -> Iterator[ElectionLab]:
    """A tenure.testing.ElectionLab for code with asyncio; TENURE_URL names it while the test runs."""
    from tenure.testing import ElectionLab

    with ElectionLab() as lab:
        yield lab


@pytest.fixture
def blocking_tenure_lab() -> Iterator[BlockingElectionLab]:
    """A tenure.testing.blocking.ElectionLab for code without asyncio; TENURE_URL names it while the test runs."""
    from tenure.testing.blocking import ElectionLab

    with ElectionLab() as lab:
        yield lab
