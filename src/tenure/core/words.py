"""Messages and records in words, for traces and counts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tenure.core.events import Message

MOST_TOLD = 100_000
"""Characters of one message; what is longer is cut, so that a trace can be read again."""


def kind_of(kind: type[msgspec.Struct]) -> str:
    """The name of a message or record: the tag under which it travels."""
    return str(kind.__struct_config__.tag)


def by_kind(counts: Mapping[type[Message], int]) -> dict[str, int]:
    """Messages that were counted by their type: the same by name, in the order of names."""
    return dict(sorted((kind_of(kind), count) for kind, count in counts.items()))


def words_of(struct: msgspec.Struct) -> str:
    """The fields of a message or record, as `name=value`."""
    words = " ".join(f"{name}={_value(getattr(struct, name))}" for name in struct.__struct_fields__)
    return words if len(words) <= MOST_TOLD else f"{words[:MOST_TOLD]}... ({len(words)} characters)"


def _value(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        items = value if isinstance(value, tuple) else sorted(value)
        return "(" + " ".join(_value(item) for item in items) + ")"
    return f"({words_of(value)})" if isinstance(value, msgspec.Struct) else str(value)
