import re

import pytest

from policies.manifest.papers import needs_assessment
from tests.policies.handbook import AMERICAN, problem, problems, source

Swap = tuple[str, str]

_CONTRACT = "  contract: {processor_agreement: DPA-2026-007, dpia: DPIA-2026-003}\n"
_RECORD = "record: {country: gb}"
_DRAFT = ("state: active", "state: draft")
_NO_DPIA = ("dpia: DPIA-2026-003", "dpia_not_required: Public texts.")
_UNION = ("regime: uk-gdpr", "regime: gdpr")
_NOTICE = ("basis: legitimate_interests", "basis: notice")
_ENOUGH = "assessment: {criteria: [innovative_technology, vulnerable_subjects]}"


def _french(*assessment: str) -> tuple[Swap, ...]:
    return _UNION, (_RECORD, "\n  ".join(("record: {country: fr}", *assessment)))


def _beside(clause: str) -> Swap:
    return (_RECORD, f"{_RECORD}\n  {clause}")


# Contract


@pytest.mark.parametrize("state", ["active", "suspended"])
def test_a_source_that_leaves_draft_needs_its_papers(state: str) -> None:
    found = problems((_CONTRACT, ""), ("state: active", f"state: {state}"))
    assert [(line, key) for line, key, *_ in found] == [(9, "policy.contract"), (9, "policy.contract")]
    assert found[0][2] == "A source that leaves draft needs its processor agreement (GDPR Art. 28(3))."
    assert found[1][2] == "A source that leaves draft needs an impact assessment (GDPR Art. 35)."


def test_a_draft_may_lack_them() -> None:
    assert source((_CONTRACT, ""), _DRAFT).state == "draft"


def test_a_reason_stands_in_for_an_impact_assessment_but_not_beside_it() -> None:
    contract = source(_NO_DPIA).policy.contract
    assert (contract.dpia, contract.dpia_not_required) == (None, "Public texts.")
    assert problem(("dpia: DPIA-2026-003", "dpia: DPIA-2026-003, dpia_not_required: Public texts."))[:2] == (
        24,
        "policy.contract.dpia_not_required",
    )


def test_the_united_states_ask_for_no_impact_assessment() -> None:
    assert source(*AMERICAN, _NOTICE, (", dpia: DPIA-2026-003", "")).policy.contract.dpia is None


# Impact assessment


@pytest.mark.parametrize("regime", [_UNION, ("uk-gdpr", "uk-gdpr")])
def test_two_criteria_refuse_a_reason_in_place_of_an_impact_assessment(regime: Swap) -> None:
    assert needs_assessment(source(regime, _beside(_ENOUGH)).policy)
    assert problem(regime, _beside(_ENOUGH), _NO_DPIA) == (
        24,
        "policy.contract.dpia_not_required",
        "The criteria that apply ask for an impact assessment (GDPR Art. 35; WP 248).",
        "Make one and name it in place of a reason, for example: dpia: DPIA-2026-003; or leave the source in draft.",
    )
    assert problem(regime, _beside(_ENOUGH), (", dpia: DPIA-2026-003", ""))[:2] == (24, "policy.contract.dpia")


@pytest.mark.parametrize("criteria", ["none", "[large_scale]"])
def test_less_than_two_criteria_let_a_reason_stand(criteria: str) -> None:
    read = source(_beside(f"assessment: {{criteria: {criteria}}}"), _NO_DPIA)
    assert not needs_assessment(read.policy)
    assert not needs_assessment(source().policy)


def test_one_type_of_the_french_list_asks_for_an_impact_assessment() -> None:
    listed = _french("assessment: {criteria: none, french_list: [hr_profiling]}")
    assert source(*listed).policy.contract.dpia == "DPIA-2026-003"
    assert problem(*listed, _NO_DPIA)[1] == "policy.contract.dpia_not_required"
    assert source(*_french("assessment: {criteria: none, french_list: none}"), _NO_DPIA).policy.contract.dpia is None


def test_a_french_source_says_which_criteria_apply() -> None:
    assert problem(*_french())[1:3] == (
        "policy.assessment",
        "A French source that leaves draft says which criteria for an impact assessment apply.",
    )
    assert problem(*_french("assessment: {criteria: none}"))[:2] == (26, "policy.assessment.french_list")
    assert source(*_french(), _DRAFT).policy.assessment is None
    assert source(*_french("assessment: {criteria: none}"), _DRAFT).policy.assessment is not None


def test_a_source_of_the_union_says_where_its_controller_is() -> None:
    assert problem(_UNION, ("  record: {country: gb}\n", ""))[:2] == (9, "policy.record.country")
    assert source(("  record: {country: gb}\n", "")).policy.record.country is None
    assert source(_UNION, ("  record: {country: gb}\n", ""), _DRAFT).policy.record.country is None


