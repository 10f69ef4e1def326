"""What the commands share that speak with a running cluster: where it is, with which certificate, for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from tenure.cli.options import DURATION, talk_options
from tenure.runtime.operators import Operators
from tenure.transports.tls import Tls

T = TypeVar("T")
_F = TypeVar("_F", bound=Callable[..., Any])


class Reaching(NamedTuple):
    """How to reach a cluster."""

    addresses: list[str]
    name: str
    tls: Tls | None
    allow_plain: bool
    within_s: float

    def run(self, do: Callable[[Operators], Awaitable[T]]) -> T:
        """Do something with the cluster. Raises Unreachable, ConfigurationError, and what `do` raises."""

        async def whole() -> T:
            operators = Operators(self.addresses, name=self.name, tls=self.tls, allow_plain=self.allow_plain)
            await operators.open(within_s=self.within_s)
            try:
                return await do(operators)
            finally:
                await operators.close()

        return asyncio.run(whole())


def reaching_options(function: _F) -> _F:
    """Give a command what it needs to reach a cluster, as its parameter `reaching`."""

    @talk_options
    @click.option(
        "--at",
        envvar="TENURE_CLUSTER_AT",
        required=True,
        metavar="ADDRESS[,ADDRESS...]",
        help="Some nodes of the cluster, host:port or unix:/path. Default: $TENURE_CLUSTER_AT.",
    )
    @click.option("--wait", "within_s", type=DURATION, default="10s", show_default=True, help="How long all may take.")
    @click.option("--cluster", envvar="TENURE_CLUSTER_CLUSTER", default="tenure", show_default=True, help="Its name.")
    @click.option(
        "--client",
        envvar="TENURE_CLUSTER_CLIENT",
        default="operator",
        show_default=True,
        help="What this client calls itself; with TLS, as its certificate names it.",
    )
    @click.option("--ca", envvar="TENURE_CLUSTER_CA", type=_PATH, metavar="FILE", help="TLS: the authority of all.")
    @click.option("--cert", envvar="TENURE_CLUSTER_CERT", type=_PATH, metavar="FILE", help="TLS: this client's.")
    @click.option("--key", envvar="TENURE_CLUSTER_KEY", type=_PATH, metavar="FILE", help="TLS: its private key.")
    @click.option(
        "--allow-plain",
        envvar="TENURE_CLUSTER_ALLOW_PLAIN",
        is_flag=True,
        help="Speak with other machines without TLS: on a closed network only.",
    )
    def reaching(
        *args: Any,
        at: str,
        within_s: float,
        cluster: str,
        client: str,
        ca: Path | None,
        cert: Path | None,
        key: Path | None,
        allow_plain: bool,
        **others: Any,
    ) -> Any:
        tls = tls_of(ca, cert, key, cluster)
        addresses = [address.strip() for address in at.split(",") if address.strip()]
        return function(*args, reaching=Reaching(addresses, client, tls, allow_plain, within_s), **others)

    reaching.__name__, reaching.__doc__ = function.__name__, function.__doc__
    params = getattr(function, "__click_params__", [])
    reaching.__click_params__ = [*params, *reaching.__click_params__]  # type: ignore[attr-defined]  # click's own place for them
    return reaching  # type: ignore[return-value]  # but for the parameter that it puts in


_PATH = click.Path(path_type=Path)


def tls_of(ca: Path | None, cert: Path | None, key: Path | None, cluster: str) -> Tls | None:
    """The three files, or None for none of them. Raises UsageError for some of them."""
    if ca is None and cert is None and key is None:
        return None
    if ca is None or cert is None or key is None:
        raise click.UsageError("TLS needs all three: --ca, --cert and --key")
    return Tls(authority=ca, certificate=cert, key=key, cluster=cluster)
