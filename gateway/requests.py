"""Idempotency keys: a request that is sent again has its effect once and gets the answer it got.

After draft-ietf-httpapi-idempotency-key-header-07. A key belongs to the caller that made it and is kept for 24 hours,
as a keyed hash. It is written down, with the id of the job it may come to name, before anything is done: whoever sends
the request again after a crash goes on with that id.

RequestError
├── KeyMissingError             400
├── KeyMalformedError           400: not one structured-field string
├── KeyInFlightError            409: the first request with it is still being served
├── KeyReusedError              422: it came with another request before
└── KeysExhaustedError          429: the caller has used too many within a day
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from sqlalchemy import delete, func, insert, select, update
from sqlmodel import Field, Session, SQLModel

from gateway.problems import RequestError
from indexer.joblog import JobId
from indexer.keyring import Keyring
from policies.model import Caller

KEPT: Final = timedelta(hours=24)
"""How long a key is remembered from its first use."""
IN_FLIGHT: Final = timedelta(minutes=1)
"""Chosen: several times what asking for a job can take. A request without an answer for longer died on the way."""
MAX_KEYS: Final = 1000
"""Chosen: keys that one caller may use within `KEPT`; an operator's script that needs more runs wild."""
MAX_KEY_CHARS: Final = 255

_STRING = re.compile(r'"(?P<value>(?:[ !\x23-\x5b\x5d-\x7e]|\\["\\])+)"')
"""RFC 9651, section 3.3.3, but for the empty one. The draft defines no parameters, so none may follow."""
_ESCAPED = re.compile(r'\\(["\\])')


class KeyMissingError(RequestError):
    """A request that changes something came without a key."""

    code = "idempotency_key_missing"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__(
            "This request needs an Idempotency-Key.",
            mend='Send a key of your own with each request, such as `Idempotency-Key: "8e03978e-40d5-43e8-bc93"`, '
            "and the same one when you send that request again.",
        )


class KeyMalformedError(RequestError):
    """The header is not one structured-field string."""

    code = "idempotency_key_malformed"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__(
            "The Idempotency-Key is not one string in double quotes.",
            mend=f"Send one header with 1 to {MAX_KEY_CHARS} printable ASCII characters in double quotes.",
        )


class KeyInFlightError(RequestError):
    """The first request with this key has no answer yet."""

    code = "idempotency_key_in_flight"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is being served.", mend="Send the same request again in a minute."
        )


class KeyReusedError(RequestError):
    """The key came with another request before."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key came with another path or body before.", mend="Use a new key for a new request."
        )


class KeysExhaustedError(RequestError):
    """The caller has used as many keys as are kept for one."""

    code = "idempotency_keys_exhausted"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self) -> None:
        super().__init__(
            f"More than {MAX_KEYS} Idempotency-Keys of yours are kept.",
            mend="Each is forgotten 24 hours after its first use: ask less often.",
        )


class RequestRow(SQLModel, table=True):
    """One key. Of the caller, of the key and of the request only keyed hashes are kept; times are ISO 8601 in UTC."""

    __tablename__ = "request"

    id: str = Field(primary_key=True)
    owner: str = Field(index=True)
    fingerprint: str
    job: str
    first_at: str = Field(index=True)
    served_at: str | None
    status: int | None = None
    body: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key of a caller with what it came with, all as keyed hashes."""

    id: str
    owner: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer as it went out. `job` is the job it is about, None where it is about none."""

    status: HTTPStatus
    body: bytes
    job: JobId | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """Leave to serve a request. `again` says that somebody may have done so before and died, or failed, on the way."""

    job: JobId
    again: bool


_REQUESTS = SQLModel.metadata.tables["request"]


def read_key(headers: Sequence[str]) -> str:
    """The key in the values of a request's Idempotency-Key headers, without its quotes.

    The draft asks for a string, so a bare token is malformed.

    Raises:
        KeyMissingError, KeyMalformedError: there is none, or anything but one string.
    """
    match headers:
        case []:
            raise KeyMissingError
        case [value]:
            found = _STRING.fullmatch(value.strip(" "))
        case _:
            found = None
    if found is None:
        raise KeyMalformedError
    key = _ESCAPED.sub(r"\1", found["value"])
    if len(key) > MAX_KEY_CHARS:
        raise KeyMalformedError
    return key


def seal(keyring: Keyring, caller: Caller, key: str, what: Sequence[str]) -> Key:
    """The key of this caller for a request that comes to `what`: another caller's same key is another key."""
    owner = keyring.fingerprint("idempotency owner", caller.credential, caller.subject)
    return Key(
        id=keyring.fingerprint("idempotency key", owner, key),
        owner=owner,
        fingerprint=keyring.fingerprint("idempotency request", *what),
    )


def claim(session: Session, key: Key, *, job: JobId, now: datetime) -> Claimed | Reply:
    """Leave to serve the request, from the commit of this session on; or the answer that it got.

    `job` is the id for what it may come to make. Leave that is given again has the id it was given with first.

    Raises:
        KeyInFlightError, KeyReusedError, KeysExhaustedError: neither.
    """
    connection = session.connection()
    connection.execute(delete(_REQUESTS).where(_REQUESTS.c.first_at <= (now - KEPT).isoformat()))
    row = connection.execute(select(_REQUESTS).where(_REQUESTS.c.id == key.id)).one_or_none()
    if row is None:
        held = connection.execute(select(func.count()).where(_REQUESTS.c.owner == key.owner)).scalar_one()
        if held >= MAX_KEYS:
            raise KeysExhaustedError
        values = {"id": key.id, "owner": key.owner, "fingerprint": key.fingerprint, "job": job}
        connection.execute(insert(_REQUESTS).values(**values, first_at=now.isoformat(), served_at=now.isoformat()))
        return Claimed(job=job, again=False)
    if row.fingerprint != key.fingerprint:
        raise KeyReusedError
    if row.status is not None:
        return Reply(status=HTTPStatus(row.status), body=row.body, job=JobId(row.job) if row.job else None)
    # Both ways, because a clock can be set back.
    if row.served_at is not None and abs(now - datetime.fromisoformat(row.served_at)) < IN_FLIGHT:
        raise KeyInFlightError
    connection.execute(update(_REQUESTS).where(_REQUESTS.c.id == key.id).values(served_at=now.isoformat()))
    return Claimed(job=JobId(row.job), again=True)


def settle(session: Session, key: Key, reply: Reply | None) -> None:
    """Keep the answer; without one, the same request may be sent again at once."""
    answered = {} if reply is None else {"status": int(reply.status), "body": reply.body, "job": reply.job or ""}
    settled = update(_REQUESTS).where(_REQUESTS.c.id == key.id).values(served_at=None, **answered)
    session.connection().execute(settled)
