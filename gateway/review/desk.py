"""The use cases of reviewers. Every method may block and may be called from several threads at once.

RequestError
├── OwnAnswerError              403: whoever asked labels the answer
├── ContradictedError           409: somebody said otherwise, so a reviewer has to resolve it
└── TakenError                  409: another reviewer has the hand-off, or had it
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from sqlmodel import Session

from gateway.operate.desk import actor_of, check_role
from gateway.problems import NotFoundError, RequestError
from gateway.review.sight import Sight
from indexer import asked, handoffs, labels
from indexer.asked import Asked, Kept, kept_from
from indexer.database import Database
from indexer.handoffs import Handoff, HandoffId, HandoffKind, HandoffState
from indexer.keyring import Keyring
from indexer.labels import Label
from policies import ledger
from policies.manifest import Source
from policies.model import Action, AuditEvent, Caller, DocumentId, Role, SourceName

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HANDOFF_ID = re.compile(r"[0-9a-f]{24}")


Detail = dict[str, str | int | float | bool | list[str] | None]


class OwnAnswerError(RequestError):
    """Whoever asked a question does not say what its answer was worth."""

    code = "own_answer"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            "This answer was given to you, or to the agent that you are.", mend="Have another reviewer look at it."
        )


class ContradictedError(RequestError):
    """Two people say different things of one answer."""

    code = "contradicted"
    status = HTTPStatus.CONFLICT


class TakenError(RequestError):
    """Somebody else has it in hand."""

    code = "handoff_taken"
    status = HTTPStatus.CONFLICT


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewer:
    """Who looks at answers: `actor` as the audit names him; `caller` is None for who works at the machine itself.

    Made by `reviewer_of` for callers.
    """

    actor: str
    caller: Caller | None

    def asked(self, question: Asked) -> bool:
        """Whether he asked this question, or is the agent that did."""
        caller = self.caller
        names = {self.actor} | ({actor_of(caller)} if caller else set())
        if caller and caller.agent:
            names.add(f"caller:{caller.agent.subject}")
        return not names.isdisjoint({question.subject, f"caller:{question.agent}" if question.agent else ""})


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """What somebody says of an answer: whether the passages held what was needed, whether the source does.

    `answerable` is None where that was not said; `document` is the id, or the origin's, of one that answers.
    """

    sufficient: bool
    answerable: bool | None
    document: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A hand-off with its words, None where the source keeps none."""

    handoff: Handoff
    words: Kept | None


def reviewer_of(caller: Caller) -> Reviewer:
    """The caller as a reviewer.

    Raises:
        ForbiddenError: it lacks the role.
    """
    check_role(caller, Role.REVIEWER)
    return Reviewer(actor=actor_of(caller), caller=caller)


