"""Running jobs: those asked for, those that dead workers left, and those that schedules start."""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)

from connectors.patience import patiently
from indexer import asked, catalog, joblog
from indexer.durable import Executor, step
from indexer.joblog import OPEN, UNDER_WAY, Job, JobId, JobKind, JobState, Options
from indexer.jobs import CONTENT, PERMISSIONS, Jobs
from indexer.liveness import DeathWatch, host
from indexer.run import Run, StoppedError
from indexer.schedules import due
from policies.errors import ConflictError, DependencyError, IntegrityError, PenstockError
from policies.manifest import parse
from policies.model import SourceName

HEARTBEAT_S: Final = 10.0
"""Chosen: a worker that did not beat for so long is dead. It beats and looks for dead ones more often than that."""
KEPT: Final = timedelta(days=30)
"""Chosen: how long a job that ended can still be asked about."""
LOCK_PATIENCE_S: Final = 300.0
"""Chosen: how long a job waits for whoever else is at work on its source."""
WATCH_S: Final = 0.2
RECORDING_PATIENCE_S: Final = 2.0
"""Chosen: how long the record of an end may take that is milliseconds away, unless the disk is full."""
ATTEMPTS: Final = 5

T = TypeVar("T")
Open = Callable[[Job], AbstractContextManager[Run]]
"""What makes a run of a job, as `indexer.sync.opened` does."""


class _StopError(BaseException):
    """This process is about to end, and the job is left to be gone on with."""


