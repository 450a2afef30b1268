"""The fake jobs of these tests do what the real ones do."""

from collections.abc import Iterator

import pytest

from gateway.operate.desk import Jobs
from indexer import joblog
from indexer.joblog import JobId, JobKind, JobState
from indexer.jobs import Jobs as RealJobs
from policies.errors import ConflictError, RefusedError
from policies.model import SourceName
from tests.gateway.operating import USUAL, FakeJobs
from tests.indexer.workbench import ACTOR, Bench

SOURCE, OTHER = SourceName("hr-handbook"), SourceName("minutes")
JOB = JobId("a" * 24)


@pytest.fixture(params=["fake", "real"])
def jobs(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Jobs]:
    bench.apply()
    if request.param == "fake":
        yield FakeJobs(database=bench.database, clock=bench.clock)
        return
    real = RealJobs(bench.database, clock=bench.clock, new_id=bench.workshop.new_id)
    yield real
    real.close()


def ask(jobs: Jobs, job: JobId = JOB, *, kind: JobKind = JobKind.SYNC, source: SourceName = SOURCE) -> JobId:
    return jobs.ask(kind, source, actor=ACTOR, options=USUAL, job=job)


def test_a_job_is_written_down_as_it_was_asked_for(jobs: Jobs, bench: Bench) -> None:
    assert ask(jobs) == JOB
    job = bench.job(JOB)
    assert (job.kind, job.source, job.actor, job.options) == (JobKind.SYNC, SOURCE, ACTOR, USUAL)
    assert (job.state, job.asked_at) == (JobState.QUEUED, bench.clock())


def test_asked_again_by_the_same_id_nothing_more_happens(jobs: Jobs, bench: Bench) -> None:
    ask(jobs)
    assert ask(jobs) == JOB
    with bench.database.reading() as session:
        assert [job.id for job in joblog.jobs(session)] == [JOB]


def test_while_one_is_open_another_of_its_kind_and_source_is_a_conflict(jobs: Jobs) -> None:
    ask(jobs)
    with pytest.raises(ConflictError):
        ask(jobs, JobId("b" * 24))
    ask(jobs, JobId("b" * 24), source=OTHER)
    ask(jobs, JobId("c" * 24), kind=JobKind.REBUILD)


def test_a_job_is_steered_from_where_it_can_be(jobs: Jobs, bench: Bench) -> None:
    ask(jobs)
    with pytest.raises(ConflictError):
        jobs.resume(JOB, actor=ACTOR)
    jobs.pause(JOB, actor=ACTOR)
    assert bench.job(JOB).state is JobState.PAUSED
    with pytest.raises(ConflictError):
        jobs.pause(JOB, actor=ACTOR)
    jobs.resume(JOB, actor=ACTOR)
    assert bench.job(JOB).state is JobState.QUEUED
    jobs.cancel(JOB, actor=ACTOR)
    assert bench.job(JOB).state is JobState.CANCELLED
    for steer in (jobs.pause, jobs.resume, jobs.cancel):
        with pytest.raises(ConflictError):
            steer(JOB, actor=ACTOR)


def test_a_job_that_is_not_there_cannot_be_steered(jobs: Jobs) -> None:
    for steer in (jobs.pause, jobs.resume, jobs.cancel):
        with pytest.raises(RefusedError):
            steer(JOB, actor=ACTOR)
