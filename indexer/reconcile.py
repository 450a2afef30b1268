"""Comparing catalog, keyring, index and files: what should be there and is not, and what is there and should not be."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from sqlmodel import Session

from indexer import catalog, custody, joblog, revisions, serving
from indexer.custody import audited
from indexer.generation import Generation
from indexer.tables import DocumentState
from indexer.workshop import Workshop
from policies.errors import IntegrityError
from policies.manifest import parse
from policies.purge import is_entombed


class Fault(StrEnum):
    """What can be found wrong."""

    DATABASE = "database"
    AUDIT = "audit"
    KEY_MISSING = "key_missing"
    KEY_ORPHANED = "key_orphaned"
    PSEUDONYMS_MISSING = "pseudonyms_missing"
    INDEX_MISSING = "index_missing"
    INDEX_DAMAGED = "index_damaged"
    INDEX_BEHIND = "index_behind"
    DOCUMENT_NOT_INDEXED = "document_not_indexed"
    DOCUMENT_ORPHANED = "document_orphaned"
    DOCUMENT_ENTOMBED = "document_entombed"
    FOLDER_ORPHANED = "folder_orphaned"


REPAIRABLE = frozenset(Fault) - {
    Fault.DATABASE,
    Fault.AUDIT,
    Fault.KEY_MISSING,
    Fault.PSEUDONYMS_MISSING,
    Fault.DOCUMENT_ENTOMBED,
}
"""What rebuilding an index from the catalog, and removing what nothing names, puts right."""
MENDS: Mapping[Fault, str] = MappingProxyType(
    dict.fromkeys(REPAIRABLE, "Run: penstock verify --repair")
    | {
        Fault.DATABASE: "Restore the file from a backup.",
        Fault.AUDIT: "Find out who could write to the catalog; compare it with a backup.",
        Fault.DOCUMENT_NOT_INDEXED: "Run: penstock verify --repair. If it stays so, sync its source.",
        Fault.DOCUMENT_ENTOMBED: "Sync its source, then run: penstock purge run. It is not shown meanwhile.",
        Fault.KEY_MISSING: "Sync its source again, or restore the keyring from a backup.",
        Fault.PSEUDONYMS_MISSING: "Restore the keyring from its youngest backup. A source without documents: apply it.",
    }
)
"""What to do about each fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong. `source` is "" where it concerns the whole home. `what` names opaque ids only."""

    fault: Fault
    source: str
    what: str


def verify(workshop: Workshop) -> tuple[Finding, ...]:
    """Everything that is wrong with the home, empty when all is well. Changes nothing.

    While a database is damaged that is all that is told. A sync at work meanwhile can show as an index that is behind,
    or as an orphaned key.
    """
    findings = [
        Finding(fault=Fault.DATABASE, source="", what=f"{database.name}: {problem}")
        for database in (workshop.database, workshop.keyring.database)
        for problem in database.integrity_problems()
    ]
    if findings:
        # What a damaged file says of anything else is worth nothing.
        return tuple(findings)
    with workshop.database.reading() as session:
        findings += _audit(workshop, session)
        findings += _keys(workshop, session)
        for registered in catalog.registrations(session):
            findings += _pseudonyms(workshop, registered)
            findings += _index(workshop, session, registered)
            findings += _folders(workshop, registered)
    return tuple(findings)


def repair(workshop: Workshop, findings: Sequence[Finding], *, actor: str) -> None:
    """Mend what can be mended: rebuild the indexes of sources with a finding, destroy keys that nothing names.

    No key is destroyed while the catalog is damaged or its audit does not hold, for it may be an older one, restored.
    None is of a source on which an order stands.

    Raises:
        ConflictError: a sync or a purge is at work.
    """
    with workshop.database.reading() as session:
        names = [source.name for source in catalog.registrations(session)]
    with ExitStack() as writers:
        # All of them, because a key that a sync has just made is not yet named by the catalog.
        for name in names:
            workshop = writers.enter_context(workshop.holding(name))
        with workshop.database.reading() as session:
            # As they are now: another manifest may have been put in force before they were held.
            registered = {name: catalog.require(session, name) for name in names}
        wanted = {finding.source for finding in findings if finding.fault in REPAIRABLE}
        for source in (registered[name] for name in registered if name in wanted):
            workshop.rebuild(parse(source.manifest, path=str(source.manifest_path)), actor=actor)
        if not any(finding.fault in (Fault.DATABASE, Fault.AUDIT) for finding in findings):
            # A catalog that is damaged, or older than its audit's anchors, names fewer keys than are needed.
            with workshop.database.writing() as session:
                workshop.keyring.destroy(keys=custody.unnamed_keys(session, workshop.keyring))


def _audit(workshop: Workshop, session: Session) -> Iterator[Finding]:
    for problem in audited(session, workshop.keyring).problems:
        yield Finding(fault=Fault.AUDIT, source="", what=str(problem))


def _keys(workshop: Workshop, session: Session) -> Iterator[Finding]:
    keys, known = workshop.keyring.document_key_ids() - joblog.keys(session), revisions.ids(session)
    for revision in sorted(known - keys):
        yield Finding(
            fault=Fault.KEY_MISSING, source="", what=f"revision {revision} cannot be read: sync its source again"
        )
    for key in sorted(custody.unnamed_keys(session, workshop.keyring)):
        yield Finding(fault=Fault.KEY_ORPHANED, source="", what=f"key {key}")


def _pseudonyms(workshop: Workshop, registered: catalog.Registration) -> Iterator[Finding]:
    if not workshop.keyring.has_pseudonym_key(registered.name):
        yield Finding(
            fault=Fault.PSEUDONYMS_MISSING, source=registered.name, what="nobody can be found by a pseudonym any more"
        )


def _index(workshop: Workshop, session: Session, registered: catalog.Registration) -> Iterator[Finding]:
    documents, tombstones = catalog.documents(session, registered.name).values(), workshop.keyring.tombstones()
    indexed = {document.revision.id for document in documents if document.state is DocumentState.INDEXED}
    entombed = indexed & {
        document.revision.id
        for document in documents
        if is_entombed(tombstones, document.id, document.revision.version)
    }
    for revision in sorted(entombed):
        yield Finding(fault=Fault.DOCUMENT_ENTOMBED, source=registered.name, what=f"revision {revision}")
    restricted = serving.restricted(workshop.keyring.database, registered.name, documents)
    waiting = {document.revision.id for document in documents if document.id in restricted}
    # What was purged, or has no key, is told of as that. What is restricted is shown to nobody, and no sync makes it
    # fit for the index of a manifest that has changed meanwhile.
    wanted = (indexed - entombed - waiting) & workshop.keyring.document_key_ids(registered.name)
    if registered.generation is None or registered.generation_digest is None:
        if indexed:
            yield Finding(fault=Fault.INDEX_MISSING, source=registered.name, what="no index was published")
        return
    folder = workshop.home.generation(registered.name, registered.generation)
    try:
        generation = Generation(registered.generation, folder, digest=registered.generation_digest)
    except IntegrityError as error:
        yield Finding(fault=Fault.INDEX_DAMAGED, source=registered.name, what=error.message)
        return
    if registered.unpublished:
        yield Finding(fault=Fault.INDEX_BEHIND, source=registered.name, what="the catalog changed since it was made")
        return
    served = {member.revision for member in generation.members()}
    for revision in sorted(wanted - served):
        yield Finding(fault=Fault.DOCUMENT_NOT_INDEXED, source=registered.name, what=f"revision {revision}")
    for revision in sorted(served - indexed):
        yield Finding(fault=Fault.DOCUMENT_ORPHANED, source=registered.name, what=f"revision {revision}")


def _folders(workshop: Workshop, registered: catalog.Registration) -> Iterator[Finding]:
    folder = workshop.home.generations(registered.name)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name != registered.generation:
            yield Finding(fault=Fault.FOLDER_ORPHANED, source=registered.name, what=path.name)
