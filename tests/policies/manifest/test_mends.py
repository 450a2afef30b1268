import pytest

from policies import manifest
from tests.policies.handbook import TEXT, problem, problems, source


def test_a_misspelt_key_is_named_with_the_right_one_and_nothing_else() -> None:
    assert problem(("  retention:", "  retension:")) == (
        15,
        "policy.retension",
        "Unknown key 'retension'.",
        "Did you mean 'retention'?",
    )


def test_an_unknown_key_is_answered_with_the_keys_there_are() -> None:
    assert problem(("title: HR handbook\n", "title: HR handbook\nzzz: 1\n")) == (
        3,
        "zzz",
        "Unknown key 'zzz'.",
        (
            "Remove it; the keys here are: source, title, owner, version, state, serving, connector, schedule, policy, "
            "limits."
        ),
    )


def test_an_unknown_key_within_a_list_is_named_with_its_position() -> None:
    assert problem(('{match: "board/**",', '{match: "board/**", alow: [user:a],')) == (
        20,
        "policy.access.documents.rules[0].alow",
        "Unknown key 'alow'.",
        "Did you mean 'allow'?",
    )


@pytest.mark.parametrize(
    ("line", "key", "mend"),
    [
        ("source: hr-handbook\n", "source", "Add it, for example: source: hr-handbook"),
        ("title: HR handbook\n", "title", "Add it, for example: title: HR handbook"),
        (
            "owner: people-team@northwind.example\n",
            "owner",
            "Add it, for example: owner: people-team@northwind.example",
        ),
        ("  controller: Northwind Ltd\n", "policy.controller", "Add it, for example: controller: Northwind Ltd"),
        ("  regime: uk-gdpr\n", "policy.regime", "Add it, for example: regime: uk-gdpr"),
        (
            "  lawful_basis: {basis: legitimate_interests, reference: LIA-2026-014}\n",
            "policy.lawful_basis",
            "Add it, for example: lawful_basis: {basis: legitimate_interests, reference: LIA-2026-014}",
        ),
        ("  special_categories: none\n", "policy.special_categories", "Add it, for example: special_categories: none"),
        ("  purposes: [employee-support]\n", "policy.purposes", "Add it, for example: purposes: [employee-support]"),
        (
            "  retention: {period: P2Y, from: modified}\n",
            "policy.retention",
            "Add it, for example: retention: {period: P2Y, from: modified}",
        ),
        (
            "  residency: {store: [gb], process: [gb], serve: [gb, eu], transfers: []}\n",
            "policy.residency",
            "Add it, for example: residency: {store: [gb], process: [gb], serve: [gb, eu]}",
        ),
        (
            "  redaction: {profile: balanced, languages: [en, fr]}\n",
            "policy.redaction",
            "Add it, for example: redaction: {profile: balanced, languages: [en]}",
        ),
    ],
)
def test_a_missing_key_is_answered_with_an_example(line: str, key: str, mend: str) -> None:
    place = 1
    if key.startswith("policy."):
        place = TEXT.splitlines().index("policy:") + 1
    found_line, found_key, message, found_mend = problem((line, ""))
    assert (found_line, found_key, message, found_mend) == (place, key, "The key is missing.", mend)


@pytest.mark.parametrize(
    ("swap", "key"),
    [
        (("reference: LIA-2026-014", "x: y"), "policy.lawful_basis.reference"),
        (("period: P2Y, ", ""), "policy.retention.period"),
        ((", from: modified", ""), "policy.retention.from"),
        (("store: [gb], ", ""), "policy.residency.store"),
        (("process: [gb], ", ""), "policy.residency.process"),
        (("serve: [gb, eu], ", ""), "policy.residency.serve"),
        (("    allow: [group:staff]\n", ""), "policy.access.allow"),
        (("kind: filesystem, ", ""), "connector.kind"),
        (("profile: balanced, ", ""), "policy.redaction.profile"),
    ],
)
def test_nothing_a_decision_needs_may_be_left_out(swap: tuple[str, str], key: str) -> None:
    assert (key, "The key is missing.") in [(found[1], found[2]) for found in problems(swap)]


def test_a_missing_section_is_answered_with_its_keys() -> None:
    line, key, message, mend = problem((TEXT[TEXT.index("policy:\n") : TEXT.index("limits:")], ""))
    assert (line, key, message) == (1, "policy", "The key is missing.")
    assert mend.startswith("Add it with the keys controller, regime, lawful_basis,")


