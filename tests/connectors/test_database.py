import gc
import socket
import sqlite3
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import QueuePool, create_engine, make_url

from connectors.base import Cursor, Delete, Finished, SourceDocument, Upsert
from connectors.database import DatabaseConnector
from connectors.guard import guarded
from connectors.secrets import Secrets
from connectors.sql.dialects import Postgresql, Sqlite
from connectors.sql.snapshot import ReadOnlyDatabase
from policies.errors import DependencyError, QuarantineError, RefusedError
from tests.connectors.conformance import ConnectorConformance, Origin, listed
from tests.connectors.databases import PASSWORD, PostgresTable, SqliteTable, Table, postgres_table
from tests.postgres import execute, server

LISTING = "SELECT id, title, updated_at AS modified FROM documents"


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteTable]:
    table = SqliteTable(tmp_path)
    yield table
    table.owner.dispose()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresTable]:
    with postgres_table(tmp_path) as table:
        yield table


@pytest.fixture(params=["sqlite", "postgres"])
def table(request: pytest.FixtureRequest) -> Table:
    found: Table = request.getfixturevalue(request.param)
    return found


class TestSqliteConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, sqlite: SqliteTable) -> Origin:
        return sqlite


class TestPostgresConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, postgres: PostgresTable) -> Origin:
        return postgres


# What is read


def test_text_is_fetched_in_utf_8_and_nothing_as_an_empty_document(table: Table) -> None:
    table.put("null.txt", None)
    table.put("text.txt", "naïve".encode())
    documents = {document.name: document for document in table.documents()}
    as_text = {"text": "SELECT 'naïve — ' || :id || '' "}
    assert table.fetched(documents["null.txt"]) == ""
    assert table.fetched(documents["text.txt"], **as_text) == f"naïve — {documents['text.txt'].origin_id}"


def test_ids_are_text_whole_numbers_and_uuids(postgres: PostgresTable) -> None:
    postgres.run("CREATE TABLE other (n bigint, word text)")
    postgres.run("GRANT SELECT ON other TO reader")
    postgres.run("INSERT INTO other VALUES (7, 'a/b c'), (-1, '007')")
    number = {"documents": "SELECT n AS id FROM other ORDER BY n", "text": "SELECT word FROM other WHERE n = :id"}
    word = {
        "documents": "SELECT word AS id FROM other ORDER BY n",
        "text": "SELECT n::text FROM other WHERE word = :id",
    }
    assert [(item.origin_id, postgres.fetched(item, **number)) for item in postgres.documents(**number)] == [
        ("-1", "007"),
        ("7", "a/b c"),
    ]
    assert [(item.origin_id, postgres.fetched(item, **word)) for item in postgres.documents(**word)] == [
        ("007", "-1"),
        ("a/b c", "7"),
    ]


def test_names_are_titles_on_one_line_or_ids_with_the_format_behind(sqlite: SqliteTable) -> None:
    sqlite.run("INSERT INTO documents (id, title) VALUES (1, NULL), (2, ' a\n\u0007b  c'), (3, :long)", long="x" * 500)
    assert [document.name for document in sqlite.documents(format="md")] == ["1.md", "a b c.md", f"{'x' * 200}.md"]
    assert [document.name for document in sqlite.documents(format="named")] == ["1", "a b c", "x" * 200]


def test_links_hold_the_quoted_id(sqlite: SqliteTable) -> None:
    options = {"documents": "SELECT 'a/b?é' AS id", "uri_template": "https://crm.example/a/{id}/view?tab=1"}
    assert [document.uri for document in sqlite.documents(**options)] == [
        "https://crm.example/a/a%2Fb%3F%C3%A9/view?tab=1"
    ]
    assert [document.uri for document in sqlite.documents(**{**options, "uri_template": None})] == [
        "database:a%2Fb%3F%C3%A9"
    ]


def test_times_are_taken_to_utc(postgres: PostgresTable) -> None:
    aware = "SELECT 1 AS id, timestamptz '2026-07-01 12:00+02' AS modified, date '2026-07-01' AS created"
    naive = "SELECT 1 AS id, timestamp '2026-07-01 12:00' AS modified, NULL::timestamp AS created"
    (one,) = postgres.documents(documents=aware, timezone="Europe/London")
    (other,) = postgres.documents(documents=naive, timezone="Europe/London")
    assert (one.modified, one.created) == (
        datetime(2026, 7, 1, 10, tzinfo=UTC),
        datetime(2026, 6, 30, 23, tzinfo=UTC),
    )
    assert (other.modified, other.created) == (datetime(2026, 7, 1, 11, tzinfo=UTC), None)


