"""The table of hazards is true: every test and mutant that it names exists, and it has every id that a test bears."""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from pathlib import Path

import pytest

from tests.tidy.tree import parse, python_files, text

ANSWERED = [*(f"L{number}" for number in (*range(1, 32), 33, 34)), "C25", "C26"]
"""What one leader on one host must answer, and what bully and ring do; L32 is about services of many members, and
whatever else begins with C is about consensus: its rows come with the algorithms that answer it."""
TABLE = Path("tests/HAZARDS.toml")


@functools.cache
def functions(path: Path) -> frozenset[str]:
    """The names of the functions of one file."""
    return frozenset(
        node.name for node in ast.walk(parse(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def table() -> dict[str, dict[str, object]]:
    """The hazards by their ids."""
    return tomllib.loads(text(TABLE))


def named(kind: str) -> list[tuple[str, str]]:
    """Each (id, "file::function") of the tests or of the mutants."""
    found = []
    for hazard, row in table().items():
        entries = row.get(kind, [])
        assert isinstance(entries, list)
        found += [(hazard, str(entry)) for entry in entries]
    return found


def test_every_hazard_that_must_be_answered_is_in_the_table() -> None:
    """Each has a statement and at least one test."""
    rows = table()

    assert set(ANSWERED) <= rows.keys()
    assert [hazard for hazard, row in rows.items() if not row.get("hazard") or not row.get("tests")] == []


@pytest.mark.parametrize(("hazard", "entry"), [*named("tests"), *named("mutants")])
def test_what_the_table_names_exists(hazard: str, entry: str) -> None:
    """The file has a function of that name."""
    path, _, function = entry.partition("::")

    assert function in functions(Path(path)), f"{hazard} names {entry}"


def test_the_tests_bear_the_hazards_id() -> None:
    """Who reads a failing test's name can look the hazard up."""
    assert [entry for hazard, entry in named("tests") if f"::test_{hazard}_" not in entry] == []


def test_every_test_that_bears_a_hazards_id_is_in_the_table() -> None:
    """Nobody has to search the tests for what answers a hazard."""
    bearing = {
        (match[1], f"{path}::{name}")
        for path in python_files("tests")
        for name in functions(path)
        if (match := re.match(r"test_([LC]\d+)_", name))
    }

    assert sorted(bearing - set(named("tests"))) == [], f"list these in {TABLE}"
