"""Lifting what keeps an erased document from coming back."""

from indexer import catalog
from indexer.tables import PurgeRow
from indexer.workshop import Workshop
from policies import ledger
from policies.errors import RefusedError
from policies.model import Action, AuditEvent, DocumentId, SourceName
from policies.orders import check_reference


def lift(workshop: Workshop, source: SourceName, document: DocumentId, *, reference: str, actor: str) -> None:
    """Let an erased document be taken in again by the next sync that is told of it.

    Raises:
        RefusedError: it was not erased, or not in this source, or there is no reference.
    """
    now = workshop.clock()
    event = AuditEvent(
        actor=actor,
        action=Action.ERASURE_LIFTED,
        objects=(source, document),
        detail={"reference": check_reference(reference, "reference")},
    )
    with workshop.database.writing() as session:
        catalog.require(session, source)
        purge = workshop.keyring.erased_by(document)
        # A catalog restored from before the erasure does not know of it, and the keyring does.
        row = session.get(PurgeRow, purge) if purge else None
        if purge is None or (row is not None and row.source != source):
            raise RefusedError(
                f"Document {document!r} of {source!r} was not erased.", mend="Name one that an erasure receipt names."
            )
        head = ledger.append(session, event, now=now)
    # When the record is durable, and not before: what was erased does not come back without one.
    workshop.keyring.lift_tombstone(document)
    workshop.keyring.anchor(head, now=now)
