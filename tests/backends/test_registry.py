"""What a URL means, and what is refused because it would elect too many leaders."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from tenure.backends.base import Candidate
from tenure.backends.memory import MemoryBackend
from tenure.backends.registry import Resolved, checked_name, connect, resolve
from tenure.backends.url import Host, parse
from tenure.errors import ConfigurationError

HOME: Mapping[str, str] = {"HOME": "/people/ada"}
EMPTY_ROOT = Path("/nonexistent-root")


def resolved(url: str | None, environment: Mapping[str, str] = HOME, root: Path = EMPTY_ROOT) -> Resolved:
    """Resolve on a machine that has nothing but this environment."""
    return resolve(url, environment=environment, root=root)


def refusal(url: str | None, environment: Mapping[str, str] = HOME) -> str:
    """The message with which `url` is refused."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(url, environment=environment, root=EMPTY_ROOT)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------ the default


def test_L30_the_default_is_the_state_directory_with_scope_user() -> None:
    """Without a URL elections live in ~/.local/state/tenure, which is this user's alone."""
    found = resolved(None)

    assert (found.url, found.scope, found.origin) == ("file:///people/ada/.local/state/tenure", "user", "default")
    assert found.warnings == ()


def test_the_default_follows_xdg_state_home() -> None:
    """XDG_STATE_HOME replaces ~/.local/state, also where there is no HOME; a run-time directory never does."""
    found = resolved(None, {"XDG_STATE_HOME": "/var/state", "XDG_RUNTIME_DIR": "/run/user/1000"})

    assert found.path == Path("/var/state/tenure")


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"HOME": "ada"}])
def test_L30_no_home_is_refused(environment: Mapping[str, str]) -> None:
    """Where nothing says where the state directory is, the message says what to set."""
    message = refusal(None, environment)

    assert "XDG_STATE_HOME" in message
    assert "file:///var/lib/tenure" in message


def test_L30_a_relative_state_home_is_refused() -> None:
    """It would mean another directory in each working directory, and a leader in each."""
    assert "absolute" in refusal(None, {**HOME, "XDG_STATE_HOME": "state"})


def test_tenure_url_is_the_default() -> None:
    """TENURE_URL counts where no URL is given, and an empty one does not."""
    found = resolved(None, {**HOME, "TENURE_URL": "memory://shared"})
    assert (found.url, found.origin) == ("memory://shared", "TENURE_URL")

    assert resolved(None, {**HOME, "TENURE_URL": ""}).origin == "default"
    assert resolved("memory://given", {**HOME, "TENURE_URL": "memory://shared"}).url == "memory://given"


def test_a_bad_tenure_url_is_named_as_the_culprit() -> None:
    """An error in TENURE_URL says where the URL came from."""
    assert "TENURE_URL" in refusal(None, {**HOME, "TENURE_URL": "flie:///x"})


# ---------------------------------------------------------------------------------------------- containers, pods


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv", "proc/1/cgroup"])
def test_L30_a_container_is_warned_of(mark: str, tmp_path: Path) -> None:
    """Each mark of a container gives a warning that the scope is this container, by default and with a path."""
    (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mark).write_text("12:pids:/docker/0123abcd\n0::/\n")

    for url in (None, "file://", "file:///srv/elections"):
        (warning,) = resolved(url, root=tmp_path).warnings
        assert "only processes of this container" in warning
        assert Path(mark).name in warning


@pytest.mark.parametrize("cgroup", ["0::/init.scope\n", "0::/\n", "9:name=systemd:/user.slice\n"])
def test_a_host_is_not_taken_for_a_container(cgroup: str, tmp_path: Path) -> None:
    """The usual cgroups of a host warn of nothing."""
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/cgroup").write_text(cgroup)

    assert resolved(None, root=tmp_path).warnings == ()


def test_L30_the_variable_container_is_believed() -> None:
    """systemd-nspawn, podman and LXC set `container`."""
    (warning,) = resolved(None, {**HOME, "container": "podman"}).warnings

    assert "container=podman" in warning


def test_L30_in_a_pod_the_bare_default_is_refused() -> None:
    """Three pods would elect three leaders; the message has the line that fixes it."""
    message = refusal(None, {**HOME, "KUBERNETES_SERVICE_HOST": "10.0.0.1"})

    assert "every pod would elect a leader of its own" in message
    assert "--at file://" in message


