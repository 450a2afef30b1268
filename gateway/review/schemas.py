"""The wire format of reviews: ids, codes and times; a question's words only where its source keeps them, redacted."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.problems import BodyInvalidError, FieldFault
from gateway.review.desk import Opinion, Waiting
from gateway.schemas import Wire, dump, faults_of
from gateway.strictjson import parse
from indexer.asked import Asked
from indexer.handoffs import Handoff, HandoffId, HandoffKind, HandoffState
from policies.manifest.scalars import Slug
from policies.model import SourceName, Verdict

MAX_HANDOFFS = 200
DEFAULT_HANDOFFS = 50
MAX_DOCUMENT_CHARS = 2000

Body = TypeVar("Body", bound=Wire)

_SUFFICIENT = "true or false: whether the passages held what was needed"
_ANSWERABLE = "true or false: whether the source holds it at all"


class FeedbackBody(Wire):
    """What somebody says of an answer."""

    request_id: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_-]{1,64}$",
            description="the request_id of an answer",
            examples=["7d0f5c2ab91e4c6f0a1b2c3d"],
        ),
    ]
    sufficient: Annotated[bool, Field(description=_SUFFICIENT)]
    answerable: Annotated[bool | None, Field(description=f"{_ANSWERABLE}; true where the passages did")] = None


class FeedbackGivenBody(Wire):
    """What was said of an answer."""

    request_id: str
    sufficient: bool
    answerable: bool | None


class ResolveBody(Wire):
    """How a hand-off is resolved."""

    sufficient: Annotated[bool, Field(description=_SUFFICIENT)]
    answerable: Annotated[bool, Field(description=f"{_ANSWERABLE}; true where the passages did")]
    document: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_DOCUMENT_CHARS, pattern=r"^[^\x00]*$")] | None,
        Field(
            description="a document that answers: its id, or its name at the origin, of 1 to "
            f"{MAX_DOCUMENT_CHARS} characters; only where answerable is true",
            examples=["leave/annual-leave.md"],
        ),
    ] = None


class HandoffsQuery(BaseModel):
    """Which hand-offs are listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[
        Slug | None,
        Field(description="a source's name: lower-case letters, digits and hyphens, at most 63 characters"),
    ] = None
    state: Annotated[HandoffState | None, Field(description=f"one of {', '.join(HandoffState)}")] = None
    limit: Annotated[
        int, Field(ge=1, le=MAX_HANDOFFS, description=f"how many at most: a whole number from 1 to {MAX_HANDOFFS}")
    ] = DEFAULT_HANDOFFS


class StandingBody(Wire):
    """How a hand-off stands."""

    id: str
    request_id: str = Field(description="of the answer that it is about")
    source: str
    kind: HandoffKind = Field(
        strict=False, description="`review` was drawn at random, of `contradicted` people say different things"
    )
    state: HandoffState = Field(strict=False)


class HandoffBody(StandingBody):
    """A hand-off at one instant. Times are ISO 8601 in UTC."""

    asked_at: AwareDatetime = Field(strict=False)
    asked_by: str
    agent: str | None = Field(description="who asked for them")
    verdict: Verdict = Field(strict=False)
    reasons: list[str]
    confidence: float | None
    query: str | None = Field(description="redacted, null where the source keeps none")
    unmatched: list[str] | None = Field(description="its terms that no passage held, null as above")
    claimed_by: str | None
    claimed_at: AwareDatetime | None = Field(strict=False)
    resolved_by: str | None
    resolved_at: AwareDatetime | None = Field(strict=False)


class HandoffsBody(Wire):
    """Hand-offs, the one asked first first."""

    request_id: str
    handoffs: list[HandoffBody]


def read_feedback(body: bytes) -> tuple[str, Opinion]:
    """The request that a body is about, and what it says.

    Raises:
        BodyMalformedError, BodyInvalidError: it is not strict JSON, or not such an object.
    """
    given = _read(body, FeedbackBody)
    if given.sufficient and given.answerable is False:
        raise _fault(FeedbackBody, "answerable")
    return given.request_id, Opinion(sufficient=given.sufficient, answerable=given.answerable)


