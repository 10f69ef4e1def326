"""`tenure status`: who leads, where that was looked up, and never an answer that nobody can vouch for."""

from __future__ import annotations

import json
import math
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tenure import BackendUnreachable
from tenure.backends.memory import shared_service
from tenure.backends.memory.faults import Fail
from tenure.cli import main
from tenure.cli.output import when
from tests.cli.scene import candidate, closed, eventually, leader, stands, tenure, tenure_as_subject


def test_somebody_leads(url: str) -> None:
    """Code 0, and the leader with its token, metadata and value, since when it leads, and where it was looked up."""
    before = datetime.now(UTC).replace(microsecond=0)
    with leader(url, "nightly", "a", "10.0.0.1:80"):
        shown = tenure("status", "nightly", "--at", url)
        listed = tenure("status", "--at", url)

    assert shown.code == 0
    lines = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in shown.out.splitlines()}
    assert lines["leader"] == "a"
    assert before <= datetime.fromisoformat(lines["since"]) <= datetime.now(UTC)
    assert lines["since"] in listed.out
    assert lines["token"] == "1"
    assert lines["host"] == "web-1"
    assert lines["value"] == "10.0.0.1:80"


def test_what_others_wrote_cannot_steer_the_terminal(url: str) -> None:
    """Escape sequences and line ends in metadata are shown, not obeyed."""
    with leader(url, "nightly", "a"):
        shown = tenure("status", "nightly", "--at", url)

    assert "\033" not in shown.out
    assert "\\x1b[31mred\\n" in shown.out


def test_the_json_is_stable(url: str) -> None:
    """`-o json` prints one document with every key of the reference, on stdout alone."""
    with leader(url, "nightly", "a", "v"), candidate(url, "nightly", "b"):
        eventually(lambda: stands(url, "nightly", "b"))
        shown = tenure("status", "nightly", "--at", url, "-o", "json").json()

    assert isinstance(shown["elections"][0]["leader"].pop("since"), float)
    metadata = {"host": "web-1", "note": "\033[31mred\n"}
    assert {**shown["at"], "warnings": []} == {
        "url": url,
        "origin": "argument",
        "scope": "host",
        "grade": "B",
        "warnings": [],
    }
    assert shown["elections"] == [
        {
            "election": "nightly",
            "state": "led",
            "leader": {"candidate": "a", "token": 1, "metadata": metadata, "value": "v", "warning": ""},
            "token": 1,
            "candidates": [{"candidate": "b", "priority": 0, "metadata": metadata}],
            "warning": "",
            "error": None,
        }
    ]


@pytest.mark.parametrize("since", [None, math.nan, math.inf, 1e300, -1e300])
def test_what_is_no_time_is_shown_as_none(since: float | None) -> None:
    """Another process wrote it, and it may be any number."""
    assert when(since) == "-"


def test_nobody_leads(url: str) -> None:
    """Code 3, and a hint that the name or the URL may be wrong where nobody ever stood."""
    shown = tenure("status", "nightly", "--at", url)

    assert shown.code == 3
    assert "vacant" in shown.out
    assert f"nobody ever stood for 'nightly' at {url}" in shown.err


def test_a_place_can_be_looked_at_without_making_it(url: str, tmp_path: Path) -> None:
    """Looking leaves nothing behind."""
    tenure("status", "nightly", "--at", url)

    assert list(tmp_path.iterdir()) == []


def test_without_a_name_all_are_listed(url: str) -> None:
    """Every election of the place; code 3, as not each of them is led."""
    with leader(url, "two", "a"):
        with leader(url, "one", "a"):
            every = tenure("status", "--at", url)
            both = tenure("status", "two", "one", "--at", url)
        some = tenure("status", "--at", url, "-o", "jsonl")

    assert (every.code, both.code, some.code) == (0, 0, 3)
    assert [line.split()[:3] for line in every.out.splitlines()[1:3]] == [["one", "led", "a"], ["two", "led", "a"]]
    assert [line.split()[0] for line in both.out.splitlines()[1:3]] == ["two", "one"]
    lines = [json.loads(line) for line in some.out.splitlines()]
    assert [(line["election"], line["state"], line["at"]) for line in lines] == [
        ("one", "vacant", url),
        ("two", "led", url),
    ]


