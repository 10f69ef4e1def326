"""Traces in files: what is read is what was written, and what is no trace is refused with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure import trace
from tenure.simulator import simulate
from tenure.trace import Head, Phase, Trace, TraceError

TIMES = st.integers(0, 2**63 - 1)
FIELDS: dict[Any, st.SearchStrategy[Any]] = {
    "int": st.integers(0, 2**31),
    "NodeId": st.integers(0, 2**31),
    "NodeId | None": st.none() | st.integers(0, 2**31),
    "str": st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    "bool": st.booleans(),
    "tuple[NodeId, ...]": st.lists(st.integers(0, 9), max_size=4).map(tuple),
    "tuple[tuple[NodeId, NodeId], ...]": st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4).map(
        tuple
    ),
}
KINDS: tuple[type[trace.Happened], ...] = trace.Record.__args__


def any_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """A line of one kind, with anything in its fields."""
    annotations = {
        name: text for base in reversed(kind.__mro__) for name, text in vars(base).get("__annotations__", {}).items()
    }
    return st.builds(
        kind,
        **{name: FIELDS[annotations[name]] for name in kind.__struct_fields__ if name != "at_ns"},
        **({"at_ns": TIMES} if "at_ns" in kind.__struct_fields__ else {}),
    )


TRACES = st.builds(
    Trace,
    any_of(Head).map(lambda head: msgspec.structs.replace(head, version=trace.VERSION)),
    st.lists(st.one_of(*(any_of(kind) for kind in KINDS)), max_size=8).map(
        lambda records: sorted(records, key=lambda record: record.at_ns)
    ),
)
HEAD = next(trace.lines(Trace(Head(trace.VERSION, "bully", (1, 2), 7, 9), [])))


@settings(deadline=None, database=None)
@given(TRACES)
def test_a_trace_is_read_back_as_it_was_written(some: Trace) -> None:
    """Every kind of record, whatever is in it; the same bytes again."""
    lines = list(trace.lines(some))
    assert trace.parse(lines) == some
    assert list(trace.lines(trace.parse(lines))) == lines


def test_a_whole_run_goes_through_a_file(tmp_path: Path) -> None:
    """And is the same."""
    run = simulate("bully+lease", nodes=3, seed=3, until=15)
    assert run.trace is not None
    trace.write(run.trace, tmp_path / "x.trace")
    assert trace.read(tmp_path / "x.trace") == run.trace


@settings(deadline=None, database=None)
@given(some=TRACES, cut=st.integers(1, 10**6))
def test_a_file_that_is_cut_within_a_line_is_refused(some: Trace, cut: int) -> None:
    """With the number of that line."""
    *whole, last = trace.lines(some)
    with pytest.raises(TraceError, match=f"line {len(whole) + 1}: .*make it anew"):
        trace.parse([*whole, last[: 1 + cut % (len(last) - 2)]])


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "is empty; make one by"),
        ([b"\n"], "line 1: "),
        ([b"not json\n"], "line 1: .*make it anew"),
        ([b"\xff\xfe\n"], "line 1: .*make it anew"),
        ([HEAD, b'{"what":"crashed","at_ns":1,"node":"\xff"}'], "line 2: .*make it anew"),
        ([HEAD, b'{"what":"exploded","at_ns":1}'], "line 2: .*exploded"),
        ([HEAD, b'{"what":"crashed","at_ns":1.5,"node":1}'], "line 2: "),
        ([HEAD, b'{"what":"crashed","node":1}'], "line 2: .*at_ns"),
        ([HEAD, b"[" * 100_000], "line 2: "),
        ([HEAD, b'{"what":"crashed","at_ns":-1,"node":1}'], "line 2 happened before"),
        (
            [HEAD, b'{"what":"crashed","at_ns":7,"node":1}', b'{"what":"began","at_ns":6,"node":1,"life":2}'],
            "line 3 happ",
        ),
        ([HEAD, HEAD], "line 2: .*one head"),
        ([b'{"what":"crashed","at_ns":1,"node":1}'], "line 1: .*one head"),
        ([HEAD.replace(b'"version":1', b'"version":2')], "version 2, and this is version 1: run it again"),
    ],
)
def test_what_is_no_trace_is_refused(lines: list[bytes], says: str) -> None:
    """By TraceError, which names the file."""
    with pytest.raises(TraceError, match=f"^x.trace.*{says}"):
        trace.parse(lines, name="x.trace")


def test_a_field_of_a_later_version_is_ignored() -> None:
    """So that it may be added."""
    assert trace.parse([HEAD, b'{"what":"phase","at_ns":1,"name":"end","mood":"fine"}']).records == [Phase(1, "end")]


def test_a_line_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor more records than there may be."""
    monkeypatch.setattr(trace, "LIMIT_LINE_BYTES", 1000)
    monkeypatch.setattr(trace, "LIMIT_RECORDS", 2)
    (tmp_path / "x").write_bytes(HEAD + b"x" * 5000)
    with pytest.raises(TraceError, match="line 2 has more than 1000 bytes"):
        trace.read(tmp_path / "x")
    with pytest.raises(TraceError, match="more than 2 records; make a shorter one"):
        trace.parse([HEAD, *[b'{"what":"phase","at_ns":1,"name":"end"}'] * 3])
