"""Signed heads of the audit chain, kept outside the catalog so that cutting the chain's end shows.

Each anchor is signed together with its number and the signature before it, and how many there are is signed apart: an
anchor that was changed or taken away shows. Somebody who puts back this whole file as it once was, and the catalog
with it, leaves no trace in either; for that there are exports of the audit, kept where that somebody cannot write.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlmodel import Field, Session, SQLModel

from policies.ledger import Head, Problem

Verify = Callable[[bytes, bytes], bool]
"""Whether a message has this signature of the home."""


class AnchorRow(SQLModel, table=True):
    """A signed head of the audit chain."""

    __tablename__ = "anchor"

    number: int = Field(primary_key=True)
    sequence: int = Field(unique=True)
    hash: str
    at: str
    previous: bytes
    signature: bytes


class AnchorCountRow(SQLModel, table=True):
    """How many anchors there are, signed. One row."""

    __tablename__ = "anchor_count"

    id: int = Field(primary_key=True)
    total: int
    signature: bytes


TABLES: tuple[type[SQLModel], ...] = (AnchorRow, AnchorCountRow)
_ANCHOR, _COUNT = (SQLModel.metadata.tables[name] for name in ("anchor", "anchor_count"))
_YOUNGEST = select(_ANCHOR).order_by(_ANCHOR.c.sequence.desc()).limit(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchors:
    """Every head whose signature holds, in the order of the chain, and what does not hold."""

    heads: tuple[Head, ...]
    problems: tuple[Problem, ...]


def begin(session: Session, *, sign: Callable[[bytes], bytes]) -> None:
    """Count none yet."""
    session.connection().execute(insert(_COUNT).values(id=1, total=0, signature=sign(_count_bytes(0))))


def append(session: Session, head: Head, *, at: str, sign: Callable[[bytes], bytes], verify: Verify) -> None:
    """Keep a head, signed. The first anchor of a sequence number stays.

    A chain that was cut and grew again does not replace its proof, and a count that does not hold is not mended.
    """
    connection = session.connection()
    if connection.execute(select(_ANCHOR.c.number).where(_ANCHOR.c.sequence == head.sequence)).first():
        return
    last = connection.execute(select(_ANCHOR).order_by(_ANCHOR.c.number.desc()).limit(1)).first()
    told = connection.execute(select(_COUNT.c.total, _COUNT.c.signature)).first()
    counted = told.total if told and verify(_count_bytes(told.total), told.signature) else None
    number = 1 + max(last.number if last else 0, counted or 0)
    # One that was made into something else than bytes stays for `read` to find, and stops nothing here.
    previous = last.signature if last and isinstance(last.signature, bytes) else b""
    connection.execute(
        insert(_ANCHOR).values(
            number=number,
            sequence=head.sequence,
            hash=head.hash,
            at=at,
            previous=previous,
            signature=sign(_anchor_bytes(number, head, at, previous)),
        )
    )
    if counted is not None:
        connection.execute(update(_COUNT).values(total=number, signature=sign(_count_bytes(number))))


def read(session: Session, *, verify: Verify) -> Anchors:
    """Every anchor, checked."""
    connection = session.connection()
    heads: list[Head] = []
    problems: list[str] = []
    number, signature = 0, b""
    for row in connection.execute(select(_ANCHOR).order_by(_ANCHOR.c.number)):
        head = Head(sequence=row.sequence, hash=row.hash)
        if row.number != number + 1:
            problems.append(f"anchors {number + 1} to {row.number - 1} were taken away")
        elif row.previous != signature:
            problems.append(f"anchor {row.number} does not follow the one before it")
        if verify(_anchor_bytes(row.number, head, row.at, row.previous), row.signature):
            heads.append(head)
        else:
            problems.append(f"anchor {row.number} was not signed by this home")
        number, signature = row.number, row.signature
    problems += _count_problems(session, number, verify)
    return Anchors(
        heads=tuple(sorted(heads, key=lambda head: head.sequence)),
        problems=tuple(Problem(sequence=0, what=what) for what in problems),
    )


def youngest(session: Session) -> Head | None:
    """The anchored head with the highest sequence number, whose signature is not looked at; None before the first."""
    row = session.connection().execute(_YOUNGEST).first()
    return Head(sequence=row.sequence, hash=row.hash) if row else None


def _count_problems(session: Session, number: int, verify: Verify) -> Iterator[str]:
    rows = session.connection().execute(select(_COUNT.c.total, _COUNT.c.signature)).all()
    if len(rows) != 1 or not verify(_count_bytes(rows[0].total), rows[0].signature):
        yield "the number of anchors was not signed by this home"
    elif rows[0].total != number:
        yield f"anchors were taken away: there were {rows[0].total}, the last one here is {number}"


def _anchor_bytes(number: int, head: Head, at: str, previous: bytes) -> bytes:
    return f"penstock audit head {number} {head.sequence} {head.hash} {at} {previous!r}".encode()


def _count_bytes(total: int) -> bytes:
    return f"penstock audit heads {total}".encode()
