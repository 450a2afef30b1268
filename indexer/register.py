"""Putting a manifest in force: what it would change, and the change itself."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from indexer import catalog, orders, serving
from indexer.content import open_description
from indexer.ingest import fingerprint
from indexer.keyring import Keyring
from indexer.tables import DocumentState
from indexer.workshop import Workshop
from policies import globs, ledger, plan
from policies.decide import conflicts, permits
from policies.manifest import Source, parse
from policies.manifest.clauses import Transfer
from policies.model import Access, Action, AuditEvent, Caller, ClassId, Deny, DocumentId, Gap, Permit
from policies.residency import lapsed, may_serve
from policies.retention import passed


@dataclass(frozen=True, kw_only=True, slots=True)
class CallerEffect:
    """How many documents a caller may read before and after. `served` is False where its region is not served."""

    caller: Caller
    before: int
    after: int
    served: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What putting a manifest in force means for the documents there are, and for who reads them.

    `gaining` and `losing` are principals with the documents they would be allowed, or no longer be allowed, by name.
    `due` are documents that would be past their retention, and no longer be shown, from that instant; `kept` those of
    them that an order keeps from deletion. `conflicts` is what would keep this node from working with the source at
    all, `lapsed` are transfers that carry nothing any more, `idle_rules` patterns that no indexed document matches.
    `outdated` counts documents that were read, redacted or embedded otherwise than a sync under the manifest would now.
    """

    plan: plan.Plan
    documents: int
    gaining: Mapping[str, frozenset[DocumentId]]
    losing: Mapping[str, frozenset[DocumentId]]
    callers: tuple[CallerEffect, ...]
    due: frozenset[DocumentId]
    kept: frozenset[DocumentId]
    conflicts: tuple[Deny | Gap, ...]
    lapsed: tuple[Transfer, ...]
    idle_rules: tuple[str, ...]
    outdated: int


