"""Purges and erasures as jobs."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from indexer import erase, joblog, purges, upkeep
from indexer.joblog import Job, JobId, JobKind, JobState, Options
from indexer.jobs import Jobs
from indexer.protect import place
from indexer.schedules import due
from indexer.worker import Worker
from policies.errors import ConflictError, IntegrityError
from policies.manifest import Source
from policies.model import SourceName
from policies.orders import OrderKind
from policies.purge import ErasureRequest, PurgeKind
from tests import catalogs
from tests.indexer.test_jobs import bench_has, ended, jobs_of, serving, until
from tests.indexer.workbench import ACTOR, MODIFIED, Bench, Killed, killed_at, opened, text
from tests.patience import comes_true
from tests.policies import handbook

NAME = "quentin.md"
LATER = MODIFIED + timedelta(days=800)
"""By then all documents are past their retention."""
SCRIPTS = frozenset({erase.__file__, upkeep.__file__})


@pytest.fixture
def source(bench: Bench) -> Source:
    bench.origin.files = {
        NAME: text("Quentin", "Quentin was warned in May."),
        "leave.md": text("Leave", "Everyone has some."),
    }
    applied = bench.apply()
    bench.sync(applied)
    return applied


def request_for(bench: Bench, source: Source, *names: str) -> ErasureRequest:
    documents = frozenset(bench.id(source, name) for name in names)
    return ErasureRequest(documents=documents, reference="DSR-12", ground="withdrawn_consent")


def ask(bench: Bench, kind: JobKind, source: Source, options: Options) -> Job:
    job = JobId(bench.workshop.new_id())
    with bench.database.writing() as session:
        joblog.ask(session, job, kind, source.name, actor=ACTOR, options=options, now=bench.clock())
    return bench.job(job)


def erasure(bench: Bench, source: Source, *names: str) -> Job:
    return ask(bench, JobKind.ERASE, source, purges.options_of(request_for(bench, source, *names)))


def carry_on(bench: Bench, source: Source, job: Job) -> Job:
    opener = upkeep.purging if job.kind is JobKind.PURGE else upkeep.erasing
    with opener(bench.workshop, source, job) as run:
        assert run.prepare() == 0
        run.finish()
    return bench.job(job.id)


def receipts(bench: Bench, source: Source) -> list[dict[str, object]]:
    with bench.database.reading() as session:
        return [json.loads(signed)["receipt"] for signed in erase.receipts(session, source.name)]


def test_a_purge_deletes_what_is_due_and_notes_what_ended(bench: Bench, source: Source) -> None:
    bench.clock.now = LATER
    job = carry_on(bench, source, ask(bench, JobKind.PURGE, source, {}))
    assert (job.state, job.notes) == (JobState.FINISHED, {"purges": [job.id], "documents": 2})
    ((purge, kind),) = [(receipt["purge"], receipt["kind"]) for receipt in receipts(bench, source)]
    assert (purge, kind) == (job.id, PurgeKind.RETENTION)
    assert bench.served(source) == frozenset()


def test_a_purge_with_nothing_due_is_finished_and_says_so(bench: Bench, source: Source) -> None:
    job = carry_on(bench, source, ask(bench, JobKind.PURGE, source, {}))
    assert (job.state, job.notes) == (JobState.FINISHED, {"purges": [], "documents": 0})
    assert receipts(bench, source) == []


def test_an_erasure_deletes_what_its_request_names(bench: Bench, source: Source) -> None:
    job = carry_on(bench, source, erasure(bench, source, NAME))
    assert (job.state, job.notes) == (JobState.FINISHED, {"purges": [job.id], "documents": 1})
    (receipt,) = receipts(bench, source)
    assert (receipt["kind"], receipt["reference"], receipt["actor"]) == (PurgeKind.ERASURE, "DSR-12", ACTOR)
    assert bench.served(source) == {bench.id(source, "leave.md")}


def test_what_an_erasure_is_told_comes_back_as_it_was(bench: Bench, source: Source) -> None:
    request = request_for(bench, source, NAME, "leave.md")
    assert purges.request_of(json.loads(json.dumps(purges.options_of(request)))) == request


@pytest.mark.parametrize("options", [{}, {"documents": "x", "reference": "y", "ground": "z"}, {"documents": []}])
def test_a_job_that_does_not_say_what_to_erase_erases_nothing(bench: Bench, source: Source, options: Options) -> None:
    job = ask(bench, JobKind.ERASE, source, options)
    with pytest.raises(IntegrityError, match="does not say what"), upkeep.erasing(bench.workshop, source, job):
        pass


def test_nobody_deletes_while_another_writes(bench: Bench, source: Source) -> None:
    for job in (ask(bench, JobKind.PURGE, source, {}), erasure(bench, source, NAME)):
        with bench.database.exclusive(source.name), pytest.raises(ConflictError, match="being worked on"):
            carry_on(bench, source, job)


def end_of(bench: Bench, source: Source, job: JobId) -> tuple[object, ...]:
    with bench.database.reading() as session:
        stands = purges.find(session, job)
    return (
        bench.job(job).state,
        (stands.state, stands.step, stands.documents),
        [(receipt["purge"], receipt["documents"]) for receipt in receipts(bench, source)],
        bench.served(source),
        set(bench.documents(source)),
        bench.keyring.tombstones(),
        bench.keyring.needle_purges(),
    )


def asked_purge(bench: Bench, source: Source) -> Job:
    return ask(bench, JobKind.PURGE, source, {})


def asked_erasure(bench: Bench, source: Source) -> Job:
    return erasure(bench, source, NAME)


@pytest.mark.parametrize("asked", [asked_purge, asked_erasure])
def test_a_job_killed_at_any_line_goes_on_to_the_same_end_with_one_receipt(
    bench: Bench, source: Source, tmp_path: Path, asked: Callable[[Bench, Source], Job]
) -> None:
    bench.clock.now = LATER
    job = asked(bench, source)
    bench.database.checkpoint()
    bench.keyring.database.checkpoint()
    bench.database.close()
    catalogs.copy_home(bench.home.root, tmp_path / "before")
    carry_on(bench, source, job)
    expected = end_of(bench, source, job.id)
    deaths = 0
    for step in range(0, 1000, 16):
        root = tmp_path / f"copy-{step}"
        catalogs.copy_home(tmp_path / "before", root)
        with (
            opened(root, origin=bench.origin, now=LATER, first_id=1000) as dying,
            suppress(Killed),
            killed_at(step, SCRIPTS),
        ):
            carry_on(dying, source, job)
            break
        deaths += 1
        with opened(root, origin=bench.origin, now=LATER, first_id=2000) as resumed:
            carry_on(resumed, source, job)
            assert end_of(resumed, source, job.id) == expected
        shutil.rmtree(root)
        catalogs.drop(root)
    assert deaths > 8


def worker_of(bench: Bench, jobs: Jobs, source: Source) -> Worker:
    openers = {
        JobKind.PURGE: lambda job: upkeep.purging(bench.workshop, source, job),
        JobKind.ERASE: lambda job: upkeep.erasing(bench.workshop, source, job),
    }

    def tick_id(kind: JobKind, name: SourceName, at: datetime) -> JobId:
        return JobId(bench.keyring.fingerprint("tick", kind, name, at.isoformat()))

    return Worker(jobs=jobs, openers=openers, tick_id=tick_id, name="one", heartbeat_s=0.6)


def test_where_an_order_was_placed_meanwhile_the_job_fails_and_says_why(bench: Bench, source: Source) -> None:
    options = purges.options_of(request_for(bench, source, NAME))
    with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker:
        asked = jobs.ask(JobKind.ERASE, source.name, actor=ACTOR, options=options)
        hold = place(bench.workshop, OrderKind.HOLD, source.name, [], reference="LIT-1", by=ACTOR)
        with serving(worker):
            job = until(bench, asked, ended)
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert job.failure.code == "conflict"
    assert hold.id in job.failure.message
    assert "Art. 17(3)" in job.failure.mend
    assert len(bench.served(source)) == 2


@pytest.mark.parametrize("state", ["active", "suspended", "draft"])
def test_purges_are_due_whatever_the_state_of_the_source(state: str) -> None:
    source = scheduled(state)
    kinds = [kind for kind, _, _ in due([source], {}, LATER)]
    assert kinds == ([JobKind.PURGE, JobKind.SYNC] if state == "active" else [JobKind.PURGE])


def scheduled(state: str) -> Source:
    return handbook.source(
        ('schedule: {sync: "*/15 * * * *"}', 'schedule: {sync: "*/15 * * * *", purge: "0 3 * * *"}'),
        ("state: active", f"state: {state}"),
    )


def test_a_schedule_has_a_worker_delete_what_is_due(bench: Bench, source: Source) -> None:
    suspended = bench.apply(
        ('schedule: {sync: "*/15 * * * *"}', 'schedule: {purge: "0 3 * * *"}'), ("state: active", "state: suspended")
    )
    bench.clock.now = LATER
    (tick,) = [at for _, _, at in due([suspended], {}, LATER)]
    with jobs_of(bench) as jobs, worker_of(bench, jobs, suspended) as worker, serving(worker):
        asked = worker.tick_id(JobKind.PURGE, source.name, tick)
        until_asked(bench, asked)
        job = until(bench, asked, ended)
    assert (job.state, job.actor, job.notes["documents"]) == (JobState.FINISHED, "scheduler", 2)


def until_asked(bench: Bench, job: JobId) -> None:
    assert comes_true(lambda: bench_has(bench, job))
