"""The tombstones: what must not come back, kept beside the keys and apart from the catalog and its backups."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import case, func, select, update
from sqlmodel import Field, Session, SQLModel

from policies.model import DocumentId
from policies.purge import WHOLE_DOCUMENT


class TombstoneRow(SQLModel, table=True):
    """A purge buried this content (`version`) of a document, or with "" the document whatever its content."""

    __tablename__ = "tombstone"

    document: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    purge: str = Field(primary_key=True)
    at: str
    lifted: bool = False


_TOMBSTONE = SQLModel.metadata.tables["tombstone"]
_COUNT = select(func.count() + func.count(case((_TOMBSTONE.c.lifted, 1)))).select_from(_TOMBSTONE)
_ERASED = (_TOMBSTONE.c.version == WHOLE_DOCUMENT) & ~_TOMBSTONE.c.lifted


def bury(session: Session, contents: Iterable[tuple[DocumentId, str]], *, purge: str, now: datetime) -> None:
    """Record that a purge buried these contents of documents."""
    for document, version in contents:
        session.merge(TombstoneRow(document=document, version=version, purge=purge, at=now.isoformat()))


def lift(session: Session, document: DocumentId) -> None:
    """Let an erased document come back, and leave the trace that it was buried."""
    erased = update(_TOMBSTONE).where(_TOMBSTONE.c.document == document, _ERASED)
    session.connection().execute(erased.values(lifted=True))


def standing(session: Session) -> frozenset[tuple[DocumentId, str]]:
    """Every document with a content of it that must not come back."""
    rows = session.connection().execute(select(_TOMBSTONE.c.document, _TOMBSTONE.c.version).where(~_TOMBSTONE.c.lifted))
    return frozenset((DocumentId(row.document), row.version) for row in rows)


def made(session: Session) -> frozenset[tuple[DocumentId, str]]:
    """Every document that was ever buried, with the purge that did it."""
    rows = session.connection().execute(select(_TOMBSTONE.c.document, _TOMBSTONE.c.purge).distinct())
    return frozenset((DocumentId(row.document), row.purge) for row in rows)


def count(session: Session) -> int:
    """How many tombstones there are, lifted ones twice."""
    number: int = session.connection().execute(_COUNT).scalar_one()
    return number


def were_made(session: Session, purge: str) -> bool:
    """Whether there are tombstones of a purge."""
    statement = select(_TOMBSTONE.c.document).where(_TOMBSTONE.c.purge == purge)
    return session.connection().execute(statement).first() is not None


def erased_by(session: Session, document: DocumentId) -> str | None:
    """The last purge that erased a document whatever its content, None where none did."""
    last = select(_TOMBSTONE.c.purge).where(_TOMBSTONE.c.document == document, _ERASED).order_by(_TOMBSTONE.c.at.desc())
    purge: str | None = session.connection().execute(last).scalar()
    return purge
