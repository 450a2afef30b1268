"""Where standing orders are kept: beside the tombstones, apart from the catalog and its backups."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlmodel import Field, Session, SQLModel

from indexer.database import Database
from indexer.tables import DocumentRow
from policies import orders as law
from policies.errors import RefusedError
from policies.model import DocumentId, SourceName
from policies.orders import Order, OrderId, OrderKind


class OrderRow(SQLModel, table=True):
    """A standing order. `documents` is a JSON list of ids, empty where it is about the whole source."""

    __tablename__ = "standing_order"

    id: str = Field(primary_key=True)
    kind: str
    source: str = Field(index=True)
    documents: str
    reference: str
    placed_by: str
    placed_at: str
    asked_by: str | None = None
    asked_at: str | None = None
    ended_by: str | None = None
    ended_at: str | None = None
    notice: str | None = None


_ORDER, _DOCUMENT = (SQLModel.metadata.tables[str(row.__tablename__)] for row in (OrderRow, DocumentRow))
# Every retrieval asks for the restrictions of its sources.
_STANDING = (
    select(_ORDER)
    .where(_ORDER.c.source == bindparam("source"), _ORDER.c.ended_at.is_(None))
    .order_by(_ORDER.c.placed_at, _ORDER.c.id)
)


def standing(session: Session, source: SourceName, *, kind: OrderKind | None = None) -> tuple[Order, ...]:
    """The orders in force on a source, of this kind where one is named, the oldest first."""
    found = map(_order, session.connection().execute(_STANDING, {"source": source}))
    return tuple(order for order in found if kind in (None, order.kind))


def restrictions(keyring: Database, source: SourceName) -> tuple[Order, ...]:
    """The restrictions in force on a source now, the oldest first."""
    with keyring.reading() as keys:
        return standing(keys, source, kind=OrderKind.RESTRICTION)


def listing(session: Session, *, kind: OrderKind, source: SourceName | None = None) -> tuple[Order, ...]:
    """Every order of a kind there ever was, the oldest first."""
    statement = select(_ORDER).where(_ORDER.c.kind == kind.value).order_by(_ORDER.c.placed_at, _ORDER.c.id)
    if source is not None:
        statement = statement.where(_ORDER.c.source == source)
    return tuple(map(_order, session.connection().execute(statement)))


def sources(session: Session) -> frozenset[SourceName]:
    """The sources on which an order is in force."""
    found = select(_ORDER.c.source).where(_ORDER.c.ended_at.is_(None)).distinct()
    return frozenset(map(SourceName, session.connection().execute(found).scalars()))


def ids(session: Session) -> frozenset[OrderId]:
    """Every order there ever was."""
    return frozenset(map(OrderId, session.connection().execute(select(_ORDER.c.id)).scalars()))


def find(session: Session, order: OrderId) -> Order:
    """One order.

    Raises:
        RefusedError: there is none of that id.
    """
    row = session.connection().execute(select(_ORDER).where(_ORDER.c.id == order)).first()
    if row is None:
        raise RefusedError(
            f"There is no order {order!r}.", mend="List them with: penstock hold list, penstock restrict list"
        )
    return _order(row)


def protected(session: Session, keyring: Database, source: SourceName) -> Mapping[DocumentId, Order]:
    """The documents of a source that must not be deleted now, removed ones among them, with the order that says so.

    `session` is the catalog's, and a writing one where the answer is to hold until something was deleted: placing an
    order takes the same lock.
    """
    with keyring.reading() as keys:
        orders = standing(keys, source)
    if not orders:
        return {}
    rows = session.connection().execute(select(_DOCUMENT.c.id, _DOCUMENT.c.parent).where(_DOCUMENT.c.source == source))
    found = {
        DocumentId(row.id): law.standing(orders, DocumentId(row.id), DocumentId(row.parent) if row.parent else None)
        for row in rows
    }
    return {document: order for document, order in found.items() if order is not None}


def save(session: Session, order: Order) -> None:
    """Keep an order as it is now, whether it is new or was kept before. One that has ended stays as it ended."""
    connection, values = session.connection(), _values(order)
    held = connection.execute(select(_ORDER.c.ended_at).where(_ORDER.c.id == order.id)).first()
    if held is None:
        connection.execute(insert(_ORDER).values(values))
    elif held.ended_at is None:
        connection.execute(update(_ORDER).where(_ORDER.c.id == order.id).values(values))


def _values(order: Order) -> Mapping[str, str | None]:
    return {
        "id": order.id,
        "kind": order.kind.value,
        "source": order.source,
        "documents": json.dumps(sorted(order.documents)),
        "reference": order.reference,
        "placed_by": order.placed_by,
        "placed_at": order.placed_at.isoformat(),
        "asked_by": order.asked_by,
        "asked_at": order.asked_at.isoformat() if order.asked_at else None,
        "ended_by": order.ended_by,
        "ended_at": order.ended_at.isoformat() if order.ended_at else None,
        "notice": order.notice,
    }


def _order(row: Row[Any]) -> Order:
    return Order(
        id=OrderId(row.id),
        kind=OrderKind(row.kind),
        source=SourceName(row.source),
        documents=frozenset(map(DocumentId, json.loads(row.documents))),
        reference=row.reference,
        placed_by=row.placed_by,
        placed_at=datetime.fromisoformat(row.placed_at),
        asked_by=row.asked_by,
        asked_at=datetime.fromisoformat(row.asked_at) if row.asked_at else None,
        ended_by=row.ended_by,
        ended_at=datetime.fromisoformat(row.ended_at) if row.ended_at else None,
        notice=row.notice,
    )
