"""Every public name appears in a short program that readers can run."""

from __future__ import annotations

import ast
import importlib

import pytest

from tests.docs.blocks import Block, all_blocks, blocks_of
from tests.tidy.tree import ROOT

MOST_LINES = 20
FACADES = ("tenure", "tenure.blocking", "tenure.fencing", "tenure.testing", "tenure.testing.blocking")


def shown_in(block: Block) -> set[tuple[str, str]]:
    """The (module, name) pairs that a program imports from tenure and uses."""
    tree = ast.parse(block.program)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0
        for alias in node.names
        if (alias.asname or alias.name) in used
    }


def is_short_program(block: Block) -> bool:
    """Whether a block is run, and short enough to be read at a glance."""
    return block.kind == "example" and len(block.program.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("facade", FACADES)
def test_every_public_name_is_shown(facade: str) -> None:
    """Each name of the facade is imported from there and used by a documented program of at most 20 lines."""
    shown = {pair for block in all_blocks("python") if is_short_program(block) for pair in shown_in(block)}
    public = {(facade, name) for name in importlib.import_module(facade).__all__}
    assert sorted(public - shown) == []


def test_what_is_only_imported_or_too_long_does_not_count() -> None:
    """A name that is not used, or is used in a long program, is not shown."""
    page = "```python\n# example: a\nfrom tenure import Election, Tenure\nElection('x')\n```\n"
    (short,) = blocks_of(ROOT, page)
    (long,) = blocks_of(ROOT, page.replace("Election('x')\n", "Election('x')\n" * 20))
    assert shown_in(short) == {("tenure", "Election")}
    assert is_short_program(short)
    assert not is_short_program(long)
