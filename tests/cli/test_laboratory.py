"""`tenure simulate`, `hunt` and `replay`: what they print, what they end with, and that their lines show it again."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tenure import trace
from tenure.algorithms.bully import Bully
from tenure.cli import laboratory, main
from tenure.cli.exits import Exit
from tenure.cli.progress import Progress
from tenure.simulator import checkers, names
from tests.cli.scene import LIMIT_S, TENURE, Ended, environment

DIVIDED = ("--algorithm", "bully", "--fault", "partition", "--check", "one-leader", "--until", "20s")
"""Bully, with two leaders."""
CALM = ("simulate", "--algorithm", "bully", "--fault", "none", "--until", "5s")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command writes into the current folder is the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line in this process."""

    def call(*arguments: str) -> Ended:
        code = main(arguments)
        out, err = capfd.readouterr()
        return Ended(int(code), out, err)

    return call


# simulate


def test_a_calm_run_is_clean(run: Any) -> None:
    """Nothing goes wrong, one leader is elected, nothing is violated: 0, and nothing on stderr."""
    done = run(*CALM)
    assert (done.code, done.err) == (Exit.DONE, "")
    assert "violations: none" in done.out
    assert re.search(r"^elected +1 leader$", done.out, re.MULTILINE)
    assert "fault " not in done.out


def test_a_violation_ends_with_1_and_the_line_that_shows_it_again(run: Any) -> None:
    """That line, run, prints the same to the last letter."""
    done = run("simulate", *DIVIDED, "--seed", "1", "--nodes", "4")
    assert done.code == Exit.FAILURE
    assert "beyond its model  partition: here it promises nothing" in done.out
    assert re.search(r"^  [\d.]+ s  one-leader: nodes \d and \d believe that they lead$", done.out, re.MULTILINE)
    (line,) = re.findall(r"^again: (.*)$", done.out, re.MULTILINE)
    assert line in done.err
    assert run(*shlex.split(line)[1:]).out == done.out


def test_json_tells_what_the_table_tells(run: Any) -> None:
    """One document, or one line; lengths in seconds."""
    done = run("simulate", *DIVIDED, "-o", "json")
    told = done.json()
    assert done.code == Exit.FAILURE
    assert told == json.loads(run("simulate", *DIVIDED, "-o", "jsonl").out)
    assert told["algorithm"] == "bully+heartbeat"
    assert told["beyond"] == ["partition"]
    assert 0 < told["two_leaders_s"] < told["until_s"] == 20
    assert {one["name"] for one in told["fired"] if one["what"] == "fault"} == {"partition", "heal"}
    assert told["violations"][0]["checker"] == "one-leader"
    assert told["again"].startswith("tenure simulate --algorithm bully")


