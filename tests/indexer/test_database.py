import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from threading import Thread
from types import SimpleNamespace

import pytest
from sqlalchemy import func, text
from sqlalchemy.exc import IntegrityError as ConstraintError
from sqlmodel import Field, SQLModel, select

from indexer import sqlite
from indexer.address import Address
from indexer.database import BUSY_TIMEOUT_MS, Database, batched
from policies.errors import ConflictError, DependencyError, IntegrityError
from tests import catalogs
from tests.indexer.remains import leave
from tests.indexer.workbench import left_below


class Note(SQLModel, table=True):
    __tablename__ = "test_note"

    id: int = Field(primary_key=True)
    text: str
    about: int | None = Field(default=None, foreign_key="test_note.id")
    seal: bytes = b""
    kept: bool = True


@pytest.fixture(params=catalogs.KINDS, autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test of this module runs on both kinds of database, unless it is about one of them."""
    chosen = str(request.param)
    monkeypatch.setenv(catalogs.VARIABLE, chosen)
    for mark in request.node.iter_markers("only"):
        if mark.args != (chosen,):
            pytest.skip(f"it is about {mark.args[0]}")
    return chosen


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    opened = Database(catalogs.place(file), [Note])
    opened.create()
    yield opened
    opened.close()


@pytest.fixture
def impatient(file: Path) -> Iterator[Database]:
    """The same database, as a process has it open that waits for a twentieth of a second only."""
    opened = Database(catalogs.place(file), [Note], busy_timeout_ms=50)
    yield opened
    opened.close()


def write(database: Database, *notes: Note) -> None:
    with database.writing() as session:
        session.add_all(notes)


def texts(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.exec(select(Note.text).order_by("id")))


def execute(database: Database, statement: str) -> None:
    with database.writing() as session:
        session.connection().execute(text(statement))


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("way", ["reading", "writing", "jobs"])
def test_every_connection_has_the_pragmas_that_durability_and_deletion_rest_on(database: Database, way: str) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "secure_delete": 1,
        "busy_timeout": BUSY_TIMEOUT_MS,
    }
    with ExitStack() as stack:
        if way == "jobs":
            engine = database.jobs_engine()
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
        else:
            connection = stack.enter_context(getattr(database, way)()).connection()
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
    assert found == wanted


def test_tables_can_be_made_by_any_number_at_once_and_again(file: Path) -> None:
    places = [Database(catalogs.place(file), [Note]) for _ in range(6)]
    failed: list[Exception] = []

    def create(database: Database) -> None:
        try:
            database.create()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
            failed.append(error)

    threads = [Thread(target=create, args=(database,)) for database in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    write(places[0], Note(id=1, text="first"))
    places[1].create()
    assert texts(places[2]) == ["first"]
    for database in places:
        database.close()


def test_what_a_writing_block_did_is_there_after_it_and_gone_when_it_raises(database: Database) -> None:
    write(database, Note(id=1, text="kept"))

    def fail() -> None:
        with database.writing() as session:
            session.add(Note(id=2, text="lost"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert texts(database) == ["kept"]


def test_a_reading_block_cannot_write(database: Database) -> None:
    write(database, Note(id=1, text="first"))

    def write_too() -> None:
        with database.reading() as session:
            session.add(Note(id=2, text="lost"))
            session.flush()

    for _ in range(2):
        with pytest.raises(DependencyError):
            write_too()
    write(database, Note(id=3, text="third"))
    assert texts(database) == ["first", "third"]


def test_a_deleted_needle_is_in_no_file_after_a_checkpoint(database: Database, file: Path) -> None:
    needles = [f"needle-{number:06}-in-the-haystack".encode() for number in range(200)]
    write(database, *(Note(id=number, text=f"{needle.decode()} " * 2) for number, needle in enumerate(needles)))
    catalogs.flush(file)
    folder = catalogs.folder(file)
    assert left_below(folder, needles) == set(needles)
    execute(database, "DELETE FROM test_note WHERE id != 7")
    database.checkpoint(Note)
    assert left_below(folder, needles) <= {needles[7]}
    catalogs.flush(file)
    assert left_below(folder, needles) == {needles[7]}


def test_an_overwritten_needle_is_in_no_file_after_a_checkpoint(database: Database, file: Path) -> None:
    # Of noise, because PostgreSQL compresses what is long and can be compressed.
    seal = Random(0).randbytes(10_000)  # noqa: S311
    needle = seal[5_000:5_020]
    write(database, Note(id=1, text="x", seal=seal))
    catalogs.flush(file)
    assert left_below(catalogs.folder(file), [needle]) == {needle}
    with database.writing() as session:
        session.merge(Note(id=1, text="short"))
    database.checkpoint(Note)
    assert left_below(catalogs.folder(file), [needle]) == set()


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    write(database, Note(id=1, text="first"))
    with database.reading() as session:
        assert session.exec(select(Note.text)).all() == ["first"]
        write(database, Note(id=2, text="second"))
        assert session.exec(select(Note.text)).all() == ["first"]
    assert texts(database) == ["first", "second"]


def test_a_second_writer_waits_and_is_then_refused(database: Database, impatient: Database) -> None:
    with database.writing() as session:
        session.add(Note(id=1, text="first"))
        session.flush()
        with pytest.raises(ConflictError) as caught:
            write(impatient, Note(id=2, text="second"))
    assert caught.value.message == f"{database.name} is locked by another process."
    assert texts(database) == ["first"]
    write(impatient, Note(id=2, text="second"))


def test_a_writer_sees_what_the_one_before_it_committed(database: Database, file: Path) -> None:
    """Whoever reads the end of a chain and appends to it must not have begun to look before it had the lock."""
    other = Database(catalogs.place(file), [Note])

    def append(times: int, to: Database) -> None:
        for _ in range(times):
            with to.writing() as session:
                last = session.exec(select(func.max(Note.id))).one() or 0
                session.add(Note(id=last + 1, text="x"))

    threads = [Thread(target=append, args=(25, to)) for to in (database, other, database, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert len(texts(database)) == 100


def test_a_checkpoint_under_a_reader_is_refused_and_can_be_repeated(database: Database, impatient: Database) -> None:
    write(database, Note(id=1, text="first"))
    with database.reading() as session:
        session.exec(select(Note.text)).all()
        write(database, Note(id=2, text="second"))
        with pytest.raises(ConflictError):
            impatient.checkpoint(Note)
    impatient.checkpoint(Note)
    assert texts(database) == ["first", "second"]


def test_a_broken_constraint_is_our_own_fault_and_stays_what_it_is(database: Database) -> None:
    write(database, Note(id=4711, text="first"))
    for note in (Note(id=1, text="of nothing", about=815), Note(id=4711, text="of nothing")):
        with pytest.raises(ConstraintError) as caught:
            write(database, note)
        told = f"{caught.value} {caught.value.orig}"
        assert not any(value in told for value in ("of nothing", "815", "4711"))
    assert texts(database) == ["first"]


def test_a_full_disk_closes_and_changes_nothing(database: Database, kind: str) -> None:
    write(database, Note(id=1, text="first"))
    # SQLite answers a file that may not grow with the same error as a disk that is full.
    no_room = {"sqlite": "PRAGMA max_page_count = 1", "postgresql": "DO $$ BEGIN RAISE disk_full; END $$"}[kind]

    def fill() -> None:
        with database.writing() as session:
            session.add(Note(id=2, text="x" * 100_000))
            session.connection().exec_driver_sql(no_room)

    with pytest.raises(DependencyError, match="disk"):
        fill()
    assert texts(database) == ["first"]


def test_more_at_once_than_there_are_connections_are_told_to_come_back(impatient: Database) -> None:
    impatient.create()
    with ExitStack() as stack:

        def ask(times: int) -> None:
            for _ in range(times):
                stack.enter_context(impatient.reading())

        with pytest.raises(DependencyError, match="in use"):
            ask(100)
    assert texts(impatient) == []


def test_text_sorts_by_its_bytes(database: Database) -> None:
    """Not as a language sorts it: an index built from either kind of database must be the same."""
    words = [
        "a",
        "B",
        "b",
        "A",
        "_",
        "aa",
        "a b",
        "Z",
        "é",
        "e",
        "z",
        "ß",
        "Ω",
        "0",
        "10",
        "9",
        "-",
        "\N{GRINNING FACE}",
    ]
    write(database, *(Note(id=number, text=word) for number, word in enumerate(words)))
    with database.reading() as session:
        assert session.exec(select(Note.text).order_by("text")).all() == sorted(words)
        assert session.exec(select(func.max(Note.text))).one() == max(words)


def test_values_come_back_as_they_went_in(database: Database) -> None:
    words, seal = "\u2028'\"%s :x ?\\", bytes(range(256))
    for number in (0, 2**31, 2**62):
        write(database, Note(id=number, text=words, seal=seal, kept=bool(number)))
    with database.reading() as session:
        found = session.exec(select(Note).order_by("id")).all()
        assert [(note.id, note.kept) for note in found] == [(0, False), (2**31, True), (2**62, True)]
        assert {(note.text, note.seal, note.about) for note in found} == {(words, seal, None)}
        total = session.exec(select(func.sum(Note.id))).one()
    assert (total, type(total)) == (2**31 + 2**62, int)


@pytest.mark.only("sqlite")
def test_a_file_that_is_no_database_is_an_integrity_error(file: Path) -> None:
    file.write_bytes(b"not a database, but long enough to look at " * 100)
    damaged = Database(file, [Note])
    with pytest.raises(IntegrityError, match=r"notes\.db is damaged"):
        damaged.create()
    with pytest.raises(IntegrityError, match=r"notes\.db is damaged"):
        texts(damaged)
    assert damaged.integrity_problems() == ("notes.db is damaged.",)
    damaged.close()


@pytest.mark.only("sqlite")
def test_text_that_is_no_text_any_more_is_an_integrity_error(database: Database) -> None:
    write(database, Note(id=1, text="first"))
    execute(database, "UPDATE test_note SET text = CAST(x'66ff' AS TEXT)")
    with pytest.raises(IntegrityError, match=r"notes\.db is damaged"):
        texts(database)


@pytest.mark.only("sqlite")
def test_what_keeps_a_reader_from_beginning_is_a_dependency_error(database: Database) -> None:
    write(database, Note(id=1, text="kept"))
    with database.reading() as session:
        driver = session.connection().connection.driver_connection
    assert driver is not None
    driver.execute("BEGIN")
    with pytest.raises(DependencyError, match="cannot be used"):
        texts(database)
    assert texts(database) == ["kept"]


def test_a_database_that_is_not_there_is_a_dependency_error(tmp_path: Path, kind: str) -> None:
    server = Address.parse(f"postgresql:///notes?host={tmp_path}", password_file=None)
    database = Database(tmp_path / "away" / "notes.db" if kind == "sqlite" else server, [Note])
    for attempt in (database.create, lambda: texts(database), database.caveats):
        with pytest.raises(DependencyError, match="cannot be used"):
            attempt()
    database.close()


@pytest.mark.only("sqlite")
def test_the_integrity_check_speaks_of_a_damaged_file(database: Database, file: Path) -> None:
    write(database, *(Note(id=number, text="x" * 400) for number in range(200)))
    database.checkpoint()
    database.close()
    content = bytearray(file.read_bytes())
    content[8192 : 8192 + 2048] = b"\xff" * 2048
    file.write_bytes(content)
    assert database.integrity_problems() != ()


def test_the_integrity_check_is_silent_on_a_sound_database(database: Database) -> None:
    write(database, *(Note(id=number, text="x" * 400, seal=b"y" * 9000) for number in range(200)))
    assert database.integrity_problems() == ()


def test_a_name_has_one_holder_and_another_name_has_its_own(database: Database, impatient: Database) -> None:
    with database.exclusive("hr") as held, database.exclusive("legal"):
        held.still_held()
        for other in (database, impatient):
            with pytest.raises(ConflictError, match=r"'hr' is being worked on by process \d+"), other.exclusive("hr"):
                pass
        held.still_held()
    with impatient.exclusive("hr") as held:
        held.still_held()


HOLDER = """
import sys, time
from pathlib import Path
from indexer.address import Address
from indexer.database import Database
place = Address.parse(sys.argv[1], password_file=None) if "://" in sys.argv[1] else Path(sys.argv[1])
with Database(place, []).exclusive("hr"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_holder_that_is_killed_holds_no_longer(database: Database, file: Path, kind: str) -> None:
    where = str(file) if kind == "sqlite" else catalogs.url(file)
    with subprocess.Popen([sys.executable, "-c", HOLDER, where], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(ConflictError, match=f"process {child.pid}"), database.exclusive("hr"):
            pass
        child.kill()
        child.wait()
        _soon_held(database)


def _soon_held(database: Database) -> None:
    """A server takes a moment to see that a process is gone."""
    for _ in range(100):
        try:
            with database.exclusive("hr"):
                return
        except ConflictError:
            continue
    raise AssertionError


def test_a_hold_that_was_lost_shows(database: Database, file: Path, kind: str) -> None:
    with database.exclusive("hr") as held:
        if kind == "sqlite":
            (file.parent / "locks" / "hr").unlink()
        else:
            execute(
                database,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()",
            )
        with pytest.raises(DependencyError, match="'hr'"), database.fenced(held).writing() as session:
            session.add(Note(id=1, text="of one who was cut off"))
        with database.reading() as session:
            assert session.get(Note, 1) is None
        with database.exclusive("hr") as again:
            again.still_held()
        with pytest.raises(DependencyError, match="'hr'"):
            held.still_held()


def test_batches_hold_every_value_once_and_no_more_than_their_size() -> None:
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []


@pytest.mark.only("sqlite")
def test_a_file_that_is_written_anew_has_nothing_of_what_was_moved_in_it(database: Database, file: Path) -> None:
    write(database, *(Note(id=number, text=f"note {number}") for number in range(1, 50)))
    with database.reading() as session:
        session.connection()  # a connection that has been a reader's
    database.checkpoint()
    database.close()
    leave(file, b"what was moved away")
    database.checkpoint(Note)
    assert left_below(file.parent, [b"what was moved away"]) == {b"what was moved away"}
    database.compact(Note)
    assert left_below(file.parent, [b"what was moved away"]) == set()
    assert len(texts(database)) == 49
    write(database, Note(id=50, text="more"))
    assert database.integrity_problems() == ()


@pytest.mark.only("sqlite")
def test_without_room_for_it_nothing_is_written_anew(
    database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(database, *(Note(id=number, text=f"note {number}") for number in range(1, 50)))
    log = file.with_name(f"{file.name}-wal")
    assert log.stat().st_size > 0
    monkeypatch.setattr(sqlite, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=2**20)))
    with pytest.raises(DependencyError, match="cannot be written anew"):
        database.compact(Note)
    assert log.stat().st_size == 0
    assert len(texts(database)) == 49


WRITER_ANEW = """
import resource, signal, sys
from pathlib import Path
from indexer.database import Database
from policies.errors import DependencyError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = Database(Path(sys.argv[1]), ())
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    database.compact()
except DependencyError as error:
    print(error.message, Path(f"{sys.argv[1]}-wal").stat().st_size)
"""


@pytest.mark.only("sqlite")
def test_what_comes_into_the_log_in_vain_does_not_stay_there(database: Database, file: Path) -> None:
    write(database, *(Note(id=number, text="x" * 2000) for number in range(1, 2000)))
    database.checkpoint()
    done = subprocess.run([sys.executable, "-c", WRITER_ANEW, file], capture_output=True, text=True, check=True)
    assert done.stdout == f"{file.name} cannot be written anew. 0\n"
    assert len(texts(database)) == 1999


@pytest.mark.only("sqlite")
def test_a_damaged_file_is_not_written_anew(database: Database, file: Path) -> None:
    write(database, *(Note(id=number, text="x" * 2000) for number in range(1, 2000)))
    database.checkpoint()
    leaf = file.read_bytes().index(b"x" * 2000)
    database.close()
    with file.open("r+b") as opened:
        opened.seek(leaf // 4096 * 4096)
        opened.write(b"\xff" * 8)
    with pytest.raises(IntegrityError, match="damaged"):
        database.compact(Note)


@pytest.mark.only("sqlite")
def test_who_writes_anew_does_not_push_in(database: Database, impatient: Database) -> None:
    write(database, Note(id=1, text="one"))
    with database.writing() as session:
        session.add(Note(id=2, text="two"))
        session.flush()
        with pytest.raises(ConflictError):
            impatient.compact(Note)
    assert texts(database) == ["one", "two"]
