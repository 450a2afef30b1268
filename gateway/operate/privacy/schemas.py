"""The wire format of purges: ids, codes, counts and times, and the signed receipts."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gateway.operate.schemas import DEFAULT_JOBS, MAX_JOBS, MAX_NAMED
from gateway.problems import BodyInvalidError, FieldFault
from gateway.schemas import Wire, dump, faults_of
from gateway.strictjson import parse
from indexer.erase import Step
from indexer.joblog import JobState
from indexer.purges import Purge
from policies import facts
from policies.errors import RefusedError
from policies.manifest.scalars import Slug
from policies.model import DocumentId, SourceName
from policies.orders import MAX_REFERENCE_CHARS, check_reference
from policies.purge import ErasureRequest, PurgeKind, Receipt

_SOURCE = "a source's name: lower-case letters, digits and hyphens, at most 63 characters"
_PURGE = "0c9d3c5b7a1f4e2d8b6a9f01"
_DOCUMENT = "5f0c1d0e8a7b4c3d9e2f1a0b6c5d4e3f"


def _reference(text: str) -> str:
    try:
        return check_reference(text, "reference")
    except RefusedError:
        raise ValueError from None


def _ground(name: str) -> str:
    if name not in grounds():
        raise ValueError
    return name


def grounds() -> list[str]:
    """The grounds of Art. 17(1), by name."""
    return sorted(ground.name for ground in facts.erasure().grounds)


class ErasureBody(Wire):
    """A request for erasure."""

    documents: Annotated[
        list[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]],
        Field(
            min_length=1,
            max_length=MAX_NAMED,
            description=f"1 to {MAX_NAMED} ids of documents that the source has or had, 32 hex digits each; "
            "what came in them goes too",
            examples=[[_DOCUMENT]],
        ),
    ]
    reference: Annotated[
        str,
        AfterValidator(_reference),
        Field(
            description=f"where the request is filed: one line of 1 to {MAX_REFERENCE_CHARS} characters",
            examples=["DSR-2026-012"],
        ),
    ]
    ground: Annotated[
        str,
        AfterValidator(_ground),
        Field(
            description="a ground that Art. 17(1) of the GDPR has",
            json_schema_extra=lambda schema: schema.update({"enum": list(grounds())}),
            examples=["withdrawn_consent"],
        ),
    ]


class PurgeAskedBody(Wire):
    """What is to be deleted: all of a source that is past its retention, or the documents of a request."""

    source: Annotated[Slug, Field(description=_SOURCE, examples=["support"])]
    erasure: Annotated[
        ErasureBody | None,
        Field(description="documents, reference and ground; left out, what is past its retention is deleted"),
    ] = None


class PurgesQuery(BaseModel):
    """Which purges are listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[Slug | None, Field(description=_SOURCE)] = None
    limit: Annotated[
        int, Field(ge=1, le=MAX_JOBS, description=f"how many at most: a whole number from 1 to {MAX_JOBS}")
    ] = DEFAULT_JOBS


class PurgeEntryBody(Wire):
    """A purge at one instant."""

    purge: str
    source: str
    kind: PurgeKind = Field(strict=False)
    asked_at: AwareDatetime = Field(strict=False, description="ISO 8601 in UTC")
    state: JobState = Field(
        strict=False,
        description="a purge that is not finished and has no job at work is finished by the next one of its source",
    )
    step: Step | None = Field(
        strict=False,
        description="`tombstoned`: nobody sees the documents any more; `published`: rows and keys are gone; "
        "`receipted`: every file was searched; null: not begun, or nothing was due",
    )
    documents: int = Field(description="how many it deletes")
    failure: str | None = Field(description="the code of why it failed")


class SignatureBody(Wire):
    """An Ed25519 signature over the receipt's canonical JSON, in base64."""

    algorithm: str
    public_key: str
    value: str


class SignedReceiptBody(Wire):
    """A receipt with the home's signature: with sorted keys and an indent of 2, `penstock purge check` checks it."""

    receipt: Receipt
    signature: SignatureBody


class PurgeBody(PurgeEntryBody):
    """A purge at one instant, with its receipt."""

    receipt: SignedReceiptBody | None = Field(description="null before the last step, and where nothing was due")


class PurgesBody(Wire):
    """Purges, the youngest first, without receipts."""

    request_id: str
    purges: list[PurgeEntryBody]


def read_asked(body: bytes) -> tuple[SourceName, ErasureRequest | None]:
    """The source and the request for erasure that the bytes of a body make; without one it is about retention.

    Raises:
        BodyMalformedError, BodyInvalidError: it is not strict JSON, or not an object of these.
    """
    value = parse(body)
    try:
        asked = PurgeAskedBody.model_validate(value)
    except ValidationError as error:
        raise BodyInvalidError(_faults(error, value)) from None  # the cause holds the input
    erasure = asked.erasure
    if erasure is None:
        return SourceName(asked.source), None
    documents = frozenset(map(DocumentId, erasure.documents))
    return SourceName(asked.source), ErasureRequest(
        documents=documents, reference=erasure.reference, ground=erasure.ground
    )


def render_purge(purge: Purge) -> bytes:
    """The body of a purge, for which `PurgeBody` is the schema."""
    return dump(_plain(purge) | {"receipt": None if purge.receipt is None else json.loads(purge.receipt)})


def render_purges(purges: Sequence[Purge], request_id: str) -> bytes:
    """The body that lists purges; `PurgesBody` is its schema."""
    return dump({"request_id": request_id, "purges": [_plain(purge) for purge in purges]})


def purge_examples() -> dict[str, dict[str, Any]]:
    """Examples of a purge, by name."""
    asked = Purge(
        id=_PURGE, source=SourceName("support"), kind=PurgeKind.ERASURE, state=JobState.QUEUED, step=None,
        asked_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC), documents=0, failure=None, receipt=None,
    )  # fmt: skip
    return {"asked": {"summary": "an erasure that waits for a worker", "value": parse(render_purge(asked))}}


def unknown_documents() -> BodyInvalidError:
    """That a request names documents which its source does not have."""
    described = ErasureBody.model_fields["documents"].description or ""
    return BodyInvalidError([FieldFault(path="erasure.documents", expected=described)])


def _faults(error: ValidationError, value: object) -> list[FieldFault]:
    """What is wrong with a body, inside its erasure as well."""
    outer = [fault for fault in faults_of(error, PurgeAskedBody) if fault.path.partition(".")[0] != "erasure"]
    given = value.get("erasure") if isinstance(value, dict) else None
    if given is None:
        return outer
    try:
        ErasureBody.model_validate(given)
    except ValidationError as inner:
        return [*outer, *(_within(fault) for fault in faults_of(inner, ErasureBody))]
    return outer


def _within(fault: FieldFault) -> FieldFault:
    return FieldFault(path=f"erasure.{fault.path}".rstrip("."), expected=fault.expected)


def _plain(purge: Purge) -> dict[str, object]:
    return {
        "purge": purge.id,
        "source": purge.source,
        "kind": purge.kind,
        "asked_at": purge.asked_at.isoformat(),
        "state": purge.state,
        "step": purge.step,
        "documents": purge.documents,
        "failure": None if purge.failure is None else purge.failure.code,
    }
