# ruff: noqa: SLF001, ARG005  mutants replace private rules of the product, and take arguments that they ignore
"""The checker accepts what a register did, refuses what none can do, and says "undecided" where a limit comes first.

Speed is measured by `python -m benchmarks histories`. There is no peer beside it: Knossos and Porcupine need Clojure
or Go, and no package of ours has a checker.
"""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.simulator.history import Operation
from tenure.simulator.linearizability import HistoryError, Outcome, Verdict, check, histories, search, shortest
from tenure.simulator.linearizability.part import FAILED, WRITE, Part, changes_nothing
from tenure.simulator.linearizability.search import Search, Spot
from tests.simulator.executions import broken, execution, fits, is_linearizable, keeps_time

HISTORIES = Path(__file__).parent / "histories"
KEEP = settings(deadline=None, derandomize=True)
LINEARIZABLE, VIOLATION, UNDECIDED = Outcome


def op(client: int, kind: str, *argument: Any, at: tuple[int, int | None], result: Any = None) -> Operation:
    """One operation on the key x."""
    return Operation(client, "x", kind, argument, result, *at)


STALE = [op(1, "write", 1, at=(0, 1)), op(1, "write", 2, at=(2, 3)), op(2, "read", at=(4, 5), result=1)]
"""A read of what was surely overwritten."""


# Against a judge that tries every order


def disagreement(cases: int, seed: int, **drawn: Any) -> tuple[list[Operation], Verdict] | None:
    """The first of so many small histories on which the checker and the judge do not agree."""
    chance = Random(seed)
    for _ in range(cases):
        operations = execution(chance, chance.randint(1, 6), chance.randint(1, 4), **{"unknown": 0.3} | drawn)
        if chance.random() < 0.8:
            operations = broken(chance, operations)
        verdict = check(operations)
        if (verdict.outcome is LINEARIZABLE) != is_linearizable(operations):
            return operations, verdict
    return None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("drawn", [{}, {"width": 8}, {"unknown": 0.6}, {"unknown": 0.0, "width": 100}], ids=str)
@pytest.mark.parametrize("deep", [1_000, 0])
def test_it_agrees_with_a_judge_that_tries_every_order(seed: int, drawn: dict[str, Any], deep: int) -> None:
    """On eight thousand small histories, right ones and wrong ones, half of them with instants that coincide; searched
    as deep as it goes, and level by level.
    """
    with patch.multiple(search, DEEP_STEPS=deep, DEEP_STEPS_PER_OPERATION=0):
        assert disagreement(250, seed, **drawn) is None


@KEEP
@given(st.integers(0, 2**32), st.integers(1, 400), st.integers(1, 20), st.integers(1, 5), st.integers(1, 4))
def test_what_registers_did_is_linearizable(seed: int, count: int, clients: int, values: int, keys: int) -> None:
    """Whatever overlaps and whichever answers are lost; the order that is told is one that fits."""
    operations = execution(Random(seed), count, clients, values=values, keys=keys)
    verdict = check(operations)
    assert verdict.outcome is LINEARIZABLE
    for key, order in verdict.orders.items():
        assert fits(order)
        assert keeps_time([one for one in operations if one.key == key], order)


@pytest.mark.parametrize("deep", [1_000, 0])
@pytest.mark.parametrize("values", [2, 3, 5])
@pytest.mark.parametrize("unknown", [0.0, 0.1, 0.4])
def test_no_rule_of_the_search_leaves_out_an_order_that_is_needed(deep: int, values: int, unknown: float) -> None:
    """What registers did is never refused: thousands of histories in which as many writes as can be are open at once,
    too long for the judge. Some rules matter only there.
    """
    with patch.multiple(search, DEEP_STEPS=deep, DEEP_STEPS_PER_OPERATION=0):
        for seed in range(250):
            chance = Random(seed)
            operations = execution(
                chance, chance.randint(10, 40), 8, values=values, unknown=unknown, width=chance.choice((20, 100, 200))
            )
            assert check(operations, limit_steps=20_000).outcome is not VIOLATION


