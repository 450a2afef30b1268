"""Bringing the catalog and the index of a source to what its origin holds now.

Every listed document ends as indexed, unchanged or quarantined with a reason. Each is stored by one transaction, so a
killed sync loses nothing and the next one goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from connectors.base import Connector, Delete, Listing, Refused, SourceDocument, Upsert
from indexer import catalog
from indexer.analyse import analyser_version
from indexer.build import build, collect, publish
from indexer.database import Database
from indexer.generation import read_inventory
from indexer.home import Home
from indexer.ingest import Stages, empty_revision, fingerprint, ingest
from indexer.keyring import Keyring
from indexer.tables import DocumentState
from policies import ledger
from policies.decide import SENTENCES, admit
from policies.errors import ConflictError, IntegrityError, PenstockError, QuarantineError, RefusedError
from policies.manifest import Source
from policies.model import Access, Action, AuditEvent, DocumentId, GenerationId, Node, Reason


class Outcome(StrEnum):
    """What became of a document in a sync. Every listed one is one of the first three."""

    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    QUARANTINED = "quarantined"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a sync is, in documents, and what became of the last one."""

    done: int
    listed: int
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a sync did. `counts` has every Outcome, `reasons` counts quarantined documents by reason.

    `skipped_parts` counts attachments and embedded files, in what was newly indexed, that were not read.
    """

    counts: Mapping[Outcome, int]
    reasons: Mapping[str, int]
    skipped_parts: int
    generation: GenerationId

    @property
    def listed(self) -> int:
        """How many documents the origin lists."""
        return sum(number for outcome, number in self.counts.items() if outcome is not Outcome.REMOVED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """What changing a source needs. `clock` gives the present (UTC, aware), `new_id` a fresh random id."""

    home: Home
    database: Database
    keyring: Keyring
    stages: Stages
    node: Node
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    def record(self, source: Source, actor: str, action: Action, detail: Mapping[str, str | int]) -> None:
        """Put an act on a source into the audit, durably, and anchor it."""
        event = AuditEvent(
            actor=actor, action=action, objects=(source.name,), policy_hash=source.policy_hash, detail=dict(detail)
        )
        now = self.clock()
        with self.database.writing() as session:
            head = ledger.append(session, event, now=now)
        self.keyring.anchor(head, now=now)

    @contextmanager
    def sole_writer(self, source: Source) -> Iterator[None]:
        """Be the one writer of a source while the block runs.

        Raises:
            ConflictError: another process is at work on it, or another manifest was put in force meanwhile.
        """
        with self.home.sole_writer(source.name):
            with self.database.reading() as session:
                registered = catalog.require(session, source.name)
            if registered.policy_hash != source.policy_hash:
                raise ConflictError(
                    f"Another manifest of {source.name!r} was put in force.", mend="Run the same command again."
                )
            yield

    def publish(self, source: Source, *, actor: str) -> GenerationId:
        """Rebuild a source's index if it is not of the present catalog or code; the id of the one that serves.

        The caller is the source's sole writer.
        """
        with self.database.reading() as session:
            registered = catalog.require(session, source.name)
        if registered.generation is None or registered.unpublished or not self._can_serve(registered):
            return self.rebuild(source, actor=actor)
        collect(self.database, self.keyring, source, self.home.generations(source.name))
        return registered.generation

    def _can_serve(self, registered: catalog.Registration) -> bool:
        """Whether the generation was made by the embedder and the analyser that queries are made by now."""
        if registered.generation is None or registered.generation_digest is None:
            return False
        folder = self.home.generation(registered.name, registered.generation)
        try:
            inventory = read_inventory(folder, digest=registered.generation_digest)
        except IntegrityError:
            return False
        return (inventory.embedder, inventory.analyser) == (self.stages.embedder_identity.key, analyser_version())

    def rebuild(self, source: Source, *, actor: str) -> GenerationId:
        """Build a generation from the catalog and publish it. The caller is the source's sole writer."""
        folder = self.home.generations(source.name)
        identity = self.stages.embedder_identity
        built = build(
            self.database,
            self.keyring,
            source,
            folder,
            generation=GenerationId(self.new_id()),
            embedder=identity.key,
            dim=identity.dim,
        )
        publish(self.database, source, built, actor=actor, now=self.clock())
        collect(self.database, self.keyring, source, folder)
        return built.id


