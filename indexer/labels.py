"""What people say of answered questions: whether the passages held what was needed, and whether the source does.

What two of them say against each other is no label until a reviewer resolves it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlmodel import Session, SQLModel

from indexer.asked import numbers
from indexer.handoffs import HandoffKind
from indexer.tables import AskedRow, HandoffRow, LabelRow
from policies.model import DocumentId, SourceName

_ASKED, _LABEL, _HANDOFF = (
    SQLModel.metadata.tables[str(row.__tablename__)] for row in (AskedRow, LabelRow, HandoffRow)
)
_ASKED_FOR = frozenset({HandoffKind.HANDOFF.value, HandoffKind.REVIEW.value})
_LABELLED = (
    select(_LABEL, _ASKED, _HANDOFF.c.kind.label("queued_as"))
    .join(_ASKED, _ASKED.c.id == _LABEL.c.request)
    .outerjoin(_HANDOFF, _HANDOFF.c.request == _LABEL.c.request)
    .where(_ASKED.c.source == bindparam("source"), _ASKED.c.asked_at >= bindparam("since"))
    .where(_ASKED.c.features.is_not(None))
    .order_by(_ASKED.c.asked_at, _LABEL.c.request, _LABEL.c.resolves, _LABEL.c.labelled_at, _LABEL.c.by)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What one person says of one question. `labelled_at` is UTC, aware.

    `answerable` is None where that was not said; `document` is one that answers the question, where one was named.
    """

    request: str
    by: str
    sufficient: bool
    answerable: bool | None
    resolves: bool
    document: DocumentId | None
    labelled_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """One labelled question, with the features of its answer in the order of their schema.

    `sufficient` says that the passages held what was needed, `answerable` that the source does; True where nobody said
    otherwise. `propensity` is the chance, above 0 and at most 1, that a question like it is labelled: each stands for
    one over it. A label that nobody was asked for stands for itself alone, so that it has 1.
    """

    request: str
    schema: int
    features: tuple[float, ...]
    scope: str
    sufficient: bool
    answerable: bool
    propensity: float
    labelled_at: datetime


def labelled(session: Session, source: SourceName, *, since: datetime) -> tuple[Labelled, ...]:
    """The labelled questions that this source alone answered since an instant, the one asked first first, each once.

    Of what is older nothing may be told, deleted or not: see `asked.kept_from`. The latest label counts, a resolution
    before all others. What contradicts itself counts as none.
    """
    rows = session.connection().execute(_LABELLED, {"source": source, "since": since.isoformat()})
    found = (_settled(list(group)) for _, group in groupby(rows, key=lambda row: row.request))
    return tuple(one for one in found if one is not None)


def of(session: Session, request: str) -> tuple[Label, ...]:
    """Every label of a question, the latest last and a resolution behind all others."""
    order = (_LABEL.c.resolves, _LABEL.c.labelled_at, _LABEL.c.by)
    rows = session.connection().execute(select(_LABEL).where(_LABEL.c.request == request).order_by(*order))
    return tuple(map(_label, rows))


def put(session: Session, label: Label) -> None:
    """Keep what a person says of a question, in place of what that person said of it before."""
    session.merge(
        LabelRow(
            request=label.request,
            by=label.by,
            sufficient=label.sufficient,
            answerable=label.answerable,
            resolves=label.resolves,
            document=label.document,
            labelled_at=label.labelled_at.isoformat(),
        )
    )
    session.flush()


def contradict(labels: Iterable[Label]) -> bool:
    """Whether these labels of one question say different things, and no resolution settles which."""
    every = list(labels)
    told = {label.answerable for label in every if label.answerable is not None}
    return not any(label.resolves for label in every) and (
        len({label.sufficient for label in every}) > 1 or len(told) > 1
    )


def _settled(rows: list[Row[Any]]) -> Labelled | None:
    every = [_label(row) for row in rows]
    if contradict(every):
        return None
    row, last = rows[-1], every[-1]
    told = [label.answerable for label in every if label.answerable is not None]
    answerable = last.answerable if last.resolves else (told[-1] if told else None)
    return Labelled(
        request=last.request,
        schema=row.feature_schema,
        features=numbers(row.features),
        scope=row.scope,
        sufficient=last.sufficient,
        answerable=answerable is not False,
        propensity=row.propensity if row.queued_as in _ASKED_FOR else 1.0,
        labelled_at=last.labelled_at,
    )


def _label(row: Row[Any]) -> Label:
    return Label(
        request=row.request,
        by=row.by,
        sufficient=row.sufficient,
        answerable=row.answerable,
        resolves=row.resolves,
        document=None if row.document is None else DocumentId(row.document),
        labelled_at=datetime.fromisoformat(row.labelled_at),
    )
