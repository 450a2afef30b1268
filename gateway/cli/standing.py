"""How sources stand."""

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.running import plain, progress_of, rounded
from gateway.cli.shell import HomeOption, JsonOption, installation, say, show, show_json, show_table
from gateway.cli.sources import chosen, described, origin_ids
from policies.model import ConfidenceStatus

if TYPE_CHECKING:
    from sqlmodel import Session

    from gateway.wiring import Installation
    from indexer.catalog import Registration


def status(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE...", help="Names of sources; all of them by default.")
    ] = None,
    *,
    documents: Annotated[bool, typer.Option("--documents", help="Name every quarantined document.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how each source stands: documents, quarantine with its reasons, index, calibration, and what is being done.

    Example: [bold]penstock status handbook --documents[/bold]
    """
    from gateway.wiring import clock

    with installation(home) as opened:
        registered = chosen(opened, sources or [], every=not sources)
        found = [_Standing(opened, one, now=clock()) for one in registered]
    if as_json:
        show_json([standing.plain(named=documents) for standing in found])
        return
    if not found:
        say("No source is registered. Next: penstock apply MANIFEST")
        return
    columns = ("source", "state", "serving", "indexed", "quarantined", "passages", "index", "confidence")
    show_table(columns, (standing.row() for standing in found))
    for standing in found:
        standing.show_work()
        standing.show_quarantine(named=documents)


class _Standing:
    """One source as it is at one instant."""

    def __init__(self, opened: "Installation", registered: "Registration", *, now: datetime) -> None:
        from indexer import catalog, joblog
        from indexer.joblog import OPEN, JobKind

        self.source = described(registered)
        self.registered = registered
        self.now = now
        with opened.database.reading() as session:
            documents = list(catalog.documents(session, registered.name).values())
            self.counts = catalog.counts(session, registered.name)
            self.confidence = confidence_of(opened, session, registered)
            jobs = joblog.jobs(session, source=registered.name, limit=None)
        self.open_jobs = [job for job in jobs if job.state in OPEN]
        ended = (job for job in jobs if job.kind is JobKind.SYNC and job.state not in OPEN)
        self.last_sync = next(ended, None)
        self.quarantined = [document for document in documents if document.reason]
        self.reasons = Counter(document.reason for document in self.quarantined)
        self.names = origin_ids(opened, self.quarantined)

    def row(self) -> tuple[object, ...]:
        """The source in one line."""
        source, counts = self.source, self.counts
        serving = "on" if source.serving else "off"
        state = (source.name, source.state, serving, counts["indexed"], counts["quarantined"], counts["passages"])
        return (*state, self.index, self.confidence)

    @property
    def index(self) -> str:
        """Whether what is stored is what is searched."""
        if self.registered.generation is None:
            return "none"
        return "behind" if self.registered.unpublished else "current"

    def show_work(self) -> None:
        """What is being done, how the last sync ended, and how old the mirrored permissions are."""
        name, last = self.source.name, self.last_sync
        for job in self.open_jobs:
            show(f"{name}: {job.kind} {job.state}, {progress_of(job, self.now)}, job {job.id}")
        if last and last.ended_at:
            show(f"{name}: last sync {last.state} at {last.ended_at:%Y-%m-%d %H:%M} UTC")
        if self.source.mirrors_access:
            mirrored = self.registered.mirrored_at
            age = "not known yet" if mirrored is None else f"{rounded(self.now - mirrored)} old"
            show(f"{name}: permissions of the origin {age}")

    def show_quarantine(self, *, named: bool) -> None:
        """The reasons with their numbers, and the documents where they are to be named."""
        for reason, number in sorted(self.reasons.items()):
            show(f"{self.source.name}: {number} quarantined as {reason}")
            for document in self.quarantined if named else ():
                if document.reason == reason:
                    show(f"  {self.names[document.id]} ({document.stage}): {document.mend}")

    def plain(self, *, named: bool) -> dict[str, object]:
        """Everything, for scripts."""
        quarantined = [
            {
                "document": document.id,
                "origin_id": self.names[document.id],
                "reason": document.reason,
                "stage": document.stage,
                "mend": document.mend,
            }
            for document in self.quarantined
        ]
        return {
            "source": self.source.name,
            "version": self.source.version,
            "state": self.source.state,
            "serving": self.source.serving,
            "policy_hash": self.registered.policy_hash,
            "indexed": self.counts["indexed"],
            "quarantined": self.counts["quarantined"],
            "passages": self.counts["passages"],
            "reasons": dict(sorted(self.reasons.items())),
            "generation": self.registered.generation,
            "index": self.index,
            "confidence": self.confidence,
            "jobs": [plain(job, self.now) for job in self.open_jobs],
            "last_sync": plain(self.last_sync, self.now) if self.last_sync else None,
            "mirrored_at": self.registered.mirrored_at.isoformat() if self.registered.mirrored_at else None,
        } | ({"documents": quarantined} if named else {})


def confidence_of(opened: "Installation", session: "Session", registered: "Registration") -> str:
    """The status that a confidence of this source has now."""
    from gateway.confidence import Model
    from gateway.wiring import clock
    from indexer import calibrations, serving
    from indexer.shelf import Shelf
    from policies.errors import IntegrityError
    from policies.model import ClassId

    stored = calibrations.latest(session, registered.name)
    if stored is None:
        return ConfidenceStatus.UNCALIBRATED.value
    model = Model.load(stored)
    try:
        generation = Shelf(home=opened.home).generation(registered)
    except IntegrityError:
        generation = None
    unseen = serving.unseen(session, opened.keyring.database, registered.name)
    held = ""
    if generation is not None and unseen is not None:
        clock_of = (described(registered).policy.retention.period, clock())
        held = generation.scope(generation.kept({ClassId(name): clock_of for name in model.classes}, unseen))
    return model.status(scope=held, embedder=opened.stages.embedder_identity.key).value