def test_times_in_text_are_read_as_sqlite_writes_them(sqlite: SqliteTable) -> None:
    listing = "SELECT 1 AS id, '2026-07-01T12:00:00.5Z' AS modified, date('2026-07-01') AS created"
    (document,) = sqlite.documents(documents=listing)
    assert document.modified == datetime(2026, 7, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert document.created == datetime(2026, 7, 1, tzinfo=UTC)


def test_a_time_without_a_zone_stops_the_run_where_no_zone_is_given(sqlite: SqliteTable) -> None:
    sqlite.put("a.txt", b"")
    with pytest.raises(RefusedError, match=r"names no time zone.*timezone: UTC"):
        sqlite.documents(timezone=None)


@pytest.mark.parametrize("value", ["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'"])
def test_a_time_that_stands_for_none_is_unknown(sqlite: SqliteTable, value: str) -> None:
    (document,) = sqlite.documents(documents=f"SELECT 1 AS id, {value} AS modified", timezone="Asia/Tokyo")
    assert document.modified is None


def test_the_stamp_is_what_is_selected_as_such_or_the_time_of_modification(sqlite: SqliteTable) -> None:
    def stamp(columns: str) -> str:
        (document,) = sqlite.documents(documents=f"SELECT 1 AS id, {columns}")
        return document.stamp

    assert stamp("'2026-07-01' AS modified") == "2026-07-01T00:00:00+00:00"
    assert stamp("'2026-07-01' AS modified, 7 AS stamp") == "7"
    assert stamp("'2026-07-01' AS modified, NULL AS stamp") == ""
    assert stamp("x'00ff' AS stamp") == "00ff"
    assert stamp("'t' AS title") == ""


def test_a_size_that_is_selected_spares_reading_what_is_too_large(sqlite: SqliteTable) -> None:
    (document,) = sqlite.documents(documents="SELECT 1 AS id, 1001 AS size_bytes")
    assert sqlite.fetched(document, text="SELECT no_such_column FROM documents WHERE id = :id") == "too_large"


# What changed


def changed(table: Table, cursor: Cursor | None, **options: object) -> tuple[list[str], Finished]:
    """The names of a listing's documents, ids of those that are gone, and how it finished."""
    *items, last = guarded(table.connector(**options)).list(cursor)
    assert isinstance(last, Finished)
    return [
        item.document.name if isinstance(item, Upsert) else f"-{item.origin_id}"
        for item in items
        if isinstance(item, Upsert | Delete)
    ], last


INCREMENTAL = {"changes": f"{LISTING} WHERE updated_at >= :since", "documents": LISTING}


def test_without_a_query_for_changes_every_listing_is_complete(table: Table) -> None:
    table.put("a.txt", b"")
    names, last = changed(table, Cursor("1 0123456789abcdef 2026-01-01T00:00:00+00:00"), changes=None)
    assert (names, last) == (["a.txt"], Finished(complete=True, cursor=None))


def test_a_cursor_lists_what_changed_and_not_what_did_not(table: Table) -> None:
    table.put("new.txt", b"")
    table.put("old.txt", b"")
    table.run("UPDATE documents SET updated_at = '2020-01-01 00:00:00' WHERE title = 'old.txt'")
    names, first = changed(table, None, **INCREMENTAL)
    assert (sorted(names), first.complete) == (["new.txt", "old.txt"], True)
    names, second = changed(table, first.cursor, **INCREMENTAL)
    assert (names, second.complete) == (["new.txt"], False)


def test_rows_of_a_naive_column_are_compared_in_their_zone(postgres: PostgresTable) -> None:
    postgres.run("ALTER TABLE documents ALTER updated_at TYPE timestamp")
    postgres.put("a.txt", b"")
    zone = {**INCREMENTAL, "timezone": "America/Los_Angeles"}
    postgres.run("UPDATE documents SET updated_at = now() AT TIME ZONE 'America/Los_Angeles'")
    cursor = changed(postgres, None, **zone)[1].cursor
    assert changed(postgres, cursor, **zone)[0] == ["a.txt"]
    postgres.run("UPDATE documents SET updated_at = now() AT TIME ZONE 'America/Los_Angeles' - interval '3 hours'")
    assert changed(postgres, cursor, **zone)[0] == []


def test_rows_marked_as_deleted_are_gone(table: Table) -> None:
    table.put("a.txt", b"")
    deleted = f"{LISTING.replace('SELECT id,', 'SELECT id, version = 1 AS deleted,')} WHERE updated_at >= :since"
    cursor = changed(table, None, **{**INCREMENTAL, "changes": deleted})[1].cursor
    (document,) = table.documents()
    assert changed(table, cursor, **{**INCREMENTAL, "changes": deleted})[0] == [f"-{document.origin_id}"]


def test_a_cursor_of_other_queries_another_database_or_the_future_lists_everything(
    sqlite: SqliteTable, tmp_path: Path
) -> None:
    sqlite.put("a.txt", b"")
    cursor = changed(sqlite, None, **INCREMENTAL)[1].cursor
    assert cursor is not None
    sqlite.run("UPDATE documents SET updated_at = '2020-01-01 00:00:00'")
    (tmp_path / "copy.db").write_bytes((tmp_path / "documents.db").read_bytes())
    fingerprint = cursor.split()[1]
    for other, options in (
        (cursor, {**INCREMENTAL, "documents": f"{LISTING} WHERE true"}),
        (cursor, {**INCREMENTAL, "url": "sqlite:///copy.db"}),
        (cursor, {**INCREMENTAL, "timezone": "Europe/Paris"}),
        (f"1 {fingerprint} 2999-01-01T00:00:00+00:00", INCREMENTAL),
        (f"1 {fingerprint} 2026-01-01T00:00:00", INCREMENTAL),
        (f"1 {fingerprint} 2026-13-01T00:00:00+00:00", INCREMENTAL),
    ):
        names, last = changed(sqlite, Cursor(other), **options)
        assert (names, last.complete) == (["a.txt"], True)
    assert changed(sqlite, cursor, **INCREMENTAL)[0] == []


# Who may read


def test_access_is_an_array_of_principals(postgres: PostgresTable) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        postgres.put(name, b"")
    postgres.run(
        "INSERT INTO readers SELECT id, ARRAY['group:staff', 'user:ann'], ARRAY['group:guests'] FROM documents "
        "WHERE title = 'a.txt' UNION ALL SELECT id, ARRAY['group:board'], NULL FROM documents WHERE title <> 'c.txt'"
    )
    assert postgres.access() == {
        "a.txt": ({"group:staff", "user:ann", "group:board"}, {"group:guests"}),
        "b.txt": ({"group:board"}, set()),
    }


@pytest.mark.parametrize(
    ("stored", "separator", "allowed"),
    [
        ("group:staff", None, {"group:staff"}),
        ("group:CN=Staff,OU=All", None, {"group:CN=Staff,OU=All"}),
        ("group:urn:geant:x.example:group:staff", None, {"group:urn:geant:x.example:group:staff"}),
        ("group:power-user:all", None, {"group:power-user:all"}),
        ("group:staff; user:ann;", ";", {"group:staff", "user:ann"}),
        ('["group:staff", "user:ann"]', None, {"group:staff", "user:ann"}),
        ('["group:staff"]', ";", {"group:staff"}),
        ("", None, set()),
    ],
)
def test_access_in_text_is_one_principal_several_or_json(
    sqlite: SqliteTable, stored: str, separator: str | None, allowed: set[str]
) -> None:
    sqlite.put("a.txt", b"")
    sqlite.run("INSERT INTO readers SELECT id, :stored, NULL FROM documents", stored=stored)
    sqlite.run("INSERT INTO readers SELECT id, NULL, 'user:eve' FROM documents")
    assert sqlite.access(separator=separator) == {"a.txt": (allowed, {"user:eve"})}


@pytest.mark.parametrize(
    ("allow", "deny"),
    [
        ("group:staff", "guests"),
        ("staff", None),
        ("group:staff;user:ann ", "*"),
        ("group:*", None),
        ("[1]", None),
        ('["group:staff"', None),
        ('{"group": "staff"}', None),
        ("[" * 100_000, None),
        ("user:\x00", None),
        ("group:staff", "group:guests;group:board"),
        ("group:staff", "group:guests, USER:eve"),
        ("group:staff", "group:guests|group:board"),
        ("group:staff", '["group:guests; group:board"]'),
        ("group:guests group:staff", None),
    ],
)
def test_a_document_with_a_malformed_principal_admits_nobody(sqlite: SqliteTable, allow: str, deny: str | None) -> None:
    for name in ("a.txt", "b.txt"):
        sqlite.put(name, b"")
    sqlite.run(
        "INSERT INTO readers SELECT id, :allow, :deny FROM documents WHERE title = 'a.txt'", allow=allow, deny=deny
    )
    sqlite.run("INSERT INTO readers SELECT id, 'group:staff', NULL FROM documents")
    assert sqlite.access() == {"b.txt": ({"group:staff"}, set())}


def test_a_wrong_separator_admits_nobody_rather_than_to_deny_nobody(sqlite: SqliteTable) -> None:
    sqlite.put("a.txt", b"")
    sqlite.run("INSERT INTO readers SELECT id, 'group:staff', 'group:guests;group:board' FROM documents")
    assert sqlite.access(separator=",") == {}
    assert sqlite.access(separator=";") == {"a.txt": ({"group:staff"}, {"group:guests", "group:board"})}


def test_without_a_query_for_access_nobody_is_admitted(table: Table) -> None:
    table.put("a.txt", b"")
    assert table.access(access=None) == {}


def test_access_to_more_documents_than_one_query_asks_for(postgres: PostgresTable) -> None:
    postgres.run("INSERT INTO documents (title) SELECT 'n' || generate_series(1, 1201)")
    postgres.run("INSERT INTO readers SELECT id, ARRAY['user:' || title], NULL FROM documents")
    assert postgres.access() == {f"n{number}": ({f"user:n{number}"}, set()) for number in range(1, 1202)}


def test_a_row_whose_access_cannot_be_computed_takes_no_other_along(postgres: PostgresTable) -> None:
    for number in range(5):
        postgres.put(f"{number}.txt", b"")
    failing = "SELECT id, ARRAY['group:' || (6 / (title <> '3.txt')::int)] AS allow FROM documents WHERE id IN :ids"
    found = postgres.access(access=failing)
    assert found == {f"{number}.txt": ({"group:6"}, set()) for number in (0, 1, 2, 4)}
    with pytest.raises(RefusedError, match="DivisionByZero 22012"):
        postgres.access(access="SELECT id, ARRAY['group:' || 1 / 0] AS allow FROM documents WHERE id IN :ids")


def test_permissions_ask_for_nothing_where_there_is_nothing_to_ask_for(postgres: PostgresTable) -> None:
    postgres.break_off()
    assert postgres.connector().permissions([]) == {}
    assert postgres.connector(access=None).permissions([]) == {}


# Faults of the queries


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("SELECT title FROM documents", "no column 'id'"),
        ("SELECT id, body FROM documents", "column 'body'"),
        ("SELECT id, title AS deny FROM documents", "column 'deny'"),
        ("SELECT id, id FROM documents", "two columns of one name"),
        ("SELECT NULL AS id", "id is of type NoneType"),
        ("SELECT '' AS id", "id is of type str"),
        ("SELECT 1.5 AS id", "id is of type"),
        ("SELECT 1 AS id, 7 AS title", "title is of type int"),
        ("SELECT 1 AS id, 1700000000 AS modified", "time is of type int"),
        ("SELECT 1 AS id, 'yesterday' AS modified", "no ISO 8601"),
        ("SELECT 1 AS id, -1 AS size_bytes", "less than nothing"),
        ("SELECT 1 AS id, '1' AS size_bytes", "size_bytes is of type str"),
        ("SELECT 1 AS id, 2 AS deleted", "deleted is of type int"),
        ("SELECT 1 AS id, 't' AS deleted", "deleted is of type str"),
    ],
)
def test_a_listing_of_other_columns_or_values_stops_the_run(table: Table, listing: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        table.documents(documents=listing)


def test_a_truth_value_is_no_id(postgres: PostgresTable) -> None:
    with pytest.raises(RefusedError, match="id is of type bool"):
        postgres.documents(documents="SELECT true AS id")


def test_two_rows_with_one_id_stop_the_run_whatever_their_type(sqlite: SqliteTable) -> None:
    with pytest.raises(RefusedError, match=r"two documents with one id.*aggregate"):
        sqlite.documents(documents="SELECT 1 AS id UNION ALL SELECT 2 UNION ALL SELECT '1'")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 'a' WHERE :id <> '' UNION ALL SELECT 'b'", "more than one value"),
        ("SELECT 'a', 'b' WHERE :id <> ''", "more than one value"),
        ("SELECT 1 WHERE :id <> ''", "neither text nor bytes"),
        ("SELECT id, body FROM documents WHERE '' = :id", "more than one value"),
    ],
)
def test_a_text_of_more_than_one_value_stops_the_run(table: Table, query: str, message: str) -> None:
    table.put("a.txt", b"")
    (document,) = table.documents()
    with pytest.raises(RefusedError, match=message):
        table.fetched(document, text=query)


