from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, SQLModel, create_engine

from policies import ledger
from policies.errors import AuditError, RefusedError
from policies.ledger import (
    GENESIS,
    AuditRow,
    Head,
    Record,
    append,
    at,
    check,
    current_head,
    holds,
    of,
    records,
    verify,
)
from policies.model import Action, AuditEvent
from tests import catalogs

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FIELDS = ("sequence", "at", "actor", "action", "objects", "policy_hash", "detail", "previous", "hash")


def event(number: int) -> AuditEvent:
    return AuditEvent(
        actor=f"operator:ann{number}",
        action=Action.RETRIEVED,
        objects=(f"r{number}", "é"),
        policy_hash="a1" * 4,
        detail={"count": number, "share": 0.5, "who": None, "many": ["x", "y"], "yes": True},
    )


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = create_engine(catalogs.engine_url(tmp_path / "audit.db"))
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables[str(AuditRow.__tablename__)]])
    with Session(engine) as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def chain(session: Session) -> list[Record]:
    for number in range(1, 6):
        append(session, event(number), now=NOW)
    session.commit()
    return list(records(session))


def problems(chain: list[Record], *anchors: Head) -> list[tuple[int, str]]:
    return [(problem.sequence, problem.what) for problem in verify(iter(chain), anchors)]


def head_of(record: Record) -> Head:
    return Head(sequence=record.sequence, hash=record.hash)


def test_an_empty_chain_ends_at_genesis_and_holds(session: Session) -> None:
    assert current_head(session) == Head(sequence=0, hash=GENESIS)
    assert list(records(session)) == []
    assert problems([]) == []


def test_records_form_a_chain_that_is_read_back_as_written(session: Session, chain: list[Record]) -> None:
    assert [record.sequence for record in chain] == [1, 2, 3, 4, 5]
    assert [record.previous for record in chain] == [GENESIS, *(record.hash for record in chain[:-1])]
    assert current_head(session) == head_of(chain[-1])
    assert chain[2] == Record(
        sequence=3,
        at="2026-11-21T12:00:00+00:00",
        actor="operator:ann3",
        action="retrieved",
        objects='["r3","é"]',
        policy_hash="a1a1a1a1",
        detail='{"count":3,"many":["x","y"],"share":0.5,"who":null,"yes":true}',
        previous=chain[1].hash,
        hash=chain[2].computed_hash(),
    )
    assert list(records(session, after=3)) == chain[3:]
    assert problems(chain, *map(head_of, chain)) == []


def flips(record: Record) -> Iterator[Record]:
    """The record with one bit of one field flipped, for every bit that leaves text (the database refuses other)."""
    for bit in range(8):
        yield replace(record, sequence=record.sequence ^ 1 << bit)
    for name in FIELDS[1:]:
        raw = getattr(record, name).encode()
        for place in range(len(raw) * 8):
            flipped = bytearray(raw)
            flipped[place // 8] ^= 1 << place % 8
            with suppress(UnicodeDecodeError):
                yield Record(**{**asdict(record), name: flipped.decode()})


def test_every_flipped_bit_of_every_record_is_found(chain: list[Record]) -> None:
    anchor = head_of(chain[-1])
    tried = 0
    for place, record in enumerate(chain):
        for changed in flips(record):
            assert problems([*chain[:place], changed, *chain[place + 1 :]], anchor), changed
            tried += 1
    assert tried > 8_000


def test_a_flipped_bit_in_the_last_hash_is_found_without_an_anchor(chain: list[Record]) -> None:
    assert all(problems([*chain[:-1], changed]) for changed in flips(chain[-1]))


def forged(record: Record, **changes: str) -> Record:
    """The record changed by somebody who then computes the hash anew."""
    changed = Record(**{**asdict(record), **changes})
    return replace(changed, hash=changed.computed_hash())


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("name", FIELDS[1:-1])
def test_a_field_of_another_type_is_found_and_stops_nothing(session: Session, name: str) -> None:
    """SQLite keeps a blob in a column of text."""
    for number in (1, 2):
        append(session, event(number), now=NOW)
    session.connection().execute(text(f"UPDATE audit SET {name} = CAST({name} AS BLOB) WHERE sequence = 1"))  # noqa: S608
    assert (1, "was changed after it was written") in problems(list(records(session)))


@pytest.mark.only("sqlite")
def test_a_hash_of_another_type_is_found(session: Session) -> None:
    append(session, event(1), now=NOW)
    session.connection().execute(text("UPDATE audit SET hash = CAST(hash AS BLOB)"))
    assert problems(list(records(session))) == [(1, "was changed after it was written")]


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (
            lambda chain: chain[:2] + chain[3:],
            [(3, "records are missing"), (4, "does not follow the record before it")],
        ),
        (lambda chain: chain[1:], [(1, "records are missing"), (2, "does not follow the record before it")]),
        (
            lambda chain: [chain[0], chain[2], chain[1], *chain[3:]],
            [
                (2, "records are missing"),
                (3, "does not follow the record before it"),
                (4, "records are missing"),
                (2, "does not follow the record before it"),
                (3, "records are missing"),
                (4, "does not follow the record before it"),
            ],
        ),
        (
            lambda chain: [*chain[:2], forged(chain[2], actor="operator:eve"), *chain[3:]],
            [(4, "does not follow the record before it")],
        ),
        (
            lambda chain: [*chain[:3], forged(chain[2], actor="operator:eve"), *chain[3:]],
            [
                (4, "records are missing"),
                (3, "does not follow the record before it"),
                (4, "does not follow the record before it"),
            ],
        ),
    ],
    ids=["removed", "beginning cut off", "reordered", "changed with a new hash", "forked"],
)
def test_tampering_is_found_and_placed(
    chain: list[Record], tamper: Callable[[list[Record]], list[Record]], found: list[tuple[int, str]]
) -> None:
    assert problems(tamper(chain)) == found