@dataclass(frozen=True, kw_only=True)
class ReviewDesk:
    """Where reviewers ask. `clock` gives the present, UTC and aware."""

    database: Database
    keyring: Keyring
    sight: Sight
    clock: Callable[[], datetime]

    def listing(
        self, reviewer: Reviewer, *, source: SourceName | None, state: HandoffState | None, limit: int, request_id: str
    ) -> tuple[Waiting, ...]:
        """Hand-offs made of nothing but what the reviewer may read, the oldest first, at most `limit`, once on record.

        Raises:
            AuditError, DependencyError: it could not be put on record, so nothing is shown.
        """
        now = self.clock()
        with self.database.reading() as session:
            view = self.sight.view(session, reviewer.caller, now)
            since = {
                name: kept_from(one.policy.retention.period, now)
                for name, one in view.sources.items()
                if source in (None, name)
            }
            found = handoffs.listing(session, since, is_shown=view.covers, state=state, limit=limit)
        detail: Detail = {"handoffs": len(found), "sources": [str(name) for name in sorted(since)]}
        event = AuditEvent(
            actor=reviewer.actor,
            action=Action.HANDOFFS_LISTED,
            objects=(request_id,),
            detail=_standing(reviewer, detail),
        )
        with self.database.writing() as session:
            ledger.append(session, event, now=now)
        words = asked.open_words(self.keyring, [one.asked for one in found])
        return tuple(Waiting(handoff=one, words=words.get(one.asked.request)) for one in found)

    def claim(self, reviewer: Reviewer, handoff: HandoffId) -> Handoff:
        """The hand-off, in this reviewer's hands from now on.

        Raises:
            NotFoundError: there is none that he may know of. OwnAnswerError: he asked. TakenError: it is another's.
        """
        now = self.clock()
        with self.database.writing() as session:
            held, source = self._open(session, reviewer, handoff, now)
            if held.state is HandoffState.RESOLVED:
                raise _resolved()
            handoffs.claim(session, handoff, by=reviewer.actor, now=now)
            self._record(session, reviewer, Action.HANDOFF_CLAIMED, source, held, {}, now)
            return self._held(session, handoff)

    def resolve(self, reviewer: Reviewer, handoff: HandoffId, opinion: Opinion) -> Handoff:
        """The hand-off, ended by what this reviewer says, which is the label of its question from now on.

        Whoever resolved it may do so again, to mend it.

        Raises:
            NotFoundError: there is none that he may know of. OwnAnswerError: he asked. TakenError: it is another's.
            ContradictedError: he is one of those who contradict each other. RequestError: there is no such document.
        """
        now = self.clock()
        with self.database.writing() as session:
            held, source = self._open(session, reviewer, handoff, now)
            if held.resolved_by not in {None, reviewer.actor}:
                raise _resolved()
            given = labels.of(session, held.asked.request)
            if labels.contradict(given) and any(label.by == reviewer.actor for label in given):
                raise ContradictedError(
                    "What you said of this answer is one side of the contradiction.",
                    mend="Have a third person resolve it.",
                )
            document = self._document(session, reviewer, source, opinion, now)
            labels.put(session, _label(held.asked, reviewer, opinion, document, now, resolves=True))
            handoffs.resolve(session, handoff, by=reviewer.actor, now=now)
            detail: Detail = {"sufficient": opinion.sufficient, "answerable": opinion.answerable, "document": document}
            self._record(session, reviewer, Action.HANDOFF_RESOLVED, source, held, detail, now)
            return self._held(session, handoff)

    def feedback(self, reviewer: Reviewer, request: str, opinion: Opinion) -> None:
        """Keep what a reviewer says of an answer, in place of what he said before.

        Where it contradicts another's it is kept as well; neither counts, and a hand-off waits for who resolves it.

        Raises:
            NotFoundError: there is no such question that he may know of. OwnAnswerError: he asked it.
            ContradictedError: another said otherwise, or it was resolved otherwise; then nothing changes.
        """
        now = self.clock()
        with self.database.writing() as session:
            question, source = self._question(session, reviewer, request, now)
            others = [label for label in labels.of(session, request) if label.by != reviewer.actor or label.resolves]
            _check_resolved(others, opinion)
            label = _label(question, reviewer, opinion, None, now, resolves=False)
            contradicted = labels.contradict([*others, label])
            if not any(one.resolves for one in others):
                labels.put(session, label)
                self._follow(session, reviewer, question, now, contradicted=contradicted)
            event = AuditEvent(
                actor=reviewer.actor,
                action=Action.FEEDBACK_GIVEN,
                objects=(source.name, request),
                policy_hash=source.policy_hash,
                detail=_standing(
                    reviewer,
                    {
                        "sufficient": opinion.sufficient,
                        "answerable": opinion.answerable,
                        "contradicted": contradicted,
                    },
                ),
            )
            ledger.append(session, event, now=now)
        if contradicted:
            raise ContradictedError(
                "Another reviewer said otherwise of this answer. Both are kept, and neither counts as a label.",
                mend="A third reviewer has to resolve it: it waits in GET /v1/handoffs, penstock handoff list.",
            )

    def _follow(
        self, session: Session, reviewer: Reviewer, question: Asked, now: datetime, *, contradicted: bool
    ) -> None:
        """Have a contradiction wait, or end what waited for nothing but a label."""
        if contradicted:
            handoffs.contest(session, self.keyring, question)
            return
        held = handoffs.of_request(session, question.request)
        if held is not None and held.kind is not HandoffKind.HANDOFF and held.state is not HandoffState.RESOLVED:
            handoffs.resolve(session, held.id, by=reviewer.actor, now=now)

    def _question(self, session: Session, reviewer: Reviewer, request: str, now: datetime) -> tuple[Asked, Source]:
        # PostgreSQL takes no text with NUL: what is no id is not looked up.
        found = asked.find(session, request) if _REQUEST_ID.fullmatch(request) else None
        view = self.sight.view(session, reviewer.caller, now)
        source = view.sources.get(found.source) if found and view.covers(found.purview) else None
        if found is None or source is None or found.asked_at < kept_from(source.policy.retention.period, now):
            raise NotFoundError(
                "There is no such answered request that you may review.",
                mend="Name a request id of an answer, given within 90 days, made of what you may read.",
            )
        if reviewer.asked(found):
            raise OwnAnswerError
        return found, source

    def _open(self, session: Session, reviewer: Reviewer, handoff: HandoffId, now: datetime) -> tuple[Handoff, Source]:
        held = handoffs.find(session, handoff) if _HANDOFF_ID.fullmatch(handoff) else None
        unknown = NotFoundError("There is no such hand-off.", mend="List them: GET /v1/handoffs, penstock handoff list")
        if held is None:
            raise unknown
        try:
            _, source = self._question(session, reviewer, held.asked.request, now)
        except NotFoundError:
            raise unknown from None
        if not held.is_open_to(reviewer.actor, now):
            raise TakenError(
                "Another reviewer has this hand-off.",
                mend="Take another: GET /v1/handoffs?state=waiting, penstock handoff list --state waiting",
            )
        return held, source

    def _document(
        self, session: Session, reviewer: Reviewer, source: Source, opinion: Opinion, now: datetime
    ) -> DocumentId | None:
        if opinion.document is None:
            return None
        found = self.sight.document(session, source, reviewer.caller, opinion.document, now)
        if found is None:
            raise RequestError(
                "The source has no such document that you may read.",
                mend="Name an indexed one by its id or by its origin's, or leave `document` out.",
            )
        return found

    def _held(self, session: Session, handoff: HandoffId) -> Handoff:
        held = handoffs.find(session, handoff)
        assert held is not None  # noqa: S101 - for the type checker: it was found above
        return held

    def _record(
        self,
        session: Session,
        reviewer: Reviewer,
        action: Action,
        source: Source,
        held: Handoff,
        detail: Detail,
        now: datetime,
    ) -> None:
        event = AuditEvent(
            actor=reviewer.actor,
            action=action,
            objects=(source.name, held.id, held.asked.request),
            policy_hash=source.policy_hash,
            detail=_standing(reviewer, detail),
        )
        ledger.append(session, event, now=now)


