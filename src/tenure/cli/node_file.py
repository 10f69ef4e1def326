"""A node's options from a TOML file, under the names that they have on the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from tenure.backends.url import nearest
from tenure.errors import ConfigurationError

PEERS = "peers"
"""The table of the other nodes, by name: what `--peer` says on the command line."""


def load(context: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Let what the file says be what counts where neither the command line nor the environment says anything.

    Raises ConfigurationError for a file that cannot be read, and for what no option is called or takes.
    """
    if path is None:
        return None
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"the file {path} cannot be read as TOML: {why}") from error
    options = {
        _key(option): option
        for option in context.command.params
        if isinstance(option, click.Option) and option is not param and option.name != "help"
    }
    found: dict[str, object] = {}
    for key, value in said.items():
        option = options.get(key)
        if option is None or option.name is None:
            raise ConfigurationError(
                f"{path} has {key!r}, and no option of a node is called so{nearest(key, options, '{!r}')}; "
                "tenure node --help lists them"
            )
        found[option.name] = _value(path, key, option, value)
    context.default_map = found
    return path


def _key(option: click.Option) -> str:
    """As the option is written, without the hyphens in front; the peers are a table."""
    return PEERS if option.name == PEERS else max(option.opts, key=len).removeprefix("--")


def _value(path: Path, key: str, option: click.Option, value: object) -> object:
    """As it would stand on the command line."""
    match value:
        case dict() if key == PEERS and all(isinstance(address, str) for address in value.values()):
            table: dict[str, Any] = value
            return [f"{name}={address}" for name, address in table.items()]
        case list() if option.multiple and key != PEERS and all(isinstance(one, str) for one in value):
            return value
        case bool() if option.is_flag:
            return value
        case str() | int() | float() if not (isinstance(value, bool) or option.is_flag or option.multiple):
            return str(value)
    if key == PEERS:
        wanted = 'a table: [peers], and under it lines such as b = "10.0.0.2:7101"'
    elif option.multiple:
        wanted = f'a list of strings: {key} = ["10.0.0.1:7101"]'
    elif option.is_flag:
        wanted = f"{key} = true, or false"
    else:
        wanted = f'a string: {key} = "..."'
    raise ConfigurationError(f"{key!r} in {path} is {value!r}; write {wanted}")
