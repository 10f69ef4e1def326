"""Examples in docstrings run, and print what they say."""

from __future__ import annotations

import doctest
import importlib
import types
from pathlib import Path

import pytest

from tests.tidy.tree import python_files, text

OPTIONS = doctest.ELLIPSIS | doctest.FAIL_FAST
WITH_EXAMPLES = [path for path in python_files("src") if ">>> " in text(path)]


def failures(module: types.ModuleType) -> int:
    """How many examples in a module's docstrings fail."""
    return doctest.testmod(module, optionflags=OPTIONS).failed


# An argument list may be empty: a product without examples in docstrings has nothing to run, and skips nothing.
@pytest.mark.parametrize("path", WITH_EXAMPLES or [None], ids=str)
def test_the_examples_in_docstrings_run(path: Path | None) -> None:
    """What a docstring shows is what happens."""
    if path is not None:
        name = ".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__")
        assert failures(importlib.import_module(name)) == 0


def test_an_example_that_fails_would_be_found(capsys: pytest.CaptureFixture[str]) -> None:
    """A docstring that says something else than what happens is found."""
    wrong = types.ModuleType("wrong", ">>> 1 + 1\n3\n")
    assert failures(wrong) == 1
    assert "Expected" in capsys.readouterr().out
