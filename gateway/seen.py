"""What a search gave one caller at one instant, and the answer that is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.answer import Answer, CitedPassage, Confidence
from gateway.confidence import Model
from gateway.guardrail import Thresholds, decide
from gateway.lookup import Cited, Opened, Question
from gateway.unmatched import Sought, unmatched_terms
from indexer.search import Found, Hit
from policies.model import ConfidenceStatus, Reason, SourceName

UNKNOWN = Confidence(value=None, status=ConfidenceStatus.UNCALIBRATED, calibration=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What one source gave. Where a `model` speaks, of this `status`, `read` is what was read of the hits for it.

    `features` are of this `schema`, and None where no model speaks, one is no number or the reader gave none.
    """

    opened: Opened
    found: Found
    schema: int
    model: Model | None = None
    status: ConfidenceStatus = ConfidenceStatus.UNCALIBRATED
    read: Mapping[Hit, Cited] = field(default_factory=dict)
    features: tuple[float, ...] | None = None
    confidence: Confidence = UNKNOWN
    thresholds: Thresholds | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What was found at one instant: in each source, the `best` of all, and what was `read` of those."""

    denials: Mapping[SourceName, Reason]
    looked: Sequence[Looked]
    best: Sequence[tuple[Opened, Hit]]
    read: Mapping[Hit, Cited]

    def told(self) -> object:
        """All that an answer is made of: equal at two instants if nothing of it changed in between."""
        return [(one.opened.source, one.found, one.model, one.status) for one in self.looked], self.read


def pooled(looked: Sequence[Looked], k: int) -> list[tuple[Opened, Hit]]:
    """The best hits of all sources: by score, then by document and place, so that the order is always the same."""
    hits = [(one.opened, hit) for one in looked for hit in one.found.hits]
    hits.sort(key=lambda entry: (-entry[1].score, entry[1].document, entry[1].ordinal))
    return hits[:k]


def judged(looked: Sequence[Looked], question: Question, passages: tuple[CitedPassage, ...]) -> Answer:
    """The answer over the sources that its passages come from; with several, the least confident speaks for all."""
    speaker = min(looked, key=lambda one: -1.0 if one.confidence.value is None else one.confidence.value)
    verdict, causes = decide(
        speaker.confidence,
        thresholds=speaker.thresholds,
        several_sources=len(looked) > 1,
        terms_unmatched=not any(term.matched for one in looked for term in one.found.evidence.terms),
    )
    return Answer(
        verdict=verdict,
        reasons=causes,
        confidence=speaker.confidence,
        passages=passages,
        unmatched_terms=unmatched_terms(_sought(one, question) for one in looked),
    )


def _sought(one: Looked, question: Question) -> Sought:
    return Sought(
        wording=question.wordings[one.opened.source.name],
        weighed=one.found.evidence.terms,
        languages=one.opened.generation.inventory.languages,
    )


def citation(opened: Opened, hit: Hit, cited: Cited) -> CitedPassage:
    """A hit as an answer cites it."""
    return CitedPassage(
        text=cited.passage.text,
        score=hit.score,
        source=opened.source.name,
        document=hit.document,
        title=cited.description.title,
        uri=cited.description.uri,
        version=cited.version,
        page=cited.passage.page,
        section=cited.passage.section,
        ordinal=hit.ordinal,
    )
