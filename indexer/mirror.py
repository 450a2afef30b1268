"""Mirroring the permissions of an origin, apart from its content: cheaper, so that it can be done more often.

All or nothing: only a complete listing whose permissions were all told moves the instant of which they are known, and
while that lies too far back nobody is admitted. It does not wait for a sync: from its transaction on the changed
documents are hidden, and whoever writes the source publishes the index that knows their new readers.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TypeGuard

from connectors.base import Connector, Finished, Refused, SourceDocument, Upsert
from indexer import catalog, joblog, listings
from indexer.joblog import Job, JobState
from indexer.run import Act, Run
from indexer.sync import BATCH
from indexer.take import NOBODY, same_readers
from indexer.workshop import Workshop, in_force
from policies import ledger
from policies.errors import ConflictError, DependencyError, RefusedError
from policies.manifest import Source
from policies.model import Access, Action, AuditEvent, DocumentId


@contextmanager
def opened(workshop: Workshop, source: Source, connector: Connector, job: Job) -> Iterator[Run]:
    """A mirroring of a source's permissions.

    Raises:
        RefusedError: the source takes its access rules from its manifest.
    """
    if not source.mirrors_access:
        raise RefusedError(
            f"Who may read {source.name!r} is said by its manifest, so there is nothing to mirror.",
            mend="Write policy.access.documents.from: connector if the origin is to say it.",
        )
    yield Act(_Mirroring(workshop, source, connector, job).act)


class _Mirroring:
    def __init__(self, workshop: Workshop, source: Source, connector: Connector, job: Job) -> None:
        self._workshop = workshop
        self._source = source
        self._connector = connector
        self._job = job

    def act(self) -> None:
        """Mirror the permissions.

        Raises:
            DependencyError: the origin is away, or the listing did not come to its end; nothing was changed.
        """
        workshop, source = self._workshop, self._source
        began = workshop.clock()
        told = self._told(began)
        nobody = replace(NOBODY, as_of=began)
        with workshop.database.reading() as session:
            changes = catalog.require(session, source.name).changes
            known = listings.readers(session, source.name)
        otherwise = [document for document, access in known.items() if _differ(access, told.get(document, nobody))]
        with workshop.database.writing() as session:
            registered = in_force(session, source)
            now = workshop.clock()
            if registered.mirrored_at and began < registered.mirrored_at <= now:
                # A sync that began later has mirrored them meanwhile. (Behind the present: the clock was ahead.)
                joblog.end(session, self._job.id, JobState.FINISHED, now=workshop.clock())
                return
            # All of them only if the catalog changed since: of many that takes time, and nobody can write meanwhile.
            # These in any case: that a sync which began later confirmed the readers of one is not counted as a change.
            if registered.changes == changes:
                present = listings.readers(session, source.name, among=otherwise)
            else:
                present = known = listings.readers(session, source.name)
            changed = {
                document: told.get(document, nobody)
                for document, access in present.items()
                if _differ(access, told.get(document, nobody))
                # A sync that began later has been told of this one, and of others not yet.
                and not (access.as_of and began < access.as_of <= now)
            }
            listings.mirror(session, source.name, at=began)
            catalog.reassign(session, source.name, changed)
            joblog.count(session, self._job.id, {"changed": len(changed), "unchanged": len(told.keys() & known.keys())})
            event = AuditEvent(
                actor=self._job.actor,
                action=Action.PERMISSIONS_MIRRORED,
                objects=(source.name, self._job.id),
                policy_hash=source.policy_hash,
                detail={"changed": len(changed)},
            )
            # Not as of when it began: what others did since is on record already.
            head = ledger.append(session, event, now=now)
        workshop.keyring.anchor(head, now=now)
        # Where somebody is at work on it they publish too, and until then the changed documents are hidden.
        with suppress(ConflictError), workshop.sole_writer(source) as fenced:
            fenced.publish(source, actor=self._job.actor)
        with workshop.database.writing() as session:
            joblog.end(session, self._job.id, JobState.FINISHED, now=workshop.clock())

    def _told(self, began: datetime) -> dict[DocumentId, Access]:
        """Who may read each document that the origin names."""
        workshop, source = self._workshop, self._source
        told: dict[DocumentId, Access] = {}
        listing, finished = self._connector.list(None), False
        while batch := list(islice(listing, BATCH)):
            items: list[SourceDocument | Refused] = []
            for change in batch:
                match change:
                    case Upsert(document=document):
                        items.append(document)
                    case Refused():
                        items.append(change)
                    case Finished(complete=complete):
                        finished = complete
            mirrored = self._connector.permissions([item for item in items if isinstance(item, SourceDocument)])
            for item in items:
                access = mirrored.get(item.origin_id)
                rules = source.access_for(item.origin_id, mirrored=replace(access, as_of=began) if access else None)
                told[workshop.keyring.document_id(source.name, item.origin_id)] = rules or replace(NOBODY, as_of=began)
        if not finished:
            raise DependencyError(
                f"The origin of {source.name!r} did not name every document, so its permissions stay as they were.",
                mend="It is tried again at the next time of schedule.permissions. See that the origin is in order.",
            )
        return told


def _differ(access: Access | None, told: Access) -> TypeGuard[Access]:
    """Whether an indexed document has other readers than the origin told."""
    return access is not None and not same_readers(access, told)
