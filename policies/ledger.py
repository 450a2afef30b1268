"""The audit: an append-only chain of records, each holding the hash of the one before.

A record is written in the same transaction as the act it records: no record, no act. It holds identifiers, codes and
counts, never document text, a name out of a document or a query. The chain shows any changed, removed or inserted
record; that its end was not cut off shows by anchors, signed heads kept outside this file (see `Anchor`).
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlmodel import Field, Session, SQLModel

from policies.errors import AuditError, RefusedError
from policies.model import Action, AuditEvent

GENESIS = "0" * 64
"""The hash that the first record points back to."""
TOLERANCE = timedelta(minutes=2)
"""Chosen: how far apart the clocks of the machines that write to one audit may be, and an answer may take."""


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


_HEAD = select(_AUDIT.c.sequence, _AUDIT.c.hash, _AUDIT.c.at).order_by(_AUDIT.c.sequence.desc()).limit(1)
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
        return hashlib.sha256(canonical(fields).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The end of the chain: how many records, and the hash of the last."""

    sequence: int
    hash: str


START = Head(sequence=0, hash=GENESIS)
"""The head of an empty chain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Where the chain does not hold, and how. `sequence` is 0 where no one record is at fault."""

    sequence: int
    what: str

    def __str__(self) -> str:
        """One line for people."""
        return f"record {self.sequence}: {self.what}" if self.sequence else self.what


class Times:
    """Follows the times of a chain, record by record."""

    def __init__(self) -> None:
        self._before: datetime | None = None

    def follow(self, record: Record) -> tuple[Problem, ...]:
        """What is wrong with the time of the next record: it goes back, and the clock was not corrected."""
        before, self._before = self._before, _time(record.at)
        if self._before is None:
            return (Problem(sequence=record.sequence, what="has no time that can be read"),)
        if before and before - self._before > TOLERANCE and record.action != Action.CLOCK_CORRECTED:
            went = f"is of {before - self._before} before the record that it follows: the clock went back"
            return (Problem(sequence=record.sequence, what=went),)
        return ()


