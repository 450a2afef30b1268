"""A desk over a real catalog, whose jobs are written down and never run."""

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from starlette.testclient import TestClient

from gateway.operate.desk import Desk
from gateway.review.sight import Sight
from indexer import joblog
from indexer.database import Database
from indexer.joblog import OPEN, Job, JobId, JobKind, JobState, Options
from policies.errors import PenstockError
from policies.model import Caller, Role, SourceName
from tests.gateway.fakes import ANN, FakeGateway, app_over
from tests.indexer.workbench import Bench

OPERATOR = replace(ANN, subject="olga", roles=frozenset({Role.OPERATOR}), credential="key:1")
OTHER = replace(OPERATOR, subject="otto", credential="key:2")
OFFICER = replace(ANN, subject="dora", roles=frozenset({Role.PRIVACY}), credential="key:3")
DEPUTY = replace(OFFICER, subject="dirk", credential="key:4")
KEY_TEXT = "8e03978e-40d5-43e8-bc93-6894a57f9324"
USUAL = {"confirm_deletes": False, "retry_quarantined": False}
"""The options of a sync that is asked for without any."""
DSR, GROUND = "DSR-2026-012", "withdrawn_consent"


@dataclass
class FakeJobs:
    """Writes jobs down as the real one does. `before` and `after` run around each act, and may raise."""

    database: Database
    clock: Callable[[], datetime]
    acts: list[tuple[str, str, str]] = field(default_factory=list)
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None

    def ask(
        self, kind: JobKind, source: SourceName, *, actor: str, options: Options, job: JobId | None = None
    ) -> JobId:
        assert job is not None
        self.before()
        with self.database.writing() as session:
            if not joblog.exists(session, job):
                joblog.ask(session, job, kind, source, actor=actor, options=options, now=self.clock())
                self.acts.append(("ask", job, actor))
        self.after()
        return job

    def pause(self, job: JobId, *, actor: str) -> None:
        self._move(job, JobState.PAUSED, {JobState.QUEUED, JobState.RUNNING}, actor)

    def resume(self, job: JobId, *, actor: str) -> None:
        self._move(job, JobState.QUEUED, {JobState.PAUSED}, actor)

    def cancel(self, job: JobId, *, actor: str) -> None:
        self._move(job, JobState.CANCELLED, OPEN, actor)

    def _move(self, job: JobId, state: JobState, among: frozenset[JobState] | set[JobState], actor: str) -> None:
        self.before()
        with self.database.writing() as session:
            joblog.move(session, job, state, among=among)
            self.acts.append((state, job, actor))
        self.after()


@dataclass
class OperatorGateway(FakeGateway):
    """Knows two operators, two officers of privacy, and a caller without a role, each by one credential."""

    callers: Mapping[str, Caller] = field(
        default_factory=lambda: {
            "Bearer operator": OPERATOR,
            "Bearer other": OTHER,
            "Bearer officer": OFFICER,
            "Bearer deputy": DEPUTY,
        }
    )

    def verify(self, authorization: str | None) -> Caller:
        return self.callers.get(authorization or "") or super().verify(authorization)


@dataclass
class Office:
    """A client, the desk it asks at and what stands behind it."""

    client: TestClient
    bench: Bench
    jobs: FakeJobs
    gateway: OperatorGateway

    def job(self, job: str) -> Job:
        with self.bench.database.reading() as session:
            return joblog.job(session, JobId(job))

    def all_jobs(self) -> list[JobId]:
        with self.bench.database.reading() as session:
            return [job.id for job in joblog.jobs(session)]

    def written(self, *, kind: JobKind = JobKind.SYNC, state: JobState = JobState.QUEUED) -> JobId:
        """A job of the source `hr-handbook` that somebody asked for."""
        job = JobId(self.bench.workshop.new_id())
        with self.bench.database.writing() as session:
            joblog.ask(session, job, kind, SourceName("hr-handbook"), actor="x", options={}, now=self.bench.clock())
            if state is not JobState.QUEUED:
                joblog.end(session, job, state, now=self.bench.clock())
        return job


def desk_over(bench: Bench, jobs: FakeJobs) -> Desk:
    lock, numbers = threading.Lock(), itertools.count(1000)

    def new_id() -> str:
        with lock:
            return f"{next(numbers):024x}"

    sight = Sight(home=bench.home, keyring=bench.keyring, node=bench.workshop.node)
    return Desk(
        database=bench.database, keyring=bench.keyring, sight=sight, jobs=jobs, clock=bench.clock, new_id=new_id
    )


def office_over(bench: Bench) -> Office:
    jobs = FakeJobs(database=bench.database, clock=bench.clock)
    gateway = OperatorGateway()
    client = TestClient(app_over(gateway, desk_over(bench, jobs)), raise_server_exceptions=False)
    return Office(client=client, bench=bench, jobs=jobs, gateway=gateway)


def fails(error: PenstockError | Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
