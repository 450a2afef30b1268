from datetime import UTC, date, datetime
from itertools import chain

import pytest
from pydantic import ValidationError

from indexer.recognisers import ENTITIES
from policies import facts
from policies.facts import Adequacy, Criterion, Fact, Ground, Mechanism, Regime, Table

_ROWS = tuple(chain.from_iterable(table.facts() for table in facts.tables().values()))
_REGIMES: set[Regime] = {"gdpr", "uk-gdpr", "us"}
_BEFORE = datetime(2026, 2, 4, 23, 59, tzinfo=UTC)
_AFTER = datetime(2026, 2, 5, tzinfo=UTC)


def _grounds() -> tuple[Ground, ...]:
    table = facts.grounds()
    return table.lawful_basis + table.recognised_interests + table.special_categories


# What every row has


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row.label)
def test_every_row_has_its_source_and_was_read_there_or_says_why_not(row: Fact) -> None:
    assert row.source.strip()
    assert (row.checked_on is None) is bool(row.unsure)


@pytest.mark.parametrize("table", facts.tables().values(), ids=facts.tables())
def test_no_row_was_read_after_its_table_was_compiled(table: Table) -> None:
    assert all(row.checked_on is None or row.checked_on <= table.compiled_on for row in table.facts())


def test_what_is_unsure_is_said() -> None:
    assert facts.unsure() == ("transfers: adequacy of fo (uk-gdpr)",)


@pytest.mark.parametrize("checked", [{}, {"checked_on": date(2026, 11, 21), "unsure": "Not read."}])
def test_a_row_is_either_checked_or_unsure(checked: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="either checked on a day or says why it is unsure"):
        Criterion.model_validate({"name": "a", "title": "A", "title_fr": "A", "law": "Art. 1", "source": "s"} | checked)


def test_a_row_without_a_source_is_refused() -> None:
    with pytest.raises(ValidationError, match="source"):
        Criterion.model_validate(
            {"name": "a", "title": "A", "title_fr": "A", "law": "Art. 1", "source": "", "unsure": "No."}
        )


@pytest.mark.parametrize(
    "rows",
    [
        facts.grounds().lawful_basis,
        facts.grounds().recognised_interests,
        facts.grounds().special_categories,
        facts.transfers().mechanisms,
        facts.transfers().adequacy,
        facts.assessment().criteria,
        facts.assessment().french_list,
        facts.erasure().grounds,
        facts.erasure().exceptions,
        facts.sectors().rows,
        facts.identifiers().rows,
    ],
)
def test_no_two_rows_of_a_list_have_the_same_label(rows: tuple[Fact, ...]) -> None:
    assert len({row.label for row in rows}) == len(rows)


def test_a_ground_is_found_once_in_a_regime() -> None:
    for rows in (facts.grounds().lawful_basis, facts.grounds().special_categories):
        found = [(row.name, regime) for row in rows for regime in row.since]
        assert len(found) == len(set(found))


def test_a_group_bears_the_name_it_is_found_by() -> None:
    assert {name: group.label for name, group in facts.regions().groups.items()} == {"eu": "eu", "eea": "eea"}


def test_nothing_ends_before_it_begins() -> None:
    rows = facts.transfers().adequacy
    assert all(row.until is None or row.since <= row.until for row in rows)


def test_every_table_is_read_once() -> None:
    again = facts.tables()
    assert all(table is again[name] for name, table in facts.tables().items())


# The law on a day


@pytest.mark.parametrize("ground", _grounds(), ids=lambda row: row.label)
def test_a_ground_holds_from_its_first_day_and_in_its_own_regimes_only(ground: Ground) -> None:
    for regime, first in ground.since.items():
        day = datetime(first.year, first.month, first.day, tzinfo=UTC)
        assert ground.holds(regime, day)
        assert not ground.holds(regime, datetime.fromtimestamp(day.timestamp() - 1, tz=UTC))
    assert not any(ground.holds(regime, _AFTER) for regime in _REGIMES - set(ground.since))


def test_the_recognised_legitimate_interest_is_the_united_kingdoms_from_5_february_2026() -> None:
    (ground,) = (row for row in facts.grounds().lawful_basis if row.name == "recognised_legitimate_interest")
    assert not ground.holds("uk-gdpr", _BEFORE)
    assert ground.holds("uk-gdpr", _AFTER)
    assert not ground.holds("gdpr", _AFTER)
    assert not ground.holds("us", _AFTER)


