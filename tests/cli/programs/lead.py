"""Stands for an election until it is killed; prints a line for each tenure: lead.py URL NAME CANDIDATE [VALUE]."""

from __future__ import annotations

import sys

from tenure.blocking import Election, Tenure

url, name, candidate, *value = sys.argv[1:]
metadata = {"host": "web-1", "note": "\033[31mred\n"}


def job(tenure: Tenure) -> None:
    """Lead until the tenure is lost."""
    if value:
        tenure.publish(value[0])
    print(tenure.token, flush=True)  # noqa: T201  the test waits for this line
    tenure.wait_lost()


Election(name, url, candidate=candidate, metadata=metadata).run(job)