@pytest.mark.parametrize(
    ("swap", "line", "key", "message", "mend"),
    [
        (("HR handbook", "''"), 2, "title", "The value is empty.", "Write it, for example: title: HR handbook"),
        (
            ("HR handbook", '"HR\\nhandbook"'),
            2,
            "title",
            "The value is not spelt as this key needs it.",
            "Write it, for example: title: HR handbook",
        ),
        (("HR handbook", "[HR]"), 2, "title", "Text is needed here.", "Write it, for example: title: HR handbook"),
        (
            ("hr-handbook", "HR_handbook"),
            1,
            "source",
            "The value is not spelt as this key needs it.",
            "Write it, for example: source: hr-handbook",
        ),
        (("version: 3", "version: three"), 4, "version", "'three' is not a number.", "Write a whole number."),
        (
            ("version: 3", "version: 0"),
            4,
            "version",
            "Input should be greater than or equal to 1.",
            "Write it, for example: version: 1",
        ),
        (("version: 3", "version: ٣"), 4, "version", "'٣' is not a number.", "Write a whole number."),
        (
            ("version: 3", "version: [3]"),
            4,
            "version",
            "Input should be a valid integer.",
            "Write it, for example: version: 1",
        ),
        (
            ("state: active", "state: activ"),
            5,
            "state",
            "'activ' is not a value of this key.",
            "Did you mean 'active'?",
        ),
        (
            ("state: active", "state: zzz"),
            5,
            "state",
            "'zzz' is not a value of this key.",
            "Write one of: draft, active, suspended.",
        ),
        (
            ("state: active", "state: {}"),
            5,
            "state",
            "This is not a value of this key.",
            "Write one of: draft, active, suspended.",
        ),
        (("serving: on", "serving: yes"), 6, "serving", "'yes' is neither on nor off.", "Write on or off."),
        (("serving: on", "serving: true"), 6, "serving", "'true' is neither on nor off.", "Write on or off."),
        (
            ("purposes: [employee-support]", "purposes: employee-support"),
            14,
            "policy.purposes",
            "A list is needed here.",
            "Write it, for example: purposes: [employee-support]",
        ),
        (
            ("purposes: [employee-support]", "purposes: []"),
            14,
            "policy.purposes",
            "The list is empty.",
            "Write it, for example: purposes: [employee-support]",
        ),
        (
            ("purposes: [employee-support]", "purposes: [a, b, a]"),
            14,
            "policy.purposes",
            "'a' stands in the list twice.",
            "Keep one of the two.",
        ),
        (
            ("{basis: legitimate_interests, reference: LIA-2026-014}", "consent"),
            12,
            "policy.lawful_basis",
            "Keys with values are needed here.",
            "Write it, for example: lawful_basis: {basis: legitimate_interests, reference: LIA-2026-014}",
        ),
        (
            ("basis: legitimate_interests", "basis: legitimate_interest"),
            12,
            "policy.lawful_basis.basis",
            "'legitimate_interest' is not known in the regime uk-gdpr.",
            "Did you mean 'legitimate_interests'?",
        ),
        (
            ("P2Y", "2 years"),
            15,
            "policy.retention.period",
            "'2 years' is not a retention period.",
            "Write an ISO 8601 duration of years, months, weeks or days, such as P2Y, P18M or P30D.",
        ),
        (("store: [gb]", "store: [uk]"), 16, "policy.residency.store[0]", "'uk' is not a region.", "Write 'gb'."),
        (
            ("allow: [group:staff]", "allow: [staff]"),
            18,
            "policy.access.allow[0]",
            "The value is not spelt as this key needs it.",
            "Write it, for example: allow: ['group:staff']",
        ),
        (
            ("allow: [group:staff]", "allow: []"),
            18,
            "policy.access.allow",
            "The list is empty.",
            "Write it, for example: allow: ['group:staff']",
        ),
        (
            ("board/**", "/board/**"),
            20,
            "policy.access.documents.rules[0].match",
            "'/board/**' can never match.",
            "Write it relative to the source's root, such as board/**, with no empty, . or .. folder.",
        ),
        (
            ("PT15M", "15m"),
            21,
            "policy.access.max_age",
            "'15m' is not a span of time.",
            "Write an ISO 8601 duration, such as PT15M, PT4H or P1D.",
        ),
        (
            ("PT15M", "P8D"),
            21,
            "policy.access.max_age",
            "The span of time is not between a minute and seven days.",
            "Write one such as PT15M or P1D.",
        ),
        (
            ("max_risk: 0.05", "max_risk: 5%"),
            23,
            "policy.guardrail.max_risk",
            "'5%' is not a number.",
            "Write a decimal between 0 and 1.",
        ),
        (
            ("max_risk: 0.05", "max_risk: 1"),
            23,
            "policy.guardrail.max_risk",
            "Input should be less than 1.",
            "Write it, for example: max_risk: 0.1",
        ),
        (
            ("max_deletes: 0.5", "max_deletes: 1.5"),
            26,
            "limits.max_deletes",
            "Input should be less than or equal to 1.",
            "Write it, for example: max_deletes: 0.2",
        ),
        (
            ("max_deletes: 0.5", "max_document_bytes: 52428801"),
            26,
            "limits.max_document_bytes",
            "Input should be less than or equal to 52428800.",
            "Write it, for example: max_document_bytes: 52428800",
        ),
    ],
)
def test_a_wrong_value_is_named_with_line_key_and_mend(
    swap: tuple[str, str], line: int, key: str, message: str, mend: str
) -> None:
    assert problem(swap) == (line, key, message, mend)