@pytest.mark.parametrize("origin", ["argument", "TENURE_URL"])
def test_L30_in_a_pod_an_explicit_file_url_is_meant(origin: str) -> None:
    """`file://` said on purpose works in a pod, with the warning."""
    pod = {**HOME, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    found = resolved("file://", pod) if origin == "argument" else resolved(None, {**pod, "TENURE_URL": "file://"})

    assert (found.path, found.origin) == (Path("/people/ada/.local/state/tenure"), origin)
    assert len(found.warnings) == 1


# ------------------------------------------------------------------------------------------------------------ file


def test_an_absolute_path_has_the_scope_of_the_host() -> None:
    """A directory that is named can be everybody's."""
    found = resolved("file:///srv/elections")

    assert (found.url, found.scope, found.path) == ("file:///srv/elections", "host", Path("/srv/elections"))


def test_equal_places_have_equal_urls() -> None:
    """Spellings of one directory resolve to one URL, so that one backend serves them."""
    spellings = (
        "file:///srv/my%20jobs",
        "FILE:///srv//my%20jobs/",
        "file://localhost/srv/./my%20jobs",
        "file:////srv/my%20jobs",
    )

    assert {resolved(url).url for url in spellings} == {"file:///srv/my%20jobs"}


def test_the_resolved_url_resolves_to_itself() -> None:
    """What is printed can be copied into another command."""
    for url in (None, "file:///srv/a%3Fb%23c", "file:///srv/x?poll=500ms", "memory://m?lease=90ms", "memory://"):
        found = resolved(url)
        again = resolved(found.url)
        assert again == msgspec.structs.replace(found, origin="argument")


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("file://locks/x", f"{Path.cwd().as_uri()}/locks/x"),
        ("file:locks", f"{Path.cwd().as_uri()}/locks"),
        ("./locks", f"{Path.cwd().as_uri()}/locks"),
        ("/srv/locks", "file:///srv/locks"),
        ("file:/srv/locks", "file:///srv/locks"),
        ("file://~/locks", "file:///people/ada/locks"),
        ("~/locks", "file:///people/ada/locks"),
        ("file://./locks", f"{Path.cwd().as_uri()}/locks"),
        ("file://my locks/x", f"{Path.cwd().as_uri()}/my%20locks/x"),
    ],
)
def test_L30_a_path_that_is_not_absolute_is_refused_with_the_one_that_was_meant(url: str, meant: str) -> None:
    """A relative directory would be another one in each working directory."""
    assert refusal(url).endswith(f"write {meant}")


@pytest.mark.parametrize("dots", ["..", "%2e%2e"])
def test_L30_a_path_with_dots_is_refused_with_the_kernels_reading_of_it(tmp_path: Path, dots: str) -> None:
    """After a symbolic link `..` is another directory for the kernel than in the text."""
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")

    assert refusal(f"{tmp_path.as_uri()}/link/{dots}/e").endswith(f"write {tmp_path.resolve().as_uri()}/far/e")
    assert "'..'" in refusal(f"lease:///srv/{dots}/e")


def test_a_path_without_a_scheme_is_told_how_a_url_begins() -> None:
    """An absolute path lacks nothing but its scheme, and the message says so."""
    assert refusal("/srv/el") == "a URL begins with file://; write file:///srv/el"
    assert refusal("foo") == f"a URL begins with file://; write {Path.cwd().as_uri()}/foo"
    assert refusal("file://foo") == f"a file:// URL needs an absolute path; write {Path.cwd().as_uri()}/foo"


@pytest.mark.parametrize("url", ["file:///", "file:////", "file:///.", "file:///tmp/../..", "file:///tmp/%2e%2e"])
def test_the_root_directory_is_refused(url: str) -> None:
    """One slash too many is more likely than elections in /, and no spelling of it gets past."""
    assert "is the root directory" in refusal(url)


def test_names_of_different_bytes_stay_different() -> None:
    """A name that is no UTF-8 is that name, not one with a replacement character that others share."""
    found = [resolved(f"file:///srv/{name}") for name in ("%ff", "%fe", "%EF%BF%BD", "\udcff")]

    assert [os.fsencode(each.path or "") for each in found] == [
        b"/srv/\xff",
        b"/srv/\xfe",
        b"/srv/\xef\xbf\xbd",
        b"/srv/\xff",
    ]
    assert resolved(found[0].url).path == found[0].path


@pytest.mark.parametrize("url", ["file:///tmp/\ud800", "file://\ud800", "/srv/\ud800", "file:///tmp/\ud800/%ff"])
def test_half_a_surrogate_pair_is_refused(url: str) -> None:
    """No file has such a name; it is no crash."""
    assert "surrogate" in refusal(url)


def test_L30_the_state_directory_is_private_however_it_is_written() -> None:
    """What the default was resolved to has the same scope when it is written out."""
    assert resolved(resolved(None).url).scope == resolved("file://").scope == "user"
    assert resolved("file:///srv/elections", {}).scope == "host"


# ---------------------------------------------------------------------------------------------------------- memory


def test_memory_has_a_name_a_lease_and_the_scope_of_the_process() -> None:
    """`memory://NAME?lease=...` in one spelling."""
    found = resolved("memory://test?lease=1500ms")

    assert (found.url, found.scope, found.name) == ("memory://test?lease=1.5s", "process", "test")


@pytest.mark.parametrize("url", ["memory://a/b", "memory://a,b", "memory://a:1", "memory://-a", "memory://a?lease=0"])
def test_a_memory_url_with_more_than_a_name_is_refused(url: str) -> None:
    """What means nothing is refused, never ignored."""
    assert refusal(url)


