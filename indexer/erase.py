"""The act behind a purge, step by step. A killed purge resumes at its step; each step can be repeated.

planned → tombstoned (invisible from here on) → published (a new index, the old one and the rows deleted, keys
destroyed) → receipted (every file of the home searched, the receipt signed).
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from sqlalchemy import delete, select, update
from sqlmodel import Session, SQLModel

from indexer import catalog, joblog, revisions
from indexer.content import open_description, open_text, open_vector
from indexer.generation import Generation
from indexer.keyring import KeyId
from indexer.scan import scan
from indexer.seal import seal, unseal
from indexer.tables import DocumentRow, DocumentState, ListedRow, PassageRow, PurgeRow, RevisionRow
from indexer.workshop import Workshop
from policies import ledger
from policies.errors import ConflictError, IntegrityError
from policies.manifest import Source
from policies.model import Action, AuditEvent, DocumentId, PolicyHash, SourceName
from policies.purge import OUT_OF_REACH, Check, DueDocument, PurgePlan, Receipt, sign
from policies.retention import due

SNIPPET_BYTES = 48
"""Chosen: long enough to be unique, short enough to be found where only a part of a passage survived."""
_SEALED_NEEDLE_BYTES = 28
"""A nonce and the ciphertext behind it: random, so found only where these very bytes still lie."""
_REFERENCE = re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{8,}\b")
"""Ticket numbers and part numbers: letters and digits together. Dates alone stand in many places."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d")
"""How a time begins, of which every table is full."""
MIN_NAME_BYTES = 16
"""Chosen: a shorter title, path or line can be a word of the tables' own."""
_PURGE = SQLModel.metadata.tables["purge"]
_BEGUN = (_PURGE.c.begun, _PURGE.c.id)


class Step(StrEnum):
    """How far a purge is."""

    PLANNED = "planned"
    TOMBSTONED = "tombstoned"
    PUBLISHED = "published"
    RECEIPTED = "receipted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Needles:
    """What must not be in any file any more: heads of sealed bytes, pieces of text, vectors bit for bit."""

    sealed: list[bytes]
    texts: list[bytes]
    vectors: list[bytes]

    def dump(self) -> bytes:
        """As JSON, to be sealed: a killed purge must still know what to look for."""
        plain = {
            name: [base64.b64encode(needle).decode() for needle in needles] for name, needles in asdict(self).items()
        }
        return json.dumps(plain).encode()

    @classmethod
    def load(cls, content: bytes) -> Self:
        """What `dump` gave."""
        plain = json.loads(content)
        return cls(**{name: [base64.b64decode(needle) for needle in needles] for name, needles in plain.items()})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Order:
    """What a purge deletes, fixed when it starts. `versions`: document to the content that must not come back."""

    policy_hash: PolicyHash
    reason: str
    planned_at: str
    versions: dict[DocumentId, str]
    keys: tuple[KeyId, ...]
    passages: int


def plan(session: Session, source: Source, *, now: datetime) -> PurgePlan:
    """The indexed documents of a source whose retention has passed at `now`. Changes nothing."""
    found: list[DueDocument] = []
    for document in catalog.documents(session, source.name).values():
        revision = document.revision
        anchor = source.anchor(created=revision.created, modified=revision.modified, ingested=revision.ingested)
        if document.state is DocumentState.INDEXED and anchor is not None:
            ends = due(anchor, source.policy.retention.period)
            if ends <= now:
                found.append(DueDocument(document=document.id, due=ends))
    return PurgePlan(
        source=source.name,
        policy_hash=source.policy_hash,
        retention=f"{source.policy.retention.period} from {source.policy.retention.anchor}",
        at=now,
        documents=tuple(sorted(found, key=lambda entry: (entry.due, entry.document))),
    )