def test_a_write_of_the_same_value_can_hide_another() -> None:
    """The write of 2 is overwritten by the one of 3, of which nobody knows, and which is no change before it."""
    told = [
        op(8, "write", 4, at=(0, 95)),
        op(4, "cas", 4, 3, at=(0, 235), result=True),
        op(3, "write", 2, at=(227, 481)),
        op(5, "write", 3, at=(249, None)),
        op(12, "cas", 3, 1, at=(410, 478), result=True),
        op(1, "read", at=(484, 769), result=1),
    ]
    assert check(told).outcome is LINEARIZABLE
    assert check([one for one in told if one.client != 5]).outcome is VIOLATION


@KEEP
@given(st.integers(0, 2**32))
def test_the_part_that_is_shown_fails_by_itself(seed: int) -> None:
    """So says the judge; the order beside it fits, and nothing more can be left out of it."""
    chance = Random(seed)
    verdict = check(broken(chance, execution(chance, 6, 3)))
    if verdict.failure is None:
        return
    failure = verdict.failure
    assert not is_linearizable(failure.part)
    assert fits(failure.order)
    assert failure.blocked in failure.part
    assert failure.is_smallest
    pinned = shortest.giver(failure.part, failure.blocked)
    for at in range(len(failure.part)):
        fewer = shortest.without(list(failure.part), at, at + 1, pinned)
        assert len(fewer) == len(failure.part) or is_linearizable(fewer)


@KEEP
@given(st.integers(0, 2**32), st.integers(0, 6), st.integers(0, 6))
def test_leaving_out_keeps_a_history_linearizable(seed: int, start: int, stop: int) -> None:
    """Otherwise a part might fail though the whole does not."""
    operations = execution(Random(seed), 7, 4)
    assert is_linearizable(shortest.without(operations, start, stop))


@pytest.mark.parametrize("seed", range(5))
def test_a_long_history_with_one_wrong_read_is_refused(seed: int) -> None:
    """A read of what nobody ever wrote, among three hundred operations of four clients: few of them are shown."""
    operations = execution(Random(seed), 300, 4, unknown=0.01)
    at = next(at for at, one in enumerate(operations) if at > 200 and one.kind == "read" and one.completed_ns)
    operations[at] = msgspec.structs.replace(operations[at], result=99)
    verdict = check(operations, limit_s=1e9, limit_steps=300_000, clock=lambda: 0.0)
    assert verdict.failure is not None
    assert verdict.failure.blocked == operations[at]
    assert len(verdict.failure.part) <= 10


# What each outcome means


@pytest.mark.parametrize(
    ("expected", "operations"),
    [
        (LINEARIZABLE, []),
        (LINEARIZABLE, [op(1, "read", at=(0, 1))]),
        (VIOLATION, [op(1, "read", at=(0, 1), result=0)]),
        (VIOLATION, STALE),
        (LINEARIZABLE, [*STALE[:1], op(1, "write", 2, at=(2, 5)), op(2, "read", at=(4, 5), result=1)]),
        (LINEARIZABLE, [*STALE[:2], op(3, "write", 1, at=(0, None)), STALE[2]]),
        (VIOLATION, [*STALE[:2], STALE[2], op(3, "write", 1, at=(6, None))]),
        (VIOLATION, [STALE[0], op(2, "cas", 2, 1, at=(2, 3), result=True)]),
        (LINEARIZABLE, [STALE[0], op(2, "cas", 2, 1, at=(2, 3), result=False)]),
        (VIOLATION, [STALE[0], op(2, "cas", 1, 2, at=(2, 3), result=False)]),
        (VIOLATION, [op(2, "cas", 5, 1, at=(2, None)), op(3, "read", at=(4, 5), result=1)]),
        (VIOLATION, [op(1, "write", 1, at=(0, 1)), op(2, "read", at=(2, 3), result=True)]),
        (VIOLATION, [op(1, "write", 1, at=(0, 1)), op(2, "read", at=(2, 3), result="1")]),
        (LINEARIZABLE, [op(1, "write", {"a": [1]}, at=(0, 1)), op(2, "read", at=(2, 3), result={"a": [1]})]),
    ],
)
def test_small_histories(expected: Outcome, operations: list[Operation]) -> None:
    """Each rule in two or three operations."""
    assert check(operations).outcome is expected


def test_an_unknown_operation_takes_effect_once() -> None:
    """It can be seen, overwritten, and not be seen again."""
    once = [op(9, "write", 7, at=(0, None)), op(1, "read", at=(1, 2), result=7), op(1, "write", 1, at=(3, 4))]
    assert check(once).outcome is LINEARIZABLE
    assert check([*once, op(1, "read", at=(5, 6), result=7)]).outcome is VIOLATION


