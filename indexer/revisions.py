"""The revisions of documents, current and superseded: which there are, and forgetting them."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, delete, select
from sqlmodel import Session, SQLModel

from indexer import catalog
from indexer.database import MAX_VARIABLES, batched
from indexer.keyring import KeyId
from indexer.tables import VAULT_ORDINAL, DocumentRow, DocumentState, PassageRow, RevisionRow
from policies.model import DocumentId, SourceName

_DOCUMENT, _REVISION, _PASSAGE = (
    SQLModel.metadata.tables[str(row.__tablename__)] for row in (DocumentRow, RevisionRow, PassageRow)
)


def indexed(session: Session, source: SourceName) -> frozenset[KeyId]:
    """The current revisions of the indexed documents of a source."""
    statement = select(_DOCUMENT.c.revision).where(
        _DOCUMENT.c.source == source, _DOCUMENT.c.state == DocumentState.INDEXED.value
    )
    return frozenset(KeyId(revision) for revision in session.connection().execute(statement).scalars())


def superseded(session: Session, source: SourceName) -> dict[KeyId, DocumentId]:
    """Revisions that are no longer current, and every revision of removed documents, with their documents."""
    statement = (
        select(_REVISION.c.id, _REVISION.c.document)
        .join(_DOCUMENT, _DOCUMENT.c.id == _REVISION.c.document)
        .where(_DOCUMENT.c.source == source)
        .where((_REVISION.c.id != _DOCUMENT.c.revision) | (_DOCUMENT.c.state == DocumentState.REMOVED.value))
    )
    return {KeyId(row.id): DocumentId(row.document) for row in session.connection().execute(statement)}


def of(session: Session, documents: Collection[DocumentId]) -> list[tuple[DocumentId, catalog.Revision]]:
    """Every revision of these documents, current or not, whatever became of the documents."""
    return [
        (DocumentId(row.document), catalog.revision_of(row))
        for some in batched(documents, MAX_VARIABLES)
        for row in session.connection().execute(select(_REVISION).where(_REVISION.c.document.in_(some)))
    ]


def forget(session: Session, revisions: Sequence[KeyId]) -> None:
    """Delete superseded revisions with their passages, once no generation names them."""
    session.connection().execute(delete(_REVISION).where(_REVISION.c.id.in_(revisions)))


def forget_removed(session: Session, source: SourceName, *, spare: Collection[DocumentId]) -> None:
    """Delete the rows of removed documents but these, once no generation names them."""
    connection = session.connection()
    removed = and_(_DOCUMENT.c.source == source, _DOCUMENT.c.state == DocumentState.REMOVED.value)
    found = connection.execute(select(_DOCUMENT.c.id).where(removed)).scalars().all()
    for some in batched((document for document in found if document not in spare), MAX_VARIABLES):
        connection.execute(delete(_DOCUMENT).where(_DOCUMENT.c.id.in_(some)))


def documents(session: Session, source: SourceName) -> frozenset[DocumentId]:
    """Every document of a source, removed ones that are still kept among them."""
    found = session.connection().execute(select(_DOCUMENT.c.id).where(_DOCUMENT.c.source == source)).scalars()
    return frozenset(map(DocumentId, found))


def ids(session: Session) -> frozenset[KeyId]:
    """Every revision there is, current or not."""
    return frozenset(KeyId(revision) for revision in session.connection().execute(select(_REVISION.c.id)).scalars())


def descriptions(session: Session) -> dict[KeyId, bytes]:
    """The sealed description of every revision there is, current or not, but those that were dropped."""
    rows = session.connection().execute(select(_REVISION.c.id, _REVISION.c.sealed).where(_REVISION.c.sealed != b""))
    return {KeyId(row.id): row.sealed for row in rows}


def vault(session: Session, revision: KeyId) -> bytes | None:
    """The sealed vault of a revision; None where its source kept none when it was taken in."""
    its_own = (_PASSAGE.c.revision == revision) & (_PASSAGE.c.ordinal == VAULT_ORDINAL)
    sealed: bytes | None = session.connection().execute(select(_PASSAGE.c.text).where(its_own)).scalar()
    return sealed
