"""Frames and greetings: what is cut out of bytes, however they come, and what is refused."""

from __future__ import annotations

import contextlib
import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.transports import hello as greetings
from tenure.transports.base import Identity, identify
from tenure.transports.complaints import Trouble
from tenure.transports.frames import HEADER, FrameError, FrameReader
from tenure.transports.hello import ClientHello, Hello, Refusal, Refused, Welcome

LIMIT = 300
A = identify("orders", ("a", "b"), "a")
B = identify("orders", ("a", "b"), "b")


def frame(payload: bytes) -> bytes:
    """The bytes of one."""
    return HEADER.pack(len(payload)) + payload


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """The same bytes in pieces."""
    places = sorted({place % (len(data) + 1) for place in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


def read(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """What a reader gives for these pieces, and whether it refused the rest."""
    reader, found = FrameReader(LIMIT), []
    try:
        for piece in pieces:
            found += list(reader.feed(piece)) if piece else []
    except FrameError:
        # A list is lost when its generator raises: read again, one payload at a time.
        reader, found = FrameReader(LIMIT), []
        with contextlib.suppress(FrameError):
            for piece in pieces:
                for payload in reader.feed(piece):
                    found.append(payload)
        return found, True
    return found, False


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=LIMIT), max_size=8), st.lists(st.integers(0, 5000), max_size=12))
def test_frames_are_the_same_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    """Every payload, once, in order, and nothing is left."""
    data = b"".join(map(frame, payloads))
    reader = FrameReader(LIMIT)
    found = [payload for piece in cut(data, cuts) for payload in reader.feed(memoryview(bytearray(piece)))]
    assert found == payloads
    assert reader.is_between


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=12))
def test_any_bytes_give_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    """Payloads before what is wrong are given, nothing behind it, and no other error than FrameError is raised."""
    assert read(cut(data, cuts)) == read([data])


@pytest.mark.parametrize("size", [0, LIMIT + 1, 2**31, 2**32 - 1])
def test_a_length_that_may_not_be_is_refused_before_anything_is_kept(size: int) -> None:
    """Four bytes are enough, even when they come one by one; the frame before is given."""
    reader = FrameReader(LIMIT)
    data = frame(b"good") + HEADER.pack(size)
    found: list[bytes] = []
    for byte in data[:-1]:
        found += reader.feed(bytes([byte]))
    with pytest.raises(FrameError):
        list(reader.feed(data[-1:]))
    assert found == [b"good"]


def test_the_longest_frame_is_taken() -> None:
    """The limit itself is allowed."""
    assert list(FrameReader(LIMIT).feed(frame(bytes(LIMIT)))) == [bytes(LIMIT)]


def heard(data: bytes) -> Hello:
    """The hello in these bytes, which must be whole."""
    found = greetings.hello_reader().feed(data)
    assert found is not None
    assert isinstance(found[0], Hello)
    return found[0]


def test_a_hello_says_what_is_documented_byte_by_byte() -> None:
    """docs/reference/wire.md, written out: a change of the format is a change of the version."""
    me = Identity(cluster=b"C" * 16, founders=b"F" * 16, number=7, name="a", incarnation=0x0102030405060708)
    data = greetings.hello(me, 9, 1234)
    body = data[11:]
    assert data[:11] == b"tenure?" + bytes([1, 1]) + struct.pack(">H", len(body))
    assert body.startswith(
        b"\x99\xc4\x10" + b"C" * 16 + b"\xc4\x10" + b"F" * 16 + b"\x07\xa1a\xc4\x08\x01\x02\x03\x04\x05\x06\x07\x08\x09"
    )
    assert body.endswith(b"\xcd\x04\xd2\xc3")


def test_an_answer_says_what_is_documented_byte_by_byte() -> None:
    """The same of a welcome and of a refusal."""
    me = Identity(cluster=b"C" * 16, founders=b"F" * 16, number=7, name="a", incarnation=1)
    body = b"\x94\x07\xa1a\xc4\x08" + bytes(7) + b"\x01\xc4\x10" + b"C" * 16
    assert greetings.welcome(me) == b"tenure!" + bytes([1, 0]) + struct.pack(">H", len(body)) + body
    body = b"\x92\xa7cluster\xa3why"
    refusal = greetings.refusal(Refused(Trouble.CLUSTER, "why"))
    assert refusal == b"tenure!" + bytes([0, 0]) + struct.pack(">H", len(body)) + body


