"""API keys: made once, shown once, kept as a hash."""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import ClassVar, NewType

from sqlalchemy import JSON, Column, Row, bindparam, select, update
from sqlmodel import Field, Session, SQLModel

from gateway.credential import CredentialError, CredentialFault, check_terms
from policies.errors import RefusedError
from policies.model import Caller, Role

KeyId = NewType("KeyId", str)
"""Public part of an API key: 16 hex digits. Safe to show, log and audit."""

PREFIX = "pk_"
ENTROPY_BYTES = 40
"""What `create` takes from the operating system's generator: 64 bits name the key, 256 bits are the secret."""
MAX_LIFETIME = timedelta(days=366)
"""Chosen: a key that nobody renews within a year has no owner."""

_ID_BYTES = 8
_PRESENTED = re.compile(r"pk_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")
_NO_SUCH_KEY = bytes(32)


class ApiKeyRow(SQLModel, table=True):
    """One API key. `secret_sha256` is all that is kept of the secret; times are ISO 8601 in UTC."""

    __tablename__: ClassVar[str] = "api_key"

    id: str = Field(primary_key=True)
    secret_sha256: bytes
    subject: str
    groups: list[str] = Field(sa_column=Column(JSON, nullable=False))
    purposes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    region: str
    roles: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created: str
    expires: str
    revoked: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyGrant:
    """Whom a key speaks for and until when (UTC, aware). `region` is ISO 3166-1 alpha-2 in lower case."""

    subject: str
    groups: frozenset[str]
    purposes: frozenset[str]
    region: str
    roles: frozenset[Role]
    expires: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """An API key as an operator sees it, without anything that could authenticate. Times are UTC, aware."""

    id: KeyId
    grant: KeyGrant
    created: datetime
    revoked: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return self.revoked is None and now < self.grant.expires

    def caller(self) -> Caller:
        """Whom it speaks for."""
        return _caller(self.id, self.grant)


_KEYS = SQLModel.metadata.tables["api_key"]
_BY_ID = select(_KEYS).where(_KEYS.c.id == bindparam("key_id"))


def create(session: Session, grant: KeyGrant, *, now: datetime, entropy: bytes) -> tuple[KeyId, str]:
    """The id and the full text of a new key. The text is shown once: of its secret only a hash is kept.

    `entropy` is 40 bytes from the operating system's generator.

    Raises:
        RefusedError: a name, the region, the expiry or the entropy is not as it must be.
    """
    check_terms(
        "key",
        subject=grant.subject,
        groups=grant.groups,
        purposes=grant.purposes,
        region=grant.region,
        expires=grant.expires,
        now=now,
        longest=MAX_LIFETIME,
    )
    if len(entropy) != ENTROPY_BYTES:
        raise RefusedError(f"A key takes {ENTROPY_BYTES} random bytes.", mend="Pass os.urandom(ENTROPY_BYTES).")
    key_id, secret = KeyId(entropy[:_ID_BYTES].hex()), entropy[_ID_BYTES:]
    session.add(
        ApiKeyRow(
            id=key_id,
            secret_sha256=hashlib.sha256(secret).digest(),
            subject=grant.subject,
            groups=sorted(grant.groups),
            purposes=sorted(grant.purposes),
            region=grant.region,
            roles=sorted(grant.roles),
            created=_iso(now),
            expires=_iso(grant.expires),
        )
    )
    session.flush()
    return key_id, f"{PREFIX}{key_id}_{_base64url(secret)}"


def find(session: Session, presented: str, now: datetime) -> Caller:
    """The caller behind a presented key.

    An unknown id costs the same hash and the same constant-time comparison as a known one.

    Raises:
        CredentialError: malformed, unknown, wrong, revoked or expired.
    """
    parts = _PRESENTED.fullmatch(presented)
    if parts is None:
        raise CredentialError(CredentialFault.MALFORMED)
    secret = base64.urlsafe_b64decode(parts["secret"] + "=")
    row = session.connection().execute(_BY_ID, {"key_id": parts["id"]}).one_or_none()
    genuine = compare_digest(hashlib.sha256(secret).digest(), _NO_SUCH_KEY if row is None else row.secret_sha256)
    # Base64 leaves two bits of the last character unused: without this, four texts would be the same key.
    canonical = compare_digest(_base64url(secret), parts["secret"])
    if row is None or not genuine or not canonical:
        raise CredentialError(CredentialFault.KEY_UNKNOWN)
    if row.revoked is not None:
        raise CredentialError(CredentialFault.KEY_REVOKED)
    grant = _grant(row)
    if now >= grant.expires:
        raise CredentialError(CredentialFault.KEY_EXPIRED)
    return _caller(KeyId(row.id), grant)


def listing(session: Session) -> tuple[ApiKey, ...]:
    """Every key ever made, oldest first, revoked and expired ones included."""
    rows = session.connection().execute(select(_KEYS).order_by(_KEYS.c.created, _KEYS.c.id))
    return tuple(
        ApiKey(
            id=KeyId(row.id),
            grant=_grant(row),
            created=datetime.fromisoformat(row.created),
            revoked=None if row.revoked is None else datetime.fromisoformat(row.revoked),
        )
        for row in rows
    )


def revoke(session: Session, key_id: KeyId, now: datetime) -> None:
    """The key is refused from the commit of this session on. Revoking twice keeps the first time.

    Raises:
        RefusedError: there is no such key.
    """
    known = session.connection().execute(_BY_ID, {"key_id": key_id}).one_or_none()
    if known is None:
        raise RefusedError("There is no such API key.", mend="List the keys and give the id of one of them.")
    mine = (_KEYS.c.id == key_id) & _KEYS.c.revoked.is_(None)
    session.connection().execute(update(_KEYS).where(mine).values(revoked=_iso(now)))


def _caller(key_id: KeyId, grant: KeyGrant) -> Caller:
    return Caller(
        subject=grant.subject,
        groups=grant.groups,
        purposes=grant.purposes,
        region=grant.region,
        roles=grant.roles,
        credential=f"key:{key_id}",
    )


def _grant(row: Row[tuple[object, ...]]) -> KeyGrant:
    return KeyGrant(
        subject=row.subject,
        groups=frozenset(row.groups),
        purposes=frozenset(row.purposes),
        region=row.region,
        roles=frozenset(map(Role, row.roles)),
        expires=datetime.fromisoformat(row.expires),
    )


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
