"""The reference knows every command, option and exit code, in the same words as the command itself."""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module

import click
import pytest

from tenure.cli import COMMANDS
from tenure.cli.exits import Exit
from tests.tidy.tree import ROOT

PAGE = (ROOT / "docs" / "reference" / "command.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\S.*?)$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
SHARED = SECTIONS["Options of most commands"]
RUN = (ROOT / "docs" / "reference" / "run.md").read_text(encoding="utf-8")
OPTIONS = {name: SECTIONS[name] + SHARED for name in COMMANDS} | {"run": RUN}
"""Where the options of each command stand; `run` has a page of its own, and they stand there alone."""


def options_of(command: click.Command) -> set[str]:
    """All that it takes, and that its own commands take."""
    options = {option for one in command.params if isinstance(one, click.Option) for option in one.opts}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for own in map(partial(command.get_command, context), command.list_commands(context)):
            assert own is not None
            options |= options_of(own)
    return options


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section(name: str) -> None:
    """A section, and a line in the table with the words of `tenure --help`."""
    assert name in SECTIONS
    assert f"| [`{name}`](#{name}) | {COMMANDS[name].help} |" in PAGE


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_reference(name: str) -> None:
    """In the command's own section, or among those that most commands have; for `run`, on its page."""
    command: click.Command = import_module(f"tenure.cli.{name}").command
    missing = {option for option in options_of(command) if f"`{option}" not in OPTIONS[name]}

    assert missing == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_invents_no_option(name: str) -> None:
    """What a command's table lists, the command has."""
    command: click.Command = import_module(f"tenure.cli.{name}").command
    listed = RUN if name == "run" else SECTIONS[name]

    assert set(re.findall(r"^\| `(--[a-z-]+)", listed, re.MULTILINE)) <= options_of(command)


def test_what_run_takes_stands_in_one_place() -> None:
    """The overview links to the page of `run`; a table that stands twice is soon two tables."""
    assert "(run.md)" in SECTIONS["run"]
    assert "|" not in SECTIONS["run"]


def test_every_exit_code_is_in_the_reference() -> None:
    """The table is that of `tenure.cli.exits`."""
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", SECTIONS["Exit codes"], re.MULTILINE))

    assert rows == {str(int(code)): code.meaning for code in Exit}