def test_an_empty_place_has_nothing_to_list(url: str) -> None:
    """Code 3, and it says so."""
    shown = tenure("status", "--at", url)

    assert shown.code == 3
    assert "nobody ever stood" in shown.err


def test_an_election_that_may_not_be_read_is_listed_as_unknown(url: str, tmp_path: Path) -> None:
    """Code 77, and the others are shown all the same: somebody may lead where this user may not look."""
    with leader(url, "mine", "a"), leader(url, "theirs", "a"), closed(tmp_path / "elections" / "theirs"):
        every = tenure_as_subject("status", "--at", url)
        one = tenure_as_subject("status", "theirs", "--at", url)

    assert (every.code, one.code) == (77, 77)
    assert [line.split()[:2] for line in every.out.splitlines()[1:3]] == [["mine", "led"], ["theirs", "unknown"]]
    assert "Permission denied" in every.err
    assert "Give this user read access" in one.err  # to look; who stands needs more
    assert "nobody ever stood" not in every.err


def test_a_place_that_may_not_be_read_is_not_empty(url: str, tmp_path: Path) -> None:
    """Code 77, for nobody knows what is in there."""
    with leader(url, "theirs", "a"), closed(tmp_path / "elections"):
        every = tenure_as_subject("status", "--at", url)

    assert every.code == 77
    assert "nobody ever stood" not in every.err


def test_a_stopped_leader_is_said_to_be_stopped(url: str) -> None:
    """It leads on, for nobody replaces it here; in the table and in JSON, until it is continued."""
    with leader(url, "nightly", "a") as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        one = tenure("status", "nightly", "--at", url)
        every = tenure("status", "--at", url)
        (seen,) = tenure("status", "nightly", "--at", url, "-o", "json").json()["elections"]
        process.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, process.pid, os.WCONTINUED)
        (later,) = tenure("status", "nightly", "--at", url, "-o", "json").json()["elections"]

    said = f"process {process.pid} is stopped (SIGSTOP or Ctrl-Z)"
    assert (one.code, one.err) == (0, "")
    assert said in one.out
    assert said in every.out
    assert seen["state"] == "led"
    assert said in seen["leader"]["warning"]
    assert f"kill -CONT {process.pid}" in seen["leader"]["warning"]
    assert later["leader"]["warning"] == ""


def test_two_of_one_name_are_told_apart(url: str) -> None:
    """Each bears its number, the leader too."""
    with leader(url, "nightly", "a"), candidate(url, "nightly", "a"), candidate(url, "nightly", "b"):
        eventually(lambda: stands(url, "nightly", "a") and stands(url, "nightly", "b"))
        shown = tenure("status", "nightly", "--at", url).out

    assert "a (1 of 2 of this name)" in shown
    assert "a (2 of 2 of this name)" in shown
    assert "b  (" not in shown
    assert "b (" not in shown


