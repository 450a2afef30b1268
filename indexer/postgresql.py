"""The catalog in a PostgreSQL database: one writer at a time, commits that are durable, locks that a dead host loses.

All of it lies in the schema `penstock`; the durable jobs lie beside it, in a schema that their library makes. A proxy
that gives each transaction another connection (PgBouncer's transaction mode) must not stand in between: the locks
belong to connections.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import Diagnostic
from psycopg.types.numeric import IntLoader
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    ExceptionContext,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from indexer import advisory, soundness
from indexer.address import Address
from indexer.advisory import WRITE_LOCK, LockHold
from policies.errors import ConflictError, DependencyError, IntegrityError, PenstockError, SettingsError

SCHEMA = "penstock"
MIN_SERVER_VERSION = 140_000
"""The oldest release that was still mended when this was written (https://www.postgresql.org/support/versioning)."""
CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_MS = 300_000
"""Chosen: longer than it takes to read every row of a source of a million documents."""
IDLE_WRITER_TIMEOUT_MS = 60_000
"""Chosen: a writer that has done nothing for so long has stopped, and everybody else waits for it."""
_KEEPALIVES = {"idle": 10, "interval": 5, "count": 4}
"""Chosen: either side takes the other for gone when it was silent for 30 seconds, and its locks go with it."""
_VANISHED_AFTER_MS = 30_000

_CONFLICTS = frozenset({"55P03", "40P01", "40001"})
"""Not got in time, a deadlock, overtaken (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
_DAMAGE = frozenset({"XX001", "XX002"})
_NO_PRIVILEGE = frozenset({"42501", "3F000"})
"""A schema that one may not use counts as none."""

_STORED_AS: Mapping[type, TypeEngine[Any]] = {str: Text(collation="C"), int: BigInteger()}
"""Text sorts by its bytes, as in SQLite and in Python, whatever the database's language; a count has no limit."""
OUT_OF_REACH = (
    "The PostgreSQL server's write-ahead log, its archives, replicas and backups, and disk blocks that its tables gave "
    "back: what they hold of the documents is sealed with keys that are gone. No file of the server was read."
)


class Postgresql:
    """One PostgreSQL database. `indexer.database.Database` says what each method promises."""

    out_of_reach: tuple[str, ...] = (OUT_OF_REACH,)

    def __init__(self, address: Address, *, busy_timeout_ms: int) -> None:
        self.name = f"PostgreSQL database {address.database!r}"
        self._address = address
        self._busy_timeout_ms = busy_timeout_ms
        self._engine = _engine(self._connect, pool_timeout_s=busy_timeout_ms / 1000)
        self.reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # Not REPEATABLE READ: the statement that waits for the lock would fix what the transaction sees.
        self.writing = self._engine.execution_options(
            isolation_level="READ COMMITTED", postgresql_readonly=False, writing=True
        )
        event.listen(self._engine, "begin", _on_begin)

    def create(self, tables: Sequence[Table]) -> None:
        """Make the tables that are not there."""
        with self.writing.begin() as connection:
            # `IF NOT EXISTS` wants the right to make a schema even where there is one.
            if connection.execute(sql(f"SELECT to_regnamespace('{SCHEMA}')")).scalar() is None:
                connection.execute(sql(f"CREATE SCHEMA {SCHEMA}"))
            _as_stored(tables).create_all(connection)

    def compact(self, tables: Sequence[Table]) -> None:
        """As `checkpoint`, which writes tables anew."""
        self.checkpoint(tables)

    def checkpoint(self, tables: Sequence[Table]) -> None:
        """Write the tables anew, without their deleted rows."""
        left: list[int] = []

        def count(notice: Diagnostic) -> None:
            # "500 dead row versions cannot be removed yet", in whatever language.
            number = re.search(r"\d+", notice.message_detail or "")
            left.append(int(number[0]) if number else 0)

        with self._errors(), self._connect() as connection:
            connection.autocommit = True
            connection.execute("SET statement_timeout = 0")
            connection.add_notice_handler(count)
            for table in tables:
                # A plain VACUUM leaves the bytes of a deleted row in its page until another row takes the place.
                connection.execute(f'VACUUM (FULL, VERBOSE) "{table.name}"'.encode())
        if any(left):
            raise ConflictError("A reader still sees deleted rows.", mend="Run the same command again.")

    def integrity_problems(self, connection: Connection, tables: Sequence[Table]) -> tuple[str, ...]:
        """What reading every row finds, and the extension amcheck where it is to be had."""
        return soundness.problems(connection, tables)

    def caveats(self, connection: Connection) -> tuple[str, ...]:
        """What of durability and of checks this server does not give."""
        return soundness.caveats(connection)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[LockHold]:
        """Lock a number made of this name, on a connection of its own."""
        with self._errors():
            connection = self._connect()
        with connection:
            with self._errors():
                hold = advisory.take(connection, name)
            try:
                yield hold
            finally:
                advisory.release(hold)

    def jobs_engine(self) -> Engine:
        """An engine on the same database whose commits are durable."""
        return _engine(self._connect_for_jobs)

    def translated(self, error: DBAPIError) -> PenstockError | None:
        """The error as callers know it, None where it is a fault of ours."""
        return self._translated(error.orig)

    def close(self) -> None:
        """Close every connection that is not lent out."""
        self._engine.dispose()

    def _connect(self) -> psycopg.Connection:
        connection = self._opened(
            {
                "search_path": SCHEMA,
                "lock_timeout": str(self._busy_timeout_ms),
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            }
        )
        # The sum of a column of BIGINT is a NUMERIC. There are no fractions in these tables.
        connection.adapters.register_loader("numeric", IntLoader)
        return connection

    def _connect_for_jobs(self) -> psycopg.Connection:
        idle = {"idle_in_transaction_session_timeout": str(IDLE_WRITER_TIMEOUT_MS)}
        return self._opened(idle | {"synchronous_commit": "on"})

    def _opened(self, session: Mapping[str, str]) -> psycopg.Connection:
        parameters = make_conninfo(
            **{"target_session_attrs": "read-write", **self._address.parameters},
            **{f"keepalives_{name}": str(value) for name, value in _KEEPALIVES.items()},
            keepalives=1,
            tcp_user_timeout=_VANISHED_AFTER_MS,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=f"process {os.getpid()} on {socket.gethostname()}"[:63],
            client_encoding="utf8",
        )
        connection = psycopg.connect(parameters, password=self._address.read_password())
        try:
            self._check(connection)
            # The server's side of the same: a lock is held for as long as the server believes in its connection.
            server = {f"tcp_keepalives_{name}": str(value) for name, value in _KEEPALIVES.items()}
            settings = {**session, **server, "tcp_user_timeout": str(_VANISHED_AFTER_MS)}
            calls = ", ".join("set_config(%s, %s, false)" for _ in settings)
            connection.execute(f"SELECT {calls}".encode(), [part for item in settings.items() for part in item])
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: psycopg.Connection) -> None:
        if connection.info.server_version < MIN_SERVER_VERSION:
            raise SettingsError(
                f"The server of {self.name} is too old.",
                mend=f"Use PostgreSQL {MIN_SERVER_VERSION // 10_000} or newer.",
            )
        if connection.info.parameter_status("server_encoding") != "UTF8":
            raise SettingsError(
                f"{self.name} cannot hold every character.",
                mend="Make it with: createdb --encoding=UTF8 --template=template0",
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            translated = self._translated(error)
            if translated is None:
                raise
            raise translated from error

    def _translated(self, cause: BaseException | None) -> PenstockError | None:
        state = getattr(cause, "sqlstate", None) or ""
        if state in _CONFLICTS:
            return ConflictError(f"{self.name} is locked by another process.", mend="Run the same command again.")
        if state in _DAMAGE:
            return IntegrityError(f"{self.name} is damaged.", mend="Restore it from its backup.")
        if state in _NO_PRIVILEGE:
            return SettingsError(
                f"The user of {self.name} may not do what Penstock does there.",
                mend=f"Make that user the owner of the database, or of the schemas {SCHEMA} and dbos in it.",
            )
        if not isinstance(cause, psycopg.OperationalError | psycopg.InternalError | psycopg.InterfaceError):
            # A broken constraint, a statement or a value that is not right: faults of ours, which stay what they are.
            return None
        return DependencyError(
            f"{self.name} cannot be used ({type(cause).__name__}).",
            mend="Check that its server runs and is no standby, takes the user and the password, has room on its disk, "
            "and a certificate that sslrootcert vouches for; then retry.",
        )


_BEGIN_WRITING = (
    # A server, a database or a role can be set to answer a commit before it is on the disk. More than that is kept.
    "SELECT set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),"
    f" set_config('idle_in_transaction_session_timeout', '{IDLE_WRITER_TIMEOUT_MS}', true),"
    f" pg_advisory_xact_lock({WRITE_LOCK})"
)


def _on_begin(connection: Connection) -> None:
    if connection.get_execution_options().get("writing", False):
        connection.exec_driver_sql(_BEGIN_WRITING)


def _engine(connect: Callable[[], psycopg.Connection], *, pool_timeout_s: float = 30) -> Engine:
    engine = create_engine(
        "postgresql+psycopg://",
        creator=connect,
        pool_pre_ping=True,
        pool_timeout=pool_timeout_s,
        hide_parameters=True,
    )
    # The driver would announce every number as one of 32 bits, and the server refuse what is larger.
    engine.dialect.colspecs = {**engine.dialect.colspecs, Integer: _Bigint}
    event.listen(engine, "handle_error", _without_values)
    return engine


class _Bigint(BigInteger):
    render_bind_cast = True


def _without_values(context: ExceptionContext) -> None:
    """The server's own words quote what was to be stored."""
    cause = context.original_exception
    if isinstance(cause, psycopg.Error) and cause.sqlstate:
        words = f"{type(cause).__name__} {cause.sqlstate} {cause.diag.constraint_name or ''}".rstrip()
        cause.args = (words,)
        if context.sqlalchemy_exception is not None:
            context.sqlalchemy_exception.args = (words,)


def _as_stored(tables: Sequence[Table]) -> MetaData:
    """The same tables as PostgreSQL is to make them."""
    copies = MetaData()
    for table in tables:
        for column in table.to_metadata(copies).columns:
            column.type = _STORED_AS.get(soundness.python_type(column), column.type)
            column.autoincrement = False
    return copies
