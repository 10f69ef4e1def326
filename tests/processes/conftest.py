"""What the tests with real processes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.harness import Trial


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """An election whose candidates are real processes; nothing of it may be left at the end."""
    with Trial(tmp_path) as trial:
        yield trial
