"""Jobs as the catalog knows them: what was asked for, how far it is and how it ended. Ids, codes and counts only.

A document's outcome is recorded by the transaction that stores the document, so that what a job says is done is done,
and a job that goes on in another process repeats nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlmodel import Session, SQLModel

from indexer.keyring import KeyId
from indexer.tables import JobRow, ListedRow, WorkerRow
from policies.errors import ConflictError, PenstockError, RefusedError
from policies.model import SourceName

JobId = NewType("JobId", str)
"""Names one job: 24 hex digits."""

Options = Mapping[str, bool | str | list[str]]
"""What a job is told: switches, ids, references; never content."""

_JOB, _LISTED, _WORKER = (SQLModel.metadata.tables[str(row.__tablename__)] for row in (JobRow, ListedRow, WorkerRow))


class JobKind(StrEnum):
    """What a job does to its source."""

    SYNC = "sync"
    PERMISSIONS = "permissions"
    REBUILD = "rebuild"
    VERIFY = "verify"
    PURGE = "purge"
    ERASE = "erase"


class JobState(StrEnum):
    """How a job stands. One that is held has done all but the deletes, which wait to be confirmed."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    HELD = "held"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING})
OPEN = UNDER_WAY | {JobState.PAUSED}
"""The states of a job that has not ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a job failed or is held: the error's code, its message and what to do."""

    code: str
    message: str
    mend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job at one instant. Times are UTC, aware.

    `total` is the number of documents it has to look at, None before it knows; `done` of them are behind it. `tally`
    counts what became of documents, by outcome and as `reason:<code>`; `notes` is what else it has to tell.
    """

    id: JobId
    kind: JobKind
    source: SourceName
    actor: str
    options: Options
    state: JobState
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    total: int | None
    done: int
    tally: Mapping[str, int]
    notes: Mapping[str, Any]
    failure: Failure | None
    key: KeyId | None

    def rate(self, now: datetime) -> float | None:
        """Documents a second since it started, None before the first."""
        if self.started_at is None or not self.done:
            return None
        return self.done / max(((self.ended_at or now) - self.started_at).total_seconds(), 1e-3)

    def left(self, now: datetime) -> timedelta | None:
        """How much longer it will take at this rate, None where that is not known."""
        rate = self.rate(now)
        if rate is None or self.total is None or self.state not in OPEN:
            return None
        return timedelta(seconds=(self.total - self.done) / rate)


def ask(
    session: Session,
    job: JobId,
    kind: JobKind,
    source: SourceName,
    *,
    actor: str,
    options: Options,
    now: datetime,
) -> None:
    """Write down a job that is asked for.

    Raises:
        ConflictError: one of this kind is open on the source.
    """
    for other in jobs(session, source=source, states=OPEN):
        if other.kind is kind:
            raise ConflictError(
                f"A {kind} of {source!r} is {other.state} already: job {other.id}.",
                mend=f"See it with `penstock jobs show {other.id}`; wait for it, resume it or cancel it.",
            )
    session.connection().execute(
        insert(_JOB).values(
            id=job,
            kind=kind.value,
            source=source,
            actor=actor,
            options=json.dumps(dict(options), sort_keys=True),
            state=JobState.QUEUED.value,
            asked_at=now.isoformat(),
            done=0,
            tally="{}",
            notes="{}",
        )
    )


def jobs(
    session: Session,
    *,
    source: SourceName | None = None,
    states: Iterable[JobState] = JobState,
    limit: int | None = 1000,
) -> tuple[Job, ...]:
    """Jobs in these states, the youngest first."""
    wanted: list[ColumnElement[bool]] = [_JOB.c.state.in_([state.value for state in states])]
    if source is not None:
        wanted.append(_JOB.c.source == source)
    statement = select(_JOB).where(*wanted).order_by(_JOB.c.asked_at.desc(), _JOB.c.id).limit(limit)
    return tuple(_job(row) for row in session.connection().execute(statement))


def job(session: Session, job_id: JobId) -> Job:
    """One job.

    Raises:
        RefusedError: there is none of that id.
    """
    row = session.connection().execute(select(_JOB).where(_JOB.c.id == job_id)).first()
    if row is None:
        raise RefusedError(f"There is no job {job_id!r}.", mend="List them with: penstock jobs")
    return _job(row)


def exists(session: Session, job_id: JobId) -> bool:
    """Whether a job was written down."""
    return session.connection().execute(select(_JOB.c.id).where(_JOB.c.id == job_id)).first() is not None


def latest(session: Session) -> dict[tuple[JobKind, SourceName], datetime]:
    """When a job of each kind was last asked for, by source."""
    statement = select(_JOB.c.kind, _JOB.c.source, func.max(_JOB.c.asked_at)).group_by(_JOB.c.kind, _JOB.c.source)
    return {
        (JobKind(kind), SourceName(source)): datetime.fromisoformat(asked)
        for kind, source, asked in session.connection().execute(statement)
    }


def start(session: Session, job_id: JobId, *, now: datetime) -> None:
    """Write down that a process works on a job, from the first time on. One that is paused or ended stays so."""
    started = func.coalesce(_JOB.c.started_at, now.isoformat())
    session.connection().execute(
        update(_JOB)
        .where(_JOB.c.id == job_id, _JOB.c.state.in_([state.value for state in UNDER_WAY]))
        .values(state=JobState.RUNNING.value, started_at=started)
    )


def move(session: Session, job_id: JobId, state: JobState, *, among: Iterable[JobState]) -> None:
    """Give a job another state.

    Raises:
        ConflictError: it is in none of the states `among`.
    """
    statement = update(_JOB).where(_JOB.c.id == job_id, _JOB.c.state.in_([each.value for each in among]))
    if not session.connection().execute(statement.values(state=state.value)).rowcount:
        raise ConflictError(
            f"Job {job_id} is {job(session, job_id).state}.", mend="See how it stands with: penstock jobs"
        )


def end(
    session: Session,
    job_id: JobId,
    state: JobState,
    *,
    now: datetime,
    error: PenstockError | None = None,
    among: Iterable[JobState] = OPEN,
) -> None:
    """Write down how a job ended, and forget what it found listed. One in none of the states `among` stays as it is."""
    failure = {"code": error.code, "message": error.message, "mend": error.mend} if error else None
    values = {"state": state.value, "ended_at": now.isoformat(), "error": json.dumps(failure) if failure else None}
    open_ = _JOB.c.state.in_([each.value for each in among])
    if session.connection().execute(update(_JOB).where(_JOB.c.id == job_id, open_).values(**values)).rowcount:
        session.connection().execute(delete(_LISTED).where(_LISTED.c.job == job_id))


def end_listed(session: Session, source: SourceName, *, now: datetime, error: PenstockError) -> None:
    """End the jobs on a source that keep what they found listed. Nobody may be at work on it."""
    statement = select(_JOB.c.id).where(_JOB.c.source == source, _JOB.c.key.is_not(None))
    for job_id in session.connection().execute(statement).scalars().all():
        end(session, JobId(job_id), JobState.FAILED, now=now, error=error)


def begin_listing(session: Session, job_id: JobId, key: KeyId) -> None:
    """Forget what an earlier attempt found listed, and name the key of this one."""
    connection = session.connection()
    connection.execute(delete(_LISTED).where(_LISTED.c.job == job_id))
    connection.execute(
        update(_JOB).where(_JOB.c.id == job_id).values(key=key, total=None, done=0, tally="{}", notes="{}")
    )


def list_documents(session: Session, job_id: JobId, sealed: Sequence[tuple[int, bytes]]) -> None:
    """Keep documents that the job has to look at, by ordinal."""
    if sealed:
        rows = [{"job": job_id, "ordinal": ordinal, "sealed": content} for ordinal, content in sealed]
        session.connection().execute(insert(_LISTED), rows)


def end_listing(session: Session, job_id: JobId, total: int, notes: Mapping[str, Any]) -> None:
    """Write down that the origin was asked to the end: how many documents there are to look at, and what it said."""
    note(session, job_id, notes)
    session.connection().execute(update(_JOB).where(_JOB.c.id == job_id).values(total=total))


def note(session: Session, job_id: JobId, notes: Mapping[str, Any]) -> None:
    """Add to what a job has to tell."""
    held = session.connection().execute(select(_JOB.c.notes).where(_JOB.c.id == job_id)).scalar_one()
    merged = json.dumps(json.loads(held) | dict(notes), sort_keys=True)
    session.connection().execute(update(_JOB).where(_JOB.c.id == job_id).values(notes=merged))


def listed(session: Session, job_id: JobId, ordinal: int) -> tuple[bytes, str | None]:
    """A document to look at, sealed, and what became of it, None while that is open.

    Raises:
        ConflictError: the job ended meanwhile, and what it found listed is forgotten.
    """
    statement = select(_LISTED.c.sealed, _LISTED.c.outcome).where(_LISTED.c.job == job_id, _LISTED.c.ordinal == ordinal)
    row = session.connection().execute(statement).first()
    if row is None:
        raise ConflictError(f"Job {job_id} has ended.", mend="See how with: penstock jobs")
    return row.sealed, row.outcome


def listed_or_none(session: Session, job_id: JobId, ordinal: int) -> bytes | None:
    """What was kept, sealed, under an ordinal, None where nothing was."""
    statement = select(_LISTED.c.sealed).where(_LISTED.c.job == job_id, _LISTED.c.ordinal == ordinal)
    held: bytes | None = session.connection().execute(statement).scalar()
    return held


def record(session: Session, job_id: JobId, ordinal: int, outcome: str, counts: Mapping[str, int]) -> None:
    """Write down what became of a document, in the transaction that stores it."""
    session.connection().execute(
        update(_LISTED).where(_LISTED.c.job == job_id, _LISTED.c.ordinal == ordinal).values(outcome=outcome)
    )
    count(session, job_id, counts, done=1)


def count(session: Session, job_id: JobId, counts: Mapping[str, int], *, done: int = 0) -> None:
    """Add to a job's tally, and to the number of documents behind it."""
    held = session.connection().execute(select(_JOB.c.tally).where(_JOB.c.id == job_id)).scalar_one()
    tally: dict[str, int] = json.loads(held)
    for name, number in counts.items():
        tally[name] = tally.get(name, 0) + number
    values = {"tally": json.dumps(tally, sort_keys=True), "done": _JOB.c.done + done}
    session.connection().execute(update(_JOB).where(_JOB.c.id == job_id).values(**values))


