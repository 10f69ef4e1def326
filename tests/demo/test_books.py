"""The books: right as long as one books at a time, visibly wrong otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenure.demo import books
from tenure.demo.books import Books, amount_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty ledger."""
    books.create(tmp_path / "books")
    return tmp_path / "books"


@pytest.fixture
def ada(path: Path) -> Iterator[Books]:
    """One process's connection."""
    ours = Books(path)
    yield ours
    ours.close()


def book(ours: Books, times: int) -> None:
    """Book payments one after the other."""
    for _ in range(times):
        ours.write(ours.read(), "ada")


def test_one_after_the_other_is_right(ada: Books) -> None:
    """Every number once, and the balance is the sum."""
    book(ada, 5)
    state = ada.state()
    assert state.is_right
    assert (state.bookings, state.paid) == (5, sum(map(amount_of, range(1, 6))))


def test_an_empty_ledger_is_right(ada: Books) -> None:
    """Nothing booked, nothing lost."""
    assert ada.state().is_right


def test_a_stale_write_books_twice_and_loses_money(ada: Books) -> None:
    """Read, be overtaken, write: the payment is booked a second time, and what the others booked leaves the balance."""
    stale = ada.read()
    book(ada, 3)
    ada.write(stale, "bob")
    state = ada.state()
    assert (state.booked_twice, state.lost) == (1, sum(map(amount_of, range(1, 4))))
    assert not state.is_right


def test_a_stale_write_shows_also_when_the_other_writes_last(ada: Books) -> None:
    """Whoever's balance comes last, the other's payment is missing from it."""
    stale = ada.read()
    book(ada, 2)
    draft = ada.read()
    ada.write(stale, "bob")
    ada.write(draft, "ada")
    assert (ada.state().booked_twice, ada.state().lost) == (1, amount_of(1))


def test_a_number_that_is_left_out_shows(ada: Books) -> None:
    """A gap in the numbers is no right ledger."""
    draft = ada.read()
    ada.write(books.Draft(draft.number + 1, draft.amount, draft.balance), "ada")
    assert (ada.state().left_out, ada.state().is_right) == (1, False)


def test_a_process_in_the_middle_of_a_write_is_seen(path: Path) -> None:
    """Pausing it there would freeze everybody: hazard L25 is looked for before a pause."""
    assert books.is_free(path)
    program = (
        "import sqlite3, sys\n"
        f"c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE'); print('in', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        assert not books.is_free(path)
        other.communicate()
    assert books.is_free(path)
