"""Bringing the catalog and the index of a source to what its origin holds now, as a job that can go on anywhere.

The origin is listed, and what must be looked at is kept, sealed, until the job ends; then each document is taken in by
one transaction that also writes down its outcome; at last what is gone is removed and the index published. A killed
job goes on behind the last document that was stored.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from sqlmodel import Session

from connectors.base import Change, Connector, Cursor, Delete, Finished, Refused, SourceDocument, Upsert
from indexer import catalog, joblog, listings
from indexer.joblog import UNDER_WAY, Job, JobId, JobState
from indexer.outcome import Outcome, Taken
from indexer.run import Run, StoppedError
from indexer.seal import Key, seal, unseal
from indexer.tables import DocumentState
from indexer.take import NOBODY, Taker, same_readers
from indexer.workshop import Workshop
from policies import ledger
from policies.decide import SENTENCES, admit
from policies.errors import ConflictError, RefusedError
from policies.manifest import Source
from policies.model import Access, Action, AuditEvent, DocumentId

BATCH: Final = 500
"""Documents of a listing that are settled by one transaction (chosen: some 20 ms of the write lock)."""
FULL_LISTING_EVERY: Final = timedelta(days=1)
"""Chosen: an origin that reports its deletes is nevertheless asked for everything this often."""
PUBLISH_EVERY_S: Final = 60.0
"""Chosen: while a sync goes on, what it has stored becomes searchable this often, or later where publishing is slow."""
PUBLISH_SHARE: Final = 0.05
"""Chosen: the share of a sync's time that publishing on the way may take."""
MAX_NAMED: Final = 1000
"""Documents that a job names of those it would remove (chosen)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Listed:
    """What is kept of a listed document until it is taken: as the origin described it, and who may read it."""

    item: SourceDocument | Refused
    access: Access


@contextmanager
def opened(workshop: Workshop, source: Source, connector: Connector, job: Job) -> Iterator[Run]:
    """A sync of a source while the block runs. Its options are `confirm_deletes` and `retry_quarantined`.

    Raises:
        ConflictError: another process is at work on this source.
        RefusedError: the policy admits nothing here and now, and nothing was touched.
    """
    now = workshop.clock()
    refusal = admit(source=source, anchor=now, node=workshop.node, now=now)
    if refusal is not None:
        # Asked of each document it would quarantine them all, and publishing would destroy their keys.
        raise RefusedError(
            f"Nothing of {source.name!r} ({source.state}) may be taken in here and now: {SENTENCES[refusal.reason]}",
            mend="Mend its manifest or the place where this runs, then sync again. What is indexed was left as it is.",
        )
    listed_under = job.notes.get("policy_hash", source.policy_hash)
    if listed_under != source.policy_hash:
        raise RefusedError(
            f"Another manifest of {source.name!r} was put in force since job {job.id} listed its documents.",
            mend=f"Sync again: penstock sync {source.name}",
        )
    with workshop.sole_writer(source) as fenced:
        yield _SyncRun(fenced, source, connector, job)


class _SyncRun:
    """One sync while it runs. The caller is the source's sole writer."""

    def __init__(self, workshop: Workshop, source: Source, connector: Connector, job: Job) -> None:
        self._workshop = workshop
        self._source = source
        self._connector = connector
        self._job = job
        self._taker = Taker(
            workshop, source, connector, listing=job.id, retry=bool(job.options.get("retry_quarantined"))
        )
        self._published = workshop.clock()
        self._publishing_s = 0.0

    def prepare(self) -> int:
        """List the origin. The number of documents that have to be looked at.

        Raises:
            RefusedError: the origin refuses. DependencyError: it is away; ask again.
        """
        workshop, source = self._workshop, self._source
        with workshop.database.reading() as session:
            job, registered = joblog.job(session, self._job.id), catalog.require(session, source.name)
        if job.total is not None:
            return job.total
        self._taker.look_again()
        began = workshop.clock()
        if job.key is None:
            workshop.record(source, job.actor, Action.SYNC_STARTED, {"job": job.id})
        key_id, key = workshop.keyring.new_document_key(source.name)
        with workshop.database.writing() as session:
            joblog.begin_listing(session, job.id, key_id)
            listings.unsee(session, source.name, [job.id, _gone(job.id)])
            mirrored_at = catalog.require(session, source.name).mirrored_at
            if mirrored_at and mirrored_at > began:
                # The clock was ahead then, so nobody knows how old they are.
                mirrored_at = None
                listings.mirror(session, source.name, at=None)
        listing = self._connector.list(self._cursor(registered, began))
        pending, finished = 0, None
        while batch := list(islice(listing, BATCH)):
            finished = next((change for change in batch if isinstance(change, Finished)), finished)
            changes = [change for change in batch if not isinstance(change, Finished)]
            pending += self._settle(changes, began, key, pending)
        complete = finished is not None and finished.complete
        with workshop.database.writing() as session:
            known = sum(document.parent is None for document in self._taker.known.values())
            notes = {
                "complete": complete,
                "began": began.isoformat(),
                "known": known,
                "policy_hash": source.policy_hash,
            }
            joblog.end_listing(session, job.id, pending, notes)
            if finished is not None and finished.cursor is not None:
                joblog.list_documents(session, job.id, [(_CURSOR, _seal_cursor(key, job.id, finished.cursor))])
            # Where they were mirrored meanwhile, that holds: it may know of a later change, or have undone one.
            undisturbed = catalog.require(session, source.name).mirrored_at == mirrored_at
            if complete and source.mirrors_access and undisturbed:
                self._hide_unlisted(session, began)
                listings.mirror(session, source.name, at=began)
        return pending

    def _hide_unlisted(self, session: Session, began: datetime) -> None:
        """Have nobody read what the origin does not name, whether or not it may be removed: nothing is known of it."""
        source, listing = self._source, self._job.id
        unlisted = listings.missing(session, source.name, listing=listing, gone=_gone(listing), complete=True)
        readable = [document for document in unlisted if self._taker.known[document].access.allow]
        catalog.reassign(session, source.name, dict.fromkeys(readable, replace(NOBODY, as_of=began)))

    def do(self, unit: int) -> str:
        """Take in one document. What became of it."""
        with self._workshop.database.reading() as session:
            job = joblog.job(session, self._job.id)
            sealed, outcome = joblog.listed(session, job.id, unit)
        if outcome is not None:
            return outcome
        item = _open_listed(self._listing_key(job), job.id, unit, sealed)
        taken = self._taker.take(item.item, item.access)
        with self._workshop.database.writing() as session:
            if taken.change is not None:
                taken.change(session)
            joblog.record(session, job.id, unit, taken.outcome.value, taken.counts)
        self._publish_on_the_way(job)
        return taken.outcome.value

    def finish(self) -> None:
        """Remove what is gone, publish, and end the job: finished, or held where too much would be removed."""
        workshop, source = self._workshop, self._source
        with workshop.database.reading() as session:
            job = joblog.job(session, self._job.id)
        complete, began = bool(job.notes["complete"]), datetime.fromisoformat(job.notes["began"])
        held = self._remove_missing(job, complete=complete)
        generation = workshop.publish(source, actor=job.actor)
        cursor = self._next_cursor(job) if held is None else None
        now = workshop.clock()
        with workshop.database.writing() as session:
            listings.listed(session, source.name, cursor=cursor, at=began if complete else None)
            joblog.note(session, job.id, {"generation": generation})
            tally = joblog.job(session, job.id).tally
            joblog.end(session, job.id, JobState.HELD if held else JobState.FINISHED, now=now, error=held)
            event = AuditEvent(
                actor=job.actor,
                action=Action.SYNC_FINISHED,
                objects=(source.name, job.id),
                policy_hash=source.policy_hash,
                detail={outcome.value: tally.get(outcome.value, 0) for outcome in Outcome},
            )
            head = ledger.append(session, event, now=now)
        workshop.keyring.anchor(head, now=now)
        if job.key is not None:
            workshop.keyring.destroy(keys=[job.key])

    def _settle(self, changes: Iterable[Change], began: datetime, key: Key, first: int) -> int:
        """Put away what is as it was, and keep the rest to be looked at. How many those are."""
        workshop, source, job = self._workshop, self._source, self._job
        document_id = workshop.keyring.document_id
        items = [_item(change) for change in changes]
        documents = [item for item in items if isinstance(item, SourceDocument)]
        mirrored = self._connector.permissions(documents) if source.mirrors_access else {}
        marks: dict[DocumentId, str] = {}
        readers: dict[DocumentId, Access] = {}
        pending: list[tuple[int, bytes]] = []
        settled: list[Taken] = []
        for change, item in zip(changes, items, strict=True):
            document = document_id(source.name, _origin_id(change))
            marks[document] = _gone(job.id) if item is None else job.id
            if item is None:
                continue
            access = _access(source, item, mirrored.get(item.origin_id), began)
            taken = self._taker.settle(item, access)
            if taken is not None:
                settled.append(taken)
                continue
            known = self._taker.known.get(document)
            served = known is not None and known.state is DocumentState.INDEXED
            if known and served and source.mirrors_access and not same_readers(known.access, access):
                # Now, not when its turn comes: from here on the mirror is as old as this listing.
                readers[document] = access
            ordinal = first + len(pending)
            pending.append((ordinal, _seal_listed(key, job.id, ordinal, _Listed(item=item, access=access))))
        with workshop.database.writing() as session:
            if joblog.job(session, job.id).state not in UNDER_WAY:
                raise StoppedError
            listings.see(session, marks)
            catalog.reassign(session, source.name, readers)
            for taken in settled:
                if taken.change is not None:
                    taken.change(session)
            joblog.list_documents(session, job.id, pending)
            joblog.count(session, job.id, _sum(taken.counts for taken in settled))
        return len(pending)

    def _remove_missing(self, job: Job, *, complete: bool) -> RefusedError | None:
        """Hide what the origin no longer has; the refusal, and nothing hidden, where it is too much unconfirmed."""
        workshop, source = self._workshop, self._source
        with workshop.database.reading() as session:
            missing = listings.missing(session, source.name, listing=job.id, gone=_gone(job.id), complete=complete)
            known = catalog.documents(session, source.name)
        counted = [document for document in missing if known[document].parent is None]
        whole = int(job.notes["known"])
        allowed = source.limits.max_deletes
        if not job.options.get("confirm_deletes") and len(counted) > allowed * whole:
            with workshop.database.writing() as session:
                joblog.note(session, job.id, {"would_remove": sorted(counted)[:MAX_NAMED]})
                joblog.count(session, job.id, {"would_remove": len(counted)})
            return RefusedError(
                f"{len(counted)} of {whole} documents of {source.name!r} are gone from the origin, "
                f"more than the {allowed:.0%} that limits.max_deletes allows. Nothing was removed.",
                mend=f"If that is right, run: penstock sync {source.name} --confirm",
            )
        if missing:
            with workshop.database.writing() as session:
                catalog.remove(session, source.name, missing)
                joblog.count(session, job.id, {Outcome.REMOVED.value: len(counted)})
        return None

    def _publish_on_the_way(self, job: Job) -> None:
        now = self._workshop.clock()
        since_s = (now - self._published).total_seconds()
        if since_s >= max(PUBLISH_EVERY_S, self._publishing_s / PUBLISH_SHARE):
            self._workshop.publish(self._source, actor=job.actor)
            self._published = self._workshop.clock()
            self._publishing_s = (self._published - now).total_seconds()

    def _cursor(self, registered: catalog.Registration, now: datetime) -> Cursor | None:
        """Where the listing may start; None where everything must be seen: when in doubt, that is."""
        recent = registered.listed_at is not None and now - registered.listed_at < FULL_LISTING_EVERY
        if registered.cursor is None or not recent or self._taker.unsettled:
            return None
        key = self._workshop.keyring.cursor_key(self._source.name)
        held = json.loads(unseal(key, registered.cursor, place=f"{self._source.name}:cursor"))
        made_for = [self._taker.made_by, self._source.policy_hash]
        return Cursor(held["cursor"]) if held["made_for"] == made_for else None

    def _next_cursor(self, job: Job) -> bytes | None:
        with self._workshop.database.reading() as session:
            sealed = joblog.listed_or_none(session, job.id, _CURSOR)
        if sealed is None:
            return None
        cursor = unseal(self._listing_key(job), sealed, place=f"{job.id}:cursor").decode("utf-8", "surrogatepass")
        content = {"cursor": cursor, "made_for": [self._taker.made_by, self._source.policy_hash]}
        key = self._workshop.keyring.cursor_key(self._source.name)
        return seal(key, json.dumps(content).encode(), place=f"{self._source.name}:cursor")

    def _listing_key(self, job: Job) -> Key:
        keys = self._workshop.keyring.document_keys([job.key] if job.key else [])
        if job.key is None or job.key not in keys:
            raise ConflictError(f"What job {job.id} found listed is gone.", mend="Cancel it and sync again.")
        return keys[job.key]


