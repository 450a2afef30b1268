"""What could not be taken in: why, and what to do about it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.running import carry_out
from gateway.cli.shell import (
    HomeOption,
    JsonOption,
    YesOption,
    confirm,
    installation,
    operator,
    say,
    show,
    show_json,
    show_table,
)
from gateway.cli.sources import chosen, described, origin_ids
from gateway.cli.syncs import QueueOption
from policies.errors import ConflictError, RefusedError
from policies.model import Action, AuditEvent, DocumentId, SourceName

if TYPE_CHECKING:
    from sqlmodel import Session

    from gateway.wiring import Installation
    from indexer.catalog import Document, Registration

SourceArgument = Annotated[str, typer.Argument(help="Name of the source.")]
DocumentsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOCUMENT...", help="Ids or names, as `penstock quarantine list` shows them."),
]
ReasonOption = Annotated[str | None, typer.Option(help="Those of this reason only.", show_default=False)]
Change = Callable[["Session", SourceName, Sequence[DocumentId]], None]


def list_quarantined(
    source: Annotated[str | None, typer.Argument(help="Name of a source; all of them by default.")] = None,
    *,
    reason: ReasonOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what could not be taken in: the reason, the stage it failed at and how to mend it. Never content.

    Once it is mended: penstock quarantine retry.

    Example: [bold]penstock quarantine list handbook --reason encrypted[/bold]
    """
    rows: list[dict[str, str]] = []
    with installation(home) as opened:
        for registered in chosen(opened, [source] if source else [], every=source is None):
            found = [document for document in _quarantined(opened, registered) if reason in {None, document.reason}]
            names = origin_ids(opened, found)
            rows += [
                {
                    "source": document.source,
                    "document": document.id,
                    "origin_id": names[document.id],
                    "reason": document.reason,
                    "stage": document.stage,
                    "mend": document.mend,
                    "retry": f"penstock quarantine retry {document.source} {document.id}",
                }
                for document in found
            ]
    if as_json:
        show_json(rows)
    elif rows:
        columns = ("source", "document", "origin_id", "reason", "stage")
        show_table(columns, ([row[column] for column in columns] for row in rows), whole=("document", "reason"))
        for why, mend in sorted({(row["reason"], row["mend"]) for row in rows}):
            show(f"{why}: {mend}")
        say("Once mended: penstock quarantine retry SOURCE DOCUMENT. Not wanted: penstock quarantine drop.")
    else:
        say("Nothing is quarantined.")


def retry(
    source: SourceArgument,
    documents: DocumentsArgument = None,
    *,
    reason: ReasonOption = None,
    queue: QueueOption = False,
    home: HomeOption = None,
) -> None:
    """Look at quarantined documents again, all of them by default, whether they changed or not: syncs their source.

    Example: [bold]penstock quarantine retry handbook --reason timeout[/bold]
    """
    from indexer import listings
    from indexer.joblog import JobKind

    with installation(home) as opened:
        registered, meant = _meant(opened, source, documents or [], reason)
        _change(opened, registered, meant, listings.retry, Action.QUARANTINE_RETRIED)
        say(f"{source}: {len(meant)} documents will be looked at again.")
        _, code = carry_out(opened, JobKind.SYNC, [registered.name], {}, queue=queue)
        if not queue:
            _say_left(opened, registered, meant)
    if code:
        raise typer.Exit(code)


def drop(
    source: SourceArgument,
    documents: DocumentsArgument = None,
    *,
    reason: ReasonOption = None,
    yes: YesOption = False,
    home: HomeOption = None,
) -> None:
    """Say that quarantined documents are not wanted: not even their names are kept, until their bytes change.

    Example: [bold]penstock quarantine drop handbook --reason empty[/bold]
    """
    from indexer import listings, orders
    from indexer.tables import RevisionRow

    if not documents and reason is None:
        raise RefusedError("It must be clear which documents are meant.", mend="Name them, or give a --reason.")
    with installation(home) as opened:
        registered, meant = _meant(opened, source, documents or [], reason)
        confirm(f"Drop {len(meant)} quarantined documents of {source}?", yes=yes)

        def drop_unprotected(session: "Session", name: SourceName, ids: Sequence[DocumentId]) -> None:
            spared = orders.protected(session, opened.keyring.database, name)
            for order in (spared[document] for document in ids if document in spared):
                raise ConflictError(
                    f"The {order.kind} {order.id} stands on a document that is to be dropped.",
                    mend="Leave it out, or end the order first.",
                )
            listings.drop(session, name, ids)

        _change(opened, registered, meant, drop_unprotected, Action.QUARANTINE_DROPPED)
        opened.database.checkpoint(RevisionRow)  # the names, out of its files too
    say(f"{source}: {len(meant)} documents dropped.")


def _quarantined(opened: "Installation", registered: "Registration") -> list["Document"]:
    from indexer import catalog
    from indexer.tables import DocumentState

    with opened.database.reading() as session:
        documents = catalog.documents(session, registered.name).values()
    return [document for document in documents if document.state is DocumentState.QUARANTINED]


def _meant(
    opened: "Installation", source: str, named: Sequence[str], reason: str | None
) -> tuple["Registration", Mapping[DocumentId, "Document"]]:
    """The source and those of its quarantined documents that are meant: of these names, or all; of this reason.

    Raises:
        RefusedError: there is no such source, or no such document in its quarantine.
    """
    (registered,) = chosen(opened, [source], every=False)
    there = {document.id: document for document in _quarantined(opened, registered)}
    names = origin_ids(opened, list(there.values()))
    ids: dict[DocumentId, None] = {}
    for name in named:
        found = [document for document in there if name in {document, names[document]}]
        if not found:
            raise RefusedError(
                f"{name!r} is not in the quarantine of {source!r}.", mend=f"See penstock quarantine list {source}."
            )
        ids |= dict.fromkeys(found)
    wanted = ids if named else there
    meant = {document: there[document] for document in wanted if reason in {None, there[document].reason}}
    if not meant:
        raise RefusedError(
            f"No such document is in the quarantine of {source!r}.", mend=f"See penstock quarantine list {source}."
        )
    return registered, meant


def _change(
    opened: "Installation",
    registered: "Registration",
    meant: Mapping[DocumentId, "Document"],
    change: Change,
    action: Action,
) -> None:
    """Make a change to quarantined documents, in one transaction with its audit record.

    Raises:
        ConflictError: another process is at work on the source.
    """
    from gateway.wiring import clock
    from policies import ledger

    event = AuditEvent(
        actor=operator(), action=action, objects=(registered.name, *meant), policy_hash=registered.policy_hash
    )
    now = clock()
    with opened.workshop().sole_writer(described(registered)) as fenced:
        with fenced.database.writing() as session:
            change(session, registered.name, list(meant))
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)


def _say_left(opened: "Installation", registered: "Registration", meant: Mapping[DocumentId, "Document"]) -> None:
    left = [document for document in _quarantined(opened, registered) if document.id in meant]
    say(f"{registered.name}: {len(meant) - len(left)} of {len(meant)} documents are out of the quarantine.")
