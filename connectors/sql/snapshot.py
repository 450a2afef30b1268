"""Reading a database at one moment, batch by batch, each statement within its time."""

import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from threading import Timer
from typing import Final

from sqlalchemy import Connection, Engine, TextClause
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from connectors.sql.dialects import Dialect
from policies.errors import DependencyError, RefusedError

STATEMENT_TIMEOUT_S: Final = 300.0
"""Chosen: a listing of millions of rows begins within it, and a lost index does not hold a sync up for ever."""
GRACE_S: Final = 15.0
"""Chosen: for a server to end a statement by its own clock before the connection is cut from this side."""
BATCH_ROWS: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Selected:
    """What a SELECT returns: the names of its columns in lower case, and its rows."""

    names: tuple[str, ...]
    rows: Iterator[tuple[object, ...]]


@dataclass(frozen=True, kw_only=True, slots=True, weakref_slot=True)
class ReadOnlyDatabase:
    """A database that is only read. `zone` is that of times which name none."""

    dialect: Dialect
    engine: Engine
    zone: tzinfo
    timeout_s: float = STATEMENT_TIMEOUT_S
    grace_s: float = GRACE_S

    def __post_init__(self) -> None:
        # Nobody is told to close a connector: its pooled connections end with it.
        weakref.finalize(self, self.engine.dispose)

    @contextmanager
    def snapshot(self) -> Iterator["Snapshot"]:
        """The database as it is now, seen by all that is read while the block runs.

        Raises:
            RefusedError: the database refuses the connection.
            DependencyError: it cannot be reached.
        """
        connection, now = self._begun()
        with connection, ExitStack() as opened:
            yield Snapshot(now=now, database=self, connection=connection, opened=opened)

    def _begun(self) -> tuple[Connection, datetime]:
        with self._told():
            connection = self.engine.connect()
        try:
            with self.limited(connection):
                return connection, self.dialect.begin(connection, timeout_s=self.timeout_s, zone=self.zone)
        except BaseException:
            connection.close()
            raise

    @contextmanager
    def limited(self, connection: Connection) -> Iterator[None]:
        """Cut the connection off where the block takes too long, and tell an error as one of the project's own."""
        watch = Timer(self.timeout_s + self.grace_s, self.dialect.cut, (connection,))
        watch.daemon = True
        watch.start()
        try:
            with self._told():
                yield
        finally:
            watch.cancel()
            watch.join()

    @contextmanager
    def _told(self) -> Iterator[None]:
        # The driver's own words may quote rows, and a logged traceback would show them: hence `from None`.
        try:
            yield
        except DBAPIError as error:
            raise self.dialect.translated(error) from None
        except PoolTimeoutError:
            raise DependencyError("All connections are in use.", mend="Read fewer documents at once.") from None
        except SQLAlchemyError as error:
            raise RefusedError(
                f"A query of the source returns no rows, not even none ({type(error).__name__}).",
                mend="Write a SELECT.",
            ) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A database at one moment: `now` by its own clock (UTC, aware)."""

    now: datetime
    database: ReadOnlyDatabase
    connection: Connection
    opened: ExitStack

    def select(self, statement: TextClause, parameters: Mapping[str, object], *, batch: int = BATCH_ROWS) -> Selected:
        """Run a SELECT and hold at most `batch` rows at a time. How large one row is, is not bounded.

        Raises:
            BadValueError: a value of a row cannot be read.
            RefusedError: it is not a single SELECT, or the database refuses it.
            DependencyError: the database went away or takes too long, here or between rows.
        """
        with self.database.limited(self.connection):
            result = self.connection.execute(statement, parameters, execution_options={"yield_per": batch})
            self.opened.callback(result.close)
            names = tuple(name.lower() for name in result.keys())  # noqa: SIM118 - a result is no mapping

        def rows() -> Iterator[tuple[object, ...]]:
            while True:
                with self.database.limited(self.connection):
                    fetched = result.fetchmany(batch)
                if not fetched:
                    return
                yield from map(tuple, fetched)

        return Selected(names=names, rows=rows())
