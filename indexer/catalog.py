"""The catalog: what every source holds, which is the truth that search indexes are rebuilt from.

A document has one current revision; a revision owns its passages and the key they are sealed with. A generation
names revisions, so the one that serves stays whole while the next one is made. A document that stopped being
indexed is `hidden` from that transaction on, and its rows go when a generation without it is published.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, func, insert, select, update
from sqlmodel import Session, SQLModel

from indexer.database import MAX_VARIABLES, batched
from indexer.keyring import KeyId
from indexer.tables import VAULT_ORDINAL, DocumentState
from policies.errors import RefusedError
from policies.model import Access, DocumentId, GenerationId, PolicyHash, SourceName

_SOURCE, _DOCUMENT, _REVISION, _PASSAGE = (
    SQLModel.metadata.tables[name] for name in ("source", "document", "revision", "passage")
)


# Every retrieval asks these: built once, because building one costs as much as running it.
_REGISTRATIONS = select(_SOURCE).order_by(_SOURCE.c.name)
_MIRRORED_AT = select(_SOURCE.c.mirrored_at).where(_SOURCE.c.name == bindparam("source"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """A registered source: its manifest as text, and the generation that serves it, if any.

    `unpublished` says that the catalog has changed since that generation was made, `changes` counts all such changes.
    `cursor`, sealed, is where the next listing may start, `listed_at` when the origin last named every document,
    `mirrored_at` the instant of which the origin's permissions are known for every document.
    """

    name: SourceName
    manifest: str
    manifest_path: Path
    policy_hash: PolicyHash
    generation: GenerationId | None
    generation_digest: str | None
    unpublished: bool
    changes: int
    cursor: bytes | None
    listed_at: datetime | None
    mirrored_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """A version of a document as ingested. Times are UTC, aware.

    `redaction` names how its text was redacted, `embedder` what made its vectors. `redactions` counts what was
    replaced, by type; `skipped_parts` counts attachments and embedded files that were not read.
    """

    id: KeyId
    version: str
    fingerprint: str
    redaction: str
    embedder: str
    created: datetime | None
    modified: datetime | None
    ingested: datetime
    passages: int
    skipped_parts: int
    redactions: Mapping[str, int]
    sealed: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A document with its current revision. `reason`, `stage` and `mend` are empty unless it is quarantined.

    `parent` is the document that it came in, such as a mail with attachments: its readers and times are the parent's.
    """

    id: DocumentId
    source: SourceName
    state: DocumentState
    stamp: str
    access: Access
    revision: Revision
    parent: DocumentId | None = None
    reason: str = ""
    stage: str = ""
    mend: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedPassage:
    """A passage as stored."""

    ordinal: int
    text: bytes
    vector: bytes


def registrations(session: Session) -> tuple[Registration, ...]:
    """Every registered source, by name."""
    return tuple(_registration(row) for row in session.connection().execute(_REGISTRATIONS))


def registration(session: Session, source: SourceName) -> Registration | None:
    """A registered source, or None."""
    found = session.connection().execute(select(_SOURCE).where(_SOURCE.c.name == source)).first()
    return _registration(found) if found else None


def register(
    session: Session, source: SourceName, *, manifest: str, path: Path, policy_hash: str, now: datetime
) -> None:
    """Put a source's manifest in place. Its documents and its generation stay."""
    values = {
        "manifest": manifest,
        "manifest_path": str(path),
        "policy_hash": policy_hash,
        "applied_at": now.isoformat(),
    }
    changed = session.connection().execute(update(_SOURCE).where(_SOURCE.c.name == source).values(values))
    if not changed.rowcount:
        session.connection().execute(insert(_SOURCE).values(name=source, unpublished=True, changes=0, **values))