@pytest.mark.parametrize(
    "principal", ["staff", "group:", "role:x", "group: staff", "group:staff ", "group:*", '"user:a\\nb"']
)
def test_a_principal_is_a_group_or_a_user_with_a_name(principal: str) -> None:
    assert problem(
        ("deny: [group:contractors]", f"deny: ['{principal}']" if "\\" not in principal else f"deny: [{principal}]")
    )[:3] == (19, "policy.access.deny[0]", "The value is not spelt as this key needs it.")


@pytest.mark.parametrize(
    "principal", ["group:Domain Users", "user:ann@northwind.example", "group:Zürich/ops", "user:a"]
)
def test_a_principal_is_spelt_as_the_identity_provider_does(principal: str) -> None:
    assert source(("group:contractors", f"'{principal}'")).policy.access.deny == (principal,)


@pytest.mark.parametrize("age", ["P", "PT", "P1DT", "PT-5M", "-PT5M", "900", "P1M", "PT0M", "P0D", "[PT5M]"])
def test_an_age_that_is_none_is_refused(age: str) -> None:
    assert problem(("PT15M", age))[1].startswith("policy.access.max_age")


@pytest.mark.parametrize(
    "schedule",
    ["hourly", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "1, * * * *"],
)
def test_a_schedule_that_cron_would_not_take_is_refused(schedule: str) -> None:
    assert problem(("*/15 * * * *", schedule))[1:3] == ("schedule.sync", f"{schedule!r} is not a schedule.")


@pytest.mark.parametrize("schedule", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_a_schedule_of_a_day_that_never_comes_is_refused(schedule: str) -> None:
    assert "names a day that no year has" in problem(("*/15 * * * *", schedule))[2]


@pytest.mark.parametrize("schedule", ["0 0 29 2 *", "0 0 31 2,3 *", "0 0 31 2 1", "5/10 1-3 */7 * 0-6"])
def test_a_schedule_of_a_day_that_comes_at_all_is_taken(schedule: str) -> None:
    assert source(("*/15 * * * *", schedule)).schedule.sync == schedule


def test_a_period_is_text_and_nothing_else() -> None:
    assert problem(("period: P2Y", "period: {months: -5, days: 0}"))[1] == "policy.retention.period"


def test_a_day_is_a_date_and_nothing_else() -> None:
    listed = "transfers: [{to: us, mechanism: dpf, reference: x, checked_on: %s}]"
    for day in ("1774915200", "2026-3-1", "31.03.2026", "2026-02-30"):
        assert problem(("transfers: []", listed % day))[1] == "policy.residency.transfers[0].checked_on"


def test_every_problem_is_listed_in_the_order_of_the_file() -> None:
    found = problems(
        ("source: hr-handbook", "source: HR"), ("PT15M", "soon"), ("P2Y", "2y"), ("serving: on", "serving: 1")
    )
    assert [line for line, *_ in found] == [1, 6, 15, 21]


def test_a_list_of_bad_items_is_not_called_empty_as_well() -> None:
    assert [key for _, key, *_ in problems(("store: [gb]", "store: [uk, xx]"))] == [
        "policy.residency.store[0]",
        "policy.residency.store[1]",
    ]


def test_a_very_long_value_is_cut_in_the_message() -> None:
    assert problem(("state: active", f"state: {'x' * 500}"))[2] == f"'{'x' * 60}' is not a value of this key."


def test_a_file_that_is_no_mapping_is_answered_with_the_keys() -> None:
    (problem,) = manifest.check("- a\n", path="hr.yaml")
    assert (problem.line, problem.key, problem.message) == (1, "", "Keys with values are needed here.")
    assert problem.mend.startswith("Write it with the keys source, title, owner,")


def test_what_is_no_yaml_is_the_only_problem() -> None:
    (problem,) = manifest.check("a: [", path="hr.yaml")
    assert problem.code == "manifest_invalid"


def test_a_valid_manifest_has_no_problem() -> None:
    assert manifest.check(TEXT, path="hr.yaml") == ()