def read_resolution(body: bytes) -> Opinion:
    """What a body says of a hand-off. Raises as `read_feedback` does."""
    given = _read(body, ResolveBody)
    if given.sufficient and not given.answerable:
        raise _fault(ResolveBody, "answerable")
    if given.document is not None and not given.answerable:
        raise _fault(ResolveBody, "document")
    return Opinion(sufficient=given.sufficient, answerable=given.answerable, document=given.document)


def render_feedback(request: str, opinion: Opinion) -> bytes:
    """The body that repeats feedback; `FeedbackGivenBody` is its schema."""
    return dump({"request_id": request, "sufficient": opinion.sufficient, "answerable": opinion.answerable})


def render_standing(handoff: Handoff) -> bytes:
    """The body that says how a hand-off stands, without names or words: it is kept with its idempotency key."""
    return dump(standing(handoff))


def render_handoffs(found: Sequence[Waiting], request_id: str) -> bytes:
    """The body that lists hand-offs; `HandoffsBody` is its schema."""
    return dump({"request_id": request_id, "handoffs": list(map(plain, found))})


def standing(handoff: Handoff) -> dict[str, object]:
    """How a hand-off stands, as JSON has it."""
    return {
        "id": handoff.id,
        "request_id": handoff.asked.request,
        "source": handoff.asked.source,
        "kind": handoff.kind,
        "state": handoff.state,
    }


def plain(waiting: Waiting) -> dict[str, object]:
    """A hand-off as JSON has it."""
    handoff, words = waiting.handoff, waiting.words
    question = handoff.asked
    return {
        **standing(handoff),
        "asked_at": question.asked_at.isoformat(),
        "asked_by": question.subject,
        "agent": question.agent,
        "verdict": question.verdict,
        "reasons": list(question.reasons),
        "confidence": None if question.confidence is None else round(question.confidence, 4),
        "query": None if words is None else words.query,
        "unmatched": None if words is None else list(words.unmatched),
        "claimed_by": handoff.claimed_by,
        "claimed_at": _iso(handoff.claimed_at),
        "resolved_by": handoff.resolved_by,
        "resolved_at": _iso(handoff.resolved_at),
    }


def feedback_examples() -> dict[str, dict[str, Any]]:
    """Examples of feedback, by name."""
    opinion = Opinion(sufficient=False, answerable=True)
    given = render_feedback("7d0f5c2ab91e4c6f0a1b2c3d", opinion)
    return {"given": {"summary": "the answer is in the source, and was not found", "value": parse(given)}}


def standing_examples(state: HandoffState) -> dict[str, dict[str, Any]]:
    """Examples of a hand-off in this state, by name."""
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    question = Asked(
        request="7d0f5c2ab91e4c6f0a1b2c3d", source=SourceName("hr-handbook"), asked_at=at, subject="", agent=None,
        scope="", schema=0, features=None, calibration=None, confidence=None, verdict=Verdict.HANDOFF, reasons=(),
        propensity=1.0, purview={}, sealed=None, again=None,
    )  # fmt: skip
    handoff = Handoff(
        id=HandoffId("0c9d3c5b7a1f4e2d8b6a9f01"), kind=HandoffKind.HANDOFF, state=state, claimed_by=None,
        claimed_at=None, resolved_by=None, resolved_at=None, asked=question,
    )  # fmt: skip
    return {state.value: {"summary": f"a hand-off that is {state.value}", "value": parse(render_standing(handoff))}}


def _read(body: bytes, model: type[Body]) -> Body:
    try:
        return model.model_validate(parse(body))
    except ValidationError as error:
        raise BodyInvalidError(faults_of(error, model)) from None  # the cause holds the input


def _fault(model: type[Wire], name: str) -> BodyInvalidError:
    return BodyInvalidError([FieldFault(path=name, expected=model.model_fields[name].description or "")])


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
