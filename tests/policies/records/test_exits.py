from datetime import UTC, date, datetime

import pytest

from policies import regions, residency, transfers
from policies.records.exits import Exit, exits
from tests.policies.handbook import AMERICAN, NOW, source

_WITH_US: dict[str, tuple[tuple[str, str], ...]] = {
    "gdpr": (("store: [gb]", "store: [gb, eu]"),),
    "uk-gdpr": (("serve: [gb, eu]", "serve: [gb, eu, us]"),),
}
_TO_US = "transfers: [{to: us, mechanism: dpf, reference: DPF-1, checked_on: 2026-03-31}]"


def test_a_country_that_is_adequate_is_an_exit_with_its_law() -> None:
    assert exits(source().policy, NOW) == (
        Exit(
            region="eu",
            ways=("serve",),
            mechanism="adequacy",
            ground="Data Protection Act 2018 Sch. 21 para. 4-5",
            checked_on=None,
            stale=False,
        ),
    )


def test_a_finding_that_ends_says_when() -> None:
    (out,) = exits(source(("regime: uk-gdpr", "regime: gdpr")).policy, NOW)
    assert (out.region, out.ways, out.stale) == ("gb", ("store", "process", "serve", "system"), False)
    assert out.ground.endswith("until 2031-12-27")
    after = exits(source(("regime: uk-gdpr", "regime: gdpr")).policy, datetime(2032, 1, 1, tzinfo=UTC))
    assert [(each.ground, each.stale) for each in after] == [("", True)]


def test_a_transfer_goes_before_and_counts_for_a_year() -> None:
    policy = source(("serve: [gb, eu]", "serve: [gb]"), ("transfers: []", _TO_US)).policy
    (out,) = exits(policy, NOW)
    assert out == Exit(
        region="us",
        ways=("serve",),
        mechanism="dpf",
        ground="DPF-1",
        checked_on=date(2026, 3, 31),
        stale=False,
    )
    assert [each.stale for each in exits(policy, datetime(2027, 4, 1, tzinfo=UTC))] == [True]


def test_a_transfer_that_does_not_reach_the_whole_region_is_none_of_it() -> None:
    found = exits(source(("transfers: []", _TO_US)).policy, NOW)
    assert [(each.region, each.mechanism) for each in found] == [("eu", "adequacy"), ("us", "dpf")]


def test_logs_go_where_they_may_and_where_nothing_is_said_there_where_data_lie() -> None:
    union = ("regime: uk-gdpr", "regime: gdpr")
    own = ("serve: [gb, eu]", "serve: [eu], system: [eu]")
    assert [each.ways for each in exits(source(union, own).policy, NOW)] == [("store", "process")]


def test_a_transfer_that_counts_is_named_before_one_that_does_not() -> None:
    one = "{to: us, mechanism: idta, reference: OLD, checked_on: 2025-03-31}"
    other = "{to: us, mechanism: dpf, reference: NEW, checked_on: 2026-03-31}"
    late = "{to: us, mechanism: bcr, reference: LATE, checked_on: 2026-11-22}"
    home = ("serve: [gb, eu]", "serve: [gb]")
    both = source(home, ("transfers: []", f"transfers: [{one}, {other}]")).policy
    assert [(each.ground, each.stale) for each in exits(both, NOW)] == [("NEW", False)]
    ahead = source(home, ("transfers: []", f"transfers: [{late}]")).policy
    assert [(each.ground, each.stale) for each in exits(ahead, NOW)] == [("LATE", True)]


def test_what_the_law_lets_go_needs_no_transfer_that_counts() -> None:
    old = ("transfers: []", "transfers: [{to: eu, mechanism: adequacy, reference: OLD, checked_on: 2025-03-31}]")
    assert [(each.mechanism, each.checked_on, each.stale) for each in exits(source(old).policy, NOW)] == [
        ("adequacy", None, False)
    ]


@pytest.mark.parametrize("at", [NOW, datetime(2027, 4, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("regime", ["gdpr", "uk-gdpr"])
def test_an_exit_counts_exactly_where_a_decision_lets_data_go(regime: str, at: datetime) -> None:
    policy = source(("regime: uk-gdpr", f"regime: {regime}"), ("transfers: []", _TO_US), *_WITH_US[regime]).policy
    found = exits(policy, at)
    assert found
    for out in found:
        outside = regions.expand([out.region]) - (transfers.home(policy.regime) or frozenset())
        allowed = {
            "store": residency.may_store,
            "process": residency.may_process,
            "serve": residency.may_serve,
            "system": residency.may_log,
        }
        for way in out.ways:
            assert all(allowed[way](policy, country, at) for country in outside) is not out.stale, (out, way)


def test_the_united_states_have_no_exits() -> None:
    assert exits(source(*AMERICAN, ("basis: legitimate_interests", "basis: notice")).policy, NOW) == ()