def purge(workshop: Workshop, source: Source, *, actor: str) -> tuple[str, ...]:
    """Delete what is due, after finishing what an earlier run left undone. The signed receipts, oldest first.

    Nothing due and nothing left undone gives no receipt.

    Raises:
        ConflictError: another process is at work on this source.
        IntegrityError: deleted bytes were found in a file. There is no receipt; run it again when that is mended.
    """
    with workshop.sole_writer(source) as fenced:
        with fenced.database.writing() as session:
            # A purge that was only planned has done nothing, and what is due may be another matter by now.
            session.connection().execute(
                delete(_PURGE).where(_PURGE.c.source == source.name, _PURGE.c.step == Step.PLANNED.value)
            )
            unfinished = _unfinished(session, source.name)
        needed = {_needles_name(source.name, purge_id) for purge_id in unfinished}
        for name in workshop.keyring.needle_purges() - needed:
            if name.startswith(_needles_name(source.name, "")):
                workshop.keyring.destroy(purge=name)
        signed = [_carry_on(fenced, source, purge_id, actor=actor) for purge_id in unfinished]
        with workshop.database.reading() as session:
            planned = plan(session, source, now=workshop.clock())
        if planned.documents:
            purge_id = workshop.new_id()
            _start(fenced, source, planned, purge_id, actor=actor)
            signed.append(_carry_on(fenced, source, purge_id, actor=actor))
    return tuple(receipt for receipt in signed if receipt is not None)


def receipts(session: Session, source: SourceName) -> tuple[str, ...]:
    """The signed receipts of a source's finished purges, oldest first."""
    statement = select(_PURGE.c.receipt).where(_PURGE.c.source == source, _PURGE.c.receipt.is_not(None))
    return tuple(session.connection().execute(statement.order_by(*_BEGUN)).scalars())


def _needles_name(source: SourceName, purge_id: str) -> str:
    """What a purge's needles, and their key in the keyring, are filed under."""
    return f"{source}/{purge_id}"


def _unfinished(session: Session, source: SourceName) -> list[str]:
    statement = select(_PURGE.c.id).where(_PURGE.c.source == source, _PURGE.c.step != Step.RECEIPTED.value)
    return list(session.connection().execute(statement.order_by(*_BEGUN)).scalars())


def _start(workshop: Workshop, source: Source, planned: PurgePlan, purge_id: str, *, actor: str) -> None:
    ids = [entry.document for entry in planned.documents]
    with workshop.database.reading() as session:
        documents = catalog.documents(session, planned.source)
        chosen = [documents[document] for document in ids]
        needles = _needles(workshop, session, chosen)
    order = _Order(
        policy_hash=planned.policy_hash,
        reason=f"The retention of {planned.retention} has passed.",
        planned_at=planned.at.isoformat(),
        versions={document.id: document.revision.version for document in chosen},
        keys=tuple(document.revision.id for document in chosen),
        passages=sum(document.revision.passages for document in chosen),
    )
    name = _needles_name(planned.source, purge_id)
    row = PurgeRow(
        id=purge_id,
        source=planned.source,
        begun=order.planned_at,
        step=Step.PLANNED.value,
        plan=json.dumps(asdict(order), sort_keys=True),
        needles=seal(workshop.keyring.needle_key(name), needles.dump(), place=name),
        receipt=None,
    )
    event = AuditEvent(
        actor=actor,
        action=Action.PURGE_PLANNED,
        objects=(planned.source, purge_id, *ids),
        policy_hash=planned.policy_hash,
        detail={"documents": len(ids)},
    )
    with workshop.database.writing() as session:
        session.add(row)
        ledger.append(session, event, now=workshop.clock())
    _tombstone(workshop, source, purge_id, order, actor=actor)


def _carry_on(workshop: Workshop, source: Source, purge_id: str, *, actor: str) -> str | None:
    """Finish a purge whose documents have their tombstones; None where a restored catalog brought it back."""
    with workshop.database.reading() as session:
        row = session.get_one(PurgeRow, purge_id)
        step, order, sealed = Step(row.step), _Order(**json.loads(row.plan)), row.needles
    name = _needles_name(source.name, purge_id)
    key = workshop.keyring.held_needle_key(name)
    if key is None:
        # Its key went when it was finished. The keyring has the tombstones, so that nothing of it is served.
        with workshop.database.writing() as session:
            _move(session, purge_id, Step.RECEIPTED, needles=None)
        return None
    if step is Step.TOMBSTONED:
        # Publishing deletes the rows and destroys their keys; the checkpoint takes them out of the database's files.
        workshop.publish(source, actor=actor)
        workshop.database.checkpoint(DocumentRow, RevisionRow, PassageRow, ListedRow)
        with workshop.database.writing() as session:
            _move(session, purge_id, Step.PUBLISHED)
    needles = Needles.load(unseal(key, sealed or b"", place=name))
    return _finish(workshop, source, purge_id, order, needles, actor=actor)