def documents(session: Session, source: SourceName) -> dict[DocumentId, Document]:
    """Every document of a source that was not removed, with its current revision."""
    statement = (
        select(_DOCUMENT, _REVISION)
        .join(_REVISION, _REVISION.c.id == _DOCUMENT.c.revision)
        .where(_DOCUMENT.c.source == source, _DOCUMENT.c.state != DocumentState.REMOVED.value)
        .order_by(_DOCUMENT.c.id)
    )
    rows = session.connection().execute(statement)
    return {document.id: document for document in (_document(row) for row in rows)}


def current(session: Session, ids: Sequence[DocumentId]) -> dict[DocumentId, Revision]:
    """The current revision of each of these documents, whatever became of them."""
    joined = select(_REVISION).join(_DOCUMENT, _DOCUMENT.c.revision == _REVISION.c.id)
    return {
        DocumentId(row.document): revision_of(row)
        for some in batched(ids, MAX_VARIABLES)
        for row in session.connection().execute(joined.where(_DOCUMENT.c.id.in_(some)))
    }


def store(session: Session, document: Document, passages: Iterable[SealedPassage], *, listing: str) -> None:
    """Put a new revision of a document in place. The former one stays until a generation without it is published.

    `listing` names the listing that the document was found in. A document that is no longer indexed, or whose readers
    changed, is hidden from now until then.
    """
    connection = session.connection()
    _put(connection, document, listing)
    revision = document.revision
    connection.execute(
        insert(_REVISION).values(
            id=revision.id,
            document=document.id,
            version=revision.version,
            fingerprint=revision.fingerprint,
            redaction=revision.redaction,
            embedder=revision.embedder,
            created=_iso(revision.created),
            modified=_iso(revision.modified),
            ingested=revision.ingested.isoformat(),
            passages=revision.passages,
            skipped_parts=revision.skipped_parts,
            redactions=json.dumps(dict(revision.redactions), sort_keys=True),
            sealed=revision.sealed,
        )
    )
    _mark_unpublished(connection, document.source)
    rows = [
        {"revision": revision.id, "ordinal": passage.ordinal, "text": passage.text, "vector": passage.vector}
        for passage in passages
    ]
    if rows:
        connection.execute(insert(_PASSAGE), rows)


def hide_all(session: Session, source: SourceName) -> None:
    """Hide every document of a source until a generation is published."""
    session.connection().execute(update(_DOCUMENT).where(_DOCUMENT.c.source == source).values(hidden=True))
    _mark_unpublished(session.connection(), source)


def reassign(session: Session, source: SourceName, accesses: Mapping[DocumentId, Access]) -> None:
    """Give documents, and what came in them, other readers; hide them until a generation that knows is published.

    Of a source whose permissions were mirrored later than these were told, nothing is changed.
    """
    mirrored_at = _time(session.connection().execute(_MIRRORED_AT, {"source": source}).scalar())
    rows = [
        {"document": document} | _access_values(access)
        for document, access in accesses.items()
        if not (access.as_of and mirrored_at and mirrored_at > access.as_of)
    ]
    if rows:
        named: BindParameter[str] = bindparam("document")
        statement = update(_DOCUMENT).where((_DOCUMENT.c.id == named) | (_DOCUMENT.c.parent == named))
        session.connection().execute(statement.values(hidden=True), rows)
        _mark_unpublished(session.connection(), source)


def amend(session: Session, document: Document) -> None:
    """Give an unchanged document its present access rules, change stamp and times.

    Where its readers changed it is hidden until a generation that knows is published.
    """
    connection = session.connection()
    _put(connection, document)
    created, modified = _iso(document.revision.created), _iso(document.revision.modified)
    same = and_(_REVISION.c.created.is_not_distinct_from(created), _REVISION.c.modified.is_not_distinct_from(modified))
    parts = select(_DOCUMENT.c.revision).where(_DOCUMENT.c.parent == document.id)
    own_or_part = (_REVISION.c.id == document.revision.id) | _REVISION.c.id.in_(parts)
    moved = update(_REVISION).where(own_or_part, ~same)
    if connection.execute(moved.values(created=created, modified=modified)).rowcount:
        _mark_unpublished(connection, document.source)