def _resolved() -> TakenError:
    return TakenError(
        "The hand-off is resolved.",
        mend="Take another: GET /v1/handoffs?state=waiting, penstock handoff list --state waiting",
    )


def _standing(reviewer: Reviewer, detail: Detail) -> Detail:
    """What a record says, with what it says of a caller beside who it is."""
    caller = reviewer.caller
    if caller is None:
        return detail
    return {"credential": caller.credential, "agent": caller.agent.subject if caller.agent else None, **detail}


def _label(
    question: Asked, reviewer: Reviewer, opinion: Opinion, document: DocumentId | None, now: datetime, *, resolves: bool
) -> Label:
    return Label(
        request=question.request,
        by=reviewer.actor,
        sufficient=opinion.sufficient,
        # Passages that hold what was needed are the source's.
        answerable=True if opinion.sufficient else opinion.answerable,
        resolves=resolves,
        document=document,
        labelled_at=now,
    )


def _check_resolved(others: Sequence[Label], opinion: Opinion) -> None:
    """Return if no resolution says otherwise.

    Raises:
        ContradictedError: one does.
    """
    for label in others:
        differs = (label.sufficient, label.answerable) != (
            opinion.sufficient,
            label.answerable if opinion.answerable is None else opinion.answerable,
        )
        if label.resolves and differs:
            raise ContradictedError(
                "A reviewer resolved this answer otherwise, and that stands.",
                mend="Whoever resolved it can do so again, in GET /v1/handoffs or penstock handoff list.",
            )