@pytest.mark.parametrize("value", [None, 1.0, float("inf"), float("nan"), 7, b"x", "\ud800"])
@pytest.mark.parametrize("name", FIELDS[1:])
def test_a_field_of_any_other_type_is_found_and_stops_nothing(chain: list[Record], name: str, value: object) -> None:
    changed = Record(**{**asdict(chain[2]), name: value})
    assert problems([*chain[:2], changed, *chain[3:]])


@pytest.mark.only("sqlite")
def test_bytes_that_are_no_text_any_more_are_found_and_placed(session: Session, chain: list[Record]) -> None:
    assert check(session, [head_of(chain[-1])]) == ()
    session.connection().execute(text("UPDATE audit SET actor = CAST(x'ff' AS TEXT) WHERE sequence = 3"))
    assert [problem.sequence for problem in check(session, [])] == [3]


def test_a_database_that_is_away_is_no_finding(chain: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Session) -> Iterator[Record]:
        yield chain[0]
        raise OperationalError("SELECT", {}, Exception("the server closed the connection"))

    monkeypatch.setattr(ledger, "records", away)
    with pytest.raises(OperationalError, match="closed the connection"):
        check(Session(), [])


def test_a_chain_holds_the_records_that_it_has(session: Session, chain: list[Record]) -> None:
    head = at(session, len(chain))
    assert holds(session, head)
    assert not holds(session, replace(head, hash="0" * 64))
    assert not holds(session, Head(sequence=len(chain) + 1, hash=head.hash))


@pytest.mark.parametrize("sequence", [0, -1])
def test_a_record_put_in_before_the_first_is_found(session: Session, chain: list[Record], sequence: int) -> None:
    values = asdict(replace(chain[0], sequence=sequence, hash="0" * 64))
    names = ", ".join(FIELDS)
    statement = text(f"INSERT INTO audit ({names}) VALUES ({', '.join(f':{name}' for name in FIELDS)})")  # noqa: S608
    session.connection().execute(statement, values)
    assert check(session, [])
    assert current_head(session) == head_of(chain[-1])


def test_two_anchors_of_one_sequence_are_both_held_against_it(chain: list[Record]) -> None:
    other = Head(sequence=3, hash="e" * 64)
    for anchors in ([other, head_of(chain[2])], [head_of(chain[2]), other]):
        assert problems(chain, *anchors) == [(3, "is not the record that was anchored")]


def test_the_head_of_any_moment_can_be_asked_for(session: Session, chain: list[Record]) -> None:
    assert at(session, 0) == Head(sequence=0, hash=GENESIS)
    assert at(session, 3) == head_of(chain[2])
    with pytest.raises(RefusedError, match="no record 6"):
        at(session, 6)
    assert [record.sequence for record in of(session, Action.RETRIEVED)][-1] == 5
    assert list(of(session, Action.CALIBRATED)) == []


def test_an_inserted_record_is_found(chain: list[Record]) -> None:
    inserted = forged(chain[2], actor="operator:eve")
    shifted = [replace(record, sequence=record.sequence + 1) for record in chain[2:]]
    found = problems([*chain[:2], inserted, *shifted])
    assert (4, "does not follow the record before it") in found
    assert (4, "was changed after it was written") in found


def test_a_cut_end_shows_only_against_an_anchor_behind_the_cut(chain: list[Record]) -> None:
    assert problems(chain[:3]) == []
    assert problems(chain[:3], head_of(chain[1])) == []
    assert problems(chain[:3], head_of(chain[4])) == [(4, "the end was cut off; record 5 was anchored")]
    assert problems([], head_of(chain[0])) == [(1, "the end was cut off; record 1 was anchored")]


def test_an_end_that_was_written_anew_shows_against_an_anchor(chain: list[Record]) -> None:
    other = forged(chain[3], actor="operator:eve")
    rewritten = [*chain[:3], other, forged(chain[4], previous=other.hash)]
    assert problems(rewritten) == []
    assert problems(rewritten, head_of(chain[4])) == [(5, "is not the record that was anchored")]


def test_a_record_goes_with_the_transaction_that_is_rolled_back(session: Session, chain: list[Record]) -> None:
    assert append(session, event(6), now=NOW).sequence == 6
    session.rollback()
    assert list(records(session)) == chain
    assert append(session, event(7), now=NOW).sequence == 6


def test_no_record_can_be_made_where_the_table_cannot_be_written(session: Session) -> None:
    read_only = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET TRANSACTION READ ONLY"}[catalogs.kind()]
    session.connection().execute(text(read_only))
    with pytest.raises(AuditError, match="nothing is answered until it can"):
        append(session, event(1), now=NOW)


def test_an_act_that_cannot_be_put_as_json_is_no_record(session: Session) -> None:
    impossible = replace(event(1), detail={"share": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        append(session, impossible, now=NOW)
