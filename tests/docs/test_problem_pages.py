"""Pages about a problem begin with it, in the words of those who have it, and end with a program that is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenure import errors
from tenure.cli.exits import Exit
from tenure.errors import Reason, TenureError
from tests.docs.blocks import blocks_of
from tests.tidy.tree import ROOT, text

DOCS = Path("docs")
PROBLEMS = [
    *(DOCS / "how-to" / f"run-{what}.md" for what in ("a-bot", "a-migration", "from-cron", "in-a-container")),
    DOCS / "how-to" / "run-under-systemd.md",
    DOCS / "how-to" / "stop-work-that-will-not-stop.md",
    DOCS / "how-to" / "one-of-many-workers.md",
    *(DOCS / "concepts" / f"{what}.md" for what in ("clock", "grade-and-scope", "limits", "without-a-leader")),
]


def complaints(page: Path, content: str) -> list[str]:
    """What a page about a problem lacks."""
    lines = content.splitlines()
    blocks = [block for block in blocks_of(page, content) if block.language != "text"]
    found = []
    if not (lines[0].startswith("# ") and lines[1] == "" and lines[2].startswith("> ")):
        found.append("after its title it begins with a problem: > in the user's words")
    if not blocks or blocks[-1].language != "python" or blocks[-1].kind != "example":
        found.append("its last block is a program that is run")
    return found


@pytest.mark.parametrize("page", PROBLEMS, ids=str)
def test_a_page_about_a_problem_begins_with_it_and_ends_with_a_program(page: Path) -> None:
    """The program itself is run by test_examples."""
    assert complaints(page, text(page)) == []


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("# T\n\nWords.\n\n```python\n# example: a\n```\n", 1),
        ("# T\n\n> Words.\n\n```python\n# fragment: a\n```\n", 1),
        ("# T\n\n> Words.\n\n```python\n# example: a\n```\n\n```ini\n[a]\n```\n", 1),
        ("# T\n\nWords.\n", 2),
        ("# T\n\n> Words.\n\n```python\n# example: a\n```\n\n```text\n1\n```\n", 0),
    ],
)
def test_a_page_that_lacks_something_would_be_found(content: str, wrong: int) -> None:
    """Either part, or both."""
    assert len(complaints(ROOT, content)) == wrong


def first_cells(page: str) -> list[str]:
    """The first cell of each row of the tables on a page of the reference."""
    rows = [line for line in text(DOCS / "reference" / page).splitlines() if line.startswith("| ")]
    return [row.split("|")[1].strip() for row in rows]


def test_the_page_of_errors_has_every_exception_and_every_reason() -> None:
    """And none that there is not."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TenureError)]
    wanted = [f"`{kind.__name__}`" for kind in kinds] + [f"`{reason.name}`" for reason in Reason]

    assert [cell for cell in first_cells("errors.md") if cell not in {"exception", "reason"}] == wanted


def test_the_page_of_exit_codes_has_every_code() -> None:
    """And those of the job's own."""
    wanted = [str(int(code)) for code in Exit]

    assert [cell for cell in first_cells("exit-codes.md") if cell != "code"] == [*wanted, "n", "128 + s"]
