"""The use case: a caller's question to a governed answer.

Every source asked for is decided on its own; the search runs inside what was permitted; what comes back is looked at
once more; and the answer leaves only after its audit record is durable.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from gateway.answer import NOTHING_VISIBLE, Answer, CitedPassage, Confidence, RetrievalRequest, VisibleSource
from gateway.confidence import Model, features
from gateway.guardrail import decide
from gateway.identity import Identity
from gateway.lookup import Lookup, Opened, Question, ReplacedError, source_of
from indexer import calibrations, catalog
from indexer.content import open_description, open_text
from indexer.database import Database
from indexer.seal import Key
from indexer.search import Found, Hit
from policies import ledger
from policies.errors import AuditError, ConflictError, DependencyError, IntegrityError
from policies.model import (
    Action,
    AuditEvent,
    Caller,
    ConfidenceStatus,
    Reason,
    SourceName,
)

ANCHOR_EVERY = 256
"""Chosen: how many retrievals lie between two signed heads of the audit chain, so how many a cut end could hide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Looked:
    """What one source gave."""

    opened: Opened
    found: Found
    confidence: Confidence
    threshold: float | None


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Answers questions. Safe to use from several threads. `clock` gives the present, UTC and aware."""

    database: Database
    lookup: Lookup
    identity: Identity
    clock: Callable[[], datetime]

    def verify(self, authorization: str | None) -> Caller:
        """The caller that an Authorization header proves.

        Raises:
            UnauthenticatedError: it proves none.
        """
        return self.identity.verify(authorization, self.clock())

    def retrieve(self, caller: Caller, request: RetrievalRequest, *, request_id: str) -> Answer:
        """The answer for this caller. A denial, of whatever kind, is NOTHING_VISIBLE.

        Raises:
            AuditError: the record could not be made durable, so there is no answer.
            DependencyError: the query could not be redacted, or an index is damaged or was replaced too often.
        """
        now = self.clock()
        try:
            answer, denials = self._answer(caller, request, now)
        except ReplacedError:
            # Once more, with the index that is there now. A damaged one fails again.
            answer, denials = self._answer(caller, request, now)
        self._record(caller, request, answer, denials, request_id=request_id, now=now)
        return answer

    def sources(self, caller: Caller) -> tuple[VisibleSource, ...]:
        """The sources of which this caller may see something, with the purposes it may use them for."""
        now = self.clock()
        visible: list[VisibleSource] = []
        with self.database.reading() as session:
            for registered in catalog.registrations(session):
                source = source_of(registered.manifest)
                purposes = frozenset(
                    purpose
                    for purpose in source.policy.purposes
                    if isinstance(self.lookup.open(session, registered, caller, purpose, now), Opened)
                )
                if purposes:
                    visible.append(VisibleSource(name=source.name, title=source.title, purposes=purposes))
        return tuple(visible)

    def failing(self) -> tuple[str, ...]:
        """Codes of what cannot serve now: `index` where a generation does not open, `catalog` where that does not."""
        try:
            with self.database.reading() as session:
                registered = catalog.registrations(session)
        except (DependencyError, ConflictError, IntegrityError):
            return ("catalog",)
        try:
            for source in registered:
                self.lookup.generation(source)
        except DependencyError:
            return ("index",)
        return ()

    def _answer(
        self, caller: Caller, request: RetrievalRequest, now: datetime
    ) -> tuple[Answer, Mapping[SourceName, Reason]]:
        denials: dict[SourceName, Reason] = {}
        opened: list[Opened] = []
        question = Question(text=request.query)
        # One session for all, so that catalog and index are of one instant.
        with self.database.reading() as session:
            registered = {source.name: source for source in catalog.registrations(session)}
            for name in sorted(registered if request.sources is None else request.sources):
                found = (
                    self.lookup.open(session, registered[name], caller, request.purpose, now)
                    if name in registered
                    else Reason.SOURCE_UNKNOWN
                )
                if isinstance(found, Opened):
                    opened.append(found)
                else:
                    denials[name] = found
            looked = [self._look(session, source, question, request.k) for source in opened]
            best = _pooled(looked, request.k)
            if not best:
                return NOTHING_VISIBLE, denials
            passages = self._cited(session, best)
        return _judged([one for one in looked if one.found.hits], passages), denials

    def _look(self, session: Session, opened: Opened, question: Question, k: int) -> _Looked:
        found = self.lookup.look(opened, question, k=k)
        stored = calibrations.latest(session, opened.source.name)
        if stored is None:
            unknown = Confidence(value=None, status=ConfidenceStatus.UNCALIBRATED, calibration=None)
            return _Looked(opened=opened, found=found, confidence=unknown, threshold=None)
        model = Model.load(stored)
        status = model.status(generation=opened.generation.id, embedder=opened.generation.inventory.embedder)
        confidence = Confidence(value=model.probability(features(found.evidence)), status=status, calibration=model.id)
        return _Looked(opened=opened, found=found, confidence=confidence, threshold=model.threshold)

    def _cited(self, session: Session, best: Sequence[tuple[Opened, Hit]]) -> tuple[CitedPassage, ...]:
        wanted = [(hit.revision, hit.ordinal) for _, hit in best]
        stored = catalog.cited(session, wanted)
        keys = self.lookup.keyring.document_keys({revision for revision, _ in wanted})
        cited: list[CitedPassage] = []
        for opened, hit in best:
            place = (hit.revision, hit.ordinal)
            if place not in stored or hit.revision not in keys:
                raise ReplacedError("The index was replaced while it was searched.", mend="Retry.")
            cited.append(_citation(opened, hit, keys[hit.revision], *stored[place]))
        return tuple(cited)

    def _record(
        self,
        caller: Caller,
        request: RetrievalRequest,
        answer: Answer,
        denials: Mapping[SourceName, Reason],
        *,
        request_id: str,
        now: datetime,
    ) -> None:
        event = AuditEvent(
            actor=caller.subject,
            action=Action.RETRIEVED,
            objects=(request_id, *dict.fromkeys(passage.document for passage in answer.passages)),
            detail={
                "agent": caller.agent,
                "purpose": request.purpose,
                "conversation": request.conversation,
                "verdict": answer.verdict.value,
                "reasons": list(answer.reasons),
                "confidence": answer.confidence.value,
                "status": answer.confidence.status.value,
                "passages": len(answer.passages),
                "sources": sorted({passage.source for passage in answer.passages}),
                "denied": [f"{source}:{reason.value}" for source, reason in denials.items()],
            },
        )
        try:
            with self.database.writing() as session:
                head = ledger.append(session, event, now=now)
            if head.sequence % ANCHOR_EVERY == 0:
                self.lookup.keyring.anchor(head, now=now)
        except (ConflictError, DependencyError, IntegrityError) as error:
            raise AuditError("The audit record could not be made durable.", mend="Retry later.") from error


def _pooled(looked: Sequence[_Looked], k: int) -> list[tuple[Opened, Hit]]:
    """The best hits of all sources: by score, then by document and place, so that the order is always the same."""
    hits = [(one.opened, hit) for one in looked for hit in one.found.hits]
    hits.sort(key=lambda entry: (-entry[1].score, entry[1].document, entry[1].ordinal))
    return hits[:k]


def _judged(looked: Sequence[_Looked], passages: tuple[CitedPassage, ...]) -> Answer:
    """The answer over the sources that gave something; with several, the most confident one speaks for all."""
    speaker = max(looked, key=lambda one: -1.0 if one.confidence.value is None else one.confidence.value)
    verdict, causes = decide(
        speaker.confidence,
        threshold=speaker.threshold,
        several_sources=len(looked) > 1,
        terms_unmatched=not any(term.matched for one in looked for term in one.found.evidence.terms),
    )
    return Answer(verdict=verdict, reasons=causes, confidence=speaker.confidence, passages=passages)


def _citation(opened: Opened, hit: Hit, key: Key, version: str, description: bytes, text: bytes) -> CitedPassage:
    described = open_description(key, hit.revision, description)
    passage = open_text(key, hit.revision, hit.ordinal, text)
    return CitedPassage(
        text=passage.text,
        score=hit.score,
        source=opened.source.name,
        document=hit.document,
        title=described.title,
        uri=described.uri,
        version=version,
        page=passage.page,
        section=passage.section,
        ordinal=hit.ordinal,
    )
