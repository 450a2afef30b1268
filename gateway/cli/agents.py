"""Agents that act for users: granting, listing and revoking."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show, show_json, show_table
from policies.model import Action, Agent, AuditEvent

if TYPE_CHECKING:
    from gateway.agents import AgentGrant, Granted

DAYS = 90
"""Chosen: as for a key."""


def grant(
    *,
    issuer: Annotated[str, typer.Option(help="Whose tokens may name the agent: exactly their `iss`.")],
    agent: Annotated[str, typer.Option(help="The agent: `sub` of the token's `act`.")],
    purpose: Annotated[list[str], typer.Option(help="A purpose it may ask for; can be repeated.")],
    region: Annotated[str, typer.Option(help="Country it runs in: ISO 3166-1 alpha-2 in lower case.")],
    group: Annotated[list[str] | None, typer.Option(help="A group it belongs to; can be repeated.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long the grant is in force.")] = DAYS,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an agent act for users. An answer then holds what both the user and the agent may see, and nothing more.

    Example: [bold]penstock agent grant --issuer https://login.example --agent helpdesk-bot --group staff
    --purpose employee-support --region gb[/bold]
    """
    from gateway import agents
    from gateway.wiring import clock, new_id
    from policies import ledger

    with installation(home) as opened:
        now, grant_id = clock(), agents.GrantId(new_id())
        party = Agent(subject=agent, groups=frozenset(group or ()), purposes=frozenset(purpose), region=region)
        granted = agents.AgentGrant(issuer=issuer, agent=party, expires=now + timedelta(days=days))
        with opened.database.writing() as session:
            agents.create(session, grant_id, granted, now=now)
            event = AuditEvent(
                actor=operator(), action=Action.AGENT_GRANTED, objects=(grant_id,), detail=_terms(granted)
            )
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
        known = {trusted.issuer for trusted in opened.settings.issuers}
    if issuer not in known:
        say(f"No issuer {issuer!r} is trusted here: until PENSTOCK_ISSUERS has it, none of its tokens is taken.")
    if as_json:
        show_json({"id": grant_id, "expires": granted.expires.isoformat()})
    else:
        show(f"Grant {grant_id}, in force until {granted.expires:%Y-%m-%d}.")


def list_grants(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List every grant ever made to an agent, revoked and expired ones too.

    Example: [bold]penstock agent list[/bold]
    """
    from gateway import agents
    from gateway.wiring import clock

    with installation(home) as opened, opened.database.reading() as session:
        found = agents.listing(session)
    now = clock()
    plain = [
        {
            "id": one.id,
            **_terms(one.grant),
            "created": one.created.isoformat(),
            "revoked": one.revoked.isoformat() if one.revoked else None,
            "state": _state(one, now),
        }
        for one in found
    ]
    if as_json:
        show_json(plain)
    else:
        columns = ("id", "state", "issuer", "agent", "groups", "purposes", "region", "expires")
        show_table(columns, ([_cell(one[column]) for column in columns] for one in plain), whole=("id",))


def revoke(
    grant_id: Annotated[str, typer.Argument(metavar="ID", help="The id that `penstock agent list` shows.")],
    *,
    home: HomeOption = None,
) -> None:
    """Revoke the grant of an agent. Its tokens are refused from the next request on.

    Example: [bold]penstock agent revoke 5f0c1d0e8a7b4c3d9e2f1a0b[/bold]
    """
    from gateway import agents
    from gateway.wiring import clock
    from policies import ledger

    with installation(home) as opened:
        now = clock()
        event = AuditEvent(actor=operator(), action=Action.AGENT_REVOKED, objects=(grant_id,))
        with opened.database.writing() as session:
            agents.revoke(session, agents.GrantId(grant_id), now)
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
    say(f"Grant {grant_id} is revoked.")


def _terms(granted: "AgentGrant") -> dict[str, str | list[str] | None]:
    agent = granted.agent
    return {
        "issuer": granted.issuer,
        "agent": agent.subject,
        "groups": sorted(agent.groups),
        "purposes": sorted(agent.purposes),
        "region": agent.region,
        "expires": granted.expires.isoformat(),
    }


def _state(one: "Granted", now: datetime) -> str:
    if one.revoked:
        return "revoked"
    return "expired" if now >= one.grant.expires else "in force"


def _cell(value: object) -> object:
    return ", ".join(value) if isinstance(value, list) else value
