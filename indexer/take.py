"""One listed document on its way into the catalog: admitted, fetched, ingested with what it holds, or quarantined."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Final, NoReturn

from sqlmodel import Session

from connectors.base import Connector, Refused, SourceDocument
from indexer import catalog, listings, ocr, orders
from indexer.formats.elements import Part
from indexer.former import former_vectors
from indexer.ingest import Origin, empty_revision, fingerprint, ingest
from indexer.joblog import JobId
from indexer.outcome import Outcome, Taken, Whole, counted
from indexer.tables import DocumentState
from indexer.workshop import Workshop
from policies import orders as law
from policies.decide import admit
from policies.errors import PenstockError, QuarantineError
from policies.manifest import Source
from policies.model import Access, DocumentId, Reason
from policies.orders import Order
from policies.purge import WHOLE_DOCUMENT, is_entombed

MAX_PART_DEPTH: Final = 3
"""Chosen: a file in a forwarded mail in a mail. What lies deeper is counted as skipped."""
MAX_PARTS: Final = 2000
"""Of one document, at whatever depth; a mailbox in one file is the largest (chosen)."""
NOBODY: Final = Access(allow=frozenset(), deny=frozenset())
_PASSING = frozenset({"unreadable", "changed", "gone", "timeout", "crashed", "out_of_memory", "redaction_timeout"})
"""Reasons that may be gone the next time. An indexed document is kept as it was, and a quarantined one tried again.