def remove(session: Session, source: SourceName, ids: Sequence[DocumentId]) -> None:
    """Hide documents, and what came in them, from now on; their rows go when a generation without them is published."""
    connection = session.connection()
    for document in ids:
        values = {"state": DocumentState.REMOVED.value, "hidden": True}
        whole = (_DOCUMENT.c.id == document) | (_DOCUMENT.c.parent == document)
        connection.execute(update(_DOCUMENT).where(whole).values(values))
    _mark_unpublished(connection, source)


def passages(session: Session, revision: KeyId) -> Iterator[SealedPassage]:
    """The passages of a revision, in order, without its vault."""
    its_own = (_PASSAGE.c.revision == revision) & (_PASSAGE.c.ordinal != VAULT_ORDINAL)
    for row in session.connection().execute(select(_PASSAGE).where(its_own).order_by(_PASSAGE.c.ordinal)):
        yield SealedPassage(ordinal=row.ordinal, text=row.text, vector=row.vector)


def publish(session: Session, source: SourceName, generation: GenerationId, *, digest: str, now: datetime) -> None:
    """Make a generation the one that serves. It knows of every change, so nothing needs to be hidden from it."""
    connection = session.connection()
    served = {"generation": generation, "generation_digest": digest, "published_at": now.isoformat()}
    connection.execute(update(_SOURCE).where(_SOURCE.c.name == source).values(unpublished=False, **served))
    connection.execute(update(_DOCUMENT).where(_DOCUMENT.c.source == source, _DOCUMENT.c.hidden).values(hidden=False))


def darken(session: Session, source: SourceName) -> None:
    """Have no generation serve a source until the next is published."""
    _mark_unpublished(session.connection(), source, generation=None, generation_digest=None)


def counts(session: Session, source: SourceName) -> dict[str, int]:
    """Documents of a source by state, and the passages of its indexed documents under `passages`."""
    by_state = (
        select(_DOCUMENT.c.state, func.count(), func.sum(_REVISION.c.passages))
        .join(_REVISION, _REVISION.c.id == _DOCUMENT.c.revision)
        .where(_DOCUMENT.c.source == source)
        .group_by(_DOCUMENT.c.state)
    )
    rows = {state: (number, total) for state, number, total in session.connection().execute(by_state)}
    found = {state.value: rows.get(state.value, (0, 0))[0] for state in DocumentState}
    return found | {"passages": rows.get(DocumentState.INDEXED.value, (0, 0))[1]}


def require(session: Session, source: SourceName) -> Registration:
    """A registered source.

    Raises:
        RefusedError: there is none of that name.
    """
    found = registration(session, source) if source.isascii() else None  # a lone surrogate, no database takes
    if found is None:
        raise RefusedError(f"No source {source!r} is registered.", mend="Register it with: penstock apply MANIFEST")
    return found


def revision_of(row: Row[Any]) -> Revision:
    """The revision that a row with all of its columns holds."""
    return Revision(
        id=KeyId(row._mapping[_REVISION.c.id]),  # noqa: SLF001 - the public name of SQLAlchemy's row mapping
        version=row.version,
        fingerprint=row.fingerprint,
        redaction=row.redaction,
        embedder=row.embedder,
        created=_time(row.created),
        modified=_time(row.modified),
        ingested=datetime.fromisoformat(row.ingested),
        passages=row.passages,
        skipped_parts=row.skipped_parts,
        redactions=json.loads(row.redactions),
        sealed=row.sealed,
    )


def access_of(allow: str, deny: str, as_of: str | None) -> Access:
    """The access rules that these columns of a row hold."""
    return Access(allow=frozenset(json.loads(allow)), deny=frozenset(json.loads(deny)), as_of=_time(as_of))


