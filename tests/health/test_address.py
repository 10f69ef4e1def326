"""Where it listens, and what is said where it cannot."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from tenure import ConfigurationError, Health, serve_health
from tenure.health.address import listen, url_of
from tests.health.asking import status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])  # noqa: S104  every interface is one of the cases
def test_it_listens_and_says_which_port(host: str) -> None:
    """Port 0 takes a free one; a name, and both kinds of address."""
    with listen(f"{host}:0") as listener:
        url = url_of(listener)
        port = int(url.rpartition(":")[2])
        assert port > 0
        assert host == "localhost" or url == f"http://{host}:{port}"
        socket.create_connection((host.strip("[]"), port)).close()


def test_programs_that_are_started_do_not_inherit_it() -> None:
    """Closed on exec."""
    with listen("127.0.0.1:0") as listener:
        assert not os.get_inheritable(listener.fileno())


def test_a_port_that_is_taken_is_said_with_the_way_out(health: Health) -> None:
    """And nothing is left of the one that could not be: no thread, no socket."""
    assert health.url is not None
    before = os.listdir("/proc/self/fd"), os.listdir("/proc/self/task")  # noqa: PTH208  only counted

    with pytest.raises(ConfigurationError, match=r"address in use: say --http .* another port"):
        serve_health(health.url.removeprefix("http://"))

    assert (os.listdir("/proc/self/fd"), os.listdir("/proc/self/task")) == before  # noqa: PTH208  only counted
    assert status(health.url, "/livez") == 200


@pytest.mark.parametrize(
    "address",
    ["", "8080", ":8080", "localhost", "localhost:", "localhost:http", "::1:8080", "[::1]", "http://localhost:80",
     "localhost:65536", "localhost:-1", "a b:80", "localhost:80/", "localhost: 80", "localhost:٣"],
)  # fmt: skip  # a list reads better in rows
def test_what_is_no_address_is_refused_with_examples(address: str) -> None:
    """The form is shown."""
    with pytest.raises(ConfigurationError, match=r"is no HOST:PORT; write it like 127\.0\.0\.1:8080 or \[::1\]:8080"):
        listen(address)


@pytest.mark.parametrize("address", ["..:80", ".a:80", "[...]:0", f"{'a' * 70}:80", "a\0b:80", "\ud800:80"])
def test_what_can_be_no_hosts_name_is_refused(address: str) -> None:
    """An empty label, one that is too long, and what is no text; the resolver is never asked."""
    with pytest.raises(ConfigurationError, match=r"no host is found for .* give its address"):
        listen(address)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "ports below 1024 need a privilege"),
        (errno.EADDRNOTAVAIL, "no interface of this machine has that address"),
        (errno.ENOBUFS, "give another address"),
    ],
)
def test_each_failure_says_what_to_do(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    """The kernel's refusal, in words; the cause stands behind it."""

    class Refusing(socket.socket):
        def bind(self, address: object) -> None:
            del address
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tenure.health.address.socket.socket", Refusing)
    with pytest.raises(ConfigurationError, match=words) as caught:
        listen("127.0.0.1:80")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_host_that_is_not_found_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without asking a name server here."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConfigurationError, match=r"no host is found for 'nowhere\.invalid:80'"):
        listen("nowhere.invalid:80")
