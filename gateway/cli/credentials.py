"""API keys: making, listing and revoking them."""

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show, show_json, show_table
from policies.model import Action, AuditEvent, Role

if TYPE_CHECKING:
    from gateway.keys import ApiKey

DAYS = 90
"""Chosen: long enough to be no burden, short enough that a forgotten key ends by itself."""


def create(
    *,
    subject: Annotated[str, typer.Option(help="Who the key speaks for, such as a service or a person's login.")],
    purpose: Annotated[list[str], typer.Option(help="A purpose it may ask for; can be repeated.")],
    region: Annotated[str, typer.Option(help="Country its answers go to: ISO 3166-1 alpha-2 in lower case.")],
    group: Annotated[list[str] | None, typer.Option(help="A group it belongs to; can be repeated.")] = None,
    role: Annotated[
        list[Role] | None,
        typer.Option(help="What it may do beside retrieving: operator asks for jobs; can be repeated."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it is valid.")] = DAYS,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key and print it. It is shown this once: only a hash of it is kept.

    Example: [bold]penstock key create --subject assistant --group staff --purpose employee-support --region gb[/bold]
    """
    from gateway import keys
    from gateway.wiring import clock
    from policies import ledger

    with installation(home) as opened:
        now = clock()
        grant = keys.KeyGrant(
            subject=subject,
            groups=frozenset(group or ()),
            purposes=frozenset(purpose),
            region=region,
            roles=frozenset(role or ()),
            expires=now + timedelta(days=days),
        )
        with opened.database.writing() as session:
            key_id, text = keys.create(session, grant, now=now, entropy=os.urandom(keys.ENTROPY_BYTES))
            event = AuditEvent(
                actor=operator(),
                action=Action.KEY_CREATED,
                objects=(key_id,),
                detail={
                    "subject": subject,
                    "groups": sorted(grant.groups),
                    "purposes": sorted(grant.purposes),
                    "region": region,
                    "roles": sorted(grant.roles),
                    "expires": grant.expires.isoformat(),
                },
            )
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
    if as_json:
        show_json({"id": key_id, "key": text, "expires": grant.expires.isoformat()})
    else:
        say(f"Key {key_id}, valid until {grant.expires:%Y-%m-%d}. Keep it now, it is not shown again:")
        show(text)


def list_keys(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List every API key ever made, revoked and expired ones too. Shows nothing that could authenticate.

    Example: [bold]penstock key list[/bold]
    """
    from gateway import keys
    from gateway.wiring import clock

    with installation(home) as opened, opened.database.reading() as session:
        found = keys.listing(session)
    now = clock()
    plain = [
        {
            "id": key.id,
            "subject": key.grant.subject,
            "groups": sorted(key.grant.groups),
            "purposes": sorted(key.grant.purposes),
            "region": key.grant.region,
            "roles": sorted(key.grant.roles),
            "created": key.created.isoformat(),
            "expires": key.grant.expires.isoformat(),
            "revoked": key.revoked.isoformat() if key.revoked else None,
            "state": _state(key, now),
        }
        for key in found
    ]
    if as_json:
        show_json(plain)
    else:
        columns = ("id", "state", "subject", "groups", "purposes", "region", "roles", "expires")
        show_table(columns, ([_cell(key[column]) for column in columns] for key in plain))


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id that `penstock key list` shows.")],
    *,
    home: HomeOption = None,
) -> None:
    """Revoke an API key. It is refused from the next request on.

    Example: [bold]penstock key revoke 5f0c1d0e8a7b4c3d[/bold]
    """
    from gateway import keys
    from gateway.wiring import clock
    from policies import ledger

    with installation(home) as opened:
        now = clock()
        event = AuditEvent(actor=operator(), action=Action.KEY_REVOKED, objects=(key_id,))
        with opened.database.writing() as session:
            keys.revoke(session, keys.KeyId(key_id), now)
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
    say(f"Key {key_id} is revoked.")


def _state(key: "ApiKey", now: datetime) -> str:
    if key.revoked:
        return "revoked"
    return "expired" if now >= key.grant.expires else "valid"


def _cell(value: object) -> object:
    return ", ".join(value) if isinstance(value, list) else value
