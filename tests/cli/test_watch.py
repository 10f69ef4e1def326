"""`tenure watch`: each change as it comes, the gap between leaders, and an end in good order."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tenure import BackendUnreachable, Leader, Led, Unknown, Vacant
from tenure.backends.memory import shared_service
from tenure.backends.memory.faults import Fail
from tenure.cli import main
from tenure.cli.connection import QUEUE_LIMIT, Views
from tenure.cli.watch import Gaps
from tests.cli.scene import (
    LIMIT_S,
    SUBJECT,
    TENURE,
    candidate,
    closed,
    eventually,
    leader,
    stands,
    started,
    tenure,
    tenure_as_subject,
)

A, B = (Led(Leader(candidate=name, token=token, metadata={})) for name, token in (("a", 1), ("b", 2)))
MS = 1_000_000


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that the command prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def test_each_change_is_a_line(url: str) -> None:
    """Vacant, led, vacant after a kill, led by the next: each with its view, the successor with the gap."""
    with started(*TENURE, "watch", "nightly", "--at", url, "-o", "jsonl") as watch:
        seen = [json.loads(line_of(watch))]
        with leader(url, "nightly", "a") as first, candidate(url, "nightly", "b"):
            eventually(lambda: stands(url, "nightly", "b"))
            while seen[-1]["leader"] is None:  # or the watcher, if it is slow, may see the next one only
                seen.append(json.loads(line_of(watch)))
            first.kill()
            while seen[-1]["leader"] is None or seen[-1]["leader"]["candidate"] != "b":
                seen.append(json.loads(line_of(watch)))

    assert seen[0] | {"time": ""} == {
        "time": "",
        "election": "nightly",
        "view": "vacant",
        "leader": None,
        "gap_ms": None,
        "for_s": None,
        "last": None,
        "last_view": None,
        "error": None,
    }
    tokens = [one["leader"]["token"] for one in seen if one["leader"] is not None]
    assert sorted(set(tokens)) == tokens == [1, 2]
    gap_ms = seen[-1]["gap_ms"]
    if seen[-2]["view"] == "vacant":  # else the vacancy was too short to be seen
        assert 0 < gap_ms < LIMIT_S * 1000


def test_the_table_says_it_in_words(url: str) -> None:
    """One line for people: when, what, who with which token."""
    with leader(url, "nightly", "a"):
        shown = tenure("watch", "nightly", "--at", url, "--count", "1")

    (line,) = shown.out.splitlines()
    assert shown.code == 0
    assert line.endswith("  nightly  led by a (token 1)")


def test_json_is_one_document(url: str) -> None:
    """`-o json` prints an array when it ends."""
    shown = tenure("watch", "nightly", "--at", url, "--for", "50ms", "-o", "json")

    assert shown.code == 0
    assert [one["view"] for one in shown.json()] == ["vacant"]


def test_it_ends_after_its_time(url: str) -> None:
    """`--for`, also as TENURE_WATCH_FOR, ends it with 0 though nothing changes."""
    assert tenure("watch", "nightly", "--at", url, TENURE_WATCH_FOR="50ms").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(url: str, number: signal.Signals) -> None:
    """SIGINT and SIGTERM end it with 128 + signal, and no word but what it had to say."""
    with started(*TENURE, "watch", "nightly", "--at", url, "-q") as watch:
        line_of(watch)
        watch.send_signal(number)
        _, said = watch.communicate(timeout=LIMIT_S)

    assert (watch.returncode, said) == (128 + number, "")


def test_it_ends_when_its_reader_has_gone(url: str) -> None:
    """Like `watch | head -1`: quiet, at once and with 141, though nothing changes any more."""
    read_end, write_end = os.pipe()
    with subprocess.Popen(
        [*TENURE, "watch", "x", "--at", url, "-q"], stdout=write_end, stderr=subprocess.PIPE
    ) as watch:
        try:
            os.close(write_end)
            assert os.read(read_end, 100)
            os.close(read_end)
            _, said = watch.communicate(timeout=LIMIT_S)
        finally:
            watch.kill()

    assert (watch.returncode, said) == (141, b"")


def test_L11_it_says_unknown_instead_of_the_old_leader(url: str, tmp_path: Path) -> None:
    """When the place cannot be read any more, the line says unknown, and names the leader only as last seen."""
    place = tmp_path / "elections" / "nightly"
    with (
        leader(url, "nightly", "a") as process,
        started(*TENURE, "watch", "nightly", "--at", url, "-o", "jsonl") as watch,
    ):
        assert json.loads(line_of(watch))["view"] == "led"
        process.send_signal(signal.SIGSTOP)  # else it makes the place anew
        place.rename(place.with_name("moved"))
        place.write_text("no directory")
        while (change := json.loads(line_of(watch)))["view"] != "unknown":
            assert change["view"] == "vacant"

    assert change["leader"] is None
    assert change["last"] is None or change["last"]["candidate"] == "a"
    assert change["for_s"] >= 0
    assert change["last_view"] is not None


def test_a_first_look_that_is_refused_ends_it(url: str, tmp_path: Path) -> None:
    """Code 77 with the reason, and not a line on stdout: no later look would fare better."""
    with leader(url, "nightly", "a"), closed(tmp_path / "elections" / "nightly"):
        watch = tenure_as_subject("watch", "nightly", "--at", url)

    assert (watch.code, watch.out) == (77, "")
    assert "Permission denied" in watch.err


def test_an_outage_is_one_line_with_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    """However often it is asked again within the time that it watches."""
    faults = shared_service("cli-outage").faults
    for operation in ("read", "watch"):
        faults.add(operation, Fail(BackendUnreachable("no route to the service")))

    code = main(["watch", "nightly", "--at", "memory://cli-outage", "--for", "1s"])

    assert code == 0
    (line,) = capfd.readouterr().out.splitlines()
    assert line.endswith("  nightly  unknown: no route to the service; never seen before")
    assert faults.count("watch") > 1


def test_a_refusal_after_the_first_look_is_only_told(url: str, tmp_path: Path) -> None:
    """What was readable once may be so again: the watch goes on, and says what is so."""
    place = tmp_path / "elections" / "nightly"
    with (
        leader(url, "nightly", "a"),
        started(sys.executable, "-c", SUBJECT, *TENURE, "watch", "nightly", "--at", url) as watch,
    ):
        assert "led by a" in line_of(watch)
        with closed(place):
            assert re.search("unknown: .*Permission denied.*; last seen .* s ago: a .token 1.", line_of(watch))
        assert "led by a" in line_of(watch)


@pytest.mark.parametrize(
    ("views", "gap_ms"),
    [
        ([A, Vacant(), B], 10.0),
        ([A, Vacant(), Vacant(), B], 20.0),
        ([A, B], None),
        ([Vacant(), A], None),
        ([A, Vacant(), Unknown(Vacant(), 1.0), Vacant(), B], None),
        ([A, Unknown(A, 1.0), B], None),
    ],
    ids=["a vacancy", "told twice", "none seen", "before the first", "an outage within", "an outage between"],
)
def test_a_gap_is_only_told_where_it_was_seen(views: list[Led | Vacant | Unknown], gap_ms: float | None) -> None:
    """From the first vacancy after a leader to the next leader; nothing is guessed across an outage."""
    gaps = Gaps()

    told = [gaps.see(10 * MS * number, view) for number, view in enumerate(views)]

    assert told[-1] == gap_ms
    assert told[:-1] == [None] * (len(views) - 1)


def test_a_slow_reader_does_not_fill_the_memory() -> None:
    """Of more views than the limit the oldest go."""
    views = Views()

    for _ in range(QUEUE_LIMIT + 1):
        views.put(Vacant())
    views.put(A)

    now_ns = time.monotonic_ns()
    taken = [views.next(now_ns) for _ in range(QUEUE_LIMIT)]
    assert taken[-1] is not None
    assert taken[-1][1] == A
    assert views.next(now_ns) is None