def test_the_french_list_counts_in_france_only() -> None:
    listed = "assessment: {criteria: none, french_list: none}"
    assert problem(_beside(listed))[:2] == (26, "policy.assessment.french_list")
    assert problem(_UNION, _beside(listed))[:2] == (26, "policy.assessment.french_list")
    assert source(("record: {country: gb}", listed), _DRAFT).policy.record.country is None


def test_a_criterion_is_one_of_the_table() -> None:
    assert problem(_beside("assessment: {criteria: [large_scala]}")) == (
        26,
        "policy.assessment.criteria",
        "'large_scala' is not in the table of facts.",
        "Did you mean 'large_scale'?",
    )
    mend = problem(_beside("assessment: {criteria: [zzz]}"))[3]
    assert mend.startswith("Write one of: automated_decision, blocks_right, innovative_technology,")
    assert problem(*_french("assessment: {criteria: none, french_list: [zzz]}"))[1] == "policy.assessment.french_list"
    assert problem(_beside("assessment: {criteria: some}"))[1] == "policy.assessment.criteria"
    assert problem(_beside("assessment: {criteria: [large_scale, large_scale]}"))[2] == (
        "'large_scale' stands in the list twice."
    )


def test_the_united_states_do_not_know_the_criteria() -> None:
    customer = "customer: {name: Fabrikam Inc., contract: MSA-2026-11, sector: none}"
    assert problem(*AMERICAN, _NOTICE, (customer, f"{customer}\n  assessment: {{criteria: none}}"))[1] == (
        "policy.assessment"
    )


# Recognised legitimate interests


def test_a_recognised_interest_that_leaves_draft_names_its_condition() -> None:
    basis = "basis: legitimate_interests"
    recognised = (basis, "basis: recognised_legitimate_interest")
    line, key, message, mend = problem(recognised)
    assert (line, key) == (12, "policy.lawful_basis.condition")
    assert message == "A recognised legitimate interest meets a condition of Annex 1 (UK GDPR Art. 6(1)(ea))."
    assert mend == (
        "Write one of: crime, emergency, public_task_disclosure, safeguarding, security_and_defence; "
        "or rest on legitimate_interests with its assessment."
    )
    assert source(recognised, _DRAFT).policy.lawful_basis.condition is None
    named = "basis: recognised_legitimate_interest, condition: "
    assert source((basis, f"{named}crime")).policy.lawful_basis.condition == "crime"
    assert problem((basis, f"{named}crimes"), _DRAFT)[1:] == (
        "policy.lawful_basis.condition",
        "'crimes' is not in the table of facts.",
        "Did you mean 'crime'?",
    )


def test_no_other_basis_has_such_a_condition() -> None:
    written = ("basis: legitimate_interests", "basis: legitimate_interests, condition: crime")
    assert problem(written)[1:] == (
        "policy.lawful_basis.condition",
        "A condition of Annex 1 is for 'recognised_legitimate_interest', not for 'legitimate_interests'.",
        "Remove the key.",
    )


def test_a_basis_without_a_condition_is_written_as_before_there_were_any() -> None:
    assert source().policy.lawful_basis.model_dump() == {
        "basis": "legitimate_interests",
        "reference": "LIA-2026-014",
    }


# Special categories in the United Kingdom


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("employment_social_protection", 1),
        ("health_or_social_care", 1),
        ("public_health", 1),
        ("archiving_research_statistics", 1),
        ("substantial_public_interest", 2),
    ],
)
def test_some_conditions_need_one_of_schedule_1(condition: str, part: int) -> None:
    special = ("special_categories: none", f"special_categories: {{condition: {condition}, reference: x}}")
    line, key, message, mend = problem(special)
    assert (line, key) == (13, "policy.special_categories.schedule_1")
    assert message == f"{condition!r} needs a condition of Schedule 1, Part {part} (DPA 2018 s. 10)."
    assert source(special, _DRAFT).state == "draft"
    written = mend.removeprefix("Add the paragraph that is met, for example: ").removesuffix(".")
    assert re.fullmatch(r'schedule_1: "Part [12], para. [1-6](; policy document APD-2026-01)?"', written)
    read = source(special, ("reference: x}", f"reference: x, {written}}}")).policy.special_categories
    assert read is not None
    assert read.schedule_1 == written.removeprefix('schedule_1: "').removesuffix('"')


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        ("public_health", "none"),
        ("public_health", "Para. 3"),
        ("public_health", "Part 2, para. 6"),
        ("public_health", "Part 1, para. 2"),
        ("public_health", "Part 1, para. 3 or so"),
        ("substantial_public_interest", "Part 2, para. 6-28; policy document APD-1"),
        ("substantial_public_interest", "Part 2, para. 5; policy document APD-1"),
        ("substantial_public_interest", "Part 2, para. 29; policy document APD-1"),
        ("substantial_public_interest", "Part 2, para. 8"),
        ("substantial_public_interest", "Part 2, para. 8; policy document"),
        ("employment_social_protection", "Part 1, para. 1"),
    ],
)
def test_schedule_1_is_cited_by_part_and_one_paragraph(condition: str, written: str) -> None:
    clause = f"special_categories: {{condition: {condition}, reference: x, schedule_1: '{written}'}}"
    key, message, mend = problem(("special_categories: none", clause))[1:]
    assert key == "policy.special_categories.schedule_1"
    assert message.startswith("This does not cite one paragraph of Schedule 1, Part ")
    assert mend.startswith('Write it as in: schedule_1: "Part ')


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        ("public_health", "Part 1, para. 3"),
        ("substantial_public_interest", "Part 2, para. 8; policy document APD-1"),
        ("substantial_public_interest", "Part 2, para. 10(2); policy document not asked for there"),
    ],
)
def test_a_cited_paragraph_is_read(condition: str, written: str) -> None:
    clause = f"special_categories: {{condition: {condition}, reference: x, schedule_1: '{written}'}}"
    read = source(("special_categories: none", clause)).policy.special_categories
    assert read is not None
    assert read.schedule_1 == written


