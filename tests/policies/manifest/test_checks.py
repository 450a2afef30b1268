import pytest

from tests.policies.handbook import AMERICAN, RULES, problem, source


def test_the_recognised_interest_is_british() -> None:
    swap = ("basis: legitimate_interests", "basis: recognised_legitimate_interest, condition: crime")
    assert source(swap).policy.lawful_basis.basis == "recognised_legitimate_interest"
    swap = (swap[0], "basis: recognised_legitimate_interest")
    line, key, message, _ = problem(swap, ("regime: uk-gdpr", "regime: gdpr"))
    assert (line, key) == (12, "policy.lawful_basis.basis")
    assert message == "'recognised_legitimate_interest' is not known in the regime gdpr."


def test_the_united_states_have_bases_of_their_own() -> None:
    assert source(*AMERICAN, ("basis: legitimate_interests", "basis: sector_rule")).policy.regime == "us"
    assert problem(*AMERICAN)[3] == "Write one of: consent, contract, legal_obligation, notice, sector_rule."


def test_a_condition_for_special_categories_is_one_the_regime_knows() -> None:
    assert problem(("special_categories: none", "special_categories: {condition: zzz, reference: x}"))[:3] == (
        13,
        "policy.special_categories.condition",
        "'zzz' is not known in the regime uk-gdpr.",
    )
    assert problem(("special_categories: none", "special_categories: {condition: legal_claims}"))[1] == (
        "policy.special_categories.reference"
    )
    assert problem(("special_categories: none", "special_categories: some"))[1] == "policy.special_categories"


@pytest.mark.parametrize("key", ["store", "process", "serve"])
def test_a_region_the_law_does_not_reach_needs_a_transfer(key: str) -> None:
    listed = {"store": "store: [gb", "process": "process: [gb", "serve": "serve: [gb"}[key]
    transfer = "transfers: [{to: in, mechanism: idta, reference: x, checked_on: 2026-03-31}]"
    line, at, message, mend = problem((listed, f"{listed}, in"))
    assert (line, at) == (16, f"policy.residency.{key}")
    assert message == "Data may not go to 'in' under uk-gdpr without a transfer mechanism."
    assert mend == ("Remove it, or add: transfers: [{to: in, mechanism: idta, reference: …, checked_on: …}].")
    assert source((listed, f"{listed}, in"), ("transfers: []", transfer)).policy.residency.transfers[0].to == "in"


def test_logs_need_a_transfer_as_texts_do() -> None:
    system = ("serve: [gb, eu]", "serve: [gb, eu], system: [gb, us]")
    assert problem(system)[1] == "policy.residency.system"
    transfer = ("transfers: []", "transfers: [{to: us, mechanism: idta, reference: x, checked_on: 2026-03-31}]")
    assert source(system, transfer).policy.residency.system == ("gb", "us")


def test_the_usual_mechanism_is_the_one_of_the_regime() -> None:
    assert "mechanism: scc" in problem(("regime: uk-gdpr", "regime: gdpr"), ("[gb, eu]", "[gb, in]"))[3]


@pytest.mark.parametrize(
    ("transfer", "key", "message", "mend"),
    [
        (
            "{to: gb, mechanism: idta, reference: x, checked_on: 2026-03-31}",
            "policy.residency.transfers[0].to",
            "'gb' is at home under uk-gdpr, so this is no transfer.",
            "Remove the transfer; store, process and serve are enough.",
        ),
        (
            "{to: us, mechanism: scc, reference: x, checked_on: 2026-03-31}",
            "policy.residency.transfers[0].mechanism",
            "'scc' does not carry data to 'us' under uk-gdpr.",
            "Write one of: bcr, derogation, dpf, idta.",
        ),
        (
            "{to: in, mechanism: adequacy, reference: x, checked_on: 2026-03-31}",
            "policy.residency.transfers[0].mechanism",
            "'adequacy' does not carry data to 'in' under uk-gdpr.",
            "Write one of: bcr, derogation, idta.",
        ),
        (
            "{to: ca, mechanism: dpf, reference: x, checked_on: 2026-03-31}",
            "policy.residency.transfers[0].mechanism",
            "'dpf' does not carry data to 'ca' under uk-gdpr.",
            "Write one of: adequacy, bcr, derogation, idta.",
        ),
        (
            (
                "{to: in, mechanism: bcr, reference: x, checked_on: 2026-03-31}, "
                "{to: in, mechanism: bcr, reference: y, checked_on: 2026-04-30}"
            ),
            "policy.residency.transfers[1]",
            "The transfer stands in the list twice.",
            "Keep one of the two.",
        ),
    ],
)
def test_a_transfer_that_carries_nothing_is_refused(transfer: str, key: str, message: str, mend: str) -> None:
    assert problem(("transfers: []", f"transfers: [{transfer}]")) == (16, key, message, mend)


def test_the_united_states_have_no_rule_on_transfers() -> None:
    american = (*AMERICAN, ("basis: legitimate_interests", "basis: notice"))
    assert source(*american, ("[gb, eu]", "[us, in]")).policy.residency.serve == ("in", "us")
    transfer = "transfers: [{to: in, mechanism: scc, reference: x, checked_on: 2026-03-31}]"
    assert problem(*american, ("transfers: []", transfer))[1] == "policy.residency.transfers"


def test_who_is_denied_is_not_allowed() -> None:
    assert problem(("deny: [group:contractors]", "deny: [group:staff]"))[:3] == (
        18,
        "policy.access.allow",
        "'group:staff' is allowed and denied; deny wins, so allowing it does nothing.",
    )
    assert problem(("allow: [group:board]", "allow: [group:contractors]"))[1] == (
        "policy.access.documents.rules[0].allow"
    )
    assert problem(("allow: [group:board]", "allow: [user:a], deny: [user:a]"))[1] == (
        "policy.access.documents.rules[0].allow"
    )


def test_a_rule_behind_a_wider_one_is_refused() -> None:
    rule = '{match: "board/**", allow: [group:board]}'
    assert problem((rule, f"{rule}, {{match: board/pay/*, allow: [user:ann]}}")) == (
        20,
        "policy.access.documents.rules[1].match",
        "The rule can never match: rule 1 takes everything it names.",
        "Put the narrower rule first, or remove this one.",
    )
    assert problem((rule, f"{rule}, {rule}"))[1] == "policy.access.documents.rules[1].match"


def test_documents_from_rules_have_rules() -> None:
    assert problem((RULES, "documents: {from: rules}"))[:3] == (20, "policy.access.documents", "There are no rules.")


def test_documents_from_the_connector_have_no_rules_and_an_age() -> None:
    assert problem(("documents: {from: rules", "documents: {from: connector"))[1] == "policy.access.documents.rules"
    assert problem((RULES, "documents: {from: connector}"), ("    max_age: PT15M\n", ""))[:3] == (
        17,
        "policy.access",
        "Mirrored permissions need an age after which they admit nobody.",
    )


@pytest.mark.parametrize(
    ("redaction", "message"),
    [
        ("{profile: balanced}", "Redaction needs to know the documents' languages."),
        ("{profile: none}", "Profile 'none' lets everything through and needs a reason."),
    ],
)
def test_redaction_says_what_it_needs(redaction: str, message: str) -> None:
    assert problem(("{profile: balanced, languages: [en, fr]}", redaction))[:3] == (22, "policy.redaction", message)


def test_special_categories_are_personal_data() -> None:
    assert problem(
        ("{profile: balanced, languages: [en, fr]}", "{profile: none, reason: None in there.}"),
        ("special_categories: none", "special_categories: {condition: legal_claims, reference: x}"),
    )[:2] == (22, "policy.redaction.profile")


REDACTION = "{profile: balanced, languages: [en, fr]}"


def redaction(more: str) -> tuple[str, str]:
    return REDACTION, f"{{profile: balanced, languages: [en, fr], {more}}}"


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("keep: [IP_ADDRESS], also: [IP_ADDRESS]", "keep"),
        ("also: [location]", "also[0]"),
        ("output: {default: shred}", "output.default"),
        ("output: [mask]", "output"),
        ("allow: [x]", "allow[0]"),
        ('patterns: [{entity: Staff, regex: "NW-[0-9]{6}"}]', "patterns[0].entity"),
        ('patterns: [{entity: STAFF, regex: "(?:a+)+"}]', "patterns[0].regex"),
        ('patterns: [{entity: STAFF, regex: "NW-[0-9]{6}", score: 0.3}]', "patterns[0].score"),
        ('patterns: [{entity: STAFF, regex: "NW-[0-9]{6}", context: ["-"]}]', "patterns[0].context[0]"),
        ("patterns: [{entity: STAFF}]", "patterns[0].regex"),
        ("other_languages: ignore", "other_languages"),
    ],
)
def test_what_a_source_adds_to_redaction_is_checked(more: str, key: str) -> None:
    line, named, _, mend = problem(redaction(more))
    assert (line, named) == (22, f"policy.redaction.{key}")
    assert mend


def test_where_nothing_is_redacted_nothing_can_be_added() -> None:
    none = "{profile: none, reason: None in there., also: [LOCATION]}"
    assert problem((REDACTION, none))[:2] == (22, "policy.redaction.also")
