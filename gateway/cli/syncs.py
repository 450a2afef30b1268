"""Taking documents in, and the other work on sources."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.running import REASON, carry_out, plain, would_remove
from gateway.cli.shell import HomeOption, JsonOption, installation, say, show_json, show_table
from gateway.cli.sources import chosen, described
from policies.model import SourceName

if TYPE_CHECKING:
    from gateway.wiring import Installation
    from indexer.joblog import Job, JobKind

SourcesArgument = Annotated[list[str] | None, typer.Argument(metavar="SOURCE...", help="Names of sources.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every active source.")]
QueueOption = Annotated[
    bool, typer.Option("--queue", help="Ask for it and leave it to a worker, instead of doing it here and now.")
]
OUTCOMES = ("indexed", "unchanged", "quarantined", "removed")


def sync(
    sources: SourcesArgument = None,
    *,
    every: AllOption = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Remove documents even beyond limits.max_deletes.")
    ] = False,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try documents again that could not be read before.")
    ] = False,
    queue: QueueOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring sources to what their origins hold now.

    Each listed document ends as indexed, unchanged or quarantined; penstock quarantine list tells why. A sync that was
    stopped goes on where it was. One that would remove too much removes nothing until it is run with --confirm.

    Example: [bold]penstock sync handbook[/bold]
    """
    from gateway.wiring import clock
    from indexer.joblog import JobKind

    options = {"confirm_deletes": confirm, "retry_quarantined": retry_quarantined}
    with installation(home) as opened:
        wanted = _wanted(opened, sources or [], every=every)
        jobs, code = carry_out(opened, JobKind.SYNC, wanted, options, queue=queue)
        named = [would_remove(opened, job) for job in jobs] if as_json else []
    if as_json:
        removals = ([{"document": document, "origin_id": name} for document, name in names.items()] for names in named)
        show_json(
            [
                plain(job, clock()) | _report(job) | {"would_remove": removal}
                for job, removal in zip(jobs, removals, strict=True)
            ]
        )
    elif jobs and not queue:
        _show_reports(jobs)
    _end(code)


def rebuild(
    sources: SourcesArgument = None,
    *,
    every: AllOption = False,
    queue: QueueOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the indexes of sources anew from the catalog, without asking their origins.

    Example: [bold]penstock rebuild handbook[/bold]
    """
    from indexer.joblog import JobKind

    with installation(home) as opened:
        _plainly(opened, JobKind.REBUILD, _wanted(opened, sources or [], every=every), queue=queue, as_json=as_json)


def permissions(
    sources: SourcesArgument = None,
    *,
    every: AllOption = False,
    queue: QueueOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mirror the permissions of the origins now, without reading documents.

    A source whose mirrored permissions are older than access.documents.max_age shows nothing.

    Example: [bold]penstock permissions handbook[/bold]
    """
    from indexer.joblog import JobKind

    with installation(home) as opened:
        wanted = _wanted(opened, sources or [], every=every, mirrored=True)
        _plainly(opened, JobKind.PERMISSIONS, wanted, queue=queue, as_json=as_json)


def _wanted(opened: "Installation", names: Sequence[str], *, every: bool, mirrored: bool = False) -> list[SourceName]:
    """The sources that are meant; of every one those that are active, and mirror permissions where that is asked."""
    wanted: list[SourceName] = []
    for registered in chosen(opened, names, every=every):
        source = described(registered)
        if every and source.state != "active":
            say(f"{source.name}: left out, its state is {source.state}.")
        elif not (every and mirrored and not source.mirrors_access):
            wanted.append(registered.name)
    return wanted


def _plainly(
    opened: "Installation", kind: "JobKind", sources: Sequence[SourceName], *, queue: bool, as_json: bool
) -> None:
    """Have jobs done that have nothing more to tell than how they ended."""
    from gateway.wiring import clock
    from indexer.joblog import JobState

    jobs, code = carry_out(opened, kind, sources, {}, queue=queue)
    if as_json:
        show_json([plain(job, clock()) for job in jobs])
    else:
        for job in jobs:
            if job.state is JobState.FINISHED:
                say(f"{job.source}: {job.kind} finished.")
    _end(code)


def _report(job: "Job") -> dict[str, object]:
    """What a sync did, by outcome and by reason. What is listed ends as one of the first three outcomes."""
    counts = {outcome: job.tally.get(outcome, 0) for outcome in OUTCOMES}
    reasons = {
        name.removeprefix(REASON): number for name, number in sorted(job.tally.items()) if name.startswith(REASON)
    }
    listed = sum(counts[outcome] for outcome in OUTCOMES if outcome != "removed")
    return {"listed": listed, **counts, "reasons": reasons, "generation": job.notes.get("generation")}


def _show_reports(jobs: Sequence["Job"]) -> None:
    reports = [{"source": job.source, **_report(job)} for job in jobs]
    columns = ("source", "listed", *OUTCOMES)
    show_table(columns, ([report[column] for column in columns] for report in reports))
    quarantined = False
    for job in jobs:
        for name, number in sorted(job.tally.items()):
            if name.startswith(REASON):
                say(f"{job.source}: {number} quarantined as {name.removeprefix(REASON)}.")
                quarantined = True
    if quarantined:
        say("Which documents, and what to do: penstock quarantine list")


def _end(code: int) -> None:
    if code:
        raise typer.Exit(code)