def effect(workshop: Workshop, source: Source, *, callers: Sequence[Caller]) -> Effect:
    """What `apply` would do, to these callers among others. Changes nothing."""
    now = workshop.clock()
    with workshop.database.reading() as session:
        registered = catalog.registration(session, source.name)
        old = parse(registered.manifest, path=str(registered.manifest_path)) if registered else None
        documents = catalog.documents(session, source.name) if registered else {}
        spared = orders.protected(session, workshop.keyring.database, source.name)
    restricted = serving.restricted(workshop.keyring.database, source.name, documents.values())
    indexed = [document for document in documents.values() if document.state is DocumentState.INDEXED]
    before = {document.id: document.access for document in indexed}
    after = _accesses(workshop.keyring, source, indexed)
    due = frozenset(document.id for document in indexed if _is_due(source, document, now))
    was_due = {document.id for document in indexed if old and _is_due(old, document, now)}
    return Effect(
        plan=plan.changes(old, source),
        documents=len(indexed),
        gaining=_more(before, after),
        losing=_more(after, before),
        callers=tuple(
            CallerEffect(
                caller=caller,
                before=_readable(workshop, old, caller, before, was_due | restricted, now) if old else 0,
                after=_readable(workshop, source, caller, after, due | restricted, now),
                served=caller.region is not None and may_serve(source.policy, caller.region, now),
            )
            for caller in callers
        ),
        due=due,
        kept=due & spared.keys(),
        conflicts=conflicts(source=source, node=workshop.node, now=now),
        lapsed=lapsed(source.policy, now),
        idle_rules=_idle_rules(workshop.keyring, source, indexed),
        outdated=_outdated(workshop, source, indexed),
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
        old = parse(registered.manifest, path=str(registered.manifest_path)) if registered else None
        indexed = [document for document in documents if document.state is DocumentState.INDEXED]
        after = _accesses(fenced.keyring, source, indexed)
        moved = {document.id: after[document.id] for document in indexed if document.access != after[document.id]}
        event = AuditEvent(
            actor=actor,
            action=Action.SOURCE_APPLIED,
            objects=(source.name,),
            policy_hash=source.policy_hash,
            detail={
                "version": source.version,
                "state": source.state,
                "former": registered.policy_hash if registered else None,
                "changed": [change.key for change in plan.changes(old, source).changes] if old else [],
            },
        )
        # Before the catalog: a source that is registered has it.
        fenced.keyring.begin_source(source.name)
        with fenced.database.writing() as session:
            catalog.register(
                session, source.name, manifest=manifest, path=path, policy_hash=source.policy_hash, now=now
            )
            catalog.reassign(session, source.name, moved)
            if old and _reads_otherwise(old, source):
                catalog.hide_all(session, source.name)
            # Asked for again: looking at every document takes its time.
            head = ledger.append(session, event, now=fenced.clock())
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
    names = _origin_ids(keyring, documents)
    nobody = Access(allow=frozenset(), deny=frozenset())
    accesses: dict[DocumentId, Access] = {}
    # What came in another document has that one's readers, so it comes behind.
    for document in sorted(documents, key=lambda document: document.parent is not None):
        if document.parent is not None:
            accesses[document.id] = accesses.get(document.parent, nobody)
        elif document.id in names:
            accesses[document.id] = source.access_for(names[document.id]) or nobody
        else:
            accesses[document.id] = nobody
    return accesses


def _more(few: Mapping[DocumentId, Access], many: Mapping[DocumentId, Access]) -> Mapping[str, frozenset[DocumentId]]:
    """The principals that the second allow what the first do not, by name, with the documents."""
    found: dict[str, set[DocumentId]] = {}
    for document, access in many.items():
        before = few[document].allow - few[document].deny
        for principal in access.allow - access.deny - before:
            found.setdefault(principal, set()).add(document)
    return {principal: frozenset(found[principal]) for principal in sorted(found)}


def _idle_rules(keyring: Keyring, source: Source, documents: Sequence[catalog.Document]) -> tuple[str, ...]:
    """The patterns that no document's name matches; none where there are no documents to say so."""
    rules = source.policy.access.documents.rules if source.policy.access.documents else ()
    if not rules or not documents:
        return ()
    names = _origin_ids(keyring, documents).values()
    return tuple(rule.match for rule in rules if not any(globs.matches(rule.match, name) for name in names))


def _outdated(workshop: Workshop, source: Source, documents: Sequence[catalog.Document]) -> int:
    if not documents:
        return 0
    made_by = workshop.keyring.fingerprint(fingerprint(workshop.stages, source))
    return sum(document.revision.fingerprint != made_by for document in documents)


def _origin_ids(keyring: Keyring, documents: Sequence[catalog.Document]) -> dict[DocumentId, str]:
    """What the origin calls documents, as far as that can be opened."""
    keys = keyring.document_keys(document.revision.id for document in documents)
    return {
        document.id: open_description(keys[revision.id], revision.id, revision.sealed).origin_id
        for document in documents
        if (revision := document.revision).id in keys
    }


def _readable(
    workshop: Workshop,
    source: Source,
    caller: Caller,
    accesses: Mapping[DocumentId, Access],
    hidden: Collection[DocumentId],
    now: datetime,
) -> int:
    """How many documents a caller may read, for whichever of its purposes the source has."""
    purpose = next((purpose for purpose in source.policy.purposes if purpose in caller.purposes), "")
    numbers = Counter(access for document, access in accesses.items() if document not in hidden)
    classes = {ClassId(str(number)): access for number, access in enumerate(numbers)}
    decided = permits(caller=caller, purpose=purpose, source=source, classes=classes, node=workshop.node, now=now)
    return sum(numbers[access] for name, access in classes.items() if isinstance(decided[name], Permit))


def _is_due(source: Source, document: catalog.Document, now: datetime) -> bool:
    revision = document.revision
    anchor = source.anchor(created=revision.created, modified=revision.modified, ingested=revision.ingested)
    return anchor is not None and passed(anchor, source.policy.retention.period, now)