class _StepError(BaseException):
    """A step failed. No Exception: DBOS records those, and a job that is gone on with would fail of it again."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


@dataclass
class Worker:
    """Runs jobs in this process, one at a time, and mirrorings of permissions beside. There is one in a process.

    `openers` make the run of a job of each kind, `tick_id` the id of the job that a schedule starts at an instant.
    """

    jobs: Jobs
    openers: Mapping[JobKind, Open]
    tick_id: Callable[[JobKind, SourceName, datetime], JobId]
    name: str
    heartbeat_s: float = HEARTBEAT_S
    _ending: threading.Event = field(default_factory=threading.Event)
    _gone: threading.Event = field(default_factory=threading.Event)
    _steps: threading.Condition = field(default_factory=threading.Condition)
    _in_step: int = 0
    _left: dict[JobId, float] = field(default_factory=dict)
    """The jobs that this process came to the end of, with when, until that is seen to be recorded."""
    _busy: dict[JobId, ConflictError] = field(default_factory=dict)
    """Why those of them stopped that found their source in other hands for too long."""
    _open: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self._watch = DeathWatch(patience_s=self.heartbeat_s)

    def __enter__(self) -> Self:
        self._beat()
        beating = threading.Thread(target=self._keep_beating, daemon=True)
        beating.start()
        # The last to go: who stops beating is taken for dead, and a step can take a while to come to its end.
        self._open.callback(beating.join)
        self._open.callback(self._gone.set)
        queues = (CONTENT, PERMISSIONS)
        self._executor = Executor(
            self.jobs.queues.engine,
            lambda run: self._work(JobId(run)),
            name=self.name,
            queues=queues,
            poll_s=self.heartbeat_s / 10,
        )
        self._open.enter_context(self._executor)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let the present steps come to their end, and leave what else there is to be gone on with by others."""
        self._ending.set()
        with self._steps:
            self._steps.wait_for(lambda: not self._in_step, timeout=LOCK_PATIENCE_S)
        self._open.close()
        with suppress(PenstockError), self.jobs.database.writing() as session:
            joblog.dismiss(session, self.name)

    def run(
        self,
        kind: JobKind,
        source: SourceName,
        *,
        actor: str,
        options: Options,
        watch: Callable[[Job], None],
    ) -> Job:
        """Do a job here and now, or go on with the one that a dead process left; it, ended.

        Raises:
            ConflictError: a live process has one of this kind open on the source, or it is paused.
            DependencyError: what became of it could not be written down; it is gone on with when it is asked for again.
        """
        self.jobs.reconcile()
        with self.jobs.database.reading() as session:
            left = [job for job in joblog.jobs(session, source=source, states=OPEN) if job.kind is kind]
        if left:
            self._adopt(left[0])
            job_id = left[0].id
        else:
            job_id = self.jobs.write_down(kind, source, actor=actor, options=options)
            self._executor.start(job_id)
        while True:
            with self.jobs.database.reading() as session:
                job = joblog.job(session, job_id)
            watch(job)
            overdue = self._is_overdue(job_id)
            if (job.state not in OPEN or job.state is JobState.PAUSED) and (overdue or not self._is_at_work(job_id)):
                return job
            if overdue and job_id in self._busy:
                raise self._busy[job_id]
            if overdue:
                raise DependencyError(
                    f"The {job.kind} of {job.source!r} stopped, and that could not be written down.",
                    mend="See that the disk is not full, then run the same command again: it goes on where it was.",
                )
            time.sleep(WATCH_S)

    def serve(self, stop: threading.Event) -> None:
        """Run what is asked for, go on with what dead workers left, and start what the schedules say, until `stop`."""
        pruned = self.jobs.clock() - KEPT
        while not stop.wait(self.heartbeat_s / 4):
            try:
                self.jobs.reconcile()
                self._adopt_all()
                self._offer_overdue()
                self._start_due()
                if self.jobs.clock() - pruned > timedelta(hours=1):
                    pruned = self.jobs.clock()
                    self._prune()
            except PenstockError:
                # The database is away or busy, or its password file is just rewritten. What is due stays due.
                continue

    def _work(self, job: JobId) -> None:
        """The workflow: a job from its first step, or from behind the last that is recorded."""
        self._left.pop(job, None)
        self._busy.pop(job, None)
        try:
            self._do(job)
        finally:
            self._left[job] = time.monotonic()

    def _do(self, job: JobId) -> None:
        try:
            with self._opened(job) as run:
                if run is None:
                    return
                for unit in range(self._step("prepare", run.prepare)):
                    self._step("do", partial(run.do, unit))
                self._step("finish", run.finish)
        except StoppedError:
            raise _StopError from None
        except PenstockError as error:
            self._fail(job, error)
        except OSError as error:
            full = DependencyError(
                f"The disk or the network failed ({type(error).__name__}).",
                mend="See that the disk is not full, then start it again; what it stored is kept.",
            )
            self._fail(job, full)
        except Exception as error:
            fault = IntegrityError(
                f"A fault of Penstock ended the job ({type(error).__name__}).",
                mend="Report it; what the job stored is kept.",
            )
            self._fail(job, fault)
            raise

    @contextmanager
    def _opened(self, job_id: JobId) -> Iterator[Run | None]:
        """The run of a job, as soon as nobody else is at work on its source; None where it was paused or has ended."""
        with self.jobs.database.writing() as session:
            joblog.start(session, job_id, now=self.jobs.clock())
            job = joblog.job(session, job_id)
        if job.state is not JobState.RUNNING:
            yield None
            return
        opener = self.openers[job.kind]
        patience = Retrying(
            retry=retry_if_exception_type(ConflictError),
            wait=wait_exponential_jitter(multiplier=WATCH_S, max=self.heartbeat_s / 2),
            stop=stop_after_delay(LOCK_PATIENCE_S),
            sleep=sleep_using_event(self._ending),
            reraise=True,
        )
        try:
            for attempt in patience:
                with attempt, self._before_the_end():
                    run = _entered(opener, job)
        except ConflictError as error:
            # Whoever has it may be at work on this very job. It did not fail: it is tried again, by any worker.
            self._busy[job_id] = error
            raise _StopError from None
        with run as entered:
            yield entered

    def _fail(self, job: JobId, error: PenstockError) -> None:
        with self.jobs.database.writing() as session:
            joblog.end(session, job, JobState.FAILED, now=self.jobs.clock(), error=error, among=UNDER_WAY)

    def _step(self, name: str, call: Callable[[], T]) -> T:
        """A recorded step of the present job."""
        with self._before_the_end():
            try:
                return step(name, partial(_patiently, call))
            except _StepError as failed:
                raise failed.error from None

    @contextmanager
    def _before_the_end(self) -> Iterator[None]:
        """What this process waits for when it ends, and what no longer begins once it is about to."""
        with self._steps:
            if self._ending.is_set():
                raise _StopError
            self._in_step += 1
        try:
            yield
        finally:
            with self._steps:
                self._in_step -= 1
                self._steps.notify_all()

    def _is_at_work(self, job: JobId) -> bool:
        """Whether this process is still on its way out of a job that ended, with the source in its hands."""
        standing = self.jobs.queues.standings([job]).get(job)
        away = standing is None or standing.waits or standing.stopped or standing.ended
        return not away and standing is not None and standing.executor == self.name

    def _is_overdue(self, job: JobId) -> bool:
        return time.monotonic() - self._left.get(job, math.inf) > RECORDING_PATIENCE_S

    def _offer_overdue(self) -> None:
        """Offer again what stopped in this process without a record of that: the disk was full then."""
        for job in [job for job in list(self._left) if self._is_overdue(job)]:
            if self._is_at_work(job):
                with self.jobs.database.reading() as session:
                    kind = joblog.job(session, job).kind
                self.jobs.offer_again(job, kind)
            self._left.pop(job, None)
            self._busy.pop(job, None)

    def _adopt_all(self) -> None:
        """Take the jobs of dead workers to be gone on with by any live one."""
        holders = self.jobs.queues.held_by()  # first: whoever begins to hold something has said before that it lives
        with self.jobs.database.reading() as session:
            workers = joblog.workers(session)
        live = {self.name, *(worker.id for worker in workers if not self._watch.is_dead(worker))}
        dead = holders - live
        if dead:
            self._executor.recover(dead)
        for worker in workers:
            if worker.id not in live:
                with self.jobs.database.writing() as session:
                    joblog.dismiss(session, worker.id)

    def _adopt(self, job: Job) -> None:
        """Go on with a job that was left, or that waits for a worker.

        Raises:
            ConflictError: it is paused, or whoever runs it lives.
        """
        deadline_s = time.monotonic() + 2 * self.heartbeat_s
        while job.state is not JobState.PAUSED and time.monotonic() < deadline_s:
            with self.jobs.database.reading() as session:
                workers = {worker.id: worker for worker in joblog.workers(session)}
            standing = self.jobs.queues.standings([job.id]).get(job.id)
            if standing is None or standing.waits:
                return
            holder = workers.get(standing.executor)
            if holder is None or self._watch.is_dead(holder):
                self._adopt_all()
                return
            if self._watch.has_beaten(holder):
                break
            time.sleep(WATCH_S)
        raise ConflictError(
            f"A {job.kind} of {job.source!r} is {job.state} already: job {job.id}.",
            mend=f"See it with `penstock jobs show {job.id}`; wait for it, resume it or cancel it.",
        )

    def _start_due(self) -> None:
        """Ask for what the schedules of sources say, once for each of their times, by whichever worker."""
        now = self.jobs.clock()
        with self.jobs.database.reading() as session:
            sources = [parse(held.manifest, path="catalog") for held in catalog.registrations(session)]
            latest = joblog.latest(session)
        for kind, source, tick in due(sources, latest, now):
            with suppress(ConflictError):  # one is open
                self.jobs.ask(kind, source, actor="scheduler", options={}, job=self.tick_id(kind, source, tick))

    def _prune(self) -> None:
        with self.jobs.database.writing() as session:
            ids = joblog.forget_ended(session, before=self.jobs.clock() - KEPT)
            for held in catalog.registrations(session):
                asked.expire(session, parse(held.manifest, path="catalog"), self.jobs.clock())
        if ids:
            self.jobs.queues.forget(ids)

    def _keep_beating(self) -> None:
        while not self._gone.wait(self.heartbeat_s / 3):
            with suppress(PenstockError):
                self._beat()

    def _beat(self) -> None:
        with self.jobs.database.writing() as session:
            joblog.beat(session, self.name, host=host(), pid=os.getpid())


def _entered(opener: Open, job: Job) -> AbstractContextManager[Run]:
    """A run that is open already; leaving the block closes it."""
    manager = opener(job)
    run = manager.__enter__()

    @contextmanager
    def leaving() -> Iterator[Run]:
        try:
            yield run
        except BaseException as error:
            if not manager.__exit__(type(error), error, error.__traceback__):
                raise
        else:
            manager.__exit__(None, None, None)

    return leaving()


def _patiently(call: Callable[[], T]) -> T:
    """What `call` returns, tried again where what failed may pass: the origin, a sandbox, a busy database."""
    busy = Retrying(
        retry=retry_if_exception_type(ConflictError),
        wait=wait_exponential_jitter(multiplier=WATCH_S, max=HEARTBEAT_S),
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
    )
    try:
        for attempt in busy:
            with attempt:
                return patiently(call)
    except Exception as error:
        raise _StepError(error) from error
    raise AssertionError
