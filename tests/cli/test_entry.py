"""The way in: what is imported for what, help, and words that were mistyped."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tenure import __version__
from tenure.cli import COMMANDS
from tests.cli.scene import LIMIT_S, environment, tenure

EXISTING = [name for name in COMMANDS if importlib.util.find_spec(f"tenure.cli.{name}") is not None]


LISTING = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from tenure.__main__ import main
main()
"""


def imported_by(*arguments: str, **changes: str) -> set[str]:
    """The modules that the command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *arguments],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return set(done.stderr.splitlines()[-1].split())


def test_the_version_is_told_without_importing_anything_that_takes_time() -> None:
    """`tenure --version` imports neither click nor asyncio nor msgspec."""
    modules = imported_by("--version")

    assert modules.isdisjoint({"click", "asyncio", "msgspec", "logging"})
    assert "tenure._version" in modules


def test_the_version_is_told() -> None:
    """`tenure --version` prints name and version."""
    assert tenure("--version") == tenure("-V") == (0, f"tenure {__version__}\n", "")


def test_the_script_and_the_module_are_the_same_command() -> None:
    """`tenure` and `python -m tenure` say the same."""
    script = Path(sys.executable).with_name("tenure")
    done = subprocess.run([script, "--help"], env=environment(), capture_output=True, text=True, check=False)

    assert done.stdout == tenure("--help").out


def test_help_lists_every_command_without_importing_one() -> None:
    """`tenure --help` has a line for each command, from the table alone."""
    lines = tenure("--help").out.splitlines()

    for name, listed in COMMANDS.items():
        assert any(line.split() == [name, *listed.help.split()] for line in lines)
    assert imported_by("--help").isdisjoint({f"tenure.cli.{name}" for name in COMMANDS} | {"asyncio"})


def test_nothing_asked_is_helped() -> None:
    """`tenure` alone shows the help."""
    assert tenure() == tenure("--help")


def test_every_command_of_the_table_exists() -> None:
    """No line of the help leads nowhere."""
    assert list(COMMANDS) == EXISTING


@pytest.mark.parametrize("name", EXISTING)
def test_every_command_has_a_help_that_ends_well(name: str) -> None:
    """Each `--help` renders, names its usage, and ends with 0."""
    shown = tenure(name, "--help")

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: tenure {name} ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stats", "status"),
        ("resing", "resign"),
        ("--hlep", "--help"),
        ("complete", "completion"),
        ("version", "--version"),
        ("help", "--help"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    """A command or option that does not exist ends with 2 and names what was probably meant."""
    answer = tenure(typed)

    assert answer.code == 2
    assert answer.err.startswith("tenure: ")
    assert typed in answer.err
    assert meant in answer.err.splitlines()[0]


def test_a_variable_does_not_ask_for_the_version() -> None:
    """TENURE_VERSION may be anybody's: it is no option."""
    assert "Usage" in tenure("--help", TENURE_VERSION="1").out


def test_holds_does_not_import_asyncio() -> None:
    """A job asks `tenure holds` before each act, so it must be cheap."""
    modules = imported_by("holds", TENURE_DEADLINE_FILE="/nowhere")

    assert "tenure.cli.holds" in modules
    assert modules.isdisjoint({"asyncio", "tenure.keeper"})


def test_one_command_imports_no_other() -> None:
    """Only the command that is used is imported."""
    modules = imported_by("status", "--help")

    assert {name for name in COMMANDS if f"tenure.cli.{name}" in modules} == {"status"}
