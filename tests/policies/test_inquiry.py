from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from policies.inquiry import Inquiry, last
from policies.ledger import GENESIS, Record
from policies.model import Action

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
READ = Record(
    sequence=7,
    at=NOW.isoformat(),
    actor="caller:ann",
    action="retrieved",
    objects='["r1","d1","d2"]',
    policy_hash="",
    detail='{"denied":["legal:deny_rule"],"purpose":"support","sources":["hr"]}',
    previous=GENESIS,
    hash=GENESIS,
)


@pytest.mark.parametrize(
    ("inquiry", "wanted"),
    [
        (Inquiry(), True),
        (Inquiry(named=frozenset({"d1"})), True),
        (Inquiry(named=frozenset({"d"})), False),
        (Inquiry(named=frozenset({"D1"})), False),
        (Inquiry(named=frozenset({"d1", "d2", "r1"})), True),
        (Inquiry(named=frozenset({"d1", "d3"})), False),
        (Inquiry(named=frozenset({"hr"})), True),
        (Inquiry(named=frozenset({"legal"})), True),
        (Inquiry(named=frozenset({"support"})), False),
        (Inquiry(named=frozenset({"legal:deny_rule"})), False),
        (Inquiry(actor="caller:ann"), True),
        (Inquiry(actor="ann"), False),
        (Inquiry(action=Action.RETRIEVED), True),
        (Inquiry(action=Action.CALIBRATED), False),
        (Inquiry(since=NOW), True),
        (Inquiry(since=NOW + timedelta(seconds=1)), False),
        (Inquiry(until=NOW), False),
        (Inquiry(until=NOW + timedelta(microseconds=1)), True),
        (Inquiry(named=frozenset({"d1"}), actor="caller:bob"), False),
    ],
)
def test_a_record_is_wanted_exactly_where_all_that_is_asked_for_is_so(inquiry: Inquiry, wanted: bool) -> None:  # noqa: FBT001
    assert inquiry.wants(READ) is wanted


@pytest.mark.parametrize("change", [{"at": "x"}, {"objects": "{"}, {"detail": "[]"}, {"objects": "[[]]"}, {"at": None}])
def test_a_record_that_cannot_be_read_is_never_hidden(change: dict[str, str]) -> None:
    assert Inquiry(named=frozenset({"d9"}), since=NOW).wants(replace(READ, **change))  # type: ignore[arg-type]


def test_the_last_ones_come_oldest_first() -> None:
    records = [replace(READ, sequence=number, actor=f"caller:{number % 2}") for number in range(10)]
    found = last(records, Inquiry(actor="caller:1"), limit=3)
    assert [record.sequence for record in found] == [5, 7, 9]
