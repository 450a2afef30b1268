"""How purges stand, those that jobs carry out and those of commands alike; and what an erasure's job is told."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select, union_all
from sqlmodel import Session, SQLModel

from indexer import joblog
from indexer.erase import Step
from indexer.joblog import Failure, Job, JobId, JobKind, JobState, Options
from indexer.tables import JobRow, PurgeRow
from policies.errors import IntegrityError, RefusedError
from policies.model import DocumentId, SourceName
from policies.purge import ErasureRequest, PurgeKind

_JOB, _PURGE = (SQLModel.metadata.tables[str(row.__tablename__)] for row in (JobRow, PurgeRow))
_KINDS = {JobKind.PURGE: PurgeKind.RETENTION, JobKind.ERASE: PurgeKind.ERASURE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Purge:
    """A purge at one instant. `asked_at` is UTC, aware.

    One that is not finished and that no open job carries on is finished by the next purge of its source. `step` is
    None where nothing was due, or before that is known; `receipt` is None until the last step, and for ever where
    nothing was due.
    """

    id: str
    source: SourceName
    kind: PurgeKind
    asked_at: datetime
    state: JobState
    step: Step | None
    documents: int
    failure: Failure | None
    receipt: str | None


def options_of(request: ErasureRequest) -> Options:
    """What the job of an erasure is told."""
    return {"documents": sorted(request.documents), "reference": request.reference, "ground": request.ground}


def request_of(options: Options) -> ErasureRequest:
    """What `options_of` was given.

    Raises:
        IntegrityError: it did not make these options.
    """
    match options:
        case {"documents": list() as documents, "reference": str() as reference, "ground": str() as ground}:
            ids = frozenset(map(DocumentId, documents))
            return ErasureRequest(documents=ids, reference=reference, ground=ground)
    raise IntegrityError("The job does not say what to erase.", mend="Ask for the erasure again.")


def find(session: Session, purge: str) -> Purge:
    """One purge, by its id or its job's, which are the same.

    Raises:
        RefusedError: there is none of that id.
    """
    row = session.connection().execute(select(_PURGE).where(_PURGE.c.id == purge)).first()
    job = joblog.job(session, JobId(purge)) if joblog.exists(session, JobId(purge)) else None
    if job is not None and job.kind in _KINDS:
        return _of_job(job, row)
    if row is not None:
        return _of_command(row)
    raise RefusedError(f"There is no purge {purge!r}.", mend="Its receipt, or whoever asked for it, names it.")


def listing(session: Session, *, source: SourceName | None, limit: int) -> tuple[Purge, ...]:
    """Purges, the youngest first, at most `limit`."""
    of_jobs = _JOB.c.kind.in_([kind.value for kind in _KINDS])
    asked = select(_JOB.c.id, _JOB.c.source, _JOB.c.asked_at.label("at")).where(of_jobs)
    begun = select(_PURGE.c.id, _PURGE.c.source, _PURGE.c.begun.label("at")).where(
        _PURGE.c.id.not_in(select(_JOB.c.id).where(of_jobs))
    )
    every = union_all(asked, begun).subquery()
    statement = select(every.c.id).order_by(every.c.at.desc(), every.c.id).limit(limit)
    if source is not None:
        statement = statement.where(every.c.source == source)
    return tuple(find(session, str(row.id)) for row in session.connection().execute(statement).all())


def _of_job(job: Job, row: Row[tuple[object, ...]] | None) -> Purge:
    step, documents, receipt = _progress(row)
    # One that failed or was cancelled on the way is finished by the next purge of its source.
    done = step is Step.RECEIPTED
    return Purge(
        id=job.id,
        source=job.source,
        kind=_KINDS[job.kind],
        asked_at=job.asked_at,
        state=JobState.FINISHED if done else job.state,
        step=step,
        documents=documents,
        failure=None if done else job.failure,
        receipt=receipt,
    )


def _of_command(row: Row[tuple[object, ...]]) -> Purge:
    step, documents, receipt = _progress(row)
    return Purge(
        id=row.id,
        source=SourceName(row.source),
        kind=PurgeKind(json.loads(row.plan)["kind"]),
        asked_at=datetime.fromisoformat(row.begun),
        state=JobState.FINISHED if step is Step.RECEIPTED else JobState.RUNNING,
        step=step,
        documents=documents,
        failure=None,
        receipt=receipt,
    )


def _progress(row: Row[tuple[object, ...]] | None) -> tuple[Step | None, int, str | None]:
    """How far it is, the number of documents it is about and the receipt, of what is written down of it."""
    if row is None:
        return None, 0, None
    return Step(row.step), len(json.loads(row.plan)["versions"]), row.receipt
