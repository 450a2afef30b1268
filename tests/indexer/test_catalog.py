from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import Session

from indexer import catalog, listings, revisions, serving
from indexer.catalog import Document, Revision, SealedPassage
from indexer.database import Database
from indexer.keyring import KeyId
from indexer.tables import TABLES, DocumentState
from policies.errors import RefusedError
from policies.ledger import AuditRow
from policies.model import Access, DocumentId, GenerationId, PolicyHash, SourceName
from tests import catalogs

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HR, LEGAL = SourceName("hr"), SourceName("legal")
STAFF = Access(allow=frozenset({"group:staff"}), deny=frozenset({"group:temps"}), as_of=NOW)
BOARD = Access(allow=frozenset({"group:board"}), deny=frozenset())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(catalogs.place(tmp_path / "catalog.db"), [*TABLES, AuditRow])
    opened.create()
    with opened.writing() as session:
        for source in (HR, LEGAL):
            catalog.register(session, source, manifest=f"source: {source}", path=Path("x"), policy_hash="p", now=NOW)
    yield opened
    opened.close()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.writing() as opened:
        yield opened


def document(number: int, revision: str, *, source: SourceName = HR, passages: int = 2) -> Document:
    return Document(
        id=DocumentId(f"{number:032x}"),
        source=source,
        state=DocumentState.INDEXED,
        stamp="s1",
        access=STAFF,
        revision=Revision(
            id=KeyId(revision),
            version=f"v-{revision}",
            fingerprint="f1",
            redaction="balanced:en",
            embedder="e1",
            created=None,
            modified=NOW,
            ingested=NOW,
            passages=passages,
            skipped_parts=3,
            redactions={"EMAIL_ADDRESS": 2},
            sealed=f"sealed {revision}".encode(),
        ),
    )


def sealed(*words: str) -> tuple[SealedPassage, ...]:
    return tuple(
        SealedPassage(ordinal=place, text=word.encode(), vector=word.upper().encode())
        for place, word in enumerate(words)
    )


def published(session: Session) -> None:
    catalog.publish(session, HR, GenerationId("g"), digest="d", now=NOW)


def test_a_document_is_read_back_as_it_was_stored(session: Session) -> None:
    bare = replace(document(2, "r2"), access=BOARD, state=DocumentState.QUARANTINED, reason="a", stage="b", mend="c")
    for one in (document(1, "r1"), bare):
        catalog.store(session, one, sealed("x", "y"), listing="job")
        assert catalog.documents(session, HR)[one.id] == one
    assert list(catalog.passages(session, KeyId("r1"))) == list(sealed("x", "y"))
    assert catalog.documents(session, LEGAL) == {}
    assert revisions.ids(session) == {"r1", "r2"}
    assert revisions.descriptions(session) == {"r1": b"sealed r1", "r2": b"sealed r2"}


def test_a_source_that_is_not_registered_is_refused(session: Session) -> None:
    with pytest.raises(RefusedError, match="penstock apply"):
        catalog.require(session, SourceName("other"))
    assert catalog.registration(session, SourceName("other")) is None
    assert [found.name for found in catalog.registrations(session)] == [HR, LEGAL]


def test_a_name_that_is_no_text_is_no_source(session: Session) -> None:
    """As a terminal gives bytes that are not UTF-8."""
    with pytest.raises(RefusedError, match="penstock apply"):
        catalog.require(session, SourceName("\udcff"))


def test_a_new_manifest_keeps_documents_and_generation(session: Session) -> None:
    catalog.store(session, document(1, "r1"), (), listing="job")
    published(session)
    catalog.register(session, HR, manifest="other", path=Path("y"), policy_hash="q", now=NOW)
    found = catalog.require(session, HR)
    assert (found.manifest, found.policy_hash, found.generation) == ("other", PolicyHash("q"), "g")
    assert len(catalog.documents(session, HR)) == 1


def change_readers(one: Document) -> Document:
    return replace(one, access=BOARD)


@pytest.mark.parametrize(
    ("changed", "hides", "publishes"),
    [
        (lambda one: one, False, False),
        (lambda one: replace(one, stamp="s2"), False, False),
        (lambda one: replace(one, revision=replace(one.revision, modified=NOW.replace(year=2025))), False, True),
        (lambda one: replace(one, access=replace(one.access, as_of=None)), True, True),
        (change_readers, True, True),
        (lambda one: replace(one, access=replace(one.access, deny=frozenset())), True, True),
        (lambda one: replace(one, state=DocumentState.QUARANTINED), True, True),
    ],
)
def test_a_served_document_is_hidden_when_its_readers_change_or_it_is_no_longer_indexed(
    session: Session, *, changed: Callable[[Document], Document], hides: bool, publishes: bool
) -> None:
    """Whatever the index should know, and only that, asks for a new one."""
    one = document(1, "r1")
    catalog.store(session, one, (), listing="job")
    published(session)
    before = catalog.require(session, HR).changes
    catalog.amend(session, changed(one))
    assert serving.hidden(session, HR) == (frozenset({one.id}) if hides else frozenset())
    assert catalog.require(session, HR).unpublished == publishes
    assert (catalog.require(session, HR).changes > before) == publishes
    published(session)
    assert serving.hidden(session, HR) == frozenset()
    assert not catalog.require(session, HR).unpublished


def test_readers_of_a_part_change_with_those_of_its_document_whatever_became_of_that(session: Session) -> None:
    one = replace(document(1, "r1"), state=DocumentState.QUARANTINED)
    part = replace(document(2, "r2"), parent=one.id)
    for stored in (one, part):
        catalog.store(session, stored, (), listing="job")
    published(session)
    before = catalog.require(session, HR).changes
    catalog.amend(session, replace(one, access=BOARD))
    assert catalog.documents(session, HR)[part.id].access == BOARD
    assert serving.hidden(session, HR) == {part.id}
    assert catalog.require(session, HR).changes > before


