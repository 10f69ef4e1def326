"""Addresses, identities, limits and complaints: small things that operators write and read."""

from __future__ import annotations

import logging

import pytest

from tenure.errors import ConfigurationError
from tenure.transports.addresses import TcpAddress, UnixAddress, is_loopback, parse
from tenure.transports.base import Limits, identify
from tenure.transports.complaints import AGAIN_AFTER_S, Complaints, Trouble, plain_text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7000", TcpAddress("127.0.0.1", 7000)),
        ("node-a.example:0", TcpAddress("node-a.example", 0)),
        ("[::1]:65535", TcpAddress("::1", 65535)),
        ("unix:/run/tenure/a.sock", UnixAddress("/run/tenure/a.sock")),
    ],
)
def test_an_address_is_read_and_written(text: str, address: TcpAddress | UnixAddress) -> None:
    """As it was written."""
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        ":1",
        "a:",
        "a:b",
        "a:65536",
        "a:100000",
        "::1:70",
        "[zz]:1",
        "[:::]:1",
        "a b:1",
        "http://a:1",
        "unix:",
        "unix:a",
        "unix:/" + "a" * 107,
        "unix:/a\0",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """With how one is written."""
    with pytest.raises(ConfigurationError, match=r"write|at most|valid|Only|Exactly|permitted|Expected|hex"):
        parse(text)


def test_loopback_is_told_from_the_rest() -> None:
    """Of both families."""
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "fe80::1%eth0")] == [False] * 4  # noqa: S104  listening on all is what is refused


def test_founders_are_numbered_by_the_rank_of_their_names() -> None:
    """Whatever the order in which they are given, and all of one cluster; each life is another."""
    lives = [identify("orders", founders, "b") for founders in (("b", "a", "c"), ("c", "b", "a"))]
    assert [life.number for life in lives] == [2, 2]
    assert lives[0].cluster == lives[1].cluster
    assert lives[0].founders == lives[1].founders
    assert lives[0].incarnation != lives[1].incarnation
    assert identify("orders", ("a", "b"), "b").cluster != lives[0].cluster
    assert identify("invoices", ("a", "b", "c"), "b").cluster != lives[0].cluster
    assert identify("orders", ("a",), "z", number=77, cluster_id=b"x" * 16).cluster == b"x" * 16


@pytest.mark.parametrize(
    ("name", "number", "cluster_id"),
    [("z", None, None), ("z", 0, None), ("z", 2**63, None), ("a", None, b"short"), ("-", 9, None)],
)
def test_an_identity_that_cannot_be_is_refused(name: str, number: int | None, cluster_id: bytes | None) -> None:
    """When it is made."""
    with pytest.raises(ConfigurationError):
        identify("orders", ("a", "b"), name, number=number, cluster_id=cluster_id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frame_bytes": 0},
        {"frame_bytes": 2**32},
        {"queue_bytes": 100},
        {"strangers": 0},
        {"hello_s": 0},
        {"longest_backoff_s": 0.001},
    ],
)
def test_limits_that_carry_nothing_are_refused(wrong: dict[str, int]) -> None:
    """When they are made."""
    with pytest.raises(ConfigurationError):
        Limits(**wrong)


def test_a_trouble_is_said_once_a_while_and_counted_each_time() -> None:
    """For each peer and each trouble by itself; when it is said again, with how often it happened."""
    said: list[tuple[int, str]] = []
    now_s = [0.0]
    complaints = Complaints(lambda level, text: said.append((level, text)), lambda: now_s[0])
    for _ in range(5):
        complaints.complain("b", Trouble.FULL, "too much")
    complaints.complain("c", Trouble.FULL, "too much for c")
    complaints.complain("b", Trouble.NAME, "another")
    assert [text for _, text in said] == ["too much", "too much for c", "another"]
    now_s[0] = AGAIN_AFTER_S
    complaints.complain("b", Trouble.FULL, "too much")
    assert said[-1] == (logging.WARNING, "too much (4 more like this since it was last said)")
    assert complaints.counts == {"full": 7, "name": 1}
    complaints.forget("b")
    complaints.complain("b", Trouble.FULL, "anew")
    assert said[-1] == (logging.WARNING, "anew")


def test_what_the_other_side_wrote_cannot_deface_a_log() -> None:
    """One line that can be printed, and not too long."""
    assert plain_text("a\nb\x1b[31m") == "a?b?[31m"
    assert len(plain_text("x" * 5000)) == 503
