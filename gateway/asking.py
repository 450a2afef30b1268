"""What is kept of an answer: enough for a label of it, and its place in the queue where a person is to look at it.

Nothing of it shows in the answer, so that nobody can tell what is reviewed.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from gateway.answer import Answer, RetrievalRequest
from gateway.lookup import Opened
from indexer import asked, handoffs
from indexer.asked import Asked, Kept, Purview
from indexer.handoffs import HandoffKind
from indexer.keyring import Keyring
from indexer.search import Evidence
from policies.model import Caller, Verdict

HANDED_OFF = 1.0
"""The chance that a hand-off comes before a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lead:
    """The source that an answer's first passage comes from. `wording` is the question as it was redacted for it.

    `features`, of this `schema`, is None where the answer is not this source's alone, or no model could learn from it.
    `purview` is of every source that speaks in the answer.
    """

    opened: Opened
    evidence: Evidence
    schema: int
    features: tuple[float, ...] | None
    purview: Purview
    wording: str = field(repr=False)


def keep(
    session: Session,
    keyring: Keyring,
    lead: Lead,
    caller: Caller,
    request: RetrievalRequest,
    answer: Answer,
    *,
    request_id: str,
    now: datetime,
) -> None:
    """Keep an answered question in the transaction of its audit record, and queue it where a person is to see it."""
    source = lead.opened.source
    guardrail = source.policy.guardrail
    handed_off = answer.verdict is Verdict.HANDOFF
    unmatched = tuple(term.text for term in lead.evidence.terms if not term.matched)
    words = Kept(query=lead.wording, unmatched=unmatched)
    question = Asked(
        request=request_id,
        source=source.name,
        asked_at=now,
        subject=f"caller:{caller.subject}",
        agent=caller.agent.subject if caller.agent else None,
        scope=lead.opened.scope(),
        schema=lead.schema,
        features=lead.features,
        calibration=answer.confidence.calibration,
        confidence=answer.confidence.value,
        verdict=answer.verdict,
        reasons=answer.reasons,
        propensity=HANDED_OFF if handed_off else guardrail.review_share,
        purview=lead.purview,
        sealed=asked.seal_words(keyring, source.name, now, request_id, words) if guardrail.keep_query else None,
        again=_again(keyring, caller, request, lead),
    )
    asked.store(session, question)
    if handed_off:
        handoffs.queue(session, keyring, question, HandoffKind.HANDOFF)
    elif handoffs.is_drawn(keyring, request_id, guardrail.review_share):
        handoffs.queue(session, keyring, question, HandoffKind.REVIEW)


def _again(keyring: Keyring, caller: Caller, request: RetrievalRequest, lead: Lead) -> str | None:
    """What a request sent again has alike. One key with another question is another request: it must not get lost."""
    if request.key is None:
        return None
    agent = caller.agent.subject if caller.agent else ""
    who = (caller.credential, caller.subject, agent)
    return keyring.fingerprint(
        "asked again", *who, request.key, lead.opened.source.name, request.purpose, request.query
    )
