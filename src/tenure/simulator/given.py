"""What a caller of the laboratory gave, checked before anything runs; a mistake is told with what to give instead."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, get_args, get_type_hints

from tenure.core.elector import Elector
from tenure.core.events import NodeId
from tenure.errors import ConfigurationError

MOST_NODES = 10_000
GREATEST_NODE = 999_999_999
"""What scenario scripts can write."""
GREATEST_SEED = 10**18 - 1
"""The same."""
MOST_SHOWN = 200
"""Characters of what was given that a message shows."""
_STATED = ("name", "assumes", "guarantees", "messages")


def elector(kind: object) -> type[Elector]:
    """A class of electors that can be made. Raises ConfigurationError."""
    if not (isinstance(kind, type) and issubclass(kind, Elector)):
        raise ConfigurationError(
            f"{_shown(kind)} is no algorithm; give a name such as 'bully', or a subclass of tenure.core.elector.Elector"
        )
    missing = [name for name in _STATED if not hasattr(kind, name)] + sorted(kind.__abstractmethods__)
    if missing:
        raise ConfigurationError(
            f"{kind.__name__} lacks {', '.join(missing)}; tenure.core.elector.Elector says what each is"
        )
    return kind


def numbers(nodes: object) -> tuple[NodeId, ...]:
    """The nodes of a group, in order: so many from 1 on, or these. Raises ConfigurationError."""
    count = _whole(nodes)
    if count is not None:
        found: list[int | None] = list(range(1, count + 1)) if count <= MOST_NODES else []
    elif isinstance(nodes, Iterable) and not isinstance(nodes, str | bytes):
        found = [_whole(node) for node in islice(nodes, MOST_NODES + 1)]
    else:
        found = []
    known = [node for node in found if node is not None and 1 <= node <= GREATEST_NODE]
    if not 1 <= len(found) <= MOST_NODES or len(set(known)) != len(found):
        raise ConfigurationError(f"nodes are 1 to {MOST_NODES} different numbers from 1 on; got {_shown(nodes)}")
    return tuple(sorted(known))


def seed(value: object) -> int:
    """A seed. Raises ConfigurationError."""
    number = _whole(value)
    if number is None or not 0 <= number <= GREATEST_SEED:
        raise ConfigurationError(f"a seed is a whole number from 0 to {GREATEST_SEED}; got {_shown(value)}")
    return number


def texts(what: str, value: object) -> tuple[str, ...] | None:
    """The names that an argument called `what` gives, None where it leaves them to us. Raises ConfigurationError."""
    if value is None:
        return None
    if isinstance(value, str):
        raise ConfigurationError(f'{what} takes names, such as ("{value}",); it was given one text')
    listed = tuple(value) if isinstance(value, Iterable) else (value,)
    if not isinstance(value, Iterable) or not all(isinstance(one, str) for one in listed):
        raise ConfigurationError(f"{what} takes names, such as {what}=('...',), or None; got {_shown(value)}")
    return tuple(sorted(listed)) if isinstance(value, AbstractSet) else listed  # no order of a hash decides a run


def instance(what: str, value: object, kind: type, hint: str) -> None:
    """Raise ConfigurationError where an argument is neither None nor of this kind."""
    if value is not None and not isinstance(value, kind):
        article = "one text" if isinstance(value, str) else _shown(value)
        raise ConfigurationError(f"{what} takes {hint}; it was given {article}")


def settings(kind: type[Elector], value: object) -> None:
    """Raise ConfigurationError for settings that are not those of this algorithm, as far as it says what they are."""
    if value is None:
        return
    own = list(inspect.signature(kind).parameters)[3:]
    if not own:
        raise ConfigurationError(f"{kind.name} takes no settings; leave them away")
    try:
        hint: Any = get_type_hints(kind.__init__).get(own[0])
    except (NameError, TypeError):  # of a module that hides its types at run time
        return
    kinds = tuple(one for one in (*get_args(hint), hint) if isinstance(one, type))
    if kinds and not isinstance(value, kinds):
        wanted = " or ".join(f"{one.__module__}.{one.__name__}" for one in kinds if one is not type(None))
        raise ConfigurationError(f"settings of {kind.name} are {wanted}; got {_shown(value)}")


def _whole(value: Any) -> int | None:
    """A whole number of whatever type, such as numpy's; None for anything else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _shown(value: object) -> str:
    return repr(value)[:MOST_SHOWN]
