"""Who speaks, to whom, in which cluster and version, and why not: the first words on a connection. No I/O.

    hello    "tenure?"  lowest version  highest version  length (2 bytes)  body     from a node that dials
    hello    "tenure>"  lowest version  highest version  length (2 bytes)  body     from a client that dials
    answer   "tenure!"  version or 0    0                length (2 bytes)  body     from who listens

Both bodies are MessagePack. A version of 0 refuses, and the body is a Refusal; otherwise it is a Welcome. These eleven
bytes and Refusal stay the same in every version, so that the most different two can still tell each other why not.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from typing import Annotated, Generic, TypeVar

import msgspec

from tenure.core.events import NodeId
from tenure.errors import TenureError
from tenure.transports.base import DIGEST_BYTES, GREATEST_NUMBER, NAME, Identity
from tenure.transports.complaints import LONGEST_LINE, Trouble

VERSION = 1
LONGEST_BODY = 2048
HELLO, CLIENT_HELLO, ANSWER = b"tenure?", b"tenure>", b"tenure!"
_HEAD = struct.Struct(">7sBBH")
_REFUSES = 0
_TLS_RECORDS = (b"\x16\x03", b"\x15\x03")
"""How a handshake and an alert of TLS begin (RFC 8446, section 5.1)."""

Digest = Annotated[bytes, msgspec.Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
Number = Annotated[int, msgspec.Meta(ge=1, le=GREATEST_NUMBER)]
Name = Annotated[str, msgspec.Meta(pattern=f"^(?:{NAME.pattern})\\Z", max_length=128)]
Word = Annotated[int, msgspec.Meta(ge=0)]


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """What who dials says of itself. A field that a later version appends is ignored by an earlier one."""

    cluster: Digest
    founders: Digest
    number: Number
    name: Name
    incarnation: Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
    wanted: Number
    """Whom it means to reach."""
    pid: Word = 0
    """Its own, as it sees it; what the kernel vouches for is compared with it."""
    started: Word = 0
    """When that process started, in clock ticks since boot (proc(5), field 22 of stat)."""
    ends_with_process: bool = True
    """Whether all that acts for this node ends with its process. A node whose jobs may outlive it says no, and its
    death is then never told as certain.
    """


class ClientHello(msgspec.Struct, frozen=True, array_like=True):
    """What a client that dials says of itself."""

    name: Name
    cluster: Annotated[bytes, msgspec.Meta(max_length=DIGEST_BYTES)] = b""
    """The id of the cluster that it means; empty for whichever it reaches."""


class Welcome(msgspec.Struct, frozen=True, array_like=True):
    """What who listens says of itself."""

    number: Number
    name: Name
    incarnation: Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
    cluster: Annotated[bytes, msgspec.Meta(max_length=DIGEST_BYTES)] = b""
    """The cluster's id, which a client may not know."""


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """Why not, for a program and for people."""

    why: Annotated[str, msgspec.Meta(max_length=32)]
    text: Annotated[str, msgspec.Meta(max_length=LONGEST_LINE)]


