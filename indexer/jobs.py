"""Asking for jobs and steering them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlmodel import Session

from indexer import joblog
from indexer.database import Database
from indexer.durable import Queues
from indexer.joblog import OPEN, UNDER_WAY, JobId, JobKind, JobState, Options
from policies import ledger
from policies.errors import DependencyError
from policies.model import Action, AuditEvent, SourceName

CONTENT: Final = "content"
PERMISSIONS: Final = "permissions"
"""The queues: mirroring permissions must not wait behind a long sync."""


class Jobs:
    """Asks for jobs and steers them, and runs none. Safe to share between threads.

    The catalog's record of a job is the truth; what the queues hold of it follows, and `reconcile` makes good what a
    crash between the two left.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self.database = database
        self.queues = Queues(database.jobs_engine())
        self.clock = clock
        self._new_id = new_id

    def ask(
        self,
        kind: JobKind,
        source: SourceName,
        *,
        actor: str,
        options: Options,
        job: JobId | None = None,
    ) -> JobId:
        """Have any worker do this. Asked with the same `job` again, nothing more happens.

        Raises:
            ConflictError: a job of this kind is open on the source.
            DependencyError: the database of the jobs is away; ask again.
        """
        job_id = self.write_down(kind, source, actor=actor, options=options, job=job)
        self.queues.offer(job_id, queue=_queue(kind))
        return job_id

    def write_down(
        self, kind: JobKind, source: SourceName, *, actor: str, options: Options, job: JobId | None = None
    ) -> JobId:
        """Record a job that is asked for, with its audit record."""
        job_id = job or JobId(self._new_id())
        now = self.clock()
        with self.database.writing() as session:
            if joblog.exists(session, job_id):
                return job_id
            joblog.ask(session, job_id, kind, source, actor=actor, options=options, now=now)
            _record(session, Action.JOB_ASKED, job_id, source, actor, now, {"kind": kind.value})
        return job_id

    def pause(self, job: JobId, *, actor: str) -> None:
        """Stop a job behind the document it is at; what it stored stays.

        Raises:
            ConflictError: it is neither queued nor running.
        """
        self._move(job, JobState.PAUSED, among=UNDER_WAY, action=Action.JOB_PAUSED, actor=actor)
        self.queues.stop(job)

    def resume(self, job: JobId, *, actor: str) -> None:
        """Have any worker go on with a paused job.

        Raises:
            ConflictError: it is not paused.
        """
        kind = self._move(job, JobState.QUEUED, among={JobState.PAUSED}, action=Action.JOB_RESUMED, actor=actor)
        self.queues.offer_stopped(job, queue=_queue(kind))

    def cancel(self, job: JobId, *, actor: str) -> None:
        """End a job behind the document it is at; what it stored stays.

        Raises:
            ConflictError: it has ended.
        """
        self._move(job, JobState.CANCELLED, among=OPEN, action=Action.JOB_CANCELLED, actor=actor)
        self.queues.stop(job)

    def offer_again(self, job: JobId, kind: JobKind) -> None:
        """Have any worker go on with a job that stopped unrecorded. Nobody must be at work on it."""
        self.queues.offer_stopped(job, queue=_queue(kind))

    def reconcile(self) -> None:
        """Offer again what was written down and never offered, or resumed and not; end what the queues have ended."""
        with self.database.reading() as session:
            open_jobs = joblog.jobs(session, states=OPEN, limit=None)
        standings = self.queues.standings(job.id for job in open_jobs)
        for job in open_jobs:
            standing = standings.get(job.id)
            if job.state is JobState.QUEUED and standing is None:
                self.queues.offer(job.id, queue=_queue(job.kind))
            elif job.state is JobState.QUEUED and standing and standing.stopped:
                self.queues.offer_stopped(job.id, queue=_queue(job.kind))
            elif job.state is JobState.PAUSED and standing and not standing.ended:
                if not standing.stopped:
                    self.queues.stop(job.id)
            elif standing is None or standing.stopped or standing.ended:
                # The catalog or the database of the jobs is not the one that this job was last seen in.
                lost = DependencyError("The job was lost.", mend="Start it again; what it stored is kept.")
                with self.database.writing() as session:
                    # Only if it is still as it was when the queues were asked.
                    joblog.end(session, job.id, JobState.FAILED, now=self.clock(), error=lost, among={job.state})

    def close(self) -> None:
        """Let go of the database."""
        self.queues.close()

    def _move(self, job: JobId, state: JobState, *, among: Iterable[JobState], action: Action, actor: str) -> JobKind:
        now = self.clock()
        with self.database.writing() as session:
            found = joblog.job(session, job)
            joblog.move(session, job, state, among=among)
            if state is JobState.CANCELLED:
                joblog.end(session, job, state, now=now)
            _record(session, action, job, found.source, actor, now, {})
        return found.kind


def _queue(kind: JobKind) -> str:
    return PERMISSIONS if kind is JobKind.PERMISSIONS else CONTENT


def _record(
    session: Session,
    action: Action,
    job: JobId,
    source: SourceName,
    actor: str,
    now: datetime,
    detail: Mapping[str, str],
) -> None:
    objects = (source, job) if source else (job,)
    ledger.append(session, AuditEvent(actor=actor, action=action, objects=objects, detail=dict(detail)), now=now)
