"""The wire format of jobs: ids, codes, counts and times, never a document's name or an actor's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams

from gateway.problems import BodyInvalidError, FieldFault, QueryInvalidError
from gateway.schemas import Wire, dump, faults_of
from gateway.strictjson import parse
from indexer.joblog import Failure, Job, JobId, JobKind, JobState
from policies.manifest.scalars import Slug
from policies.model import SourceName

MAX_JOBS = 200
DEFAULT_JOBS = 50
MAX_NAMED = 1000
"""Chosen: documents that one body names at most."""
RATE_DECIMALS = 3

Body = TypeVar("Body", bound=Wire)
Query = TypeVar("Query", bound=BaseModel)

_REASON = "reason:"
_SLUG = "lower-case letters, digits and hyphens, at most 63 characters"


class SyncBody(Wire):
    """How a source is to be synced."""

    confirm_deletes: Annotated[
        bool, Field(description="true or false: whether more than limits.max_deletes may be removed")
    ] = False
    retry_quarantined: Annotated[
        bool, Field(description="true or false: whether quarantined documents are looked at again")
    ] = False


class SteerBody(Wire):
    """Nothing."""


class JobsQuery(BaseModel):
    """Which jobs are listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[Slug | None, Field(description=f"a source's name: {_SLUG}")] = None
    state: Annotated[JobState | None, Field(description=f"one of {', '.join(JobState)}")] = None
    limit: Annotated[
        int, Field(ge=1, le=MAX_JOBS, description=f"how many at most: a whole number from 1 to {MAX_JOBS}")
    ] = DEFAULT_JOBS


class JobBody(Wire):
    """A job at one instant. Times are ISO 8601 in UTC."""

    id: str
    kind: JobKind = Field(strict=False)
    source: str
    state: JobState = Field(
        strict=False, description="`held`: all is done but the deletes, which wait for a sync with confirm_deletes"
    )
    options: dict[str, bool] = Field(description="the switches it was asked for with")
    asked_at: AwareDatetime = Field(strict=False)
    started_at: AwareDatetime | None = Field(strict=False)
    ended_at: AwareDatetime | None = Field(strict=False)
    total: int | None = Field(description="documents to look at, null until that is known")
    done: int = Field(description="how many of them are behind it")
    rate: float | None = Field(description="documents a second, null before the first")
    left_s: float | None = Field(description="seconds that it will take at this rate, null where that is not known")
    counts: dict[str, int] = Field(description="what became of documents")
    reasons: dict[str, int] = Field(description="quarantined documents by reason")
    failure: str | None = Field(description="the code of why it failed or is held")
    would_remove: list[str] = Field(
        description=f"ids of the documents that a held sync would remove, at most {MAX_NAMED}"
    )


class JobsBody(Wire):
    """Jobs, the youngest first."""

    request_id: str
    jobs: list[JobBody]


def read_sync(body: bytes) -> SyncBody:
    """The options that the bytes of a body make; no body at all asks for the usual.

    Raises:
        BodyMalformedError, BodyInvalidError: it is not strict JSON, or not an object of these options.
    """
    return _read(body, SyncBody)


def check_empty(body: bytes) -> None:
    """Return if a body is missing or an empty object.

    Raises:
        BodyMalformedError, BodyInvalidError: it is neither.
    """
    _read(body, SteerBody)


def read_query(given: QueryParams, model: type[Query]) -> Query:
    """The query of an address.

    Raises:
        QueryInvalidError: a parameter is unknown, comes twice or is not as it must be.
    """
    pairs = given.multi_items()
    named = dict(pairs)
    if len(named) < len(pairs):
        raise QueryInvalidError([FieldFault(path="", expected="each parameter once")])
    try:
        return model.model_validate(named)
    except ValidationError as error:
        raise QueryInvalidError(faults_of(error, model)) from None  # the cause holds the input


def render_job(job: Job, now: datetime) -> bytes:
    """The body of a job, for which `JobBody` is the schema."""
    return dump(_plain(job, now))


def render_jobs(jobs: Sequence[Job], now: datetime, request_id: str) -> bytes:
    """The body that lists jobs; `JobsBody` is its schema."""
    return dump({"request_id": request_id, "jobs": [_plain(job, now) for job in jobs]})


def job_examples() -> dict[str, dict[str, Any]]:
    """Examples of a job, by name."""
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    asked = Job(
        id=JobId("0c9d3c5b7a1f4e2d8b6a9f01"), kind=JobKind.SYNC, source=SourceName("hr-handbook"), actor="",
        options={"confirm_deletes": False, "retry_quarantined": False}, state=JobState.QUEUED, asked_at=at,
        started_at=None, ended_at=None, total=None, done=0, tally={}, notes={}, failure=None, key=None,
    )  # fmt: skip
    return {"asked": {"summary": "a sync that waits for a worker", "value": parse(render_job(asked, at))}}


def _read(body: bytes, model: type[Body]) -> Body:
    try:
        return model.model_validate(parse(body) if body else {})
    except ValidationError as error:
        raise BodyInvalidError(faults_of(error, model)) from None  # the cause holds the input


def _plain(job: Job, now: datetime) -> dict[str, object]:
    rate, left = job.rate(now), job.left(now)
    return {
        "id": job.id,
        "kind": job.kind,
        "source": job.source,
        "state": job.state,
        # What an erasure is about, and the request it rests on, is not for every operator.
        "options": {name: given for name, given in job.options.items() if isinstance(given, bool)},
        "asked_at": _iso(job.asked_at),
        "started_at": _iso(job.started_at),
        "ended_at": _iso(job.ended_at),
        "total": job.total,
        "done": job.done,
        "rate": None if rate is None else round(rate, RATE_DECIMALS),
        "left_s": None if left is None else round(left.total_seconds(), 1),
        "counts": {name: number for name, number in sorted(job.tally.items()) if not name.startswith(_REASON)},
        "reasons": {
            name.removeprefix(_REASON): number for name, number in sorted(job.tally.items()) if name.startswith(_REASON)
        },
        "failure": _code(job.failure),
        "would_remove": list(job.notes.get("would_remove", ()))[:MAX_NAMED],
    }


def _code(failure: Failure | None) -> str | None:
    return None if failure is None else failure.code


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