def sync(
    workshop: Workshop,
    source: Source,
    connector: Connector,
    *,
    actor: str,
    progress: Callable[[Progress], None],
    confirm_deletes: bool,
    retry_quarantined: bool,
) -> Report:
    """Bring a source to what its origin holds now.

    `retry_quarantined` looks at quarantined documents again even where their bytes did not change.

    Raises:
        ConflictError: another process is at work on this source.
        RefusedError: the policy admits nothing here and now, and nothing was touched; or more documents would be
            removed than the source's limit allows, and none was, but everything else was done.
        DependencyError, OSError: the origin, a sandbox or the disk failed. What was stored stays; sync again.
    """
    now = workshop.clock()
    refusal = admit(source=source, anchor=now, node=workshop.node, now=now)
    if refusal is not None:
        # Asked of each document it would quarantine them all, and publishing would destroy their keys.
        raise RefusedError(
            f"Nothing of {source.name!r} ({source.state}) may be taken in here and now: {SENTENCES[refusal.reason]}",
            mend="Mend its manifest or the place where this runs, then sync again. What is indexed was left as it is.",
        )
    with workshop.sole_writer(source):
        run = _Run(workshop, source, connector, retry_quarantined=retry_quarantined)
        workshop.record(source, actor, Action.SYNC_STARTED, {})
        run.take_in(progress)
        too_many = run.drop_missing(confirmed=confirm_deletes)
        generation = workshop.publish(source, actor=actor)
        workshop.record(source, actor, Action.SYNC_FINISHED, {outcome.value: n for outcome, n in run.counts.items()})
    if too_many is not None:
        raise too_many
    return Report(counts=run.counts, reasons=run.reasons, skipped_parts=run.skipped_parts, generation=generation)


_NOBODY = Access(allow=frozenset(), deny=frozenset())
_PASSING = frozenset({"unreadable", "changed", "timeout", "crashed", "out_of_memory", "redaction_timeout"})
"""Reasons that may be gone the next time. An indexed document is kept as it was, and a quarantined one tried again."""
_WITHOUT_A_NAME = frozenset({Reason.RETENTION_PASSED.value, "tombstoned"})
"""Reasons for which not even the name of a document is kept: nobody may look at it any more."""


