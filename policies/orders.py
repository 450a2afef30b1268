"""Standing orders over documents: legal holds, and restrictions of processing.

A hold forbids every deletion and shows nothing longer than its retention allows. A restriction (GDPR Art. 18) keeps a
document and shows it to nobody. Both outlive a catalog restored from before they were placed.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from policies.errors import ConflictError, RefusedError
from policies.model import DocumentId, SourceName

OrderId = NewType("OrderId", str)
"""Names one standing order: 24 hex digits."""
MAX_REFERENCE_CHARS = 300
ASK_LASTS = timedelta(days=30)
"""How long a wish to release a hold waits for its second person. Chosen: long enough for a holiday, and too short for
somebody to end what a stranger asked for in another year."""


class OrderKind(StrEnum):
    """What an order says."""

    HOLD = "hold"
    RESTRICTION = "restriction"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One standing order. Times are UTC, aware.

    No `documents` means every document of the source, those that come later among them. `reference` names the matter
    or the request it rests on. `asked_by` asked for a hold's release, `ended_by` released or lifted it; `notice` says
    where the data subject was told before a restriction was lifted.
    """

    id: OrderId
    kind: OrderKind
    source: SourceName
    documents: frozenset[DocumentId]
    reference: str
    placed_by: str
    placed_at: datetime
    asked_by: str | None = None
    asked_at: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None
    notice: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it is in force."""
        return self.ended_at is None

    def covers(self, document: DocumentId, parent: DocumentId | None) -> bool:
        """Whether it is about a document, by itself or by the one that it came in."""
        return not self.documents or document in self.documents or parent in self.documents


def check_reference(text: str, what: str) -> str:
    """The text, if it can name a matter.

    Raises:
        RefusedError: it is empty, too long or more than one line.
    """
    plain = text.strip()
    if not 0 < len(plain) <= MAX_REFERENCE_CHARS or not plain.isprintable():
        raise RefusedError(
            f"The {what} is not one line of 1 to {MAX_REFERENCE_CHARS} characters.",
            mend="Write where it is recorded, such as LIT-2026-014.",
        )
    return plain


def is_asked(hold: Order, *, now: datetime) -> bool:
    """Whether somebody asked for a hold's release, and not too long ago for a second person to confirm it."""
    return hold.asked_at is not None and now - hold.asked_at <= ASK_LASTS


def ask_release(hold: Order, *, by: str, now: datetime) -> Order:
    """The hold with one person's wish to release it, which another person has to confirm.

    Raises:
        ConflictError: it is no hold that stands.
    """
    _check_stands(hold, OrderKind.HOLD)
    return replace(hold, asked_by=by, asked_at=now)


def release(hold: Order, *, by: str, now: datetime) -> Order:
    """The hold, released by a second person.

    Raises:
        ConflictError: it is no hold that stands, or nobody asked for its release lately.
        RefusedError: it is the same person who asked.
    """
    _check_stands(hold, OrderKind.HOLD)
    if not is_asked(hold, now=now):
        raise ConflictError(
            f"Nobody asked for the release of hold {hold.id} within {ASK_LASTS.days} days.",
            mend="Ask for it; another person then confirms.",
        )
    if by == hold.asked_by:
        raise RefusedError(
            f"Hold {hold.id} takes two persons to release, and {by!r} asked for it.",
            mend="Have another person release it, who proves who they are with a key of their own.",
        )
    return replace(hold, ended_by=by, ended_at=now)


def lift(restriction: Order, *, by: str, notice: str, now: datetime) -> Order:
    """The restriction, lifted. `notice` says where the data subject was told before (GDPR Art. 18(3)).

    Raises:
        ConflictError: it is no restriction that stands. RefusedError: there is no notice.
    """
    _check_stands(restriction, OrderKind.RESTRICTION)
    told = check_reference(notice, "notice to the data subject")
    return replace(restriction, ended_by=by, ended_at=now, notice=told)


def standing(
    orders: Collection[Order], document: DocumentId, parent: DocumentId | None, *, kind: OrderKind | None = None
) -> Order | None:
    """The oldest order in force over a document, of this kind where one is named; None where there is none."""
    over = (order for order in orders if order.stands and kind in (None, order.kind) and order.covers(document, parent))
    return min(over, key=lambda order: (order.placed_at, order.id), default=None)


def _check_stands(order: Order, kind: OrderKind) -> None:
    if order.kind is not kind:
        raise ConflictError(f"{order.id} is a {order.kind}, no {kind}.", mend=f"Name a {kind} that stands.")
    if not order.stands:
        raise ConflictError(f"The {kind} {order.id} has ended.", mend=f"Name a {kind} that stands.")
