"""The fence in a database, with PostgreSQL itself and psycopg 3, where both are (`make bench` installs psycopg)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks import servers
from tenure import ConfigurationError, StaleToken
from tenure.fencing import PSYCOPG, SqlFence
from tests.conftest import missing
from tests.election.stage import InThread

pytestmark = [
    pytest.mark.needs("psycopg"),
    pytest.mark.may_skip("neither PostgreSQL nor its client belongs to development; the same SQL is tested on SQLite"),
]
E = "e"


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """A server of this module's own."""
    try:
        with servers.postgres() as dsn:
            yield dsn
    except servers.Absent as absent:
        missing(str(absent))


@pytest.fixture
def connect(dsn: str) -> Iterator[Callable[..., Any]]:
    """Connections, with an empty table of marks and one of the application's."""
    import psycopg

    opened: list[Any] = []

    def connect(**options: Any) -> Any:
        opened.append(psycopg.connect(dsn, **options))
        return opened[-1]

    with connect() as connection:
        connection.execute("DROP TABLE IF EXISTS tenure_fence, book")
        SqlFence(dialect=PSYCOPG).create(connection)
        connection.execute("CREATE TABLE book (number SERIAL, token BIGINT)")
    yield connect
    for connection in opened:
        connection.close()


def test_L16_an_older_token_is_refused(connect: Callable[..., Any]) -> None:
    """Equal and greater tokens pass; rows may have any shape."""
    from psycopg.rows import dict_row

    fence = SqlFence(connect, dialect=PSYCOPG)
    for token in (5, 5, 7):
        with connect(row_factory=dict_row) as connection:
            fence.check(connection, token, E)
    with pytest.raises(StaleToken, match="token 6 is stale: 7 was seen"), connect(row_factory=dict_row) as connection:
        fence.check(connection, 6, E)
    with pytest.raises(StaleToken):
        fence.stamp(6, E)


def test_the_check_holds_until_the_commit(connect: Callable[..., Any]) -> None:
    """A newer leader's stamp waits for the transaction of the older one, and shuts it out afterwards."""
    fence = SqlFence(connect, dialect=PSYCOPG)
    old = connect()
    fence.check(old, 1, E)
    thread = InThread(lambda: fence.stamp(2, E))
    thread.join(0.1)  # a moment in which a stamp that does not wait would be over
    assert thread.is_alive()

    old.execute("INSERT INTO book (token) VALUES (1)")
    old.commit()

    thread.outcome()
    with pytest.raises(StaleToken), old:
        fence.check(old, 1, E)


@pytest.mark.parametrize("level", ["READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE"])
@pytest.mark.parametrize("mark_before", [3, None], ids=["a mark", "no mark"])
def test_a_snapshot_from_before_the_stamp_passes_nobody(
    connect: Callable[..., Any], level: str, mark_before: int | None
) -> None:
    """The old leader's transaction began before the new one was stamped: stale, or the driver's error; never a pass."""
    from psycopg import IsolationLevel
    from psycopg.errors import SerializationFailure

    fence = SqlFence(connect, dialect=PSYCOPG)
    if mark_before is not None:
        fence.stamp(mark_before, E)
    old = connect()
    old.isolation_level = IsolationLevel[level]
    old.execute("SELECT count(*) FROM book")
    fence.stamp(4, E)

    with pytest.raises(StaleToken if level == "READ_COMMITTED" else SerializationFailure):
        fence.check(old, 3, E)
    old.rollback()


def test_outside_of_a_transaction_it_is_refused(connect: Callable[..., Any]) -> None:
    """With autocommit, until `connection.transaction()` opens one."""
    fence = SqlFence(dialect=PSYCOPG)
    connection = connect(autocommit=True)
    with pytest.raises(ConfigurationError, match="commits each statement by itself"):
        fence.check(connection, 1, E)
    with connection.transaction():
        fence.check(connection, 1, E)


def test_many_leaders_never_write_an_older_token_after_a_newer_one(connect: Callable[..., Any]) -> None:
    """Each acts beside older and newer ones; the book never goes back."""
    fence = SqlFence(dialect=PSYCOPG)

    def lead(token: int, connection: Any) -> None:
        try:
            for _ in range(30):
                with connection.transaction():
                    fence.check(connection, token, E)
                    connection.execute("INSERT INTO book (token) VALUES (%s)", (token,))
        except StaleToken:
            return

    connections = [(token, connect()) for token in range(1, 6)]
    threads = [InThread(lambda token=token, one=one: lead(token, one)) for token, one in connections]  # type: ignore[misc]  # its defaults
    for thread in threads:
        thread.outcome()

    tokens = [row[0] for row in connect().execute("SELECT token FROM book ORDER BY number").fetchall()]
    assert tokens == sorted(tokens)
    assert tokens[-1] == 5