def test_L11_an_unreachable_backend_is_never_answered_with_an_old_leader(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Code 69, and "unknown" instead of anybody's name."""
    service = shared_service("cli-unreachable")
    service.faults.add("read", Fail(BackendUnreachable("no route to the service")))

    code = main(["status", "nightly", "--at", "memory://cli-unreachable", "-o", "json"])

    assert code == 69
    shown, said = capsys.readouterr()
    (seen,) = json.loads(shown)["elections"]
    assert (seen["state"], seen["leader"], seen["token"]) == ("unknown", None, None)
    assert "no route to the service" in seen["error"]
    assert "no route to the service" in said


def test_L30_the_scope_is_shown(url: str, tmp_path: Path) -> None:
    """Who takes part is printed beside what was resolved: this user's processes by default, else this host's."""
    own = tenure("status", "nightly", XDG_STATE_HOME=str(tmp_path))
    shared = tenure("status", "nightly", TENURE_URL=url)

    assert re.search(rf"{(tmp_path / 'tenure').as_uri()} \(scope user.*, grade B, from default\)", own.out)
    assert re.search(rf"{url} \(scope host.*, grade B, from TENURE_URL\)", shared.out)


def test_L30_a_pod_is_not_given_an_election_of_its_own(tmp_path: Path) -> None:
    """In a Kubernetes pod the bare default is refused, with the line that fixes it."""
    shown = tenure("status", "nightly", XDG_STATE_HOME=str(tmp_path), KUBERNETES_SERVICE_HOST="10.0.0.1")

    assert shown.code == 78
    assert "--at file://" in shown.err


def test_L30_a_container_is_told_of(url: str) -> None:
    """Who stands in a container is warned that the scope is this container; who looks sees it beside the URL."""
    stands = tenure("run", "nightly", "--at", url, "--", "true", container="podman")
    looks = tenure("status", "nightly", "--at", url, container="podman")
    asks = tenure("status", "nightly", "--at", url, "-o", "json", container="podman")

    assert "this is a container" in stands.err
    assert "(scope host in a container, " in looks.out
    assert "this is a container" not in looks.err + asks.err
    assert "this is a container" in asks.json()["at"]["warnings"][0]


@pytest.mark.parametrize("command", ["status", "watch", "resign", "transfer"])
def test_L30_who_only_looks_or_asks_is_not_warned(url: str, command: str) -> None:
    """Only who stands can lead beside somebody else; -v says it to the others too."""
    arguments = {"watch": ["--count", "1"], "transfer": ["--to", "a"]}.get(command, [])
    quiet = tenure(command, "nightly", "--at", url, *arguments, container="podman")
    loud = tenure(command, "nightly", "--at", url, *arguments, "-v", container="podman")

    assert "this is a container" not in quiet.err
    assert "this is a container" in loud.err


def test_L30_an_election_inside_this_process_is_told_of() -> None:
    """`memory://` on a command line reaches nobody else, and that is said."""
    assert "inside this process" in tenure("status", "nightly", "--at", "memory://x").err


def test_a_damaged_counter_is_refused_and_the_doctor_named(url: str, tmp_path: Path) -> None:
    """Code 78; the other elections are shown all the same."""
    with leader(url, "good", "a"):
        with leader(url, "bad", "a"):
            pass
        (tmp_path / "elections" / "bad" / "token").write_bytes(b"rubbish")
        shown = tenure("status", "--at", url)

    assert shown.code == 78
    assert "tenure doctor bad" in shown.err
    assert [line.split()[:2] for line in shown.out.splitlines()[1:3]] == [["bad", "unknown"], ["good", "led"]]


def test_every_option_is_a_variable_too(url: str) -> None:
    """TENURE_STATUS_OUTPUT, TENURE_STATUS_AT and TENURE_STATUS_QUIET are the options."""
    shown = tenure(
        "status", "nightly", TENURE_STATUS_OUTPUT="json", TENURE_STATUS_AT=url, TENURE_STATUS_QUIET="1", container="x"
    )

    assert shown.json()["at"]["url"] == url
    assert "this is a container" not in shown.err


def test_the_option_wins_over_the_variable(url: str, tmp_path: Path) -> None:
    """What is typed counts; TENURE_URL is only the default."""
    shown = tenure("status", "nightly", "--at", url, "-o", "json", TENURE_URL=tmp_path.as_uri())

    assert shown.json()["at"]["url"] == url


def test_no_colour_where_nobody_sees_it(url: str) -> None:
    """Into a pipe no escape sequence is written."""
    assert "\033" not in tenure("status", "nightly", "--at", url, FORCE_COLOR="1").out


@pytest.mark.parametrize("command", ["status", "doctor"])
@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_json_is_utf8_whatever_the_path_and_the_locale(tmp_path: Path, command: str, locale: dict[str, str]) -> None:
    """A byte that is no UTF-8 is escaped, a letter beyond ASCII is itself."""
    inside = {"container": "podman", **locale}  # where the path stands in a warning, as it is

    odd, letter = (
        tenure(command, "x", "-o", "json", "--at", f"{tmp_path.as_uri()}/{name}", **inside) for name in ("\udcff", "ü")
    )

    assert "\\xff" in str(odd.json())
    assert "ü" in str(letter.json())
    assert "defect" not in odd.err + letter.err
