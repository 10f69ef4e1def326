"""What these tests share: nothing of one test is told during the next one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenure import announcer


@pytest.fixture(autouse=True)
def told() -> Iterator[None]:
    """What a test has caused is told before the next one listens: the announcer has a thread of its own."""
    yield
    assert announcer.ANNOUNCER.flush(30)