@pytest.mark.parametrize(
    "access",
    [
        "SELECT id, 7 AS allow FROM documents WHERE id IN :ids",
        "SELECT id, title AS allowed FROM documents WHERE id IN :ids",
    ],
)
def test_access_of_another_kind_stops_the_run(table: Table, access: str) -> None:
    table.put("a.txt", b"")
    with pytest.raises(RefusedError, match=r"of type int|no column 'allow'"):
        table.access(access=access)


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("SELECT id FROM nowhere", "nowhere"),
        ("SELECT nothing AS id FROM documents", "nothing"),
        ("SELCT 1 AS id", "SELCT"),
        ("SELECT 1 AS id; SELECT 2 AS id", None),
        ("SELECT 1 AS id; COMMIT; DROP TABLE documents", None),
        ("INSERT INTO documents (title) VALUES ('x') RETURNING id", None),
        ("UPDATE documents SET body = NULL", None),
        ("DROP TABLE documents", None),
        ("CREATE TEMP TABLE t (id int)", None),
        ("COMMIT", None),
    ],
)
def test_only_a_single_select_that_reads_is_run(table: Table, listing: str, message: str | None) -> None:
    table.put("a.txt", b"kept")
    with pytest.raises(RefusedError, match=message):
        table.documents(documents=listing)
    assert [table.fetched(document) for document in table.documents()] == ["kept"]


