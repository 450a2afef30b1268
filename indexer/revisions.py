"""The revisions of documents, current and superseded: which there are, and forgetting them."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, select
from sqlmodel import Session, SQLModel

from indexer.keyring import KeyId
from indexer.tables import DocumentRow, DocumentState, RevisionRow
from policies.model import SourceName

_DOCUMENT, _REVISION = (SQLModel.metadata.tables[str(row.__tablename__)] for row in (DocumentRow, RevisionRow))


def indexed(session: Session, source: SourceName) -> frozenset[KeyId]:
    """The current revisions of the indexed documents of a source."""
    statement = select(_DOCUMENT.c.revision).where(
        _DOCUMENT.c.source == source, _DOCUMENT.c.state == DocumentState.INDEXED.value
    )
    return frozenset(KeyId(revision) for revision in session.connection().execute(statement).scalars())


def superseded(session: Session, source: SourceName) -> tuple[KeyId, ...]:
    """Revisions that are no longer current, and every revision of removed documents."""
    statement = (
        select(_REVISION.c.id)
        .join(_DOCUMENT, _DOCUMENT.c.id == _REVISION.c.document)
        .where(_DOCUMENT.c.source == source)
        .where((_REVISION.c.id != _DOCUMENT.c.revision) | (_DOCUMENT.c.state == DocumentState.REMOVED.value))
    )
    return tuple(KeyId(revision) for revision in session.connection().execute(statement).scalars())


def forget(session: Session, revisions: Sequence[KeyId]) -> None:
    """Delete superseded revisions with their passages, once no generation names them."""
    session.connection().execute(delete(_REVISION).where(_REVISION.c.id.in_(revisions)))


def forget_removed(session: Session, source: SourceName) -> None:
    """Delete the rows of removed documents, once no generation names them."""
    removed = and_(_DOCUMENT.c.source == source, _DOCUMENT.c.state == DocumentState.REMOVED.value)
    session.connection().execute(delete(_DOCUMENT).where(removed))


def ids(session: Session) -> frozenset[KeyId]:
    """Every revision there is, current or not."""
    return frozenset(KeyId(revision) for revision in session.connection().execute(select(_REVISION.c.id)).scalars())


def descriptions(session: Session) -> dict[KeyId, bytes]:
    """The sealed description of every revision there is, current or not, but those that were dropped."""
    rows = session.connection().execute(select(_REVISION.c.id, _REVISION.c.sealed).where(_REVISION.c.sealed != b""))
    return {KeyId(row.id): row.sealed for row in rows}
