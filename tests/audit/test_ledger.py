"""The shared file: whole lines, in the true order, from many processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tenure.audit import Acted, Alive, Died, Ended, Ledger, Noted, Opened, Reader, Scribe, Told, audit
from tenure.clock import ManualClock
from tenure.errors import Reason

WRITER = """
import sys
from tenure.audit import Ledger, Scribe
scribe = Scribe(Ledger(sys.argv[1]), "e", int(sys.argv[2]), "c" + sys.argv[2])
scribe.opened()
for number in range(200):
    scribe.noted("x" * number)
scribe.ended()
"""


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Every kind of record survives the file, with its clock's instants and this process's pid."""
    clock = ManualClock(1000)
    ledger = Ledger(tmp_path / "ledger", clock)
    scribe = Scribe(ledger, "e", 7, "ann")
    scribe.opened(deadline_ns=9, with_pid=3)
    scribe.noted("hello")
    with scribe.act("pay", deadline_ns=9):
        clock.advance(1e-9)
    scribe.told(Reason.RESIGNED)
    scribe.ended(Reason.RESIGNED)
    ledger.alive(5)
    ledger.died(5)
    ledger.close()
    about = {"election": "e", "token": 7, "candidate": "ann", "pid": os.getpid()}
    assert Reader(tmp_path / "ledger").new() == [
        msgspec.convert(about | {"at_ns": 1000, "deadline_ns": 9, "with_pid": 3}, Opened),
        msgspec.convert(about | {"at_ns": 1000, "note": "hello"}, Noted),
        msgspec.convert(about | {"at_ns": 1001, "act": "pay", "began_ns": 1000, "deadline_ns": 9}, Acted),
        msgspec.convert(about | {"at_ns": 1001, "reason": Reason.RESIGNED}, Told),
        msgspec.convert(about | {"at_ns": 1001, "reason": Reason.RESIGNED}, Ended),
        Alive(pid=5, at_ns=1001),
        Died(pid=5, at_ns=1001),
    ]


def test_an_act_that_raised_is_none(tmp_path: Path) -> None:
    """What a guard refused was not done."""
    with Ledger(tmp_path / "ledger") as ledger:
        scribe = Scribe(ledger, "e", 7, "ann")
        with pytest.raises(ZeroDivisionError), scribe.act("pay"):
            raise ZeroDivisionError
    assert Reader(tmp_path / "ledger").new() == []


def test_a_reader_takes_whole_lines_and_each_once(tmp_path: Path) -> None:
    """A line that is being written waits for its end; no file yet is no record yet."""
    path = tmp_path / "ledger"
    reader = Reader(path)
    assert reader.new() == []
    path.write_bytes(b'{"what":"died","pid":5,"at_ns":1}\n{"what":"died","pi')
    assert reader.new() == [Died(pid=5, at_ns=1)]
    with path.open("ab") as file:
        file.write(b'd":6,"at_ns":2}\n')
    assert reader.new() == [Died(pid=6, at_ns=2)]
    assert reader.new() == []


def test_a_damaged_line_is_refused(tmp_path: Path) -> None:
    """Nothing is judged from a ledger that cannot be read whole."""
    (tmp_path / "ledger").write_bytes(b'{"what":"died"}\n')
    with pytest.raises(msgspec.ValidationError):
        Reader(tmp_path / "ledger").new()


def test_lines_of_many_processes_never_mix(tmp_path: Path) -> None:
    """Four processes at once: every line is whole, none is lost, and each process's own come in its order."""
    path = tmp_path / "ledger"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(token)]) for token in range(1, 5)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    records = Reader(path).new()
    assert len(records) == 4 * 202
    for token in range(1, 5):
        notes = [len(record.note) for record in records if isinstance(record, Noted) and record.token == token]
        assert notes == list(range(200))


def test_a_ledger_can_be_audited_as_it_stands(tmp_path: Path) -> None:
    """From the file to the verdict."""
    ledger = Ledger(tmp_path / "ledger")
    for token in (1, 2):
        scribe = Scribe(ledger, "e", token, "ann")
        scribe.opened()
        with scribe.act("pay"):
            assert True
        scribe.ended()
    ledger.close()
    verdict = audit(Reader(tmp_path / "ledger").new())
    assert verdict.is_clean
    assert [tenure.acts for tenure in verdict.tenures] == [1, 1]