def test_a_semicolon_behind_a_select_is_no_second_statement(table: Table) -> None:
    (document,) = table.documents(documents="SELECT 'a' AS id; ")
    assert document.origin_id == "a"


def test_the_owner_of_a_table_cannot_write_to_it_either(postgres: PostgresTable) -> None:
    postgres.run("CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM documents; SELECT 1'")
    postgres.run("CREATE SEQUENCE numbers")
    postgres.put("a.txt", b"kept")
    owner = {"url": str(postgres.options["url"]).replace("reader@", "postgres@"), "password": None}
    for listing in (
        "SELECT wipe() AS id",
        "SELECT nextval('numbers') AS id",
        "WITH gone AS (DELETE FROM documents RETURNING id) SELECT id FROM gone",
        "SET TRANSACTION READ WRITE",
    ):
        with pytest.raises(RefusedError):
            postgres.documents(documents=listing, **owner)
    assert len(postgres.documents(**owner)) == 1


def test_a_database_that_is_not_there_is_not_made(sqlite: SqliteTable, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="file cannot be opened"):
        sqlite.documents(url="sqlite:///other.db")
    assert not (tmp_path / "other.db").exists()


def test_a_file_that_is_no_database_is_refused(sqlite: SqliteTable, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"no database" * 1000)
    with pytest.raises(RefusedError, match="SQLITE_NOTADB"):
        sqlite.documents(url="sqlite:///other.db")


