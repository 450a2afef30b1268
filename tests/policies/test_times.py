"""A clock that is behind the audit: nothing is recorded by it, so nothing done, and a chain that went back is told."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session, SQLModel, create_engine

from policies import transcript
from policies.errors import AuditError
from policies.ledger import (
    START,
    TOLERANCE,
    AuditRow,
    Problem,
    Record,
    append,
    current_head,
    is_behind,
    records,
    require_time,
    verify,
)
from policies.model import Action, AuditEvent
from tests import catalogs

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVENT = AuditEvent(actor="caller:ann", action=Action.RETRIEVED)
CORRECTED = AuditEvent(actor="operator:root", action=Action.CLOCK_CORRECTED, detail={"reference": "INC-1"})
HOUR, MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = create_engine(catalogs.engine_url(tmp_path / "audit.db"))
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables[str(AuditRow.__tablename__)]])
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def chain(*times: str, action: str = "retrieved") -> list[Record]:
    made: list[Record] = []
    head = START
    for at in times:
        bare = Record(
            sequence=head.sequence + 1, at=at, actor="a", action=action, objects="[]", policy_hash="", detail="{}",
            previous=head.hash, hash="",
        )  # fmt: skip
        made.append(replace(bare, hash=bare.computed_hash()))
        head = replace(head, sequence=bare.sequence, hash=made[-1].hash)
    return made


def test_nothing_is_recorded_by_a_clock_that_is_behind(session: Session) -> None:
    append(session, EVENT, now=NOW)
    for behind in (HOUR, TOLERANCE + MICROSECOND, timedelta(days=3000)):
        assert is_behind(session, NOW - behind)
        for act in (lambda now: append(session, EVENT, now=now), lambda now: require_time(session, now)):
            with pytest.raises(AuditError, match="behind the last record") as caught:
                act(NOW - behind)
            assert str(behind) in caught.value.message
            assert "Set the clock" in caught.value.mend
    assert current_head(session).sequence == 1


def test_a_clock_that_is_behind_by_little_adds_no_time_of_its_own_however_often(session: Session) -> None:
    """So that many small steps back do not make a large one."""
    append(session, EVENT, now=NOW)
    for step in (1, 2, 3):
        late = NOW - step * TOLERANCE / 3
        assert not is_behind(session, late)
        append(session, EVENT, now=late)
    assert {record.at for record in records(session)} == {NOW.isoformat()}
    append(session, EVENT, now=NOW + MICROSECOND)
    assert verify(records(session), ()) == ()


def test_a_corrected_clock_is_on_record_and_goes_on_from_there(session: Session) -> None:
    append(session, EVENT, now=NOW + 9000 * HOUR)
    append(session, CORRECTED, now=NOW)
    append(session, EVENT, now=NOW + HOUR)
    assert [record.at for record in records(session)][1:] == [NOW.isoformat(), (NOW + HOUR).isoformat()]
    assert verify(records(session), ()) == ()
    with pytest.raises(AuditError):
        append(session, EVENT, now=NOW)


def test_a_last_record_without_a_time_lets_nothing_be_recorded(session: Session) -> None:
    append(session, EVENT, now=NOW)
    for at in ("yesterday", "2026-11-21T12:00:00"):
        row = session.get_one(AuditRow, 1)
        row.at = at
        session.flush()
        with pytest.raises(AuditError, match="no time that can be read"):
            append(session, EVENT, now=NOW)


@pytest.mark.parametrize(
    ("times", "found"),
    [
        (("12:00:00", "11:58:00", "11:56:00"), []),
        (("12:00:00", "11:57:59", "11:58:00"), [2]),
        (("12:00:00", "10:00:00", "12:00:00", "11:00:00"), [2, 4]),
    ],
)
def test_records_that_go_back_in_time_are_named_and_in_an_export_too(times: tuple[str, ...], found: list[int]) -> None:
    made = chain(*(f"2026-11-21T{time}+00:00" for time in times))
    problems = verify(made, ())
    assert [problem.sequence for problem in problems] == found
    assert all("the clock went back" in problem.what for problem in problems)
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    lines = transcript.lines(made, after=START, signer=key.sign, public_key=public, now=NOW)
    checked = transcript.check(lines, verifier=lambda *_: True, public_key=public)
    assert checked.problems == problems


def test_a_record_without_a_time_is_named() -> None:
    (problem,) = verify(chain("2026-11-21T12:00:00+00:00", "at noon"), ())
    assert problem == Problem(sequence=2, what="has no time that can be read")
    assert "at noon" not in str(asdict(problem))