def test_schedule_1_is_british_and_not_for_every_condition() -> None:
    special = ("special_categories: none", "special_categories: {condition: legal_claims, reference: x}")
    assert source(special).policy.special_categories
    assert source(special, _UNION).policy.special_categories
    written = (special[0], special[1].replace("reference: x", "reference: x, schedule_1: y"))
    assert problem(written)[1:] == (
        "policy.special_categories.schedule_1",
        "The condition of Art. 9 needs none of Schedule 1.",
        "Remove the key.",
    )
    assert problem(written, _UNION)[1:] == (
        "policy.special_categories.schedule_1",
        "Schedule 1 is the United Kingdom's and does nothing under gdpr.",
        "Remove the key.",
    )


# The record


def test_the_record_says_what_no_machine_sees() -> None:
    clause = "record: {country: gb, joint_controllers: none, data_subjects: [staff, agency workers], dpo: none}"
    record = source((_RECORD, clause)).policy.record
    assert (record.country, record.joint_controllers, record.dpo) == ("gb", (), "none")
    assert record.data_subjects == ("staff", "agency workers")
    assert (record.data_categories, record.recipients, record.necessity) == (None, None, None)


def test_a_controller_is_in_one_country() -> None:
    assert problem((_RECORD, "record: {country: eu}"))[1:] == (
        "policy.record.country",
        "'eu' is a group of countries.",
        "Write one country, such as fr.",
    )
    assert problem((_RECORD, "record: {country: uk}"))[2:] == ("'uk' is not a region.", "Write 'gb'.")


def test_who_runs_penstock_himself_has_no_processor() -> None:
    named = (_RECORD, "record: {country: gb, processor: Hosting Ltd}")
    assert source(named).policy.record.processor == "Hosting Ltd"
    assert problem(named, ("DPA-2026-007", "own operation"))[:2] == (25, "policy.record.processor")


# The customer


def _customer(clause: str) -> tuple[Swap, ...]:
    return (*AMERICAN, _NOTICE, ("{name: Fabrikam Inc., contract: MSA-2026-11, sector: none}", clause))


def test_a_source_under_us_names_its_customer() -> None:
    customer = source(*AMERICAN, _NOTICE).policy.customer
    assert customer is not None
    assert (customer.name, customer.contract, customer.sector) == ("Fabrikam Inc.", "MSA-2026-11", "none")
    without = (("regime: uk-gdpr", "regime: us"), _NOTICE)
    assert problem(*without)[1] == "policy.customer"
    assert source(*without, _DRAFT).policy.customer is None


def test_a_customer_is_american() -> None:
    customer = "customer: {name: Fabrikam Inc., contract: MSA-2026-11, sector: none}"
    assert problem(_beside(customer))[:3] == (
        26,
        "policy.customer",
        "A customer and its sector's rule are of the regime us, not of uk-gdpr.",
    )


def test_a_sector_is_one_of_the_table_and_has_its_agreement() -> None:
    assert problem(*_customer("{name: A, contract: B, sector: hippa}"))[1:] == (
        "policy.customer.sector",
        "'hippa' is not in the table of facts.",
        "Did you mean 'hipaa'?",
    )
    assert problem(*_customer("{name: A, contract: B, sector: hipaa}"))[1:] == (
        "policy.customer.agreement",
        "'hipaa' asks for an agreement (45 CFR 164.504(e): business associate agreement).",
        "Add its reference, for example: agreement: BAA-2026-04.",
    )
    assert source(*_customer("{name: A, contract: B, sector: hipaa, agreement: BAA-1}")).policy.customer is not None
