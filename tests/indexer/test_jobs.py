import itertools
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from dbos._sys_db import SystemDatabase
from sqlalchemy import text as text_of
from sqlmodel import Session

from indexer import joblog
from indexer import mirror as mirrors
from indexer import sync as syncs
from indexer import worker as workers
from indexer.database import Database
from indexer.joblog import OPEN, Job, JobId, JobKind, JobState
from indexer.jobs import Jobs
from indexer.reconcile import verify
from indexer.schedules import due
from indexer.worker import Worker
from policies.errors import ConflictError, DependencyError, RefusedError, SettingsError
from policies.manifest import Source
from policies.model import SourceName
from tests import catalogs, postgres
from tests.indexer.workbench import ACTOR, Bench, FakeOrigin, opened, parse_manifest, text
from tests.patience import comes_true, patient
from tests.policies import handbook

HEARTBEAT_S = 0.6
FILES = {f"{number:02}.md": text(f"Document {number}", f"The text of document {number}.") for number in range(6)}


@contextmanager
def jobs_of(bench: Bench, *, first: int = 1000) -> Iterator[Jobs]:
    numbers = itertools.count(first)
    jobs = Jobs(bench.database, clock=bench.clock, new_id=lambda: f"{next(numbers):024x}")
    try:
        yield jobs
    finally:
        jobs.close()


@contextmanager
def worker_of(bench: Bench, jobs: Jobs, source: Source, *, name: str = "one") -> Iterator[Worker]:
    openers = {
        JobKind.SYNC: lambda job: syncs.opened(bench.workshop, source, bench.origin, job),
        JobKind.PERMISSIONS: lambda job: mirrors.opened(bench.workshop, source, bench.origin, job),
    }

    def tick_id(kind: JobKind, source: SourceName, at: datetime) -> JobId:
        return JobId(bench.keyring.fingerprint("tick", kind, source, at.isoformat()))

    with Worker(jobs=jobs, openers=openers, tick_id=tick_id, name=name, heartbeat_s=HEARTBEAT_S) as worker:
        yield worker


@contextmanager
def serving(worker: Worker) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=worker.serve, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def until(bench: Bench, job: JobId, done: Callable[[Job], bool]) -> Job:
    assert comes_true(lambda: done(bench.job(job))), bench.job(job)
    return bench.job(job)


def ended(job: Job) -> bool:
    return job.state not in OPEN


def run(worker: Worker, source: Source, kind: JobKind = JobKind.SYNC, **options: bool) -> Job:
    return worker.run(kind, source.name, actor=ACTOR, options=options, watch=lambda _: None)


@pytest.fixture
def source(bench: Bench) -> Source:
    bench.origin.files = dict(FILES)
    return bench.apply()