def test_a_clients_hello_says_what_is_documented_byte_by_byte() -> None:
    """The same of a client's, which may leave out which cluster it means."""
    body = b"\x92\xa2me\xc4\x10" + b"C" * 16
    data = b"tenure>" + bytes([1, 1]) + struct.pack(">H", len(body)) + body
    assert greetings.client_hello("me", b"C" * 16) == data
    short = b"tenure>" + bytes([1, 1]) + struct.pack(">H", 4) + b"\x91\xa2me"
    assert greetings.hello_reader().feed(short) == (ClientHello("me"), b"")


@given(st.lists(st.integers(0, 300), max_size=6), st.binary(max_size=20))
def test_a_greeting_is_the_same_however_it_is_cut(cuts: list[int], behind: bytes) -> None:
    """What comes behind it is given back."""
    data = greetings.hello(A, 2) + behind
    reader, rest = greetings.hello_reader(), b""
    found = None
    for piece in cut(data, cuts):
        if found is None:
            taken = reader.feed(piece)
            if taken is not None:
                found, rest = taken
        else:
            rest += piece
    assert isinstance(found, Hello)
    assert (found.number, found.name, found.wanted) == (1, "a", 2)
    assert rest == behind


def test_an_answer_is_a_welcome_or_a_refusal() -> None:
    """As it was said."""
    assert greetings.answer_reader().feed(greetings.welcome(A)) == (
        Welcome(1, "a", A.incarnation.to_bytes(8, "big"), A.cluster),
        b"",
    )
    found = greetings.answer_reader().feed(greetings.refusal(Refused(Trouble.NAME, "x" * 900)))
    assert found == (Refusal("name", "x" * 500), b"")


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 120), st.booleans())
def test_no_bytes_raise_anything_but_a_refusal(junk: bytes, place: int, is_answer: bool) -> None:
    """A good greeting with some of it replaced by anything."""
    good = greetings.welcome(A) if is_answer else greetings.hello(A, 2)
    data = good[:place] + junk + good[place + len(junk) :]
    with contextlib.suppress(Refused):
        if is_answer:
            greetings.answer_reader().feed(data)
        else:
            greetings.hello_reader().feed(data)


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"G", Trouble.FOREIGN),
        (b"GET / HTTP/1.1\r\n", Trouble.FOREIGN),
        (b"tenurf", Trouble.FOREIGN),
        (b"tenure!\x01\x00\x00\x00", Trouble.FOREIGN),
        (b"\x16\x03\x01\x02\x00", Trouble.PLAIN),
        (b"\x15\x03\x03\x00\x02", Trouble.PLAIN),
        (b"tenure?\x01\x01\xff\xff", Trouble.MALFORMED),
        (b"tenure?\x02\x09\x00\x01\xc0", Trouble.VERSION),
        (b"tenure?\x01\x01\x00\x01\xc0", Trouble.MALFORMED),
        (b"tenure?\x01\x01\x00\x01\x99", Trouble.MALFORMED),
        (b"tenure?\x01\x01\x04\x00" + b"\x91" * 1024, Trouble.MALFORMED),
    ],
)
def test_what_is_no_hello_is_refused_for_what_it_is(data: bytes, trouble: Trouble) -> None:
    """At the first byte that cannot be, without waiting for more."""
    with pytest.raises(Refused) as refused:
        greetings.hello_reader().feed(data)
    assert refused.value.trouble is trouble


def test_a_version_that_is_spoken_too_is_no_obstacle() -> None:
    """A later node that still speaks version 1 is understood, with items that it appends."""
    body = greetings.hello(A, 2)[11:]
    longer = bytes([body[0] + 1]) + body[1:] + b"\xa3new"
    found = heard(b"tenure?\x01\x05" + struct.pack(">H", len(longer)) + longer)
    assert found.name == "a"


def test_a_member_may_speak() -> None:
    """The one whom everything fits."""
    greetings.examine(B, heard(greetings.hello(A, 2)), "a")
    greetings.examine_answer(Welcome(2, "b", bytes(8)), 2, "b")


@pytest.mark.parametrize(("number", "name"), [(3, "b"), (2, "c")])
def test_an_answer_of_another_node_is_refused(number: int, name: str) -> None:
    """Whatever it says of itself must be what was dialled."""
    with pytest.raises(Refused, match="correct the address of 'b'"):
        greetings.examine_answer(Welcome(number, name, bytes(8)), 2, "b")


@pytest.mark.parametrize("name", ["", "-a", "a b", "a\n", "ä", "a" * 129])
def test_a_name_that_cannot_be_is_no_hello(name: str) -> None:
    """Nothing of it ever stands in a log or in a table."""
    me = Identity(cluster=A.cluster, founders=A.founders, number=1, name=name, incarnation=1)
    with pytest.raises(Refused):
        heard(greetings.hello(me, 2))