def _tombstone(workshop: Workshop, source: Source, purge_id: str, order: _Order, *, actor: str) -> None:
    now = workshop.clock()
    # The keyring first: a catalog that forgets this step finds the tombstones there.
    workshop.keyring.entomb(order.versions, purge=purge_id, now=now)
    event = AuditEvent(
        actor=actor,
        action=Action.PURGE_TOMBSTONED,
        objects=(source.name, purge_id, *order.versions),
        policy_hash=source.policy_hash,
    )
    stale = ConflictError(
        f"Documents of {source.name!r} were purged in between.", mend=f"Sync again: penstock sync {source.name}"
    )
    with workshop.database.writing() as session:
        # What an unfinished sync found listed holds names of documents, sealed with a key that lives as long as it.
        joblog.end_listed(session, source.name, now=now, error=stale)
        catalog.remove(session, source.name, list(order.versions))
        _move(session, purge_id, Step.TOMBSTONED)
        ledger.append(session, event, now=now)


def _finish(workshop: Workshop, source: Source, purge_id: str, order: _Order, needles: Needles, *, actor: str) -> str:
    checks, files, bytes_read = _check(workshop, source, order, needles)
    failed = [check.what for check in checks if check.found]
    if failed:
        raise IntegrityError(
            f"Purge {purge_id!r} left something behind: {'; '.join(failed)}.",
            mend="Find what else writes below the home, remove it and run the purge again. There is no receipt yet.",
        )
    now = workshop.clock()
    receipt = Receipt(
        purge=purge_id,
        source=source.name,
        policy_hash=order.policy_hash,
        reason=order.reason,
        actor=actor,
        planned_at=order.planned_at,
        finished_at=now.isoformat(),
        documents=tuple(order.versions),
        passages=order.passages,
        keys_destroyed=len(order.keys),
        files_scanned=files,
        bytes_scanned=bytes_read,
        checks=checks,
        out_of_reach=(*OUT_OF_REACH, *workshop.database.out_of_reach),
    )
    signed = sign(receipt, signer=workshop.keyring.sign, public_key=workshop.keyring.public_key())
    event = AuditEvent(
        actor=actor,
        action=Action.PURGE_FINISHED,
        objects=(source.name, purge_id, *order.versions),
        policy_hash=source.policy_hash,
        detail={"documents": len(order.versions), "receipt_sha256": hashlib.sha256(signed.encode()).hexdigest()},
    )
    with workshop.database.writing() as session:
        _move(session, purge_id, Step.RECEIPTED, receipt=signed, needles=None)
        head = ledger.append(session, event, now=now)
    workshop.keyring.destroy(purge=_needles_name(source.name, purge_id))
    workshop.keyring.anchor(head, now=now)
    return signed