def test_a_client_does_one_thing_after_another_at_the_very_same_instant() -> None:
    """Who asks again when it is answered comes after itself; somebody else may have been before."""
    own = [op(1, "write", 1, at=(0, 5)), op(1, "read", at=(5, 6))]
    assert check(own).outcome is VIOLATION
    assert check([own[0], op(2, "read", at=(5, 6))]).outcome is LINEARIZABLE


def test_keys_are_judged_apart() -> None:
    """What one key holds is nothing to another; the key that fails first is told, whatever its size."""
    other = [Operation(1, "y", "read", (), 3, 1, 2)]
    fine = [Operation(1, "z", "write", (1,), None, 0, 1)]
    verdict = check([*STALE, *other, *fine])
    assert (verdict.keys, verdict.operations) == (3, 5)
    assert verdict.failure is not None
    assert verdict.failure.key == "y"


def test_the_shortest_part_shows_what_came_between() -> None:
    """Of a long history: the last write of what was read, what overwrote it, and the read."""
    before = [op(1, "write", number, at=(10 * number, 10 * number + 5)) for number in range(100)]
    noise = [op(2, "read", at=(10 * number + 6, 10 * number + 7), result=number) for number in range(100)]
    verdict = check(
        [*before, *noise, op(3, "read", at=(2000, 2001), result=98), op(3, "read", at=(2002, 2003), result=1)]
    )
    failure = verdict.failure
    assert failure is not None
    assert [(one.kind, one.argument, one.result) for one in failure.part] == [
        ("write", (98,), None),
        ("write", (99,), None),
        ("read", (), 98),
    ]
    assert [one.argument for one in failure.order] == [(98,), (99,)]
    assert (failure.holds, failure.prefix, failure.is_smallest) == (99, 201, True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (op(1, "append", 1, at=(0, 1)), "kind is 'append'"),
        (op(1, "write", at=(0, 1)), "argument of a write has 0 values"),
        (op(1, "read", at=(2, 1)), "completed_ns 1 is before invoked_ns 2"),
        (op(1, "cas", 1, 2, at=(0, 1)), "result of a cas is None"),
        (op(1, "write", object(), at=(0, 1)), "object is no value of a register"),
    ],
)
def test_what_is_no_history_is_refused(wrong: Operation, said: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(HistoryError, match=said):
        check([wrong])


# Limits


def hard(values: int) -> list[Operation]:
    """Concurrent compare-and-sets from each value to each other one, of which each has to be done: every way along them
    ends where it began, and the read of another value makes that every one is tried.
    """
    pairs = [(one, other) for one in range(values) for other in range(values) if one != other]
    swaps = [op(number, "cas", *pair, at=(2, 10), result=True) for number, pair in enumerate(pairs)]
    return [op(100, "write", 0, at=(0, 1)), *swaps, op(200, "read", at=(11, 12), result=1)]


def circle(values: int) -> list[Operation]:
    """The same with the value at the end that it has."""
    return [*hard(values)[:-1], op(200, "read", at=(11, 12), result=0)]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"limit_steps": 1000}, "the limit of steps was reached in key 'x' (22 operations)"),
        ({"limit_memory": 1 << 20}, "the limit of memory"),
        ({"limit_s": 3.0}, "the limit of time"),
    ],
    ids=str,
)
def test_each_limit_ends_undecided(limit: dict[str, Any], said: str) -> None:
    """And says which it was, and where. The clock is the test's own: each look at it takes a second."""
    looked = iter(range(10**6))
    verdict = check(hard(5), clock=lambda: float(next(looked)), **{"limit_s": 1e9} | limit)
    assert verdict.outcome is UNDECIDED
    assert said in verdict.why
    assert verdict.failure is None
    assert verdict.orders == {}


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 10, 50, 200, 1000, 10**6])
@pytest.mark.parametrize("is_right", [True, False])
def test_no_limit_ends_in_a_wrong_verdict(steps: int, is_right: bool) -> None:
    """Whatever the limit is, what is said is true or "undecided"; in the end it is decided."""
    operations = circle(3) if is_right else hard(3)
    truth = check(operations).outcome
    assert truth is not UNDECIDED
    outcome = check(operations, limit_steps=steps).outcome
    assert outcome in {truth, UNDECIDED}
    if steps == 10**6:
        assert outcome is truth