def test_the_readers_of_a_source_are_those_of_its_own_whole_documents(session: Session) -> None:
    one, board, held, gone = (document(number, f"r{number}") for number in range(1, 5))
    board, held = replace(board, access=BOARD), replace(held, state=DocumentState.QUARANTINED)
    part, other = replace(document(5, "r5"), parent=one.id), document(6, "r6", source=LEGAL)
    for each in (one, board, held, gone, part, other):
        catalog.store(session, each, (), listing="job")
    catalog.remove(session, HR, [gone.id])
    assert listings.readers(session, HR) == {one.id: STAFF, board.id: BOARD, held.id: None}
    assert listings.readers(session, HR, among=[board.id, held.id, gone.id]) == {board.id: BOARD, held.id: None}
    assert listings.readers(session, HR, among=[]) == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda session, one: catalog.store(
            session, replace(one, revision=replace(one.revision, id="r")), [], listing=""
        ),
        lambda session, one: catalog.amend(session, replace(one, state=DocumentState.INDEXED)),
        lambda session, one: catalog.reassign(session, HR, {one.id: BOARD}),
        lambda session, one: catalog.remove(session, HR, [one.id]),
        lambda session, _: catalog.hide_all(session, HR),
        lambda session, _: catalog.darken(session, HR),
    ],
)
def test_a_change_is_counted_even_between_two_publications(
    session: Session, change: Callable[[Session, Document], None]
) -> None:
    """By the number an index is known to be of the present catalog, and what was hidden since it was made stays so."""
    one = replace(document(1, "r1"), state=DocumentState.QUARANTINED)
    catalog.store(session, one, (), listing="job")
    before = catalog.require(session, HR).changes
    published(session)
    change(session, one)
    assert catalog.require(session, HR).changes > before
    published(session)
    assert catalog.require(session, HR).changes > before
    assert catalog.require(session, LEGAL).changes == 0


def test_a_document_once_hidden_stays_hidden_until_a_generation_is_published(session: Session) -> None:
    one = document(1, "r1")
    catalog.store(session, one, (), listing="job")
    published(session)
    catalog.amend(session, change_readers(one))
    catalog.amend(session, one)
    catalog.store(session, document(1, "r2"), (), listing="job")
    assert serving.hidden(session, HR) == {one.id}
    catalog.remove(session, HR, [one.id])
    catalog.store(session, document(1, "r3"), (), listing="job")
    assert serving.hidden(session, HR) == {one.id}


def test_a_removed_document_is_gone_from_sight_at_once_and_from_the_tables_when_forgotten(session: Session) -> None:
    for number in (1, 2):
        catalog.store(session, document(number, f"r{number}"), sealed("x", "y"), listing="job")
    catalog.store(session, document(1, "r1b"), sealed("z"), listing="job")
    published(session)
    catalog.remove(session, HR, [DocumentId(f"{2:032x}")])
    assert set(catalog.documents(session, HR)) == {f"{1:032x}"}
    assert serving.hidden(session, HR) == {f"{2:032x}"}
    superseded = revisions.superseded(session, HR)
    assert set(superseded) == {"r1", "r2"}
    revisions.forget(session, list(superseded))
    revisions.forget_removed(session, HR, spare=())
    assert revisions.ids(session) == {"r1b"}
    assert list(catalog.passages(session, KeyId("r2"))) == []
    assert session.connection().exec_driver_sql("SELECT count(*) FROM passage").scalar() == 1
    assert session.connection().exec_driver_sql("SELECT count(*) FROM document").scalar() == 1


def test_forgetting_one_source_leaves_the_others_alone(session: Session) -> None:
    for source, number in ((HR, 1), (LEGAL, 2)):
        catalog.store(session, document(number, f"r{number}", source=source), (), listing="job")
        catalog.remove(session, source, [DocumentId(f"{number:032x}")])
    revisions.forget(session, list(revisions.superseded(session, HR)))
    revisions.forget_removed(session, HR, spare=())
    assert revisions.ids(session) == {"r2"}
    assert serving.hidden(session, LEGAL) == {f"{2:032x}"}
    published(session)
    assert serving.hidden(session, LEGAL) == {f"{2:032x}"}


def test_cited_passages_come_with_version_and_description_and_no_others(session: Session) -> None:
    for number in (1, 2):
        catalog.store(session, document(number, f"r{number}"), sealed(f"x{number}", f"y{number}"), listing="job")
    wanted = [(KeyId("r1"), 1), (KeyId("r2"), 0), (KeyId("r3"), 0), (KeyId("r2"), 9)]
    found = serving.cited(session, wanted)
    assert found[(KeyId("r1"), 1)] == ("v-r1", b"sealed r1", b"y1")
    assert found[(KeyId("r2"), 0)] == ("v-r2", b"sealed r2", b"x2")
    assert not {(KeyId("r3"), 0), (KeyId("r2"), 9)} & found.keys()


def test_documents_are_counted_by_state_and_passages_of_the_indexed(session: Session) -> None:
    assert catalog.counts(session, HR) == {"indexed": 0, "quarantined": 0, "removed": 0, "passages": 0}
    for number in (1, 2, 3):
        catalog.store(session, document(number, f"r{number}"), (), listing="job")
    catalog.store(session, replace(document(4, "r4", passages=0), state=DocumentState.QUARANTINED), (), listing="job")
    catalog.remove(session, HR, [DocumentId(f"{3:032x}")])
    assert catalog.counts(session, HR) == {"indexed": 2, "quarantined": 1, "removed": 1, "passages": 4}