def _check(workshop: Workshop, source: Source, order: _Order, needles: Needles) -> tuple[tuple[Check, ...], int, int]:
    purged = frozenset(order.keys)
    with workshop.database.reading() as session:
        registered = catalog.require(session, source.name)
        rows = revisions.ids(session) & purged
    if registered.generation is None or registered.generation_digest is None:
        raise IntegrityError(f"Source {source.name!r} has no index.", mend="Run: penstock verify --repair")
    folder = workshop.home.generation(source.name, registered.generation)
    generation = Generation(registered.generation, folder, digest=registered.generation_digest)
    served = purged & {member.revision for member in generation.members()}
    keys = workshop.keyring.document_keys(order.keys)
    result = scan(workshop.home.root, [*needles.sealed, *needles.texts, *needles.vectors])
    found = frozenset().union(*result.found.values())
    kept = _kept(workshop, found) if found else frozenset()
    less_kept = "in every file, less those that a remaining document or a manifest holds too"
    sought = {
        "sealed descriptions, passages and vectors, in every file": needles.sealed,
        f"text of passages, titles, names and references, {less_kept}": needles.texts,
        f"vectors bit for bit, {less_kept}": needles.vectors,
    }
    checks = (
        Check(what="revisions and passages in the catalog", searched=len(purged), found=len(rows)),
        Check(what="revisions in the search index", searched=len(purged), found=len(served)),
        Check(what="document keys in the keyring", searched=len(purged), found=len(keys)),
        *(
            Check(what=what, searched=len(wanted), found=len((found & set(wanted)) - kept))
            for what, wanted in sought.items()
        ),
    )
    return checks, result.files, result.bytes_read


def _kept(workshop: Workshop, found: frozenset[bytes]) -> frozenset[bytes]:
    """Those of the needles found that are rightly there: a remaining document or a manifest holds them as well.

    A lexicon has texts in lower case, so that upper and lower case count alike.
    """
    texts = {needle: needle.decode(errors="ignore").casefold() for needle in found}
    kept: set[bytes] = set()
    with workshop.database.reading() as session:
        held = [registered.manifest for registered in catalog.registrations(session)]
        described = revisions.descriptions(session)
        for revision, key in workshop.keyring.document_keys(described).items():
            description = open_description(key, revision, described[revision])
            held += [description.origin_id, description.uri, description.title]
            for passage in catalog.passages(session, revision):
                held.append(open_text(key, revision, passage.ordinal, passage.text).indexed_text)
                kept |= found & {open_vector(key, revision, passage.ordinal, passage.vector).tobytes()}
            kept |= _texts_in(held, texts)
            held.clear()
        kept |= _texts_in(held, texts)
    return frozenset(kept)


def _texts_in(held: Sequence[str], texts: Mapping[bytes, str]) -> set[bytes]:
    folded = "\n".join(held).casefold()
    return {needle for needle, text in texts.items() if text and text in folded}


def _needles(workshop: Workshop, session: Session, documents: Sequence[catalog.Document]) -> Needles:
    sealed: set[bytes] = set()
    texts: set[bytes] = set()
    vectors: set[bytes] = set()
    keys = workshop.keyring.document_keys(document.revision.id for document in documents)
    for document in documents:
        revision = document.revision.id
        stored = list(catalog.passages(session, revision))
        if document.revision.sealed:
            sealed.add(document.revision.sealed[:_SEALED_NEEDLE_BYTES])
        sealed |= {part[:_SEALED_NEEDLE_BYTES] for passage in stored for part in (passage.text, passage.vector)}
        key = keys.get(revision)
        if key is None:
            # A catalog restored from before an earlier purge: nobody can open this any more, here or in a backup.
            continue
        if document.revision.sealed:
            description = open_description(key, revision, document.revision.sealed)
            texts |= _long((description.origin_id, description.name, description.uri, description.title))
        for passage in stored:
            vectors.add(open_vector(key, revision, passage.ordinal, passage.vector).tobytes())
            text = open_text(key, revision, passage.ordinal, passage.text).text
            texts |= {line[:SNIPPET_BYTES] for line in _long([text])} | _references(text)
    return Needles(sealed=sorted(sealed), texts=sorted(texts), vectors=sorted(vectors))


def _long(names: Iterable[str]) -> set[bytes]:
    # A name of the origin's file system may hold bytes that are no UTF-8.
    encoded = {name.encode("utf-8", "surrogatepass") for name in names}
    return {name for name in encoded if len(name) >= MIN_NAME_BYTES}


def _references(text: str) -> set[bytes]:
    return {reference.encode() for reference in _REFERENCE.findall(text) if not _TIME.match(reference)}


def _move(session: Session, purge_id: str, step: Step, **values: str | None) -> None:
    session.connection().execute(update(_PURGE).where(_PURGE.c.id == purge_id).values(step=step.value, **values))
