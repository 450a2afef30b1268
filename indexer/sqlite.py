"""SQLite opened so that commits survive power loss, deletes leave no bytes behind and writers queue."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import SQLITE_BUSY
from sqlite3 import Connection as SqliteConnection
from sqlite3 import Error as SqliteError
from sqlite3 import OperationalError as SqliteOperationalError

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlmodel import SQLModel

from policies.errors import ConflictError, DependencyError, IntegrityError, PenstockError

JOBS_FILE = "jobs.db"
LOCKS_FOLDER = "locks"
MOST_IN_MEMORY_BYTES = 128 * 2**20
"""Chosen: a file up to this size, such as the keyring of 800,000 documents, is written anew by way of memory, of which
it takes as much. A larger one goes through SQLite's temporary folder, which nothing here erases or looks into."""
SPARE_BYTES = 2**20
"""Chosen: what is left to others meanwhile."""
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    # Debian compiles this on, the interpreters from PyPI do not: without it a deleted row stays in the file.
    "secure_delete=ON",
)


class Sqlite:
    """One SQLite file. See `indexer.database.Database` for what the methods promise."""

    out_of_reach: tuple[str, ...] = ()

    def __init__(self, path: Path, *, busy_timeout_ms: int) -> None:
        self.name = path.name
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self.reading = _engine(path, pool_timeout_s=busy_timeout_ms / 1000)
        self.writing = self.reading.execution_options(writing=True)
        event.listen(self.reading, "connect", self._on_connect)
        event.listen(self.reading, "begin", _on_begin)

    def create(self, tables: Sequence[Table]) -> None:
        """Make the tables that are not there."""
        with self.writing.begin() as connection:
            SQLModel.metadata.create_all(connection, tables=tables)

    def checkpoint(self, _: Sequence[Table]) -> None:
        """Fold the write-ahead log into the file and cut it to nothing."""
        with self.reading.connect() as connection:
            connection.rollback()
            try:
                busy = _driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except SqliteOperationalError as error:
                # Past SQLAlchemy, so that its translation does not see it.
                raise DependencyError(
                    f"The write-ahead log of {self.name} cannot be folded in.",
                    mend="Check that the disk is not full, then run the same command again.",
                ) from error
        if busy:
            raise ConflictError("A reader holds the write-ahead log.", mend="Run the same command again.")

    def compact(self, tables: Sequence[Table]) -> None:
        """Write the file anew, then fold the log in."""
        in_memory, lacks_room = self._way_anew()
        if lacks_room:
            # Nobody else could write while it fills the disk, for nothing.
            self.checkpoint(tables)
            raise self._not_anew()
        with self.writing.connect() as connection:
            connection.rollback()
            _let_write(connection, writing=True)
            driver = _driver(connection)
            driver.execute(f"PRAGMA temp_store={'MEMORY' if in_memory else 'DEFAULT'}")
            try:
                driver.execute("VACUUM")
            except (SqliteError, MemoryError) as error:
                # What has come into the log stays there otherwise, and may be all the room that there was.
                with suppress(SqliteError):
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                raise self._not_anew(error) from error
        self.checkpoint(tables)

    def _way_anew(self) -> tuple[bool, bool]:
        """Whether the file is written anew by way of memory, and whether the disk lacks the room.

        The log becomes as large as the file, and so does what goes by way of the disk.
        """
        try:
            size_bytes = self._path.stat().st_size
            free_bytes = shutil.disk_usage(self._path.parent).free
        except OSError as error:
            raise self._not_anew() from error
        in_memory = size_bytes <= MOST_IN_MEMORY_BYTES
        return in_memory, free_bytes < size_bytes * (1 if in_memory else 2) + SPARE_BYTES

    def _not_anew(self, error: Exception | None = None) -> PenstockError:
        if isinstance(error, SqliteError) and error.sqlite_errorcode == SQLITE_BUSY:
            return self._locked()
        if isinstance(error, SqliteError) and not isinstance(error, SqliteOperationalError):
            return self._damaged()
        return DependencyError(
            f"{self.name} cannot be written anew.",
            mend="Make room on its disk for as much again, or for twice as much where it is larger than "
            f"{MOST_IN_MEMORY_BYTES >> 20} MiB, then run the same command again.",
        )

    def _locked(self) -> ConflictError:
        return ConflictError(f"{self.name} is locked by another process.", mend="Run the same command again.")

    def _damaged(self) -> IntegrityError:
        return IntegrityError(f"{self.name} is damaged.", mend="Restore it from its backup.")

    def integrity_problems(self, connection: Connection, _: Sequence[Table]) -> tuple[str, ...]:
        """What SQLite's own check finds."""
        rows = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        return tuple(str(row) for row in rows if row != "ok")

    def caveats(self, _: Connection) -> tuple[str, ...]:
        """None: how the file is opened is all there is to say."""
        return ()

    @contextmanager
    def exclusive(self, name: str) -> Iterator["FileHold"]:
        """Lock a file of this name beside the database."""
        folder = self._path.parent / LOCKS_FOLDER
        folder.mkdir(exist_ok=True)
        path = folder / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(descriptor, 20).decode("ascii", "replace")
                raise ConflictError(
                    f"{name!r} is being worked on by process {holder}.", mend="Wait for it to finish, then retry."
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield FileHold(name=name, path=path, descriptor=descriptor)
        finally:
            os.close(descriptor)

    def jobs_engine(self) -> Engine:
        """An engine on the file of the jobs, with the same pragmas."""
        engine = _engine(self._path.with_name(JOBS_FILE))
        event.listen(engine, "connect", self._on_connect_for_jobs)
        return engine

    def translated(self, error: DBAPIError) -> PenstockError | None:
        """The error as callers know it, None where it is a fault of ours."""
        # The driver's own kinds below this one, such as a broken constraint, are faults of ours and stay as they are.
        if type(error) not in (DatabaseError, OperationalError):
            return None
        cause = str(error.orig)
        if type(error) is DatabaseError or "decode" in cause:
            return self._damaged()
        if "locked" in cause or "busy" in cause:
            return self._locked()
        return DependencyError(
            f"{self.name} cannot be used ({type(error.orig).__name__}).",
            mend="Check that the disk is not full and that the file can be written, then retry.",
        )

    def close(self) -> None:
        """Close every connection."""
        self.reading.dispose()

    def _on_connect(self, connection: SqliteConnection, _record: object) -> None:
        # The driver's own transaction control would start transactions late and as readers.
        connection.isolation_level = None
        self._apply_pragmas(connection)

    def _on_connect_for_jobs(self, connection: SqliteConnection, _record: object) -> None:
        # What the jobs library sets for itself: its migrations begin transactions by hand.
        connection.isolation_level = "IMMEDIATE"
        self._apply_pragmas(connection)

    def _apply_pragmas(self, connection: SqliteConnection) -> None:
        # First of all: to switch a new file to a write-ahead log is to write to it.
        connection.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms}")
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")


