from datetime import UTC, datetime
from itertools import chain

import pytest

from policies import facts, regions, transfers
from policies.facts import Regime
from tests.policies.handbook import NOW

_EEA = facts.regions().groups["eea"].members


def _at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def test_each_regime_is_at_home_where_its_law_applies() -> None:
    assert transfers.home("gdpr") == _EEA
    assert transfers.home("uk-gdpr") == frozenset({"gb"})
    assert transfers.home("us") is None


def _free(regime: Regime, now: datetime | None = NOW) -> set[str]:
    return {country for country in facts.regions().countries if transfers.is_free(regime, country, now)}


def test_data_is_free_to_go_home_and_where_it_is_found_adequate_without_a_condition() -> None:
    found = {"ad", "ar", "br", "ch", "gb", "gg", "il", "im", "je", "nz", "uy"}
    assert _free("gdpr") == _EEA | found
    assert _free("uk-gdpr") == _EEA | {"gb", "gi"} | (found - {"br"})
    assert _free("us") == facts.regions().countries


def test_a_finding_counts_from_its_first_day_through_its_last() -> None:
    assert not transfers.is_free("gdpr", "br", _at(2026, 1, 25))
    assert transfers.is_free("gdpr", "br", _at(2026, 1, 26))
    assert transfers.is_free("gdpr", "gb", _at(2031, 12, 27))
    assert not transfers.is_free("gdpr", "gb", _at(2031, 12, 28))
    assert transfers.is_free("gdpr", "gb", None)


@pytest.mark.parametrize(
    ("mechanism", "regime", "expected"),
    [
        ("scc", "gdpr", True),
        ("bcr", "gdpr", True),
        ("derogation", "gdpr", True),
        ("dpf", "gdpr", True),
        ("idta", "gdpr", False),
        ("adequacy", "gdpr", False),
        ("idta", "uk-gdpr", True),
        ("bcr", "uk-gdpr", True),
        ("derogation", "uk-gdpr", True),
        ("dpf", "uk-gdpr", True),
        ("scc", "uk-gdpr", False),
        ("adequacy", "uk-gdpr", False),
    ],
)
def test_a_mechanism_carries_data_to_the_united_states_or_not(mechanism: str, regime: Regime, expected: bool) -> None:  # noqa: FBT001
    assert transfers.carries(mechanism, regime, "us", NOW) is expected
    assert transfers.carries(mechanism, regime, "us", None) is expected


def test_the_privacy_framework_reaches_the_united_states_only() -> None:
    reached = {country for country in facts.regions().countries if transfers.carries("dpf", "gdpr", country, NOW)}
    assert reached == {"us"}


def test_a_conditional_finding_carries_only_what_the_manifest_names() -> None:
    assert not transfers.is_free("gdpr", "ca", NOW)
    assert transfers.carries("adequacy", "gdpr", "ca", NOW)
    assert not transfers.carries("adequacy", "gdpr", "in", None)


def test_a_mechanism_does_not_carry_before_it_exists() -> None:
    assert not transfers.carries("dpf", "gdpr", "us", _at(2023, 7, 9))
    assert transfers.carries("dpf", "gdpr", "us", _at(2023, 7, 10))
    assert not transfers.carries("adequacy", "uk-gdpr", "kr", _at(2022, 12, 18))


def test_every_country_of_the_table_exists_and_is_found_once_for_a_regime() -> None:
    rows = [(row.regime, regions.expand(row.countries)) for row in facts.transfers().adequacy]
    pairs = [(regime, country) for regime, countries in rows for country in countries]
    assert len(pairs) == len(set(pairs))
    limits = chain.from_iterable(row.countries for row in facts.transfers().mechanisms)
    assert {country for _, country in pairs} | set(limits) <= facts.regions().countries


def test_every_table_says_when_it_was_compiled() -> None:
    assert all(table.compiled_on <= NOW.date() for table in facts.tables().values())
