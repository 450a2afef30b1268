"""The use case: a caller's question to a governed answer.

Every source asked for is decided on its own; the search runs inside what was permitted; what comes back is looked at
once more; and the answer leaves only after its audit record is durable.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlmodel import Session

from gateway import asking
from gateway.answer import (
    NOTHING_VISIBLE,
    Answer,
    Confidence,
    RetrievalRequest,
    VisibleSource,
)
from gateway.asking import Lead
from gateway.confidence import Ledge, Model, Spoken, speaking
from gateway.identity import Identity
from gateway.lookup import Cited, Lookup, Opened, Question, UnavailableError
from gateway.seen import UNKNOWN, Looked, Seen, citation, judged, pooled
from indexer import catalog
from indexer.database import Database
from indexer.search import READ, Found, Hit
from policies import ledger
from policies.errors import AuditError, ConflictError, DependencyError, IntegrityError
from policies.ledger import Head
from policies.manifest import parse
from policies.model import (
    Action,
    AuditEvent,
    Caller,
    ConfidenceStatus,
    Reason,
    SourceName,
)

ANCHOR_EVERY = 256
"""Chosen: no answer leaves with so many records of the audit behind the last signed head, so how many a cut end of it
could hide; behind that of a catalog that was put back, twice as many."""
READINGS = 3
"""Chosen: how often an answer is made with a reader until nothing changed meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """What a request comes to. `lead` is None where nothing may be shown."""

    answer: Answer
    denials: Mapping[SourceName, Reason]
    lead: Lead | None


