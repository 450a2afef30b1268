"""The evidence of access and of non-interference, small: decisions, searches and answers beside oracle and twin."""

from datetime import UTC, date, datetime, timedelta

import pytest

from policies import facts, regions, transfers
from policies.facts import Regime
from tests.evidence.access import decisions, law, searches
from tests.evidence.access.oracle import PERMIT
from tests.evidence.interference.comparing import compared

REGIMES: tuple[Regime, ...] = ("gdpr", "uk-gdpr")
QUARTERS = [date(2021, 1, 1) + number * timedelta(days=91) for number in range(52)]
TURNS = [
    turn + step * timedelta(days=1)
    for turn in (date(2021, 6, 28), date(2021, 12, 17), date(2022, 12, 19), date(2023, 10, 12), date(2026, 1, 26))
    for step in (-1, 0)
]


def test_every_decision_and_its_first_reason_are_those_of_the_oracle() -> None:
    tally = decisions.judged(12_000, seed=1)

    assert (tally.leaks, tally.wrong_denials, tally.other_reasons, tally.examples) == (0, 0, 0, [])
    assert tally.answers[PERMIT] > 1_000


def test_every_search_gives_the_best_of_what_is_visible_with_their_scores_to_the_last_bit() -> None:
    tally = searches.searched(300, seed=1, documents=(20, 60), of_each=150)

    assert tally.examples == []
    assert (tally.other_documents, tally.other_scores, tally.other_statistics, tally.beyond_candidates) == (0, 0, 0, 0)
    assert tally.with_hits > 100


def test_no_answer_changes_with_what_the_caller_may_not_see() -> None:
    tally = compared(80, seed=1, rounds=2)

    assert (tally.different, tally.examples) == ({}, [])
    assert tally.with_passages > 20


@pytest.mark.parametrize(
    ("ours", "right", "counted"),
    [
        (PERMIT, PERMIT, (0, 0, 0)),
        (PERMIT, "restricted", (1, 0, 0)),
        ("restricted", PERMIT, (0, 1, 0)),
        ("restricted", "acl_stale", (0, 0, 1)),
    ],
)
def test_a_difference_is_a_leak_or_a_wrong_denial_or_another_reason(
    ours: str, right: str, counted: tuple[int, int, int]
) -> None:
    tally = decisions.Tally()

    tally.compare(ours, right, "case")

    assert (tally.leaks, tally.wrong_denials, tally.other_reasons) == counted
    assert len(tally.examples) == sum(counted)


def test_the_oracles_countries_are_those_of_the_tables() -> None:
    groups = facts.regions().groups

    assert {name: group.members for name, group in groups.items()} == law.GROUPS
    assert {regime: transfers.home(regime) for regime in REGIMES} == law.HOME
    assert transfers.home("us") is None


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("day", [*QUARTERS, *TURNS, date(2031, 12, 27), date(2031, 12, 28)])
def test_the_oracles_transfers_are_those_of_the_tables(regime: Regime, day: date) -> None:
    now = datetime(day.year, day.month, day.day, tzinfo=UTC)
    countries = sorted(facts.regions().countries)
    mechanisms = ("adequacy", "scc", "idta", "bcr", "dpf", "derogation")

    assert {country for country in countries if transfers.is_free(regime, country, now)} == {
        country for country in countries if law.free(regime, country, day)
    }
    for mechanism in mechanisms:
        abroad = sorted(set(countries) - regions.expand(transfers.home(regime) or ()))
        assert {country for country in abroad if transfers.carries(mechanism, regime, country, now)} == {
            country for country in abroad if law.carries(mechanism, regime, country, day)
        }, mechanism


@pytest.mark.parametrize("regime", [*REGIMES, "us"])
def test_the_oracles_grounds_are_those_of_the_tables(regime: Regime) -> None:
    grounds = facts.grounds()

    assert {row.name: row.since[regime] for row in grounds.lawful_basis if regime in row.since} == law.BASES[regime]
    assert {row.name: row.since[regime] for row in grounds.special_categories if regime in row.since} == law.CONDITIONS[
        regime
    ]
