"""From a URL to a backend: what was meant, who takes part, and what is refused because it would elect too many.

The hazard is a silent scope (L30): another container, or another user's directory, and everybody leads. So whatever is
resolved says its scope, and a guess that would be wrong is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tenure.backends.base import Backend, Scope
from tenure.backends.surroundings import Surroundings
from tenure.backends.url import Host, ParsedUrl, checked_name, decoded, may_be_shown, nearest, parse
from tenure.durations import seconds
from tenure.errors import ConfigurationError

__all__ = ["Resolved", "checked_name", "connect", "resolve"]

URL_VARIABLE = "TENURE_URL"
_OPTIONS: Mapping[str, tuple[str, ...]] = {"file": ("poll",), "lease": ("lease", "poll"), "memory": ("lease",)}
_DIRECTORIES = ("file", "lease")
_LATER = ("cluster", "etcd", "kubernetes", "member", "nats", "postgres", "redis", "zookeeper")
_HERE = "file://, lease:// and memory://"


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL, or none, means here. `url` is complete and without a secret: equal ones share one backend."""

    url: str
    scheme: str
    scope: Scope
    origin: str
    """Where it came from: "argument", "TENURE_URL" or "default"."""
    path: Path | None = None
    name: str = ""
    hosts: tuple[Host, ...] = ()
    options: Mapping[str, float] = {}
    """Durations, in seconds."""
    warnings: tuple[str, ...] = ()
    """What the user should know about the scope; to be printed beside it."""


