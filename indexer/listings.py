"""What a listing of an origin, or an operator, says of documents that the catalog knows."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import and_, bindparam, select, update
from sqlmodel import Session, SQLModel

from indexer import catalog
from indexer.database import MAX_VARIABLES, batched
from indexer.tables import DocumentRow, DocumentState, RevisionRow, SourceRow
from policies.model import Access, DocumentId, SourceName

_SOURCE, _DOCUMENT, _REVISION = (
    SQLModel.metadata.tables[str(row.__tablename__)] for row in (SourceRow, DocumentRow, RevisionRow)
)

DROPPED: Final = "dropped"
"""The reason of a quarantined document that an operator does not want: final until its bytes change."""


def see(session: Session, marks: Mapping[DocumentId, str]) -> None:
    """Note for each of these documents by which listing it was named last, or named as gone."""
    if marks:
        statement = update(_DOCUMENT).where(_DOCUMENT.c.id == bindparam("document")).values(listed_by=bindparam("mark"))
        rows = [{"document": document, "mark": mark} for document, mark in marks.items()]
        session.connection().execute(statement, rows)


def unsee(session: Session, source: SourceName, marks: Iterable[str]) -> None:
    """Forget what listings of these marks named: one that begins again must not rely on what it saw before."""
    named = and_(_DOCUMENT.c.source == source, _DOCUMENT.c.listed_by.in_(list(marks)))
    session.connection().execute(update(_DOCUMENT).where(named).values(listed_by=""))


def missing(session: Session, source: SourceName, *, listing: str, gone: str, complete: bool) -> tuple[DocumentId, ...]:
    """The documents that a listing named as gone, or, where it is complete, did not name; and parts without a parent.

    Attachments are not counted for themselves: they go with their parent.
    """
    parent = _DOCUMENT.alias("parent")
    by_listing = _DOCUMENT.c.listed_by != listing if complete else _DOCUMENT.c.listed_by == gone
    statement = (
        select(_DOCUMENT.c.id)
        .outerjoin(parent, (parent.c.id == _DOCUMENT.c.parent) & (parent.c.state != DocumentState.REMOVED.value))
        .where(_DOCUMENT.c.source == source, _DOCUMENT.c.state != DocumentState.REMOVED.value)
        .where(
            and_(_DOCUMENT.c.parent.is_(None), by_listing)
            | and_(_DOCUMENT.c.parent.is_not(None), parent.c.id.is_(None))
        )
        .order_by(_DOCUMENT.c.id)
    )
    return tuple(DocumentId(document) for document in session.connection().execute(statement).scalars())


def listed(session: Session, source: SourceName, *, cursor: bytes | None, at: datetime | None) -> None:
    """Keep where the next listing may start, and when the origin last named every document, if it did now."""
    values: dict[str, object] = {"cursor": cursor}
    if at is not None:
        values["listed_at"] = at.isoformat()
    session.connection().execute(update(_SOURCE).where(_SOURCE.c.name == source).values(**values))


def readers(
    session: Session, source: SourceName, *, among: Collection[DocumentId] | None = None
) -> dict[DocumentId, Access | None]:
    """Who may read each document of a source but what came in another one, None if it is not indexed.

    With `among`, of these alone: such documents of that source.
    """
    columns = [_DOCUMENT.c[name] for name in ("id", "state", "allow", "deny", "acl_as_of")]
    kept = select(*columns).where(_DOCUMENT.c.state != DocumentState.REMOVED.value)
    if among is None:
        statements = [kept.where(_DOCUMENT.c.source == source, _DOCUMENT.c.parent.is_(None))]
    else:
        # By nothing else: asked for the source too, SQLite reads all of it to find ten.
        statements = [kept.where(_DOCUMENT.c.id.in_(some)) for some in batched(among, MAX_VARIABLES)]
    # Most documents share their rules with others.
    access_of, indexed = cache(catalog.access_of), DocumentState.INDEXED.value
    return {
        DocumentId(document): access_of(allow, deny, as_of) if state == indexed else None
        for statement in statements
        for document, state, allow, deny, as_of in session.connection().execute(statement)
    }


def mirror(session: Session, source: SourceName, *, at: datetime | None) -> None:
    """Note the instant of which the origin's permissions are known for every document, None for no instant."""
    mirrored_at = at.isoformat() if at else None
    session.connection().execute(update(_SOURCE).where(_SOURCE.c.name == source).values(mirrored_at=mirrored_at))


def retry(session: Session, source: SourceName, ids: Iterable[DocumentId]) -> None:
    """Have the next sync look anew at quarantined documents of a source, whatever it knows of them."""
    connection = session.connection()
    for document in ids:
        quarantined = and_(
            _DOCUMENT.c.id == document,
            _DOCUMENT.c.source == source,
            _DOCUMENT.c.state == DocumentState.QUARANTINED.value,
        )
        connection.execute(update(_DOCUMENT).where(quarantined).values(stamp="", stage="", reason="retried"))
        # A part is looked at when its parent is.
        whole = select(_DOCUMENT.c.parent).where(quarantined, _DOCUMENT.c.parent.is_not(None)).scalar_subquery()
        revision = select(_DOCUMENT.c.revision).where(_DOCUMENT.c.id == whole).scalar_subquery()
        connection.execute(update(_REVISION).where(_REVISION.c.id == revision).values(fingerprint=""))
    listed(session, source, cursor=None, at=None)


def drop(session: Session, source: SourceName, ids: Iterable[DocumentId]) -> None:
    """Keep nothing of quarantined documents, not even a name, but that these bytes of them are not wanted."""
    connection = session.connection()
    for document in ids:
        quarantined = and_(
            _DOCUMENT.c.id == document,
            _DOCUMENT.c.source == source,
            _DOCUMENT.c.state == DocumentState.QUARANTINED.value,
        )
        revision = select(_DOCUMENT.c.revision).where(quarantined).scalar_subquery()
        connection.execute(update(_REVISION).where(_REVISION.c.id == revision).values(sealed=b""))
        mend = "Change it at its origin and it is taken in."
        connection.execute(update(_DOCUMENT).where(quarantined).values(reason=DROPPED, stage="admit", mend=mend))