What is gone when it is fetched was there when it was listed: the next complete listing says whether it is.
"""
_WITHOUT_A_NAME = frozenset({Reason.RETENTION_PASSED.value, Reason.ERASED.value, "tombstoned", listings.DROPPED})
"""Reasons for which not even the name of a document is kept: nobody may look at it any more."""


class Taker:
    """Takes in documents of one source, for one job. The caller is the source's sole writer."""

    def __init__(
        self, workshop: Workshop, source: Source, connector: Connector, *, listing: JobId, retry: bool
    ) -> None:
        """`listing` names the job whose listing the documents are found in; `retry` looks at quarantined ones again."""
        self.made_by = workshop.keyring.fingerprint(fingerprint(workshop.stages, source))
        self._workshop = workshop
        self._source = source
        self._connector = connector
        self._listing = listing
        self._retry = retry
        self._tombstones = workshop.keyring.tombstones()
        self._keys = workshop.keyring.document_key_ids()

    def look_again(self) -> None:
        """Forget what the catalog knew of the source; it is asked when that is needed next."""
        for name in ("known", "_passing", "_with_unsettled_parts", "_restrictions"):
            vars(self).pop(name, None)

    @cached_property
    def known(self) -> dict[DocumentId, catalog.Document]:
        """What the catalog knows of the source."""
        with self._workshop.database.reading() as session:
            return catalog.documents(session, self._source.name)

    @cached_property
    def _restrictions(self) -> tuple[Order, ...]:
        return self._present_restrictions()

    @cached_property
    def _passing(self) -> frozenset[str]:
        scans_wait = any(known.reason == "no_ocr" for known in self.known.values())
        return _PASSING | {"no_ocr"} if scans_wait and ocr.available() else _PASSING

    @cached_property
    def _with_unsettled_parts(self) -> frozenset[DocumentId]:
        """The documents to be looked at for what lies in them: a part is looked at when its document is."""
        return frozenset(
            known.parent
            for known in self.known.values()
            if known.parent
            and known.state is DocumentState.QUARANTINED
            and (self._retry or known.reason in self._passing or self._may_come_back(known))
        )

    def _may_come_back(self, known: catalog.Document) -> bool:
        erased = known.reason == Reason.ERASED.value
        return erased and not is_entombed(self._tombstones, known.id, known.revision.version)

    @property
    def unsettled(self) -> bool:
        """Whether there are documents that must be looked at again even where their origin says nothing of them."""
        return any(not self._is_settled(known) for known in self.known.values() if known.parent is None)

    def settle(self, item: SourceDocument | Refused, access: Access) -> Taken | None:
        """What becomes of a document that is as it was by what its origin says of it; None where it must be taken."""
        known = self.known.get(self._workshop.keyring.document_id(self._source.name, item.origin_id))
        if known is None:
            return None
        if law.standing(self._restrictions, known.id, known.parent):
            return self._keep(known, access)
        if isinstance(item, Refused):
            return None
        stamp = self._stamp(item)
        if (
            not item.stamp
            or known.stamp != stamp
            or not self._is_settled(known)
            or self._refusal(known, item) is not None
        ):
            return None
        return self._leave(known, item, access, stamp=stamp)

    def take(self, item: SourceDocument | Refused, access: Access) -> Taken:
        """What becomes of a document. Its parts are stored here; it is itself stored by the `change`.

        Raises:
            DependencyError, RefusedError: the origin is away or refuses. OSError: the disk failed.
        """
        document = self._workshop.keyring.document_id(self._source.name, item.origin_id)
        known = self.known.get(document)
        if known and self._is_restricted(known):
            # Since it was listed.
            return self._keep(known, access)
        if isinstance(item, Refused):
            nameless = _nameless(item.origin_id)
            return self._guarded(document, nameless, access, None, lambda: self._refuse(document, item))
        return self._guarded(document, item, access, None, lambda: self._take(document, item, access))

    def _guarded(
        self,
        document: DocumentId,
        item: SourceDocument,
        access: Access,
        whole: Whole | None,
        take: Callable[[], Taken],
    ) -> Taken:
        try:
            return take()
        except QuarantineError as error:
            return self._quarantine(document, item, error, access, whole=whole)
        except (PenstockError, OSError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - one document must not stop the run; it is recorded, not lost
            unexpected = QuarantineError(
                "It could not be processed.",
                reason="internal_error",
                stage="ingest",
                mend=f"Report a fault of Penstock: {type(error).__name__}.",
            )
            return self._quarantine(document, item, unexpected, access, whole=whole)

    def _refuse(self, document: DocumentId, item: Refused) -> NoReturn:
        self._check_erased(document)
        raise QuarantineError("It must not be read.", reason=item.reason, stage="fetch", mend=item.mend)

    def _take(self, document: DocumentId, item: SourceDocument, access: Access) -> Taken:
        source, known = self._source, self.known.get(document)
        self._check_erased(document)
        refusal = self._refusal(known, item)
        if refusal is not None:
            if known and known.state is DocumentState.INDEXED and refusal is Reason.RETENTION_PASSED:
                # It is not shown any more. Deleting it is the purge's part, with a receipt.
                return self._leave(known, item, known.access, stamp=known.stamp)
            raise QuarantineError(
                "The source's policy does not admit it.",
                reason=refusal.value,
                stage="admit",
                mend="See what the source's manifest says of retention and residency.",
            )
        content = self._connector.fetch(item, max_bytes=source.limits.max_document_bytes)
        return self._ingest(document, item, content, access, None)

    def _ingest(
        self, document: DocumentId, item: SourceDocument, content: bytes, access: Access, whole: Whole | None
    ) -> Taken:
        workshop, known, stamp = self._workshop, self.known.get(document), self._stamp(item)
        self._check_erased(document)
        version = workshop.keyring.version(document, content)
        if is_entombed(self._tombstones, document, version):
            raise QuarantineError(
                "This content of it was purged and must not come back.",
                reason="tombstoned",
                stage="admit",
                mend="Delete it at its origin. Another version of it would be taken in.",
            )
        # Not a part: what it holds in its turn would not be looked for. Its passages are not embedded again anyway.
        same = known is not None and known.revision.version == version and _name_of(known.stamp) == _name_of(stamp)
        if known and same and self._is_settled(known) and whole is None:
            return self._leave(known, item, access, stamp=stamp)
        ingested = whole.ingested if whole else self._ingested(known, version)
        try:
            made = ingest(
                workshop.stages,
                workshop.keyring,
                self._source,
                item,
                content,
                origin=Origin(version=version, made_by=self.made_by, ingested=ingested),
                vectors=lambda: former_vectors(workshop, known, self._keys),
            )
        except QuarantineError as error:
            return self._quarantine(document, item, error, access, version=version, whole=whole)
        whole_or_own = whole or Whole(document=document, ingested=ingested)
        skipped = self._take_parts(item, made.parts, access, whole_or_own)
        stored = catalog.Document(
            id=document,
            source=self._source.name,
            state=DocumentState.INDEXED,
            stamp=stamp,
            access=access,
            revision=replace(made.revision, skipped_parts=made.revision.skipped_parts + skipped),
            parent=whole.document if whole else None,
        )
        gone = [] if whole else sorted(self._parts_of(document) - whole_or_own.parts)

        def change(session: Session) -> None:
            catalog.store(session, stored, made.passages, listing=self._listing)
            if gone:
                catalog.remove(session, self._source.name, gone)

        counts = {"parts": len(whole_or_own.parts), "skipped_parts": stored.revision.skipped_parts}
        return Taken(outcome=Outcome.INDEXED, counts=counted(Outcome.INDEXED, counts), change=change)

    def _check_erased(self, document: DocumentId) -> None:
        if (document, WHOLE_DOCUMENT) in self._tombstones:
            raise QuarantineError(
                "It was erased and must not come back.",
                reason=Reason.ERASED.value,
                stage="admit",
                mend="Delete it at its origin. If the erasure no longer holds: penstock erase lift.",
            )

    def _take_parts(self, item: SourceDocument, parts: Sequence[Part], access: Access, whole: Whole) -> int:
        """Store what a document holds as documents of their own. How many were left out."""
        if whole.depth >= MAX_PART_DEPTH:
            return len(parts)
        for number, part in enumerate(parts, start=1):
            if len(whole.parts) >= MAX_PARTS or time.monotonic() > whole.until_s:
                return len(parts) - number + 1
            self._take_part(item, part, number, access, replace(whole, depth=whole.depth + 1))
        return 0

    def _take_part(self, item: SourceDocument, part: Part, number: int, access: Access, place: Whole) -> None:
        occurrence = place.came_before(part.content)
        document = self._workshop.keyring.part_id(place.document, part.content, occurrence)
        place.parts.add(document)
        known = self.known.get(document)
        if known and self._is_restricted(known):
            return
        inside = replace(item, name=part.name, origin_id=f"{item.origin_id}!/{number}/{part.name}", stamp="")
        taken = self._guarded(
            document, inside, access, place, lambda: self._ingest(document, inside, part.content, access, place)
        )
        if taken.change is not None:
            with self._workshop.database.writing() as session:
                taken.change(session)

    def _present_restrictions(self) -> tuple[Order, ...]:
        return orders.restrictions(self._workshop.keyring.database, self._source.name)

    def _is_restricted(self, known: catalog.Document) -> bool:
        return law.standing(self._present_restrictions(), known.id, known.parent) is not None

    def _keep(self, known: catalog.Document, access: Access) -> Taken:
        """Store and nothing else (GDPR Art. 18(2)). Who may read it is kept up to date for when that ends."""
        as_before = replace(_nameless(""), created=known.revision.created, modified=known.revision.modified)
        return self._leave(known, as_before, access, stamp=known.stamp)

    def _parts_of(self, document: DocumentId) -> set[DocumentId]:
        return {known.id for known in self.known.values() if known.parent == document}

    def _refusal(self, known: catalog.Document | None, item: SourceDocument) -> Reason | None:
        now = self._workshop.clock()
        # Of one that was never taken in, what comes now is new.
        ingested = known.revision.ingested if known and known.state is DocumentState.INDEXED else now
        anchor = self._source.anchor(created=item.created, modified=item.modified, ingested=ingested)
        refusal = admit(source=self._source, anchor=anchor, node=self._workshop.node, now=now)
        return refusal.reason if refusal else None

    def _ingested(self, known: catalog.Document | None, version: str) -> datetime:
        """When these bytes of a document first came, quarantined or not."""
        same = known is not None and version and known.revision.version == version
        return known.revision.ingested if known and same else self._workshop.clock()

    def _stamp(self, item: SourceDocument) -> str:
        """What the origin says of a document's state and name, as it may be kept: an ETag can be a hash of the content.

        24 digits of the one, "" replaced by zeros, then 24 of the other.
        """
        fingerprint_of = self._workshop.keyring.fingerprint
        return (fingerprint_of(item.stamp) if item.stamp else "0" * 24) + fingerprint_of(item.name, item.uri)

    def _is_settled(self, known: catalog.Document) -> bool:
        """Whether the same bytes would come to the same end, and so would all that lies in them."""
        if known.reason == listings.DROPPED:
            return True
        if known.revision.fingerprint != self.made_by or known.revision.id not in self._keys:
            return False
        if known.id in self._with_unsettled_parts:
            return False
        final = known.stage in {"parse", "split"} and known.reason not in self._passing
        if known.state is DocumentState.INDEXED:
            # Not one that was purged or erased, and that a restored catalog still has.
            return not is_entombed(self._tombstones, known.id, known.revision.version)
        return final and not self._retry

    def _leave(self, known: catalog.Document, item: SourceDocument, access: Access, *, stamp: str) -> Taken:
        """Keep a document whose bytes did not change, with its present times and access rules."""
        if known.state is DocumentState.QUARANTINED:
            return Taken(
                outcome=Outcome.QUARANTINED, counts=counted(Outcome.QUARANTINED, {f"reason:{known.reason}": 1})
            )
        times = replace(known.revision, created=item.created, modified=item.modified)
        present = replace(known, stamp=stamp, access=access, revision=times)
        as_before = replace(present, access=known.access) if same_readers(present.access, known.access) else present
        change = None if as_before == known else lambda session: catalog.amend(session, present)
        return Taken(outcome=Outcome.UNCHANGED, counts=counted(Outcome.UNCHANGED, {}), change=change)

    def _quarantine(
        self,
        document: DocumentId,
        item: SourceDocument,
        error: QuarantineError,
        access: Access,
        *,
        version: str = "",
        whole: Whole | None = None,
    ) -> Taken:
        """Quarantine a document. One that is indexed stays as it was, but for its readers, if the reason may pass."""
        workshop, known = self._workshop, self.known.get(document)
        counts = counted(Outcome.QUARANTINED, {f"reason:{error.reason}": 1})
        if known and known.state is DocumentState.INDEXED and error.reason in _PASSING:
            as_before = replace(item, created=known.revision.created, modified=known.revision.modified)
            kept = self._leave(known, as_before, access, stamp=known.stamp)
            return Taken(outcome=Outcome.QUARANTINED, counts=counts, change=kept.change)
        if known and self._is_as_it_was(known, item, error):
            return Taken(outcome=Outcome.QUARANTINED, counts=counts)
        described = _nameless("") if error.reason in _WITHOUT_A_NAME else item
        revision = empty_revision(
            workshop.keyring,
            self._source,
            described,
            origin=Origin(
                version=version,
                made_by=self.made_by,
                ingested=whole.ingested if whole else self._ingested(known, version),
            ),
        )
        stored = catalog.Document(
            id=document,
            source=self._source.name,
            state=DocumentState.QUARANTINED,
            stamp=self._stamp(item),
            access=NOBODY,
            revision=revision,
            parent=whole.document if whole else None,
            reason=error.reason,
            stage=error.stage,
            mend=error.mend,
        )
        gone = [] if whole else sorted(self._parts_of(document))

        def change(session: Session) -> None:
            catalog.store(session, stored, (), listing=self._listing)
            if gone:
                catalog.remove(session, self._source.name, gone)

        return Taken(outcome=Outcome.QUARANTINED, counts=counts, change=change)

    def _is_as_it_was(self, known: catalog.Document, item: SourceDocument, error: QuarantineError) -> bool:
        was = (known.state, known.reason, known.stage, known.stamp, known.revision.fingerprint)
        return was == (DocumentState.QUARANTINED, error.reason, error.stage, self._stamp(item), self.made_by)


def same_readers(one: Access, other: Access) -> bool:
    """Whether two rules admit the same callers, however old they are."""
    return (one.allow, one.deny, one.as_of is None) == (other.allow, other.deny, other.as_of is None)


def _name_of(stamp: str) -> str:
    return stamp[24:]


def _nameless(origin_id: str) -> SourceDocument:
    return SourceDocument(origin_id=origin_id, name="", uri="", size_bytes=None, stamp="", created=None, modified=None)
