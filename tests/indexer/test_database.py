from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError as ConstraintError
from sqlmodel import Field, SQLModel, select

from indexer.database import BUSY_TIMEOUT_MS, Database, batched
from policies.errors import ConflictError, DependencyError, IntegrityError


class Note(SQLModel, table=True):
    __tablename__ = "test_note"

    id: int = Field(primary_key=True)
    text: str
    about: int | None = Field(default=None, foreign_key="test_note.id")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "notes.db", [Note])
    opened.create()
    yield opened
    opened.close()


def write(database: Database, *notes: Note) -> None:
    with database.writing() as session:
        session.add_all(notes)


def texts(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.exec(select(Note.text).order_by("id")))


def impatient(database: Database) -> None:
    """Let the next connection of the pool wait for a twentieth of a second only."""
    with database.reading() as session:
        session.connection().execute(text("PRAGMA busy_timeout = 50"))


def files(database: Database) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in database.path.parent.iterdir()}


@pytest.mark.parametrize("kind", ["reading", "writing"])
def test_every_connection_has_the_pragmas_that_durability_and_deletion_rest_on(database: Database, kind: str) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "secure_delete": 1,
        "busy_timeout": BUSY_TIMEOUT_MS,
    }
    with getattr(database, kind)() as session:
        found = {name: session.connection().execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
    assert found == wanted


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


def test_what_a_reading_block_writes_is_lost(database: Database) -> None:
    with database.reading() as session:
        session.add(Note(id=1, text="lost"))
        session.flush()
    assert texts(database) == []


def test_a_deleted_needle_is_in_no_file_after_a_checkpoint(database: Database) -> None:
    needles = [f"needle-{number:06}-in-the-haystack" for number in range(200)]
    write(database, *(Note(id=number, text=f"{needle} " * 200) for number, needle in enumerate(needles)))
    assert any(needles[0].encode() in content for content in files(database).values())
    with database.writing() as session:
        session.connection().execute(text("DELETE FROM test_note WHERE id != 7"))
    database.checkpoint()
    found = {name for name, content in files(database).items() for needle in needles if needle.encode() in content}
    assert found == {"notes.db"}
    assert needles[7].encode() in files(database)["notes.db"]
    assert not any(needle.encode() in files(database)["notes.db"] for needle in needles if needle != needles[7])
    assert files(database)["notes.db-wal"] == b""


def test_an_overwritten_needle_is_in_no_file_after_a_checkpoint(database: Database) -> None:
    write(database, Note(id=1, text="needle-before " * 500))
    with database.writing() as session:
        session.merge(Note(id=1, text="short"))
    database.checkpoint()
    assert not any(b"needle-before" in content for content in files(database).values())


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    write(database, Note(id=1, text="first"))
    with database.reading() as session:
        assert session.exec(select(Note.text)).all() == ["first"]
        write(database, Note(id=2, text="second"))
        assert session.exec(select(Note.text)).all() == ["first"]
    assert texts(database) == ["first", "second"]


def test_a_second_writer_waits_and_is_then_refused(database: Database) -> None:
    other = Database(database.path, [Note])
    refused: list[ConflictError] = []

    def write_too() -> None:
        try:
            impatient(other)
            write(other, Note(id=2, text="second"))
        except ConflictError as error:
            refused.append(error)

    with database.writing() as session:
        session.add(Note(id=1, text="first"))
        session.flush()
        thread = Thread(target=write_too)
        thread.start()
        thread.join()
    other.close()
    assert [error.message for error in refused] == ["notes.db is locked by another writer."]
    assert texts(database) == ["first"]


def test_a_checkpoint_under_a_reader_is_refused_and_can_be_repeated(database: Database) -> None:
    write(database, Note(id=1, text="first"))
    with database.reading() as session:
        session.exec(select(Note.text)).all()
        impatient(database)
        write(database, Note(id=2, text="second"))
        with pytest.raises(ConflictError, match="write-ahead log"):
            database.checkpoint()
    database.checkpoint()
    assert files(database)["notes.db-wal"] == b""


def test_a_broken_constraint_is_our_own_fault_and_stays_what_it_is(database: Database) -> None:
    with pytest.raises(ConstraintError, match="FOREIGN KEY") as caught:
        write(database, Note(id=1, text="of nothing", about=9))
    assert "of nothing" not in str(caught.value)
    assert texts(database) == []


def test_a_full_disk_closes_and_changes_nothing(database: Database) -> None:
    write(database, Note(id=1, text="first"))
    with database.reading() as session:
        # SQLite answers a file that may not grow with the same error as a disk that is full.
        session.connection().execute(text("PRAGMA max_page_count = 1"))
    with pytest.raises(DependencyError, match="disk is not full"):
        write(database, Note(id=2, text="x" * 100_000))
    assert texts(database) == ["first"]


def test_a_file_that_is_no_database_is_an_integrity_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"not a database, but long enough to look at " * 100)
    damaged = Database(path, [Note])
    with pytest.raises(IntegrityError, match=r"notes\.db is damaged"):
        damaged.create()
    with pytest.raises(IntegrityError, match=r"notes\.db is damaged"):
        texts(damaged)
    assert damaged.integrity_problems() == ("notes.db is damaged.",)
    damaged.close()


def test_text_that_is_no_text_any_more_is_an_integrity_error(database: Database) -> None:
    write(database, Note(id=1, text="first"))
    with database.writing() as session:
        session.connection().execute(text("UPDATE test_note SET text = CAST(x'66ff' AS TEXT)"))
    with pytest.raises(IntegrityError, match=r"notes\.db is damaged"):
        texts(database)


def test_a_database_in_a_folder_that_is_not_there_is_a_dependency_error(tmp_path: Path) -> None:
    away = Database(tmp_path / "away" / "notes.db", [Note])
    with pytest.raises(DependencyError, match="cannot be used"):
        away.create()


def test_the_integrity_check_is_silent_on_a_sound_file_and_speaks_on_a_damaged_one(database: Database) -> None:
    write(database, *(Note(id=number, text="x" * 400) for number in range(200)))
    database.checkpoint()
    assert database.integrity_problems() == ()
    database.close()
    content = bytearray(database.path.read_bytes())
    content[8192 : 8192 + 2048] = b"\xff" * 2048
    database.path.write_bytes(content)
    assert database.integrity_problems() != ()


def test_batches_hold_every_value_once_and_no_more_than_their_size() -> None:
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []
