from datetime import timedelta

import pytest

from policies.residency import has_transfer, lapsed, may_log, may_process, may_serve, may_store
from tests.policies.handbook import NOW, source

REGIONS = "residency: {store: [gb], process: [gb], serve: [gb, eu], transfers: []}"
BY_CLAUSES = "{to: in, mechanism: idta, reference: TIA-9, checked_on: 2026-05-01}"


def with_transfers(*transfers: str) -> tuple[str, str]:
    return REGIONS, REGIONS.replace("transfers: []", f"transfers: [{', '.join(transfers)}]")


TRANSFERRING = source(with_transfers(BY_CLAUSES))
WHERE = ("gb", "fr", "in", "us")


def allowed(may: object, *swaps: tuple[str, str]) -> set[str]:
    of = source(*swaps).policy if swaps else TRANSFERRING.policy
    assert callable(may)
    return {country for country in WHERE if may(of, country, NOW)}


def test_a_transfer_leads_to_who_is_served_and_the_lists_say_the_rest() -> None:
    assert allowed(may_store) == {"gb"}
    assert allowed(may_process) == allowed(may_log) == {"gb"}
    assert allowed(may_serve) == {"gb", "fr", "in"}
    assert allowed(has_transfer) == {"in"}


def test_logs_go_where_data_lie_unless_the_manifest_says_where() -> None:
    assert allowed(may_log, (REGIONS, REGIONS)) == {"gb"}
    assert allowed(may_log, ("store: [gb]", "store: [gb], system: [fr]")) == {"fr"}


@pytest.mark.parametrize(("days", "carries"), [(-1, False), (0, True), (365, True), (366, False)])
def test_a_transfer_lapses_a_year_after_its_check_and_counts_from_that_day(days: int, carries: object) -> None:
    now = NOW.replace(month=5, day=1) + timedelta(days=days)
    (transfer,) = TRANSFERRING.policy.residency.transfers
    assert lapsed(TRANSFERRING.policy, now) == (() if carries else (transfer,))
    assert has_transfer(TRANSFERRING.policy, "in", now) == carries


def test_only_the_transfers_that_carry_nothing_are_told() -> None:
    old = BY_CLAUSES.replace("2026-05-01", "2024-05-01").replace("to: in", "to: za")
    policy = source(with_transfers(old, BY_CLAUSES)).policy
    assert lapsed(policy, NOW) == policy.residency.transfers[:1]
    assert lapsed(source().policy, NOW) == ()
