"""Where the catalogs of tests lie: in files, or by `--database=postgresql` each in a database of its own.

Every catalog is named by a file, be there such a file or not.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import ProgrammingError

from indexer.address import Address
from tests import postgres

KINDS = ("sqlite", "postgresql")
VARIABLE = "PENSTOCK_TEST_DATABASE"
_KNOWN: dict[Path, str] = {}
"""The databases that this process has asked for, by the file that each stands for."""


def choose(kind: str) -> None:
    os.environ[VARIABLE] = kind  # noqa: TID251 - the one thing that tests are told from outside


def kind() -> str:
    return os.environ.get(VARIABLE, "sqlite")  # noqa: TID251 - as above


def place(file: Path) -> Path | Address:
    """Where this catalog lies: a new, empty database, if none of this run has asked for it before."""
    return file if kind() == "sqlite" else Address.parse(url(file), password_file=None)


def url(file: Path) -> str:
    """The address of the database in place of this file."""
    return engine_url(file).replace("+psycopg", "")


def engine_url(file: Path) -> str:
    """The same as SQLAlchemy wants it."""
    if kind() == "sqlite":
        return f"sqlite:///{file}"
    if file not in _KNOWN:
        _make(file, template="template1")
    return postgres.server().replace("/postgres?", f"/{_KNOWN[file]}?")


def environment(home: Path) -> dict[str, str]:
    """What a process must be told of where the catalog of this home lies."""
    return {} if kind() == "sqlite" else {"PENSTOCK_DATABASE": url(home / "catalog.db")}


def copy(old: Path, new: Path) -> None:
    """Make the catalog `new` what `old` is. Nobody has either of them open."""
    if kind() == "sqlite":
        for tail in ("-wal", "-shm"):
            new.with_name(new.name + tail).unlink(missing_ok=True)
        new.write_bytes(old.read_bytes())
    else:
        drop(new)
        _make(new, template=_KNOWN[old])


def copy_home(old: Path, new: Path) -> None:
    """A copy of a home, which nobody has open, with its catalog."""
    shutil.copytree(old, new)
    if kind() == "postgresql":
        copy(old / "catalog.db", new / "catalog.db")


def folder(file: Path) -> Path:
    """Where the bytes of this catalog's tables lie on this machine."""
    if kind() == "sqlite":
        return file.parent
    (server,) = postgres.query(engine_url(file), "SHOW data_directory")
    (table,) = postgres.query(engine_url(file), "SELECT pg_relation_filepath('pg_class')")
    return (Path(server) / table).parent


def flush(file: Path) -> None:
    """Have the server write to its disk what it holds in memory."""
    if kind() == "postgresql":
        postgres.execute(engine_url(file), "CHECKPOINT")


def drop(below: Path) -> None:
    """Remove the databases of all files that are, or are below, a path."""
    for file in [file for file in _KNOWN if file.is_relative_to(below)]:
        postgres.execute(postgres.server(), f"DROP DATABASE {_KNOWN.pop(file)} WITH (FORCE)")


def _make(file: Path, *, template: str) -> None:
    name = f"test_{hashlib.sha256(bytes(file)).hexdigest()[:24]}"
    # Another process of this run may have made it.
    with suppress(ProgrammingError):
        postgres.execute(postgres.server(), f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    _KNOWN[file] = name
