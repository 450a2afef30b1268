"""The wire format of the API: what bodies may hold, and the mapping to and from the domain."""

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.answer import (
    MOST_UNMATCHED,
    NOTHING_VISIBLE,
    Answer,
    CitedPassage,
    Confidence,
    RetrievalRequest,
    VisibleSource,
)
from gateway.problems import BodyInvalidError, FieldFault
from gateway.strictjson import parse
from policies.manifest.scalars import Slug
from policies.model import ConfidenceStatus, DocumentId, SourceName, Verdict

MAX_QUERY_CHARS = 20_000
MAX_SOURCES = 100
MAX_K = 50
DEFAULT_K = 10
SCORE_DECIMALS = 6
CONFIDENCE_DECIMALS = 4

_MAX_FAULTS = 10


class Wire(BaseModel):
    """A body, or a part of one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RetrieveBody(Wire):
    """A query for one purpose."""

    query: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY_CHARS, pattern=r"^[^\x00]*$"),
        Field(description="text of 1 to 20,000 characters without NUL", examples=["How many days of leave do I have?"]),
    ]
    purpose: Annotated[
        Slug,
        Field(
            description="what the passages are for: lower-case letters, digits and hyphens, at most 63 characters",
            examples=["employee-support"],
        ),
    ]
    sources: Annotated[
        Annotated[list[Slug], Field(min_length=1, max_length=MAX_SOURCES)] | None,
        Field(
            description="1 to 100 source names (lower-case letters, digits and hyphens); "
            "leave it out for every source you may use",
            examples=[["hr-handbook"]],
        ),
    ] = None
    k: Annotated[
        int, Field(ge=1, le=MAX_K, description="how many passages: a whole number from 1 to 50", examples=[10])
    ] = DEFAULT_K
    conversation: Annotated[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=128)] | None,
        Field(
            description="an opaque id that ties a conversation's requests together: "
            "letters, digits and . _ : - , at most 128 characters",
            examples=["c-7f3a"],
        ),
    ] = None


class ConfidenceBody(Wire):
    """How sure the gateway is that the passages hold what the query needs."""

    value: Annotated[float, Field(ge=0, le=1)] | None = Field(
        description="calibrated probability, null where none is known", examples=[0.8731]
    )
    status: ConfidenceStatus = Field(strict=False, description="how far the value can be relied on")
    calibration: str | None = Field(description="id of the calibration behind the value")
    missing_labels: Annotated[int, Field(ge=0)] | None = Field(
        description="about how many labels are missing to the next better status; 0 where there is none, "
        "null where no number would do or nothing is known",
        examples=[26],
    )


class PassageBody(Wire):
    """A redacted passage and what a citation needs."""

    text: str
    score: float = Field(description="similarity, comparable within this answer only")
    source: str
    document: str = Field(description="opaque id of the document")
    title: str
    uri: str
    version: str = Field(description="the content this passage was cut from")
    page: int | None = Field(description="1-based")
    section: str | None
    ordinal: int = Field(description="0-based place of the passage in the document")


class AnswerBody(Wire):
    """Passages, best first, and what to do with them."""

    request_id: str
    verdict: Verdict = Field(strict=False)
    reasons: list[str] = Field(
        description="codes; `no_visible_passage` stands for unknown, forbidden, expired and empty alike"
    )
    confidence: ConfidenceBody
    unmatched_terms: list[str] = Field(
        max_length=MOST_UNMATCHED,
        description="words of the redacted query that none of the first passages holds, in its order, at most 10",
        examples=[["sabbatical"]],
    )
    passages: list[PassageBody]


class SourceBody(Wire):
    """A source the caller may use, and what for."""

    name: str
    title: str
    purposes: list[str]


class SourcesBody(Wire):
    """The sources the caller may use."""

    request_id: str
    sources: list[SourceBody]


class StatusBody(Wire):
    """The service is there."""

    status: Literal["ok"]


class FaultBody(Wire):
    """A field that is not as it must be."""

    path: str = Field(description="dotted path, empty for the body itself")
    expected: str


class ProblemBody(Wire):
    """Problem details (RFC 9457). Holds nothing of the request."""

    type: str
    title: str
    status: int
    code: str = Field(description="stable; act on this")
    detail: str = Field(description="what is wrong and how to mend it")
    request_id: str
    errors: list[FaultBody] = Field(default=[], description="the fields at fault, at most 10")
    job: str | None = Field(default=None, description="id of the job that is in the way")


def read_request(body: bytes) -> RetrievalRequest:
    """The request that the bytes of a body make.

    Raises:
        BodyMalformedError: not strict JSON in UTF-8.
        BodyInvalidError: a field is missing, unknown or not as it must be.
    """
    value = parse(body)
    try:
        given = RetrieveBody.model_validate(value)
    except ValidationError as error:
        raise BodyInvalidError(faults_of(error, RetrieveBody)) from None  # the cause holds the input
    return RetrievalRequest(
        query=given.query,
        purpose=given.purpose,
        sources=None if given.sources is None else frozenset(map(SourceName, given.sources)),
        k=given.k,
        conversation=given.conversation,
    )


def render_answer(answer: Answer, request_id: str) -> bytes:
    """The body of an answer, for which `AnswerBody` is the schema: equal answers give equal bytes.

    Scores have 6 decimals, confidences 4.

    Raises:
        ValueError: a score or confidence is not finite.
    """
    confidence = answer.confidence
    return dump(
        {
            "request_id": request_id,
            "verdict": answer.verdict,
            "reasons": answer.reasons,
            "confidence": {
                "value": None if confidence.value is None else _rounded(confidence.value, CONFIDENCE_DECIMALS),
                "status": confidence.status,
                "calibration": confidence.calibration,
                "missing_labels": confidence.missing_labels,
            },
            "unmatched_terms": answer.unmatched_terms,
            "passages": [
                {
                    "text": passage.text,
                    "score": _rounded(passage.score, SCORE_DECIMALS),
                    "source": passage.source,
                    "document": passage.document,
                    "title": passage.title,
                    "uri": passage.uri,
                    "version": passage.version,
                    "page": passage.page,
                    "section": passage.section,
                    "ordinal": passage.ordinal,
                }
                for passage in answer.passages
            ],
        }
    )


def answer_examples() -> dict[str, dict[str, object]]:
    """Examples of an answer for the OpenAPI document, by name."""
    found = Answer(
        verdict=Verdict.CAUTION,
        reasons=("provisional",),
        confidence=Confidence(
            value=0.8731, status=ConfidenceStatus.PROVISIONAL, calibration="0b6c5d4e3f2a1908f7e6d5c4", missing_labels=26
        ),
        unmatched_terms=("sabbatical",),
        passages=(
            CitedPassage(
                text="Full-time staff have 25 days of annual leave.",
                score=0.612345,
                source=SourceName("hr-handbook"),
                document=DocumentId("5f0c1d0e8a7b4c3d9e2f1a0b6c5d4e3f"),
                title="Leave policy",
                uri="https://intranet.northwind.example/hr/leave",
                version="9b2e41",
                page=4,
                section="Annual leave",
                ordinal=12,
            ),
        ),
    )
    return {
        name: {"summary": summary, "value": parse(render_answer(answer, "7d0f5c2ab91e4c6f"))}
        for name, summary, answer in (
            ("found", "a passage, to be used with caution", found),
            ("denied", "nothing may be shown: unknown, forbidden, expired and empty look the same", NOTHING_VISIBLE),
        )
    }


def read_answer(body: bytes) -> Answer:
    """The answer that `render_answer` made a body of, as a client reads it.

    Raises:
        ValidationError: the body is not an answer.
    """
    wire = AnswerBody.model_validate_json(body)
    return Answer(
        verdict=wire.verdict,
        reasons=tuple(wire.reasons),
        confidence=Confidence(
            value=wire.confidence.value,
            status=wire.confidence.status,
            calibration=wire.confidence.calibration,
            missing_labels=wire.confidence.missing_labels,
        ),
        unmatched_terms=tuple(wire.unmatched_terms),
        passages=tuple(
            CitedPassage(
                text=passage.text,
                score=passage.score,
                source=SourceName(passage.source),
                document=DocumentId(passage.document),
                title=passage.title,
                uri=passage.uri,
                version=passage.version,
                page=passage.page,
                section=passage.section,
                ordinal=passage.ordinal,
            )
            for passage in wire.passages
        ),
    )


def render_sources(sources: Sequence[VisibleSource], request_id: str) -> bytes:
    """The body that lists sources, by name; `SourcesBody` is its schema."""
    return dump(
        {
            "request_id": request_id,
            "sources": [
                {"name": source.name, "title": source.title, "purposes": sorted(source.purposes)}
                for source in sorted(sources, key=lambda source: source.name)
            ],
        }
    )


def dump(value: object) -> bytes:
    """JSON in UTF-8, without spaces.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def _rounded(value: float, decimals: int) -> float:
    return round(float(value), decimals) + 0.0  # -0.0 + 0.0 is 0.0


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[FieldFault]:
    """What pydantic found, in our own words: its messages, and the names of unknown keys, hold the input."""
    fields = model.model_fields
    faults: dict[FieldFault, None] = {}
    for entry in error.errors(include_url=False, include_input=False, include_context=False):
        place = entry["loc"]
        name = str(place[0]) if place else ""
        if name in fields:
            path = ".".join(str(step) for step in place if isinstance(step, int) or step in fields)
            faults[FieldFault(path=path, expected=fields[name].description or "")] = None
        else:
            keys = f"no other keys than {', '.join(fields)}" if fields else "no keys"
            faults[FieldFault(path="", expected=f"an object with {keys}")] = None
    return list(faults)[:_MAX_FAULTS]
