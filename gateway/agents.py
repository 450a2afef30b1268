"""Grants for agents: software that acts for users, under a registered grant only.

A token whose `act` claim names an agent (RFC 8693, section 4.1) is taken where one grant is in force for the token's
issuer and that agent. The grant says what the agent may get at most; a decision then asks the user and the agent, so
that a grant never widens what the user may.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, NewType

from sqlalchemy import JSON, Column, Row, bindparam, select, update
from sqlmodel import Field, Session, SQLModel

from gateway.credential import CredentialError, CredentialFault, check_terms
from policies.errors import ConflictError, RefusedError
from policies.model import Agent

GrantId = NewType("GrantId", str)
"""Id of a grant. Safe to show, log and audit."""

MAX_LIFETIME = timedelta(days=366)
"""Chosen: a grant that nobody renews within a year has no owner."""
MAX_ISSUER_CHARS = 512
"""As long as the settings let the name of an issuer be."""


class AgentGrantRow(SQLModel, table=True):
    """One grant. Times are ISO 8601 in UTC."""

    __tablename__: ClassVar[str] = "agent_grant"

    id: str = Field(primary_key=True)
    issuer: str
    subject: str
    groups: list[str] = Field(sa_column=Column(JSON, nullable=False))
    purposes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    region: str | None = Field(nullable=False)
    created: str
    expires: str
    revoked: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentGrant:
    """An agent that tokens of `issuer` may name, what it gets at most, and until when (UTC, aware)."""

    issuer: str
    agent: Agent
    expires: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """A grant as an operator sees it. Times are UTC, aware."""

    id: GrantId
    grant: AgentGrant
    created: datetime
    revoked: datetime | None


_GRANTS = SQLModel.metadata.tables["agent_grant"]
_BY_ID = select(_GRANTS).where(_GRANTS.c.id == bindparam("grant_id"))
_NOT_REVOKED = select(_GRANTS).where(
    _GRANTS.c.issuer == bindparam("issuer"), _GRANTS.c.subject == bindparam("subject"), _GRANTS.c.revoked.is_(None)
)


def create(session: Session, grant_id: GrantId, grant: AgentGrant, *, now: datetime) -> None:
    """Put a grant in force from the commit of this session on.

    Raises:
        RefusedError: the issuer, a name, the region or the expiry is not as it must be.
        ConflictError: a grant for this agent of this issuer is in force already.
    """
    _check(grant, now)
    if _in_force(session, grant.issuer, grant.agent.subject, now):
        raise ConflictError(
            "A grant for this agent of this issuer is in force already.",
            mend="Revoke that one first: penstock agent list shows its id.",
        )
    session.add(
        AgentGrantRow(
            id=grant_id,
            issuer=grant.issuer,
            subject=grant.agent.subject,
            groups=sorted(grant.agent.groups),
            purposes=sorted(grant.agent.purposes),
            region=grant.agent.region,
            created=_iso(now),
            expires=_iso(grant.expires),
        )
    )
    session.flush()


def find(session: Session, issuer: str, subject: str, now: datetime) -> Agent:
    """The agent of this subject that tokens of this issuer may name, with what it gets at most.

    Raises:
        CredentialError: no grant is in force for it, or more than one, as a clock that was put back can make it.
    """
    found = _in_force(session, issuer, subject, now)
    if len(found) != 1:
        raise CredentialError(CredentialFault.AGENT)
    return found[0].agent


def listing(session: Session) -> tuple[Granted, ...]:
    """Every grant ever made, oldest first, revoked and expired ones included."""
    rows = session.connection().execute(select(_GRANTS).order_by(_GRANTS.c.created, _GRANTS.c.id))
    return tuple(
        Granted(
            id=GrantId(row.id),
            grant=_grant(row),
            created=datetime.fromisoformat(row.created),
            revoked=None if row.revoked is None else datetime.fromisoformat(row.revoked),
        )
        for row in rows
    )


def revoke(session: Session, grant_id: GrantId, now: datetime) -> None:
    """Tokens that name the agent are refused from the commit of this session on. Revoking twice keeps the first time.

    Raises:
        RefusedError: there is no such grant.
    """
    if session.connection().execute(_BY_ID, {"grant_id": grant_id}).one_or_none() is None:
        raise RefusedError("There is no such grant.", mend="List the grants and give the id of one of them.")
    standing = (_GRANTS.c.id == grant_id) & _GRANTS.c.revoked.is_(None)
    session.connection().execute(update(_GRANTS).where(standing).values(revoked=_iso(now)))


def _in_force(session: Session, issuer: str, subject: str, now: datetime) -> list[AgentGrant]:
    rows = session.connection().execute(_NOT_REVOKED, {"issuer": issuer, "subject": subject})
    return [grant for grant in map(_grant, rows) if now < grant.expires]


def _check(grant: AgentGrant, now: datetime) -> None:
    issuer, agent = grant.issuer, grant.agent
    if not 0 < len(issuer) <= MAX_ISSUER_CHARS or not issuer.isprintable() or " " in issuer:
        raise RefusedError(
            "The issuer of the grant is not the name of an issuer.",
            mend="Write it as the `iss` of its tokens and PENSTOCK_ISSUERS have it, such as https://login.example.",
        )
    check_terms(
        "grant",
        subject=agent.subject,
        groups=agent.groups,
        purposes=agent.purposes,
        region=agent.region,
        expires=grant.expires,
        now=now,
        longest=MAX_LIFETIME,
    )


def _grant(row: Row[tuple[object, ...]]) -> AgentGrant:
    return AgentGrant(
        issuer=row.issuer,
        agent=Agent(
            subject=row.subject, groups=frozenset(row.groups), purposes=frozenset(row.purposes), region=row.region
        ),
        expires=datetime.fromisoformat(row.expires),
    )


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
