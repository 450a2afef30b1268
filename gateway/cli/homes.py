"""Making a home."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.shell import HomeOption, installation, operator, say
from gateway.credential import is_country
from gateway.settings import Settings, from_environment
from policies.errors import RefusedError, SettingsError


def init(
    *,
    region: Annotated[
        str, typer.Option(help="Country the home's volume lies in: ISO 3166-1 alpha-2 in lower case, such as gb.")
    ],
    home: HomeOption = None,
) -> None:
    """Make a home and, outside it, the master key that everything in it is sealed with.

    Keep a copy of the master key somewhere else: without it the home cannot be read by anybody. A key that is there
    already, by PENSTOCK_MASTER_KEY_FILE, PENSTOCK_MASTER_KEY or PENSTOCK_KMS, is used.

    Example: [bold]penstock init --home /srv/penstock/home --region gb[/bold]
    """
    from gateway.wiring import clock, create_installation
    from policies import ledger
    from policies.model import Action, AuditEvent

    if not is_country(region):
        raise RefusedError(
            f"{region!r} is not a country's code.", mend="Write ISO 3166-1 alpha-2 in lower case, such as gb."
        )
    settings = from_environment(home=home)
    made = _provide_master_key(settings)
    try:
        create_installation(settings, store_region=region)
    except SettingsError:
        if made:
            made.unlink()
        raise
    with installation(settings.home) as opened:
        now = clock()
        event = AuditEvent(actor=operator(), action=Action.HOME_CREATED, detail={"store_region": region})
        with opened.database.writing() as session:
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
    say(f"Made the home {settings.home}, region {region}.")
    if made:
        say(f"Made its master key {made}. Copy it to a safe place: without it nothing can be read.")
    say("Next: write a manifest for a source, then: penstock check MANIFEST")


def _provide_master_key(settings: Settings) -> Path | None:
    """Make the master key where there is none; its file then, None where one is there and can be read."""
    from gateway.wiring import master_key
    from indexer.master import create_master_key

    key = settings.master_key
    if isinstance(key, Path) and not key.exists():
        create_master_key(key)
        return key
    master_key(settings)
    return None
