"""A file fits in the head and a function on a screen."""

from __future__ import annotations

import ast

import pytest

from tests.tidy.tree import parse, python_files, text

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60

# Path, or path:function, and why it may be longer. An entry that is not needed any more is an error.
MAY_BE_LONGER: dict[str, str] = {
    "src/tenure/holding/holder.py": "the law of holding a tenure, where each rule must be read beside the others",
}


def too_long(path: str, source: str) -> list[str]:
    """What in a file is longer than it should be: the file's path, or path:function."""
    found = [path] if len(source.splitlines()) > MOST_LINES_OF_A_FILE else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                found.append(f"{path}:{node.name}")
    return found


def test_files_and_functions_are_short() -> None:
    """No file of the product has over 400 lines, and no function over 60, but for the exempted."""
    found = {name for path in python_files("src") for name in too_long(str(path), text(path))}
    assert found == set(MAY_BE_LONGER)


def test_every_exemption_says_why() -> None:
    """An exemption has a reason."""
    assert all(len(reason.split()) > 1 for reason in MAY_BE_LONGER.values())


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("x = 1\n" * 401, "a.py"),
        ("def f():\n" + "    x = 1\n" * 60, "a.py:f"),
        ("class A:\n    async def f(self):\n" + "        x = 1\n" * 60, "a.py:f"),
    ],
    ids=["file", "function", "method"],
)
def test_what_is_too_long_would_be_found(source: str, name: str) -> None:
    """One line over the limit is one too many."""
    assert too_long("a.py", source) == [name]


def test_what_fits_is_left_alone() -> None:
    """The limit itself is allowed."""
    assert too_long("a.py", "def f():\n" + "    x = 1\n" * 59 + "x = 1\n" * 340) == []


def test_the_product_parses() -> None:
    """The rule is not vacuous: there are files, and each can be read."""
    assert [parse(path) for path in python_files("src")]
