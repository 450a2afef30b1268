"""SQLite opened so that commits survive power loss, deletes leave no bytes behind and writers queue."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import TypeVar

from sqlalchemy import Connection, Table, create_engine, event, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlmodel import Session, SQLModel

from policies.errors import ConflictError, DependencyError, IntegrityError, PenstockError

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
"""Chosen: longer than any transaction here (one document), shorter than a person's patience."""
MAX_VARIABLES = 10_000
"""Values in one `IN (…)`: a third of what SQLite allows by default (https://sqlite.org/limits.html)."""
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    # Debian compiles this on, the interpreters from PyPI do not: without it a deleted row stays in the file.
    "secure_delete=ON",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
)


class _Bound(Session):
    """A session on a connection that is open. Asking for it costs nothing: a retrieval asks eight times."""

    def connection(self, *_: object, **__: object) -> Connection:
        bind = self.bind
        if not isinstance(bind, Connection):
            raise DependencyError("A session has no connection.", mend="Report a fault of Penstock.")
        return bind


class Database:
    """One SQLite file and its tables, with a session for reading and one for writing."""

    def __init__(self, path: Path, tables: Sequence[type[SQLModel]]) -> None:
        self.path = path
        self._engine = create_engine(
            f"sqlite:///{path}", connect_args={"check_same_thread": False}, hide_parameters=True
        )
        self._writing_engine = self._engine.execution_options(writing=True)
        self._tables: list[Table] = [SQLModel.metadata.tables[str(table.__tablename__)] for table in tables]
        event.listen(self._engine, "connect", _on_connect)
        event.listen(self._engine, "begin", _on_begin)

    def create(self) -> None:
        """Make the tables that do not exist yet.

        Raises:
            ConflictError, DependencyError, IntegrityError: as for `writing`.
        """
        with _database_errors(self.path), self._writing_engine.begin() as connection:
            SQLModel.metadata.create_all(connection, tables=self._tables)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state and must not write.

        Raises:
            DependencyError: the database cannot be read.
            IntegrityError: the file is damaged.
        """
        with _database_errors(self.path), self._engine.connect() as connection, _Bound(connection) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock from its start; committed and on the disk when the block ends.

        Raises:
            ConflictError: another writer held the lock for longer than the busy timeout.
            DependencyError: the database cannot be written; nothing was changed.
            IntegrityError: the file is damaged.
        """
        with (
            _database_errors(self.path),
            self._writing_engine.begin() as connection,
            _Bound(connection, expire_on_commit=False) as session,
        ):
            yield session
            session.flush()

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file and cut it to nothing, so that no deleted row is left in it.

        Raises:
            ConflictError: a reader still needs the log; ask again.
        """
        with _database_errors(self.path), self._engine.connect() as connection:
            connection.rollback()
            busy = _raw(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise ConflictError("A reader holds the write-ahead log.", mend="Run the same command again.")

    def integrity_problems(self) -> tuple[str, ...]:
        """What SQLite's own integrity check finds, empty when all is well."""
        try:
            with self.reading() as session:
                rows = session.connection().execute(text("PRAGMA integrity_check")).scalars().all()
        except IntegrityError as error:
            return (error.message,)
        return tuple(str(row) for row in rows if row != "ok")

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in lists of at most `size`."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch


def _raw(connection: Connection) -> SqliteConnection:
    raw = connection.connection.driver_connection
    if not isinstance(raw, SqliteConnection):
        raise DependencyError("The database driver is not SQLite's.", mend="Use a sqlite:/// address.")
    return raw


def _on_connect(connection: SqliteConnection, _record: object) -> None:
    # The driver's own transaction control would start transactions late and as readers.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    # A reader that upgrades to a writer fails at once with BUSY_SNAPSHOT, whatever the timeout: ask for the lock first.
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def _database_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        # The driver's own kinds below this one, such as a broken constraint, are faults of ours and stay as they are.
        if type(error) not in (DatabaseError, OperationalError):
            raise
        raise _translated(error, path) from error


def _translated(error: DBAPIError, path: Path) -> PenstockError:
    cause = str(error.orig)
    if type(error) is DatabaseError or "decode" in cause:
        return IntegrityError(f"{path.name} is damaged.", mend="Restore it from its backup.")
    if "locked" in cause or "busy" in cause:
        return ConflictError(f"{path.name} is locked by another writer.", mend="Run the same command again.")
    return DependencyError(
        f"{path.name} cannot be used ({type(error.orig).__name__}).",
        mend="Check that the disk is not full and that the file can be written, then retry.",
    )