def test_a_trace_and_pictures_are_written(run: Any) -> None:
    """Each in its format, and the trace names the command in its head."""
    done = run(*CALM, "--trace", "t.jsonl", "--picture", "a.svg", "--picture", "a.html", "--picture", "a.txt")
    assert done.code == Exit.DONE
    recorded = trace.read(Path("t.jsonl"))
    assert recorded.head.again == "tenure simulate --algorithm bully --nodes 5 --seed 0 --until 5s --fault none"
    assert Path("a.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "<html" in Path("a.html").read_text(encoding="utf-8")
    assert "node 5 is leading" in Path("a.txt").read_text(encoding="utf-8")


def test_what_is_typed_counts_before_the_scenario(run: Any) -> None:
    """And what the scenario says counts before the defaults."""
    Path("s.txt").write_text("algorithm bully\nnodes 1 2 7\nseed 4\nuntil 6s\ndetector told\n", encoding="utf-8")
    said = run("simulate", "--scenario", "s.txt", "-o", "json").json()
    assert (said["algorithm"], said["nodes"], said["seed"], said["until_s"]) == ("bully", [1, 2, 7], 4, 6)
    typed = ("--algorithm", "ring", "--nodes", "4", "--seed", "9", "--until", "7s", "--detector", "phi")
    told = run("simulate", "--scenario", "s.txt", *typed, "-o", "json").json()
    assert (told["algorithm"], told["nodes"], told["seed"], told["until_s"]) == ("ring+phi", [1, 2, 3, 4], 9, 7)
    assert told["again"] == shlex.join(["tenure", "simulate", *typed, "--scenario", "s.txt"])


def test_an_option_is_a_variable_too(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """TENURE_SIMULATE_NODES, and it counts as typed."""
    monkeypatch.setenv("TENURE_SIMULATE_NODES", "3")
    monkeypatch.setenv("TENURE_SIMULATE_OUTPUT", "json")
    assert run(*CALM).json()["nodes"] == [1, 2, 3]


def test_a_broken_expectation_is_a_violation(run: Any) -> None:
    """It says what was found instead."""
    Path("s.txt").write_text("algorithm bully\nnodes 1 2\nuntil 4s\nat 3s expect leader 1\n", encoding="utf-8")
    done = run("simulate", "--scenario", "s.txt")
    assert done.code == Exit.FAILURE
    assert "3.000000 s  expectation: expected leader 1" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("--algorithm", "bulli"), Exit.USAGE, "there is no algorithm 'bulli'; there are: bully"),
        (("--algorithm", "bully+x"), Exit.USAGE, "nothing called 'x'"),
        (("--algorithm", "all"), Exit.USAGE, "all is for `tenure hunt` and `compare`"),
        ((), Exit.CONFIGURATION, "no algorithm was named"),
        (("--algorithm", "bully", "--fault", "crush"), Exit.USAGE, "no fault 'crush'; there are: crash"),
        (("--algorithm", "bully", "--fault", "none", "--fault", "crash"), Exit.USAGE, "leave it away"),
        (("--algorithm", "bully", "--check", "one"), Exit.USAGE, "no checker 'one'"),
        (("--algorithm", "bully", "--detector", "x"), Exit.USAGE, "no detector 'x'"),
        (("--algorithm", "bully", "--nodes", "0"), Exit.USAGE, "'--nodes'"),
        (("--algorithm", "bully", "--until", "0"), Exit.CONFIGURATION, "until is 0"),
        (("--algorithm", "bully", "--picture", "a.png"), Exit.USAGE, "name it a.html"),
        (("--algorithm", "bully", "--trace", "no/t.jsonl"), Exit.USAGE, "mkdir -p no"),
        (("--algorithm", "bully", "--picture", "no/a.svg"), Exit.USAGE, "mkdir -p no"),
        (("--algorithm", "bully", "--picture", ""), Exit.USAGE, "it is empty; give the name of a file"),
        (("--algorithm", "bully", "--trace", ""), Exit.USAGE, "it is empty; give the name of a file"),
        (("--scenario", "/dev/zero"), Exit.CONFIGURATION, "more than 16777216 bytes, as no scenario has"),
        (("--scenario", "s.txt", "--fault", "crash"), Exit.USAGE, "leave --fault away"),
        (("--scenario", "s.txt"), Exit.CONFIGURATION, "s.txt, line 2"),
        (("--scenario", "no.txt"), Exit.USAGE, "no.txt"),
    ],
)
def test_a_wrong_option_says_what_to_write_instead(
    run: Any, arguments: tuple[str, ...], code: Exit, complaint: str
) -> None:
    """Before anything runs."""
    Path("s.txt").write_text("algorithm bully\nat 5s crush 3\n", encoding="utf-8")
    done = run("simulate", *arguments)
    assert (done.code, done.out) == (code, "")
    assert complaint in done.err


# hunt


def test_a_hunt_finds_shrinks_writes_and_prints_the_line_that_shows_it(run: Any) -> None:
    """The line, run as it is printed, shows the violation; so does the other one, of the seed itself."""
    done = run("hunt", *DIVIDED, "--seeds", "40", "--workers", "2")
    assert done.code == Exit.FAILURE
    (line,) = re.findall(r"^tenure: bully violates one-leader: (tenure simulate .*)$", done.err, re.MULTILINE)
    (schedule,) = Path().glob("bully-*.scenario")
    assert line == f"tenure simulate --scenario {schedule} --check one-leader"
    shown = run(*shlex.split(line)[1:])
    assert shown.code == Exit.FAILURE
    assert "one-leader: nodes" in shown.out
    assert len(re.findall("^at ", schedule.read_text(encoding="utf-8"), re.MULTILINE)) == 1
    (again,) = re.findall(r"^again: (.*)$", done.out, re.MULTILINE)
    assert run(*shlex.split(again)[1:]).code == Exit.FAILURE


