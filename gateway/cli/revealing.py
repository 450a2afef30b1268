"""What stood behind a pseudonym: for a person who answers for personal data, at a terminal, on record."""

from typing import Annotated

import typer

from gateway.cli.shell import HomeOption, installation, proven, say, show
from gateway.cli.sources import described
from policies.model import SourceName


def reveal(
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    pseudonym: Annotated[str, typer.Argument(help="The pseudonym as it stands in a passage, such as [PERSON_…].")],
    *,
    reason: Annotated[
        str, typer.Option("--reason", help="Why it is needed, or the case. Kept in the audit as it is written.")
    ],
    key: Annotated[
        str, typer.Option("--key", help="File with your API key, - for standard input; it needs the role privacy.")
    ],
    home: HomeOption = None,
) -> None:
    """Show the value behind a pseudonym, where the source's manifest keeps a vault.

    The audit has the pseudonym and the reason before the value is shown. Restricted, erased and purged documents are
    not opened, and one person is shown 20 values an hour.

    Example: [bold]penstock reveal handbook "[PERSON_abcdefghijklmnopabcd]" --reason DSR-2026-031 --key
    my-key.txt[/bold]
    """
    from indexer import catalog, vault

    with installation(home) as opened:
        by = proven(opened, key)
        with opened.database.reading() as session:
            registered = catalog.require(session, SourceName(source))
        found = vault.reveal(opened.workshop(), described(registered), pseudonym, reason=reason, by=by)
    say(f"{source}: {by} is on record. The value stands in {found.documents} documents, {found.held} of them on hold.")
    show(found.value)
