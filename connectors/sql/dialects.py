"""The kinds of database that can be kept to reading: how each is opened and bounded, and how its errors are told.

No SQL is parsed here. That a statement is a single SELECT is the database's own finding: PostgreSQL declares a cursor
for it by its extended protocol, which takes one command, in a transaction that is read-only; SQLite's file is opened
for reading, and its driver takes one statement.
"""

import os
import re
import socket
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from connectors.sql import libpq
from policies.errors import DependencyError, PenstockError, RefusedError

CONNECT_TIMEOUT_S: Final = 10
BUSY_TIMEOUT_S: Final = 10.0
_REFUSED_KINDS: Final = frozenset({"ProgrammingError", "NotSupportedError", "IntegrityError"})
_REFUSED_STATES: Final = ("25006", "28", "3D", "3F")
"""SQLSTATEs that the driver groups with those that pass: a write, bad credentials, no such database or schema."""
# libpq keeps the code of a refused connection to itself. In another language the refusal reads as one that may pass.
_REFUSED_CONNECTION: Final = re.compile(
    r"authentication|no password|pg_hba|permission denied|(role|database) .* does not exist"
)
_UNGUARDED: Final = re.compile(r"certificate|does not support SSL")
_PASSING_SQLITE: Final = re.compile(r"SQLITE_(BUSY|LOCKED|IOERR|INTERRUPT|FULL|PROTOCOL|NOMEM)")
_NAMES_OF_SQLITE: Final = re.compile(r"no such (table|column|function): |near \"|ambiguous column name: ")
_EXAMPLES: Final = "Write one such as postgresql://reader@db.example/crm or sqlite:///crm.db."


class BadValueError(RefusedError):
    """A value in a row cannot be computed or read: it is not the text it claims to be, or a time no calendar holds."""


class Dialect(Protocol):
    """What differs from one kind of database to another."""

    @property
    def place(self) -> str:
        """Where the database is, without user and password."""

    def engine(self) -> Engine:
        """An engine whose connections cannot write. Connects to nothing.

        Raises:
            RefusedError: the driver is not installed, or the URL names no safe way to the database.
        """

    def begin(self, connection: Connection, *, timeout_s: float, zone: tzinfo) -> datetime:
        """Start a transaction that sees one state; the present by the clock of the database (UTC, aware).

        `timeout_s` bounds each statement where the server can do that; naive times are those of `zone`.
        """

    def parameter(self, moment: datetime, *, zone: tzinfo) -> object:
        """A moment as it compares with a column of times."""

    def cut(self, connection: Connection) -> None:
        """End what a connection waits for. Called from another thread."""

    def translated(self, error: DBAPIError) -> PenstockError:
        """An error by what its reader can do about it, without a value of a row and without a secret."""


def address(url: str) -> URL:
    """The parts of a database's URL.

    Raises:
        RefusedError: it is none. The message does not quote it, for it may hold a password.
    """
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise RefusedError("connector.url is no address of a database.", mend=_EXAMPLES) from None