class Refused(TenureError):
    """This connection cannot be; both sides log why."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble


_encoder = msgspec.msgpack.Encoder()
T = TypeVar("T")


class GreetingReader(Generic[T]):
    """Takes bytes as they come and gives the greeting once it is whole, with what came behind it."""

    def __init__(self, kinds: Mapping[bytes, Callable[[int, int, bytes], T]]) -> None:
        self._kinds = kinds
        self._data = bytearray()

    def feed(self, data: bytes | memoryview) -> tuple[T, bytes] | None:
        """None until all is there. Raises Refused as soon as it is clear that this is no greeting."""
        self._data += data
        begun = bytes(self._data[: len(ANSWER)])
        if not any(magic.startswith(begun) for magic in self._kinds):
            raise Refused(*_foreign(bytes(self._data[:16])))
        if len(self._data) < _HEAD.size:
            return None
        magic, first, second, size = _HEAD.unpack_from(self._data)
        if size > LONGEST_BODY:
            raise Refused(Trouble.MALFORMED, f"a greeting of {size} bytes came, and {LONGEST_BODY} are allowed")
        end = _HEAD.size + size
        if len(self._data) < end:
            return None
        try:
            greeting = self._kinds[magic](first, second, bytes(self._data[_HEAD.size : end]))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(Trouble.MALFORMED, f"a greeting came that cannot be read: {error}") from error
        return greeting, bytes(self._data[end:])


def hello_reader() -> GreetingReader[Hello | ClientHello]:
    """Reads what who dials says first. It refuses a version that is not spoken here."""
    return GreetingReader({HELLO: _hello, CLIENT_HELLO: _client_hello})


def answer_reader() -> GreetingReader[Welcome | Refusal]:
    """Reads what who listens answers."""
    return GreetingReader({ANSWER: _answer})


def hello(me: Identity, wanted: NodeId, started: int = 0, ends_with_process: bool = True) -> bytes:
    """What `me` says first to `wanted`."""
    return _greeting(
        HELLO,
        VERSION,
        VERSION,
        Hello(
            me.cluster,
            me.founders,
            me.number,
            me.name,
            me.incarnation.to_bytes(8, "big"),
            wanted,
            os.getpid(),  # asked anew each time: a forked child has another
            started,
            ends_with_process,
        ),
    )


def client_hello(name: str, cluster: bytes = b"") -> bytes:
    """What a client says first, to a node of that cluster or of any."""
    return _greeting(CLIENT_HELLO, VERSION, VERSION, ClientHello(name, cluster))


def welcome(me: Identity) -> bytes:
    """What `me` answers to who may speak."""
    incarnation = me.incarnation.to_bytes(8, "big")
    return _greeting(ANSWER, VERSION, 0, Welcome(me.number, me.name, incarnation, me.cluster))


def refusal(why: Refused) -> bytes:
    """What is answered to who may not."""
    return _greeting(ANSWER, _REFUSES, 0, Refusal(why.trouble.value, str(why)[:LONGEST_LINE]))


def examine(me: Identity, said: Hello, known: str | None, *, is_removed: bool = False) -> None:
    """Raise Refused unless who said this may speak to `me`; `known` is the name of the member with its number."""
    who = f"node {said.name!r} (number {said.number})"
    if said.cluster != me.cluster:
        raise Refused(
            Trouble.CLUSTER,
            f"{who} is of another cluster than {me.name!r}: give both the same cluster name and founders, "
            "or look which addresses of peers are wrong",
        )
    if said.founders != me.founders:
        raise Refused(
            Trouble.FOUNDERS,
            f"{who} was given other founders than {me.name!r}, or another lease: give all nodes the same list of them "
            "and the same lease",
        )
    if said.number == me.number:
        raise Refused(
            Trouble.NAMESAKE,
            f"{who} has the same number as {me.name!r}, which it has reached: give each node a number of its own",
        )
    if said.wanted != me.number:
        raise Refused(
            Trouble.MISDIRECTED,
            f"{who} looks for number {said.wanted} and has reached {me.name!r} (number {me.number}): "
            f"correct the address that {said.name!r} has for number {said.wanted}",
        )
    if is_removed:
        raise Refused(
            Trouble.REMOVED,
            f"{who} was removed from the cluster: let it join anew, as a new node with an empty data directory",
        )
    if known is None:
        raise Refused(
            Trouble.UNKNOWN, f"{who} is no member as far as {me.name!r} knows: add it to the cluster, or stop it"
        )
    if known != said.name:
        raise Refused(
            Trouble.NAME, f"{who} is known to {me.name!r} by another name, {known!r}: a number is of one node for ever"
        )


def examine_answer(said: Welcome, wanted: NodeId, known: str) -> None:
    """Raise Refused unless it was `wanted`, of the name `known`, who answered so."""
    if (said.number, said.name) != (wanted, known):
        raise Refused(
            Trouble.MISDIRECTED,
            f"node {said.name!r} (number {said.number}) answers where {known!r} (number {wanted}) was looked for: "
            f"correct the address of {known!r}",
        )


def incarnation(said: Hello | Welcome) -> int:
    """The life that spoke."""
    return int.from_bytes(said.incarnation, "big")


def _greeting(magic: bytes, first: int, second: int, body: Hello | ClientHello | Welcome | Refusal) -> bytes:
    encoded = _encoder.encode(body)
    return _HEAD.pack(magic, first, second, len(encoded)) + encoded


_hello_decoder = msgspec.msgpack.Decoder(Hello)
_client_hello_decoder = msgspec.msgpack.Decoder(ClientHello)
_welcome_decoder = msgspec.msgpack.Decoder(Welcome)
_refusal_decoder = msgspec.msgpack.Decoder(Refusal)


def _hello(lowest: int, highest: int, body: bytes) -> Hello:
    _check_version(lowest, highest)
    return _hello_decoder.decode(body)


def _client_hello(lowest: int, highest: int, body: bytes) -> ClientHello:
    _check_version(lowest, highest)
    return _client_hello_decoder.decode(body)


def _check_version(lowest: int, highest: int) -> None:
    if not lowest <= VERSION <= highest:
        raise Refused(
            Trouble.VERSION,
            f"the one who dials speaks versions {lowest} to {highest} of the protocol, and the other side version "
            f"{VERSION}: upgrade the older of the two",
        )


def _answer(version: int, _: int, body: bytes) -> Welcome | Refusal:
    if version == _REFUSES:
        return _refusal_decoder.decode(body)
    if version != VERSION:
        raise Refused(Trouble.VERSION, f"an answer of version {version} came, and version {VERSION} was offered")
    return _welcome_decoder.decode(body)


def _foreign(begun: bytes) -> tuple[Trouble, str]:
    if begun.startswith(_TLS_RECORDS):
        return (
            Trouble.PLAIN,
            "the other side speaks TLS, and this node does not: give both sides certificates, or neither",
        )
    return (
        Trouble.FOREIGN,
        f"what came is not of this protocol (it begins with {begun!r}): look who dials this port, and whom it means",
    )
