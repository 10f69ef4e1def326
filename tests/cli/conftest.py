"""A place for elections, for each test of the command."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A directory in which nobody has stood yet."""
    return (tmp_path / "elections").as_uri()
