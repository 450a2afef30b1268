"""Having jobs done: here, while one watches, or by whichever worker comes to it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from gateway.cli.exits import RETRY, exit_code, exit_code_of
from gateway.cli.shell import operator, say
from gateway.cli.sources import origin_ids
from policies.errors import PenstockError
from policies.model import DocumentId, SourceName

if TYPE_CHECKING:
    from gateway.wiring import Installation
    from indexer.joblog import Job, JobKind, Options

LINES_PER_JOB = 10
"""Chosen: how often a job without a terminal says how far it is."""
MAX_NAMED = 20
"""Chosen: documents that a held sync is shown with; `penstock jobs show --json` has more."""

REASON = "reason:"
"""How the keys of a tally begin that count quarantined documents by reason."""


def carry_out(
    opened: "Installation", kind: "JobKind", sources: Sequence[SourceName], options: "Options", *, queue: bool
) -> tuple[list["Job"], int]:
    """Have a job of this kind done on each source; the jobs as they are then, and the exit code of the command.

    With `queue` they are asked for and left to a worker. What goes wrong with one keeps no other from being done.
    """
    jobs: list[Job] = []
    code = 0
    with _hands(opened, kind, options, queue=queue) as carry:
        for source in sources:
            try:
                job = carry(source)
            except PenstockError as error:
                code = max(code, exit_code(error))
                say(f"{source}: error: {error}" if source else f"error: {error}")
                continue
            jobs.append(job)
            code = max(code, 0 if queue else _tell_end(opened, job))
    return jobs, code


def plain(job: "Job", now: datetime) -> dict[str, object]:
    """A job, for scripts."""
    failure, rate, left = job.failure, job.rate(now), job.left(now)
    return {
        "job": job.id,
        "kind": job.kind.value,
        "source": job.source,
        "state": job.state.value,
        "actor": job.actor,
        "options": dict(job.options),
        "asked_at": job.asked_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "ended_at": job.ended_at.isoformat() if job.ended_at else None,
        "total": job.total,
        "done": job.done,
        "rate": rate,
        "left_s": left.total_seconds() if left is not None else None,
        "tally": dict(job.tally),
        "notes": dict(job.notes),
        "failure": {"code": failure.code, "message": failure.message, "mend": failure.mend} if failure else None,
    }


def progress_of(job: "Job", now: datetime) -> str:
    """How far a job is, in words: documents, rate and time left as far as they are known."""
    total = "" if job.total is None else f" of {job.total}"
    rate, left = job.rate(now), job.left(now)
    said = [f"{job.done}{total} documents"]
    if rate is not None:
        said.append(f"{rate:.1f}/s")
    if left is not None:
        said.append(f"{rounded(left)} left")
    return ", ".join(said)


def rounded(span: timedelta) -> timedelta:
    """A span in whole seconds."""
    return timedelta(seconds=round(span.total_seconds()))


def would_remove(opened: "Installation", job: "Job") -> dict[DocumentId, str]:
    """The documents that a held sync would remove, with their names at the origin, as far as they are there still."""
    from indexer import catalog

    ids = frozenset(job.notes.get("would_remove", ()))
    if not ids:
        return {}
    with opened.database.reading() as session:
        documents = catalog.documents(session, job.source)
    return origin_ids(opened, [documents[document] for document in sorted(ids & documents.keys())])


def say_held(opened: "Installation", job: "Job") -> None:
    """Name the documents that a held sync would remove."""
    names = sorted(would_remove(opened, job).values())
    for name in names[:MAX_NAMED]:
        say(f"  {name}")
    if len(names) > MAX_NAMED:
        say(f"  and {job.tally['would_remove'] - MAX_NAMED} more")


@contextmanager
def _hands(
    opened: "Installation", kind: "JobKind", options: "Options", *, queue: bool
) -> Iterator[Callable[[SourceName], "Job"]]:
    """What does a job on a source, or asks for it."""
    from indexer import joblog

    if queue:
        jobs = opened.jobs()

        def ask(source: SourceName) -> "Job":
            job_id = jobs.ask(kind, source, actor=operator(), options=options)
            say(f"{source}: {kind} asked for, job {job_id}. What runs it: penstock worker".removeprefix(": "))
            with opened.database.reading() as session:
                return joblog.job(session, job_id)

        yield ask
        return
    with opened.worker() as worker:

        def do(source: SourceName) -> "Job":
            try:
                with _watching(source or kind) as watch:
                    return worker.run(kind, source, actor=operator(), options=options, watch=watch)
            except KeyboardInterrupt:
                say(f"{source or kind}: stopping behind the present document. The same command goes on with it.")
                raise

        yield do


def _tell_end(opened: "Installation", job: "Job") -> int:
    """Say how a job ended unless it is finished; the exit code for it."""
    from indexer.joblog import JobState

    who = job.source or job.kind
    match job.state:
        case JobState.FINISHED:
            return 0
        case JobState.PAUSED:
            say(f"{who}: paused. To go on: penstock jobs resume {job.id}")
            return RETRY
        case JobState.CANCELLED:
            say(f"{who}: cancelled. What was stored is kept.")
            return RETRY
    failure = job.failure
    if failure is None:
        say(f"{who}: {job.state}.")
        return RETRY
    if job.state is JobState.HELD:
        say(f"{who}: held: {failure.message}")
        say_held(opened, job)
        say(failure.mend)
    else:
        say(f"{who}: error: {failure.message} {failure.mend}")
    return exit_code_of(failure.code)


@contextmanager
def _watching(name: str) -> Iterator[Callable[["Job"], None]]:
    """What shows how far a job is: a bar on a terminal, some lines elsewhere."""
    if not sys.stderr.isatty():
        from gateway.wiring import clock

        yield _Lines(name, clock)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda job: bar.update(task, completed=job.done, total=job.total)


class _Lines:
    """Says every tenth how far a job is."""

    def __init__(self, name: str, clock: Callable[[], datetime]) -> None:
        self._name = name
        self._clock = clock
        self._said = 0

    def __call__(self, job: "Job") -> None:
        if not job.total or job.done <= self._said:
            return
        step = max(1, job.total // LINES_PER_JOB)
        if job.done == job.total:
            say(f"{self._name}: {job.done} of {job.total} documents")
        elif job.done // step > self._said // step:
            say(f"{self._name}: {progress_of(job, self._clock())}")
        else:
            return
        self._said = job.done


class _Rate(ProgressColumn):
    """Documents a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")