@dataclass
class _Anchored:
    """The record of the audit that this process knows to be anchored; other processes may have anchored later ones."""

    sequence: int = 0

    def is_far_from(self, head: Head) -> bool:
        """Whether the head is to be anchored. That of a catalog that was put back lies before what is anchored."""
        return abs(head.sequence - self.sequence) >= ANCHOR_EVERY


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Answers questions. Safe to use from several threads. `clock` gives the present, UTC and aware."""

    database: Database
    lookup: Lookup
    identity: Identity
    clock: Callable[[], datetime]
    ledge: Ledge = field(default_factory=Ledge)
    _anchored: _Anchored = field(default_factory=_Anchored)

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
            QueryError: the query cannot be redacted.
            DependencyError: the catalog or the redaction is away, or a reader never got to read what stayed as it was.
        """
        now = self.clock()
        try:
            outcome = self._answer(caller, request, now, last_try=False)
        except UnavailableError:
            # Once more, with the index that is there now. Where one is damaged, its source gives nothing.
            outcome = self._answer(caller, request, now, last_try=True)
        self._record(caller, request, outcome, request_id=request_id, now=now)
        return outcome.answer

    def sources(self, caller: Caller, *, request_id: str) -> tuple[VisibleSource, ...]:
        """The sources of which this caller may see something, with the purposes it may use them for.

        Raises:
            AuditError: the record could not be made durable, so there is no answer.
            DependencyError: the catalog is away.
        """
        now = self.clock()
        visible: list[VisibleSource] = []
        with self.database.reading() as session:
            for registered in catalog.registrations(session):
                source = parse(registered.manifest, path="catalog")
                purposes = frozenset(
                    purpose
                    for purpose in source.policy.purposes
                    if isinstance(self._open(session, registered, caller, purpose, now, last_try=True), Opened)
                )
                if purposes:
                    visible.append(VisibleSource(name=source.name, title=source.title, purposes=purposes))
        event = AuditEvent(
            actor=f"caller:{caller.subject}",
            action=Action.SOURCES_LISTED,
            objects=(request_id,),
            detail=_standing(caller) | {"sources": sorted(source.name for source in visible)},
        )
        self._append(event, now=now)
        return tuple(visible)

    def failing(self) -> tuple[str, ...]:
        """Codes of what cannot serve now: `catalog`, or `index` where no source's index opens."""
        try:
            with self.database.reading() as session:
                registered = catalog.registrations(session)
        except (DependencyError, ConflictError, IntegrityError):
            return ("catalog",)
        return ("index",) if registered and not any(map(self._opens, registered)) else ()

    def _opens(self, registered: catalog.Registration) -> bool:
        try:
            self.lookup.generation(registered)
        except UnavailableError:
            return False
        return True

    def _answer(self, caller: Caller, request: RetrievalRequest, now: datetime, *, last_try: bool) -> _Outcome:
        question = Question(text=request.query)
        seen = self._seen(caller, request, question, now, last_try=last_try)
        if self.lookup.reader is None or not seen.best:
            return self._outcome(seen, request, question)
        for _ in range(READINGS):
            outcome = self._outcome(seen, request, question)
            # A reader takes its time, in which documents are erased, expire or are taken from the caller.
            before, seen = seen, self._seen(caller, request, question, self.clock(), last_try=last_try)
            if seen.told() == before.told():
                return outcome
        raise UnavailableError("What was found changed whenever it was read.", mend="Retry.")

    def _seen(
        self, caller: Caller, request: RetrievalRequest, question: Question, now: datetime, *, last_try: bool
    ) -> Seen:
        denials: dict[SourceName, Reason] = {}
        opened: list[Opened] = []
        # One session for all, so that catalog and index are of one instant.
        with self.database.reading() as session:
            registered = {source.name: source for source in catalog.registrations(session)}
            for name in sorted(registered if request.sources is None else request.sources):
                found = (
                    self._open(session, registered[name], caller, request.purpose, now, last_try=last_try)
                    if name in registered
                    else Reason.SOURCE_UNKNOWN
                )
                if isinstance(found, Opened):
                    opened.append(found)
                else:
                    denials[name] = found
            looked = [
                self._look(session, caller, source, question, request.k, purpose=request.purpose) for source in opened
            ]
            best = pooled(looked, request.k)
            read = self._read(session, best, looked)
        return Seen(denials=denials, looked=looked, best=best, read=read)

    def _outcome(self, seen: Seen, request: RetrievalRequest, question: Question) -> _Outcome:
        best, read = seen.best, seen.read
        if not best:
            return _Outcome(answer=NOTHING_VISIBLE, denials=seen.denials, lead=None)
        contributing = {opened.source.name for opened, _ in best}
        # After the session: a reader takes its time, and a purge waits for whoever reads the catalog.
        heard = [self._weighed(one, question) for one in seen.looked if one.opened.source.name in contributing]
        first = next(one for one in heard if one.opened is best[0][0])
        alone = len(heard) == 1 and request.k >= READ
        row = first.features
        if alone and first.model is None:
            row = self._row(first.opened, first.found, question, read)
        lead = Lead(
            opened=first.opened,
            evidence=first.found.evidence,
            schema=first.schema,
            features=row if alone else None,
            purview={one.opened.source.name: frozenset(one.opened.classes()) for one in heard},
            wording=question.wordings[first.opened.source.name],
        )
        passages = tuple(citation(opened, hit, read[hit]) for opened, hit in best)
        return _Outcome(answer=judged(heard, question, passages), denials=seen.denials, lead=lead)

    def _open(
        self,
        session: Session,
        registered: catalog.Registration,
        caller: Caller,
        purpose: str,
        now: datetime,
        *,
        last_try: bool,
    ) -> Opened | Reason:
        try:
            return self.lookup.open(session, registered, caller, purpose, now)
        except UnavailableError:
            if last_try:
                return Reason.INDEX_UNAVAILABLE
            raise

    def _look(
        self, session: Session, caller: Caller, opened: Opened, question: Question, k: int, *, purpose: str
    ) -> Looked:
        found = self.lookup.look(opened, question, k=k)
        spoken = _speaking(session, opened, caller)
        makers = self.lookup.makers(opened.source)
        looked = Looked(opened=opened, found=found, schema=makers.schema)
        # One that was fitted on more passages would promise too much, and another reader's scores mean something else.
        if spoken is None or k < spoken.model.k or spoken.model.makers.reader != makers.reader:
            return looked
        model = spoken.model
        status = self.ledge.standing(session, spoken, opened.generation, opened.visible, makers).status
        # All of them at once: most will be cited.
        read = self.lookup.cite(session, found.hits)
        bears = opened.source.policy.guardrail
        thresholds = model.thresholds(max_risk=bears.max_risk, delta=bears.delta, purpose=purpose)
        return replace(looked, model=model, status=status, read=read, thresholds=thresholds)

    def _weighed(self, one: Looked, question: Question) -> Looked:
        """The same with its confidence."""
        if one.model is None:
            return one
        row = self._row(one.opened, one.found, question, one.read)
        confidence = UNKNOWN if row is None else _confidence(one.model, row, one.status)
        return replace(one, features=row, confidence=confidence)

    def _row(
        self, opened: Opened, found: Found, question: Question, read: Mapping[Hit, Cited]
    ) -> tuple[float, ...] | None:
        """The features of what was found; None where one is no number, or the reader gives none."""
        try:
            row = self.lookup.features(opened, found, question, [read[hit].passage for hit in found.hits[:READ]])
        except (DependencyError, IntegrityError):
            return None
        return row if all(map(math.isfinite, row)) else None

    def _read(
        self, session: Session, best: Sequence[tuple[Opened, Hit]], looked: Sequence[Looked]
    ) -> Mapping[Hit, Cited]:
        read = {hit: cited for one in looked for hit, cited in one.read.items()}
        unread = [hit for _, hit in best if hit not in read]
        return read | self.lookup.cite(session, unread) if unread else read

    def _record(
        self,
        caller: Caller,
        request: RetrievalRequest,
        outcome: _Outcome,
        *,
        request_id: str,
        now: datetime,
    ) -> None:
        answer, denials = outcome.answer, outcome.denials
        event = AuditEvent(
            actor=f"caller:{caller.subject}",
            action=Action.RETRIEVED,
            objects=(request_id, *dict.fromkeys(passage.document for passage in answer.passages)),
            detail={
                **_standing(caller),
                "purpose": request.purpose,
                "conversation": self._fingerprint(request.conversation),
                "verdict": answer.verdict.value,
                "reasons": list(answer.reasons),
                "confidence": answer.confidence.value,
                "status": answer.confidence.status.value,
                "passages": len(answer.passages),
                "sources": sorted({passage.source for passage in answer.passages}),
                # Names that are no source's are the caller's own words, which do not belong here.
                "denied": [
                    f"{source}:{reason.value}"
                    for source, reason in denials.items()
                    if reason is not Reason.SOURCE_UNKNOWN
                ],
                "unknown": sum(reason is Reason.SOURCE_UNKNOWN for reason in denials.values()),
            },
        )

        def keep(session: Session) -> None:
            if outcome.lead is not None:
                keyring, lead = self.lookup.keyring, outcome.lead
                asking.keep(session, keyring, lead, caller, request, answer, request_id=request_id, now=now)

        self._append(event, now=now, beside=keep)

    def _fingerprint(self, conversation: str | None) -> str | None:
        # In place of the caller's own words, which can be a document's: what is erased must not stand in the audit.
        return None if conversation is None else self.lookup.keyring.fingerprint("conversation", conversation)

    def _append(self, event: AuditEvent, *, now: datetime, beside: Callable[[Session], None] = lambda _: None) -> None:
        """Make a record durable, with what `beside` writes in the same transaction."""
        try:
            with self.database.writing() as session:
                head = ledger.append(session, event, now=now)
                beside(session)
            if self._anchored.is_far_from(head):
                self._anchor(head, now)
        except AuditError:
            raise
        except (ConflictError, DependencyError, IntegrityError) as error:
            raise AuditError("The audit record could not be made durable.", mend="Retry later.") from error

    def _anchor(self, head: Head, now: datetime) -> None:
        keyring = self.lookup.keyring
        last = keyring.last_anchor()
        self._anchored.sequence = last.sequence if last else 0
        if self._anchored.is_far_from(head):
            keyring.anchor(head, now=now)
            self._anchored.sequence = head.sequence


def _standing(caller: Caller) -> dict[str, str | list[str] | None]:
    """What a record says of a caller, beside who it is."""
    return {
        "credential": caller.credential,
        "agent": caller.agent.subject if caller.agent else None,
        "region": caller.region,
    }


def _speaking(session: Session, opened: Opened, caller: Caller) -> Spoken | None:
    """The model that speaks to the caller; None where there is none, or one that another version of Penstock fitted."""
    try:
        return speaking(session, opened.source.name, caller)
    except IntegrityError:
        return None


def _confidence(model: Model, row: Sequence[float], status: ConfidenceStatus) -> Confidence:
    try:
        value = model.probability(row)
    except IntegrityError:
        return UNKNOWN
    return Confidence(value=value, status=status, calibration=model.id, missing_labels=model.missing_labels())
