"""`tenure check`: what it prints and draws, and what it ends with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree as ET

import pytest

from tenure.cli import main
from tenure.cli.exits import Exit
from tests.cli.scene import Ended

HISTORIES = Path(__file__).parents[1] / "simulator" / "histories"
STALE = str(HISTORIES / "wrong-stale-read-after-partition.log")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line in this process."""

    def call(*arguments: str) -> Ended:
        code = main(("check", *arguments))
        out, err = capfd.readouterr()
        return Ended(int(code), out, err)

    return call


@pytest.mark.parametrize("path", sorted(HISTORIES.iterdir()), ids=lambda path: path.name)
def test_the_exit_code_is_the_verdict(run: Any, path: Path) -> None:
    """0 for each history that is linearizable, 1 for each that is not, in all three forms."""
    done = run(str(path))
    assert done.code == (Exit.DONE if path.name.startswith("right") else Exit.FAILURE)
    assert ("shortest failing part" in done.out) == (done.code == Exit.FAILURE)


def test_the_failing_part_is_told(run: Any) -> None:
    """Whoever reads it sees the contradiction: the write, what overwrote it, and the read that came too late."""
    done = run(STALE)
    assert done.out.splitlines()[-4:] == [
        "CLIENT  OPERATION   FROM    TO      PLACE",
        "0       write 1     line 1  line 2  1",
        "1       cas 1 to 2  line 3  line 4  2",
        "3       read 1      line 7  line 8  none: register holds 2",
    ]
    assert done.err == "tenure: not linearizable: key register\n"


def test_the_file_on_the_page_gives_what_the_page_says(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Whoever copies the history into a file and types the command sees that."""
    page = (Path(__file__).parents[2] / "docs/concepts/linearizability.md").read_text()
    found = re.search(
        r"```text\n(\{:process.*?)```\n\n```console\n# fragment.*?\n\$ tenure check (.*?)\n(.*?)```", page, re.DOTALL
    )
    assert found is not None
    history, arguments, says = found.groups()
    monkeypatch.chdir(tmp_path)
    Path("stale.edn").write_text(history)
    assert run(*arguments.split()).out == says
    assert Path("stale.svg").exists()


def test_json_has_the_part(run: Any) -> None:
    """One document, or one line."""
    done = run(STALE, "-o", "json")
    told = done.json()
    assert told == json.loads(run(STALE, "-o", "jsonl").out)
    assert (told["verdict"], told["instants"], told["holds"]) == ("not linearizable", "lines", 2)
    assert told["blocked"] == told["part"][-1]
    assert len(told["order"]) == 2


@pytest.mark.parametrize("option", [("--limit", "0s")])
def test_a_limit_ends_undecided_with_3(run: Any, option: tuple[str, ...]) -> None:
    """And says which."""
    done = run(STALE, *option)
    assert done.code == Exit.NO
    assert "undecided" in done.out
    assert "the limit of time was reached in key 'register'" in done.err


def test_what_is_no_history_is_no_verdict(run: Any, tmp_path: Path) -> None:
    """Neither 0 nor 1 nor 3; the line is named."""
    path = tmp_path / "history.edn"
    path.write_text("{:process 1, :type :invoke, :f :read}\n{:process 1, :type :ok, :f :write, :value 1}\n")
    done = run(str(path))
    assert done.code == Exit.DATA
    assert f"{path}, line 2: process 1 ends a write, and had begun read" in done.err


def test_a_full_disk_is_no_verdict(run: Any) -> None:
    """It would end with 1, which says that the history is not linearizable."""
    with patch("tenure.cli.check.rows", side_effect=OSError(28, "No space left on device")):
        assert run(str(HISTORIES / "right-five-clients.log")).code == Exit.TENURE_FAILED


def test_a_broken_disk_is_no_verdict(run: Any) -> None:
    """Nor is it said that the output is at fault."""
    with patch("tenure.simulator.linearizability.histories.read", side_effect=OSError(5, "Input/output error")):
        done = run(STALE)
    assert done.code == Exit.TENURE_FAILED
    assert done.err == f"tenure: {STALE} cannot be read (Input/output error): copy it to another disk\n"


@pytest.mark.parametrize("name", ["wrong-five-clients.log", "right-five-clients.edn", "right-three-keys.jsonl"])
@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_the_picture_is_well_formed_and_says_in_words_what_it_draws(
    run: Any, tmp_path: Path, name: str, suffix: str
) -> None:
    """A bar for each operation, one of them crossed out where the history is wrong."""
    path = tmp_path / f"picture{suffix}"
    told = run(str(HISTORIES / name), "--picture", str(path), "-o", "json").json()
    text = path.read_text(encoding="utf-8")
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])  # noqa: S314  our own picture
    bars = [one for one in svg.iter("{http://www.w3.org/2000/svg}rect") if "bar" in str(one.get("class"))]
    assert len(bars) == min(200, len(told["part"]) or told["operations"])
    assert len([one for one in bars if "blocked" in str(one.get("class"))]) == (name.startswith("wrong"))
    assert "Client" in str(svg.findtext("{http://www.w3.org/2000/svg}desc"))


def test_a_picture_that_cannot_be_is_refused_first(run: Any, tmp_path: Path) -> None:
    """By its suffix, or its folder."""
    assert run(STALE, "--picture", "a.png").code == Exit.USAGE
    assert run(STALE, "--picture", str(tmp_path / "none" / "a.svg")).code == Exit.USAGE
