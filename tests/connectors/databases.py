"""Tables of documents as origins: in a file of SQLite, and on a real PostgreSQL read by a user with a password."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from sqlalchemy import NullPool, StaticPool, create_engine, text

from connectors.base import Finished, SourceDocument, Upsert
from connectors.database import DatabaseConnector
from connectors.guard import guarded
from connectors.secrets import Secrets
from policies.errors import QuarantineError
from tests.postgres import execute, server

PASSWORD = "correct-horse-battery"
TEXT = "SELECT body FROM documents WHERE id = :id"
ACCESS = "SELECT document AS id, reader AS allow, banned AS deny FROM readers WHERE document IN :ids"


class Table:
    """A table `documents`, and a table `readers` that says who may read them."""

    def __init__(self, owner_url: str, base: Path, options: Mapping[str, object]) -> None:
        self.base = base
        self.options = {"text": TEXT, "format": "named", **options}
        self.waits: list[float] = []
        self.owner = create_engine(owner_url, poolclass=StaticPool, isolation_level="AUTOCOMMIT")

    def connector(self, **options: object) -> DatabaseConnector:
        given = {key: value for key, value in {**self.options, **options}.items() if value is not None}
        secrets = Secrets(environment={"PASSWORD": PASSWORD}, base=self.base)
        return replace(DatabaseConnector.from_options(given, secrets=secrets), sleep=self.waits.append)

    def run(self, sql: str, **parameters: object) -> None:
        with self.owner.connect() as connection:
            connection.execute(text(sql), parameters)

    def put(self, name: str, content: bytes | None) -> None:
        self.run(
            "INSERT INTO documents (title, body) VALUES (:title, :body) ON CONFLICT (title) DO UPDATE"
            " SET body = excluded.body, updated_at = excluded.updated_at, version = documents.version + 1",
            title=name,
            body=content,
        )

    def rename(self, name: str, new_name: str) -> None:
        self.run(
            "UPDATE documents SET title = :new, updated_at = CURRENT_TIMESTAMP WHERE title = :old",
            old=name,
            new=new_name,
        )

    def delete(self, name: str) -> None:
        self.run("DELETE FROM documents WHERE title = :title", title=name)

    def documents(self, **options: object) -> list[SourceDocument]:
        """What a whole listing holds, which passes the guard."""
        items = list(guarded(self.connector(**options)).list(None))
        assert isinstance(items[-1], Finished)
        return [item.document for item in items if isinstance(item, Upsert)]

    def fetched(self, document: SourceDocument, **options: object) -> str:
        """The reason why a document is not fetched, or its text."""
        try:
            return self.connector(**options).fetch(document, max_bytes=1000).decode()
        except QuarantineError as refusal:
            return refusal.reason

    def access(self, **options: object) -> dict[str, tuple[set[str], set[str]]]:
        """Who may and who must not read each document that the guard lets through, by title."""
        documents = self.documents()
        found = guarded(self.connector(**options)).permissions(documents)
        titles = {document.origin_id: document.name for document in documents}
        return {titles[key]: (set(access.allow), set(access.deny)) for key, access in found.items()}


class SqliteTable(Table):
    """In a file, with whole numbers as ids and times in text, which name no zone."""

    def __init__(self, base: Path, **options: object) -> None:
        listing = "SELECT id, title, created_at AS created, updated_at AS modified, version AS stamp FROM documents"
        super().__init__(
            f"sqlite:///{base}/documents.db",
            base,
            {"url": "sqlite:///documents.db", "documents": listing, "timezone": "UTC", "access": ACCESS, **options},
        )
        self.run("PRAGMA synchronous = OFF")
        self.run(
            "CREATE TABLE documents (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT UNIQUE, body BLOB, "
            "created_at TEXT DEFAULT (datetime('now')), updated_at TEXT DEFAULT (datetime('now')), "
            "version INTEGER DEFAULT 1)"
        )
        self.run("CREATE TABLE readers (document INTEGER, reader TEXT, banned TEXT)")

    def break_off(self) -> None:
        (self.base / "documents.db").unlink()


class PostgresTable(Table):
    """On a server, with UUIDs as ids and times that name their zone, read by a user who may read and has a password."""

    secret = PASSWORD

    def __init__(self, url: str, base: Path, **options: object) -> None:
        listing = "SELECT id, title, created_at AS created, updated_at AS modified FROM documents"
        given = {
            "url": url.replace("postgres:@", "reader@"),
            "password": {"env": "PASSWORD"},
            "documents": listing,
            "changes": f"{listing} WHERE updated_at >= :since",
            "access": ACCESS,
        }
        super().__init__(url, base, {**given, **options})
        self.run(
            "CREATE TABLE documents (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text UNIQUE, body bytea, "
            "created_at timestamptz DEFAULT clock_timestamp(), updated_at timestamptz DEFAULT clock_timestamp(), "
            "version integer DEFAULT 1)"
        )
        self.run("CREATE TABLE readers (document uuid, reader text[], banned text[])")
        self.run("GRANT SELECT ON documents, readers TO reader")

    def break_off(self) -> None:
        self.run("ALTER ROLE reader CONNECTION LIMIT 0")
        self.cut_off()

    def cut_off(self) -> None:
        """End the connections of the user who reads, and of nobody else."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")


@cache
def readable_database() -> str:
    """The URL of a database for the whole run, whose server asks the user `reader` for a password."""
    with create_engine(server(), poolclass=NullPool).connect() as connection:
        rules = Path(connection.execute(text("SHOW hba_file")).scalar_one())
    rules.write_text(f"local all reader scram-sha-256\n{rules.read_text()}")
    execute(
        server(),
        "SELECT pg_reload_conf()",
        f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
        "CREATE DATABASE readable",
    )
    return server().replace("/postgres?", "/readable?")


@contextmanager
def postgres_table(base: Path, **options: object) -> Iterator[PostgresTable]:
    """A new table in an empty database."""
    url = readable_database()
    execute(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO PUBLIC")
    table = PostgresTable(url, base, **options)
    try:
        yield table
    finally:
        table.run("ALTER ROLE reader CONNECTION LIMIT -1")
        table.owner.dispose()
