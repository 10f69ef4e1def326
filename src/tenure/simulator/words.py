"""Messages and records in words, for traces and counts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tenure.core.events import Message


def kind_of(kind: type[msgspec.Struct]) -> str:
    """The name of a message or record: the tag under which it travels."""
    return str(kind.__struct_config__.tag)


def by_kind(counts: Mapping[type[Message], int]) -> dict[str, int]:
    """Messages that were counted by their type: the same by name, in the order of names."""
    return dict(sorted((kind_of(kind), count) for kind, count in counts.items()))


def words_of(struct: msgspec.Struct) -> str:
    """The fields of a message or record, as `name=value`."""
    return " ".join(f"{name}={_value(getattr(struct, name))}" for name in struct.__struct_fields__)


def _value(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        items = value if isinstance(value, tuple) else sorted(value)
        return "(" + " ".join(_value(item) for item in items) + ")"
    return f"({words_of(value)})" if isinstance(value, msgspec.Struct) else str(value)
