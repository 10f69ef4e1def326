"""What the tests of demonstrations share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """One scene, of which nothing is left in the end."""
    one = Scene(tmp_path / "scene")
    yield one
    one.clear()
