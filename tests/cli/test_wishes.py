"""`tenure resign` and `tenure transfer`: asked, followed until it has come true, and told as it is."""

from __future__ import annotations

import signal
from pathlib import Path
from urllib.parse import urlsplit

from tests.cli.scene import candidate, eventually, leader, stands, tenure


def test_resign_hands_over_to_the_next(url: str) -> None:
    """Code 0, and who led and who leads."""
    with leader(url, "nightly", "a"), candidate(url, "nightly", "b"):
        eventually(lambda: stands(url, "nightly", "b"))
        done = tenure("resign", "nightly", "--at", url)

    assert done.code == 0
    assert done.out == "led    a (token 1)\nleads  b (token 2)\n"


def test_resign_without_a_successor(url: str) -> None:
    """A candidate that stands again at once is its own successor, with a new token."""
    with leader(url, "nightly", "a"):
        done = tenure("resign", "nightly", "--at", url, "-o", "json")

    outcome = done.json()
    assert (done.code, outcome["obeyed"], outcome["led"]["token"]) == (0, True, 1)
    assert outcome["leads"] is None or outcome["leads"]["token"] == 2


def test_transfer_hands_over_to_whom_it_was_told(url: str) -> None:
    """Not the first in the queue, but the named one leads; the JSON has every key of the reference."""
    with leader(url, "nightly", "a"), candidate(url, "nightly", "b"), candidate(url, "nightly", "c"):
        eventually(lambda: stands(url, "nightly", "b") and stands(url, "nightly", "c"))
        done = tenure("transfer", "nightly", "--to", "c", "--at", url, "-o", "jsonl")

    outcome = done.json()
    assert done.code == 0
    assert set(outcome) == {"election", "obeyed", "led", "leads", "waited_ms"}
    assert (outcome["led"]["candidate"], outcome["leads"]["candidate"]) == ("a", "c")
    assert outcome["waited_ms"] > 0


def test_transfer_to_the_leader_changes_nothing(url: str) -> None:
    """Code 0: what was wished for is so."""
    with leader(url, "nightly", "a"):
        done = tenure("transfer", "nightly", "--to", "a", "--at", url)

    assert done.code == 0
    assert "leads already" in done.err


def test_transfer_to_a_name_that_leads_already_moves_nothing_to_another_of_that_name(url: str) -> None:
    """Of two candidates with one name either will do, so nothing is asked of the one that leads: no wish is left."""
    with leader(url, "nightly", "same"), candidate(url, "nightly", "same"):
        eventually(lambda: stands(url, "nightly", "same"))
        done = tenure("transfer", "nightly", "--to", "same", "--at", url, "-o", "json")
        wish = Path(urlsplit(url).path, "nightly", "wish")
        is_asked = wish.exists()
        after = tenure("status", "nightly", "--at", url, "-o", "json").json()

    assert done.code == 0
    assert "nothing was asked" in done.err
    assert not is_asked
    assert after["elections"][0]["leader"]["token"] == done.json()["leads"]["token"] == 1


def test_transfer_to_nobody_is_refused(url: str) -> None:
    """Code 78 for a candidate that does not stand; the leader leads on."""
    with leader(url, "nightly", "a"):
        done = tenure("transfer", "nightly", "--to", "z", "--at", url)
        after = tenure("status", "nightly", "--at", url, "-o", "json").json()

    assert (done.code, done.out) == (78, "")
    assert "'z' does not stand" in done.err
    assert after["elections"][0]["leader"]["token"] == 1


def test_nobody_leads(url: str) -> None:
    """Code 3, from both."""
    for arguments in (("resign", "nightly"), ("transfer", "nightly", "--to", "a")):
        done = tenure(*arguments, "--at", url)

        assert (done.code, done.out) == (3, "")
        assert "nobody leads 'nightly'" in done.err


def test_a_leader_that_does_not_obey_in_time(url: str) -> None:
    """Code 124 for a leader that is stopped and keeps its lock; it is still named as the leader."""
    with leader(url, "nightly", "a") as process:
        process.send_signal(signal.SIGSTOP)
        done = tenure("resign", "nightly", "--wait", "200ms", "--at", url, "-o", "json")

    outcome = done.json()
    assert (done.code, outcome["obeyed"], outcome["leads"]) == (124, False, outcome["led"])
    assert "within 0.2 s" in done.err


def test_a_wish_may_be_left_without_waiting(url: str) -> None:
    """`--wait 0` ends at once with 0; the wish comes true later, also for a leader that slept."""
    with leader(url, "nightly", "a") as process, candidate(url, "nightly", "b"):
        eventually(lambda: stands(url, "nightly", "b"))
        process.send_signal(signal.SIGSTOP)
        done = tenure("resign", "nightly", "--wait", "0", "--at", url)
        process.send_signal(signal.SIGCONT)

        assert done.code == 0
        assert "was asked" in done.err
        eventually(lambda: tenure("status", "nightly", "--at", url, "-o", "json").json()["elections"][0]["token"] == 2)
