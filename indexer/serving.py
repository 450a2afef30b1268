"""What a retrieval reads of the catalog. Each statement is built once: building one costs as much as running it."""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select
from sqlmodel import Session, SQLModel

from indexer import orders
from indexer.catalog import Document
from indexer.database import MAX_VARIABLES, Database, batched
from indexer.generation import Generation
from indexer.keyring import KeyId, Keyring
from policies import orders as law
from policies.model import DocumentId, SourceName
from policies.purge import is_entombed

_DOCUMENT, _REVISION, _PASSAGE = (SQLModel.metadata.tables[name] for name in ("document", "revision", "passage"))
_HIDDEN = select(_DOCUMENT.c.id).where(_DOCUMENT.c.source == bindparam("source"), _DOCUMENT.c.hidden)
_CITED = select(_PASSAGE.c.revision, _PASSAGE.c.ordinal, _REVISION.c.version, _REVISION.c.sealed, _PASSAGE.c.text).join(
    _REVISION, _REVISION.c.id == _PASSAGE.c.revision
)
_CITED_AT_ONCE = 50
"""As many as one answer may hold."""


def hidden(session: Session, source: SourceName) -> frozenset[DocumentId]:
    """Documents that the serving generation may still name and nobody may see any more."""
    found = session.connection().execute(_HIDDEN, {"source": source}).scalars()
    return frozenset(DocumentId(document) for document in found)


def withheld(session: Session, keyring: Database, source: SourceName) -> frozenset[DocumentId] | None:
    """The documents of a source whose processing is restricted, with what came in them: no index shows them.

    None where its processing is restricted as a whole.
    """
    restrictions = orders.restrictions(keyring, source)
    if any(not order.documents for order in restrictions):
        return None
    restricted = frozenset[DocumentId]().union(*(order.documents for order in restrictions))
    return with_parts(session, source, restricted)


def unseen(session: Session, keyring: Database, source: SourceName) -> frozenset[DocumentId] | None:
    """The documents of a source that nobody may see: hidden ones, and restricted ones with what came in them.

    None where its processing is restricted as a whole.
    """
    restricted = withheld(session, keyring, source)
    return None if restricted is None else hidden(session, source) | restricted


def restricted(keyring: Database, source: SourceName, documents: Iterable[Document]) -> frozenset[DocumentId]:
    """Those of a source's documents whose processing is restricted. They stay as they are, whatever becomes of them."""
    standing = orders.restrictions(keyring, source)
    return frozenset(document.id for document in documents if law.standing(standing, document.id, document.parent))


def entombed(session: Session, keyring: Keyring, generation: Generation) -> frozenset[DocumentId]:
    """The documents of a generation that were purged or erased.

    There are none unless the catalog is one from before, put back while the generation was still there.
    """
    tombstones = keyring.tombstones()
    buried = {document for document, _ in tombstones}
    held = {member.revision: member.document for member in generation.members() if member.document in buried}
    found: set[DocumentId] = set()
    for some in batched(held, MAX_VARIABLES):
        rows = session.connection().execute(select(_REVISION.c.id, _REVISION.c.version).where(_REVISION.c.id.in_(some)))
        named = ((held[KeyId(row.id)], row.version) for row in rows)
        found |= {document for document, version in named if is_entombed(tombstones, document, version)}
    return frozenset(found)


def with_parts(session: Session, source: SourceName, documents: Collection[DocumentId]) -> frozenset[DocumentId]:
    """These documents of a source and what came in them, in whatever state they are."""
    found: set[DocumentId] = set()
    for some in batched(documents, MAX_VARIABLES // 2):
        meant = or_(_DOCUMENT.c.id.in_(some), _DOCUMENT.c.parent.in_(some))
        rows = session.connection().execute(select(_DOCUMENT.c.id).where(_DOCUMENT.c.source == source, meant))
        found |= {DocumentId(document) for document in rows.scalars()}
    return frozenset(found)


def cited(session: Session, wanted: Sequence[tuple[KeyId, int]]) -> dict[tuple[KeyId, int], tuple[str, bytes, bytes]]:
    """For each (revision, ordinal): the document's version, its sealed description and the passage's sealed text."""
    found: dict[tuple[KeyId, int], tuple[str, bytes, bytes]] = {}
    for some in batched(wanted, _CITED_AT_ONCE):
        given: dict[str, str | int] = {}
        for place, (revision, ordinal) in enumerate(some):
            given |= {f"revision_{place}": revision, f"ordinal_{place}": ordinal}
        for row in session.connection().execute(_cited(len(some)), given):
            found[KeyId(row.revision), row.ordinal] = row.version, row.sealed, row.text
    return found


@lru_cache(maxsize=_CITED_AT_ONCE)
def _cited(number: int) -> Select[Any]:
    # One by one: ten revisions times ten ordinals are a hundred passages, and SQLite scans the table for pairs.
    each = (
        and_(_PASSAGE.c.revision == bindparam(f"revision_{place}"), _PASSAGE.c.ordinal == bindparam(f"ordinal_{place}"))
        for place in range(number)
    )
    return _CITED.where(or_(*each))
