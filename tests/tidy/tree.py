"""The project's own files, as the tidy tests read them: what git tracks, and what it is about to."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Every file that is in git or would be added to it, relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(path for path in map(Path, sorted(filter(None, listing.split("\0")))) if (ROOT / path).is_file())


def python_files(*folders: str) -> list[Path]:
    """The Python files under `folders`, or all of them."""
    return [p for p in tracked() if p.suffix == ".py" and (not folders or p.parts[0] in folders)]


def pages() -> list[Path]:
    """The README and every page of the documentation."""
    return [p for p in tracked() if p.suffix == ".md" and (p.parts[0] == "docs" or p == Path("README.md"))]


def text(path: Path) -> str:
    """The text of a tracked file; what is not UTF-8 is shown as such, not refused."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def parse(path: Path) -> ast.Module:
    """The syntax tree of a tracked Python file."""
    return ast.parse(text(path), str(path))


def fences(page: str) -> Iterator[tuple[int, str, list[str]]]:
    """Each fenced block of a Markdown page: the line it opens on, what stands after the fence, and its lines."""
    fence, info, opened, body = "", "", 0, list[str]()
    for number, line in enumerate(page.splitlines(), start=1):
        if fence:
            if line.strip() == fence:
                yield opened, info, body
                fence = ""
            else:
                body.append(line)
        elif match := re.match(r"\s*(`{3,}|~{3,}|:{3,})(.*)$", line):
            fence, info, opened, body = match[1], match[2].strip(), number, []
    assert not fence, f"a block that opens on line {opened} is never closed"
