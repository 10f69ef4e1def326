"""kazoo's Election at its defaults (session time-out 10 s)."""

import sys

from kazoo.client import KazooClient

from benchmarks.candidates import leading, until_told, waiting


def body() -> None:
    """What only the leader does."""
    leading()
    until_told()


client = KazooClient(hosts=sys.argv[1])
client.start()
waiting()
client.Election(f"/bench-{sys.argv[2]}").run(body)
client.stop()
