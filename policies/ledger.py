"""The audit: an append-only chain of records, each holding the hash of the one before.

A record is written in the same transaction as the act it records: no record, no act. It holds identifiers, codes and
counts, never document text, a name out of a document or a query. The chain shows any changed, removed or inserted
record; that its end was not cut off shows by anchors, signed heads kept outside this file (see `Anchor`).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Field, Session, SQLModel

from policies.errors import AuditError
from policies.model import AuditEvent

GENESIS = "0" * 64
"""The hash that the first record points back to."""


class AuditRow(SQLModel, table=True):
    """One record of the chain."""

    __tablename__ = "audit"

    sequence: int = Field(primary_key=True)
    at: str
    actor: str
    action: str = Field(index=True)
    objects: str
    policy_hash: str
    detail: str
    previous: str
    hash: str


_AUDIT = SQLModel.metadata.tables["audit"]
_COLUMNS = [
    _AUDIT.c[name]
    for name in ("sequence", "at", "actor", "action", "objects", "policy_hash", "detail", "previous", "hash")
]


_HEAD = select(_AUDIT.c.sequence, _AUDIT.c.hash).order_by(_AUDIT.c.sequence.desc()).limit(1)
_APPEND = insert(_AUDIT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One record as stored: times are ISO 8601 in UTC, `objects` and `detail` are canonical JSON."""

    sequence: int
    at: str
    actor: str
    action: str
    objects: str
    policy_hash: str
    detail: str
    previous: str
    hash: str

    def computed_hash(self) -> str:
        """SHA-256 in hex over every other field, the previous hash among them."""
        fields = [
            self.sequence,
            self.at,
            self.actor,
            self.action,
            self.objects,
            self.policy_hash,
            self.detail,
            self.previous,
        ]
        return hashlib.sha256(_canonical(fields).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The end of the chain: how many records, and the hash of the last."""

    sequence: int
    hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Where the chain does not hold, and how."""

    sequence: int
    what: str


def append(session: Session, event: AuditEvent, *, now: datetime) -> Head:
    """Add a record to the chain inside the caller's transaction; durable once that commits.

    Raises:
        AuditError: it could not be written, so the act must not happen.
    """
    try:
        head = current_head(session)
        unsealed = Record(
            sequence=head.sequence + 1,
            at=now.isoformat(),
            actor=event.actor,
            action=event.action.value,
            objects=_canonical(list(event.objects)),
            policy_hash=event.policy_hash,
            detail=_canonical(dict(event.detail)),
            previous=head.hash,
            hash="",
        )
        digest = unsealed.computed_hash()
        values = {column.name: getattr(unsealed, column.name) for column in _COLUMNS} | {"hash": digest}
        session.connection().execute(_APPEND, values)
    except SQLAlchemyError as error:
        raise AuditError(
            "The audit record could not be written.", mend="Check the catalog's disk; nothing is answered until it can."
        ) from error
    return Head(sequence=unsealed.sequence, hash=digest)


def current_head(session: Session) -> Head:
    """The end of the chain; sequence 0 and `GENESIS` when it is empty."""
    found = session.connection().execute(_HEAD).first()
    return Head(sequence=found.sequence, hash=found.hash) if found else Head(sequence=0, hash=GENESIS)


def holds(session: Session, head: Head) -> bool:
    """Whether the chain has this very record: one that was restored from before it, or grew otherwise, has not."""
    found = session.connection().execute(select(_AUDIT.c.hash).where(_AUDIT.c.sequence == head.sequence)).scalar()
    return found == head.hash


def records(session: Session, *, after: int = 0) -> Iterator[Record]:
    """The chain from its start, or from behind a sequence number, in order."""
    statement = select(*_COLUMNS).where(_AUDIT.c.sequence > after).order_by(_AUDIT.c.sequence)
    for row in session.connection().execute(statement):
        yield Record(**row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's row mapping


def verify(chain: Iterator[Record], anchors: Sequence[Head]) -> tuple[Problem, ...]:
    """Every place where the chain does not hold: a changed bit, a gap, a fork, or an end cut off before an anchor.

    `anchors` are heads whose signatures have been checked already.
    """
    problems: list[Problem] = []
    expected = Head(sequence=0, hash=GENESIS)
    anchored = {anchor.sequence: anchor.hash for anchor in anchors}
    for record in chain:
        if record.sequence != expected.sequence + 1:
            problems.append(Problem(sequence=expected.sequence + 1, what="records are missing"))
        if record.previous != expected.hash:
            problems.append(Problem(sequence=record.sequence, what="does not follow the record before it"))
        if not _is_unchanged(record):
            problems.append(Problem(sequence=record.sequence, what="was changed after it was written"))
        if anchored.get(record.sequence, record.hash) != record.hash:
            problems.append(Problem(sequence=record.sequence, what="is not the record that was anchored"))
        expected = Head(sequence=record.sequence, hash=record.hash)
    furthest = max(anchored, default=0)
    if furthest > expected.sequence:
        problems.append(
            Problem(sequence=expected.sequence + 1, what=f"the end was cut off; record {furthest} was anchored")
        )
    return tuple(problems)


def _is_unchanged(record: Record) -> bool:
    try:
        return record.computed_hash() == record.hash
    except TypeError:
        # A field is of another type than was written.
        return False


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
