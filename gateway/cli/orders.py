"""Standing orders: legal holds, and restrictions of processing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.shell import (
    HomeOption,
    JsonOption,
    PersonOption,
    YesOption,
    confirm,
    installation,
    person,
    proven,
    say,
    show_json,
    show_table,
)
from gateway.cli.sources import document_ids
from policies.model import SourceName
from policies.orders import ASK_LASTS, Order, OrderId, OrderKind

if TYPE_CHECKING:
    from gateway.wiring import Installation

SourceArgument = Annotated[str, typer.Argument(help="Name of the source.")]
DocumentOption = Annotated[
    list[str] | None,
    typer.Option("--document", help="Id of a document, or its name at the origin; can be repeated. Default: all."),
]
ReferenceOption = Annotated[str, typer.Option("--reference", help="The matter or request it rests on.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="Of this source only.", show_default=False)]


def add_hold(
    source: SourceArgument,
    *,
    reference: ReferenceOption,
    document: DocumentOption = None,
    key: PersonOption = None,
    home: HomeOption = None,
) -> None:
    """Forbid every deletion of documents, whoever or whatever would delete them. Shows nothing longer than before.

    Without --document it is about all the source has and will have. It survives a restored catalog.

    Example: [bold]penstock hold add support --document tickets/4711.md --reference LIT-2026-014[/bold]
    """
    _place(OrderKind.HOLD, source, document or [], reference=reference, key=key, home=home)


def release_hold(
    hold: Annotated[str, typer.Argument(help="Id of the hold.")],
    *,
    key: Annotated[
        str, typer.Option("--key", help="File with the API key of one of the two, - for standard input; role privacy.")
    ],
    yes: YesOption = False,
    home: HomeOption = None,
) -> None:
    """Release a legal hold, which takes two persons: the first asks for it, the second ends it by the same command.

    Example: [bold]penstock hold release 5f0c1d0e8a7b4c3d9e2f1a0b --key my-key.txt[/bold]
    """
    from indexer import protect

    confirm(f"Release hold {hold}? What it protects can be deleted then.", yes=yes)
    with installation(home) as opened:
        order = protect.release(opened.workshop(), OrderId(hold), by=proven(opened, key))
    if order.stands:
        second = f"another person releases it too, within {ASK_LASTS.days} days"
        say(f"{order.asked_by} asked for the release of {order.id}. It stands until {second}.")
    else:
        say(f"Hold {order.id} is released by {order.ended_by}, as {order.asked_by} had asked for.")


def list_holds(source: SourceOption = None, *, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List legal holds, those that ended among them.

    Example: [bold]penstock hold list[/bold]
    """
    _list(OrderKind.HOLD, source, home=home, as_json=as_json)


def add_restriction(
    source: SourceArgument,
    *,
    reference: ReferenceOption,
    document: DocumentOption = None,
    key: PersonOption = None,
    home: HomeOption = None,
) -> None:
    """Keep documents and show them to nobody (GDPR Art. 18), from the next request on.

    Without --document it is about all the source has and will have. It survives a restored catalog.

    Example: [bold]penstock restrict add handbook --document people/file.md --reference DSR-2026-031[/bold]
    """
    _place(OrderKind.RESTRICTION, source, document or [], reference=reference, key=key, home=home)


def lift_restriction(
    restriction: Annotated[str, typer.Argument(help="Id of the restriction.")],
    *,
    notice: Annotated[str, typer.Option(help="Where it is recorded that the data subject was told (Art. 18(3)).")],
    key: PersonOption = None,
    home: HomeOption = None,
) -> None:
    """Lift a restriction: the documents are shown again to those who may read them.

    Example: [bold]penstock restrict lift 5f0c1d0e8a7b4c3d9e2f1a0b --notice "letter of 3 May 2026"[/bold]
    """
    from indexer import protect

    with installation(home) as opened:
        order = protect.lift(opened.workshop(), OrderId(restriction), by=person(opened, key), notice=notice)
    say(f"Restriction {order.id} is lifted.")


def list_restrictions(source: SourceOption = None, *, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List restrictions, those that were lifted among them.

    Example: [bold]penstock restrict list[/bold]
    """
    _list(OrderKind.RESTRICTION, source, home=home, as_json=as_json)


def _place(
    kind: OrderKind, source: str, documents: Sequence[str], *, reference: str, key: str | None, home: "HomeOption"
) -> None:
    from indexer import protect

    with installation(home) as opened:
        name = _required(opened, source)
        ids = document_ids(opened, name, documents)
        by = person(opened, key)
        order = protect.place(opened.workshop(), kind, name, ids, reference=reference, by=by)
    about = f"{len(order.documents)} documents" if order.documents else "every document"
    say(f"{source}: {kind} {order.id} stands on {about}.")


def _required(opened: "Installation", source: str) -> SourceName:
    from indexer import catalog

    with opened.database.reading() as session:
        return catalog.require(session, SourceName(source)).name


def _list(kind: OrderKind, source: str | None, *, home: "HomeOption", as_json: bool) -> None:
    from indexer import orders

    with installation(home) as opened:
        name = None if source is None else _required(opened, source)
        with opened.keyring.database.reading() as session:
            found = orders.listing(session, kind=kind, source=name)
    if as_json:
        show_json([_plain(order) for order in found])
        return
    if not found:
        say(f"There is no {kind}.")
        return
    columns = (kind.value, "source", "documents", "reference", "placed", "by", "state")
    show_table(columns, map(_row, found), whole={kind.value})


def _row(order: Order) -> tuple[object, ...]:
    state = "stands"
    if not order.stands:
        state = f"ended {order.ended_at:%Y-%m-%d} by {order.ended_by}"
    elif order.asked_by:
        state = f"stands; {order.asked_by} asked for its release on {order.asked_at:%Y-%m-%d}"
    documents = len(order.documents) or "all"
    return (order.id, order.source, documents, order.reference, f"{order.placed_at:%Y-%m-%d}", order.placed_by, state)


def _plain(order: Order) -> dict[str, object]:
    return {
        "id": order.id,
        "kind": order.kind.value,
        "source": order.source,
        "documents": sorted(order.documents),
        "reference": order.reference,
        "placed_by": order.placed_by,
        "placed_at": order.placed_at.isoformat(),
        "asked_by": order.asked_by,
        "asked_at": order.asked_at.isoformat() if order.asked_at else None,
        "ended_by": order.ended_by,
        "ended_at": order.ended_at.isoformat() if order.ended_at else None,
        "notice": order.notice,
        "stands": order.stands,
    }