def test_one_name_is_one_service_in_a_process() -> None:
    """Two connections to `memory://name` meet; another name is another service."""

    async def meet() -> list[bool]:
        won = []
        for url in ("memory://meet", "memory://meet?lease=3s", "memory://apart"):
            candidate = Candidate(election="e", name=url, nonce=url)
            won.append(await connect(url).campaign(candidate, once=True) is not None)
        return won

    assert asyncio.run(meet()) == [True, False, True]


def test_connect_makes_what_was_resolved(tmp_path: Path) -> None:
    """The backend has the resolved URL and the lease of it; making it touches nothing."""
    memory = connect("memory://made?lease=2s")
    assert isinstance(memory, MemoryBackend)
    assert (memory.url, memory.capabilities.default_lease_s) == ("memory://made?lease=2s", 2.0)

    file = connect(f"{(tmp_path / 'elections').as_uri()}?poll=1s")
    assert file.capabilities.scope == "host"
    assert not (tmp_path / "elections").exists()


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("flie:///x", "did you mean file://?"),
        ("memry://x", "did you mean memory://?"),
        ("postgresql://x", "did you mean postgres://?"),
        ("gopher://x", "there is no backend gopher://"),
        ("memory://x?leas=5s", "did you mean lease?"),
        ("file:///x?pol=5s", "did you mean poll?"),
        ("file:///x?colour=red", "it has: poll"),
        ("memory://x?lease=5s&lease=6s", "twice"),
        ("memory://x?lease", "option=value"),
        ("memory://x?lease=soon", "is not a duration"),
        ("memory://ada@x", "no users"),
        ("memory://x#y", "'#'"),
        ("memory:x", "write memory://x"),
        ("etcd://h:99999", "write host, host:port or [IPv6 address]:port"),
        ("", "the URL is empty"),
        ("gibberish://", "there is no backend"),
        ("://x", "scheme://"),
    ],
)
def test_what_means_nothing_is_refused_with_a_hint(url: str, hint: str) -> None:
    """Each message says what to write instead."""
    assert hint in refusal(url)


@pytest.mark.parametrize(
    "scheme", ["cluster", "etcd", "kubernetes", "member", "nats", "postgres", "redis", "zookeeper"]
)
def test_a_later_backend_is_announced(scheme: str) -> None:
    """A scheme that is planned is told apart from one that is misspelt."""
    assert f"does not have {scheme}:// yet" in refusal(f"{scheme}://h1:1,h2/prefix")


@pytest.mark.parametrize(
    "url",
    [
        "redis://ada:hunter2@host",
        "postgres://:hunter2@host/db",
        "memory://ada:hunter2@x",
        "memory://ada%3Ahunter2@x",
        "file://ada:hunter2@host/x",
        "etcd://ada:hunter2",
        "unknown://ada:hunter2@x",
        "memory://x?password=hunter2",
        "memory://x?lease=1s&lease=hunter2",
        "ada:hunter2@host",
        "host?password=hunter2",
        "redis:ada:hunter2@host",
    ],
)
def test_a_password_is_refused_and_never_repeated(url: str) -> None:
    """Secrets do not belong in URLs, and no message carries one into a log."""
    assert "hunter2" not in refusal(url)


def test_a_url_of_a_service_is_taken_apart() -> None:
    """The form that the services to come will use: user, several hosts, ports, IPv6, prefix, options."""
    parsed = parse("etcd://ada%40home@h1:2379,[fe80::1]:2380,h3/pre/fix?a=1&b=x%20y")

    assert parsed.user == "ada@home"
    assert parsed.hosts == (Host("h1", 2379), Host("fe80::1", 2380), Host("h3"))
    assert (parsed.path, parsed.options) == ("/pre/fix", {"a": "1", "b": "x y"})


# ----------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["a", "0", "A.b_c-d", "x" * 128])
def test_a_good_name_is_returned(name: str) -> None:
    """Letters, digits, dot, underscore and hyphen, beginning with a letter or digit, up to 128."""
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nightly report", "try 'nightly-report'"),
        ("-x", "try 'x'"),
        (".hidden", "try 'hidden'"),
        ("a/b", "try 'a-b'"),
        ("../x", "try 'x'"),
        ("x" * 129, f"try '{'x' * 128}'"),
        ("a\n", "try 'a'"),
        ("größe", "try 'gr-e'"),
        ("", "begins with a letter or a digit"),
        ("٣", "begins with a letter or a digit"),
    ],
)
def test_a_bad_name_is_refused_with_one_that_works(name: str, hint: str) -> None:
    """The message has the rule, and a name near to the one that was tried."""
    with pytest.raises(ConfigurationError) as caught:
        checked_name(name)

    assert hint in str(caught.value)


def test_the_refusal_of_a_name_says_what_was_to_be_named() -> None:
    """A candidate's bad name is not told to be an election's; without a word on it, an election is meant."""
    with pytest.raises(ConfigurationError, match=r"^'-x' cannot name a candidate: "):
        checked_name("-x", what="a candidate")
    with pytest.raises(ConfigurationError, match=r"^'-x' cannot name an election: "):
        checked_name("-x")
