"""How sources stand."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
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
        standing.show_confidence()
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
        return (*state, self.index, self.confidence.status)

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

    def show_confidence(self) -> None:
        """Why the confidence is not what it was, and what it lacks."""
        name, confidence = self.source.name, self.confidence
        for why in confidence.why:
            show(f"{name}: confidence {confidence.status}: {why}")
        if confidence.missing_labels:
            show(f"{name}: confidence {confidence.status}: about {confidence.missing_labels} labels more would do")

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
            "confidence": self.confidence.status,
            "calibration": asdict(self.confidence),
            "jobs": [plain(job, self.now) for job in self.open_jobs],
            "last_sync": plain(self.last_sync, self.now) if self.last_sync else None,
            "mirrored_at": self.registered.mirrored_at.isoformat() if self.registered.mirrored_at else None,
        } | ({"documents": quarantined} if named else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Confident:
    """How a source's confidence stands for those who see what it was fitted on.

    `why` tells in words what makes it stale or keeps it from being read; `missing_labels` about how many labels would
    make it better, None where no number would, or there is no model.
    """

    status: str
    why: tuple[str, ...] = ()
    missing_labels: int | None = None
    calibration: str | None = None
    labels: int = 0
    feedback: int = 0


def confidence_of(opened: "Installation", session: "Session", registered: "Registration") -> Confident:
    """The status that a confidence of this source has now, and why."""
    from gateway.confidence import Ledge, speaking
    from gateway.lookup import makers
    from gateway.wiring import clock
    from indexer import calibrations, serving
    from indexer.shelf import Shelf
    from policies.errors import IntegrityError
    from policies.model import ClassId

    stored = calibrations.stored(session, registered.name)
    if stored is None:
        return Confident(status=ConfidenceStatus.UNCALIBRATED.value)
    try:
        spoken = speaking(session, registered.name, None)
    except IntegrityError as error:
        return Confident(status=ConfidenceStatus.UNCALIBRATED.value, why=(str(error),), calibration=stored.id)
    if spoken is None:
        return Confident(status=ConfidenceStatus.UNCALIBRATED.value)
    model = spoken.model
    try:
        generation = Shelf(home=opened.home).generation(registered)
    except IntegrityError:
        generation = None
    unseen = serving.unseen(session, opened.keyring.database, registered.name)
    found = Confident(
        status=ConfidenceStatus.STALE.value,
        why=("its index cannot be searched",),
        missing_labels=model.missing_labels(),
        calibration=model.id,
        labels=model.labels,
        feedback=model.feedback,
    )
    if generation is None or unseen is None:
        return found
    source = described(registered)
    clock_of = (source.policy.retention.period, clock())
    visible = generation.kept({ClassId(name): clock_of for name in model.classes}, unseen)
    made_by = makers(opened.stages.redactor, opened.stages.embedder_identity, source, opened.reader)
    standing = Ledge().standing(session, spoken, generation, visible, made_by)
    why = tuple(_WHY[cause].format(changed=standing.changed, failed=spoken.failed) for cause in standing.causes)
    return replace(found, status=standing.status.value, why=why)


_WHY = {
    "embedder_changed": "it was fitted with another embedder; sync",
    "analyser_changed": "it was fitted with another analyser; sync",
    "splitter_changed": "it was fitted on passages that were cut otherwise; sync",
    "redactor_changed": "it was fitted on text that was redacted otherwise; sync",
    "reader_changed": "it was fitted with another reader of passages, or none; run: penstock calibrate",
    "replay_failed": "its questions could not be asked again ({failed}); run: penstock calibrate",
    "passages_changed": "{changed:.1%} of the passages changed since it was fitted",
}