def test_a_key_that_violates_decides_though_another_is_undecided() -> None:
    """And where nothing is left for the shortest part, a longer one is shown, and said to be one."""
    other = [Operation(1, "y", "write", (number,), None, number * 2, number * 2 + 1) for number in range(100)]
    other.append(Operation(1, "y", "read", (), 3, 900, 901))
    verdict = check([*hard(5), *other], limit_steps=400)
    assert verdict.outcome is VIOLATION
    assert verdict.failure is not None
    assert (verdict.failure.key, verdict.failure.is_smallest) == ("y", False)
    assert len(verdict.failure.part) > 2


def test_what_is_remembered_takes_no_more_than_it_is_counted_for() -> None:
    """The limit of memory is one of bytes."""
    limit = 2 << 20
    operations = hard(5)
    tracemalloc.start()
    try:
        verdict = check(operations, limit_memory=limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "memory" in verdict.why
    assert peak < limit * 1.25


# Mutants: each rule is taken away, and a test above, or the judge, sees it


def no_real_time(whole: Part) -> None:
    """Every operation overlaps every other."""
    numbers = range(len(whole.known))
    whole.known[:] = [msgspec.structs.replace(one, invoked_ns=0, completed_ns=1) for one in whole.known]
    whole.after = [-1 for _ in numbers]
    NUMBER_EVENTS(whole)


def no_order_of_clients(whole: Part) -> None:
    """A client's next operation may come before its last."""
    whole.after = [-1] * len(whole.after)
    NUMBER_EVENTS(whole)


def unknown_never_happened(whole: Part) -> None:
    """What was not answered is taken for failed."""
    for each in (whole.unknown, whole.unknown_want, whole.unknown_give, whole.unknown_after):
        each.clear()
    NUMBER_EVENTS(whole)


def cas_as_write(whole: Part) -> None:
    """A compare-and-set does not compare."""
    NUMBER_VALUES(whole)
    whole.kind = [WRITE if give >= 0 else kind for kind, give in zip(whole.kind, whole.give, strict=True)]


def failed_cas_as_nothing(whole: Part) -> None:
    """A compare-and-set that failed says nothing about the value."""
    NUMBER_VALUES(whole)
    whole.want = [-1 if kind == FAILED else want for kind, want in zip(whole.kind, whole.want, strict=True)]


NUMBER_EVENTS: Callable[[Part], None] = Part._number_events
NUMBER_VALUES: Callable[[Part], None] = Part._number_values


@pytest.mark.parametrize(
    ("rule", "mutant"),
    [
        ("_number_events", no_real_time),
        ("_number_events", no_order_of_clients),
        ("_number_events", unknown_never_happened),
        ("_number_values", cas_as_write),
        ("_number_values", failed_cas_as_nothing),
    ],
)
def test_the_judge_catches_a_wrong_reading_of_a_history(rule: str, mutant: Callable[[Part], None]) -> None:
    """Real time, a client's order, unknown outcomes, compare-and-set."""
    with patch.object(Part, rule, mutant):
        assert disagreement(2000, 1, width=8) is not None


@pytest.mark.parametrize(
    ("rule", "mutant"),
    [
        ("_key", staticmethod(lambda level, state, exact: (level, 0, exact))),
        ("_key", staticmethod(lambda level, state, exact: (level, state, 0))),
        ("_key", staticmethod(lambda level, state, exact: (0, state, exact))),
        ("_lacks", lambda self, todo, gone, taken: LACKS(self, 0, gone, taken)),
        ("_lacks", lambda self, todo, gone, taken: LACKS(self, todo, 0, taken)),
        ("_lacks", lambda self, todo, gone, taken: LACKS(self, todo, gone, 0)),
        ("_given", lambda self, writes: {*()}),
        ("_first_of", lambda self, numbers, spot: None),
        ("_first_of", lambda self, numbers, spot: numbers[0]),
        ("_first_of", lambda self, numbers, spot: next((n for n in numbers if not spot.taken >> n & 1), None)),
    ],
    ids=[
        "without the value",
        "without who is open",
        "without time",
        "without who is left",
        "without who was done",
        "without the unknown",
        "none for a failed cas",
        "no unknown",
        "again",
        "too early",
    ],
)
@pytest.mark.parametrize("deep", [1_000, 0])
def test_the_judge_catches_a_wrong_search(rule: str, mutant: Callable[..., Any], deep: int) -> None:
    """A cache that remembers too little, and unknown operations that are not tried, or done twice; of the search that
    goes deep, and of the one that goes level by level.
    """
    with patch.object(Search, rule, mutant), patch.multiple(search, DEEP_STEPS=deep, DEEP_STEPS_PER_OPERATION=0):
        drawn = {"unknown": 0.35, "width": 60}
        assert disagreement(500, 2, **drawn) or refusal(3000) or disagreement(6000, 2, **drawn)


def refusal(cases: int) -> list[Operation] | None:
    """The first of so many histories of what a register did that is refused."""
    for seed in range(cases):
        operations = execution(Random(seed), 40, 6, width=60)
        if check(operations).outcome is not LINEARIZABLE:
            return operations
    return None


LACKS: Callable[..., int] = Search._lacks


def test_keys_that_are_not_parted_are_caught() -> None:
    """With all under one key, a value of one contradicts what another holds."""
    operations = [Operation(1, "x", "write", (1,), None, 0, 1), Operation(1, "y", "read", (), None, 2, 3)]
    assert check(operations).outcome is LINEARIZABLE
    assert check([msgspec.structs.replace(one, key="x") for one in operations]).outcome is VIOLATION


def test_a_limit_that_ends_in_a_verdict_is_caught() -> None:
    """A search that takes its own end for the end of all orders."""

    def ended(self: Search, spot: Spot) -> bool:
        return len(self._seen) < 3 and IS_NEW(self, spot)

    operations = circle(3)
    assert check(operations).outcome is LINEARIZABLE
    with patch.object(Search, "_is_new", ended):
        assert check(operations).outcome is VIOLATION


IS_NEW: Callable[..., bool] = Search._is_new


# Histories in files


@pytest.mark.parametrize("path", sorted(HISTORIES.iterdir()), ids=lambda path: path.name)
def test_histories_known_to_be_right_or_wrong(path: Path) -> None:
    """Their names say what they are."""
    expected = {"right": LINEARIZABLE, "wrong": VIOLATION}[path.name.split("-")[0]]
    history = histories.read(path)
    verdict = check(history.operations)
    assert verdict.outcome is expected
    assert history.has_lines == (path.suffix != ".jsonl")


@KEEP
@given(st.integers(0, 2**32))
def test_what_is_written_is_read(seed: int) -> None:
    """Our own format, without a loss."""
    operations = execution(Random(seed), 20, keys=2)
    lines = [msgspec.json.encode(one) + b"\n" for one in operations]
    assert histories.parse(lines).operations == operations


def as_jepsen(operations: list[Operation], log: bool) -> list[bytes]:
    """The same history as Jepsen would have written it; whoever got no answer ends by :info, or not at all."""
    events = [(one.invoked_ns, 0, number, ":invoke") for number, one in enumerate(operations)]
    for number, one in enumerate(operations):
        if one.completed_ns is not None:
            events.append((one.completed_ns, 1, number, ":fail" if one.result is False else ":ok"))
        elif number % 2:
            events.append((10**9, 2, number, ":info"))
    lines = []
    for _, _, number, type_ in sorted(events):
        one = operations[number]
        value: Any = one.argument[0] if one.kind == "write" else list(one.argument)
        if one.kind == "read":
            value = None if type_ == ":invoke" else one.result
        text = "nil" if value is None else str(value).replace(",", "")
        if type_ == ":info" and log:
            text = ":timed-out"
        form = (
            f"INFO  jepsen.util - {number}\t{type_}\t:{one.kind}\t{text}"
            if log
            else f"{{:process {number}, :type {type_}, :f :{one.kind}, :value {text}, :time {number}}}"
        )
        lines.append(form.encode())
    return lines


@KEEP
@given(st.integers(0, 2**32), st.booleans())
def test_a_history_of_jepsens_says_the_same(seed: int, log: bool) -> None:
    """But for a compare-and-set that failed, of which Jepsen says no more than that it did not happen."""
    chance = Random(seed)
    drawn = broken(chance, execution(chance, 12, 3))
    operations = [msgspec.structs.replace(one, client=number) for number, one in enumerate(drawn)]
    parsed = histories.parse(as_jepsen(operations, log)).operations
    plain = [one for one in operations if one.result is not False]
    assert check(parsed).outcome is check(plain).outcome
    assert len(parsed) == len([one for one in plain if one.completed_ns is not None or one.kind != "read"])
    assert all(one.completed_ns is not None or not changes_nothing(one) or one.kind == "cas" for one in parsed)


@pytest.mark.parametrize(
    "lines",
    [
        [
            "[",
            "{:process 0, :type :invoke, :f :read, :value nil}",
            "{:process 0, :type :ok, :f :read, :value 1} ; so",
            "]",
        ],
        ["0\t:invoke\t:read\tnil\r\n", ":nemesis\t:info\t:start\tnil\r\n", "0\t:ok\t:read\t1\r\n"],
        [
            "2014-06-12 INFO  jepsen.util - 0\t:invoke\t:read\tnil  ",
            "so",
            "x INFO jepsen.util - 0 \t:ok :read \t1 \t:hint 2",
        ],
    ],
    ids=["a vector over lines", "history.txt", "a log among others"],
)
def test_forms_in_which_jepsen_writes(lines: list[str]) -> None:
    """One read of 1 in each of them."""
    (one,) = histories.parse([line.encode() for line in lines]).operations
    assert (one.kind, one.result) == ("read", 1)


def test_a_compressed_history_is_told_from_none() -> None:
    """With what to do."""
    with pytest.raises(HistoryError, match="unpack it first"):
        histories.parse([b"\x1f\x8b\x08\x00abc"])


STRANGE = '{"client":1,"key":"x","kind":"read","argument":[1],"result":1,"invoked_ns":1,"completed_ns":2}'
BEGUN = "{:process 1, :type :invoke, :f :write, :value 1}"
PAIR = "{:process 1, :type :invoke, :f :write, :value [1 2]}"
ASKED = ((":invoke", 3), (":ok", 4))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "holds no operation; a line of it is such as"),
        (["nothing of this", "is a history"], "holds no operation"),
        (["what is this?", BEGUN], "line 2: line 1 before it is neither"),
        (['{"client": 1}'], "line 1: Object missing required field `key`"),
        ([STRANGE], "line 1: argument of a read has 1 values"),
        (["{:process 1, :type :ok, :f :read, :value 1}"], "line 1: process 1 ends a read, and had begun nothing"),
        ([BEGUN, BEGUN], "line 2: process 1 still does what it began on line 1"),
        (["{:process 1, :type :invoke, :f :txn, :value 1}"], "line 1: :txn is no operation of a register"),
        (["{:process 1, :type :invoke, :f :cas, :value 1}"], "line 1: 1 is the value of a cas"),
        ([PAIR, "{:process 2, :type :invoke, :f :read, :value nil}"], "line 2: nil is the value of a read; operations"),
        ([BEGUN, "{:process 1, :type :ok, :f :write, :value 2}"], "line 2: process 1 ends a write of 2, and had begun"),
        (["{:process 1, :type :invoke, :f :write, :value"], "line 1: it ends too early"),
        (["{:process 1, :value [1}"], "closes nothing"),
        (["{:process 1, :type :invoke, :f :write, :value \\a}"], "is no EDN"),
        (["{:process 1} {:process 2}"], "stands behind it"),
        (["{:type :invoke, :f :write, :value 1}"], "lacks a :process"),
        (["{:process 1 :type}"], "a key without a value"),
        (["{:process 1, :type :invoke, :f :write, :value " + "[" * 50], "more than 32 deep"),
        (["INFO  jepsen.util - one\t:invoke\t:read\tnil"], "line 1: one is no number of a process"),
        (
            ["{:process 1, :type :invoke, :f :write, :value " + "1" * 5000 + "}"],
            "line 1: a number has 5000 digits, and 4000 are read",
        ),
        (['{"' + "a" * (1 << 20)], "line 1: it has more than 1048576 bytes"),
        (["{:process 1, :type [1], :f :write, :value 1}"], "lacks a :process (a number), an :f, or a :type"),
        (["{:process 1, :process 2, :type :invoke, :f :read}"], "a map has one key twice"),
        (["INFO  jepsen.util - " + "1" * 5000 + "\t:invoke\t:read\tnil"], "1 is no number of a process"),
        (["INFO  jepsen.util - :nemesis\t:info\t:start\tnil", BEGUN], "holds no operation"),
        ([BEGUN.replace("1}", "1e999}")], "line 1: 1e999 is too great to be told from others"),
        ([BEGUN.replace("1}", '"\\uD800"}')], "has half a character"),
        (
            [PAIR, *(f"{{:process 2, :type {did}, :f :read, :value [{key} nil]}}" for did, key in ASKED)],
            "line 3: process 2 ends a read of [4 nil], and had begun [3 nil]",
        ),
    ],
    ids=range(28),
)
def test_what_cannot_be_read_is_told_by_its_line(lines: list[str], said: str) -> None:
    """Nothing is passed over in silence: an operation that is lost would make another verdict."""
    with pytest.raises(HistoryError) as caught:
        histories.parse([line.encode() for line in lines], name="file")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("written", "read", "is_same"),
    [
        ("{1 2}", "{1 3}", False),
        ('{"a" 1}', "{:a 1}", False),
        ("{:a 1, :b 2}", "{:b 2, :a 1}", True),
        ("#{1 2 3}", "#{3 1 2}", True),
        ("#{1 2 3}", "[1 2 3]", False),
        ("[1 2 3]", "(1 2 3)", True),
        (r'"\u0041"', '"A"', True),
        (r'"\u0041"', '"u0041"', False),
        (r'"\uD83D\uDC0E"', '"\N{HORSE}"', True),
        ("nil", "false", False),
        ("1", "1N", True),
        ("1", "1.0", False),
        ("1", "true", False),
        (":a", '":a"', False),
    ],
)
def test_what_is_one_value_in_clojure_is_one_here(written: str, read: str, is_same: bool) -> None:
    """Else a verdict would be wrong."""
    lines = [
        f"{{:process 1, :type :invoke, :f :write, :value {written}}}",
        f"{{:process 1, :type :ok, :f :write, :value {written}}}",
        "{:process 1, :type :invoke, :f :read, :value nil}",
        f"{{:process 1, :type :ok, :f :read, :value {read}}}",
    ]
    verdict = check(histories.parse([line.encode() for line in lines]).operations)
    assert verdict.outcome is (LINEARIZABLE if is_same else VIOLATION)


