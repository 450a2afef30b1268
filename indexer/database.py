"""A database and its tables: readers see one state, writers queue, and what is committed or deleted is so for good.

A SQLite file, or by an operator's setting a PostgreSQL database; everything above this module sees no difference.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from sqlalchemy import JSON, Connection, Engine, String, Table, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import AutoString, Session, SQLModel

from indexer.address import Address
from indexer.sqlite import Sqlite
from policies.errors import ConflictError, DependencyError, IntegrityError

if TYPE_CHECKING:
    from indexer.postgresql import Postgresql

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
"""Chosen: longer than any transaction here (one document), shorter than a person's patience."""
MAX_VARIABLES = 10_000
"""Values in one `IN (…)`: a third of what SQLite allows by default (https://sqlite.org/limits.html), and a sixth of
what PostgreSQL's protocol does."""


class Hold(Protocol):
    """Proof of being the one holder of a name."""

    def still_held(self) -> None:
        """Return if that is so. Asked inside `writing`, the answer is good until that transaction has ended.

        Raises:
            DependencyError: it was lost, and somebody else may hold it.
        """


class _Bound(Session):
    """A session on a connection that is open. Asking for it costs nothing: a retrieval asks eight times."""

    def connection(self, *_: object, **__: object) -> Connection:
        bind = self.bind
        if not isinstance(bind, Connection):
            raise DependencyError("A session has no connection.", mend="Report a fault of Penstock.")
        return bind


class Database:
    """A SQLite file or a PostgreSQL database and its tables, with a session for reading and one for writing.

    `name` is for messages: a file name, or the database's name. `out_of_reach` says what of deleted rows `checkpoint`
    cannot reach, one sentence each.
    """

    def __init__(
        self, place: Path | Address, tables: Sequence[type[SQLModel]], *, busy_timeout_ms: int = BUSY_TIMEOUT_MS
    ) -> None:
        self._store = _store(place, busy_timeout_ms)
        self.name = self._store.name
        self.out_of_reach = self._store.out_of_reach
        self._tables = _tables(tables)
        self._holds: tuple[Hold, ...] = ()

    def create(self) -> None:
        """Make the tables that do not exist yet. Any number of processes may do so at once.

        Raises:
            ConflictError, DependencyError, IntegrityError: as for `writing`.
        """
        with self._errors():
            self._store.create(self._tables)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state and cannot write.

        Raises:
            DependencyError: the database cannot be read.
            IntegrityError: it is damaged.
        """
        with (
            self._errors(reading=True),
            self._store.reading.connect() as connection,
            _Bound(connection) as session,
        ):
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the one write lock from its start; committed and on the disk when the block ends.

        Raises:
            ConflictError: another writer held the lock for longer than the busy timeout.
            DependencyError: the database cannot be written and nothing was changed. Where the server of a PostgreSQL
                database was lost at the very end, all may have been.
            IntegrityError: it is damaged.
        """
        with (
            self._errors(),
            self._store.writing.begin() as connection,
            _Bound(connection, expire_on_commit=False) as session,
        ):
            for hold in self._holds:
                hold.still_held()
            yield session
            session.flush()

    def fenced(self, hold: Hold) -> Self:
        """This database for the holder of a name, who can write only for as long as that holds."""
        fenced = copy(self)
        fenced._holds = (*self._holds, hold)  # noqa: SLF001 - of its own class
        return fenced

    @contextmanager
    def exclusive(self, name: str) -> Iterator[Hold]:
        """Be the one holder of a name, among all processes on this database, until the block ends.

        A holder that dies, or whose host does, holds it no longer; one that was only cut off finds out by
        `still_held`, or by writing to a `fenced` database. The name is a file name: a source's, or any other without a
        slash.

        Raises:
            ConflictError: another holds it.
            DependencyError: the database cannot be reached.
        """
        with self._store.exclusive(name) as hold:
            yield hold

    def checkpoint(self, *deleted_from: type[SQLModel]) -> None:
        """Leave no byte of rows that were deleted from these tables in the files of the tables and the log.

        What that does not reach is told by `out_of_reach`. In a PostgreSQL database each table is written anew, and
        nobody reads it meanwhile. In a file no table needs to be named.

        Raises:
            ConflictError: a reader still needs them; ask again.
        """
        with self._errors():
            self._store.checkpoint(_tables(deleted_from))

    def compact(self, *deleted_from: type[SQLModel]) -> None:
        """As `checkpoint`, and also of rows that were moved within a file before they were deleted.

        SQLite leaves a copy in the page that a row is moved out of, which it overwrites when it needs the place, and
        its `secure_delete` knows nothing of that. The file is written anew, and nobody else writes meanwhile.

        Raises:
            ConflictError: another is writing, or a reader still needs them; ask again.
            DependencyError: the disk has no room for that; what `checkpoint` does is done.
            IntegrityError: it is damaged.
        """
        with self._errors():
            self._store.compact(_tables(deleted_from))

    def integrity_problems(self) -> tuple[str, ...]:
        """What the database's own checks find, empty when all is well; see `caveats` for what they cannot find."""
        try:
            with self.reading() as session:
                return self._store.integrity_problems(session.connection(), self._tables)
        except IntegrityError as error:
            return (error.message,)

    def texts(self, session: Session, *, but: Collection[str]) -> Iterator[str]:
        """Every text in its tables, but for those of these names."""
        for table in self._tables:
            columns = [column for column in table.columns if isinstance(column.type, AutoString | String | JSON)]
            if table.name in but or not columns:
                continue
            for row in session.connection().execute(select(*columns)):
                yield from (value if isinstance(value, str) else json.dumps(value) for value in row if value)

    def caveats(self) -> tuple[str, ...]:
        """What in the way the database is run leaves something to be wished for, one sentence each."""
        with self.reading() as session:
            return self._store.caveats(session.connection())

    def jobs_engine(self) -> Engine:
        """A new engine for durable jobs: on a file beside this one, or on the same PostgreSQL database.

        It comes with the same care for durability and deletion, and is the caller's to dispose of.
        """
        return self._store.jobs_engine()

    def close(self) -> None:
        """Close every connection."""
        self._store.close()

    @contextmanager
    def _errors(self, *, reading: bool = False) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            raise DependencyError(
                f"Every connection to {self.name} is in use.", mend="Retry when fewer ask at once."
            ) from error
        except DBAPIError as error:
            translated = self._store.translated(error)
            if translated is None:
                raise
            if reading and isinstance(translated, ConflictError):
                raise DependencyError(translated.message, mend=translated.mend) from error
            raise translated from error


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in lists of at most `size`."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch


def _store(place: Path | Address, busy_timeout_ms: int) -> "Sqlite | Postgresql":
    if isinstance(place, Path):
        return Sqlite(place, busy_timeout_ms=busy_timeout_ms)
    # Its driver takes a tenth of a second to import, which those who have a file need not wait for.
    from indexer.postgresql import Postgresql  # noqa: PLC0415

    return Postgresql(place, busy_timeout_ms=busy_timeout_ms)


def _tables(rows: Iterable[type[SQLModel]]) -> list[Table]:
    return [SQLModel.metadata.tables[str(row.__tablename__)] for row in rows]
