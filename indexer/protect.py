"""Placing and ending standing orders.

An order is placed inside a transaction of the catalog's audit, whose one write lock every deletion takes as well: a
hold that was placed is seen by the next step of whatever deletes. It ends only when the record of that is durable.
Where a process dies between the two files a protection stands, never a record of one that does not.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType

from sqlmodel import Session

from indexer import catalog, orders, serving
from indexer.workshop import Workshop
from policies import ledger
from policies import orders as law
from policies.errors import RefusedError
from policies.model import Action, AuditEvent, DocumentId, SourceName
from policies.orders import Order, OrderId, OrderKind, check_reference

_ACTIONS: Mapping[OrderKind, tuple[Action, Action]] = MappingProxyType(
    {
        OrderKind.HOLD: (Action.HOLD_PLACED, Action.HOLD_RELEASED),
        OrderKind.RESTRICTION: (Action.RESTRICTION_PLACED, Action.RESTRICTION_LIFTED),
    }
)
"""What the audit calls placing and ending an order."""


def place(
    workshop: Workshop,
    kind: OrderKind,
    source: SourceName,
    documents: Collection[DocumentId],
    *,
    reference: str,
    by: str,
) -> Order:
    """Place an order over documents of a source, or, where none are named, over all it has and will have.

    Raises:
        RefusedError: there is no such source or document, or no reference.
    """
    now = workshop.clock()
    order = Order(
        id=OrderId(workshop.new_id()),
        kind=kind,
        source=source,
        documents=frozenset(documents),
        reference=check_reference(reference, "reference"),
        placed_by=by,
        placed_at=now,
    )

    with workshop.database.writing() as session:
        catalog.require(session, source)
        _check_known(session, source, order.documents)
        head = ledger.append(session, _event(order, by=by), now=now)
        _save(workshop, order)
    workshop.keyring.anchor(head, now=now)
    return order


def release(workshop: Workshop, hold: OrderId, *, by: str) -> Order:
    """Release a hold, which takes two persons: the first call asks for it, that of another within 30 days ends it.

    Raises:
        RefusedError: there is no such hold, or the same person asks again. ConflictError: it has ended.
    """
    now = workshop.clock()

    def step(order: Order) -> Order:
        if not law.is_asked(order, now=now):
            return law.ask_release(order, by=by, now=now)
        return law.release(order, by=by, now=now)

    return _change(workshop, hold, step, by=by, now=now)


def lift(workshop: Workshop, restriction: OrderId, *, by: str, notice: str) -> Order:
    """Lift a restriction, after the data subject was told of it: `notice` says where that is recorded.

    Raises:
        RefusedError: there is no such restriction, or no notice. ConflictError: it has ended.
    """
    now = workshop.clock()
    return _change(workshop, restriction, lambda order: law.lift(order, by=by, notice=notice, now=now), by=by, now=now)


def _change(workshop: Workshop, order: OrderId, change: Callable[[Order], Order], *, by: str, now: datetime) -> Order:
    with workshop.database.writing() as session:
        with workshop.keyring.database.reading() as keys:
            changed = change(orders.find(keys, order))
        head = ledger.append(session, _event(changed, by=by), now=now)
    _save(workshop, changed)
    workshop.keyring.anchor(head, now=now)
    return changed


def _save(workshop: Workshop, order: Order) -> None:
    with workshop.keyring.database.writing() as keys:
        orders.save(keys, order)


def _event(order: Order, *, by: str) -> AuditEvent:
    placed, ended = _ACTIONS[order.kind]
    action = placed if order.stands else ended
    if order.stands and order.asked_by is not None:
        action = Action.HOLD_RELEASE_ASKED
    return AuditEvent(
        actor=by,
        action=action,
        objects=(order.source, order.id, *sorted(order.documents)),
        detail={"reference": order.reference, "documents": len(order.documents), "notice": order.notice},
    )


def _check_known(session: Session, source: SourceName, documents: Collection[DocumentId]) -> None:
    # Removed ones too: what another order keeps from deletion can come under one of its own.
    unknown = sorted(set(documents) - serving.with_parts(session, source, documents))
    if unknown:
        raise RefusedError(
            f"Source {source!r} has no document {unknown[0]!r}.",
            mend="Name one that it has, by its id or as its origin calls it.",
        )