def test_its_conditions_are_the_five_of_annex_1() -> None:
    rows = facts.grounds().recognised_interests
    assert {row.name for row in rows if row.holds("uk-gdpr", _AFTER)} == {
        "public_task_disclosure",
        "security_and_defence",
        "emergency",
        "crime",
        "safeguarding",
    }
    assert not any(row.holds("uk-gdpr", _BEFORE) or row.holds("gdpr", _AFTER) for row in rows)


def test_five_conditions_need_one_of_schedule_1_besides() -> None:
    needed = {row.name: row.schedule_1 for row in facts.grounds().special_categories if row.schedule_1 is not None}
    assert {name: (asked.part, asked.policy_document) for name, asked in needed.items()} == {
        "employment_social_protection": (1, True),
        "health_or_social_care": (1, False),
        "public_health": (1, False),
        "archiving_research_statistics": (1, False),
        "substantial_public_interest": (2, True),
    }


def test_schedule_1_is_asked_of_the_united_kingdoms_grounds_only() -> None:
    assert all("uk-gdpr" in row.since for row in _grounds() if row.schedule_1 is not None)


@pytest.mark.parametrize(
    ("regime", "country"), [("gdpr", "kr"), ("uk-gdpr", "kr"), ("gdpr", "fo"), ("uk-gdpr", "fo"), ("gdpr", "jp")]
)
def test_a_finding_for_some_recipients_names_its_condition(regime: str, country: str) -> None:
    (row,) = (row for row in facts.transfers().adequacy if row.regime == regime and country in row.countries)
    assert row.only


@pytest.mark.parametrize("row", [*facts.transfers().mechanisms, *facts.transfers().adequacy], ids=lambda row: row.label)
def test_every_way_out_names_its_law(row: Mechanism | Adequacy) -> None:
    assert row.law.startswith(("GDPR Art. ", "UK GDPR Art. ", "Decision ", "SI ", "Data Protection Act 2018 Sch. 21 "))


# Impact assessments, erasure, sectors, identifiers


def test_the_nine_criteria_are_those_of_the_guidelines() -> None:
    assert [row.name for row in facts.assessment().criteria] == [
        "scoring",
        "automated_decision",
        "systematic_monitoring",
        "sensitive_data",
        "large_scale",
        "matching",
        "vulnerable_subjects",
        "innovative_technology",
        "blocks_right",
    ]


def test_the_french_list_has_its_fourteen_types_in_order() -> None:
    places = [row.law for row in facts.assessment().french_list]
    assert places == [f"GDPR Art. 35(4); CNIL délibération 2018-327 no. {number}" for number in range(1, 15)]


def test_erasure_has_the_six_grounds_and_the_five_exceptions_of_article_17() -> None:
    table = facts.erasure()
    assert {row.article: row.name for row in table.grounds} == {
        "17(1)(a)": "no_longer_necessary",
        "17(1)(b)": "withdrawn_consent",
        "17(1)(c)": "objection",
        "17(1)(d)": "unlawful_processing",
        "17(1)(e)": "legal_obligation",
        "17(1)(f)": "child_online_services",
    }
    assert {row.article: row.name for row in table.exceptions} == {
        "17(3)(a)": "freedom_of_expression",
        "17(3)(b)": "legal_obligation",
        "17(3)(c)": "public_health",
        "17(3)(d)": "archiving_research_statistics",
        "17(3)(e)": "legal_claims",
    }
    assert {row.regimes for row in table.grounds + table.exceptions} == {frozenset({"gdpr", "uk-gdpr"})}


def test_a_sector_that_needs_an_agreement_says_by_what_law() -> None:
    rows = facts.sectors().rows
    assert {row.name: row.needs_agreement for row in rows} == {
        "hipaa": True,
        "glba": True,
        "ferpa": True,
        "ccpa": True,
        "none": False,
    }
    assert all((row.agreement_law is not None) is row.needs_agreement for row in rows)
    assert {row.name for row in rows if row.disposal is not None} == {"hipaa", "glba", "ccpa"}


def test_the_safe_harbor_identifiers_run_from_a_to_r() -> None:
    assert "".join(row.letter for row in facts.identifiers().rows) == "ABCDEFGHIJKLMNOPQR"


def test_an_identifier_is_looked_for_by_entities_that_exist_or_says_what_is_missing() -> None:
    rows = facts.identifiers().rows
    assert frozenset[str]().union(*(row.entities for row in rows)) <= ENTITIES
    assert all(row.entities or row.missing for row in rows)
    assert {row.letter for row in rows if row.missing is None} == set("ADEFGO")