def append(session: Session, event: AuditEvent, *, now: datetime) -> Head:
    """Add a record to the chain inside the caller's transaction; durable once that commits.

    Its time is never before the last one's: a clock that is behind it by no more than `TOLERANCE` adds none of its own.

    Raises:
        AuditError: it could not be written, or the clock is behind the last record, so the act must not happen.
    """
    try:
        head, last = _last(session)
        if event.action is not Action.CLOCK_CORRECTED:
            now = _not_before(last, now)
        unsealed = Record(
            sequence=head.sequence + 1,
            at=now.isoformat(),
            actor=event.actor,
            action=event.action.value,
            objects=canonical(list(event.objects)),
            policy_hash=event.policy_hash,
            detail=canonical(dict(event.detail)),
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
    return _last(session)[0]


def require_time(session: Session, now: datetime) -> None:
    """Return if the clock is not behind the last record by more than `TOLERANCE`.

    Raises:
        AuditError: it is. What is past its retention, or no longer granted, would be shown again.
    """
    _not_before(_last(session)[1], now)


def is_behind(session: Session, now: datetime) -> bool:
    """Whether nothing can be recorded by this clock: it is behind the last record, or that one has no time."""
    try:
        require_time(session, now)
    except AuditError:
        return True
    return False


def _last(session: Session) -> tuple[Head, str]:
    """The end of the chain and the time of the last record, "" where there is none."""
    found = session.connection().execute(_HEAD).first()
    return (Head(sequence=found.sequence, hash=found.hash), found.at) if found else (START, "")


def _not_before(last: str, now: datetime) -> datetime:
    """The present, or the time of the last record where the clock is behind it by little."""
    if not last:
        return now
    written = _time(last)
    if written is None:
        raise AuditError(
            "The last record of the audit has no time that can be read.", mend="Run: penstock audit verify"
        )
    if written - now > TOLERANCE:
        raise AuditError(
            f"The clock is behind the last record of the audit by {written - now}: nothing is done or answered by it.",
            mend="Set the clock. If the record's time was wrong, run: penstock audit clock --reference NUMBER",
        )
    return max(written, now)


def _time(at: object) -> datetime | None:
    """The time in a record, None where it is none."""
    try:
        time = datetime.fromisoformat(str(at))
    except ValueError:
        return None
    return time if time.tzinfo else None


def at(session: Session, sequence: int) -> Head:
    """The head that the chain had when it had so many records.

    Raises:
        RefusedError: it never had.
    """
    if not sequence:
        return START
    found = session.connection().execute(select(_AUDIT.c.hash).where(_AUDIT.c.sequence == sequence)).scalar()
    if found is None:
        raise RefusedError(f"The audit has no record {sequence}.", mend="See the last ones: penstock audit show")
    return Head(sequence=sequence, hash=found)


def holds(session: Session, head: Head) -> bool:
    """Whether the chain has this very record: one that was restored from before it, or grew otherwise, has not."""
    found = session.connection().execute(select(_AUDIT.c.hash).where(_AUDIT.c.sequence == head.sequence)).scalar()
    return found == head.hash


def of(session: Session, *actions: Action) -> Iterator[Record]:
    """Every record of these acts, in order."""
    names = [action.value for action in actions]
    statement = select(*_COLUMNS).where(_AUDIT.c.action.in_(names)).order_by(_AUDIT.c.sequence)
    for row in session.connection().execute(statement):
        yield Record(**row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's row mapping


def records(session: Session, *, after: int | None = None) -> Iterator[Record]:
    """Every record there is, or those behind a sequence number, in order."""
    statement = select(*_COLUMNS).order_by(_AUDIT.c.sequence)
    if after is not None:
        statement = statement.where(_AUDIT.c.sequence > after)
    for row in session.connection().execute(statement):
        yield Record(**row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's row mapping


def check(session: Session, anchors: Sequence[Head]) -> tuple[Problem, ...]:
    """What `verify` finds in the stored chain, and a record whose bytes are not even text any more."""
    problems: list[Problem] = []
    return (*verify(_readable(session, problems), anchors), *problems)


def verify(chain: Iterable[Record], anchors: Sequence[Head], *, after: Head = START) -> tuple[Problem, ...]:
    """Every place where the chain does not hold: a changed bit, a gap, a fork, an end cut off before an anchor.

    And every record by whose time the clock went back by more than `TOLERANCE`.

    `anchors` are heads whose signatures have been checked already. `after` is what the chain follows.
    """
    problems: list[Problem] = []
    expected, times = after, Times()
    anchored: defaultdict[int, set[str]] = defaultdict(set)
    for anchor in anchors:
        anchored[anchor.sequence].add(anchor.hash)
    for record in chain:
        if record.sequence != expected.sequence + 1:
            problems.append(Problem(sequence=expected.sequence + 1, what="records are missing"))
        if record.previous != expected.hash:
            problems.append(Problem(sequence=record.sequence, what="does not follow the record before it"))
        if not _is_unchanged(record):
            problems.append(Problem(sequence=record.sequence, what="was changed after it was written"))
        problems += times.follow(record)
        if anchored.get(record.sequence, set()) - {record.hash}:
            problems.append(Problem(sequence=record.sequence, what="is not the record that was anchored"))
        expected = Head(sequence=record.sequence, hash=record.hash)
    furthest = max(anchored, default=0)
    if furthest > expected.sequence:
        problems.append(
            Problem(sequence=expected.sequence + 1, what=f"the end was cut off; record {furthest} was anchored")
        )
    return tuple(problems)


def _readable(session: Session, problems: list[Problem]) -> Iterator[Record]:
    last = 0
    try:
        for record in records(session):
            last = record.sequence
            yield record
    except OperationalError as error:
        # SQLite's driver refuses bytes that are no text any more. A server that is away is no finding.
        if "decode" not in str(error.orig):
            raise
        problems.append(Problem(sequence=last + 1, what="cannot be read as text: it was changed"))


def _is_unchanged(record: Record) -> bool:
    try:
        return record.computed_hash() == record.hash
    except (TypeError, ValueError):
        # A field is of another type than was written.
        return False


def canonical(value: object) -> str:
    """The one way to write a value as JSON, without spaces, keys in order.

    Raises:
        TypeError, ValueError: JSON cannot hold it.
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
