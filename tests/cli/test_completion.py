"""`tenure completion`: scripts that the shells load, and what they then complete."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tenure.cli import COMMANDS
from tests.cli.scene import LIMIT_S, environment, leader, tenure


def completed(words: str, position: int, **changes: str) -> list[str]:
    """What bash is offered for the word at `position` of the line `words`."""
    protocol = {"COMP_WORDS": words, "COMP_CWORD": str(position), "_TENURE_COMPLETE": "bash_complete"}
    answer = tenure(**protocol, **changes)
    assert answer.err == ""
    return [line.partition(",")[2] for line in answer.out.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str) -> None:
    """The script is printed, names its shell's protocol, and completes `tenure`."""
    script = tenure("completion", shell)

    assert (script.code, script.err) == (0, "")
    assert f"_TENURE_COMPLETE={shell}_complete" in script.out


@pytest.mark.needs("bash")
def test_the_script_loads_in_bash(tmp_path: Path) -> None:
    """After `source` bash has a completion for `tenure`."""
    script = tmp_path / "completion.bash"
    script.write_text(tenure("completion", "bash").out, encoding="utf-8")
    bash = shutil.which("bash")
    assert bash is not None

    done = subprocess.run(
        [bash, "--norc", "-c", 'source "$1" && complete -p tenure', "bash", str(script)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("complete ")


def test_commands_are_completed() -> None:
    """All of them, and only those that begin so."""
    assert completed("tenure ", 1) == list(COMMANDS)
    assert completed("tenure re", 1) == ["resign", "replay"]


def test_options_are_completed() -> None:
    """An option of the command at hand."""
    assert completed("tenure watch --c", 2) == ["--count"]


def test_names_of_elections_are_completed(url: str) -> None:
    """Those of the place that TENURE_URL, or --at on the line, names."""
    with leader(url, "nightly", "a"), leader(url, "hourly", "a"):
        assert completed("tenure status n", 2, TENURE_URL=url) == ["nightly"]
        assert completed(f"tenure status --at {url} h", 4) == ["hourly"]


@pytest.mark.parametrize("url", ["memory://x", "nonsense://", "file:///dev/null/x"])
def test_completion_never_complains(url: str) -> None:
    """Where names cannot be listed nothing is offered, and nothing is said."""
    assert completed("tenure status x", 2, TENURE_URL=url) == []
