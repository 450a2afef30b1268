"""What a caller asks for and what comes back, before any wire format."""

from dataclasses import dataclass, field

from policies.model import ConfidenceStatus, DocumentId, SourceName, Verdict

NO_VISIBLE_PASSAGE = "no_visible_passage"
"""The one reason a caller sees where nothing may be shown: unknown, forbidden, expired and empty look the same."""
MOST_UNMATCHED = 10
"""Chosen: a person reads no more words that were not found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalRequest:
    """A query for one purpose.

    `query` is stripped and holds 1 to 20,000 characters; `sources` is None for every source the caller may use, else
    1 to 100 names, known or not; `k` is the number of passages wanted, 1 to 50; `conversation` is an opaque id that
    ties the steps of one conversation together in the audit; `key` is the same where a request is sent again.
    """

    query: str
    purpose: str
    sources: frozenset[SourceName] | None
    k: int
    conversation: str | None
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Confidence:
    """The calibrated probability, 0 to 1, that the passages hold what the query needs; None where none is known.

    `calibration` is the id of the calibration behind the value, None where there is none. `missing_labels` is about how
    many labels it lacks for the next better status, 0 at the best, None where no number would do or nobody knows.
    """

    value: float | None
    status: ConfidenceStatus
    calibration: str | None
    missing_labels: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CitedPassage:
    """One redacted passage with what a citation needs.

    `score` is a similarity, comparable within one answer only. `version` names the content the passage was cut from,
    `ordinal` is its 0-based place in the document, `page` is 1-based; `page` and `section` are None where the format
    has none. `title` and `uri` are redacted like the text, "" where the origin gives none. Its repr holds ids only.
    """

    text: str = field(repr=False)
    score: float
    source: SourceName
    document: DocumentId
    title: str = field(repr=False)
    uri: str = field(repr=False)
    version: str
    page: int | None
    section: str | None = field(repr=False)
    ordinal: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The outcome of one retrieval: best passage first, with the verdict and the codes of its reasons.

    `unmatched_terms` are words of the redacted query, as it has them, that none of the first passages holds: at most
    10, in the query's order. Stop words are not among them.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    confidence: Confidence
    passages: tuple[CitedPassage, ...]
    unmatched_terms: tuple[str, ...] = field(default=(), repr=False)


NOTHING_VISIBLE = Answer(
    verdict=Verdict.HANDOFF,
    reasons=(NO_VISIBLE_PASSAGE,),
    confidence=Confidence(value=None, status=ConfidenceStatus.UNCALIBRATED, calibration=None),
    passages=(),
)
"""The answer to every query of which nothing may be shown, whatever the cause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VisibleSource:
    """A source the caller may use, with those of its purposes that are the caller's too."""

    name: SourceName
    title: str
    purposes: frozenset[str]
