"""Deleting what is past its retention, and the receipts for it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.receipts import check_folder, give
from gateway.cli.running import carry_out, plain
from gateway.cli.shell import HomeOption, JsonOption, YesOption, confirm, installation, operator, say, show, show_json
from gateway.cli.sources import described, origin_ids
from gateway.cli.syncs import QueueOption
from policies.errors import RefusedError
from policies.model import SourceName

if TYPE_CHECKING:
    from gateway.wiring import Installation

SourceArgument = Annotated[str, typer.Argument(help="Name of the source.")]


def plan(
    source: SourceArgument,
    *,
    documents: Annotated[bool, typer.Option("--documents", help="Name the documents as their origin does.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which documents a purge would delete now. Changes nothing.

    Example: [bold]penstock purge plan support[/bold]
    """
    from gateway.wiring import clock
    from indexer import catalog, dues

    with installation(home) as opened, opened.database.reading() as session:
        registered = catalog.require(session, SourceName(source))
        planned = dues.plan(session, described(registered), opened.keyring, now=clock())
        stored = catalog.documents(session, registered.name)
        names = origin_ids(opened, [stored[entry.document] for entry in planned.documents]) if documents else {}
    entries = [
        {"document": entry.document, "due": entry.due.isoformat()}
        | ({"origin_id": names[entry.document]} if documents else {})
        for entry in planned.documents
    ]
    if as_json:
        show_json(
            {
                "source": planned.source,
                "policy_hash": planned.policy_hash,
                "reason": planned.reason,
                "at": planned.at.isoformat(),
                "documents": entries,
                "kept": [{"document": one.document, "order": one.order, "kind": one.kind} for one in planned.kept],
            }
        )
        return
    retention = described(registered).policy.retention
    show(f"{source}: {len(entries)} documents are past their retention of {retention.period} from {retention.anchor}.")
    for entry in planned.documents:
        show(f"  {entry.document}, due since {entry.due:%Y-%m-%d} {names.get(entry.document, '')}".rstrip())
    for one in planned.kept:
        show(f"  {one.document} is due too and kept by the {one.kind} {one.order}")


def run(
    source: SourceArgument,
    *,
    receipt_dir: Annotated[
        Path | None, typer.Option(help="Folder to write the receipts to, outside the home.", show_default=False)
    ] = None,
    queue: QueueOption = False,
    yes: YesOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what is past its retention, check every file of the home for it, and print the signed receipt.

    A purge that was stopped is finished first. There is no way back. With --queue a worker deletes what is due when it
    comes to it; then: penstock purge receipts.

    Example: [bold]penstock purge run support --receipt-dir receipts[/bold]
    """
    from gateway.wiring import clock
    from indexer import catalog, dues, erase

    if queue and receipt_dir:
        raise RefusedError(
            "A purge that is left to a worker writes no file.",
            mend="Leave --receipt-dir out, and ask for its receipt by: penstock purge receipts",
        )
    with installation(home, deleting=True) as opened:
        check_folder(receipt_dir, opened.home.root)
        with opened.database.reading() as session:
            described_source = described(catalog.require(session, SourceName(source)))
            planned = dues.plan(session, described_source, opened.keyring, now=clock())
        if planned.kept:
            say(f"{len(planned.kept)} documents are due and stay, by an order: penstock purge plan {source}")
        if planned.documents:
            confirm(f"Delete {len(planned.documents)} documents of {source} for good?", yes=yes)
        if queue:
            _leave(opened, described_source.name, as_json=as_json)
            return
        signed = erase.purge(opened.workshop(), described_source, actor=operator())
    if not signed:
        say("Nothing is to be deleted, so nothing was." if planned.kept else "Nothing is due, so nothing was deleted.")
    give(signed, receipt_dir, as_json=as_json)


def _leave(opened: "Installation", source: SourceName, *, as_json: bool) -> None:
    """Ask for a purge, and leave it to a worker."""
    from gateway.wiring import clock
    from indexer.joblog import JobKind

    jobs, code = carry_out(opened, JobKind.PURGE, [source], {}, queue=True)
    if as_json:
        show_json([plain(job, clock()) for job in jobs])
    if code:
        raise typer.Exit(code)


def receipts(
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the signed receipts of the purges of a source, oldest first.

    Example: [bold]penstock purge receipts support[/bold]
    """
    from indexer import catalog, erase

    with installation(home) as opened, opened.database.reading() as session:
        signed = erase.receipts(session, catalog.require(session, SourceName(source)).name)
    if as_json:
        show_json([json.loads(receipt) for receipt in signed])
    else:
        for receipt in signed:
            show(receipt)


def check(
    receipt: Annotated[Path, typer.Argument(help="File with a receipt.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a receipt was signed by this home and not edited since.

    Example: [bold]penstock purge check receipts/5f0c1d0e8a7b4c3d9e2f1a0b.json[/bold]
    """
    from indexer.signature import verify_signature
    from policies.purge import is_genuine

    try:
        signed = receipt.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{str(receipt)!r} cannot be read.", mend="Name a receipt's file.") from error
    with installation(home) as opened:
        genuine = is_genuine(signed, verifier=verify_signature, public_key=opened.keyring.public_key())
    if as_json:
        show_json({"genuine": genuine})
    else:
        show("Genuine: signed by this home and unchanged." if genuine else "Not genuine: edited, or of another home.")
    if not genuine:
        raise typer.Exit(FINDINGS)