@pytest.mark.parametrize("seed", [60, 140])
def test_what_must_converge_is_shown_again_too(run: Any, seed: int) -> None:
    """Agreement is judged after a calm, of which the schedule tells."""
    done = run(
        *("hunt", "--algorithm", "bully", "--fault", "partition", "--fault", "crash", "--check", "agreement"),
        *("--detector", "told", "--first", str(seed), "--seeds", "20", "--schedule", "s.scenario", "-o", "json"),
    )
    (report,) = done.json()
    assert done.code == Exit.FAILURE
    assert report["shows"] == "tenure simulate --scenario s.scenario --check agreement"
    assert "converge " in report["script"]
    shown = run(*shlex.split(report["shows"])[1:])
    assert shown.code == Exit.FAILURE
    assert "agreement: in the end" in shown.out


def test_a_clean_hunt_tells_what_fired(run: Any) -> None:
    """Each fault and each role with its count, and what never fired."""
    done = run("hunt", "--algorithm", "ring", "--seeds", "3", "--until", "2s", "--fault", "crash", "--fault", "loss")
    assert (done.code, done.err) == (Exit.DONE, "")
    assert re.search(r"^fault +crash +\d+$", done.out, re.MULTILINE)
    assert re.search(r"^role +to leading +\d+$", done.out, re.MULTILINE)
    assert re.search(r"^role +to gone +0: never$", done.out, re.MULTILINE)
    assert list(Path().iterdir()) == []


def test_a_hunt_in_which_nobody_is_elected_shows_nothing(run: Any) -> None:
    """Such runs count as none: it is no success."""
    done = run("hunt", "--algorithm", "raft", "--seeds", "3", "--until", "100ms")
    assert done.code == Exit.FAILURE
    assert "this shows nothing" in done.err


def test_what_a_hunt_found_is_told_where_no_file_can_be_written(run: Any) -> None:
    """After hours nobody would look for it again; the line of the seed shows it."""
    done = run("hunt", *DIVIDED, "--seeds", "40", "--schedule", "/dev/full")
    assert done.code == Exit.FAILURE
    assert "/dev/full cannot be written (No space left on device): copy the schedule" in done.err
    assert re.search(r"^smallest schedule:\n  # one-leader .*\n(  .*\n)*  at .* partition ", done.out, re.MULTILINE)
    (line,) = re.findall(r"^tenure: bully violates one-leader: (tenure simulate .*)$", done.err, re.MULTILINE)
    assert run(*shlex.split(line)[1:]).code == Exit.FAILURE


