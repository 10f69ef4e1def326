"""The fence in a database: decided in the caller's own transaction, with sqlite3; and with PostgreSQL where it is."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenure import ConfigurationError, StaleToken
from tenure.blocking import Election
from tenure.fencing import PSYCOPG, SQLITE, SqlFence
from tests.election.stage import InThread, Stage, wait_until

E = "e"
Connect = Callable[..., sqlite3.Connection]


@contextmanager
def database(tmp_path: Path) -> Iterator[Connect]:
    """Connections to one database, with the fence's table and one of the application's."""
    opened: list[sqlite3.Connection] = []

    def connect(**options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = sqlite3.connect(
            tmp_path / "app.db", **{"timeout": 0.1, "check_same_thread": False, **options}
        )
        opened.append(connection)
        return connection

    with connect() as connection:
        SqlFence().create(connection)
        SqlFence().create(connection)  # where it is there already nothing happens
        connection.execute("CREATE TABLE book (token INTEGER)")
    try:
        yield connect
    finally:
        for connection in opened:
            connection.close()


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """The same for each test."""
    with database(tmp_path) as connect:
        yield connect


def book(connection: sqlite3.Connection) -> list[int]:
    """Under which tokens something was written, in order."""
    return [row[0] for row in connection.execute("SELECT token FROM book ORDER BY rowid")]


def act(fence: SqlFence, connection: sqlite3.Connection, token: int) -> None:
    """A guarded write."""
    with connection:
        fence.check(connection, token, E)
        connection.execute("INSERT INTO book VALUES (?)", (token,))


def test_L16_an_older_token_is_refused_and_its_write_undone(connect: Connect) -> None:
    """Equal and greater tokens pass; the error tells the greatest."""
    fence, connection = SqlFence(), connect()
    for token in (5, 5, 7):
        act(fence, connection, token)

    with pytest.raises(StaleToken) as caught:
        act(fence, connection, 6)

    assert (caught.value.token, caught.value.highest) == (6, 7)
    assert book(connection) == [5, 5, 7]
    assert not connection.in_transaction


def test_L16_an_election_stamps_before_the_new_leader_has_written(connect: Connect, stage: Stage) -> None:
    """A stale leader is refused though nobody has written since; the fence connects for that by itself."""
    fence = SqlFence(connect)
    with Election(E, stage.backend()).lead() as stale, connect() as connection:
        fence.check(connection, stale)
    with Election(E, stage.backend(), fences=[fence]).lead() as tenure:
        assert tenure.token == stale.token + 1
        with pytest.raises(StaleToken), connect() as connection:
            fence.check(connection, stale)
        with connect() as connection:
            fence.check(connection, tenure)


def test_the_check_holds_until_the_commit(connect: Connect) -> None:
    """A newer leader is not stamped in the middle of an older one's transaction; it waits, and comes after it."""
    fence = SqlFence(lambda: connect(timeout=30))
    old = connect()
    fence.check(old, 1, E)
    thread = InThread(lambda: fence.stamp(2, E))
    thread.join(0.05)  # a moment in which a stamp that does not wait would be over
    assert thread.is_alive()

    old.execute("INSERT INTO book VALUES (1)")
    old.commit()

    thread.outcome()
    with pytest.raises(StaleToken):
        act(fence, old, 1)


def test_a_transaction_that_is_rolled_back_has_raised_nothing(connect: Connect) -> None:
    """The mark is as much of the transaction as the write."""
    fence, connection = SqlFence(), connect()
    fence.check(connection, 9, E)
    connection.rollback()

    act(fence, connection, 5)

    assert book(connection) == [5]


def test_a_database_that_a_paused_leader_holds_is_the_drivers_error(connect: Connect) -> None:
    """Bounded by the driver's own limit, and with nothing stamped."""
    fence = SqlFence(connect)
    old = connect()
    fence.check(old, 1, E)

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        fence.stamp(2, E)
    old.commit()
    fence.stamp(2, E)


def test_elections_have_marks_of_their_own(connect: Connect) -> None:
    """A token of another election says nothing."""
    fence, connection = SqlFence(), connect()
    fence.check(connection, 9, "a")
    fence.check(connection, 1, "b")


@pytest.mark.parametrize("options", [{"isolation_level": None}, {"isolation_level": None, "timeout": 1}])
def test_outside_of_a_transaction_it_is_refused(connect: Connect, options: dict[str, Any]) -> None:
    """The statement would commit by itself, and the write that follows be guarded by nothing; nothing is sent."""
    fence, connection = SqlFence(), connect(**options)

    with pytest.raises(ConfigurationError, match="commits each statement by itself"):
        fence.check(connection, 9, E)

    connection.execute("BEGIN IMMEDIATE")
    fence.check(connection, 5, E)
    connection.execute("COMMIT")


