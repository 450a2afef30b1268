"""What a purge would delete: what is past its retention, or what somebody asked to be erased."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlmodel import Session

from indexer import catalog, orders, serving
from indexer.keyring import Keyring
from indexer.tables import DocumentState
from policies import facts
from policies.errors import ConflictError, RefusedError
from policies.manifest import Source
from policies.model import DocumentId
from policies.orders import check_reference
from policies.purge import DueDocument, ErasureRequest, PurgeKind, PurgePlan, kept
from policies.retention import due

Planner = Callable[[Session], PurgePlan]
"""What plans a purge from the catalog as it is now."""


def plan(session: Session, source: Source, keyring: Keyring, *, now: datetime) -> PurgePlan:
    """The indexed documents of a source whose retention has passed at `now`, less those that an order keeps."""
    ends_of: dict[DocumentId, datetime] = {}
    for document in catalog.documents(session, source.name).values():
        revision = document.revision
        anchor = source.anchor(created=revision.created, modified=revision.modified, ingested=revision.ingested)
        if document.state is DocumentState.INDEXED and anchor is not None:
            ends = due(anchor, source.policy.retention.period)
            if ends <= now:
                ends_of[document.id] = ends
    spared = orders.protected(session, keyring.database, source.name) if ends_of else {}
    period = f"{source.policy.retention.period} from {source.policy.retention.anchor}"
    return PurgePlan(
        kind=PurgeKind.RETENTION,
        source=source.name,
        policy_hash=source.policy_hash,
        reason=f"The retention of {period} has passed.",
        reference="",
        at=now,
        documents=_in_order({document: ends for document, ends in ends_of.items() if document not in spared}),
        kept=tuple(kept(document, spared[document]) for document in sorted(ends_of) if document in spared),
    )


def plan_erasure(
    session: Session, source: Source, keyring: Keyring, request: ErasureRequest, *, now: datetime
) -> PurgePlan:
    """The documents that a request is about with what came in them, whatever their state.

    Raises:
        RefusedError: the request is not in order, or there is no such document.
        ConflictError: an order stands on one of them.
    """
    request.check()
    meant = serving.with_parts(session, source.name, request.documents)
    unknown = sorted(request.documents - meant)
    if unknown:
        raise RefusedError(
            f"Source {source.name!r} has no document {unknown[0]!r}.", mend="Name documents that it has, or had."
        )
    spared = orders.protected(session, keyring.database, source.name)
    standing = next((spared[document] for document in sorted(meant) if document in spared), None)
    if standing is not None:
        raise ConflictError(
            f"The {standing.kind} {standing.id} stands on a document that is to be erased.",
            mend="End it first, or refuse the request with the exception of Art. 17(3) that the order rests on.",
        )
    (ground,) = (row for row in facts.erasure().grounds if row.name == request.ground)
    law = f"GDPR Art. {ground.article}" if source.policy.regime in ground.regimes else ground.name
    return PurgePlan(
        kind=PurgeKind.ERASURE,
        source=source.name,
        policy_hash=source.policy_hash,
        reason=f"Erasure was asked for ({law}).",
        reference=check_reference(request.reference, "reference of the request"),
        at=now,
        documents=_in_order(dict.fromkeys(meant, now)),
        kept=(),
    )


def _in_order(ends_of: Mapping[DocumentId, datetime]) -> tuple[DueDocument, ...]:
    entries = (DueDocument(document=document, due=ends) for document, ends in ends_of.items())
    return tuple(sorted(entries, key=lambda entry: (entry.due, entry.document)))
