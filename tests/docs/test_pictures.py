"""The pictures on the pages are what the simulator draws of the scripts beside them; what scripts expect is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tenure.simulator import simulate
from tenure.simulator.scenario import read
from tests.tidy.tree import ROOT

PICTURES = ROOT / "docs" / "algorithms" / "pictures"
SCRIPTS = sorted(PICTURES.glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_picture_shows_its_script(script: Path, request: pytest.FixtureRequest) -> None:
    """`pytest tests/docs/test_pictures.py --rewrite` draws all anew."""
    run = simulate(scenario=read(script))
    picture = script.with_suffix(".svg")
    if request.config.getoption("--rewrite"):
        picture.write_text(run.svg(), encoding="utf-8")

    assert run.violations == []
    assert picture.read_text(encoding="utf-8") == run.svg()


def test_every_picture_stands_on_a_page() -> None:
    """And none is named that is not there."""
    pages = "".join(page.read_text(encoding="utf-8") for page in PICTURES.parent.glob("*.md"))

    assert [script.stem for script in SCRIPTS if f"pictures/{script.stem}.svg" not in pages] == []


def test_what_pages_include_is_run_here() -> None:
    """A page includes no file but these scripts, so nothing on a page is checked by nobody."""
    named = re.compile(r"\{literalinclude\} (\S+)")
    included = {
        (page.parent / name).resolve()
        for page in (ROOT / "docs").rglob("*.md")
        for name in named.findall(page.read_text(encoding="utf-8"))
    }

    assert included <= set(SCRIPTS)


def test_what_a_picture_shows_is_told_in_one_line() -> None:
    """For a screen reader: MyST joins the lines of such a text without a space."""
    broken = re.compile(r"!\[[^\]]*\n")
    pages = (ROOT / "docs").rglob("*.md")

    assert [page.name for page in pages if broken.search(page.read_text(encoding="utf-8"))] == []