def dialect(url: URL, *, base: Path) -> Dialect:
    """How a database at `url` is read. A file's path is relative to `base`.

    Raises:
        RefusedError: it is of a kind that nothing here can keep to reading.
    """
    match url.drivername:
        case "postgresql" | "postgresql+psycopg":
            return Postgresql(url=url)
        case "sqlite" if url.database and url.database != ":memory:" and not url.host and not url.query:
            return Sqlite(path=base / url.database)
        case kind:
            raise RefusedError(f"connector.url names a database of kind {kind!r} that cannot be read.", mend=_EXAMPLES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Postgresql:
    """PostgreSQL through psycopg: REPEATABLE READ, READ ONLY."""

    url: URL
    connect_timeout_s: int = CONNECT_TIMEOUT_S

    @property
    def place(self) -> str:
        """Host, port and name."""
        return f"{self.url.host}:{self.url.port}/{self.url.database}"

    def engine(self) -> Engine:
        """An engine that pools connections, of which libpq is told all that it would look for in this process."""
        told = libpq.parameters(self.url)
        try:
            return create_engine(
                "postgresql+psycopg://",
                hide_parameters=True,
                isolation_level="REPEATABLE READ",
                execution_options={"postgresql_readonly": True},
                connect_args={
                    **told,
                    "connect_timeout": self.connect_timeout_s,
                    "keepalives_idle": 30,
                    "keepalives_interval": 10,
                    "keepalives_count": 3,
                    "prepare_threshold": None,  # a pooler in front of the server may not keep prepared statements
                },
            )
        except ModuleNotFoundError as error:
            raise RefusedError(
                "The driver for PostgreSQL is not installed.", mend="Run `pip install 'penstock[postgresql]'`."
            ) from error

    def begin(self, connection: Connection, *, timeout_s: float, zone: tzinfo) -> datetime:
        """Start a transaction; the server ends a statement after `timeout_s`."""
        settings = text(
            "SELECT set_config('statement_timeout', :timeout_ms, true), set_config('TimeZone', :zone, true), now()"
        )
        parameters = {"timeout_ms": f"{timeout_s * 1000:.0f}", "zone": str(zone)}
        *_, now = connection.execute(settings, parameters).one()
        return datetime.fromtimestamp(now.timestamp(), tz=UTC)

    def parameter(self, moment: datetime, *, zone: tzinfo) -> object:  # noqa: ARG002 - it is the session's zone
        """The moment itself: the server knows its zone, and that of a column without one."""
        return moment

    def cut(self, connection: Connection) -> None:
        """Close the connection's socket. Asking the server to cancel would be one more wait."""
        driver = connection.connection.driver_connection
        if driver is not None and not driver.closed:
            with socket.socket(fileno=os.dup(driver.fileno())) as shared:
                shared.shutdown(socket.SHUT_RDWR)

    def translated(self, error: DBAPIError) -> PenstockError:
        """By SQLSTATE. Only messages of class 42 are quoted: they name tables and columns of the query, not rows."""
        state: str = getattr(error.orig, "sqlstate", None) or ""
        told = f"{type(error.orig).__name__} {state}".strip()
        kind = type(error).__name__
        if kind == "DataError":
            return _bad_value(told)
        if not state and _UNGUARDED.search(str(error.orig)):
            return RefusedError(
                f"The way to the database is not as guarded as it must be ({told}).",
                mend="Have the server offer TLS, and name who signed its certificate: ?sslrootcert=FILE or "
                "?sslrootcert=system in connector.url. ?sslmode=require asks for no certificate.",
            )
        refused_connection = not state and _REFUSED_CONNECTION.search(str(error.orig)) is not None
        if refused_connection or state.startswith("28"):
            return RefusedError(
                f"The database refuses the connection ({told}).",
                mend="Mend the user, password and database that connector.url and connector.password name.",
            )
        if kind in _REFUSED_KINDS or state.startswith(_REFUSED_STATES):
            diagnosis = getattr(error.orig, "diag", None)
            return _refused(f"{told}: {diagnosis.message_primary}" if diagnosis and state.startswith("42") else told)
        return _away(told)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sqlite:
    """A file of SQLite, which must be there."""

    path: Path
    busy_timeout_s: float = BUSY_TIMEOUT_S

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    def engine(self) -> Engine:
        """An engine that opens the file anew each time."""
        return create_engine("sqlite://", creator=self._connect, poolclass=NullPool, hide_parameters=True)

    def _connect(self) -> sqlite3.Connection:
        # Without mode=ro a wrong path would make an empty database, which looks like one whose documents are gone.
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=ro",
            uri=True,
            timeout=self.busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA query_only=ON")
        return connection

    def begin(self, connection: Connection, *, timeout_s: float, zone: tzinfo) -> datetime:  # noqa: ARG002
        """Start a transaction. SQLite has neither a clock for statements nor zones."""
        connection.exec_driver_sql("BEGIN")
        (now,) = connection.exec_driver_sql("SELECT CURRENT_TIMESTAMP").one()
        return datetime.fromisoformat(now).replace(tzinfo=UTC)

    def parameter(self, moment: datetime, *, zone: tzinfo) -> object:
        """Text as SQLite's own functions write it. Text with a `T` in it sorts behind, so that no row is missed."""
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")

    def cut(self, connection: Connection) -> None:
        """Interrupt the statement."""
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.interrupt()

    def translated(self, error: DBAPIError) -> PenstockError:
        """By SQLite's result code. Only messages that name tables and columns of the query are quoted."""
        code: str = getattr(error.orig, "sqlite_errorname", "")
        told = code or type(error.orig).__name__
        message = str(error.orig)
        if code == "SQLITE_TOOBIG" or message.startswith("Could not decode"):
            return _bad_value(told)
        if _PASSING_SQLITE.match(code):
            return _away(told)
        if code.startswith("SQLITE_CANTOPEN"):
            return RefusedError(
                "The database's file cannot be opened.", mend="Mend connector.url, or let this user read the file."
            )
        return _refused(f"{told}: {message}" if _NAMES_OF_SQLITE.match(message) else told)


def _bad_value(told: str) -> BadValueError:
    return BadValueError(
        f"A value in a row cannot be read ({told}).", mend="Cast or leave out such values in the source's query."
    )


def _refused(told: str) -> RefusedError:
    return RefusedError(
        f"The database refuses a query of the source ({told}).",
        mend="Each must be one SELECT that only reads; mend it, or what the database lets this user read.",
    )


def _away(told: str) -> DependencyError:
    return DependencyError(
        f"The database cannot be read now ({told}).", mend="Check that it is up and reachable, then sync again."
    )
