"""PostgreSQL's advisory locks: numbers that mean something to Penstock only, each held by a connection."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from policies.errors import ConflictError, DependencyError

_OF_KEY = (
    "locktype = 'advisory' AND objsubid = 1 AND granted AND (classid::bigint << 32 | objid::bigint) = %s"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_HOLDER = f"SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE {_OF_KEY}"  # noqa: S608
_HELD = f"SELECT FROM pg_locks WHERE {_OF_KEY} AND pid = pg_backend_pid()"


def _key(name: str) -> int:
    """The number for a name: 64 bits, signed. The locks of a database are its own."""
    return int.from_bytes(hashlib.sha256(f"penstock {name}".encode()).digest()[:8], "big", signed=True)


WRITE_LOCK = _key("write")
"""Held by every transaction that writes, from its start to its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LockHold:
    """A lock that belongs to a connection: the server lets go of it when the connection, or the host, is gone."""

    name: str
    key: int
    connection: psycopg.Connection

    def still_held(self) -> None:
        """Return if the server still knows the lock as ours."""
        # In a transaction that writes this is certain until it ends: the next holder waits for the write lock first.
        try:
            held = self.connection.execute(_HELD, (self.key,)).fetchone() is not None
        except psycopg.Error:
            held = False
        if not held:
            raise DependencyError(
                f"The connection that held {self.name!r} was lost, so that another process can be at work on it.",
                mend="Run the same command again.",
            )


def take(connection: psycopg.Connection, name: str) -> LockHold:
    """Hold a name until the connection ends, or `release`. The connection becomes one without transactions.

    Raises:
        ConflictError: another connection holds it. Its `application_name` is told.
        psycopg.Error: the server was lost, or a writer was at work for too long.
    """
    hold = LockHold(name=name, key=_key(f"hold {name}"), connection=connection)
    connection.autocommit = True
    connection.execute("SET idle_session_timeout = 0")
    if not _scalar(connection, "SELECT pg_try_advisory_lock(%s)", hold.key):
        holder = _scalar(connection, _HOLDER, hold.key)
        raise ConflictError(
            f"{name!r} is being worked on by {holder or 'another process'}.", mend="Wait for it to finish, then retry."
        )
    # Whoever held it before, and lost it, may be in a transaction that began while it did.
    _scalar(connection, "SELECT pg_advisory_lock(%s)", WRITE_LOCK)
    _scalar(connection, "SELECT pg_advisory_unlock(%s)", WRITE_LOCK)
    return hold


def release(hold: LockHold) -> None:
    """Hold it no longer, at once: of a connection that was closed the server hears a little later."""
    with suppress(psycopg.Error):
        _scalar(hold.connection, "SELECT pg_advisory_unlock(%s)", hold.key)


def _scalar(connection: psycopg.Connection, statement: str, key: int) -> object:
    row = connection.execute(statement.encode(), (key,)).fetchone()
    return row[0] if row else None
