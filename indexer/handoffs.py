"""The queue of answers that a person is to look at: what was handed off, and what was drawn for review."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

from sqlalchemy import Row, and_, bindparam, false, insert, or_, select, update
from sqlmodel import Session, SQLModel

from indexer.asked import Asked, Purview, asked_of, purview_of
from indexer.database import MAX_VARIABLES, batched
from indexer.keyring import Keyring
from indexer.tables import AskedRow, HandoffRow
from policies.model import SourceName

HandoffId = NewType("HandoffId", str)
"""Names one hand-off: 24 hex digits."""

CLAIM_LASTS = timedelta(hours=24)
"""Chosen: who has not come back to a hand-off by the next day does not keep it from others."""


class HandoffKind(StrEnum):
    """Why a person is to look at an answer."""

    HANDOFF = "handoff"
    REVIEW = "review"
    CONTRADICTED = "contradicted"


class HandoffState(StrEnum):
    """How a hand-off stands."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    RESOLVED = "resolved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Handoff:
    """One hand-off and the question that it is about. Times are UTC, aware."""

    id: HandoffId
    kind: HandoffKind
    state: HandoffState
    claimed_by: str | None
    claimed_at: datetime | None
    resolved_by: str | None
    resolved_at: datetime | None
    asked: Asked

    def is_open_to(self, person: str, now: datetime) -> bool:
        """Whether nobody else has it in hand."""
        return self.claimed_by in (None, person) or self.claimed_at is None or now - self.claimed_at >= CLAIM_LASTS


_ASKED, _HANDOFF = (SQLModel.metadata.tables[str(row.__tablename__)] for row in (AskedRow, HandoffRow))
_COLUMNS = [column.label(f"queue_{column.name}") for column in _HANDOFF.columns]
_JOINED = select(_ASKED, *_COLUMNS).join(_HANDOFF, _HANDOFF.c.request == _ASKED.c.id)
# Every retrieval that is handed off asks and writes these.
_INSERT = insert(_HANDOFF)
_WAITING = (
    select(_HANDOFF.c.id)
    .join(_ASKED, _ASKED.c.id == _HANDOFF.c.request)
    .where(_ASKED.c.again == bindparam("again"), _HANDOFF.c.kind == bindparam("kind"))
)


def is_drawn(keyring: Keyring, request: str, share: float) -> bool:
    """Whether an answer is among the share that is reviewed: as good as random, and always the same for one request.

    Nobody without the home's keys can tell, or bring it about.
    """
    drawn = keyring.fingerprint("review", request)
    return int(drawn, 16) < share * (1 << 4 * len(drawn))


def queue(session: Session, keyring: Keyring, asked: Asked, kind: HandoffKind) -> None:
    """Have a person look at an answer. Where the request is one sent again, what waits for it already is kept."""
    if asked.again is not None:
        # One drawn for review is no hand-off, and ends without anybody who answers.
        before = {"again": asked.again, "kind": kind.value}
        if session.connection().execute(_WAITING, before).first() is not None:
            return
    _insert(session, keyring, asked, kind)


def contest(session: Session, keyring: Keyring, asked: Asked) -> None:
    """Have a person look at an answer of which people say different things, again where one did before."""
    before = of_request(session, asked.request)
    if before is None:
        _insert(session, keyring, asked, HandoffKind.CONTRADICTED)
    elif before.state is HandoffState.RESOLVED:
        anew = {"claimed_by": None, "claimed_at": None, "resolved_by": None, "resolved_at": None}
        _set(session, before.id, state=HandoffState.WAITING.value, **anew)


def find(session: Session, handoff: HandoffId) -> Handoff | None:
    """One hand-off, None where there is none of that id."""
    row = session.connection().execute(_JOINED.where(_HANDOFF.c.id == handoff)).one_or_none()
    return None if row is None else _handoff(row)


def of_request(session: Session, request: str) -> Handoff | None:
    """The hand-off of a request, None where it has none."""
    row = session.connection().execute(_JOINED.where(_HANDOFF.c.request == request)).one_or_none()
    return None if row is None else _handoff(row)


def listing(
    session: Session,
    since: Mapping[SourceName, datetime],
    *,
    is_shown: Callable[[Purview], bool],
    state: HandoffState | None,
    limit: int,
) -> tuple[Handoff, ...]:
    """The hand-offs of these sources that were asked since the instant of each, the oldest first, at most `limit`.

    Only those whose purview is shown.
    """
    connection = session.connection()
    each = (and_(_ASKED.c.source == source, _ASKED.c.asked_at >= start.isoformat()) for source, start in since.items())
    wanted = or_(false(), *each)
    if state is not None:
        wanted &= _HANDOFF.c.state == state.value
    purviews = select(_ASKED.c.purview).join(_HANDOFF, _HANDOFF.c.request == _ASKED.c.id).where(wanted).distinct()
    # Of many hand-offs there are few purviews: each is decided once, and what is not shown does not count in the limit.
    shown = [row.purview for row in connection.execute(purviews) if is_shown(purview_of(row.purview))]
    first = _JOINED.where(wanted).order_by(_ASKED.c.asked_at, _ASKED.c.id).limit(limit)
    rows = [
        row
        for some in batched(shown, MAX_VARIABLES)
        for row in connection.execute(first.where(_ASKED.c.purview.in_(some)))
    ]
    return tuple(map(_handoff, sorted(rows, key=lambda row: (row.asked_at, row.id))[:limit]))


def claim(session: Session, handoff: HandoffId, *, by: str, now: datetime) -> None:
    """Have a hand-off in a person's hands."""
    _set(session, handoff, state=HandoffState.CLAIMED.value, claimed_by=by, claimed_at=now.isoformat())


def resolve(session: Session, handoff: HandoffId, *, by: str, now: datetime) -> None:
    """End a hand-off."""
    _set(session, handoff, state=HandoffState.RESOLVED.value, resolved_by=by, resolved_at=now.isoformat())


def _insert(session: Session, keyring: Keyring, asked: Asked, kind: HandoffKind) -> None:
    values = {"id": keyring.fingerprint("handoff", asked.request), "request": asked.request}
    waiting = HandoffState.WAITING.value
    session.connection().execute(_INSERT, {**values, "kind": kind.value, "state": waiting})


def _set(session: Session, handoff: HandoffId, **values: str | None) -> None:
    session.connection().execute(update(_HANDOFF).where(_HANDOFF.c.id == handoff).values(**values))


def _handoff(row: Row[Any]) -> Handoff:
    return Handoff(
        id=HandoffId(row.queue_id),
        kind=HandoffKind(row.queue_kind),
        state=HandoffState(row.queue_state),
        claimed_by=row.queue_claimed_by,
        claimed_at=_time(row.queue_claimed_at),
        resolved_by=row.queue_resolved_by,
        resolved_at=_time(row.queue_resolved_at),
        asked=asked_of(row),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
