"""The act behind a purge or an erasure, step by step. A killed purge resumes at its step; each step can be repeated.

planned → tombstoned (invisible from here on) → published (a new index, the old one and the rows deleted, keys
destroyed) → receipted (every file of the home searched, the receipt signed).
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial

from sqlalchemy import delete, select, update
from sqlmodel import Session, SQLModel

from indexer import catalog, custody, joblog, orders, revisions, room, traces, wordings
from indexer.build import collect
from indexer.dues import Planner, plan, plan_erasure
from indexer.keyring import KeyId
from indexer.needles import Needles, needles_of
from indexer.seal import seal, unseal
from indexer.tables import DocumentRow, DocumentState, ListedRow, PassageRow, PurgeRow, RevisionRow
from indexer.workshop import Workshop
from policies import ledger
from policies.errors import ConflictError, DependencyError, IntegrityError
from policies.manifest import Source
from policies.model import Action, AuditEvent, DocumentId, PolicyHash, SourceName
from policies.purge import (
    OUT_OF_REACH,
    WHOLE_DOCUMENT,
    ErasureRequest,
    KeptDocument,
    PurgeKind,
    PurgePlan,
    Receipt,
    sign,
)

_PURGE = SQLModel.metadata.tables["purge"]
_BEGUN = (_PURGE.c.begun, _PURGE.c.id)
_HOLDING = (DocumentRow, RevisionRow, PassageRow, ListedRow, *wordings.TABLES)
"""Tables of what documents say, and what was asked of them."""


class Step(StrEnum):
    """How far a purge is."""

    PLANNED = "planned"
    TOMBSTONED = "tombstoned"
    PUBLISHED = "published"
    RECEIPTED = "receipted"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """What a purge deletes, fixed when it starts. `versions`: document to the content that must not come back.

    `actor` is who asked for it.
    """

    kind: PurgeKind
    actor: str
    policy_hash: PolicyHash
    reason: str
    reference: str
    planned_at: str
    versions: dict[DocumentId, str]
    kept: tuple[KeptDocument, ...]
    keys: tuple[KeyId, ...]
    passages: int

    @staticmethod
    def load(plan: str) -> "_Task":
        """Read it from the row that keeps it."""
        plain = json.loads(plan)
        return _Task(**plain | {"kept": tuple(KeptDocument(**one) for one in plain["kept"])})


def purge(workshop: Workshop, source: Source, *, actor: str) -> tuple[str, ...]:
    """Delete what is due, after finishing what an earlier run left undone. The signed receipts, oldest first.

    Nothing due and nothing left undone gives no receipt.

    Raises:
        ConflictError: another process is at work on this source.
        IntegrityError: deleted bytes were found in a file. There is no receipt; run it again when that is mended.
    """
    with workshop.sole_writer(source) as fenced:
        return carry_out(fenced, source, due_now(fenced, source), actor=actor, purge_id=fenced.new_id())


def erase(workshop: Workshop, source: Source, request: ErasureRequest, *, actor: str) -> tuple[str, ...]:
    """Delete what a request is about, as `purge` does; its documents do not come back until that is lifted.

    Raises:
        RefusedError: see `plan_erasure`. ConflictError: an order stands on one of the documents, or see `purge`.
    """
    with workshop.sole_writer(source) as fenced:
        planner = asked_for(fenced, source, request)
        return carry_out(fenced, source, planner, actor=actor, purge_id=fenced.new_id())


def due_now(workshop: Workshop, source: Source) -> Planner:
    """What plans the purge of all whose retention has passed by the present."""
    return lambda session: plan(session, source, workshop.keyring, now=workshop.clock())


def asked_for(workshop: Workshop, source: Source, request: ErasureRequest) -> Planner:
    """What plans the erasure that a request asks for."""
    return lambda session: plan_erasure(session, source, workshop.keyring, request, now=workshop.clock())


def carry_out(workshop: Workshop, source: Source, planner: Planner, *, actor: str, purge_id: str) -> tuple[str, ...]:
    """Finish what was left undone, then delete what is planned, once for each `purge_id`. The signed receipts.

    The caller is the source's sole writer.

    Raises:
        IntegrityError: deleted bytes were found in a file. And what the planner raises.
    """
    with room.found(workshop.home):
        wordings.expire(workshop, source)
        _settle_planned(workshop, source, actor=actor)
        with workshop.database.reading() as session:
            unfinished = _unfinished(session, source.name)
            done = session.get(PurgeRow, purge_id)
        _forget_needles(workshop, source, needed=unfinished)
        signed = [_carry_on(workshop, source, begun, actor=actor) for begun in unfinished]
        if done is None:
            with workshop.database.reading() as session:
                planned = planner(session)
            if planned.documents:
                _start(workshop, source, planned, purge_id, actor=actor)
                signed.append(_carry_on(workshop, source, purge_id, actor=actor))
        elif purge_id not in unfinished:
            signed.append(done.receipt)
        _light_again(workshop, source, actor=actor)
    with suppress(ConflictError, DependencyError):
        workshop.catch_up(source, actor=actor)
    return tuple(receipt for receipt in signed if receipt is not None)


def _settle_planned(workshop: Workshop, source: Source, *, actor: str) -> None:
    """Forget purges that were only planned: what is due may be another matter by now.

    One whose tombstones the keyring has already was begun, and is taken a step further.
    """
    planned = (_PURGE.c.source == source.name) & (_PURGE.c.step == Step.PLANNED.value)
    with workshop.database.reading() as session:
        rows = session.connection().execute(select(_PURGE.c.id, _PURGE.c.plan).where(planned)).all()
    for row in rows:
        if workshop.keyring.entombed(row.id):
            _tombstone(workshop, source, row.id, _Task.load(row.plan), actor=actor)
            continue
        with workshop.database.writing() as session:
            session.connection().execute(delete(_PURGE).where(_PURGE.c.id == row.id))


def _forget_needles(workshop: Workshop, source: Source, *, needed: Iterable[str]) -> None:
    names = {_needles_name(source.name, purge_id) for purge_id in needed}
    for name in workshop.keyring.needle_purges() - names:
        if name.startswith(_needles_name(source.name, "")):
            workshop.keyring.destroy(purge=name)


def _light_again(workshop: Workshop, source: Source, *, actor: str) -> None:
    """Publish a source that a full disk left dark, if there is room by now. Deleted is deleted either way."""
    with workshop.database.reading() as session:
        dark = catalog.require(session, source.name).generation is None
        indexed = catalog.counts(session, source.name)[DocumentState.INDEXED.value]
    if dark and indexed:
        with suppress(OSError, DependencyError):
            workshop.publish(source, actor=actor)


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
        held = revisions.of(session, ids)
        current = catalog.current(session, ids)
        needles = needles_of(workshop, session, [revision for _, revision in held])
    whole = planned.kind is PurgeKind.ERASURE
    task = _Task(
        kind=planned.kind,
        actor=actor,
        policy_hash=planned.policy_hash,
        reason=planned.reason,
        reference=planned.reference,
        planned_at=planned.at.isoformat(),
        versions={document: WHOLE_DOCUMENT if whole else current[document].version for document in ids},
        kept=planned.kept,
        keys=tuple(revision.id for _, revision in held),
        passages=sum(revision.passages for _, revision in held),
    )
    name = _needles_name(planned.source, purge_id)
    row = PurgeRow(
        id=purge_id,
        source=planned.source,
        begun=task.planned_at,
        step=Step.PLANNED.value,
        plan=json.dumps(asdict(task), sort_keys=True),
        needles=seal(workshop.keyring.needle_key(name), needles.dump(), place=name),
        receipt=None,
    )
    event = AuditEvent(
        actor=actor,
        action=Action.PURGE_PLANNED,
        objects=(planned.source, purge_id, *ids),
        policy_hash=planned.policy_hash,
        detail={
            "kind": planned.kind.value,
            "reference": planned.reference,
            "documents": len(ids),
            "kept": len(planned.kept),
        },
    )
    with workshop.database.writing() as session:
        session.add(row)
        ledger.append(session, event, now=workshop.clock())
    _tombstone(workshop, source, purge_id, task, actor=actor)


def _carry_on(workshop: Workshop, source: Source, purge_id: str, *, actor: str) -> str | None:
    """Finish a purge whose documents have their tombstones; None where a restored catalog brought it back."""
    with workshop.database.reading() as session:
        row = session.get_one(PurgeRow, purge_id)
        task, sealed = _Task.load(row.plan), row.needles
    name = _needles_name(source.name, purge_id)
    key = workshop.keyring.held_needle_key(name)
    if key is None:
        if not workshop.keyring.entombed(purge_id):
            raise custody.older_keyring(f"purge {purge_id}")
        # Its key went when it was finished. The keyring has the tombstones, so that nothing of it is served.
        with workshop.database.writing() as session:
            _move(session, purge_id, Step.RECEIPTED, needles=None)
        return None
    with workshop.database.reading() as session:
        _check_unprotected(workshop, source, task, session)
    # Publishing deletes the rows and destroys their keys; the checkpoint takes them out of the database's files. Again
    # where that was done before: a hold that has ended since kept some of them then.
    _publish(workshop, source, actor=actor)
    workshop.database.checkpoint(*_HOLDING)
    _compacted(workshop.keyring.sweep)
    with workshop.database.writing() as session:
        _check_unprotected(workshop, source, task, session)
        _move(session, purge_id, Step.PUBLISHED)
    needles = Needles.load(unseal(key, sealed or b"", place=name))
    return _finish(workshop, source, purge_id, task, needles, actor=actor)


def _publish(workshop: Workshop, source: Source, *, actor: str) -> None:
    """Publish the index without what is deleted; on a full disk remove the present one, and leave the source dark."""
    try:
        # What is deleted waits for nothing: golden questions are asked again when there is a receipt.
        replace(workshop, rehearse=None).publish(source, actor=actor)
    except (OSError, DependencyError) as error:
        if not room.is_lacking(error):
            raise
        with workshop.database.writing() as session:
            catalog.darken(session, source.name)
        collect(workshop.database, workshop.keyring, source, workshop.home.generations(source.name))


def _tombstone(workshop: Workshop, source: Source, purge_id: str, task: _Task, *, actor: str) -> None:
    if task.kind == PurgeKind.ERASURE:
        # While the documents can be opened: afterwards nobody could tell who they were about.
        wordings.forget_like(workshop, source, task.keys)
    now = workshop.clock()
    event = AuditEvent(
        actor=actor,
        action=Action.PURGE_TOMBSTONED,
        objects=(source.name, purge_id, *task.versions),
        policy_hash=source.policy_hash,
    )
    mend = f"Sync again: penstock sync {source.name}"
    stale = ConflictError(f"Documents of {source.name!r} were purged in between.", mend=mend)
    with workshop.database.writing() as session:
        # Under the lock that placing an order takes: what was placed since the plan is seen here.
        _check_unprotected(workshop, source, task, session)
        # The keyring before the catalog: a catalog that forgets this step finds the tombstones there.
        workshop.keyring.entomb(task.versions, purge=purge_id, now=now)
        # What an unfinished sync found listed holds names of documents, sealed with a key that lives as long as it.
        joblog.end_listed(session, source.name, now=now, error=stale)
        catalog.remove(session, source.name, list(task.versions))
        _move(session, purge_id, Step.TOMBSTONED)
        ledger.append(session, event, now=now)


def _check_unprotected(workshop: Workshop, source: Source, task: _Task, session: Session) -> None:
    spared = orders.protected(session, workshop.keyring.database, source.name)
    standing = next((spared[document] for document in task.versions if document in spared), None)
    if standing is not None:
        raise ConflictError(
            f"The {standing.kind} {standing.id} was placed on documents of {source.name!r} that were to be deleted.",
            mend="They are kept. Run the same command again: it leaves them out, or goes on when the order has ended.",
        )


def _finish(workshop: Workshop, source: Source, purge_id: str, task: _Task, needles: Needles, *, actor: str) -> str:
    look = partial(traces.check, workshop, source, frozenset(task.keys), needles)
    checks, files, bytes_read = look()
    if any(check.found for check in checks):
        # Only then: it takes as long as they are large, and nobody else writes meanwhile.
        _compacted(partial(workshop.database.compact, *_HOLDING))
        _compacted(workshop.keyring.sweep)
        checks, files, bytes_read = look()
    failed = [check.what for check in checks if check.found]
    if failed:
        raise IntegrityError(
            f"Purge {purge_id!r} left something behind: {'; '.join(failed)}.",
            mend="See that the disk has room to write catalog and keyring anew, find what else writes below the home "
            "and remove it, then run the purge again. There is no receipt yet.",
        )
    now = workshop.clock()
    receipt = Receipt(
        purge=purge_id,
        source=source.name,
        policy_hash=task.policy_hash,
        kind=task.kind,
        reason=task.reason,
        reference=task.reference,
        actor=task.actor,
        finished_by=None if actor == task.actor else actor,
        planned_at=task.planned_at,
        finished_at=now.isoformat(),
        documents=tuple(task.versions),
        kept=task.kept,
        passages=task.passages,
        keys_destroyed=len(task.keys),
        files_scanned=files,
        bytes_scanned=bytes_read,
        checks=checks,
        out_of_reach=(*OUT_OF_REACH, *workshop.database.out_of_reach),
    )
    signed = sign(receipt, signer=workshop.keyring.sign, public_key=workshop.keyring.public_key())
    event = AuditEvent(
        actor=actor,
        action=Action.PURGE_FINISHED,
        objects=(source.name, purge_id, *task.versions),
        policy_hash=source.policy_hash,
        detail={"documents": len(task.versions), "receipt_sha256": hashlib.sha256(signed.encode()).hexdigest()},
    )
    with workshop.database.writing() as session:
        _move(session, purge_id, Step.RECEIPTED, receipt=signed, needles=None)
        head = ledger.append(session, event, now=now)
    workshop.keyring.destroy(purge=_needles_name(source.name, purge_id))
    workshop.keyring.anchor(head, now=now)
    return signed


def _compacted(compact: Callable[[], None]) -> None:
    """Have a database written anew if that can be; the search of the files says whether it was needed."""
    with suppress(DependencyError):
        compact()


def _move(session: Session, purge_id: str, step: Step, **values: str | None) -> None:
    session.connection().execute(update(_PURGE).where(_PURGE.c.id == purge_id).values(step=step.value, **values))
