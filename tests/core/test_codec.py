"""Messages as bytes: what comes back is what was sent, and nothing else is ever taken for a message."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.core.codec import VERSION, Codec, CodecError, Malformed, TooLong, UnknownVersion
from tenure.core.events import Message


class Ask(Message, frozen=True):
    """One message of a made-up algorithm."""

    term: int
    who: str = ""


class Tell(Message, frozen=True):
    """Another one."""

    values: tuple[int, ...]


class Foreign(Message, frozen=True):
    """One of another algorithm."""

    term: int


CODEC: Codec[Message] = Codec((Ask, Tell), limit_bytes=200)
MESSAGES = st.one_of(
    st.builds(Ask, st.integers(0, 2**62), st.text(max_size=20)),
    st.builds(Tell, st.lists(st.integers(-5, 2**40), max_size=9).map(tuple)),
)


@given(MESSAGES)
def test_what_was_sent_comes_back(message: Message) -> None:
    """With its type."""
    assert CODEC.decode(CODEC.encode(message)) == message


@given(MESSAGES, st.data())
def test_what_is_cut_off_is_refused(message: Message, data: st.DataObject) -> None:
    """At any byte."""
    whole = CODEC.encode(message)
    with pytest.raises(Malformed):
        CODEC.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_message_or_a_typed_error(data: bytes) -> None:
    """Nothing else comes out."""
    with contextlib.suppress(CodecError):
        assert isinstance(CODEC.decode(data), Ask | Tell)


def test_another_algorithms_message_is_refused() -> None:
    """Its name is none of ours."""
    with pytest.raises(Malformed, match="FOREIGN"):
        CODEC.decode(Codec((Foreign,)).encode(Foreign(1)))


def test_another_version_is_named() -> None:
    """So that somebody can upgrade it."""
    data = CODEC.encode(Ask(1))
    with pytest.raises(UnknownVersion, match=f"version {VERSION + 1} came"):
        CODEC.decode(bytes((VERSION + 1,)) + data[1:])


def test_nobody_sends_or_takes_more_than_the_limit() -> None:
    """On both sides, before anything is read."""
    with pytest.raises(TooLong, match="Ask has"):
        CODEC.encode(Ask(1, "x" * 300))
    with pytest.raises(TooLong, match="201 bytes came"):
        CODEC.decode(bytes((VERSION,)) * 201)


def test_what_is_nested_without_end_is_malformed() -> None:
    """Not a recursion that takes the process with it."""
    with pytest.raises(Malformed):
        Codec((Ask,)).decode(bytes((VERSION,)) + b"\x91" * 100_000)


def test_text_that_is_no_utf_8_is_malformed() -> None:
    """The library underneath raises UnicodeDecodeError for it, which is no error of its own."""
    good = CODEC.encode(Ask(1, "ab"))
    with pytest.raises(Malformed):
        CODEC.decode(good[:-1] + b"\x80")


def test_a_field_that_a_later_version_appends_is_ignored() -> None:
    """A message is an array: what stands behind its known fields is somebody's, but not ours."""
    later = bytes((VERSION,)) + msgspec.msgpack.encode(["ASK", 3, "me", "new"])
    assert CODEC.decode(later) == Ask(3, "me")
