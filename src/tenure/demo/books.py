"""The ledger that only the leader may write: payments, each number exactly once, and the balance of one account.

A booking is what real work is: read the state, think (ask a bank, render a report), write the result. No transaction
is open while it thinks; nobody can hold one over a call to somebody else. So it is right only if nobody else books
meanwhile, and that is what a leader is for.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec

from tenure import Tenure
from tenure.fencing import SqlFence

BUSY_S = 20.0
"""How long a write waits for another process's write."""
_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE account (balance INTEGER NOT NULL, last_number INTEGER NOT NULL);
INSERT INTO account VALUES (0, 0);
CREATE TABLE payments (number INTEGER NOT NULL, amount INTEGER NOT NULL, booked_by TEXT NOT NULL);
"""


class Draft(msgspec.Struct, frozen=True):
    """A payment that has been thought about but not booked, and the balance that it was thought about with."""

    number: int
    amount: int
    balance: int


class BooksState(msgspec.Struct, frozen=True, kw_only=True):
    """What an auditor finds in the books."""

    bookings: int
    booked_twice: int
    """Bookings beyond the first of their number."""
    left_out: int
    """Numbers below the highest that nobody booked."""
    paid: int
    """The sum of all payments that were booked."""
    balance: int
    """What the account says was paid."""

    @property
    def lost(self) -> int:
        """Money that was paid and is not in the account's balance: updates that were overwritten."""
        return self.paid - self.balance

    @property
    def is_right(self) -> bool:
        return self.booked_twice == self.left_out == self.lost == 0


def create(path: Path) -> None:
    """An empty ledger."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA)
        fence_of(path).create(connection)


def fence_of(path: Path) -> SqlFence:
    """What compares tokens in this ledger, for those who bring one."""
    return SqlFence(lambda: sqlite3.connect(path, timeout=BUSY_S))


class Books:
    """One process's connection to the ledger; with a fence it takes what bears the greatest token, and nothing else."""

    def __init__(self, path: Path, fence: SqlFence | None = None) -> None:
        self._fence = fence
        self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        # What the demonstration kills is processes, not machines: nothing needs to reach the disk.
        self._connection.execute("PRAGMA synchronous = OFF")

    def read(self) -> Draft:
        """The next payment, as the books stand now."""
        ((balance, last),) = self._connection.execute("SELECT balance, last_number FROM account").fetchall()
        return Draft(last + 1, amount_of(last + 1), balance)

    def write(self, draft: Draft, who: str, tenure: Tenure | None = None) -> None:
        """Book it: the payment, and the balance that was read plus its amount.

        Raises StaleToken, and books nothing, where the ledger has seen a newer leader's token.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._fence is not None and tenure is not None:
                self._fence.check(self._connection, tenure)
            self._connection.execute("INSERT INTO payments VALUES (?, ?, ?)", (draft.number, draft.amount, who))
            self._connection.execute(
                "UPDATE account SET balance = ?, last_number = ?", (draft.balance + draft.amount, draft.number)
            )
        except BaseException:  # a signal may come in between: nothing is half booked
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def state(self) -> BooksState:
        """Look at all of it at one instant."""
        self._connection.execute("BEGIN")
        payments = self._connection.execute("SELECT number, amount FROM payments").fetchall()
        ((balance, _),) = self._connection.execute("SELECT balance, last_number FROM account").fetchall()
        self._connection.execute("COMMIT")
        numbers = Counter(number for number, _ in payments)
        return BooksState(
            bookings=len(payments),
            booked_twice=len(payments) - len(numbers),
            left_out=max(numbers, default=0) - len(numbers),
            paid=sum(amount for _, amount in payments),
            balance=balance,
        )

    def close(self) -> None:
        self._connection.close()


def amount_of(number: int) -> int:
    """Payments differ, so that a sum tells which are missing."""
    return 10 + number % 7


def is_free(path: Path) -> bool:
    """Whether nobody is in the middle of writing to the SQLite file `path`; waits for nobody."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True