def test_a_value_that_cannot_be_read_stops_a_listing_and_skips_a_text_and_is_not_shown(table: Table) -> None:
    table.put("a.txt", b"private \xff")
    (document,) = table.documents()
    listings = {
        SqliteTable: "SELECT id, CAST(body AS TEXT) AS title FROM documents",
        PostgresTable: "SELECT id, convert_from(body, 'UTF8') AS title FROM documents",
    }
    sql = listings[type(table)]
    with pytest.raises(QuarantineError) as skipped:
        table.connector(text=sql.replace("id,", "") + " WHERE id = :id").fetch(document, max_bytes=100)
    assert (skipped.value.reason, skipped.value.stage) == ("unreadable", "fetch")
    with pytest.raises(RefusedError) as stopped:
        table.documents(documents=sql)
    for error in (skipped.value, stopped.value):
        assert "private" not in "".join(traceback.format_exception(error))


def test_a_time_no_calendar_holds_stops_the_listing(postgres: PostgresTable) -> None:
    with pytest.raises(RefusedError, match="A value in a row cannot be read"):
        postgres.documents(documents="SELECT 1 AS id, timestamptz 'infinity' AS modified")


# Faults of the database


def test_wrong_credentials_and_missing_rights_stop_the_run_and_are_not_tried_again(postgres: PostgresTable) -> None:
    execute(server(), "DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN")
    url = str(postgres.options["url"])
    for options, message in (
        ({"password": {"env": "OTHER"}}, "connection.*connector.password"),
        ({"url": url.replace("reader", "nobody")}, "refuses the connection"),
        ({"url": url.replace("/readable", "/nowhere")}, "refuses the connection"),
        ({"url": url.replace("reader", "stranger"), "password": None}, "permission denied for table documents"),
    ):
        connector = DatabaseConnector.from_options(
            {key: value for key, value in {**postgres.options, **options}.items() if value is not None},
            secrets=Secrets(environment={"OTHER": "wrong", "PASSWORD": PASSWORD}, base=postgres.base),
        )
        with pytest.raises(RefusedError, match=message) as refusal:
            list(replace(connector, sleep=postgres.waits.append).list(None))
        assert PASSWORD not in "".join(traceback.format_exception(refusal.value))
    assert postgres.waits == []


