"""Putting a manifest in force: what it would change, and the change itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from indexer import catalog
from indexer.content import open_description
from indexer.keyring import Keyring
from indexer.tables import DocumentState
from indexer.workshop import Workshop
from policies import ledger, plan
from policies.manifest import Source, parse
from policies.model import Access, Action, AuditEvent, DocumentId
from policies.retention import passed


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What putting a manifest in force means for the documents there are.

    `gaining` and `losing` are principals with the number of documents they would be allowed, or no longer be allowed,
    by name. `due` counts documents that would be past their retention, and no longer be shown, from that instant.
    """

    plan: plan.Plan
    documents: int
    gaining: Mapping[str, int]
    losing: Mapping[str, int]
    due: int


def effect(workshop: Workshop, source: Source) -> Effect:
    """What `apply` would do. Changes nothing."""
    with workshop.database.reading() as session:
        registered = catalog.registration(session, source.name)
        old = parse(registered.manifest, path=str(registered.manifest_path)) if registered else None
        documents = catalog.documents(session, source.name) if registered else {}
    indexed = [document for document in documents.values() if document.state is DocumentState.INDEXED]
    after = _accesses(workshop.keyring, source, indexed)
    gaining: dict[str, int] = {}
    losing: dict[str, int] = {}
    for document in indexed:
        had = document.access.allow - document.access.deny
        has = after[document.id].allow - after[document.id].deny
        for principal in has - had:
            gaining[principal] = gaining.get(principal, 0) + 1
        for principal in had - has:
            losing[principal] = losing.get(principal, 0) + 1
    now = workshop.clock()
    return Effect(
        plan=plan.changes(old, source),
        documents=len(indexed),
        gaining=dict(sorted(gaining.items())),
        losing=dict(sorted(losing.items())),
        due=sum(_is_due(source, document, now) for document in indexed),
    )


def apply(workshop: Workshop, source: Source, *, manifest: str, path: Path, actor: str) -> None:
    """Put a manifest in force, at once and in one transaction with its audit record.

    Documents whose readers change are hidden by that transaction, and seen again by their new readers when the index
    that knows is published, which is the last thing done here. So are all documents where retention counts from
    another date; and where redaction changes they stay hidden until a sync has redacted them anew.

    Raises:
        ConflictError: another process is at work on this source.
    """
    with workshop.holding(source.name) as fenced:
        now = fenced.clock()
        with fenced.database.reading() as session:
            registered = catalog.registration(session, source.name)
            documents = catalog.documents(session, source.name).values()
        indexed = [document for document in documents if document.state is DocumentState.INDEXED]
        after = _accesses(fenced.keyring, source, indexed)
        moved = {document.id: after[document.id] for document in indexed if document.access != after[document.id]}
        event = AuditEvent(
            actor=actor,
            action=Action.SOURCE_APPLIED,
            objects=(source.name,),
            policy_hash=source.policy_hash,
            detail={"version": source.version, "state": source.state},
        )
        with fenced.database.writing() as session:
            catalog.register(
                session, source.name, manifest=manifest, path=path, policy_hash=source.policy_hash, now=now
            )
            catalog.reassign(session, source.name, moved)
            if registered and _reads_otherwise(parse(registered.manifest, path="catalog"), source):
                catalog.hide_all(session, source.name)
            head = ledger.append(session, event, now=now)
        fenced.keyring.anchor(head, now=now)
        if registered and registered.generation is not None:
            fenced.publish(source, actor=actor)


def _reads_otherwise(old: Source, new: Source) -> bool:
    """Whether the index of the one must not serve under the other: other redaction, or retention from another date."""
    return (old.redaction, old.policy.retention.anchor) != (new.redaction, new.policy.retention.anchor)


def _accesses(keyring: Keyring, source: Source, documents: list[catalog.Document]) -> Mapping[DocumentId, Access]:
    """Who may read each document under this manifest. One whose key is gone, or that has no rule, is for nobody."""
    if source.mirrors_access:
        return {document.id: document.access for document in documents}
    keys = keyring.document_keys(document.revision.id for document in documents)
    nobody = Access(allow=frozenset(), deny=frozenset())
    accesses: dict[DocumentId, Access] = {}
    # What came in another document has that one's readers, so it comes behind.
    for document in sorted(documents, key=lambda document: document.parent is not None):
        revision = document.revision
        if document.parent is not None:
            accesses[document.id] = accesses.get(document.parent, nobody)
        elif revision.id in keys:
            description = open_description(keys[revision.id], revision.id, revision.sealed)
            accesses[document.id] = source.access_for(description.origin_id) or nobody
        else:
            accesses[document.id] = nobody
    return accesses


def _is_due(source: Source, document: catalog.Document, now: datetime) -> bool:
    revision = document.revision
    anchor = source.anchor(created=revision.created, modified=revision.modified, ingested=revision.ingested)
    return anchor is not None and passed(anchor, source.policy.retention.period, now)