def keys(session: Session) -> frozenset[KeyId]:
    """The keys of every job that has not ended: what it found listed is sealed with them."""
    open_ = _JOB.c.state.in_([state.value for state in OPEN])
    statement = select(_JOB.c.key).where(open_, _JOB.c.key.is_not(None))
    return frozenset(map(KeyId, session.connection().execute(statement).scalars()))


def forget_ended(session: Session, *, before: datetime) -> tuple[JobId, ...]:
    """Delete the records of jobs that ended before an instant; their ids.

    The last of a kind on a source stays: by it the schedules know what was done.
    """
    younger = _JOB.alias("younger")
    last = ~(
        select(younger.c.id)
        .where(younger.c.kind == _JOB.c.kind, younger.c.source == _JOB.c.source)
        .where(younger.c.asked_at > _JOB.c.asked_at)
        .exists()
    )
    ended = select(_JOB.c.id).where(_JOB.c.ended_at < before.isoformat(), ~last)
    ids = tuple(map(JobId, session.connection().execute(ended).scalars()))
    session.connection().execute(delete(_JOB).where(_JOB.c.id.in_(ids)))
    return ids


def beat(session: Session, worker: str, *, host: str, pid: int) -> None:
    """Say that a worker lives."""
    statement = update(_WORKER).where(_WORKER.c.id == worker).values(beats=_WORKER.c.beats + 1)
    if not session.connection().execute(statement).rowcount:
        session.connection().execute(insert(_WORKER).values(id=worker, host=host, pid=pid, beats=1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A process that runs jobs, as it last told of itself."""

    id: str
    host: str
    pid: int
    beats: int


def workers(session: Session) -> tuple[Worker, ...]:
    """Every worker that has not taken its leave, dead ones among them."""
    rows = session.connection().execute(select(_WORKER).order_by(_WORKER.c.id))
    return tuple(Worker(id=row.id, host=row.host, pid=row.pid, beats=row.beats) for row in rows)


def dismiss(session: Session, worker: str) -> None:
    """Forget a worker that ended or died."""
    session.connection().execute(delete(_WORKER).where(_WORKER.c.id == worker))


def _job(row: Row[Any]) -> Job:
    return Job(
        id=JobId(row.id),
        kind=JobKind(row.kind),
        source=SourceName(row.source),
        actor=row.actor,
        options=json.loads(row.options),
        state=JobState(row.state),
        asked_at=datetime.fromisoformat(row.asked_at),
        started_at=datetime.fromisoformat(row.started_at) if row.started_at else None,
        ended_at=datetime.fromisoformat(row.ended_at) if row.ended_at else None,
        total=row.total,
        done=row.done,
        tally=json.loads(row.tally),
        notes=json.loads(row.notes),
        failure=Failure(**json.loads(row.error)) if row.error else None,
        key=KeyId(row.key) if row.key else None,
    )
