"""The fence inside a database: the token is compared in the transaction that does the act, by one statement.

The statement raises the election's row to the token unless the row is higher, and locks it until the transaction ends:
another leader's check waits for that, or fails. So the act and its check are one, as rules 1 to 4 of `marks` want.

Isolation: under READ COMMITTED the statement sees what was committed last, having waited for the row. Under REPEATABLE
READ and SERIALIZABLE a row that changed after the transaction's snapshot makes it fail (SQLSTATE 40001), and nothing is
committed. SQLite locks the whole database at the first write and fails where its snapshot is old; a transaction that
reads first should begin with BEGIN IMMEDIATE, lest it be told so late.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tenure.errors import ConfigurationError, StaleToken
from tenure.fencing.marks import borne
from tenure.handle import Hold

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?")
_LEGACY = -1
"""sqlite3.LEGACY_TRANSACTION_CONTROL of Python 3.12; before it was the only way."""
_IN_TRANSACTION = 2
"""psycopg.pq.TransactionStatus.INTRANS"""


class Cursor(Protocol):
    """What is used of a cursor of PEP 249."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, statement: str, parameters: tuple[object, ...] = ..., /) -> object: ...

    def fetchone(self) -> Sequence[int] | Mapping[str, int] | None: ...

    def close(self) -> object: ...


class Connection(Protocol):
    """What is used of a connection of PEP 249: sqlite3's, psycopg's."""

    def cursor(self) -> Cursor: ...

    def commit(self) -> object: ...

    def close(self) -> object: ...


class Dialect(NamedTuple):
    """What differs between the drivers: how a parameter is written, and whether a statement is in a transaction."""

    name: str
    placeholder: str
    is_transactional: Callable[[Connection], bool]
    """Whether the next statement on this connection joins or opens a transaction that lasts beyond it."""


def _sqlite(connection: Any) -> bool:
    if connection.in_transaction:
        return True
    if getattr(connection, "autocommit", _LEGACY) == _LEGACY:
        return connection.isolation_level is not None  # the statement, a write, opens one
    return False  # autocommit=False is always in one, autocommit=True only after BEGIN


def _psycopg(connection: Any) -> bool:
    return not connection.autocommit or connection.info.transaction_status == _IN_TRANSACTION


SQLITE = Dialect("sqlite3", "?", _sqlite)
"""Python's sqlite3, with SQLite 3.24 or newer."""
PSYCOPG = Dialect("psycopg", "%s", _psycopg)
"""PostgreSQL by psycopg 3."""


class SqlFence:
    """Refuses stale tokens in the database that the leader writes to.

    connect   gives a connection of the fence's own, for `stamp`; None: it cannot be stamped at election
    dialect   SQLITE or PSYCOPG
    table     where the marks are; `create` makes it, or a migration with the text of `schema`

    A process that is paused inside its transaction keeps its locks, here as ever: the next leader waits as long as the
    database lets it (sqlite3's `timeout`, PostgreSQL's `lock_timeout`), and is told by the driver's error.
    """

    def __init__(
        self,
        connect: Callable[[], Connection] | None = None,
        *,
        dialect: Dialect = SQLITE,
        table: str = "tenure_fence",
    ) -> None:
        if _TABLE.fullmatch(table) is None:
            raise ConfigurationError(f"{table!r} is no plain name of a table; write name or schema.name")
        self._connect = connect
        self._dialect = dialect
        mark = dialect.placeholder
        self.schema = f"CREATE TABLE IF NOT EXISTS {table} (election VARCHAR(128) PRIMARY KEY, token BIGINT NOT NULL)"
        """The statement that makes the table."""
        self._raise = (
            f"INSERT INTO {table} AS held (election, token) "  # noqa: S608  the table's name was matched above
            f"VALUES ({mark}, {mark}) ON CONFLICT (election) "
            "DO UPDATE SET token = excluded.token WHERE held.token <= excluded.token"
        )
        self._read = f"SELECT token FROM {table} WHERE election = {mark}"  # noqa: S608  the name was matched above

    def create(self, connection: Connection) -> None:
        """Make the table where it is missing. Commit it."""
        cursor = connection.cursor()
        cursor.execute(self.schema)
        cursor.close()

    def check(self, connection: Connection, bearer: Hold | int, election: str | None = None) -> None:
        """Compare in the caller's open transaction, before its writes; one round trip. It decides until the commit.

        `bearer`: a tenure, or a token and the name of its election. Raises StaleToken if a greater token was seen
        (roll back), ConfigurationError where each statement is a transaction of its own (nothing was sent), and the
        driver's errors. What is rolled back, also to a savepoint, has checked nothing. In a pipeline of psycopg, where
        answers come later, it is refused.
        """
        name, token = borne(bearer, election)
        if not self._dialect.is_transactional(connection):
            raise ConfigurationError(
                "this connection commits each statement by itself, so the check would not hold for the write that "
                "follows. Begin a transaction first (BEGIN IMMEDIATE, or connection.transaction() in psycopg), or turn "
                "autocommit off; nothing was sent"
            )
        self._compare(connection, name, token)

    def stamp(self, bearer: Hold | int, election: str | None = None) -> None:
        """Refuse everything older from now on, in a transaction of its own; `Election(..., fences=[fence])` does it
        before its body begins. Raises StaleToken, the driver's errors, and ConfigurationError without `connect`.
        """
        name, token = borne(bearer, election)
        if self._connect is None:
            raise ConfigurationError("SqlFence(connect) needs a function that connects, to be stamped at election")
        connection = self._connect()
        try:
            self._compare(connection, name, token)
            connection.commit()
        finally:
            connection.close()

    def _compare(self, connection: Connection, election: str, token: int) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute(self._raise, (election, token))
            if cursor.rowcount == 1:
                return
            cursor.execute(self._read, (election,))
            row = cursor.fetchone()
        except Exception as error:
            error.add_note(
                f"the fence was comparing token {token} of {election!r}; where its table is missing: {self.schema}"
            )
            raise
        finally:
            cursor.close()
        highest = 0 if row is None else next(iter(row.values())) if isinstance(row, Mapping) else row[0]
        if highest <= token:
            raise ConfigurationError(
                f"the driver does not tell how many rows a statement changed, which {self._dialect.name} is known to; "
                "roll back, for it is not known whether the token is stale"
            )
        raise StaleToken(token, highest)