def resolve(
    url: str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> Resolved:
    """Say what `url` means; without one TENURE_URL counts, and without that the user's state directory.

    `environment` and `root` are for tests.
    Raises ConfigurationError for what cannot be meant, with what to write instead.
    """
    around = Surroundings(environment, root)
    given, origin = url, "argument"
    if given is None:
        given, origin = around.environment.get(URL_VARIABLE) or None, URL_VARIABLE
    if given is None:
        return _default(around)
    try:
        return _given(given, origin, around)
    except ConfigurationError as error:
        if origin == URL_VARIABLE:
            raise ConfigurationError(f"{error} (this URL comes from {URL_VARIABLE})") from None
        raise


def connect(
    url: str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> Backend:
    """Make the backend that `resolve` of the same arguments describes; nothing is sent or opened for it yet.

    Raises ConfigurationError as `resolve` does.
    """
    resolved = resolve(url, environment=environment, root=root)
    if resolved.scheme == "memory":
        from tenure.backends.memory import DEFAULT_LEASE_S, MemoryBackend, shared_service

        leases_s = resolved.options.get("lease", DEFAULT_LEASE_S)
        return MemoryBackend(shared_service(resolved.name), lease=leases_s, url=resolved.url)
    assert resolved.path is not None, "the URL of a directory was resolved without its path"
    if resolved.scheme == "lease":
        from tenure.backends.lease import DEFAULT_LEASE_S, DEFAULT_POLL_S, open_lease

        lease_s, poll_s = resolved.options.get("lease", DEFAULT_LEASE_S), resolved.options.get("poll", DEFAULT_POLL_S)
        return open_lease(resolved.path, lease_s=lease_s, poll_s=poll_s, scope=resolved.scope)
    from tenure.backends.file import DEFAULT_POLL_S, open_file

    return open_file(resolved.path, poll_s=resolved.options.get("poll", DEFAULT_POLL_S), scope=resolved.scope)


def _given(given: str, origin: str, around: Surroundings) -> Resolved:
    if "://" not in given:
        _refuse_path(given, around)
    scheme = given.partition("://")[0].lower()
    if scheme in _DIRECTORIES and may_be_shown(given):
        rest = given[len(f"{scheme}://") :]
        if rest and rest[0] not in "/?" and rest.partition("/")[0] != "localhost":
            _refuse_path(decoded(scheme, rest), around, f"a {scheme}:// URL needs an absolute path", scheme=scheme)
    parsed = parse(given)
    if parsed.scheme not in _OPTIONS:
        _refuse_scheme(parsed.scheme)
    for option in parsed.options:
        if option not in _OPTIONS[parsed.scheme]:
            known = ", ".join(_OPTIONS[parsed.scheme])
            hint = nearest(option, _OPTIONS[parsed.scheme])
            raise ConfigurationError(f"{parsed.scheme}:// has no option {option!r}{hint} (it has: {known})")
    if parsed.user is not None:
        raise ConfigurationError(f"{parsed.scheme}:// has no users; take everything up to the '@' out of the URL")
    return _memory(parsed, origin) if parsed.scheme == "memory" else _directory(parsed, origin, around)


def _default(around: Surroundings) -> Resolved:
    if around.is_pod():
        raise ConfigurationError(
            f"no URL was given, and this is a Kubernetes pod: the default keeps elections inside one container, so "
            f"every pod would elect a leader of its own. Give the URL of something that all pods share (--at URL, or "
            f"{URL_VARIABLE}); if one leader in each container is what you want, say so with: --at file://"
        )
    return _directory(ParsedUrl(scheme="file", user=None, hosts=(), path="", options={}), "default", around)


def _memory(parsed: ParsedUrl, origin: str) -> Resolved:
    if parsed.path.strip("/") or len(parsed.hosts) > 1 or any(host.port for host in parsed.hosts):
        raise ConfigurationError("memory:// is followed by one name and nothing else, such as memory://test")
    name = checked_name(parsed.hosts[0].name if parsed.hosts else "default")
    if "lease" not in parsed.options:
        return Resolved(url=f"memory://{name}", scheme="memory", scope="process", origin=origin, name=name)
    lease_s = seconds(parsed.options["lease"])
    if lease_s <= 0:
        raise ConfigurationError("a lease of 0 ends before it begins; give something like lease=15s")
    return Resolved(
        url=f"memory://{name}?lease={_plain(lease_s)}s",
        scheme="memory",
        scope="process",
        origin=origin,
        name=name,
        options={"lease": lease_s},
    )


def _directory(parsed: ParsedUrl, origin: str, around: Surroundings) -> Resolved:
    """A directory of this host, for `file://` or `lease://`."""
    scheme = parsed.scheme
    if parsed.hosts and parsed.hosts != (Host("localhost"),):
        raise ConfigurationError(f"{scheme}:// has no hosts: it is this host; write {scheme}:///absolute/path")
    place = f"/{os.path.normpath(parsed.path).lstrip('/')}" if parsed.path else ""  # as the backend takes it
    if place == "/":
        instead = "write file:// for your state directory, or " if scheme == "file" else "write "
        raise ConfigurationError(f"{scheme}:/// is the root directory; {instead}{scheme}:///absolute/path")
    if not place and scheme != "file":
        raise ConfigurationError(
            f"{scheme}:// needs a directory, shared by all who take part; write {scheme}:///absolute/path"
        )
    if "\0" in parsed.path:
        raise ConfigurationError(
            f"the path in the {scheme}:// URL contains a zero byte; no file system has such a name"
        )
    if ".." in parsed.path.split("/"):
        real = Path(os.path.realpath(parsed.path)).as_uri().removeprefix("file")
        raise ConfigurationError(
            f"the path in the {scheme}:// URL contains '..', which leads elsewhere where a symbolic link comes before "
            f"it; write {scheme}{real}"
        )
    path = Path(place) if place else around.state_directory()
    is_own = not parsed.path or around.is_state_directory(path)  # written out it is as private as it is by default
    options = _durations(parsed)
    query = "&".join(f"{name}={_plain(duration_s)}s" for name, duration_s in options.items())
    return Resolved(
        url=f"{scheme}{path.as_uri().removeprefix('file')}{'?' if query else ''}{query}",
        scheme=scheme,
        scope="user" if is_own else "host",
        origin=origin,
        path=path,
        options=options,
        warnings=_file_warnings(path, around, is_own=is_own),
    )


def _durations(parsed: ParsedUrl) -> dict[str, float]:
    """The options, checked, in one order, so that equal URLs are written alike."""
    options = {name: seconds(parsed.options[name]) for name in _OPTIONS[parsed.scheme] if name in parsed.options}
    if options.get("poll") == 0:
        raise ConfigurationError("poll=0 would look all the time; give something like poll=2s")
    if "lease" in options:
        from tenure.backends.lease import MIN_LEASE_S

        if options["lease"] < MIN_LEASE_S:
            raise ConfigurationError(
                f"lease:// gives no lease below {MIN_LEASE_S:g} s, for one renewal has a twelfth of that; give "
                f"something like lease=15s"
            )
    return options


def _file_warnings(path: Path, around: Surroundings, *, is_own: bool) -> tuple[str, ...]:
    told_by = around.container()
    if told_by is None:
        return ()
    outside = "every other container elects a leader of its own"
    if is_own:
        scope = f"only processes of this container take part in elections under {path}"
    else:
        scope = f"unless {path} is a directory of the host, only processes of this container take part"
    return (f"this is a container ({told_by}): {scope}, and {outside}",)


def _plain(duration_s: float) -> str:
    return f"{duration_s:.9f}".rstrip("0").rstrip(".")


def _refuse_scheme(scheme: str) -> None:
    if scheme in _LATER:
        raise ConfigurationError(f"this version of tenure does not have {scheme}:// yet; it has {_HERE}")
    hint = nearest(scheme, [*_OPTIONS, *_LATER], "{}://")
    raise ConfigurationError(f"there is no backend {scheme}://{hint} (this version has {_HERE})")


def _refuse_path(
    text: str, around: Surroundings, what: str = "a URL begins with file://", *, scheme: str = "file"
) -> None:
    """Refuse a path without a scheme, or one that is not absolute, with the URL that was probably meant."""
    if not text:
        raise ConfigurationError("the URL is empty; write one such as file:///absolute/path, or give none")
    if not may_be_shown(text):
        raise ConfigurationError("what was given is no URL of a backend; write scheme://..., such as file:///path")
    for other in ("memory", *_LATER):
        if text.startswith(f"{other}:"):
            rest = text.removeprefix(f"{other}:").lstrip("/")
            raise ConfigurationError(f"after {other}: two slashes are missing; write {other}://{rest}")
    if text.startswith("lease:"):
        scheme, what, text = "lease", "a URL begins with lease://", text.removeprefix("lease:")
    text = text.removeprefix("file:")
    home = around.environment.get("HOME")
    if home and (text == "~" or text.startswith("~/")):
        text = home + text[1:]
    try:
        meant = Path(os.path.abspath(decoded("file", text, quoted=False))).as_uri()  # noqa: PTH100 -- resolve() would follow links; only a hint is wanted
    except FileNotFoundError:  # the working directory was removed
        meant = "file:///absolute/path"
    raise ConfigurationError(f"{what}; write {scheme}{meant.removeprefix('file')}")
