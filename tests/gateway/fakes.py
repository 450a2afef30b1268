"""A gateway of which the tests see every wish, and an application around it."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastapi import FastAPI

from gateway.answer import NOTHING_VISIBLE, Answer, CitedPassage, Confidence, RetrievalRequest, VisibleSource
from gateway.app import create_app
from gateway.credential import CredentialError, CredentialFault
from gateway.operate.desk import Desk
from policies.model import Caller, ConfidenceStatus, DocumentId, SourceName, Verdict

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANN = Caller(subject="ann", groups=frozenset({"staff"}), purposes=frozenset({"employee-support"}), region="gb")
PASSAGE = CitedPassage(
    text="Leave is 25 days — “per year”.",
    score=0.12345678,
    source=SourceName("hr-handbook"),
    document=DocumentId("0" * 32),
    title="Leave",
    uri="https://intranet.example/leave",
    version="v1",
    page=3,
    section=None,
    ordinal=7,
)
ANSWER = Answer(
    verdict=Verdict.CAUTION,
    reasons=("provisional",),
    confidence=Confidence(value=0.87654321, status=ConfidenceStatus.PROVISIONAL, calibration="c1", missing_labels=26),
    unmatched_terms=("Sabbatjahr",),
    passages=(PASSAGE,),
)
UNUSED: Desk = object.__new__(Desk)
"""Whatever is asked of it is an AttributeError."""


def _nothing_visible(_: RetrievalRequest) -> Answer:
    return NOTHING_VISIBLE


@dataclass
class FakeGateway:
    """Knows one credential, `good`, and answers what it is told to."""

    answer: Callable[[RetrievalRequest], Answer] = _nothing_visible
    visible: tuple[VisibleSource, ...] = ()
    broken: tuple[str, ...] = ()
    asked: list[tuple[Caller, RetrievalRequest, str]] = field(default_factory=list)

    def verify(self, authorization: str | None) -> Caller:
        if authorization != "Bearer good":
            raise CredentialError(CredentialFault.MISSING if authorization is None else CredentialFault.KEY_UNKNOWN)
        return ANN

    def retrieve(self, caller: Caller, request: RetrievalRequest, *, request_id: str) -> Answer:
        self.asked.append((caller, request, request_id))
        return self.answer(request)

    def sources(self, caller: Caller, *, request_id: str) -> tuple[VisibleSource, ...]:
        assert request_id
        assert caller == ANN
        return self.visible

    def failing(self) -> tuple[str, ...]:
        return self.broken


def app_over(
    gateway: FakeGateway, desk: Desk = UNUSED, *, retrieve_threads: int = 2, max_retrievals_waiting: int = 8
) -> FastAPI:
    numbers = itertools.count(1)
    return create_app(
        gateway,
        desk,
        new_request_id=lambda: f"r{next(numbers)}",
        retrieve_threads=retrieve_threads,
        max_retrievals_waiting=max_retrievals_waiting,
    )