@pytest.mark.parametrize(
    "line", ["{:process 1, :type :invoke, :f :write, :value 1}", "1\t:invoke\t:write\t1", STRANGE.replace("[1]", "[]")]
)
def test_encodings(line: str) -> None:
    """A byte order mark is no part of the text; UTF-16 is refused with what to do, a wrong byte with its place."""
    (one,) = histories.parse([line.encode("utf-8-sig"), b"\n"]).operations
    assert one.client == 1
    with pytest.raises(HistoryError, match="write it as UTF-8 first"):
        histories.parse([line.encode("utf-16")])
    with pytest.raises(HistoryError, match=f"byte {len(line)} of it is no UTF-8"):
        histories.parse([line.encode()[:-1] + b"\xff" + line.encode()[-1:]])


@given(
    st.text('{}[]():#" \\,;a1-.:\t', max_size=40),
    st.sampled_from(["{:process 1, ", "INFO jepsen.util - 1 :ok :read ", ""]),
)
@KEEP
def test_whatever_stands_in_a_file_is_read_or_refused(text: str, before: str) -> None:
    """By HistoryError, and nothing else."""
    with contextlib.suppress(HistoryError):
        assert histories.parse([f"{before}{text}".encode()]).operations is not None


def test_keys_of_independent_histories() -> None:
    """A pair of key and value, in each operation of the file; 1 and "1" are two keys."""
    lines = [
        "[{:process 0, :type :invoke, :f :write, :value [1 5]}",
        '{:process 1, :type :invoke, :f :read, :value ["1" nil]}',
        "{:process 0, :type :ok, :f :write, :value [1 5]}",
        "{:process :nemesis, :type :info, :f :start, :value nil}",
        '{:process 1, :type :ok, :f :read, :value ["1" nil]}',
        "; a remark",
        "#jepsen.history.Op{:process 0, :type :invoke, :f :cas, :value [1 [5 6]]}",
        "{:process 0, :type :info, :f :cas, :value [1 [5 6]], :error [:timeout #{1.5 2N} (a)]}]",
    ]
    operations = histories.parse([line.encode() for line in lines]).operations
    assert [(one.key, one.kind, one.argument, one.result) for one in operations] == [
        ("1", "write", (5,), None),
        ('"1"', "read", (), None),
        ("1", "cas", (5, 6), None),
    ]
