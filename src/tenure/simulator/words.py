"""Messages and records in words, for traces."""

from __future__ import annotations

import msgspec


def words_of(struct: msgspec.Struct) -> str:
    """The fields of a message or record, as `name=value`."""
    return " ".join(f"{name}={_value(getattr(struct, name))}" for name in struct.__struct_fields__)


def _value(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        items = value if isinstance(value, tuple) else sorted(value)
        return "(" + " ".join(_value(item) for item in items) + ")"
    return f"({words_of(value)})" if isinstance(value, msgspec.Struct) else str(value)
