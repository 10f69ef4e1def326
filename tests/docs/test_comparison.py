"""The table of the comparison page and the README is what `tenure compare --nodes 5` measures, on every machine."""

from __future__ import annotations

import re

import pytest

from tenure.simulator import names
from tenure.simulator.compare import Row, compare, rows
from tests.tidy.tree import ROOT

PAGES = (ROOT / "docs" / "algorithms" / "index.md", ROOT / "README.md")
TABLE = re.compile(r"(<!-- measured: compare -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = (
    "| | messages to elect | seconds without a leader after a crash | until somebody may act again "
    "| messages when the crashed one returns | seconds with two leaders, cut off for 20 s "
    "| seconds in which two may act |\n|---|---|---|---|---|---|---|\n"
)


def _line(row: Row) -> str:
    vacant_s, overlap_s = ("-" if seconds is None else f"{seconds:.1f}" for seconds in (row.vacant_s, row.overlap_s))
    cells = (
        f"`{row.algorithm}`",
        f"{row.election_messages:g}",
        f"{row.leaderless_s:.1f}",
        vacant_s,
        f"{row.return_messages:g}",
        f"{row.two_leaders_s:.1f}",
        overlap_s,
    )
    return f"| {' | '.join(cells)} |\n"


def test_the_table_is_what_is_measured(request: pytest.FixtureRequest) -> None:
    """`pytest tests/docs/test_comparison.py --rewrite` writes it anew."""
    measured = HEAD + "".join(_line(row) for row in rows(compare(names.COMPARED, [5], range(3))))
    for page in PAGES:
        expected = TABLE.sub(lambda match: match[1] + measured + match[2], page.read_text(encoding="utf-8"))
        if request.config.getoption("--rewrite"):
            page.write_text(expected, encoding="utf-8")

        assert measured in page.read_text(encoding="utf-8"), page.name
