"""Jobs: what there is to do, what is being done and how it ended; and the worker that does it."""

import re
import signal
import threading
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli.running import plain, progress_of, rounded, say_held, would_remove
from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show, show_json, show_table
from policies.errors import RefusedError
from policies.model import SourceName

if TYPE_CHECKING:
    from indexer.joblog import Job, JobId

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The id that `penstock jobs` shows.")]
MAX_LISTED = 50
_JOB_ID = re.compile(r"[0-9a-f]{24}")


class ListByDefault(TyperGroup):
    """A group whose `list` may be left out: `penstock jobs handbook` is `penstock jobs list handbook`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's, where Typer keeps it now
        """Name the command where none is named."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def list_jobs(
    source: Annotated[str | None, typer.Argument(help="Name of a source; all of them by default.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the youngest.")] = MAX_LISTED,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the youngest first: how each stands, how fast it is, how long it will take and why it failed.

    `list` may be left out: penstock jobs.

    Example: [bold]penstock jobs list handbook[/bold]
    """
    from gateway.wiring import clock
    from indexer import catalog, joblog

    with installation(home) as opened, opened.database.reading() as session:
        name = None if source is None else catalog.require(session, SourceName(source)).name
        found = joblog.jobs(session, source=name, limit=limit)
    now = clock()
    if as_json:
        show_json([plain(job, now) for job in found])
        return
    if not found:
        say("There is no job.")
        return
    columns = ("job", "kind", "source", "state", "asked", "progress", "failure")
    show_table(columns, (_row(job, now) for job in found), whole=columns[:4])


def show_job(job: JobArgument, *, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show a job: what was asked for by whom, how far it is, what became of documents, and what it would remove.

    Example: [bold]penstock jobs show 5f0c1d0e8a7b4c3d9e2f1a0b[/bold]
    """
    from gateway.wiring import clock
    from indexer import joblog

    with installation(home) as opened:
        with opened.database.reading() as session:
            found = joblog.job(session, _id(job))
        if as_json:
            names = would_remove(opened, found)
            removal = [{"document": document, "origin_id": name} for document, name in names.items()]
            show_json(plain(found, clock()) | {"would_remove": removal})
            return
        now = clock()
        show(f"{found.id}: {found.kind} {found.source}".rstrip() + f", {found.state}, {progress_of(found, now)}")
        wanted = ", ".join(name for name, given in sorted(found.options.items()) if given is True)
        show(f"asked by {found.actor} at {found.asked_at:%Y-%m-%d %H:%M} UTC{f', with {wanted}' if wanted else ''}")
        if found.ended_at:
            show(f"ended at {found.ended_at:%Y-%m-%d %H:%M} UTC")
        for name, number in sorted(found.tally.items()):
            show(f"  {name}: {number}")
        for finding in found.notes.get("findings", ()):
            show(f"  {finding['source'] or 'home'}: {finding['fault']}: {finding['what']}")
        if found.failure:
            show(f"{found.failure.code}: {found.failure.message} {found.failure.mend}")
            say_held(opened, found)


def pause(job: JobArgument, *, home: HomeOption = None) -> None:
    """Have a job wait. It ends the document it is at; what it stored stays.

    Example: [bold]penstock jobs pause 5f0c1d0e8a7b4c3d9e2f1a0b[/bold]
    """
    with installation(home) as opened:
        opened.jobs().pause(_id(job), actor=operator())
    say(f"Job {job} is paused. To go on: penstock jobs resume {job}")


def resume(job: JobArgument, *, home: HomeOption = None) -> None:
    """Have a worker go on with a paused job.

    Example: [bold]penstock jobs resume 5f0c1d0e8a7b4c3d9e2f1a0b[/bold]
    """
    with installation(home) as opened:
        opened.jobs().resume(_id(job), actor=operator())
    say(f"Job {job} waits for a worker. What runs it: penstock worker")


def cancel(job: JobArgument, *, home: HomeOption = None) -> None:
    """End a job. It ends the document it is at; what it stored stays.

    Example: [bold]penstock jobs cancel 5f0c1d0e8a7b4c3d9e2f1a0b[/bold]
    """
    with installation(home) as opened:
        opened.jobs().cancel(_id(job), actor=operator())
    say(f"Job {job} is cancelled.")


def worker(*, home: HomeOption = None) -> None:
    """Run jobs until stopped: those that are asked for, those that dead workers left, and what schedules say.

    SIGTERM or Ctrl-C stop it behind the document it is at. Whatever is left goes on with the next worker.

    Example: [bold]penstock worker[/bold]
    """
    stop = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        stop.set()
        # Whoever does not want to wait for the document says it again.
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with installation(home) as opened, opened.worker() as hands:
        say("Working (Ctrl-C stops it).")
        hands.serve(stop)
        say("Stopping behind the present document.")
    say("Stopped.")


def _id(text: str) -> "JobId":
    from indexer.joblog import JobId

    if not _JOB_ID.fullmatch(text):
        raise RefusedError(f"There is no job {text!r}.", mend="List them with: penstock jobs")
    return JobId(text)


def _row(job: "Job", now: datetime) -> tuple[object, ...]:
    rate, left = job.rate(now), job.left(now)
    progress = [
        f"{job.done}/{'?' if job.total is None else job.total}",
        "" if rate is None else f"{rate:.1f}/s",
        "" if left is None else f"{rounded(left)} left",
    ]
    asked, failure = f"{job.asked_at:%m-%d %H:%M}", job.failure.code if job.failure else ""
    return (job.id, job.kind, job.source, job.state, asked, " ".join(filter(None, progress)), failure)
