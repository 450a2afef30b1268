"""The tables of the catalog. Storage only: nothing is validated here, and times are ISO 8601 in UTC."""

from enum import StrEnum

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel


class DocumentState(StrEnum):
    """Where a document stands."""

    INDEXED = "indexed"
    QUARANTINED = "quarantined"
    REMOVED = "removed"


class SourceRow(SQLModel, table=True):
    """A registered source and the generation that serves it."""

    __tablename__ = "source"

    name: str = Field(primary_key=True)
    manifest: str
    manifest_path: str
    policy_hash: str
    applied_at: str
    generation: str | None = None
    generation_digest: str | None = None
    published_at: str | None = None
    unpublished: bool
    changes: int
    cursor: bytes | None = None
    listed_at: str | None = None
    mirrored_at: str | None = None


class DocumentRow(SQLModel, table=True):
    """A document of a source, in whatever state."""

    __tablename__ = "document"
    # Every retrieval asks for the hidden documents of a source, of which there are nearly always none.
    __table_args__ = (
        Index("document_hidden", "source", sqlite_where=text("hidden = 1"), postgresql_where=text("hidden")),
    )

    id: str = Field(primary_key=True)
    source: str = Field(foreign_key="source.name", index=True)
    parent: str | None = Field(default=None, index=True)
    state: str
    revision: str
    hidden: bool
    listed_by: str
    stamp: str
    allow: str
    deny: str
    acl_as_of: str | None
    reason: str
    stage: str
    mend: str


class RevisionRow(SQLModel, table=True):
    """One version of a document as it was ingested. Its id names its key."""

    __tablename__ = "revision"

    id: str = Field(primary_key=True)
    document: str = Field(foreign_key="document.id", ondelete="CASCADE", index=True)
    version: str
    fingerprint: str
    redaction: str
    embedder: str
    created: str | None
    modified: str | None
    ingested: str
    passages: int
    skipped_parts: int
    redactions: str
    sealed: bytes


VAULT_ORDINAL = -1
"""Where a document's vault lies among its passages: it goes with them, and nothing that reads passages reads it."""


class PassageRow(SQLModel, table=True):
    """A passage of a revision: sealed text and sealed vector. Under ordinal -1 its vault, without a vector."""

    __tablename__ = "passage"

    revision: str = Field(primary_key=True, foreign_key="revision.id", ondelete="CASCADE")
    ordinal: int = Field(primary_key=True)
    text: bytes
    vector: bytes


class PurgeRow(SQLModel, table=True):
    """One purge, step by step, so that a killed one resumes."""

    __tablename__ = "purge"

    id: str = Field(primary_key=True)
    source: str = Field(index=True)
    begun: str
    step: str
    plan: str
    needles: bytes | None
    receipt: str | None


class CalibrationRow(SQLModel, table=True):
    """A confidence model of a source."""

    __tablename__ = "calibration"

    source: str = Field(primary_key=True)
    id: str
    created: str
    model: str


class BasisRow(SQLModel, table=True):
    """What the confidence model of a source was fitted on: an extent, and the golden questions, sealed.

    `failed` says why the questions could not be asked again, `tried` of what: both None where they could. `audience`
    tells, as JSON, for whom it matters whether they could.
    """

    __tablename__ = "basis"

    source: str = Field(primary_key=True)
    calibration: str
    extent: bytes
    golden: bytes | None = None
    failed: str | None = None
    tried: str | None = None
    audience: str | None = None


class ReplayRow(SQLModel, table=True):
    """The confidence model of a source that the golden questions of another made when they were asked again.

    `calibration` is the id of that other one, `extent` what this one was fitted on, `audience` for whom it is, and
    `scopes` names, as a JSON list, what the questions were asked of each time since.
    """

    __tablename__ = "replay"

    source: str = Field(primary_key=True)
    calibration: str
    id: str
    created: str
    model: str
    extent: bytes
    audience: str
    scopes: str


class AskedRow(SQLModel, table=True):
    """One answered question: what a label of it needs, and its words only where policy keeps them.

    `features` is a JSON list, None where no model of one source could learn from the answer. `propensity` is the chance
    that somebody is asked for a label of it, `sealed` its redacted query, `again` the same for a request sent again,
    `purview` a JSON object of visibility classes by source.
    """

    __tablename__ = "asked"
    __table_args__ = (Index("asked_source", "source", "asked_at"),)

    id: str = Field(primary_key=True)
    source: str = Field(foreign_key="source.name")
    asked_at: str
    subject: str
    agent: str | None = None
    scope: str
    feature_schema: int
    features: str | None
    calibration: str | None
    confidence: float | None
    verdict: str
    reasons: str
    propensity: float
    purview: str
    sealed: bytes | None = None
    again: str | None = Field(default=None, index=True)


class LabelRow(SQLModel, table=True):
    """What one person says of one answered question."""

    __tablename__ = "label"

    request: str = Field(primary_key=True, foreign_key="asked.id", ondelete="CASCADE")
    by: str = Field(primary_key=True)
    sufficient: bool
    answerable: bool | None
    resolves: bool
    document: str | None = None
    labelled_at: str


class HandoffRow(SQLModel, table=True):
    """An answered question that waits for a person, or waited."""

    __tablename__ = "handoff"

    id: str = Field(primary_key=True)
    request: str = Field(foreign_key="asked.id", ondelete="CASCADE", index=True, unique=True)
    kind: str
    state: str = Field(index=True)
    claimed_by: str | None = None
    claimed_at: str | None = None
    resolved_by: str | None = None
    resolved_at: str | None = None


class JobRow(SQLModel, table=True):
    """One piece of work on a source, from when it is asked for until it is told of no more."""

    __tablename__ = "job"

    id: str = Field(primary_key=True)
    kind: str
    source: str = Field(index=True)
    actor: str
    options: str
    state: str = Field(index=True)
    asked_at: str
    started_at: str | None = None
    ended_at: str | None = None
    total: int | None = None
    done: int = 0
    tally: str
    notes: str
    error: str | None = None
    key: str | None = None


class ListedRow(SQLModel, table=True):
    """A document that a job found listed and has to look at: sealed, until the job ends."""

    __tablename__ = "listed"

    job: str = Field(primary_key=True, foreign_key="job.id", ondelete="CASCADE")
    ordinal: int = Field(primary_key=True)
    sealed: bytes
    outcome: str | None = None


class WorkerRow(SQLModel, table=True):
    """A process that runs jobs. While it lives, `beats` grows."""

    __tablename__ = "worker"

    id: str = Field(primary_key=True)
    host: str
    pid: int
    beats: int


TABLES: tuple[type[SQLModel], ...] = (
    SourceRow, DocumentRow, RevisionRow, PassageRow, PurgeRow, CalibrationRow, BasisRow, ReplayRow, AskedRow, LabelRow,
    HandoffRow, JobRow, ListedRow, WorkerRow,
)  # fmt: skip