@pytest.mark.versions
@pytest.mark.parametrize(
    ("in_transaction", "options", "is_transactional"),
    [
        (False, {"isolation_level": "DEFERRED"}, True),
        (False, {"isolation_level": None}, False),
        (True, {"isolation_level": None}, True),
        (True, {"isolation_level": "", "autocommit": -1}, True),
        (False, {"isolation_level": "", "autocommit": -1}, True),
        (False, {"isolation_level": None, "autocommit": -1}, False),
        (False, {"isolation_level": "", "autocommit": True}, False),
        (True, {"isolation_level": "", "autocommit": True}, True),
        (True, {"isolation_level": "", "autocommit": False}, True),
    ],
)
def test_what_sqlite3_says_of_its_transactions(
    in_transaction: bool, options: dict[str, Any], is_transactional: bool
) -> None:
    """By both of Python's ways to control them; `autocommit` came with 3.12."""
    described: Any = SimpleNamespace(in_transaction=in_transaction, **options)
    assert SQLITE.is_transactional(described) is is_transactional
    real = dict(options)
    if sys.version_info < (3, 12):
        real.pop("autocommit", None)
        if len(real) != len(options):
            return
    connection = sqlite3.connect(":memory:", **real)
    if in_transaction and not connection.in_transaction:
        connection.execute("BEGIN")
    assert SQLITE.is_transactional(connection) is is_transactional
    if is_transactional:
        SqlFence().create(connection)
        SqlFence().check(connection, 1, E)
        assert connection.in_transaction, "what was checked is not committed yet"
    connection.close()


@pytest.mark.parametrize(
    ("autocommit", "status", "is_transactional"),
    [(False, 0, True), (True, 0, False), (True, 2, True), (False, 2, True)],
)
def test_what_psycopg_says_of_its_transactions(autocommit: bool, status: int, is_transactional: bool) -> None:
    """Without autocommit each statement opens one; with it only `connection.transaction()` does."""
    described: Any = SimpleNamespace(autocommit=autocommit, info=SimpleNamespace(transaction_status=status))
    assert PSYCOPG.is_transactional(described) is is_transactional


def test_a_missing_table_says_how_to_make_it(tmp_path: Path) -> None:
    """The driver's error goes on, with the statement beside it."""
    connection = sqlite3.connect(tmp_path / "empty.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table") as caught:
        SqlFence().check(connection, 1, E)
    assert "CREATE TABLE IF NOT EXISTS tenure_fence" in caught.value.__notes__[0]
    connection.close()


def test_a_fence_without_connect_cannot_be_stamped() -> None:
    """It says what is missing."""
    with pytest.raises(ConfigurationError, match=r"SqlFence\(connect\)"):
        SqlFence().stamp(1, E)


def test_the_fences_connection_is_closed_whatever_happens(connect: Connect) -> None:
    """Stamping leaves none behind, refused or not."""
    opened: list[sqlite3.Connection] = []

    def noted() -> sqlite3.Connection:
        opened.append(connect())
        return opened[-1]

    fence = SqlFence(noted)
    fence.stamp(2, E)
    with pytest.raises(StaleToken):
        fence.stamp(1, E)
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
    assert len(opened) == 2


@pytest.mark.parametrize("name", ["fence; DROP TABLE book", "a.b.c", "", "1a", "a b", 'a"b'])
def test_the_tables_name_is_a_plain_one(name: str) -> None:
    """It stands in the statements as it is."""
    with pytest.raises(ConfigurationError, match="no plain name"):
        SqlFence(table=name)


def test_another_table_may_be_named(connect: Connect) -> None:
    """With its schema, which SQLite calls a database."""
    fence, connection = SqlFence(table="main.marks"), connect()
    with connection:
        fence.create(connection)
        fence.check(connection, 3, E)
    assert connection.execute("SELECT election, token FROM marks").fetchall() == [(E, 3)]


@pytest.mark.parametrize("factory", [sqlite3.Row, lambda cursor, row: {cursor.description[0][0]: row[0]}])
def test_rows_may_have_any_shape(connect: Connect, factory: Any) -> None:
    """Applications choose their own, and the fence uses their connection."""
    fence, connection = SqlFence(), connect()
    connection.row_factory = factory
    fence.check(connection, 7, E)
    with pytest.raises(StaleToken, match="7 was seen"):
        fence.check(connection, 6, E)


def test_a_driver_that_does_not_count_rows_is_refused(connect: Connect) -> None:
    """What is not known is not taken for a pass."""

    class Uncounted(sqlite3.Cursor):
        @property
        def rowcount(self) -> int:
            return -1  # as PEP 249 allows it

    class Driver(sqlite3.Connection):
        def cursor(self, factory: Any = None) -> Any:  # noqa: ARG002  its own kind
            return super().cursor(Uncounted)

    connection = connect(factory=Driver)
    with pytest.raises(ConfigurationError, match="how many rows"):
        SqlFence().check(connection, 7, E)


def test_many_threads_never_write_an_older_token_after_a_newer_one(connect: Connect) -> None:
    """Each is stamped and acts, beside older and newer ones that do the same; the book never goes back."""
    fence = SqlFence(lambda: connect(timeout=30))
    begin = threading.Barrier(6)

    def lead(token: int) -> int:
        written = 0
        begin.wait()
        connection = connect(timeout=30)
        try:
            for _ in range(20):
                act(fence, connection, token)
                written += 1
        except StaleToken:
            pass
        return written

    threads = [InThread(lambda token=token: lead(token)) for token in range(1, 7)]  # type: ignore[misc]  # its default
    written = sum(thread.outcome() for thread in threads)

    tokens = book(connect())
    assert tokens == sorted(tokens)
    assert len(tokens) == written
    wait_until(lambda: not any(thread.is_alive() for thread in threads))
