"""What was built, once for all tests of packaging."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.built import build


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, built from this tree."""
    return build("sdist", tmp_path_factory.mktemp("sdist"))
