"""What is kept of answered questions: what a label of one needs, for a while, and its words only where policy says so.

A row is written in the transaction of the audit record of its answer, or there is no answer.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, insert, select, update
from sqlmodel import Session, SQLModel

from indexer.database import MAX_VARIABLES, batched
from indexer.keyring import Keyring
from indexer.seal import seal, unseal
from indexer.tables import AskedRow
from policies.manifest import Source
from policies.model import ClassId, SourceName, Verdict
from policies.retention import Period, due

KEPT = timedelta(days=90)
"""Chosen: a label is given within days, and a drift shows within weeks. A shorter period of the source is kept to."""

Purview: TypeAlias = Mapping[SourceName, frozenset[ClassId]]
"""The visibility classes, by source, that an answer was made of: who may read less may not know what was made of it."""

_ASKED = SQLModel.metadata.tables[str(AskedRow.__tablename__)]
# Every retrieval writes one.
_INSERT = insert(_ASKED)
_CONFIDENCES = (
    select(_ASKED.c.id, _ASKED.c.again, _ASKED.c.confidence, _ASKED.c.verdict)
    .where(_ASKED.c.source == bindparam("source"), _ASKED.c.asked_at >= bindparam("since"))
    .where(_ASKED.c.features.is_not(None), _ASKED.c.confidence.is_not(None))
    .order_by(_ASKED.c.asked_at, _ASKED.c.id)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The redacted words of a question, and the terms of it that none of the passages returned first holds."""

    query: str = field(repr=False)
    unmatched: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One answered question. `asked_at` is UTC, aware; `subject` and `agent` are as the audit names them.

    `source` is the only one that the answer came from, or that of its first passage; then, and where fewer passages
    were wanted than a model is fitted on, `features` is None. `propensity` is the chance, 0 to 1, that a person is
    asked for a label of it. `purview` is what its asker could read then of the sources that the answer came from.
    `again` is the same for a request that is sent again, None where nobody could tell.
    """

    request: str
    source: SourceName
    asked_at: datetime
    subject: str
    agent: str | None
    scope: str
    schema: int
    features: tuple[float, ...] | None
    calibration: str | None
    confidence: float | None
    verdict: Verdict
    reasons: tuple[str, ...]
    propensity: float
    purview: Purview
    sealed: bytes | None
    again: str | None


def store(session: Session, asked: Asked) -> None:
    """Keep an answered question."""
    session.connection().execute(_INSERT, _values(asked))


def find(session: Session, request: str) -> Asked | None:
    """The question of this request id, None where none is kept."""
    row = session.connection().execute(select(_ASKED).where(_ASKED.c.id == request)).one_or_none()
    return None if row is None else asked_of(row)


def confidences(session: Session, source: SourceName, since: datetime) -> tuple[tuple[float, str], ...]:
    """Confidence and verdict of each question since then that this source alone answered, the oldest first.

    One that was sent again counts once.
    """
    given = {"source": source, "since": since.isoformat()}
    rows = session.connection().execute(_CONFIDENCES, given)
    return tuple({row.again or row.id: (row.confidence, row.verdict) for row in rows}.values())


def kept_from(period: Period, now: datetime) -> datetime:
    """The instant since which questions of a source with this period of retention are kept, UTC, aware."""
    start, end = now - KEPT, now
    if due(start, period) > now:
        return start
    # Calendar months have no inverse, but a later question is never due earlier.
    while end - start > timedelta(seconds=1):
        middle = start + (end - start) / 2
        start, end = (middle, end) if due(middle, period) <= now else (start, middle)
    return end


def expire(session: Session, source: Source, now: datetime) -> int:
    """Delete the questions of a source that are kept no longer, with their labels and hand-offs; how many."""
    return session.connection().execute(delete(_ASKED).where(_is_old(source, now))).rowcount


def has_expired(session: Session, source: Source, now: datetime) -> bool:
    """Whether `expire` would delete anything."""
    old = select(_ASKED.c.id).where(_is_old(source, now)).limit(1)
    return session.connection().execute(old).first() is not None


def worded(session: Session, source: SourceName) -> tuple[Asked, ...]:
    """Every question of a source that has kept words."""
    its_own = (_ASKED.c.source == source) & _ASKED.c.sealed.is_not(None)
    return tuple(map(asked_of, session.connection().execute(select(_ASKED).where(its_own))))


def drop_words(session: Session, requests: Collection[str]) -> None:
    """Delete the words of these questions."""
    for some in batched(requests, MAX_VARIABLES):
        session.connection().execute(update(_ASKED).where(_ASKED.c.id.in_(some)).values(sealed=None))


def key_owner(source: SourceName, asked_at: datetime, request: str) -> str:
    """What the key of a question's words is filed under. A source's are in the order in which they were asked."""
    return f"{source}/{asked_at.isoformat()}/{request}"


def seal_words(keyring: Keyring, source: SourceName, asked_at: datetime, request: str, kept: Kept) -> bytes:
    """The words of a question, sealed under a key of their own: no backup of the catalog has them once it is gone."""
    plain = json.dumps({"query": kept.query, "unmatched": kept.unmatched}, ensure_ascii=False)
    key = keyring.asked_key(key_owner(source, asked_at, request))
    return seal(key, plain.encode("utf-8", "surrogatepass"), place=_place(request))


def open_words(keyring: Keyring, questions: Iterable[Asked]) -> dict[str, Kept]:
    """What `seal_words` was given, by request id; missing where nothing is kept, or its key was destroyed.

    Raises:
        IntegrityError: it was changed, or is another question's.
    """
    owners = {
        key_owner(one.source, one.asked_at, one.request): (one.request, one.sealed)
        for one in questions
        if one.sealed is not None
    }
    words: dict[str, Kept] = {}
    for owner, key in keyring.held_asked_keys(owners).items():
        request, sealed = owners[owner]
        plain = json.loads(unseal(key, sealed, place=_place(request)).decode("utf-8", "surrogatepass"))
        words[request] = Kept(query=plain["query"], unmatched=tuple(plain["unmatched"]))
    return words


def asked_of(row: Row[Any]) -> Asked:
    """The question that a row with all of its columns holds."""
    return Asked(
        request=row.id,
        source=SourceName(row.source),
        asked_at=datetime.fromisoformat(row.asked_at),
        subject=row.subject,
        agent=row.agent,
        scope=row.scope,
        schema=row.feature_schema,
        features=None if row.features is None else numbers(row.features),
        calibration=row.calibration,
        confidence=row.confidence,
        verdict=Verdict(row.verdict),
        reasons=tuple(json.loads(row.reasons)),
        propensity=row.propensity,
        purview=purview_of(row.purview),
        sealed=row.sealed,
        again=row.again,
    )


def purview_of(text: str) -> Purview:
    """A purview as it is stored."""
    return {SourceName(source): frozenset(map(ClassId, classes)) for source, classes in json.loads(text).items()}


def numbers(features: str) -> tuple[float, ...]:
    """Features as they are stored."""
    return tuple(json.loads(features))


def _is_old(source: Source, now: datetime) -> ColumnElement[bool]:
    start = kept_from(source.policy.retention.period, now)
    return and_(_ASKED.c.source == source.name, _ASKED.c.asked_at < start.isoformat())


def _values(asked: Asked) -> dict[str, object]:
    return {
        "id": asked.request,
        "source": asked.source,
        "asked_at": asked.asked_at.isoformat(),
        "subject": asked.subject,
        "agent": asked.agent,
        "scope": asked.scope,
        "feature_schema": asked.schema,
        "features": None if asked.features is None else _dump(asked.features),
        "calibration": asked.calibration,
        "confidence": asked.confidence,
        "verdict": asked.verdict.value,
        "reasons": _dump(asked.reasons),
        "propensity": asked.propensity,
        "purview": _dump({source: sorted(classes) for source, classes in sorted(asked.purview.items())}),
        "sealed": asked.sealed,
        "again": asked.again,
    }


def _dump(values: Sequence[object] | Mapping[str, object]) -> str:
    return json.dumps(values, separators=(",", ":"), allow_nan=False)


def _place(request: str) -> str:
    return f"asked:{request}"