def test_a_database_that_is_away_is_tried_again_and_then_later(postgres: PostgresTable) -> None:
    postgres.break_off()
    with pytest.raises(DependencyError, match="cannot be read now"):
        postgres.documents()
    assert len(postgres.waits) == 3


def test_a_pooled_connection_that_was_lost_is_replaced(postgres: PostgresTable) -> None:
    postgres.put("a.txt", b"text")
    connector = postgres.connector()
    document = listed(postgres)["a.txt"]
    assert connector.fetch(document, max_bytes=10) == b"text"
    postgres.cut_off()
    assert connector.fetch(document, max_bytes=10) == b"text"
    assert len(postgres.waits) == 1


def test_a_deadlock_a_lock_and_a_lack_of_connections_are_for_later(postgres: PostgresTable) -> None:
    postgres.run(
        "CREATE FUNCTION fail(state text) RETURNS int LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION USING ERRCODE = state, MESSAGE = ''about jane''; END'"
    )
    for state in ("40P01", "40001", "55P03", "53300", "57P03", "58030", "XX000"):
        with pytest.raises(DependencyError, match=state) as later:
            postgres.documents(documents=f"SELECT fail('{state}') AS id")
        assert "jane" not in "".join(traceback.format_exception(later.value))
    for state in ("P0001", "22012", "23505", "28000", "0A000", "54001"):
        with pytest.raises((RefusedError, DependencyError)) as failure:
            postgres.documents(documents=f"SELECT fail('{state}') AS id")
        assert "jane" not in "".join(traceback.format_exception(failure.value))


def test_a_locked_file_is_for_later(sqlite: SqliteTable) -> None:
    path = sqlite.base / "documents.db"
    dialect = Sqlite(path=path, busy_timeout_s=0.1)
    database = ReadOnlyDatabase(dialect=dialect, engine=dialect.engine(), zone=UTC)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DependencyError, match="SQLITE_BUSY"):
            list(replace(sqlite.connector(), database=database).list(None))


def test_a_statement_that_takes_too_long_is_ended_by_the_server(postgres: PostgresTable) -> None:
    connector = postgres.connector(documents="SELECT 1 AS id FROM pg_sleep(60)")
    quick = replace(connector, database=replace(connector.database, timeout_s=0.2))
    with pytest.raises(DependencyError, match="QueryCanceled 57014"):
        list(quick.list(None))


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS id FROM n"