def _put(connection: Connection, document: Document, listing: str | None = None) -> None:
    """Write a document's row. One that is hidden stays hidden until a generation is published."""
    columns = [_DOCUMENT.c[name] for name in ("hidden", "state", "allow", "deny", "acl_as_of")]
    before = connection.execute(select(*columns).where(_DOCUMENT.c.id == document.id)).first()
    access = _access_values(document.access)
    mirrored_at = _time(connection.execute(_MIRRORED_AT, {"source": document.source}).scalar())
    if document.access.as_of and mirrored_at and mirrored_at > document.access.as_of:
        # The permissions were mirrored anew since this listing. What they said then holds, of a new part what they said
        # of its document; of a new document, nothing.
        told = before or connection.execute(select(*columns).where(_DOCUMENT.c.id == document.parent)).first()
        access |= {"allow": told.allow, "deny": told.deny} if told else {"allow": "[]", "deny": "[]"}
    indexed = document.state is DocumentState.INDEXED
    values = access | {
        "parent": document.parent,
        "state": document.state.value,
        "revision": document.revision.id,
        "stamp": document.stamp,
        "reason": document.reason,
        "stage": document.stage,
        "mend": document.mend,
    }
    if listing is not None:
        values["listed_by"] = listing
    if before is None:
        new = {"id": document.id, "source": document.source, "hidden": False, "listed_by": ""} | values
        connection.execute(insert(_DOCUMENT).values(new))
        return
    served = before.state == DocumentState.INDEXED.value
    same_readers = _class_of(before.allow, before.deny, before.acl_as_of) == _class_of(**access)
    hide = before.hidden or (served and not (indexed and same_readers))
    connection.execute(update(_DOCUMENT).where(_DOCUMENT.c.id == document.id).values(hidden=hide, **values))
    if not same_readers:
        connection.execute(update(_DOCUMENT).where(_DOCUMENT.c.parent == document.id).values(hidden=True, **access))
    if hide or not same_readers or before.state != document.state.value:
        _mark_unpublished(connection, document.source)


def _class_of(allow: str | None, deny: str | None, acl_as_of: str | None) -> tuple[str | None, str | None, bool]:
    # Rules of the manifest and rules of the origin are never one class: only the latter can go stale.
    return allow, deny, acl_as_of is None


def _mark_unpublished(connection: Connection, source: SourceName, **also: None) -> None:
    marked = update(_SOURCE).where(_SOURCE.c.name == source)
    connection.execute(marked.values(unpublished=True, changes=_SOURCE.c.changes + 1, **also))


def _registration(row: Row[Any]) -> Registration:
    return Registration(
        name=SourceName(row.name),
        manifest=row.manifest,
        manifest_path=Path(row.manifest_path),
        policy_hash=PolicyHash(row.policy_hash),
        generation=GenerationId(row.generation) if row.generation else None,
        generation_digest=row.generation_digest,
        unpublished=row.unpublished,
        changes=row.changes,
        cursor=row.cursor,
        listed_at=_time(row.listed_at),
        mirrored_at=_time(row.mirrored_at),
    )


def _document(row: Row[Any]) -> Document:
    values = row._mapping  # noqa: SLF001 - the public name of SQLAlchemy's row mapping
    return Document(
        id=DocumentId(values[_DOCUMENT.c.id]),
        source=SourceName(row.source),
        state=DocumentState(row.state),
        stamp=row.stamp,
        access=access_of(row.allow, row.deny, row.acl_as_of),
        revision=revision_of(row),
        parent=DocumentId(row.parent) if row.parent else None,
        reason=row.reason,
        stage=row.stage,
        mend=row.mend,
    )


def _access_values(access: Access) -> dict[str, str | None]:
    return {
        "allow": json.dumps(sorted(access.allow)),
        "deny": json.dumps(sorted(access.deny)),
        "acl_as_of": _iso(access.as_of),
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
