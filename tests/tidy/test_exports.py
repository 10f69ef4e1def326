"""Each public name is exported once, from the module that owns it."""

from __future__ import annotations

import ast
import importlib

import pytest

from tests.tidy.tree import parse, python_files

# Each facade, and which modules may own its names. The twin `blocking` has the same names as `tenure`, on purpose.
TWIN = "tenure.blocking"
ALGORITHMS = "tenure.algorithms."
"""Their messages bear the names that the papers give them, and are read only beside the class that reads them."""


def public_names(facade: str) -> list[str]:
    """What a facade exports: its `__all__`."""
    return list(getattr(importlib.import_module(facade), "__all__", []))


def definitions() -> dict[str, set[str]]:
    """Each name defined at the top of a module of the product, with the modules that define it."""
    owners: dict[str, set[str]] = {}
    for path in python_files("src"):
        module = ".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__")
        if module.startswith(ALGORITHMS):
            continue
        for name in defined_in(parse(path)):
            owners.setdefault(name, set()).add(module)
    return owners


def defined_in(tree: ast.Module) -> set[str]:
    """The names that a module defines at its top, not counting those that it imports."""
    names = set[str]()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                continue
    return names


def misowned(names: list[str], owners: dict[str, set[str]], twin: str | None) -> list[str]:
    """The public names that are listed twice, or defined nowhere, or in more than one module beside the twin."""
    found = [f"{name} is listed twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for name in sorted(set(names)):
        modules = owners.get(name, set()) - ({twin} if twin else set())
        if len(modules) != 1:
            found.append(f"{name} is defined in {sorted(modules) or 'no module'}")
    return found


@pytest.mark.parametrize("facade", ["tenure", TWIN, "tenure.fencing", "tenure.testing", "tenure.testing.blocking"])
def test_every_public_name_resolves(facade: str) -> None:
    """What `__all__` lists is there, and `dir()` shows it."""
    module = importlib.import_module(facade)
    assert [name for name in public_names(facade) if not hasattr(module, name) or name not in dir(module)] == []


def test_every_public_name_has_one_owner() -> None:
    """A name of `tenure` is defined in one module, and only the blocking twin may define it again."""
    assert misowned(public_names("tenure"), definitions(), TWIN) == []


def test_no_name_is_listed_twice_in_the_twin() -> None:
    """The twin's list has no duplicates."""
    names = public_names(TWIN)
    assert len(names) == len(set(names))


def test_the_facade_exports_something() -> None:
    """The rules above are not vacuous."""
    assert "Election" in public_names("tenure")
    assert "Election" in public_names(TWIN)


@pytest.mark.parametrize(
    ("names", "owners", "why"),
    [
        (["A", "A"], {"A": {"tenure.a"}}, "A is listed twice"),
        (["A"], {}, "A is defined in no module"),
        (["A"], {"A": {"tenure.a", "tenure.b"}}, "A is defined in ['tenure.a', 'tenure.b']"),
        (["A"], {"A": {TWIN}}, "A is defined in no module"),
    ],
)
def test_a_misowned_name_would_be_found(names: list[str], owners: dict[str, set[str]], why: str) -> None:
    """Each way to break the rule is found; a twin alone owns nothing."""
    assert misowned(names, owners, TWIN) == [why]


def test_definitions_are_told_from_imports() -> None:
    """An imported name is not owned by who imports it."""
    source = "from a import B\nC = 1\nD: int = 2\nclass E: ...\ndef f(): ...\n"
    assert defined_in(ast.parse(source)) == {"C", "D", "E", "f"}
