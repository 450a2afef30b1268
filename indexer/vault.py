"""Bringing back the value behind a pseudonym, from the vaults of the documents it stands in.

A source has vaults where its manifest says so. Each is sealed under its document's own key, so that what ends the
document ends what its pseudonyms meant.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from indexer import catalog, custody, orders, revisions, serving
from indexer.content import open_vault
from indexer.tables import DocumentState
from indexer.workshop import Workshop, in_force
from policies import ledger
from policies.decide import admit
from policies.errors import ConflictError, RefusedError
from policies.manifest import Source
from policies.model import Action, AuditEvent, DocumentId
from policies.orders import OrderKind, check_reference
from policies.purge import is_entombed

MAX_REVEALS = 20
"""Chosen: what one person is shown within `REVEALS_WINDOW`. A case needs a few values; who needs more needs the
documents, at their origin and by its rules."""
REVEALS_WINDOW = timedelta(hours=1)
_PSEUDONYM = re.compile(r"\[?([A-Z][A-Z0-9_]*_[a-p]{20})\]?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Revealed:
    """What a pseudonym stands for, as most documents spell it; in how many it does, and how many of those on hold."""

    value: str = field(repr=False)
    documents: int
    held: int


def reveal(workshop: Workshop, source: Source, pseudonym: str, *, reason: str, by: str) -> Revealed:
    """The value behind a pseudonym of a source, once it is durably on record that `by` was shown it, and why.

    The record names the pseudonym, never the value. Only documents count that the source's policy would admit here and
    now: none past its retention, and none that is restricted, erased or purged; a hold hinders nothing.

    Raises:
        RefusedError: there is no reason, or that is no pseudonym; the source keeps no vault now; no document that may
            be opened holds it; or this person was shown `MAX_REVEALS` values within `REVEALS_WINDOW`.
        ConflictError: another manifest was put in force meanwhile.
        IntegrityError: a vault was changed, or the keyring is one from before.
        AuditError, DependencyError: it could not be put on record, so nothing is shown.
    """
    told = check_reference(reason, "reason")
    sought = _checked(pseudonym)
    if not source.policy.redaction.vault:
        raise RefusedError(
            f"{source.name!r} keeps no vault, so that nothing can be brought back.",
            mend="Look into the document at its origin. A vault is kept where policy.redaction.vault is true.",
        )
    spellings = _spellings(workshop, source, sought)
    now = workshop.clock()
    with workshop.database.writing() as session:
        # Again, under the lock that placing an order and deleting take: what happened meanwhile counts.
        allowed = _openable(session, workshop, source, now)
        left = {document: value for document, value in spellings.items() if document in allowed}
        if not left:
            raise _unknown(source)
        _check_rate(session, by, now)
        head = ledger.append(session, _event(source, sought, left, by=by, reason=told), now=now)
        held = _on_hold(session, workshop, source, left)
    workshop.keyring.anchor(head, now=now)
    ((value, _),) = Counter(left[document] for document in sorted(left)).most_common(1)
    return Revealed(value=value, documents=len(left), held=held)


def _checked(pseudonym: str) -> str:
    """The pseudonym as it stands in texts; brackets may be left out."""
    match = _PSEUDONYM.fullmatch(pseudonym.strip())
    if match is None:
        # Not repeated: what was typed may be a value.
        raise RefusedError(
            "That is no pseudonym.", mend="Copy it from a passage: [KIND_ and 20 letters], such as PERSON_…"
        )
    return f"[{match[1]}]"


def _spellings(workshop: Workshop, source: Source, sought: str) -> dict[DocumentId, str]:
    """What the pseudonym stands for, by document."""
    found: dict[DocumentId, str] = {}
    with workshop.database.reading() as session:
        custody.require(session, workshop.keyring)
        allowed = _openable(session, workshop, source, workshop.clock())
        keys = workshop.keyring.document_keys(revision.id for revision in allowed.values())
        for document, revision in allowed.items():
            key, sealed = keys.get(revision.id), revisions.vault(session, revision.id)
            if key is None or sealed is None:
                continue
            value = open_vault(key, revision.id, sealed).get(sought)
            if value is not None:
                found[document] = value
    return found


def _openable(
    session: Session, workshop: Workshop, source: Source, now: datetime
) -> Mapping[DocumentId, catalog.Revision]:
    """The current revisions of the documents that may be looked into now."""
    in_force(session, source)
    documents = catalog.documents(session, source.name).values()
    restricted = serving.restricted(workshop.keyring.database, source.name, documents)
    tombstones = workshop.keyring.tombstones()
    return {
        document.id: document.revision
        for document in documents
        if document.state is DocumentState.INDEXED
        and document.id not in restricted
        and not is_entombed(tombstones, document.id, document.revision.version)
        and _is_admitted(workshop, source, document.revision, now)
    }


def _is_admitted(workshop: Workshop, source: Source, revision: catalog.Revision, now: datetime) -> bool:
    anchor = source.anchor(created=revision.created, modified=revision.modified, ingested=revision.ingested)
    return admit(source=source, anchor=anchor, node=workshop.node, now=now) is None


def _check_rate(session: Session, by: str, now: datetime) -> None:
    times = [
        datetime.fromisoformat(record.at) for record in ledger.of(session, Action.VALUE_REVEALED) if record.actor == by
    ]
    lately = [at for at in times if at > now - REVEALS_WINDOW]
    if len(lately) >= MAX_REVEALS:
        again = lately[-MAX_REVEALS] + REVEALS_WINDOW
        raise ConflictError(
            f"{by!r} was shown {len(lately)} values within an hour, which is as many as one person is.",
            mend=f"Wait until {again:%H:%M} UTC, or look into the documents at their origin.",
        )


def _event(source: Source, sought: str, documents: Iterable[DocumentId], *, by: str, reason: str) -> AuditEvent:
    return AuditEvent(
        actor=by,
        action=Action.VALUE_REVEALED,
        objects=(source.name, sought),
        policy_hash=source.policy_hash,
        detail={"documents": len(list(documents)), "reason": reason},
    )


def _on_hold(session: Session, workshop: Workshop, source: Source, documents: Iterable[DocumentId]) -> int:
    protected = orders.protected(session, workshop.keyring.database, source.name)
    return sum(document in protected and protected[document].kind is OrderKind.HOLD for document in documents)


def _unknown(source: Source) -> RefusedError:
    return RefusedError(
        f"No document of {source.name!r} that may be opened has this pseudonym in its vault.",
        mend="Pseudonyms differ from source to source, and those of secrets are not kept. What is restricted, past its "
        "retention, erased or purged is not opened; what was taken in before there was a vault comes with a sync.",
    )
