"""Names of files, the form of imports, and what must not be written into the repository."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.tidy.tree import fences, pages, python_files, text, tracked

# Names that say nothing of what is inside, and so collect everything.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

# A clone must not depend on one registry's address: a package is fetched by its name, through the user's own client.
FORBIDDEN_TEXT = {
    # Broken up, so that this file does not find itself.
    "a registry's host": re.compile(
        r"(?:pypi|pythonhosted|npmjs|crates|debian|rubygems|anaconda|golang|maven)" + r"\.(?:org|com|io)\b(?!\w)"
    ),
    "a download address": re.compile(
        r"https?://\S+\.(?:whl|tar\.gz|tgz|zip|deb|sh)\b" + r"|git\+(?:https?|ssh)://" + r"|^\s*--hash[= ]",
        re.MULTILINE,
    ),
    "an option that names a registry": re.compile(
        r"--(?:extra-)?index-" + r"url|--find-" + r"links|--trusted-" + r"host"
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.$}~*])/(?:root|work|home/\w+|Users/\w+|opt/\w+)" + r"(?:/|\b)|C:\\" + r"Users"
    ),
}
# A file that shows one of these on purpose, and why.
MAY_CONTAIN: dict[tuple[str, str], str] = {}


def forbidden_in(content: str) -> set[str]:
    """The kinds of forbidden text in `content`."""
    return {kind for kind, pattern in FORBIDDEN_TEXT.items() if pattern.search(content)}


def imports_the_package(source: str) -> list[int]:
    """The lines of a Python source that bind the bare name `tenure`, which `async with ... as tenure` would shadow."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import)
        and any(alias.name.split(".")[0] == "tenure" and alias.asname is None for alias in node.names)
    ]


def imports_the_package_in_page(page: str) -> list[int]:
    """The same in the fenced blocks of a page, whatever their language."""
    return [
        opened
        for opened, _, lines in fences(page)
        if any(re.search(r"(?<!from )(?<!\w)import tenure\b", line) for line in lines)
    ]


def test_no_file_has_an_empty_name() -> None:
    """A file's name says what is inside."""
    assert [path for path in tracked() if EMPTY_NAMES & {path.stem, *path.parts[:-1]}] == []


@pytest.mark.parametrize("path", python_files(), ids=str)
def test_code_imports_names_and_not_the_package(path: Path) -> None:
    """Product, docs and tests write `from tenure import Election`."""
    assert imports_the_package(text(path)) == []


@pytest.mark.parametrize("path", pages(), ids=str)
def test_pages_import_names_and_not_the_package(path: Path) -> None:
    """What readers copy has the form that does not break under `as tenure`."""
    assert imports_the_package_in_page(text(path)) == []


def test_no_file_names_a_registry_or_one_machine() -> None:
    """What is in the repository works on another machine, and leaves it to the user where packages come from."""
    found = {(str(path), kind) for path in tracked() for kind in forbidden_in(text(path))}
    assert found == set(MAY_CONTAIN)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ("see py" + "pi.org", "a registry's host"),
        ("https://example.org/a-1.0" + ".whl", "a download address"),
        ("a==1 \\\n    --hash" + "=sha256:0", "a download address"),
        ("pip install --index-" + "url x", "an option that names a registry"),
        ("cd /ro" + "ot/x", "a path of one machine"),
        ('open("/ho' + 'me/ann/x")', "a path of one machine"),
    ],
)
def test_forbidden_text_would_be_found(sample: str, kind: str) -> None:
    """Each kind is found in a sample."""
    assert kind in forbidden_in(sample)


@pytest.mark.parametrize("sample", ["$HOME/.pyenv", "run/home/x", "https://keepachangelog.com/en/1.1.0/", "a/root/b"])
def test_ordinary_text_is_left_alone(sample: str) -> None:
    """Neither a relative path nor a link to a page is forbidden."""
    assert forbidden_in(sample) == set()


def test_the_wrong_form_of_import_would_be_found() -> None:
    """The bare name is found in code, inside a function, and in a page; the right form is not."""
    wrong = "def f():\n    import " + "tenure.blocking"
    assert imports_the_package(wrong) == [2]
    assert imports_the_package_in_page(f"text\n```python\n{wrong}\n```\n") == [2]
    assert imports_the_package("from tenure import Election") == []
    assert imports_the_package_in_page("```python\nfrom tenure import Election\n```\n") == []