@dataclass(frozen=True, kw_only=True, slots=True)
class FileHold:
    """A locked file. The kernel lets go of it when the process dies, however."""

    name: str
    path: Path
    descriptor: int

    def still_held(self) -> None:
        """Return if the file is still the one that is locked."""
        try:
            same = os.path.samestat(os.fstat(self.descriptor), self.path.stat())
        except FileNotFoundError:
            same = False
        if not same:
            raise DependencyError(
                f"The lock file of {self.name!r} was deleted, so that another process can be at work on it.",
                mend="Leave the folder of the locks alone, and run the same command again.",
            )


def _engine(path: Path, *, pool_timeout_s: float = 30) -> Engine:
    return create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False},
        pool_timeout=pool_timeout_s,
        hide_parameters=True,
    )


def _driver(connection: Connection) -> SqliteConnection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, SqliteConnection):
        raise DependencyError("The database driver is not SQLite's.", mend="Report a fault of Penstock.")
    return driver


def _on_begin(connection: Connection) -> None:
    # A reader that upgrades to a writer fails at once with BUSY_SNAPSHOT, whatever the timeout: ask for the lock first.
    writing = connection.get_execution_options().get("writing", False)
    _let_write(connection, writing=writing)
    if writing:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        # Takes no lock yet, so that hardly anything can go wrong: past SQLAlchemy at a third of the cost.
        try:
            _driver(connection).execute("BEGIN")
        except SqliteError:
            # Through it, so that it is translated.
            connection.exec_driver_sql("BEGIN")


def _let_write(connection: Connection, *, writing: bool) -> None:
    """Have the driver refuse to write, or not; remembered, because asking it costs something each time."""
    if connection.info.get("writing") is not writing:
        _driver(connection).execute(f"PRAGMA query_only={'OFF' if writing else 'ON'}")
        connection.info["writing"] = writing