def test_a_job_in_the_foreground_runs_to_its_end(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        job = run(worker, source)
    assert (job.state, job.total, job.done, job.tally["indexed"]) == (JobState.FINISHED, 6, 6, 6)
    assert len(bench.served(source)) == 6


def test_a_queued_job_is_run_by_a_worker_once(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
        assert jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={}, job=asked) == asked
        with pytest.raises(ConflictError, match="is queued already"):
            jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
        with serving(worker):
            job = until(bench, asked, ended)
    assert job.state is JobState.FINISHED
    assert bench.stages.fake_parser.parsed == 6


def test_a_job_that_fails_says_why(bench: Bench, source: Source) -> None:
    def away(_: str) -> None:
        raise RefusedError("The key was revoked.", mend="Make another.")

    bench.origin.on_fetch = away
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        job = run(worker, source)
    assert job.state is JobState.FAILED
    assert job.failure == joblog.Failure(code="refused", message="The key was revoked.", mend="Make another.")


@pytest.fixture
def disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set, it is full: nothing can be written to the catalog, and no end of a job to the database of the jobs."""
    full = threading.Event()
    writing, outcome = Database.writing, SystemDatabase.update_workflow_outcome

    @contextmanager
    def writing_or_full(database: Database) -> Iterator[Session]:
        if full.is_set() and database.name == bench.database.name:
            raise DependencyError("The disk is full.", mend="Make room.")
        with writing(database) as session:
            yield session

    def outcome_or_full(*arguments: object, **named: object) -> None:
        if full.is_set():
            raise OSError
        outcome(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "writing", writing_or_full)
    monkeypatch.setattr(SystemDatabase, "update_workflow_outcome", outcome_or_full)
    yield full
    full.clear()


def test_a_command_ends_on_a_full_disk_and_the_next_one_goes_on(
    bench: Bench, source: Source, disk: threading.Event
) -> None:
    bench.origin.on_fetch = lambda origin_id: disk.set() if origin_id == "03.md" else None
    with (
        jobs_of(bench) as jobs,
        worker_of(bench, jobs, source) as worker,
        pytest.raises(DependencyError, match="could not be written down"),
    ):
        run(worker, source)
    disk.clear()
    bench.origin.on_fetch = lambda _: None
    with jobs_of(bench, first=2000) as jobs, worker_of(bench, jobs, source, name="two") as worker:
        assert run(worker, source).state is JobState.FINISHED
    assert len(bench.served(source)) == 6


def test_a_worker_goes_on_by_itself_when_a_full_disk_has_room_again(
    bench: Bench, source: Source, disk: threading.Event
) -> None:
    bench.origin.on_fetch = lambda origin_id: disk.set() if origin_id == "03.md" else None
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker, serving(worker):
        asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
        assert disk.wait(60)
        bench.origin.on_fetch = lambda _: None
        until_left(worker, asked)
        disk.clear()
        assert until(bench, asked, ended).state is JobState.FINISHED
    assert len(bench.served(source)) == 6


def test_a_job_whose_source_is_in_other_hands_for_too_long_did_not_fail(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LOCK_PATIENCE_S", 0.5)
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        with bench.database.exclusive(source.name), pytest.raises(ConflictError, match="is being worked on"):
            run(worker, source)
        with serving(worker), bench.database.exclusive(source.name):
            asked = jobs.ask(JobKind.PERMISSIONS, source.name, actor=ACTOR, options={})
            assert until(bench, asked, ended).state is JobState.FAILED  # there is nothing to mirror
            assert [job.state for job in open_jobs(bench)] == [JobState.RUNNING]
        with serving(worker):
            (left,) = open_jobs(bench)
            assert until(bench, left.id, ended).state is JobState.FINISHED


def test_a_worker_that_ends_waits_for_no_source_and_leaves_the_job_to_another(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs:
        with bench.database.exclusive(source.name):
            with worker_of(bench, jobs, source) as worker, serving(worker):
                asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
                until(bench, asked, lambda job: job.state is JobState.RUNNING)
            until_left(worker, asked)
        assert bench.job(asked).state is JobState.RUNNING
        with worker_of(bench, jobs, source, name="two") as worker, serving(worker):
            assert until(bench, asked, ended).state is JobState.FINISHED


def open_jobs(bench: Bench) -> tuple[Job, ...]:
    with bench.database.reading() as session:
        return joblog.jobs(session, states=OPEN)


def test_a_worker_beats_on_after_any_error_and_never_takes_itself_for_dead(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat, troubles = joblog.beat, iter([SettingsError("The password file is empty.", mend="Fill it.")])

    def stumbling(session: Session, worker: str, *, host: str, pid: int) -> None:
        trouble = next(troubles, None)
        if trouble is not None:
            raise trouble
        beat(session, worker, host=host, pid=pid)

    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        monkeypatch.setattr(joblog, "beat", stumbling)
        with bench.database.writing() as session:
            joblog.dismiss(session, "one")
        bench.origin.on_fetch = lambda _: time.sleep(HEARTBEAT_S / 3)
        with serving(worker):
            asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
            assert until(bench, asked, ended).state is JobState.FINISHED
        with bench.database.reading() as session:
            assert [living.id for living in joblog.workers(session)] == ["one"]
    assert bench.origin.fetched == sorted(FILES)


def test_a_job_that_is_paused_before_it_begins_stays_paused(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs:
        asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
        jobs.pause(asked, actor=ACTOR)
        with bench.database.writing() as session:
            joblog.start(session, asked, now=bench.clock())
            lost = DependencyError("It was lost.", mend="Ask again.")
            joblog.end(session, asked, JobState.FAILED, now=bench.clock(), error=lost, among={JobState.RUNNING})
        assert bench.job(asked).state is JobState.PAUSED
        jobs.resume(asked, actor=ACTOR)
        with worker_of(bench, jobs, source) as worker, serving(worker):
            assert until(bench, asked, ended).state is JobState.FINISHED


@pytest.mark.parametrize("schedule", ["0 0 29 2 *", "0 0 31 2,3 *", "0 0 31 2 1", "5/10 1-3 */7 * 0-6"])
def test_a_schedule_that_a_manifest_may_have_has_times(schedule: str) -> None:
    source = handbook.source(("*/15 * * * *", schedule))
    assert len(list(due([source], {}, datetime(2026, 11, 21, tzinfo=UTC)))) == 1


def test_schedules_go_on_when_the_clock_was_ahead(bench: Bench) -> None:
    source = bench.apply()
    now = bench.clock()
    for asked in (None, now - timedelta(days=1), now + timedelta(days=1)):
        latest = {} if asked is None else {(JobKind.SYNC, source.name): asked}
        assert [kind for kind, _, _ in due([source], latest, now)] == [JobKind.SYNC]
    assert not list(due([source], {(JobKind.SYNC, source.name): now}, now))


def test_the_last_job_of_a_kind_is_remembered_for_the_schedules(bench: Bench, source: Source) -> None:
    for _ in range(2):
        bench.sync(source)
        bench.clock.forward(timedelta(days=1))
    with bench.database.writing() as session:
        assert len(joblog.forget_ended(session, before=bench.clock())) == 1
        assert list(joblog.latest(session)) == [(JobKind.SYNC, source.name)]


def until_left(worker: Worker, job: JobId) -> None:
    assert comes_true(lambda: job in worker._left)  # noqa: SLF001 - nothing tells it from outside


def test_a_paused_job_goes_on_where_it_was_and_a_cancelled_one_does_not(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker, serving(worker):
        gate = threading.Event()

        def wait(origin_id: str) -> None:
            if origin_id == "02.md":
                gate.wait(60)

        bench.origin.on_fetch = wait
        asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
        until(bench, asked, lambda job: job.done == 2)
        jobs.pause(asked, actor=ACTOR)
        gate.set()
        until(bench, asked, lambda job: job.done == 3)
        time.sleep(2 * HEARTBEAT_S)
        assert (bench.job(asked).state, bench.job(asked).done) == (JobState.PAUSED, 3)
        jobs.resume(asked, actor=ACTOR)
        assert until(bench, asked, ended).state is JobState.FINISHED
        assert sorted(bench.origin.fetched) == sorted(FILES)
        with pytest.raises(ConflictError, match="is finished"):
            jobs.cancel(asked, actor=ACTOR)


def test_a_cancelled_job_leaves_nothing_of_what_it_listed(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
        jobs.cancel(asked, actor=ACTOR)
        assert bench.job(asked).state is JobState.CANCELLED
        job = run(worker, source)
    assert job.state is JobState.FINISHED
    assert job.id != asked


def runs_of(bench: Bench) -> str:
    """All that is kept of runs, as text."""
    if catalogs.kind() == "sqlite":
        with closing(sqlite3.connect(bench.home.root / "jobs.db")) as connection:
            return "\n".join(connection.iterdump())
    url = catalogs.engine_url(bench.home.catalog)
    tables = postgres.query(url, "SELECT 'dbos.' || tablename FROM pg_tables WHERE schemaname = 'dbos'")
    return "\n".join(row for table in tables for row in postgres.query(url, f"SELECT t::text FROM {table} AS t"))  # noqa: S608


def test_inputs_and_outputs_hold_ids_only(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        run(worker, source)
    dump = runs_of(bench)
    assert "penstock.job" in dump
    assert "Document" not in dump
    assert ".md" not in dump
    assert "py_pickle" not in dump


@contextmanager
def lone_worker(bench: Bench, stuck_at: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, which never comes behind one document."""
    command = [sys.executable, "-m", "tests.indexer.test_jobs", str(bench.home.root), stuck_at]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _serve_alone(root: Path, stuck_at: str) -> None:
    def wait(origin_id: str) -> None:
        if origin_id == stuck_at:
            time.sleep(600)

    with opened(root, origin=FakeOrigin(files=dict(FILES), on_fetch=wait), first_id=500) as bench:
        source = parse_manifest(handbook.TEXT)
        with jobs_of(bench, first=5000) as jobs, worker_of(bench, jobs, source, name="lone") as worker:
            worker.serve(threading.Event())


def test_the_job_of_a_killed_worker_is_finished_by_another_and_nothing_is_done_twice(
    bench: Bench, source: Source
) -> None:
    with jobs_of(bench) as jobs:
        asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
        with lone_worker(bench, "03.md"):
            until(bench, asked, lambda job: job.done == 3)
        with worker_of(bench, jobs, source) as worker, serving(worker):
            # Two heartbeats, and what a busy machine adds.
            with patient(20 * HEARTBEAT_S):
                until(bench, asked, lambda job: job.done > 3)
            job = until(bench, asked, ended)
    assert (job.state, job.done, job.tally["indexed"]) == (JobState.FINISHED, 6, 6)
    assert bench.origin.fetched == ["03.md", "04.md", "05.md"]
    assert len(bench.served(source)) == 6
    assert verify(bench.workshop) == ()


def test_a_foreground_sync_goes_on_with_what_a_killed_one_left(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs:
        asked = jobs.ask(JobKind.SYNC, source.name, actor=ACTOR, options={})
        with lone_worker(bench, "03.md") as process:
            until(bench, asked, lambda job: job.done == 3)
            with worker_of(bench, jobs, source) as worker:
                with pytest.raises(ConflictError, match=f"is running already: job {asked}"):
                    run(worker, source)
                process.kill()
                process.wait()
                job = run(worker, source)
    assert (job.id, job.state, job.tally["indexed"]) == (asked, JobState.FINISHED, 6)
    assert bench.origin.fetched == ["03.md", "04.md", "05.md"]


def test_a_schedule_starts_a_job_once_for_each_of_its_times(bench: Bench) -> None:
    bench.origin.files = dict(FILES)
    source = bench.apply(("sync: ", "sync: "))
    assert source.schedule.sync == "*/15 * * * *"
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker, serving(worker):

        def finished(number: int) -> bool:
            with bench.database.reading() as session:
                found = joblog.jobs(session, source=source.name)
            return [job.state for job in found] == [JobState.FINISHED] * number

        for number in (1, 2):
            assert comes_true(partial(finished, number))
            time.sleep(2 * HEARTBEAT_S)
            assert finished(number)
            bench.clock.forward(timedelta(minutes=15))


def test_a_job_that_was_written_down_and_never_offered_is_offered(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        asked = jobs.write_down(JobKind.SYNC, source.name, actor=ACTOR, options={})
        with serving(worker):
            assert until(bench, asked, ended).state is JobState.FINISHED


def test_a_job_that_a_restored_catalog_brings_back_does_not_block_the_source(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        job = run(worker, source)
        with bench.database.writing() as session:
            session.connection().execute(text_of("UPDATE job SET state = 'running', ended_at = NULL"))
        assert run(worker, source).state is JobState.FINISHED
        assert bench.job(job.id).state is JobState.FAILED


def test_jobs_that_ended_long_ago_are_forgotten(bench: Bench, source: Source) -> None:
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        job = run(worker, source)
        bench.clock.forward(timedelta(days=31))
        with serving(worker):
            assert comes_true(lambda: not bench_has(bench, job.id))


def bench_has(bench: Bench, job: JobId) -> bool:
    with bench.database.reading() as session:
        return joblog.exists(session, job)


if __name__ == "__main__":
    _serve_alone(Path(sys.argv[1]), sys.argv[2])