_CURSOR: Final = -1
"""The ordinal under which a listing's cursor is kept."""


def _gone(listing: JobId) -> str:
    return f"{listing}:gone"


def _item(change: Change) -> SourceDocument | Refused | None:
    """What a change is about, None where it is gone."""
    match change:
        case Upsert(document=document):
            return document
        case Refused():
            return change
        case Delete():
            return None


def _origin_id(change: Change) -> str:
    return change.document.origin_id if isinstance(change, Upsert) else change.origin_id


def _access(source: Source, item: SourceDocument | Refused, mirrored: Access | None, as_of: datetime) -> Access:
    known = replace(mirrored, as_of=as_of) if mirrored else None
    nobody = replace(NOBODY, as_of=as_of) if source.mirrors_access else NOBODY
    return source.access_for(item.origin_id, mirrored=known) or nobody


def _sum(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, number in each.items():
            total[name] = total.get(name, 0) + number
    return total


def _seal_listed(key: Key, job: JobId, ordinal: int, listed: _Listed) -> bytes:
    item = asdict(listed.item)
    for time in ("created", "modified"):
        if item.get(time) is not None:
            item[time] = item[time].isoformat()
    access = listed.access
    content = {
        "item": item,
        "allow": sorted(access.allow),
        "deny": sorted(access.deny),
        "as_of": access.as_of.isoformat() if access.as_of else None,
    }
    return seal(key, json.dumps(content).encode(), place=f"{job}:{ordinal}")


def _open_listed(key: Key, job: JobId, ordinal: int, sealed: bytes) -> _Listed:
    content = json.loads(unseal(key, sealed, place=f"{job}:{ordinal}"))
    fields = content["item"]
    item: SourceDocument | Refused
    if "reason" in fields:
        item = Refused(**fields)
    else:
        times = {
            name: datetime.fromisoformat(fields[name]) if fields[name] else None for name in ("created", "modified")
        }
        item = SourceDocument(**(fields | times))
    as_of = datetime.fromisoformat(content["as_of"]) if content["as_of"] else None
    access = Access(allow=frozenset(content["allow"]), deny=frozenset(content["deny"]), as_of=as_of)
    return _Listed(item=item, access=access)


def _seal_cursor(key: Key, job: JobId, cursor: Cursor) -> bytes:
    return seal(key, cursor.encode("utf-8", "surrogatepass"), place=f"{job}:cursor")