def test_a_statement_that_takes_too_long_is_ended_in_this_process(sqlite: SqliteTable) -> None:
    connector = sqlite.connector(documents=ENDLESS)
    quick = replace(connector, database=replace(connector.database, timeout_s=0.2, grace_s=0.0))
    with pytest.raises(DependencyError, match="SQLITE_INTERRUPT"):
        list(quick.list(None))


# SQLAlchemy leaves the cursor of a lost connection to the garbage collector, of which psycopg warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_falls_silent_is_left(postgres: PostgresTable) -> None:
    connector = postgres.connector(documents="SELECT 1 AS id FROM pg_sleep(60)")
    # The server is told to wait for longer than this side does, as one would that forgets its clock.
    silent = replace(connector, database=replace(connector.database, timeout_s=60, grace_s=-59.7))
    with pytest.raises(DependencyError, match="cannot be read now"):
        list(silent.list(None))
    gc.collect()


def test_a_port_that_takes_calls_and_says_nothing_is_for_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = make_url(f"postgresql://reader:{PASSWORD}@127.0.0.1:{mute.getsockname()[1]}/crm")
        dialect = Postgresql(url=url, connect_timeout_s=2)
        database = ReadOnlyDatabase(dialect=dialect, engine=dialect.engine(), zone=UTC)
        with pytest.raises(DependencyError, match="ConnectionTimeout"), database.snapshot():
            pass


def test_more_readers_than_connections_are_for_later(sqlite: SqliteTable) -> None:
    path = sqlite.base / "documents.db"
    engine = create_engine(f"sqlite:///{path}", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05)
    database = ReadOnlyDatabase(dialect=Sqlite(path=path), engine=engine, zone=UTC)
    with database.snapshot(), pytest.raises(DependencyError, match="All connections are in use"), database.snapshot():
        pass


def test_a_driver_that_is_not_installed_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    options = {"url": {"env": "URL"}, "documents": LISTING, "text": "SELECT :id"}
    secrets = Secrets(environment={"URL": f"postgresql://reader:{PASSWORD}@db/crm"}, base=tmp_path)
    with pytest.raises(RefusedError, match=r"pip install 'penstock\[postgresql\]'"):
        DatabaseConnector.from_options(options, secrets=secrets)


