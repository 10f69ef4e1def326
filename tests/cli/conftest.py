"""A place for elections, for each test of the command."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A directory in which nobody has stood yet."""
    return (tmp_path / "elections").as_uri()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """The command sets up the process's logging; run inside of a test, it is put back."""
    logger = logging.getLogger("tenure")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate
