import re
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from policies.manifest import Source
from policies.manifest.clauses import Transfer
from policies.model import Access
from policies.plan import changes
from policies.retention import Period
from tests.policies.handbook import NOW, RULES, source

# What a valid manifest says


def test_a_manifest_is_read_as_written() -> None:
    read = source()
    assert (read.name, read.title, read.owner) == ("hr-handbook", "HR handbook", "people-team@northwind.example")
    assert (read.version, read.state, read.serving) == (3, "active", True)
    assert read.connector.kind == "filesystem"
    assert read.connector.options == {"root": "hr", "include": ["**/*.docx", "**/*.md"]}
    assert (read.schedule.sync, read.schedule.permissions) == ("*/15 * * * *", None)
    policy = read.policy
    assert (policy.controller, policy.regime, policy.special_categories) == ("Northwind Ltd", "uk-gdpr", None)
    assert (policy.lawful_basis.basis, policy.lawful_basis.reference) == ("legitimate_interests", "LIA-2026-014")
    assert policy.purposes == ("employee-support",)
    assert (policy.retention.period, policy.retention.anchor) == (Period(months=24, days=0), "modified")
    residency = policy.residency
    assert (residency.store, residency.process, residency.serve) == (("gb",), ("gb",), ("eu", "gb"))
    assert residency.transfers == ()
    assert (policy.access.allow, policy.access.deny) == (("group:staff",), ("group:contractors",))
    assert policy.access.max_age == timedelta(minutes=15)
    assert (policy.redaction.profile, policy.redaction.languages) == ("balanced", ("en", "fr"))
    assert (policy.guardrail.max_risk, policy.guardrail.delta) == (0.05, 0.10)
    assert (policy.guardrail.review_share, policy.guardrail.keep_query) == (0.02, False)
    assert (policy.contract.processor_agreement, policy.contract.dpia) == ("DPA-2026-007", "DPIA-2026-003")
    assert (read.limits.max_deletes, read.limits.max_document_bytes) == (0.5, 52_428_800)


def test_only_what_is_no_security_argument_has_a_default() -> None:
    read = source(
        ("version: 3\n", ""),
        ("state: active\n", ""),
        ("serving: on\n", ""),
        ('schedule: {sync: "*/15 * * * *"}\n', ""),
        (", transfers: []", ""),
        ("    deny: [group:contractors]\n", ""),
        (f"    {RULES}\n", ""),
        ("    max_age: PT15M\n", ""),
        ("  guardrail: {max_risk: 0.05}\n", ""),
        ("  contract: {processor_agreement: DPA-2026-007, dpia: DPIA-2026-003}\n", ""),
        ("  record: {country: gb}\n", ""),
        ("limits: {max_deletes: 0.5}\n", ""),
    )
    assert (read.version, read.state, read.serving, read.schedule.sync) == (1, "draft", False, None)
    assert (read.policy.residency.transfers, read.policy.access.deny, read.policy.access.documents) == ((), (), None)
    assert (read.policy.guardrail.max_risk, read.policy.guardrail.delta) == (0.10, 0.10)
    assert (read.limits.max_deletes, read.limits.max_document_bytes) == (0.2, 52_428_800)


def test_norway_is_a_country_and_on_is_a_switch() -> None:
    read = source(("serve: [gb, eu]", "serve: [gb, no]"))
    assert read.policy.residency.serve == ("gb", "no")
    assert read.serving
    assert not source(("serving: on", "serving: off")).serving
    assert source(("serving: on", "serving: 'on'")).serving


def test_special_categories_carry_their_condition() -> None:
    cited = "Part 1, para. 1; policy document APD-1"
    clause = f"{{condition: employment_social_protection, reference: A9-1, schedule_1: '{cited}'}}"
    read = source(("special_categories: none", f"special_categories: {clause}"))
    assert read.policy.special_categories is not None
    assert read.policy.special_categories.condition == "employment_social_protection"
    assert read.policy.special_categories.schedule_1 == cited


def test_a_transfer_is_read_with_the_day_of_its_check() -> None:
    read = source(
        ("transfers: []", "transfers: [{to: us, mechanism: dpf, reference: DPF-1, checked_on: 2026-03-31}]"),
        ("serve: [gb, eu]", "serve: [gb, us]"),
    )
    assert read.policy.residency.transfers == (
        Transfer(to="us", mechanism="dpf", reference="DPF-1", checked_on=date(2026, 3, 31)),
    )


def test_a_reference_in_digits_stays_text() -> None:
    assert source(("LIA-2026-014", "007")).policy.lawful_basis.reference == "007"


def test_a_source_under_no_redaction_says_why() -> None:
    redaction = source(
        ("{profile: balanced, languages: [en, fr]}", "{profile: none, reason: Published manuals.}")
    ).policy.redaction
    assert (redaction.profile, redaction.languages, redaction.reason) == ("none", (), "Published manuals.")


@pytest.mark.parametrize("schedule", ["0 6 * * 1-5", "*/15 * * * *", "0,30 8-18/2 1 1,7 0", "59 23 31 12 7"])
def test_a_schedule_is_five_fields_of_cron(schedule: str) -> None:
    assert source(("*/15 * * * *", schedule)).schedule.sync == schedule


def test_a_source_survives_its_own_json() -> None:
    for read in (
        source(),
        source(("special_categories: none", "special_categories: {condition: legal_claims, reference: x}")),
    ):
        again = Source.model_validate_json(read.model_dump_json())
        assert again == read
        assert again.policy_hash == read.policy_hash


def test_a_source_does_not_change() -> None:
    with pytest.raises(ValidationError):
        source().serving = False


# The policy hash


def test_the_hash_is_of_the_meaning_not_of_the_layout() -> None:
    read = source(("\n  access:", "\n  # a comment\n\n  access:"), ("[gb, eu]", '["eu", gb]'), ("P2Y", "P24M"))
    assert read.policy_hash == source().policy_hash
    assert re.fullmatch(r"[0-9a-f]{64}", read.policy_hash)


@pytest.mark.parametrize(
    "swap",
    [
        ("serving: on", "serving: off"),
        ("P2Y", "P3Y"),
        ("group:staff", "group:stuff"),
        ("root: hr", "root: hq"),
        ("max_risk: 0.05", "max_risk: 0.06"),
    ],
)
def test_every_change_of_meaning_changes_the_hash(swap: tuple[str, str]) -> None:
    assert source(swap).policy_hash != source().policy_hash


# Access by document


def test_the_first_rule_that_matches_replaces_allow_and_deny_adds_up() -> None:
    read = source(
        (
            RULES,
            (
                "documents: {from: rules, rules: [{match: board/pay/**, allow: [user:ann], deny: [group:interns]}, "
                "{match: board/**, allow: [group:board]}]}"
            ),
        )
    )
    contractors = frozenset({"group:contractors"})
    assert read.access_for("board/pay/a.md") == Access(
        allow=frozenset({"user:ann"}), deny=contractors | {"group:interns"}
    )
    assert read.access_for("board/a.md") == Access(allow=frozenset({"group:board"}), deny=contractors)
    assert read.access_for("a.md") == Access(allow=frozenset({"group:staff"}), deny=contractors)
    assert not read.mirrors_access


def test_without_document_rules_the_list_of_the_source_counts() -> None:
    read = source((f"    {RULES}\n", ""))
    assert read.access_for("board/a.md") == Access(
        allow=frozenset({"group:staff"}), deny=frozenset({"group:contractors"})
    )


def test_mirrored_permissions_keep_their_date_and_gain_the_deny_list_of_the_source() -> None:
    read = source((RULES, "documents: {from: connector}"))
    mirrored = Access(allow=frozenset({"user:ann"}), deny=frozenset({"user:bob"}), as_of=NOW)
    assert read.mirrors_access
    assert read.access_for("a.md", mirrored=mirrored) == Access(
        allow=frozenset({"user:ann"}), deny=frozenset({"user:bob", "group:contractors"}), as_of=NOW
    )


def test_a_document_whose_origin_names_no_permissions_has_none() -> None:
    assert source((RULES, "documents: {from: connector}")).access_for("a.md") is None


# Where retention starts


@pytest.mark.parametrize(
    ("since", "expected"),
    [("created", datetime(2024, 1, 1, tzinfo=UTC)), ("modified", datetime(2025, 1, 1, tzinfo=UTC)), ("ingested", NOW)],
)
def test_retention_counts_from_the_date_the_manifest_names(since: str, expected: datetime) -> None:
    created, modified = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    read = source(("from: modified", f"from: {since}"))
    assert read.anchor(created=created, modified=modified, ingested=NOW) == expected


def test_retention_counts_from_no_other_date_where_that_one_is_not_known() -> None:
    assert source().anchor(created=NOW, modified=None, ingested=NOW) is None


def test_how_texts_are_redacted_has_a_name() -> None:
    assert source().redaction == "balanced:en,fr"
    assert (
        source(("{profile: balanced, languages: [en, fr]}", "{profile: none, reason: Manuals.}")).redaction == "none:"
    )


OLD = "{profile: balanced, languages: [en, fr]}"


@pytest.mark.parametrize(
    "more",
    [
        "also: [LOCATION]",
        "keep: [UK_NINO]",
        "output: {PERSON: opaque}",
        "allow: [Ada Lovelace Building]",
        'patterns: [{entity: STAFF_NUMBER, regex: "NW-[0-9]{6}"}]',
        "other_languages: patterns",
    ],
)
def test_every_option_of_redaction_enters_its_name_and_the_hash(more: str) -> None:
    plain = source()
    bent = source((OLD, OLD.replace("}", f", {more}}}")))
    assert re.fullmatch("balanced:en,fr:[0-9a-f]{16}", bent.redaction)
    assert bent.policy_hash != plain.policy_hash
    (key,) = bent.policy.redaction.options
    assert any(change.key.startswith(f"policy.redaction.{key}") for change in changes(plain, bent).changes)
    assert changes(plain, bent).needs_reingest


def test_the_order_of_kinds_is_no_change() -> None:
    one, other = (
        source((OLD, OLD.replace("}", f", also: [{names}]}}"))) for names in ("DATE, LOCATION", "LOCATION, DATE")
    )
    assert one.redaction == other.redaction


def test_a_source_without_options_is_written_as_before_there_were_any() -> None:
    assert source().model_dump(mode="json")["policy"]["redaction"].keys() == {"profile", "languages", "reason"}
