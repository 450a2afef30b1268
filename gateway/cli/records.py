"""Writing the records of processing, and what goes with them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.shell import HomeOption, PersonOption, installation, person, say, show
from gateway.cli.sources import chosen, described
from gateway.cli.standing import confidence_of
from policies.errors import RefusedError

if TYPE_CHECKING:
    from gateway.wiring import Installation
    from policies.records import Facts

RECORDS = "records.json"


def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write to: a new one, or an empty one.")],
    *,
    source: Annotated[
        list[str] | None, typer.Option("--source", help="A source; can be repeated. Default: all of them.")
    ] = None,
    key: PersonOption = None,
    home: HomeOption = None,
) -> None:
    """Write the record of processing, the input for impact assessments, the data-flow map and the checklists.

    They are made from the manifests in force and from what was observed. What nobody said is shown as a gap, with the
    manifest key that fills it; the exit code is then 1.

    Example: [bold]penstock records export records-2026-11[/bold]
    """
    from gateway.wiring import clock
    from policies import ledger, records
    from policies.model import Action, AuditEvent

    with installation(home) as opened:
        _check(folder, opened.home.root)
        actor, now = person(opened, key), clock()
        facts = _facts(opened, source or [])
        made, gaps = records.documents(facts), records.gaps(facts)
        event = AuditEvent(
            actor=actor,
            action=Action.RECORDS_EXPORTED,
            objects=tuple(known.source.name for known in facts.sources),
            detail={
                "documents": len(made),
                "gaps": sum(len(missing) for missing in gaps.values()),
                "records_sha256": hashlib.sha256(made[RECORDS].encode()).hexdigest(),
            },
        )
        with opened.database.writing() as session:
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
    _write(folder, made)
    for name in sorted(made):
        show(str(folder / name))
    for name, missing in gaps.items():
        for each in missing:
            say(f"{name}: {each}")
    if gaps:
        raise typer.Exit(FINDINGS)


def _check(folder: Path, home: Path) -> None:
    """Refuse a folder inside the home, which holds nothing readable, and one that holds anything."""
    if folder.resolve().is_relative_to(home.resolve()):
        raise RefusedError(f"{str(folder)!r} lies in the home.", mend="Name a folder outside it.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(f"{str(folder)!r} is not an empty folder.", mend="Name a new one.")


def _facts(opened: "Installation", names: list[str]) -> "Facts":
    from gateway.wiring import clock
    from indexer.observe import observe
    from indexer.recognisers import PROFILES
    from policies.records import Facts, Known

    now = clock()
    registered = chosen(opened, names, every=not names)
    if not registered:
        raise RefusedError("No source is registered.", mend="Register one with: penstock apply MANIFEST")
    sources = [described(one) for one in registered]
    with opened.database.reading() as session:
        confidences = {one.name: confidence_of(opened, session, one).status for one in registered}
        keyring = opened.keyring.database
        seen = observe(session, sources, keyring=keyring, confidences=confidences, now=now)
    known = tuple(Known(source=source, observed=seen[source.name]) for source in sources)
    return Facts(sources=known, node=opened.node, profiles=PROFILES, now=now)


def _write(folder: Path, made: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (folder / name).write_text(text, "utf-8", newline="")
    except OSError as error:
        raise RefusedError(
            f"The records could not be written to {str(folder)!r} ({type(error).__name__}).",
            mend="Name a new folder on a volume with room that you can write to.",
        ) from error