def test_a_listing_sees_one_state_while_rows_come_and_go(postgres: PostgresTable) -> None:
    postgres.run("INSERT INTO documents (title) SELECT 'n' || generate_series(1, 3000)")
    items = postgres.connector().list(None)
    first = next(items)
    postgres.run("DELETE FROM documents")
    postgres.put("late.txt", b"")
    names = {item.document.name for item in (first, *items) if isinstance(item, Upsert)}
    assert names == {f"n{number}" for number in range(1, 3001)}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_table_without_an_end_is_not_read_into_memory(kind: str, request: pytest.FixtureRequest) -> None:
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n",
        "postgres": "SELECT generate_series(1, 1000000000000) AS id",
    }
    table: Table = request.getfixturevalue(kind)
    items = table.connector(documents=endless[kind]).list(None)
    ids = [item.document.origin_id for item, _ in zip(items, range(2500), strict=False) if isinstance(item, Upsert)]
    assert ids == [str(number) for number in range(1, 2501)]


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"querry": "x"}, "no option 'querry'.*access, changes, documents"),
        ({"url": None}, r"connector\.url"),
        ({"url": 7}, r"connector\.url"),
        ({"url": "nonsense"}, "no address of a database"),
        ({"url": "postgresql://reader@host:port/crm"}, "no address of a database"),
        ({"url": "mysql://reader@host/crm"}, "'mysql' that cannot be read"),
        ({"url": "postgresql+asyncpg://reader@host/crm"}, "cannot be read"),
        ({"url": "sqlite://"}, "cannot be read"),
        ({"url": "sqlite:///:memory:"}, "cannot be read"),
        ({"url": "sqlite:///a.db?mode=rwc"}, "cannot be read"),
        ({"url": "postgresql://reader:s3cret@host/crm"}, "must not hold a password"),
        ({"url": "postgresql://reader@host/crm?password=s3cret"}, "must not hold a password"),
        ({"url": "postgresql://reader@host/crm?sslpassword=s3cret"}, "must not hold a password"),
        ({"url": {"env": "NO_URL"}}, "NO_URL"),
        ({"url": {"env": "BAD_URL"}}, "no address of a database"),
        ({"url": "postgresql://reader@host/crm"}, "no password for the database"),
        ({"url": "postgresql://reader@127.0.0.1/crm"}, "no password for the database"),
        ({"url": "postgresql://reader@/crm?host=/run/postgresql,evil.example"}, "no password for the database"),
        ({"password": "s3cret"}, r"connector\.password must not be a secret"),
        ({"password": {"env": "NOWHERE"}}, "NOWHERE"),
        ({"documents": None}, r"connector\.documents is missing"),
        ({"documents": " "}, r"connector\.documents is missing"),
        ({"documents": "SELECT id FROM d WHERE n > :since"}, r"connector\.documents does not take no parameter"),
        ({"text": "SELECT body FROM d"}, r"connector\.text does not take :id"),
        (
            {"text": "SELECT body FROM d WHERE id = :id AND t = :t"},
            r"connector\.text does not take :id and nothing else",
        ),
        ({"changes": "SELECT id FROM d"}, r"connector\.changes does not take :since"),
        ({"changes": 7}, r"connector\.changes"),
        ({"access": "SELECT id, allow FROM d WHERE id = :id"}, r"connector\.access does not take :ids"),
        ({"separator": " "}, r"connector\.separator"),
        ({"timezone": "Mars/Olympus"}, r"connector\.timezone"),
        ({"timezone": "../../etc/passwd"}, r"connector\.timezone"),
        ({"timezone": 7}, r"connector\.timezone"),
        ({"format": ".txt"}, r"connector\.format"),
        ({"format": "a/b"}, r"connector\.format"),
        ({"uri_template": "https://crm.example/"}, r"connector\.uri_template"),
        ({"uri_template": "https://crm.example/{id}/{id}"}, r"connector\.uri_template"),
        ({"uri_template": "https://crm.example/{id}/{name}"}, r"connector\.uri_template"),
        ({"uri_template": "https://u:p@crm.example/{id}"}, r"connector\.uri_template"),
        ({"uri_template": "https://{id}/"}, r"connector\.uri_template"),
        ({"uri_template": "javascript:{id}"}, r"connector\.uri_template"),
        ({"uri_template": "https://crm.example/a b/{id}"}, r"connector\.uri_template"),
    ],
)
def test_wrong_options_are_refused_with_the_mend(options: Mapping[str, object], message: str, tmp_path: Path) -> None:
    given = {"url": "sqlite:///a.db", "documents": "SELECT 1 AS id", "text": "SELECT :id", **options}
    given = {key: value for key, value in given.items() if value is not None}
    secrets = Secrets(environment={"BAD_URL": "s3cret"}, base=tmp_path)
    with pytest.raises(RefusedError, match=message) as refusal:
        DatabaseConnector.from_options(given, secrets=secrets)
    assert "s3cret" not in "".join(traceback.format_exception(refusal.value))


def test_a_whole_url_by_reference_may_hold_the_password(postgres: PostgresTable) -> None:
    postgres.put("a.txt", b"")
    url = str(postgres.options["url"]).replace("reader@", f"reader:{PASSWORD}@")
    given = {**postgres.options, "url": {"env": "URL"}}
    del given["password"]
    connector = DatabaseConnector.from_options(given, secrets=Secrets(environment={"URL": f"{url}\n"}, base=Path()))
    assert len(list(connector.list(None))) == 2
    assert PASSWORD not in repr(connector)


def test_colons_in_a_query_are_escaped_or_part_of_a_word(postgres: PostgresTable) -> None:
    listing = r"SELECT 'a:b' || ' \:c' || '10%' || 1::text AS id"
    assert [document.origin_id for document in postgres.documents(documents=listing)] == ["a:b :c10%1"]


def test_ids_that_no_database_can_be_asked_for_are_gone(table: Table) -> None:
    for origin_id in ("\0", "\ud800", "a\udfffb"):
        forged = SourceDocument(
            origin_id=origin_id, name="", uri="", size_bytes=None, stamp="", created=None, modified=None
        )
        assert table.fetched(forged) == "gone"
        assert table.connector().permissions([forged]) == {}
