"""Cores are pure: what import-linter cannot see (imports inside functions, calls, await, chance) is checked here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.tree import parse, python_files

PURE_PACKAGES = ("algorithms", "holding", "machines", "detectors", "core")

# All that a core may import: what neither waits, nor reads the world, nor draws chance, nor differs between runs.
ALLOWED_MODULES = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "collections.abc",
    "dataclasses",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "operator",
    "re",
    "statistics",  # for NormalDist: pure arithmetic; phi accrual rounds what it gives, so that libm decides nothing
    "struct",
    "types",
    "typing",
    "zlib",
    "tenure.durations",
    "tenure.errors",
}

# Calls that reach the world, or (hash, id) whose values differ from one process to the next.
FORBIDDEN_CALLS = {
    "__import__",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "hash",
    "id",
    "input",
    "open",
    "print",
}

# Everything of random.Random but random() and getrandbits(), whose values alone Python promises across versions.
UNPROMISED_CHANCE = {
    "betavariate",
    "binomialvariate",
    "choice",
    "choices",
    "expovariate",
    "gammavariate",
    "gauss",
    "lognormvariate",
    "normalvariate",
    "paretovariate",
    "randbytes",
    "randint",
    "randrange",
    "sample",
    "seed",
    "shuffle",
    "triangular",
    "uniform",
    "vonmisesvariate",
    "weibullvariate",
}


def impurities(tree: ast.Module) -> list[str]:
    """What in a core's file is not pure, each with its line."""
    return [
        f"line {getattr(node, 'lineno', 0)}: {why}"
        for node in ast.walk(tree)
        for why in (*_impure_imports(node), *_impure_uses(node))
    ]


def _impure_imports(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                if alias.name == "random" and alias.asname:
                    yield "renames random, so that its use cannot be seen"
                if alias.name not in ALLOWED_MODULES and alias.name != "random":
                    yield f"imports {alias.name}"
        case ast.ImportFrom(module=str(module), names=names):
            is_the_class = module == "random" and [alias.name for alias in names] == ["Random"]
            if not is_the_class and module not in ALLOWED_MODULES and not _is_pure(module):
                yield f"imports {module}"
        case _:
            return


def _impure_uses(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
            yield "waits"
        case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
            yield f"calls {name}()"
        case ast.Call(func=ast.Name(id="Random") | ast.Attribute(attr="Random")):
            yield "makes a Random of its own; it is passed in"
        case ast.Attribute(value=ast.Name(id="random"), attr=name) if name != "Random":
            yield f"draws from the global random.{name}"
        case ast.Attribute(attr=name) if name in UNPROMISED_CHANCE:
            yield f"draws chance by {name}; only random() and getrandbits() are promised across Python versions"
        case ast.Global():
            yield "keeps state in a global"
        case _:
            return


def _is_pure(module: str) -> bool:
    return any(module == f"tenure.{p}" or module.startswith(f"tenure.{p}.") for p in PURE_PACKAGES)


PURE_FILES = [p for p in python_files("src") if len(p.parts) > 3 and p.parts[2] in PURE_PACKAGES]


@pytest.mark.parametrize("path", PURE_FILES, ids=str)
def test_a_core_is_pure(path: Path) -> None:
    """No file of a pure package reaches the clock, the network, the disk, a log, or chance of its own."""
    assert impurities(parse(path)) == []


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        ("def f():\n    import time", "imports time"),
        ("from os import environ", "imports os"),
        ("import random\nrandom.random()", "draws from the global random.random"),
        ("import random\nrng = random.Random(1)", "makes a Random of its own"),
        ("import random as chance", "renames random"),
        ("from random import Random, choice", "imports random"),
        ("from tenure.clock import Clock", "imports tenure.clock"),
        ("async def f(): ...", "waits"),
        ("print(1)", "calls print()"),
        ("key = hash('a')", "calls hash()"),
        ("rng = Random(1)", "makes a Random of its own"),
        ("self.rng.shuffle(peers)", "draws chance by shuffle"),
        ("def f():\n    global count", "keeps state in a global"),
    ],
)
def test_an_impure_core_would_be_found(sample: str, why: str) -> None:
    """Each rule fails on a sample that breaks it."""
    assert any(why in found for found in impurities(ast.parse(sample)))


def test_what_a_core_may_do_is_left_alone() -> None:
    """A core may draw promised chance from what it was given, and import vocabulary and msgspec."""
    sample = "import random\nimport msgspec\nfrom tenure.holding.events import Won\n"
    sample += "def draw(rng: random.Random) -> float:\n    return rng.random()\n"
    assert impurities(ast.parse(sample)) == []


def test_there_are_cores_to_check() -> None:
    """The rule is not vacuous: it looks at files."""
    assert PURE_FILES