def test_several_algorithms_are_one_table(run: Any) -> None:
    """A row for each; JSON has a report for each."""
    several = ("hunt", "--algorithm", "bully", "--algorithm", "ring", "--seeds", "2", "--until", "3s")
    table = run(*several)
    assert re.search(r"^bully +2 +0 +6 s .*\n^ring +2 +0 +6 s ", table.out, re.MULTILINE)
    assert [report["algorithm"] for report in run(*several, "-o", "json").json()] == ["bully", "ring"]
    lines = run(*several, "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["algorithm"] for line in lines] == ["bully", "ring"]
    assert run(*several, "--schedule", "s").code == Exit.USAGE


def test_all_are_those_that_are_compared() -> None:
    """None twice, and in the order in which they were said."""
    wanted = laboratory.each_of(("raft", "all"))
    assert wanted == ("raft", *(name for name in names.COMPARED if name != "raft"))


def test_ctrl_c_ends_a_hunt(run: Any) -> None:
    """With 130, like every command; what was counted so far is said."""
    tell = Progress.tell

    def interrupted(self: Progress, done: int) -> None:
        tell(self, done)
        raise KeyboardInterrupt

    with patch.object(Progress, "tell", interrupted):
        done = run("hunt", "--algorithm", "bully", "--seeds", "50", "--until", "3s")
    assert done.code == Exit.INTERRUPTED
    assert "stopped after 1 of 50 seeds of bully; none of them violates anything" in done.err


def test_sigterm_ends_a_hunt_and_its_workers(tmp_path: Path) -> None:
    """With 143, one line, and nothing left behind: a worker that outlived it would keep its stderr open."""
    with subprocess.Popen(
        [*TENURE, "hunt", "--algorithm", "bully", "--seeds", "1000000", "--until", "2s", "--workers", "1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(slow_terminal(tmp_path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one seed is done\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert re.fullmatch(r"tenure: stopped after \d+ of 1000000 seeds of bully; none of them violates anything\n", err)


def slow_terminal(folder: Path) -> Path:
    """A folder whose `sitecustomize` has a hunt say on stdout when its first seed is done."""
    (folder / "sitecustomize.py").write_text(
        "from tenure.cli.progress import Progress\n"
        "def tell(self, done):\n"
        "    if done == 1:\n"
        "        print('one seed is done', flush=True)\n"
        "Progress.tell = tell\n",
        encoding="utf-8",
    )
    return folder


def test_a_terminal_gets_a_bar() -> None:
    """On stderr, with the rate and the time left; it is gone in the end."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*TENURE, "hunt", "--algorithm", "ring", "--seeds", "60", "--until", "20s"],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as process:
        os.close(theirs)
        seen = b""
        while chunk := _read(ours):
            seen += chunk
        process.communicate(timeout=LIMIT_S)
    os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"ring  \[#*\.+\]  \d+ of 60 seeds, [\d.]+/s, \d+ s left", seen)
    assert seen.endswith(b"\r\x1b[K")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the last one that had the other end has closed it
        return b""


# replay


def written(run: Any, *arguments: str) -> None:
    """A trace in t.jsonl."""
    run("simulate", *arguments, "--trace", "t.jsonl")


def test_a_trace_is_told_in_words(run: Any) -> None:
    """As a picture in words would; 0 where nothing is violated."""
    written(run, *CALM[1:])
    run(*CALM, "--picture", "a.txt")
    done = run("replay", "t.jsonl")
    assert (done.code, done.err) == (Exit.DONE, "")
    assert done.out == Path("a.txt").read_text(encoding="utf-8") + "\nviolations: none\n"


def test_a_trace_is_judged_anew(run: Any) -> None:
    """By the checkers of today, from what happened alone: what it says of violations is not believed."""
    written(run, *DIVIDED)
    recorded = trace.read(Path("t.jsonl"))
    found = [record for record in recorded.records if isinstance(record, trace.Violated)]
    kept: list[trace.Record] = [record for record in recorded.records if not isinstance(record, trace.Violated)]
    trace.write(trace.Trace(recorded.head, kept), Path("t.jsonl"))
    done = run("replay", "t.jsonl", "--check", "one-leader", "-o", "json")
    assert done.code == Exit.FAILURE
    assert [(one["checker"], one["text"]) for one in done.json()["violations"]] == [
        (one.checker, one.text) for one in found
    ]


def test_a_checker_that_sees_nothing_is_noticed(run: Any) -> None:
    """The rule taken away: without a look at the records the trace would be clean."""
    written(run, *DIVIDED)
    with patch.object(checkers.OneLeader, "see", lambda *_: None):
        assert run("replay", "t.jsonl", "--check", "one-leader").code == Exit.DONE
    assert run("replay", "t.jsonl", "--check", "one-leader").code == Exit.FAILURE


def test_what_was_violated_then_is_looked_for_again(run: Any) -> None:
    """Without --check, by what the algorithm promises and by who objected when it ran."""
    written(run, *DIVIDED)
    assert "one-leader: nodes" in run("replay", "t.jsonl").out


def test_what_no_trace_can_tell_again_is_taken_from_it(run: Any) -> None:
    """What was expected stood in the scenario; that an elector raised is told by the run alone."""
    Path("s.txt").write_text("algorithm bully\nnodes 1 2\nuntil 4s\nat 3s expect leader 1\n", encoding="utf-8")
    written(run, "--scenario", "s.txt")
    done = run("replay", "t.jsonl")
    assert done.code == Exit.FAILURE
    assert "expectation: expected leader 1" in done.out

    def fails(*_: object) -> None:
        raise AssertionError("cannot be")

    with patch.object(Bully, "_answered", fails):
        written(run, "--algorithm", "bully")
    assert "no-exception: AssertionError: cannot be" in run("replay", "t.jsonl").out


def test_a_window_is_shown_and_all_is_judged(run: Any) -> None:
    """Before the first partition there is nothing to see, but what is violated later is still said."""
    written(run, *DIVIDED)
    done = run("replay", "t.jsonl", "--from", "1s", "--to", "1500ms")
    assert done.code == Exit.FAILURE
    assert "from 1.000 s to 1.500 s" in re.sub(" +", " ", done.out)
    lines = run("replay", "t.jsonl", "--from", "1s", "--to", "1500ms", "-o", "jsonl").out.splitlines()
    head, *records = map(json.loads, lines)
    assert head["what"] == "head"
    assert {record["what"] for record in records if "at_ns" not in record} == {"objection"}
    assert all(10**9 <= record["at_ns"] <= 15 * 10**8 for record in records if "at_ns" in record)


def test_a_trace_is_drawn(run: Any) -> None:
    """The same picture as when it ran, and no words beside it."""
    run(*CALM, "--trace", "t.jsonl", "--picture", "a.svg")
    done = run("replay", "t.jsonl", "--picture", "b.svg")
    assert done.out == "violations: none\n"
    assert Path("b.svg").read_bytes() == Path("a.svg").read_bytes()


@pytest.mark.parametrize(
    ("content", "arguments", "code", "complaint"),
    [
        (b"", (), Exit.FAILURE, "is empty; make one by `tenure simulate --trace FILE`"),
        (b"x\n", (), Exit.FAILURE, "t.jsonl, line 1"),
        (None, ("--from", "2s", "--to", "1s"), Exit.USAGE, "give an earlier one first"),
        (None, ("--picture", "a.gif"), Exit.USAGE, "name it a.html"),
        (None, ("--check", "x"), Exit.USAGE, "no checker 'x'"),
    ],
)
def test_what_is_no_trace_is_refused(
    run: Any, content: bytes | None, arguments: tuple[str, ...], code: Exit, complaint: str
) -> None:
    """With what to do instead."""
    written(run, *CALM[1:])
    if content is not None:
        Path("t.jsonl").write_bytes(content)
    done = run("replay", "t.jsonl", *arguments)
    assert (done.code, done.out) == (code, "")
    assert complaint in done.err


def test_a_trace_of_an_unknown_algorithm_is_told_and_judged_as_asked(run: Any) -> None:
    """Of a class without a name here: nothing is known of its promises."""
    written(run, *CALM[1:])
    path = Path("t.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"bully+heartbeat"', b'"mine"', 1))
    assert run("replay", "t.jsonl").code == Exit.DONE
    assert run("replay", "t.jsonl", "--check", "agreement").code == Exit.DONE


def test_names_are_completed(capfd: pytest.CaptureFixture[str]) -> None:
    """Algorithms, faults and checkers."""
    for line, expected in (
        ("tenure simulate --algorithm bu", "bully+lease"),
        ("tenure hunt --fault part", "partition"),
        ("tenure replay --check agr", "agreement"),
    ):
        words = line.split()
        variables = {"_TENURE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        done = subprocess.run(
            [str(Path(sys.executable).with_name("tenure"))],
            env=environment(**variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        assert f"plain,{expected}" in done.stdout.split(), done.stdout


def test_a_trace_that_was_cut_between_two_lines_is_said_to_be_cut(run: Any) -> None:
    """What is there is judged all the same; a whole one says nothing."""
    run("simulate", "--algorithm", "bully", "--until", "5s", "--trace", "whole.jsonl")
    lines = Path("whole.jsonl").read_bytes().splitlines(keepends=True)
    Path("cut.jsonl").write_bytes(b"".join(lines[:-1]))
    Path("head.jsonl").write_bytes(lines[0])
    assert run("replay", "whole.jsonl").err == ""
    assert "tenure: cut.jsonl was cut: its end is missing, so only what was until " in run("replay", "cut.jsonl").err
    assert "head.jsonl was cut" in run("replay", "head.jsonl").err


def test_messages_can_be_hidden_in_a_replay(run: Any) -> None:
    """With their arrivals and losses; all else stays, and is judged."""
    run("simulate", "--algorithm", "bully", "--until", "5s", "--trace", "t.jsonl")
    shown = [json.loads(line) for line in run("replay", "t.jsonl", "-o", "jsonl").out.splitlines()]
    hidden = run("replay", "t.jsonl", "--hide", "HEARTBEAT", "--hide", "ANSWER", "-o", "jsonl")
    gone = {one["id"] for one in shown if one["what"] == "sent" and one["kind"] in {"HEARTBEAT", "ANSWER"}}
    moves = {"sent", "arrived", "dropped"}
    left = [one for one in shown if one["what"] not in moves or one["id"] not in gone]
    assert gone
    assert [json.loads(line) for line in hidden.out.splitlines()] == left
    done = run("replay", "t.jsonl", "--hide", "HEARTBEATS")
    assert done.code == Exit.CONFIGURATION
    assert "there are: ANSWER, COORDINATOR, ELECTION, HEARTBEAT" in done.err
