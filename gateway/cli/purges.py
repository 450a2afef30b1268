"""Deleting what is past its retention, and the receipts for it."""

import json
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.shell import HomeOption, JsonOption, YesOption, confirm, installation, operator, say, show, show_json
from gateway.cli.sources import described, origin_ids
from policies.errors import RefusedError
from policies.model import SourceName

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
    from indexer import catalog, erase

    with installation(home) as opened, opened.database.reading() as session:
        registered = catalog.require(session, SourceName(source))
        planned = erase.plan(session, described(registered), now=clock())
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
                "retention": planned.retention,
                "at": planned.at.isoformat(),
                "documents": entries,
            }
        )
        return
    show(f"{planned.source}: {len(entries)} documents are past their retention of {planned.retention}.")
    for entry in planned.documents:
        show(f"  {entry.document}, due since {entry.due:%Y-%m-%d} {names.get(entry.document, '')}".rstrip())


def run(
    source: SourceArgument,
    *,
    receipt_dir: Annotated[
        Path | None, typer.Option(help="Folder to write the receipts to, outside the home.", show_default=False)
    ] = None,
    yes: YesOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what is past its retention, check every file of the home for it, and print the signed receipt.

    A purge that was stopped is finished first. There is no way back.

    Example: [bold]penstock purge run support --receipt-dir receipts[/bold]
    """
    from gateway.wiring import clock
    from indexer import catalog, erase

    with installation(home) as opened:
        _check_receipt_dir(receipt_dir, opened.home.root)
        with opened.database.reading() as session:
            described_source = described(catalog.require(session, SourceName(source)))
            due = len(erase.plan(session, described_source, now=clock()).documents)
        if due:
            confirm(f"Delete {due} documents of {source} for good?", yes=yes)
        signed = erase.purge(opened.workshop(), described_source, actor=operator())
    if not signed:
        say("Nothing is due, so nothing was deleted.")
    if as_json:
        show_json([json.loads(receipt) for receipt in signed])
    for receipt in signed:
        if not as_json:
            show(receipt)
        if receipt_dir:
            _write(receipt, receipt_dir)


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
    from indexer.keyring import verify_signature
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


def _check_receipt_dir(folder: Path | None, home: Path) -> None:
    """Refuse before anything is deleted, rather than have nowhere to put the receipt."""
    if folder is None:
        return
    if folder.resolve().is_relative_to(home.resolve()):
        raise RefusedError("The receipts' folder lies inside the home.", mend="Name a folder elsewhere.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Now, and not after the purge: the receipt must have a place to go.
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RefusedError(
            f"No receipts can be written to {str(folder)!r}: {error.strerror}.", mend="Name another folder."
        ) from error


def _write(receipt: str, folder: Path) -> None:
    path = folder / f"{json.loads(receipt)['receipt']['purge']}.json"
    path.write_text(receipt + "\n", "utf-8")
    say(f"Receipt: {path}")