class _Run:
    """One sync while it runs. The caller is the source's sole writer."""

    def __init__(self, workshop: Workshop, source: Source, connector: Connector, *, retry_quarantined: bool) -> None:
        self.counts = dict.fromkeys(Outcome, 0)
        self.reasons: dict[str, int] = {}
        self.skipped_parts = 0
        self._workshop = workshop
        self._source = source
        self._connector = connector
        self._retry = retry_quarantined
        self._made_by = workshop.keyring.fingerprint(fingerprint(workshop.stages, source))
        self._tombstones = workshop.keyring.tombstones()
        self._keys = workshop.keyring.document_key_ids()
        self._seen: set[DocumentId] = set()
        self._gone: set[DocumentId] = set()
        self._complete = False
        with workshop.database.reading() as session:
            self._known = catalog.documents(session, source.name)

    def take_in(self, progress: Callable[[Progress], None]) -> None:
        """Take in every document the origin lists."""
        listing = self._connector.list(None)
        items = list(self._listed(listing))
        self._complete = listing.complete
        mirrored = self._connector.permissions([item for item in items if isinstance(item, SourceDocument)])
        for done, item in enumerate(items, start=1):
            outcome = self._take(item, mirrored.get(item.origin_id))
            self.counts[outcome] += 1
            progress(Progress(done=done, listed=len(items), outcome=outcome))

    def drop_missing(self, *, confirmed: bool) -> RefusedError | None:
        """Hide what the origin no longer has; the refusal, and nothing hidden, where it is too much unconfirmed."""
        known = self._known.keys()
        missing = sorted((self._gone & known) | (known - self._seen if self._complete else set()))
        allowed = self._source.limits.max_deletes
        if not confirmed and len(missing) > allowed * len(self._known):
            return RefusedError(
                f"{len(missing)} of {len(self._known)} documents of {self._source.name!r} are gone from the origin, "
                f"more than the {allowed:.0%} that limits.max_deletes allows. Nothing was removed.",
                mend="If that is right, run the sync again with --confirm-deletes.",
            )
        if missing:
            with self._workshop.database.writing() as session:
                catalog.remove(session, self._source.name, missing)
            self.counts[Outcome.REMOVED] = len(missing)
        return None

    def _listed(self, listing: Listing) -> Iterator[SourceDocument | Refused]:
        for change in listing.changes:
            match change:
                case Upsert(document=document):
                    self._gone.discard(self._workshop.keyring.document_id(self._source.name, document.origin_id))
                    yield document
                case Refused():
                    yield change
                case Delete(origin_id=origin_id):
                    self._gone.add(self._workshop.keyring.document_id(self._source.name, origin_id))

    def _take(self, item: SourceDocument | Refused, mirrored: Access | None) -> Outcome:
        document = self._workshop.keyring.document_id(self._source.name, item.origin_id)
        self._seen.add(document)
        access = self._source.access_for(item.origin_id, mirrored=mirrored) or _NOBODY
        if isinstance(item, Refused):
            refusal = QuarantineError("It must not be read.", reason=item.reason, stage="fetch", mend=item.mend)
            return self._quarantine(document, _nameless(item.origin_id), refusal, access)
        try:
            return self._take_document(document, item, access)
        except QuarantineError as error:
            return self._quarantine(document, item, error, access)
        except (PenstockError, OSError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - one document must not stop the run; it is recorded, not lost
            unexpected = QuarantineError(
                "It could not be processed.",
                reason="internal_error",
                stage="ingest",
                mend=f"Report a fault of Penstock: {type(error).__name__}.",
            )
            return self._quarantine(document, item, unexpected, access)

    def _take_document(self, document: DocumentId, item: SourceDocument, access: Access) -> Outcome:
        workshop, source, known = self._workshop, self._source, self._known.get(document)
        now = workshop.clock()
        ingested = known.revision.ingested if known else now
        refusal = admit(
            source=source,
            anchor=source.anchor(created=item.created, modified=item.modified, ingested=ingested),
            node=workshop.node,
            now=now,
        )
        if refusal is not None:
            if known and known.state is DocumentState.INDEXED and refusal.reason is Reason.RETENTION_PASSED:
                # It is not shown any more. Deleting it is the purge's part, with a receipt.
                return self._leave(known, item, known.access, stamp=known.stamp)
            raise QuarantineError(
                "The source's policy does not admit it.",
                reason=refusal.reason.value,
                stage="admit",
                mend="See what the source's manifest says of retention and residency.",
            )
        stamp = self._stamp(item)
        if known and stamp and known.stamp == stamp and self._is_settled(known):
            return self._leave(known, item, access, stamp=stamp)
        content = self._connector.fetch(item, max_bytes=source.limits.max_document_bytes)
        version = workshop.keyring.version(document, content)
        if (document, version) in self._tombstones:
            raise QuarantineError(
                "This content of it was purged and must not come back.",
                reason="tombstoned",
                stage="admit",
                mend="Delete it at its origin. Another version of it would be taken in.",
            )
        if known and known.revision.version == version and self._is_settled(known):
            return self._leave(known, item, access, stamp=stamp)
        try:
            made = ingest(
                workshop.stages,
                workshop.keyring,
                source,
                item,
                content,
                version=version,
                made_by=self._made_by,
                ingested=self._ingested(known, version),
            )
        except QuarantineError as error:
            return self._quarantine(document, item, error, access, version=version)
        stored = catalog.Document(
            id=document,
            source=source.name,
            state=DocumentState.INDEXED,
            stamp=stamp,
            access=access,
            revision=made.revision,
        )
        with workshop.database.writing() as session:
            catalog.store(session, stored, made.passages)
        self.skipped_parts += made.revision.skipped_parts
        return Outcome.INDEXED

    def _ingested(self, known: catalog.Document | None, version: str) -> datetime:
        """When these bytes of a document first came, quarantined or not."""
        same = known is not None and version and known.revision.version == version
        return known.revision.ingested if known and same else self._workshop.clock()

    def _stamp(self, item: SourceDocument) -> str:
        """The origin's change stamp as it may be kept: an ETag can be a hash of the content."""
        return self._workshop.keyring.fingerprint(item.stamp) if item.stamp else ""

    def _is_settled(self, known: catalog.Document) -> bool:
        """Whether the same bytes would come to the same end."""
        if known.revision.fingerprint != self._made_by or known.revision.id not in self._keys:
            return False
        final = known.stage == "parse" and known.reason not in _PASSING
        return known.state is DocumentState.INDEXED or (final and not self._retry)

    def _is_as_it_was(self, known: catalog.Document, item: SourceDocument, error: QuarantineError) -> bool:
        was = (known.state, known.reason, known.stage, known.stamp, known.revision.fingerprint)
        return was == (DocumentState.QUARANTINED, error.reason, error.stage, self._stamp(item), self._made_by)

    def _leave(self, known: catalog.Document, item: SourceDocument, access: Access, *, stamp: str) -> Outcome:
        """Keep a document whose bytes did not change, with its present times and access rules."""
        if known.state is DocumentState.QUARANTINED:
            self.reasons[known.reason] = self.reasons.get(known.reason, 0) + 1
            return Outcome.QUARANTINED
        times = replace(known.revision, created=item.created, modified=item.modified)
        present = replace(known, stamp=stamp, access=access, revision=times)
        if present != known:
            with self._workshop.database.writing() as session:
                catalog.amend(session, present)
        return Outcome.UNCHANGED

    def _quarantine(
        self, document: DocumentId, item: SourceDocument, error: QuarantineError, access: Access, *, version: str = ""
    ) -> Outcome:
        """Quarantine a document. One that is indexed stays as it was, but for its readers, if the reason may pass."""
        workshop, known = self._workshop, self._known.get(document)
        self.reasons[error.reason] = self.reasons.get(error.reason, 0) + 1
        if known and known.state is DocumentState.INDEXED and error.reason in _PASSING:
            as_before = replace(item, created=known.revision.created, modified=known.revision.modified)
            self._leave(known, as_before, access, stamp=known.stamp)
            return Outcome.QUARANTINED
        if known and self._is_as_it_was(known, item, error):
            return Outcome.QUARANTINED
        described = _nameless("") if error.reason in _WITHOUT_A_NAME else item
        ingested = self._ingested(known, version)
        revision = empty_revision(
            workshop.keyring, described, version=version, made_by=self._made_by, ingested=ingested
        )
        stored = catalog.Document(
            id=document,
            source=self._source.name,
            state=DocumentState.QUARANTINED,
            stamp=self._stamp(item),
            access=_NOBODY,
            revision=revision,
            reason=error.reason,
            stage=error.stage,
            mend=error.mend,
        )
        with workshop.database.writing() as session:
            catalog.store(session, stored, ())
        return Outcome.QUARANTINED


def _nameless(origin_id: str) -> SourceDocument:
    return SourceDocument(origin_id=origin_id, name="", uri="", size_bytes=None, stamp="", created=None, modified=None)
