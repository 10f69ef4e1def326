"""`tenure cluster certificates`: an authority of one's own, and certificates of it, for development."""

from __future__ import annotations

from pathlib import Path

import click

from tenure.cli.exits import Exit
from tenure.cli.options import output_option, talk_options
from tenure.cli.output import Format, document, line_of_json, rows

DAY_S = 24 * 3600


@click.command("certificates")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="A node; say it for each. Default: a, b and c.")
@click.option("--client", "clients", multiple=True, metavar="NAME", help="A client; default: operator.")
@click.option("--cluster", envvar="TENURE_CLUSTER_CLUSTER", default="tenure", show_default=True, help="Its name.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long they are valid.")
@output_option
@talk_options
def certificates(
    directory: Path, nodes: tuple[str, ...], clients: tuple[str, ...], *, cluster: str, days: int, output: Format
) -> int:
    """Make an authority in DIR, unless it has one, and a certificate and a key of it for each node and client.

    For development: whoever reads DIR can speak as any node. It needs the extra: pip install 'tenure[certificates]'.
    """
    from tenure.transports.certificates import make_certificates

    made = make_certificates(
        directory, cluster, nodes or ("a", "b", "c"), clients=clients or ("operator",), valid_s=days * DAY_S
    )
    found = [
        {"for": name, "ca": str(tls.authority), "cert": str(tls.certificate), "key": str(tls.key)}
        for name, tls in made.items()
    ]
    if output == "json":
        document(found)
    elif output == "jsonl":
        for one in found:
            line_of_json(one)
    else:
        rows([("FOR", "CA", "CERT", "KEY"), *(tuple(one.values()) for one in found)])
    return Exit.DONE
