"""Mutual TLS: who may not speak learns why in one clear line, and so does the other side."""

from __future__ import annotations

import asyncio
import datetime as dt
import stat
from pathlib import Path

import pytest

from tenure.errors import ConfigurationError
from tenure.transports.base import identify
from tenure.transports.certificates import make_certificates
from tenure.transports.tcp import TcpTransport
from tenure.transports.tls import Contexts, Tls
from tests.transports.stage import NAMES, Notes, play, until

DAY = dt.timedelta(days=1)


class Speaker:
    """A node on TCP with whatever certificates it is given, checked by itself or not."""

    def __init__(self, name: str, tls: Tls | None, founders: tuple[str, ...] = NAMES) -> None:
        self.notes = Notes()
        self.lines: list[str] = []
        self.transport = TcpTransport(
            identify("orders", founders, name),
            "127.0.0.1:0",
            self.notes,
            tls=tls,
            say=lambda _, line: self.lines.append(line),
        )

    def said(self, *parts: str) -> bool:
        """Whether one line has all of these in it."""
        return any(all(part in line for part in parts) for line in self.lines)


async def meet(a: Speaker, b: Speaker, condition: object) -> None:
    """Let both dial each other until the condition holds."""
    assert callable(condition)
    try:
        await a.transport.open()
        await b.transport.open()
        a.transport.know(2, "b", b.transport.address)
        b.transport.know(1, "a", a.transport.address)
        await until(condition, f"a said {a.lines}, b said {b.lines}")
    finally:
        await asyncio.gather(a.transport.close(), b.transport.close())


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes do not look at their own certificates first, as if the fault came while they run."""
    monkeypatch.setattr(Contexts, "_try", lambda _self, _tls, _name, **_: None)


def make(
    folder: Path, *, cluster: str = "orders", begins: dt.datetime | None = None, days: float = 365
) -> dict[str, Tls]:
    """Certificates of an authority in that folder."""
    return make_certificates(folder, cluster, NAMES, valid_s=days * 86400, begins=begins)


def refused(tmp_path: Path, fault: str) -> tuple[Tls, str]:
    """The certificate of b with this fault, and what a must say of it; a's are in tmp_path/good."""
    now = dt.datetime.now(dt.UTC)
    make(tmp_path / "good")
    match fault:
        case "another authority":
            other = make(tmp_path / "other")["b"]
            good = tmp_path / "good" / "authority.pem"
            return Tls(authority=good, certificate=other.certificate, key=other.key, cluster="orders"), "is not of this"
        case "another cluster":
            return make(tmp_path / "good", cluster="invoices")["b"], "does not name tenure://orders/b"
        case "another name":
            found = make(tmp_path / "good")
            return found["c"], "does not name tenure://orders/b"
        case "expired":
            return make(tmp_path / "good", begins=now - 9 * DAY, days=1)["b"], "has expired"
        case _:
            return make(tmp_path / "good", begins=now + DAY)["b"], "is not valid yet"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("fault", ["another authority", "another cluster", "another name", "expired", "not valid yet"])
def test_a_wrong_certificate_is_refused_and_both_sides_say_why(tmp_path: Path, fault: str) -> None:
    """In both directions: whom a dials, and who dials a. Nothing is handed over."""
    wrong, line = refused(tmp_path, fault)
    good = make(tmp_path / "good") if fault in {"another authority", "another name"} else make_a(tmp_path)

    async def scene() -> None:
        a, b = Speaker("a", good["a"]), Speaker("b", wrong)
        await meet(a, b, lambda: a.said(line) and b.lines)
        assert b.said("refuses this node") or b.said("closed the connection") or b.said("does not name") or b.said(line)
        assert a.notes.told == []
        assert b.notes.told == []

    play(scene())


def make_a(tmp_path: Path) -> dict[str, Tls]:
    """A good certificate for a alone, of the same authority: that of b stays as it is."""
    return make_certificates(tmp_path / "good", "orders", ["a"])


def test_one_with_tls_and_one_without_say_so(tmp_path: Path) -> None:
    """Each of both directions, on both sides."""
    good = make(tmp_path)

    async def scene() -> None:
        a, b = Speaker("a", good["a"]), Speaker("b", None)
        await meet(
            a,
            b,
            lambda: (
                a.said("node 'b' at", "TLS", "both sides")
                and a.said("a connection from", "does not speak TLS")
                and b.said("node 'a' at", "TLS", "both sides")
                and b.said("a connection from", "speaks TLS")
            ),
        )
        assert a.notes.told == b.notes.told == []

    play(scene())


def spoilt(good: dict[str, Tls], fault: str) -> Tls:
    """The files of a, one of which does not fit the others."""
    authority, certificate, key = good["a"].authority, good["a"].certificate, good["a"].key
    match fault:
        case "no key":
            return Tls(authority=authority, certificate=certificate, key=authority, cluster="orders")
        case "no authority":
            return Tls(authority=key, certificate=certificate, key=key, cluster="orders")
        case "no file":
            return Tls(authority=authority.with_name("none"), certificate=certificate, key=key, cluster="orders")
        case "another cluster":
            return Tls(authority=authority, certificate=certificate, key=key, cluster="invoices")
        case _:
            return good["b"]


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("no key", "cannot be used with the key"),
        ("no authority", "the authority in"),
        ("no file", "the authority in"),
        ("another cluster", "does not name tenure://invoices/a"),
        ("another node", "does not name tenure://orders/a"),
    ],
)
def test_files_that_do_not_fit_stop_a_node_at_its_start(tmp_path: Path, fault: str, what: str) -> None:
    """Before it listens: what others would refuse is said with the file's name."""
    good = make(tmp_path)

    async def scene() -> None:
        speaker = Speaker("a", spoilt(good, fault))
        with pytest.raises(ConfigurationError, match=what):
            await speaker.transport.open()

    play(scene())


def test_an_expired_certificate_stops_a_node_at_its_start(tmp_path: Path) -> None:
    """As others would refuse it."""
    old = make(tmp_path, begins=dt.datetime.now(dt.UTC) - 9 * DAY, days=1)
    with pytest.raises(ConfigurationError, match="has expired"):
        Contexts(old["a"], "a")


def test_certificates_are_made_again_by_the_same_authority(tmp_path: Path) -> None:
    """Another node's is taken by those that were made before; keys are for their owner alone."""
    before = make_certificates(tmp_path, "orders", ["a"])
    after = make_certificates(tmp_path, "orders", ["b"])

    async def scene() -> None:
        a, b = Speaker("a", before["a"]), Speaker("b", after["b"])
        await meet(a, b, lambda: a.notes.lives(2) and b.notes.lives(1))

    play(scene())
    for key in tmp_path.glob("*-key.pem"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_half_an_authority_is_not_replaced(tmp_path: Path) -> None:
    """Its certificates would be of no use any more."""
    make(tmp_path)
    (tmp_path / "authority-key.pem").unlink()
    with pytest.raises(ConfigurationError, match="other half"):
        make(tmp_path)


def test_beyond_loopback_nobody_listens_without_certificates_unless_told_to(tmp_path: Path) -> None:
    """The line says what to do instead."""

    async def scene() -> None:
        me = identify("orders", NAMES, "a")
        everywhere = "0.0.0.0:0"
        with pytest.raises(ConfigurationError, match="give this node certificates"):
            await TcpTransport(me, everywhere, Notes()).open()
        for transport in (
            TcpTransport(me, everywhere, Notes(), allow_plain=True),
            TcpTransport(me, everywhere, Notes(), tls=make(tmp_path)["a"]),
        ):
            await transport.open()
            await transport.close()

    play(scene())
