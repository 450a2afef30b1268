"""What a PostgreSQL server can be asked about the soundness of its tables, and about what it does for it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from sqlalchemy import Column, Connection, Table, TypeDecorator
from sqlalchemy.exc import DBAPIError

_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'data_checksums')"
_AMCHECK = (
    "SELECT extnamespace::regnamespace::text FROM pg_extension JOIN pg_proc ON pronamespace = extnamespace"
    " WHERE extname = 'amcheck' AND proname = 'verify_heapam' AND has_function_privilege(pg_proc.oid, 'EXECUTE')"
)
_CAVEATS = {
    "fsync": "The server does not wait for its disk (fsync is off): a power cut loses what was committed.",
    "full_page_writes": "The server writes parts of pages (full_page_writes is off): a power cut can damage a table.",
    "data_checksums": "The server's pages have no checksums (data_checksums is off): a flipped bit is found late.",
    "amcheck": "The extension amcheck is not there, or not ours to run: no index was compared with its table.",
}
_READ_TO_THE_END: Mapping[type, str] = {str: 'max(length("{}"))', bytes: 'max(bit_count("{}"))'}
"""What makes the server fetch all of a value, also one that it keeps apart from its table because it is long."""


def problems(connection: Connection, tables: Sequence[Table]) -> tuple[str, ...]:
    """What reading every row of the tables finds, and the extension amcheck where it is installed and allowed."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL enable_indexonlyscan = off")
    amcheck = connection.exec_driver_sql(_AMCHECK).scalar()
    return tuple(
        f"table {table.name}: {problem}"
        for table in tables
        for statement in (_read_all(table), *(_compare(table, amcheck) if amcheck else ()))
        for problem in _found(connection, statement)
    )


def caveats(connection: Connection) -> tuple[str, ...]:
    """What the server does not do for its tables, one sentence each."""
    state = {row.name: row.setting for row in connection.exec_driver_sql(_SETTINGS)}
    state["amcheck"] = "on" if connection.exec_driver_sql(_AMCHECK).scalar() else "off"
    return tuple(caveat for name, caveat in _CAVEATS.items() if state.get(name) == "off")


def python_type(column: Column[Any]) -> type:
    """What the values of a column are in Python."""
    stored = column.type
    return (stored.impl_instance if isinstance(stored, TypeDecorator) else stored).python_type


def _found(connection: Connection, statement: str) -> Iterable[str]:
    try:
        with connection.begin_nested():
            rows = connection.exec_driver_sql(statement).all()
    except DBAPIError as error:
        # The server is away, or was told to stop; anything else is an answer.
        if isinstance(error.orig, psycopg.OperationalError):
            raise
        return [f"it cannot be read ({error.args[0]})"]
    return [str(row.problem) for row in rows if "problem" in row._fields]


def _read_all(table: Table) -> str:
    reads = [
        read.format(column.name)
        for column in table.columns
        for kind, read in _READ_TO_THE_END.items()
        if python_type(column) is kind
    ]
    return f'SELECT {", ".join(["count(*)", *reads])} FROM "{table.name}"'  # noqa: S608 - names of our own tables


def _compare(table: Table, schema: str) -> tuple[str, str]:
    relation = f"""'"{table.name}"'::regclass"""
    return (
        f"SELECT {schema}.bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = {relation}",  # noqa: S608
        f"SELECT msg AS problem FROM {schema}.verify_heapam({relation})",  # noqa: S608
    )
