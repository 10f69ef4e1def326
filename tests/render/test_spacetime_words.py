"""A run in words: every record is told in a sentence, aligned, with a head and tables; texts cannot do anything."""

from __future__ import annotations

from typing import cast, get_args

import pytest

from tenure.render.spacetime import text
from tenure.render.spacetime.words import Instants, Narrator, clean, duration
from tenure.trace import Answered, Arrived, Asked, Dropped, Happened, Record, Trace
from tests.render import runs
from tests.render.runs import ns


def lines(trace: Trace, from_ns: int | None = None, to_ns: int | None = None) -> list[str]:
    """The whole text."""
    return list(text(trace, from_ns=from_ns, to_ns=to_ns))


def test_a_run_reads_like_this() -> None:
    """Head, a line a record, what it came to, and who led when."""
    told = lines(runs.small())
    assert told[:6] == [
        "bully, 3 nodes, seed 7",
        "again: tenure simulate --algorithm bully --nodes 3 --seed 7",
        "from 0.000 s to 1.000 s",
        "",
        "0.000 s  node 1 begins",
        "0.000 s  node 1 is quiet; it knows of no leader (term 0)",
    ]
    for line in (
        "0.050 s  node 1 sends ELECTION to node 2 (term=2)",
        "0.050 s  node 3 is leading; it recognises itself as the leader (term 0)",
        "0.080 s  node 1 receives COORDINATOR of node 3",
        "0.080 s  node 1 is following; it recognises node 3 as the leader (term 0)",
        "0.400 s  fault: crash 3",
        "0.400 s  node 3 crashes: it forgets what was not durable",
        "0.500 s  node 2 suspects node 3",
        "0.520 s  ELECTION of node 1 to node 3 is lost on the way",
        "0.520 s  ELECTION of node 2 to node 3 reaches nobody: the node is down",
        "0.900 s  node 3 begins life 2",
    ):
        assert told.count(line) == 1
    assert told[-10:] == [
        "",
        "Nobody leads for 350 ms in all, in 2 gaps.",
        "Never do two believe that they lead at once.",
        "12 messages sent (3 ANSWER, 3 COORDINATOR, 6 ELECTION), of which 2 came to nothing.",
        "",
        "   from       to       for  who believes that it leads",
        "0.000 s  0.050 s     50 ms  nobody",
        "0.050 s  0.400 s    350 ms  node 3",
        "0.400 s  0.700 s    300 ms  nobody",
        "0.700 s  1.000 s    300 ms  node 2",
    ]


def test_partitions_tenures_and_everything_else_are_told() -> None:
    """What the other run does not have."""
    told = lines(runs.split())
    for line in (
        "0.000 s  phase: faults",
        "0.290 s  node 5 has Granted on its disk (token=1)",
        "0.300 s  node 5 may act under token 1 until 0.900 s",
        "0.250 s  node 5 stands for election; its body would get 200 ms to leave",
        "0.310 s  the body of node 5 may act under token 1 until 0.900 s",
        "0.500 s  node 5 asks for more time under token 1",
        "1.100 s  the body of node 5 is told to stop and to leave by 1.280 s (token 1): lost",
        "1.290 s  the body of node 5 still runs, though it must have left (token 1)",
        "1.350 s  the body of node 5 has left (token 1)",
        "3.260 s  node 3 gives token 2 back",
        "1.000 s  partition: 1 2 3 | 4 5",
        "1.050 s  RENEW of node 5 to node 1 does not get through: the link is cut",
        "1.800 s  VIOLATION of one leader: nodes 3 and 5 believe that they lead",
        "2.000 s  node 1 stands still: its clock goes on, and what comes waits",
        "2.600 s  node 1 goes on after its pause",
        "2.800 s  all links carry messages again",
        "2.900 s  node 5 sees 4, 5 of the group; its side: steps down: it is the smaller side",
        "3.000 s  the clock of node 4 runs 200 millionths too fast",
        "3.300 s  node 3 may not act under token 2 any more: resigned",
        "3.300 s  partition: 1 ↔ 3; 2 → 5 cut",
        "3.700 s  node 1 leaves the group",
        "Two or more believe that they lead at once for 1.15 s in all: nodes 3 and 5.",
        "Never do two may act at once.",
        "1.800 s  2.950 s    1.15 s  nodes 3 and 5, at once",
        "VIOLATION of one leader: nodes 3 and 5 believe that they lead.",
    ):
        assert told.count(line) == 1, line


def test_every_type_of_record_has_its_words() -> None:
    """Also one that a later version adds: then its name and its fields."""
    told = {type(record) for trace in (runs.small(), runs.split()) for record in trace.records}
    assert told | {Asked, Answered} == set(get_args(Record))
    narrator = Narrator([1], Instants(ns(1000)))
    assert narrator.tell(Asked(at_ns=0, node=1, text="read a")) == "a client asks node 1: read a"
    assert narrator.tell(Answered(at_ns=0, node=1, text="7")) == "node 1 tells a client: 7"

    class Novel(Happened, frozen=True):
        """A record of tomorrow."""

        node: int
        until_ns: int
        text: str

    novel = cast("Record", Novel(at_ns=0, node=1, until_ns=ns(1500), text="\x1b[31m"))
    assert Narrator([1], Instants(ns(1000))).tell(novel) == "node 1: novel (until=1.500 s text=\ufffd[31m)"


def test_the_middle_of_a_run_knows_who_sent_what_arrives_in_it() -> None:
    """A window tells only its own records, but with their senders."""
    told = lines(runs.small(), ns(72), ns(90))
    assert told[2] == "from 0.072 s to 0.090 s"
    assert "0.076 s  node 2 receives COORDINATOR of node 3" in told
    assert not any("0.050 s  node 1 sends" in line for line in told)


def test_messages_without_a_sending_are_told_as_such() -> None:
    """A trace that was cut at its beginning is read all the same."""
    trace = runs.small()
    cut = Trace(trace.head, [one for one in trace.records if isinstance(one, Arrived | Dropped)])
    told = "\n".join(lines(cut))
    assert "message 1 arrives, whose sending is not in this trace" in told
    assert "message 8, whose sending is not in this trace, reaches nobody: the node is down" in told


def test_instants_stand_under_one_another() -> None:
    """As wide as the last one; a short run has microseconds."""
    instants = Instants(ns(123_456))
    assert [f"{instants(at):>{instants.width}}" for at in (0, ns(1.5), ns(123_456))] == [
        "  0.000 s",
        "  0.001 s",
        "123.456 s",
    ]
    assert Instants(ns(20))(1_234_567) == "0.001234 s"
    assert Instants(ns(1000))(-ns(250)) == "-0.250 s"


@pytest.mark.parametrize(
    ("length_ns", "words"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (250_000_000, "250 ms"),
        (19_840_000, "19.8 ms"),
        (1_150_000_000, "1.15 s"),
        (100 * 10**9, "100 s"),
        (61_200_000_000, "61.2 s"),
    ],
)
def test_lengths_have_three_digits(length_ns: int, words: str) -> None:
    """And the unit that suits them."""
    assert duration(length_ns) == words


def test_texts_of_a_trace_can_do_nothing_to_a_terminal() -> None:
    """No control character, no line break and no turning of the line comes through, and none is endless."""
    told = "\n".join(lines(runs.hostile()))
    assert all(line.isprintable() for line in told.split("\n"))
    assert "</script>" in told  # as it stands: this is no HTML
    assert clean("a\nb\x1b[2Jc\u202ed\ud800") == "a\ufffdb\ufffd[2Jc\ufffdd\ufffd"
    assert clean("x" * 10_000) == "x" * 199 + "…"
